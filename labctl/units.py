"""Quantities as chemists write them: a number and a unit, read by one closed table for each kind of quantity.

The kind decides what a unit means: `C` is a rate (1C passes the nominal capacity in an hour) and never a coulomb or a
degree, `%` in a capacity is of the nominal one, `m` is a length and refused in a duration. Inside all is SI.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from labctl.document import Mark
from labctl.errors import Misread


class Dimension(NamedTuple):
    """Exponents over the base quantities; `nominal` is "100 %" of the cell, so 1C is nominal per 3600 s."""

    ampere: int = 0
    volt: int = 0
    second: int = 0
    metre: int = 0
    kilogram: int = 0
    kelvin: int = 0
    radian: int = 0
    mole: int = 0
    nominal: int = 0

    def __mul__(self, other: object) -> "Dimension":
        """Return the dimension of a product."""
        return Dimension(*map(int.__add__, self, other)) if isinstance(other, Dimension) else NotImplemented

    def __truediv__(self, other: "Dimension") -> "Dimension":
        """Return the dimension of a quotient."""
        return Dimension(*map(int.__sub__, self, other))

    def __pow__(self, exponent: int) -> "Dimension":
        """Return the dimension of a power."""
        return Dimension(*(item * exponent for item in self))


NONE: Final = Dimension()
CURRENT: Final = Dimension(ampere=1)
VOLTAGE: Final = Dimension(volt=1)
DURATION: Final = Dimension(second=1)
LENGTH: Final = Dimension(metre=1)
AREA: Final = LENGTH**2
MASS: Final = Dimension(kilogram=1)
KELVIN: Final = Dimension(kelvin=1)
ANGLE: Final = Dimension(radian=1)
MOLE: Final = Dimension(mole=1)
FRACTION: Final = Dimension(nominal=1)
CHARGE: Final = CURRENT * DURATION
POWER: Final = CURRENT * VOLTAGE
ENERGY: Final = POWER * DURATION
RESISTANCE: Final = VOLTAGE / CURRENT
C_RATE: Final = FRACTION / DURATION
PRESSURE: Final = ENERGY / LENGTH**3

Kind: TypeAlias = Literal[
    "duration",
    "current",
    "capacity",
    "power",
    "resistance",
    "voltage",
    "potential",
    "scan rate",
    "frequency",
    "amplitude",
    "bias",
    "temperature",
    "temperature step",
    "length",
    "area",
    "mass",
    "angle",
    "pressure",
    "fraction",
    "voltage slope",
    "current slope",
    "nominal rate",
    "count",
    "number",
    "any",
]


@dataclass(frozen=True, slots=True)
class Table:
    """What a kind of quantity accepts.

    Attributes:
        dimension: Of the absolute quantity.
        accepted: Every dimension that may be written at such a place.
        units: Spellings to propose, the commonest first.
        example: One whole value.
    """

    dimension: Dimension
    accepted: frozenset[Dimension]
    units: tuple[str, ...]
    example: str


def _table(dimension: Dimension, units: str, example: str, *more: Dimension) -> Table:
    return Table(dimension, frozenset((dimension, *more)), tuple(units.split(", ")), example)


_PER_CELL = (AREA, MASS)
_CURRENTS = (*(CURRENT / item for item in _PER_CELL), C_RATE)
_CURRENT_UNITS = "mA, uA, nA, A, mA/cm2, uA/cm2, A/cm2, mA/g, A/g, C, A/kg, mA/mg, A/m2"
TABLES: Final[dict[str, Table]] = {
    "duration": _table(DURATION, "s, min, h, d, ms, us", "10 min"),
    "current": _table(CURRENT, _CURRENT_UNITS, "0.1 mA/cm2", *_CURRENTS),
    "capacity": _table(
        CHARGE,
        "mAh, uAh, Ah, nAh, mAh/cm2, uAh/cm2, mAh/g, Ah/g, uAh/cm2/um, mAh/cm3, %, Ah/kg",
        "1 mAh/cm2",
        CHARGE / AREA,
        CHARGE / MASS,
        CHARGE / LENGTH**3,
        FRACTION,
    ),
    "power": _table(
        POWER,
        "mW, uW, nW, W, mW/cm2, uW/cm2, W/g, mW/g, W/kg",
        "5 mW",
        *(POWER / item for item in _PER_CELL),
    ),
    "resistance": _table(RESISTANCE, "Ohm, kOhm, MOhm, mOhm, Ohm cm2", "100 Ohm", RESISTANCE * AREA),
    "voltage": _table(VOLTAGE, "V, mV, uV", "4.2 V"),
    "potential": _table(VOLTAGE, "V, mV, uV, V vs Li, mV vs ocv", "3.8 V"),
    "scan rate": _table(VOLTAGE / DURATION, "mV/s, V/s, uV/s, mV/min, V/h, mV/h", "0.1 mV/s"),
    "frequency": _table(NONE / DURATION, "Hz, kHz, MHz, mHz, uHz", "1 MHz"),
    "amplitude": _table(VOLTAGE, "mV, V, mV rms, uA, mA, uA/cm2, mA/cm2", "10 mV", CURRENT, *_CURRENTS),
    "bias": _table(VOLTAGE, "V, mV, mV vs ocv, uA, mA, uA/cm2, mA/cm2, C", "3.8 V", CURRENT, *_CURRENTS),
    "temperature": _table(KELVIN, "degC, K", "25 degC"),
    "temperature step": _table(KELVIN, "K, degC", "1 K"),
    "length": _table(LENGTH, "mm, um, nm, cm, m", "5 mm"),
    "area": _table(AREA, "cm2, mm2, m2, um2", "1 cm2"),
    "mass": _table(MASS, "mg, g, ug, kg, mg/cm2", "0.12 mg", MASS / AREA),
    "angle": _table(ANGLE, "deg, rad, mrad", "90 deg"),
    "pressure": _table(PRESSURE, "MPa, kPa, Pa, bar, mbar, GPa", "5 MPa"),
    "fraction": _table(FRACTION, "%", "80 %"),
    "voltage slope": _table(VOLTAGE / DURATION, "mV/h, uV/h, mV/s, mV/min, V/h, V/s, uV/s", "1 mV/h"),
    "current slope": _table(
        CURRENT / DURATION,
        "uA/h, mA/h, nA/h, uA/s, mA/s, A/h, A/s, uA/min, uA/cm2/h, mA/cm2/h",
        "1 uA/h",
        *(item / DURATION for item in _CURRENTS),
    ),
    "nominal rate": _table(CURRENT, "mA/g, mA, uA/cm2, mA/cm2, A/g, uA, A", "170 mA/g", *_CURRENTS[:2]),
    "count": _table(NONE, "", "3"),
    "number": _table(NONE, "", "1.25"),
    "any": _table(NONE, _CURRENT_UNITS + ", V, mV, s, min, h, mAh, %, Hz, degC, K, mm, deg, MPa", "0.1 mA/cm2"),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit.

    Attributes:
        value_si: In SI: A, V, s, m, kg, K, rad; temperatures in kelvin, amplitudes as peak, `%` as a fraction.
        dimension: Exponents of what it is, relative ones (`mA/cm2`, `C`, `%`) as written.
        text: As written.
        mark: Where, if it was in a file.
        versus: `ocv` for a voltage against the last rest, else the label of a reference such as Li.
        offset: Kelvin between this unit's zero and 0 K: 273.15 for degC, to read it as a step.
    """

    value_si: float
    dimension: Dimension
    text: str
    mark: Mark | None = None
    versus: str = ""
    offset: float = 0.0

    def in_kind(self, kind: Kind) -> float:
        """Return the SI value read as `kind`: a temperature step drops the zero of its scale."""
        return self.value_si - self.offset if kind == "temperature step" else self.value_si


def dimension_of(kind: Kind) -> Dimension:
    """Return the dimension of the absolute quantity of a kind."""
    return TABLES[kind].dimension


def accepts(kind: Kind, dimension: Dimension) -> bool:
    """Tell whether a value of this dimension may be written where `kind` is wanted."""
    return kind == "any" or dimension in TABLES[kind].accepted


# --- units ------------------------------------------------------------------------------------------------------------

_PREFIXES: Final = {"": 1.0, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9}
_SYMBOLS: Final[tuple[tuple[str, Dimension, float, str], ...]] = (
    ("A", CURRENT, 1.0, "pnum"),
    ("V", VOLTAGE, 1.0, "num"),
    ("W", POWER, 1.0, "pnumk"),
    ("J", ENERGY, 1.0, "mk"),
    ("Ah", CHARGE, 3600.0, "pnum"),
    ("Wh", ENERGY, 3600.0, "numk"),
    ("Ohm", RESISTANCE, 1.0, "umkMG"),
    ("S", NONE / RESISTANCE, 1.0, "num"),
    ("Hz", NONE / DURATION, 1.0, "umkM"),
    ("s", DURATION, 1.0, "num"),
    ("min", DURATION, 60.0, ""),
    ("h", DURATION, 3600.0, ""),
    ("d", DURATION, 86400.0, ""),
    ("m", LENGTH, 1.0, "numc"),
    ("g", MASS, 1e-3, "numk"),
    ("K", KELVIN, 1.0, "m"),
    ("deg", ANGLE, math.pi / 180.0, ""),
    ("rad", ANGLE, 1.0, "m"),
    ("Pa", PRESSURE, 1.0, "kMG"),
    ("bar", PRESSURE, 1e5, "m"),
    ("mol", MOLE, 1.0, "m"),
    ("eV", ENERGY, 1.602176634e-19, "m"),
    ("C", C_RATE, 1.0 / 3600.0, ""),
    ("%", FRACTION, 0.01, ""),
)
UNITS: Final = {
    prefix + symbol: (dimension, _PREFIXES[prefix] * scale)
    for symbol, dimension, scale, prefixes in _SYMBOLS
    for prefix in ("", *prefixes)
}
ZERO_CELSIUS: Final = 273.15
_SPELLINGS: Final = str.maketrans(
    {
        "\u00b5": "u",  # micro sign
        "\u03bc": "u",  # Greek mu
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u2212": "-",  # minus
        "\u2013": "-",  # en dash, as papers print it
        "\u00b7": " ",
        "\u22c5": " ",
        "\u2219": " ",
        "\u2126": "Ω",
        "\u2103": "degC",
        "\u207b": "-",
        **{mark: str(digit) for digit, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    }
)
_NUMBER: Final = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY: Final = re.compile(rf"({_NUMBER})\s*(.*)", re.DOTALL)
_FACTOR: Final = re.compile(r"([A-Za-z%]+)(?:\^?(-?\d)(?!\d))?")
_RATE: Final = re.compile(rf"({_NUMBER})?\s*C(?:\s*/\s*({_NUMBER}))?")
_PART: Final = re.compile(rf"({_NUMBER})\s*(ms|us|ns|s|min|h|d)(?![A-Za-z])\s*")
_VERSUS: Final = re.compile(r"(.*?)\s*\bvs\.?\s*(\S.*)", re.DOTALL)
MOST_DIGITS: Final = 64


@lru_cache(maxsize=1024)
def _unit(text: str) -> tuple[Dimension, float] | None:
    """Return dimension and SI scale of a unit such as `mA/cm2`, `mA cm-2` or `uAh/cm2/um`; None if it is none."""
    dimension, scale, at, sign = NONE, 1.0, 0, 1
    while at < len(text):
        match = _FACTOR.match(text, at)
        known = UNITS.get(match[1]) if match else None
        if match is None or known is None:
            return None
        power = sign * int(match[2] or 1)
        dimension, scale = dimension * known[0] ** power, scale * known[1] ** power
        separator = re.compile(r"\s*(/|\*|\s)\s*|$").match(text, match.end())
        if separator is None or (separator[1] and separator.end() == len(text)):
            return None
        sign, at = (-1 if separator[1] == "/" else 1), separator.end()
    return dimension, scale


def _plain(text: str) -> str:
    """Return the text in the spelling of the tables: one micro sign, one minus, ASCII exponents, `Ohm`, `degC`."""
    text = text.translate(_SPELLINGS).strip()
    if text.isascii() and "o" not in text:
        return text
    text = re.sub(r"°\s*C\b", "degC", text).replace("°", "deg").replace("Ω", "Ohm")
    return re.sub(r"(?<![A-Za-z])([umkMG]?)ohms?\b", r"\1Ohm", text)


def number(text: str) -> float | None:
    """Return the value of a finite decimal number, or None if the text is none."""
    text = text.translate(_SPELLINGS).strip()
    if len(text) > MOST_DIGITS or re.fullmatch(_NUMBER, text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def parse(text: str, kind: Kind, mark: Mark | None = None) -> Quantity:
    """Return the quantity that a text states where `kind` is wanted.

    Raises:
        Misread: It states none, or one of another kind; with a code, a sentence and a hint.
    """
    if len(text) > 4 * MOST_DIGITS:
        raise Misread("unit.number", f"wanted {article(kind)}, found a text of {len(text)} characters")
    found = _read(_plain(text), kind)
    if found is None:
        from labctl.misreading import explain  # noqa: PLC0415 - hints are needed only when something is wrong

        raise explain(text, _plain(text), kind)
    value, dimension, versus, offset = found
    return Quantity(value, dimension, text.strip(), mark, versus, offset)


_Read: TypeAlias = tuple[float, Dimension, str, float]


def _read(text: str, kind: Kind) -> _Read | None:
    """Return (SI value, dimension, versus, zero of the scale), or None if the text is not one of this kind."""
    if text == "ocv" or ("vs" in text and kind in {"potential", "bias", "any"}):
        return _versus(text, kind)
    if kind in {"amplitude", "any"} and text.endswith((" rms", " peak")):
        text, _, suffix = text.rpartition(" ")
        found = _measured(text.rstrip(), kind)
        scale = math.sqrt(2.0) if suffix == "rms" else 1.0
        return (found[0] * scale, *found[1:]) if found else None
    return _measured(text, kind)


def _versus(text: str, kind: Kind) -> _Read | None:
    if text == "ocv":
        return (0.0, VOLTAGE, "ocv", 0.0) if kind in {"potential", "bias", "any"} else None
    match = _VERSUS.fullmatch(text)
    found = _measured(match[1], "voltage") if match else None
    label = reference_label(match[2]) if match else ""
    return (found[0], found[1], label, 0.0) if found and label else None


def reference_label(text: str) -> str:
    """Return the label of a reference: `Li+/Li`, `Li⁺/Li` and `Li/Li+` are all Li; "" if it can be none."""
    text = text.strip().replace("⁺", "+")
    if text.lower() == "ocv":
        return "ocv"
    match = re.fullmatch(r"([A-Z][a-z]?)(\d?\+)?(/([A-Z][a-z]?)(\d?\+)?)?", text)
    if match and (match[4] is None or match[4] == match[1]):
        return match[1]
    return text if re.fullmatch(r"[A-Za-z0-9()/+-]{1,24}", text) else ""


def _measured(text: str, kind: Kind) -> _Read | None:
    match = _QUANTITY.fullmatch(text)
    unit = match[2].strip() if match else ""
    value = number(match[1]) if match else None
    if kind not in {"count", "number"} and "C" in text and (rate := _rate(text)) is not None:
        return (rate, C_RATE, "", 0.0) if accepts(kind, C_RATE) else None
    if match is None or value is None:
        return None
    if not unit:
        return _bare(value, kind)
    if unit == "degC":
        return (value + ZERO_CELSIUS, KELVIN, "", ZERO_CELSIUS) if accepts(kind, KELVIN) else None
    known = _unit(unit)
    if known is None:
        return _compound(text) if kind in {"duration", "any"} else None
    result = value * known[1]
    return (result, known[0], "", 0.0) if accepts(kind, known[0]) and math.isfinite(result) else None


def _bare(value: float, kind: Kind) -> _Read | None:
    if kind == "count" and not value.is_integer():
        return None
    return (value, NONE, "", 0.0) if kind in {"count", "number", "any"} else None


def _rate(text: str) -> float | None:
    """Return 1/s of nominal for `0.1C`, `2 C`, `C/10`."""
    match = _RATE.fullmatch(text)
    if match is None:
        return None
    over, under = number(match[1] or "1"), number(match[2] or "1")
    return None if over is None or not under else over / under / 3600.0


def _compound(text: str) -> _Read | None:
    """Return a duration of several parts: `1 h 30 min`."""
    total, at = 0.0, 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or (at and match[1][0] in "+-"):
            return None
        total, at = total + float(match[1]) * UNITS[match[2]][1], match.end()
    return (total, DURATION, "", 0.0) if math.isfinite(total) else None


def like(value: float, pattern: Quantity) -> str:
    """Return an SI value in the unit that another quantity of its dimension was written in."""
    text = _plain(pattern.text)
    unit = text[len(match[1]) :].strip() if (match := _QUANTITY.fullmatch(text)) else ""
    if pattern.dimension == C_RATE:
        return f"{value * 3600.0:.6g}C"
    if unit == "degC":
        return f"{value - ZERO_CELSIUS:.6g} degC"
    versus = _VERSUS.fullmatch(unit)
    known = _unit(versus[1] if versus else unit) if unit else None
    if known is None:
        return display(value, "duration") if pattern.dimension == DURATION else f"{value:.6g}"
    return f"{value / known[1]:.6g} {unit}"


# --- words for people -------------------------------------------------------------------------------------------------

_NAMES: Final = {
    NONE: "number",
    CURRENT: "current",
    CURRENT / AREA: "current density",
    CURRENT / MASS: "specific current",
    C_RATE: "C-rate",
    CHARGE: "capacity",
    CHARGE / AREA: "areal capacity",
    CHARGE / MASS: "specific capacity",
    CHARGE / LENGTH**3: "volumetric capacity",
    FRACTION: "percentage",
    VOLTAGE: "voltage",
    VOLTAGE / DURATION: "scan rate",
    CURRENT / DURATION: "slope of current",
    DURATION: "duration",
    NONE / DURATION: "frequency",
    POWER: "power",
    POWER / AREA: "power density",
    POWER / MASS: "specific power",
    ENERGY: "energy",
    RESISTANCE: "resistance",
    RESISTANCE * AREA: "area-specific resistance",
    LENGTH: "length",
    AREA: "area",
    MASS: "mass",
    MASS / AREA: "mass loading",
    KELVIN: "temperature",
    ANGLE: "angle",
    PRESSURE: "pressure",
    NONE / RESISTANCE: "conductance",
    NONE / RESISTANCE / LENGTH: "conductivity",
    ENERGY / MOLE: "molar energy",
}


def name_of(dimension: Dimension) -> str:
    """Return what people call a quantity of this dimension, or its formula in base units."""
    if dimension in _NAMES:
        return _NAMES[dimension]
    symbols = ("A", "V", "s", "m", "kg", "K", "rad", "mol", "nominal")
    powers = ((symbol, power) for symbol, power in zip(symbols, dimension, strict=True) if power)
    return "quantity in " + " ".join(symbol + (str(power) if power != 1 else "") for symbol, power in powers)


def article(noun: str) -> str:
    """Return the noun with its indefinite article; a kind of quantity by its everyday name."""
    noun = {"potential": "voltage", "any": "quantity", "nominal rate": "current"}.get(noun, noun)
    return ("an " if noun[0] in "aeiou" else "a ") + noun


_SHOWN: Final = {
    "current": "A",
    "capacity": "Ah",
    "power": "W",
    "resistance": "Ohm",
    "voltage": "V",
    "potential": "V",
    "scan rate": "V/s",
    "frequency": "Hz",
    "length": "m",
    "pressure": "Pa",
    "energy": "Wh",
}


def display(value: float, kind: str, digits: int = 4) -> str:
    """Return an SI value as people read it: `1.2 mA`, `1 h 30 min`, `25 degC`, `80 %`."""
    match kind:
        case "duration":
            return _shown_duration(value)
        case "temperature":
            return f"{value - ZERO_CELSIUS:.{digits}g} degC"
        case "temperature step":
            return f"{value:.{digits}g} K"
        case "fraction":
            return f"{100 * value:.{digits}g} %"
        case "angle":
            return f"{math.degrees(value):.{digits}g} deg"
        case "area":
            return f"{1e4 * value:.{digits}g} cm2"
        case "mass":
            return f"{1e6 * value:.{digits}g} mg"
    unit = _SHOWN.get(kind, "")
    value = value / 3600.0 if unit in {"Ah", "Wh"} else value
    if not unit or value == 0 or not math.isfinite(value):
        return f"{value:.{digits}g} {unit}".rstrip()
    prefix = next(
        (
            name
            for name in ("M", "k", "", "m", "u", "n")
            if abs(value) >= 0.99999 * _PREFIXES[name] and _fits(name, unit)
        ),
        "n",
    )
    return f"{value / _PREFIXES[prefix]:.{digits}g} {prefix}{unit}"


def _fits(prefix: str, unit: str) -> bool:
    return prefix + unit in UNITS or (unit == "V/s" and prefix in {"", "m", "u"})


def _shown_duration(seconds: float) -> str:
    if not math.isfinite(seconds) or abs(seconds) < 60:
        return f"{seconds:.4g} s"
    parts, rest = [], round(seconds)
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts += [f"{count} {name}"] if count else []
    return " ".join(parts[:3])

"""Quantities as chemists write them: a number and a unit, read by one closed table for each kind of quantity.

The kind decides what a unit means: `C` is a rate (1C passes the nominal capacity in an hour) and never a coulomb or a
degree, `%` in a capacity is of the nominal one, `m` is a length and refused in a duration. Inside all is SI.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from labctl.finding import Mark
from labctl.quantity.dimension import (
    C_RATE,
    DURATION,
    KELVIN,
    LENGTH,
    NONE,
    PREFIXES,
    UNITS,
    VOLTAGE,
    Dimension,
    Kind,
    accepts,
)


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


# --- reading --------------------------------------------------------------------------------------------------------

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
        "\u00ba": "°",  # the ordinal and the ring that keyboards and PDF files give for a degree
        "\u02da": "°",
        "\u2103": "degC",
        "\u207b": "-",
        **{mark: str(digit) for digit, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    }
)
NUMBER: Final = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_QUANTITY: Final = re.compile(rf"({NUMBER})\s*(.*)", re.DOTALL)
_FACTOR: Final = re.compile(r"([A-Za-z%]+)(?:\^?(-?\d)(?!\d))?")
_RATE: Final = re.compile(rf"({NUMBER}|[-+])?\s*C(?:\s*/\s*({NUMBER}))?")
_PART: Final = re.compile(rf"({NUMBER})\s*(ms|us|ns|s|min|h|d)(?![A-Za-z])\s*")
_THOUSANDS: Final = re.compile(r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}")  # 1 or 1000? asked back where a count is wanted
_VERSUS: Final = re.compile(r"(.*?)\s*\bvs\.?\s*(\S.*)", re.DOTALL)
MOST_DIGITS: Final = 64


@lru_cache(maxsize=1024)
def measure_unit(text: str) -> tuple[Dimension, float] | None:
    """Return dimension and SI scale of a unit such as `mA/cm2`, `mA cm-2` or `uAh/cm2/um`; None if it is none."""
    dimension, scale, at, sign = NONE, 1.0, 0, 1
    while at < len(text):
        match = _FACTOR.match(text, at)
        known = UNITS.get(match[1]) if match else None
        if match is None or known is None:
            return None
        if match[2] and not _has_power(match[1], int(match[2])):
            return None
        power = sign * int(match[2] or 1)
        dimension, scale = dimension * known[0] ** power, scale * known[1] ** power
        separator = re.compile(r"\s*(/|\*|\s)\s*|$").match(text, match.end())
        if separator is None or (separator[1] and separator.end() == len(text)):
            return None
        sign, at = (-1 if separator[1] == "/" else 1), separator.end()
    return dimension, scale


def _has_power(symbol: str, power: int) -> bool:
    """Tell whether a unit is written with a power: an area, a volume, or `per`; `4V1` is a diagram's 4.1 V and no 4 V^1."""
    return power in ({-1, -2, -3, 2, 3} if UNITS[symbol][0] == LENGTH else {-1})


def plain_spelling(text: str) -> str:
    """Return the text in the spelling of the tables: one micro sign, one minus, ASCII exponents, `Ohm`, `degC`."""
    text = text.translate(_SPELLINGS).strip()
    if text.isascii() and "o" not in text:
        return text
    text = re.sub(r"°\s*C\b", "degC", text).replace("°", "deg").replace("Ω", "Ohm")
    return re.sub(r"(?<![A-Za-z])([umkMG]?)ohms?\b", r"\1Ohm", text)


def number(text: str) -> float | None:
    """Return the value of a finite decimal number, or None if the text is none."""
    text = text.translate(_SPELLINGS).strip()
    if len(text) > MOST_DIGITS or re.fullmatch(NUMBER, text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def reads(text: str, kind: Kind) -> bool:
    """Tell whether a text states a quantity of this kind."""
    return len(text) <= 4 * MOST_DIGITS and read_quantity(plain_spelling(text), kind) is not None


def doubled(text: str, kind: Kind) -> str:
    """Return a quantity of twice the value in its own unit, "" where a text states none of this kind."""
    match = re.fullmatch(rf"({NUMBER})\s*(\D.*)", plain_spelling(text)) if reads(text, kind) else None
    return f"{2.0 * float(match[1]):g} {match[2]}" if match else ""


_Read: TypeAlias = tuple[float, Dimension, str, float]


def read_quantity(text: str, kind: Kind) -> _Read | None:
    """Return (SI value, dimension, versus, zero of the scale), or None if the text is not one of this kind."""
    if text == "ocv" or ("vs" in text and kind in {"potential", "bias", "any"}):
        return _versus(text, kind)
    if kind in {"amplitude", "any"} and text.endswith((" rms", " peak")):
        text, _, suffix = text.rpartition(" ")
        measured = _measured(text.rstrip(), kind)
        scale = math.sqrt(2.0) if suffix == "rms" else 1.0
        return (measured[0] * scale, *measured[1:]) if measured else None
    return _measured(text, kind)


def _versus(text: str, kind: Kind) -> _Read | None:
    if text == "ocv":
        return (0.0, VOLTAGE, "ocv", 0.0) if kind in {"potential", "bias", "any"} else None
    match = _VERSUS.fullmatch(text)
    measured = _measured(match[1], "voltage") if match else None
    label = reference_label(match[2]) if match else ""
    return (measured[0], measured[1], label, 0.0) if measured and label else None


_OPEN_CIRCUITS: Final = frozenset({"ocp", "eoc", "voc"})  # words of others for ocv, and no references


_METALS: Final = {"lithium": "Li", "sodium": "Na", "potassium": "K", "magnesium": "Mg", "zinc": "Zn"}


def reference_label(text: str) -> str:
    """Return the label of a reference: `Li+/Li`, `Li⁺/Li` and `Li/Li+` are all Li; "" if it can be none."""
    text = re.sub(r"\s*([/+])\s*", r"\1", text.strip().replace("⁺", "+"))
    if text.lower() == "ocv":
        return "ocv"
    if text.lower() in _OPEN_CIRCUITS:
        return ""
    text = _METALS.get(text.lower().removesuffix(" metal"), text)
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
        return _bare(value, kind, text)
    if unit == "degC":
        return (value + ZERO_CELSIUS, KELVIN, "", ZERO_CELSIUS) if accepts(kind, KELVIN) else None
    known = measure_unit(unit)
    if known is None:
        return _compound(text) if kind in {"duration", "any"} else None
    result = float(f"{value * known[1]:.15g}")  # 300 nm is 3e-07, not 3.0000000000000004e-07
    return (result, known[0], "", 0.0) if accepts(kind, known[0]) and math.isfinite(result) else None


def _bare(value: float, kind: Kind, text: str = "") -> _Read | None:
    if kind == "count" and (not value.is_integer() or _THOUSANDS.fullmatch(text)):
        return None
    return (value, NONE, "", 0.0) if kind in {"count", "number", "any"} else None


def _rate(text: str) -> float | None:
    """Return 1/s of nominal for `0.1C`, `2 C`, `C/10`, `-C/10`."""
    match = _RATE.fullmatch(text)
    if match is None:
        return None
    over = number(f"{match[1]}1" if match[1] in {"-", "+"} else match[1] or "1")
    under = number(match[2] or "1")
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
    text = plain_spelling(pattern.text)
    unit = text[len(match[1]) :].strip() if (match := _QUANTITY.fullmatch(text)) else ""
    if pattern.dimension == C_RATE:
        return f"{value * 3600.0:.6g}C"
    if unit == "degC":
        return f"{value - ZERO_CELSIUS:.6g} degC"
    versus = _VERSUS.fullmatch(unit)
    known = measure_unit(versus[1] if versus else unit) if unit else None
    if known is None:
        return display(value, "duration") if pattern.dimension == DURATION else f"{value:.6g}"
    return f"{value / known[1]:.6g} {unit}"


# --- words for people -------------------------------------------------------------------------------------------------


def article(noun: str) -> str:
    """Return the noun with its indefinite article; a kind of quantity by its everyday name."""
    noun = {"potential": "voltage", "any": "quantity", "nominal rate": "current", "fraction": "percentage"}.get(
        noun, noun
    )
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
            if abs(value) >= 0.99999 * PREFIXES[name] and _fits(name, unit)
        ),
        "n",
    )
    return f"{value / PREFIXES[prefix]:.{digits}g} {prefix}{unit}"


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

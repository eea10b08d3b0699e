"""Dimensions of quantities, and the closed tables of units: one for each kind of quantity."""

import math
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias


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
    "energy",
    "resistance",
    "voltage",
    "potential",
    "scan rate",
    "frequency",
    "amplitude",
    "bias",
    "peak",
    "temperature",
    "temperature step",
    "length",
    "area",
    "mass",
    "angle",
    "pressure",
    "fraction",
    "voltage slope",
    "temperature slope",
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
    return Table(dimension, frozenset((dimension, *more)), tuple(filter(None, units.split(", "))), example)


_PER_CELL = (AREA, MASS)
_CURRENTS = (*(CURRENT / item for item in _PER_CELL), C_RATE)
_CURRENT_UNITS = "mA, mA/cm2, C, uA, uA/cm2, mA/g, A, A/g, nA, A/cm2, A/kg, mA/mg, A/m2"
TABLES: Final[dict[str, Table]] = {
    "duration": _table(DURATION, "s, min, h, d, ms, us", "10 min"),
    "current": _table(CURRENT, _CURRENT_UNITS, "0.1 mA/cm2", *_CURRENTS),
    "capacity": _table(
        CHARGE,
        "mAh, mAh/cm2, %, uAh, uAh/cm2, mAh/g, Ah, uAh/cm2/um, nAh, Ah/g, mAh/cm3, Ah/kg",
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
    "energy": _table(ENERGY, "Wh, mWh, uWh, kWh, mWh/cm2, Wh/kg", "5 mWh", *(ENERGY / item for item in _PER_CELL)),
    "resistance": _table(RESISTANCE, "Ohm, kOhm, MOhm, mOhm, Ohm cm2", "100 Ohm", RESISTANCE * AREA),
    "voltage": _table(VOLTAGE, "V, mV, uV", "4.2 V"),
    "potential": _table(VOLTAGE, "V, mV, uV, V vs Li, mV vs ocv", "3.8 V"),
    "scan rate": _table(VOLTAGE / DURATION, "mV/s, V/s, uV/s, mV/min, V/h, mV/h", "0.1 mV/s"),
    "frequency": _table(NONE / DURATION, "Hz, kHz, MHz, mHz, uHz", "1 MHz"),
    "amplitude": _table(VOLTAGE, "mV, V, mV rms, uA, mA, uA/cm2, mA/cm2", "10 mV", CURRENT, *_CURRENTS),
    "bias": _table(VOLTAGE, "V, mV, mV vs ocv, uA, mA, uA/cm2, mA/cm2, C", "3.8 V", CURRENT, *_CURRENTS),
    "peak": _table(
        CURRENT, "C, mA, A, W, mW, mA/cm2, W/kg", "2C", *_CURRENTS, POWER, *(POWER / item for item in _PER_CELL)
    ),
    "temperature": _table(KELVIN, "degC, K", "25 degC"),
    "temperature step": _table(KELVIN, "K, degC", "1 K"),
    "length": _table(LENGTH, "mm, um, nm, cm, m", "5 mm"),
    "area": _table(AREA, "cm2, mm2, m2, um2", "1 cm2"),
    "mass": _table(MASS, "mg, g, ug, kg, mg/cm2", "0.12 mg", MASS / AREA),
    "angle": _table(ANGLE, "deg, rad, mrad", "90 deg"),
    "pressure": _table(PRESSURE, "MPa, kPa, Pa, bar, mbar, GPa", "5 MPa"),
    "fraction": _table(FRACTION, "%", "80 %"),
    "voltage slope": _table(VOLTAGE / DURATION, "mV/h, uV/h, mV/s, mV/min, V/h, V/s, uV/s", "1 mV/h"),
    "temperature slope": _table(KELVIN / DURATION, "K/min, K/h, K/s", "1 K/min"),
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


def dimension_of(kind: Kind) -> Dimension:
    """Return the dimension of the absolute quantity of a kind."""
    return TABLES[kind].dimension


def accepts(kind: Kind, dimension: Dimension) -> bool:
    """Tell whether a value of this dimension may be written where `kind` is wanted."""
    return dimension in (_KNOWN if kind == "any" else TABLES[kind].accepted)


# --- units ------------------------------------------------------------------------------------------------------------

PREFIXES: Final = {"": 1.0, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9}
SYMBOLS: Final[tuple[tuple[str, Dimension, float, str], ...]] = (
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
    prefix + symbol: (dimension, PREFIXES[prefix] * scale)
    for symbol, dimension, scale, prefixes in SYMBOLS
    for prefix in ("", *prefixes)
}

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


def kind_of(dimension: Dimension) -> Kind:
    """Return the kind whose own dimension this is, or that accepts it; "any" where nothing or no kind has it."""
    if dimension == NONE:
        return "any"
    own = next((kind for kind, table in TABLES.items() if table.dimension == dimension), None)
    return own or next((kind for kind, table in TABLES.items() if dimension in table.accepted), "any")  # type: ignore[return-value]


_KNOWN: Final = frozenset(_NAMES).union(*(table.accepted for table in TABLES.values()))
"""What a parameter or a free value may be: every dimension that people have a name for."""

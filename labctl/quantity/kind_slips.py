"""A quantity of another kind than the one that its place takes, and what its author most likely means."""

import math
import re
from typing import Final, TypeAlias

from labctl.quantity.dimension import (
    AREA,
    C_RATE,
    CHARGE,
    CURRENT,
    DURATION,
    FRACTION,
    LENGTH,
    MASS,
    NONE,
    VOLTAGE,
    Dimension,
    Kind,
    name_of,
)
from labctl.quantity.units import display, measure_unit

_ENERGIES: Final = frozenset({"Wh", "mWh", "uWh", "kWh"})
_HERTZ: Final = NONE / DURATION
_CHARGES: Final = frozenset({CHARGE, CHARGE / AREA, CHARGE / MASS})
_CURRENTS: Final = frozenset({CURRENT, CURRENT / AREA, CURRENT / MASS})
_Written: TypeAlias = tuple[str, str, str]
"""A quantity as it is written, its number and its unit."""


def in_place_of(plain: str, value: str, unit: str, dimension: Dimension, kind: Kind) -> str:
    """Return what is meant by a quantity that stands where one of another kind was wanted, or ""."""
    written = plain, value, unit
    rules = (_for_current, _for_capacity, _for_power_or_energy, _for_slope_or_time, _for_others)
    return next((hint for rule in rules if (hint := rule(written, dimension, kind))), "")


def made_into(dimension: Dimension, kind: Kind) -> str:
    """Return how what arithmetic came to becomes a quantity of the kind that was wanted, or ""."""
    if kind == "count" and dimension == NONE:
        return "a count is a whole number"
    if kind == "current" and dimension in _CHARGES:
        return "a charge over a time is a current: divide by a parameter such as hours: 10 h"
    if kind == "capacity" and dimension in _CURRENTS:
        return "a current times a time is a charge: multiply by a parameter such as hours: 1 h"
    if kind == "duration" and dimension in _CHARGES:
        return "a charge over a current is a time: divide by a parameter such as rate: 1 mA"
    return ""


def _for_current(written: _Written, dimension: Dimension, kind: Kind) -> str:
    plain, value, unit = written
    if kind == "nominal rate" and dimension in _CHARGES:
        return f"a charge is no current: write capacity: {plain} in place of 1C"
    if kind != "current":
        return ""
    if dimension in _CHARGES:
        current = f"{value} {unit.replace('Ah', 'A', 1)}"
        return f"a charge is no current: write {current}, or a rate such as C/10; to end by charge, capacity: {plain}"
    if dimension == DURATION and unit == "h":
        return f"the current that takes {plain} is C/{value}; for: {plain} ends by time"
    if dimension == CURRENT / DURATION and unit.endswith("/h"):
        return f"a current is charge per time already: write {value} {unit.removesuffix('/h')}"
    if dimension == FRACTION:
        return f"percent of what? of 1C it is {float(value) / 100:g}C; of a capacity it goes to capacity: {plain}"
    return f"a power is no current: write power: {plain}" if name_of(dimension) == "power" else ""


def _for_capacity(written: _Written, dimension: Dimension, kind: Kind) -> str:
    plain, value, unit = written
    if kind != "capacity":
        return ""
    if dimension in _CURRENTS:
        right = re.sub(r"A(?!h)", "Ah", unit, count=1)
        return f"a current is no charge: write {value} {right}"
    if dimension == C_RATE:
        return "a rate is no charge: write a share of the nominal capacity such as 50 %"
    return f"a charge is no energy: write energy: {plain}" if unit in _ENERGIES else ""


def _for_power_or_energy(written: _Written, dimension: Dimension, kind: Kind) -> str:
    plain, value, unit = written
    if kind == "power" and unit in _ENERGIES:
        return f"an energy is no power: write {value} {unit[:-1]}; to end by energy, energy: {plain}"
    if kind == "power" and dimension in {*_CURRENTS, C_RATE}:
        return f"a current is no power: write current: {plain}"
    if kind == "energy" and name_of(dimension) == "power":
        return f"a power is no energy: write {plain}h; to drive by power, power: {plain}"
    if kind == "energy" and dimension in _CHARGES:
        return f"an energy is no charge: write capacity: {plain}"
    return ""


def _for_slope_or_time(written: _Written, dimension: Dimension, kind: Kind) -> str:
    plain, value, unit = written
    if kind in {"scan rate", "voltage slope"} and dimension == VOLTAGE:
        return f"a rate is per time: write {plain}/s, {plain}/min or {plain}/h"
    if kind == "current slope" and dimension == CURRENT:
        return f"a slope is per time: write {plain}/h, {plain}/min or {plain}/s"
    if kind == "duration" and dimension == _HERTZ and math.isfinite(seconds := 1.0 / (_in_si(value, unit) or math.nan)):
        return f"a frequency is no interval: write {display(seconds, 'duration')}"
    return f"write {value} mHz" if kind == "frequency" and unit == "m" else ""


def _for_others(written: _Written, dimension: Dimension, kind: Kind) -> str:
    plain, value, unit = written
    wide = _in_si(value, unit) if kind == "area" and dimension == LENGTH else math.nan
    if math.isfinite(disk := math.pi / 4.0 * wide * wide):
        across = f"a disk of {plain} across has pi/4 x ({plain})^2: write {display(disk, 'area')}, or diameter: {plain}"
        return f"{across}; or is {plain}2 meant?"
    if kind == "count" and dimension == DURATION:
        return f"a count is a bare number; the time that a block may take is for: {plain}"
    if kind in {"temperature", "temperature step"} and unit == "deg":
        return f"write {value} degC"
    return f"a number without a unit: write {value}" if kind == "number" and value else ""


def _in_si(value: str, unit: str) -> float:
    """Return a quantity in SI units, whatever its unit is made of: s-1 is one, too."""
    known = measure_unit(unit)
    assert known is not None, "its dimension is known"
    return float(value) * known[1]

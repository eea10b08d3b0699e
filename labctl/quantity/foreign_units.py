"""Units that are in no table of the language: what they measure, and what to write instead."""

import re
from typing import Final

from labctl.finding import clip
from labctl.quantity.dimension import TABLES, Kind
from labctl.quantity.joined_slips import Slip
from labctl.quantity.units import NUMBER, article, display

_MEASURE: Final = re.compile(rf"({NUMBER})\s*(.*)", re.DOTALL)

_FOREIGN: Final = {
    "psi": ("pressure", 6894.757, "Pa"),
    "atm": ("pressure", 101325.0, "Pa"),
    "torr": ("pressure", 133.3224, "Pa"),
    "mmhg": ("pressure", 133.3224, "Pa"),
    "at": ("pressure", 98066.5, "Pa"),
    "kgf/cm2": ("pressure", 98066.5, "Pa"),
    "n/mm2": ("pressure", 1e6, "Pa"),
    "å": ("length", 1e-10, "m"),
    "angstrom": ("length", 1e-10, "m"),
    "inch": ("length", 0.0254, "m"),
    "in": ("length", 0.0254, "m"),
    "mil": ("length", 2.54e-5, "m"),
    "t": ("mass", 1e3, "kg"),
    "lb": ("mass", 0.45359237, "kg"),
    "oz": ("mass", 0.028349523125, "kg"),
    "n m": ("torque", 0.0, ""),
    "nm torque": ("torque", 0.0, ""),
    "n": ("force", 0.0, ""),
    "kn": ("force", 0.0, ""),
    "rpm": ("speed of rotation", 0.0, ""),
    "'": ("duration", 60.0, "min"),
    "\u2032": ("duration", 60.0, "min"),
    "''": ("duration", 1.0, "s"),
    "\u2033": ("duration", 1.0, "s"),
    "r": ("resistance", 1.0, "Ohm"),
    "kr": ("resistance", 1e3, "Ohm"),
    "va": ("power", 1.0, "W"),
    "ghz": ("frequency", 1e9, "Hz"),
    "j": ("energy", 1.0, "Wh"),
    "kj": ("energy", 1e3, "Wh"),
    "f": ("capacitance", 1.0, "F"),
    "mf": ("capacitance", 1e-3, "F"),
    "uf": ("capacitance", 1e-6, "F"),
    "mas": ("charge", 1.0 / 3600.0, "mAh"),
    "as": ("charge", 1.0 / 3.6, "mAh"),
}
"""Units that are in no table, in lower case: what they measure, and how much of a unit of ours they are."""


def foreign_unit(plain: str, kind: Kind) -> Slip:
    """Name a unit of other tables, and convert it where it measures what is wanted."""
    match = _MEASURE.fullmatch(plain)
    if (
        match is not None
        and (unit := re.sub(r"\s*(?:/\s*dm\^?2|dm\^?-2)$", "/cm2", match[2].strip())) != match[2].strip()
    ):
        return "unit.unknown", "", f"a square decimetre is 100 cm2: write {float(match[1]) / 100.0:.6g} {unit}"
    noun, factor, unit = _FOREIGN.get(match[2].strip().lower() if match else "", ("", 0.0, ""))
    if match is None or not noun:
        return None
    wanted = {"charge": "capacity"}.get(noun, noun)
    what = "" if kind == wanted else f"{clip(plain)!r}, which is {article(noun)}"
    if noun == "capacitance" and kind != "capacity":
        return None
    if noun == "capacitance":
        return "unit.kind", what, _over_its_window(float(match[1]) * factor, plain)
    if factor and kind in {wanted, "any"}:
        value = float(match[1]) * factor
        right = (
            f"{value:.4g} {unit}"
            if unit == "mAh"
            else display(value, wanted, 6)
            if noun != "pressure"
            else _pascals(value)
        )
        return "unit.unknown", what, f"write {right}"
    hint = "the language has no unit for it: quote it as a text" if kind == "any" else units_here(kind)
    return "unit.kind", what, hint


def _over_its_window(farads: float, plain: str) -> str:
    """Return how much charge a capacitance holds, which depends on the window."""
    each = display(farads, "capacity")
    return f"a charge is a capacitance times its window: {clip(plain)} hold {each} in each volt of it"


def _pascals(value: float) -> str:
    return f"{value / 1e6:.4g} MPa" if value >= 1e6 else f"{value / 1e3:.4g} kPa"


def example(kind: Kind) -> str:
    """Return one whole value of a kind, as a hint."""
    return f"for example {TABLES[kind].example}"


def units_here(kind: Kind) -> str:
    """Return the units that a kind of quantity takes, as a hint."""
    units = TABLES[kind].units
    return "units here are " + ", ".join(units[:8]) if units else example(kind)

"""Quantities that are relative to a cell: by which of its fields they are made absolute, and what to correct where that fails."""

from collections.abc import Iterable, Mapping
from typing import Final

from labctl.finding import Mark, clip
from labctl.protocol.cell import factors
from labctl.quantity.dimension import AREA, CURRENT, VOLTAGE, Dimension, Kind, dimension_of
from labctl.quantity.units import Quantity

DENSEST: Final = 5000.0  # A/m2, 500 mA/cm2: beyond it A/cm2 stands where mA/cm2 was meant


def fields_for(quantities: Iterable[Quantity], wanted: Dimension) -> tuple[str, ...]:
    """Return the fields of the cell that make quantities absolute ones of a dimension."""
    dimensions = {quantity.dimension for quantity in quantities}
    return tuple(dict.fromkeys(name for one in dimensions for name, _ in factors(one, wanted) or ()))


def too_dense(quantities: Iterable[Quantity]) -> Quantity | None:
    """Return the highest current density of some quantities where no cell of a laboratory has it."""
    dense = (one for one in quantities if one.dimension == CURRENT / AREA and abs(one.value_si) > DENSEST)
    return max(dense, key=lambda one: abs(one.value_si), default=None)


def mark_hint(name: str, marked: Mapping[str, Mark]) -> str:
    """Return where a mark belongs that a condition asks for, or which mark of two words it is likely to be."""
    for other, place in marked.items():
        if " " in other and any(word.startswith(name) for word in other.split()):
            return f"a mark that is asked for is one word: in line {place.line} write - mark: {name}, not {clip(other)}"
    return f"put - mark: {name} where the count begins"


def or_correct(stated: str) -> str:
    """Return the other half of a hint at a protocol that does not fit a cell file: the line of that file."""
    return f"; if the cell file is wrong, correct there {stated}" if stated else ""


def by_nominal(quantity: Quantity, kind: Kind) -> bool:
    """Tell whether the nominal capacity makes a quantity absolute."""
    if kind in {"amplitude", "bias"}:
        kind = "voltage" if quantity.dimension == VOLTAGE else "current"
    needed = factors(quantity.dimension, dimension_of(kind)) or ()
    return any(name == "nominal" for name, _ in needed)

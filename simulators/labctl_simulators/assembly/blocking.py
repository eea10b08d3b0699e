"""Blocking cells from their parameter sets."""

from math import tau

from labctl_simulators.assembly.tree import Numbers, bend
from labctl_simulators.cell.blocking import Blocking, Boundary, Parameters
from labctl_simulators.parameters import ParameterSet


def build(found: ParameterSet, area: float | None, mass: float | None) -> Blocking:
    """Build a blocking cell of `area` m2 (None: its own).

    Raises:
        ParameterError: a number is missing.
    """
    del mass  # nothing here depends on it
    numbers = Numbers(found.values, found.name)
    at, size = numbers.number("temperature"), area or numbers.number("area")
    bulk, contact = numbers.at("electrolyte"), numbers.at("contact")
    return Blocking(
        Parameters(
            name=found.name,
            area=size,
            thickness=bulk.number("thickness"),
            conductivity=bulk.thermal("conductivity", at),
            geometric=bulk.number("geometric"),
            electronic=bulk.thermal("electronic", at) if bulk.has("electronic") else None,
            boundary=_boundary(bulk.at("boundary"), at) if bulk.has("boundary") else None,
            contact=contact.number("quantity"),
            alpha=contact.number("alpha"),
            leads=contact.number("leads") / size,
            bend=bend(numbers, size),
            temperature=at,
            lowest=numbers.number("lowest_temperature", 230.0),
            highest=numbers.number("highest_temperature", 400.0),
        )
    )


def _boundary(numbers: Numbers, at: float) -> Boundary:
    return Boundary(numbers.thermal("resistance", at), tau * numbers.number("frequency"), numbers.number("alpha"))

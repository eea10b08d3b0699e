"""Blocking cells from their parameter sets."""

from math import inf, tau

from labctl_simulators.assembly.tree import HIGHEST, LOWEST, Numbers, Size, bend, refuse_sizes
from labctl_simulators.cell.chemistry.blocking import Blocking, BlockingParameters, Boundary
from labctl_simulators.parameters import ParameterSet


def build(parameters: ParameterSet, size: Size, read: set[str] | None = None) -> Blocking:
    """Build a blocking cell of a size.

    Raises:
        ParameterError: a number is missing, or a size cannot act.
    """
    numbers = Numbers(parameters.values, parameters.name, read)
    refuse_sizes(numbers, {"film_thickness": size.film}, "a blocking cell has no film")
    at, area = numbers.number("temperature"), size.area or numbers.number("area")
    bulk, contact = numbers.at("electrolyte"), numbers.at("contact")
    own = bulk.number("thickness")
    window = numbers.number("lower_voltage"), numbers.number("upper_voltage")
    thickness = size.layer or own
    return Blocking(
        BlockingParameters(
            name=parameters.name,
            area=area,
            thickness=thickness,
            conductivity=bulk.thermal("conductivity", at),
            geometric=bulk.number("geometric") * own / thickness,
            electronic=bulk.thermal("electronic", at) if bulk.has("electronic") else None,
            boundary=_boundary(bulk.at("boundary"), at) if bulk.has("boundary") else None,
            contact=contact.number("quantity"),
            alpha=contact.number("alpha"),
            leads=contact.number("leads") / area,
            bend=bend(numbers, area),
            temperature=at,
            lowest=numbers.above("lowest_temperature", LOWEST),
            highest=numbers.above("highest_temperature", HIGHEST),
            highest_current=numbers.above("highest_current", inf) * area,
            window=window if parameters.kind == "capacitor" else None,
        )
    )


def _boundary(numbers: Numbers, at: float) -> Boundary:
    return Boundary(numbers.thermal("resistance", at), tau * numbers.number("frequency"), numbers.number("alpha"))

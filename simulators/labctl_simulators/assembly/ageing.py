"""Build the ageing of an insertion cell from its numbers."""

from labctl_simulators.assembly.tree import Numbers
from labctl_simulators.cell.chemistry.ageing import Ageing, Curve
from labctl_simulators.parameters import ParameterError

_DIRECTIONS = {"charge": 1, "discharge": -1, "none": 0}


def ageing(given: Numbers, area: float, capacity: float, temperature: float) -> Ageing:
    """Return how a cell ages.

    Args:
        given: the numbers under `ageing`; currents and capacities are by area.
        area: m2, times the loading against the parameter set's own.
        capacity: of the fresh cell within its window, C.
        temperature: of the numbers, K.

    Raises:
        ParameterError: one of them is missing, or no direction.
    """
    curves = (
        [_curve(given.at("curves").at(name), area) for name in given.at("curves").values] if given.has("curves") else []
    )
    wasteful = given.word("wasteful", "none")
    if wasteful not in _DIRECTIONS:
        raise ParameterError(f"{given.path}: wanted wasteful charge, discharge or none, found {wasteful!r}")
    return Ageing(
        curves=tuple(sorted(curves, key=lambda curve: curve.current)),
        wasteful=_DIRECTIONS[wasteful],
        loss=given.number("loss", 0.0),
        first_loss=given.number("first_loss", 0.0),
        both=given.word("hosts", "working") == "both",
        negative=given.word("waste", "working") == "negative",
        capacity=capacity,
        temperature=temperature,
        **_calendar(given),
    )


def _calendar(given: Numbers) -> dict[str, float]:
    """Return how a cell ages by itself: a share of its capacity within a time, growing with the root of it."""
    if not given.has("calendar"):
        return {}
    shelf = given.at("calendar")
    return {
        "calendar": shelf.share("loss") / shelf.above("after") ** 0.5,
        "calendar_activation": shelf.number("activation", 0.0),
    }


def _curve(numbers: Numbers, area: float) -> Curve:
    cycles = numbers.row("cycles")
    ones = (1.0,) * len(cycles)
    return Curve(
        current=numbers.number("current") * area,
        cycles=cycles,
        capacity=tuple(value * area for value in numbers.row("capacity")),
        health=numbers.row("health") or ones,
        effort=numbers.row("effort") or ones,
    )

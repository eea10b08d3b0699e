"""An envelope in SI, and whether values lie inside it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from labctl.driver import Bounds
from labctl.protocol.cell import Cell
from labctl.protocol.expression import Environment, settle
from labctl.protocol.model import Given, Limits, Pair
from labctl.protocol.verbs import is_unread
from labctl.units import Kind, display

TOLERANCE: Final = 1e-9


def resolve_limits(limits: Limits, environment: Environment, cell: Cell) -> Bounds:
    """Return an envelope in SI; what is not known yet, or relative to what the cell does not state, is unbounded.

    Raises:
        ProtocolError: A reference in it cannot be evaluated.
    """

    def value(given: Given | None, kind: Kind) -> float | None:
        return None if given is None or is_unread(given) else cell.absolute(settle(given, environment), kind)[0]

    def pair(given: Pair | None, kind: Kind) -> tuple[float, float] | None:
        low, high = (value(item, kind) for item in given) if given else (None, None)
        return None if low is None or high is None else (low, high)

    return Bounds(
        pair(limits.voltage, "potential"),
        pair(limits.current, "current"),
        pair(limits.temperature, "temperature"),
        value(limits.capacity, "capacity"),
    )


@dataclass(frozen=True, slots=True)
class Envelope:
    """Limits in SI, and whose they are."""

    bounds: Bounds
    where: str


def magnitudes(pair: tuple[float, float]) -> tuple[float, float]:
    """Return the range of magnitudes that a range of signed values allows."""
    return 0.0, max(map(abs, pair))


def with_kinds(limits: Limits) -> Iterator[tuple[Given, Kind]]:
    """Yield every value of an envelope with its kind."""
    kinds: tuple[tuple[Pair | None, Kind], ...] = (
        (limits.voltage, "potential"),
        (limits.current, "current"),
        (limits.temperature, "temperature"),
    )
    for pair, kind in kinds:
        for given in pair or ():
            yield given, kind
    if limits.capacity is not None:
        yield limits.capacity, "capacity"


def within(value: float, pair: tuple[float, float]) -> bool:
    """Tell whether a value lies in a range or on its ends, within rounding."""
    room = TOLERANCE * max(map(abs, pair))
    return math.isfinite(value) and pair[0] - room <= value <= pair[1] + room


def shown(pair: tuple[float, float], kind: str) -> str:
    """Return a range as people read it."""
    return f"{display(pair[0], kind)} to {display(pair[1], kind)}"

"""Where a piece of a simulated cell's life begins, and the piece that is over as it begins."""

from dataclasses import dataclass

import numpy as np

from labctl.sample import Floats
from labctl_drivers.simulated.record import Last
from labctl_simulators.cell import Rows, Segment, State


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a piece of the step begins.

    Attributes:
        index: Of the part of the step.
        offset: Step time, s.
        state: The cell.
        charging: C passed in the charging direction since the program began.
        discharging: The same in the other direction.
        row: Number of the next row since the program began.
        last: The row before it.
        fenced: Limits are watched; off after one was met.
    """

    index: int
    offset: float
    state: State
    charging: float = 0.0
    discharging: float = 0.0
    row: int = 0
    last: Last | None = None
    fenced: bool = True


class Instant:
    """A piece that is over as it begins: one look."""

    end = 0.0
    stop = None
    collapse = None

    def __init__(self, segment: Segment) -> None:
        """Take a piece of which only the begin is looked at."""
        self._segment = segment

    def rows(self, times: Floats) -> Rows:
        """Return the begin, as often as asked."""
        return self._segment.rows(np.zeros_like(times))

    def state(self, time: float) -> State:
        """Return the begin."""
        return self._segment.state(min(time, 0.0))

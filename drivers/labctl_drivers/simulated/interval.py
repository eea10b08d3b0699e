"""Where a piece of a simulated cell's life begins, and the piece that is over as it begins."""

from dataclasses import dataclass

import numpy as np

from labctl.driver import ProgramStep
from labctl.sample import Floats
from labctl_drivers.simulated.written_rows import LastWritten
from labctl_simulators.cell import (
    AtOpenCircuit,
    CellModel,
    CellState,
    Current,
    Drive,
    Load,
    Power,
    Rows,
    Segment,
    Voltage,
)

SHORTEST = 1e-3  # s of a piece that is solved for its begin alone
DRIVEN = (Current, Power, Load)


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
        put_in: J put in while charging since the program began.
        taken_out: J taken out while discharging.
        clipped: The part is held at an edge of a profile, for what is left of it.
    """

    index: int
    offset: float
    state: CellState
    charging: float = 0.0
    discharging: float = 0.0
    row: int = 0
    last: LastWritten | None = None
    fenced: bool = True
    put_in: float = 0.0
    taken_out: float = 0.0
    clipped: bool = False


class Instant:
    """A piece that is over as it begins: one look."""

    end = 0.0
    collapse = None

    def __init__(self, segment: Segment, stop: int | None = None) -> None:
        """Take a piece of which only the begin is looked at, and the end that is met there."""
        self._segment = segment
        self.stop = stop

    def rows(self, times: Floats) -> Rows:
        """Return the begin, as often as asked."""
        return self._segment.rows(np.zeros_like(times))

    def state(self, time: float) -> CellState:
        """Return the begin."""
        return self._segment.state(min(time, 0.0))


def over_at_once(cell: CellModel, state: CellState, step: ProgramStep, drive: Drive, solved: Segment) -> Instant | None:
    """Return the begin of a drive whose own voltage is passed at once, None of any other: no row lies beyond that voltage.

    The instrument lets the voltage go as far as the drive's own end and lowers the current to what that takes. A cell that rests
    beyond it already is left at open circuit, for a charge never discharges, as long as it rests inside the limits.
    """
    if solved.end > 0.0 or solved.stop is None or not isinstance(drive, DRIVEN):
        return None
    current = float(solved.rows(np.zeros(1)).current[0])
    end = next((end for end in step.ends if end.number == solved.stop), None)
    if end is None or end.quantity != "voltage" or end.above != (current > 0.0):
        return None
    held = cell.segment(state, Voltage(end.value, abs(current)), SHORTEST, [])
    if float(held.rows(np.zeros(1)).current[0]) * current < 0.0:
        resting = cell.segment(state, AtOpenCircuit(), SHORTEST, [])
        low, high = step.bounds.voltage or (-np.inf, np.inf)
        held = resting if low <= float(resting.rows(np.zeros(1)).voltage[0]) <= high else held
    return Instant(held, solved.stop)

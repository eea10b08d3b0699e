"""What is on the other end of an emulated instrument's leads: a simulated cell, advanced by a clock from outside."""

from dataclasses import dataclass, field

from labctl_simulators.cell import AtOpenCircuit, CellModel, CellState, Current, Drive, Stop, Voltage
from labctl_simulators.wire.climate import LOOK, Air

CHUNK = 3600.0  # s: a drive is solved this far ahead and solved again from there


@dataclass(slots=True)
class Ledger:
    """The truth about a cell, which no fault on the wire can touch: charge in C, time with current allowed in s."""

    charging: float = 0.0
    discharging: float = 0.0
    energised: float = 0.0
    highest: float = float("-inf")
    lowest: float = float("inf")
    drives: list[tuple[float, str]] = field(default_factory=list)


class Terminal:
    """One cell and the drive imposed on it.

    Time comes from outside and never goes back. `drive` changes what is imposed at an instant; `read` tells what a perfect
    meter would see at one. A source with a compliance is driven with `compliance`: at the limit it becomes a voltage source
    that gives at most the set current, as source meters do.
    """

    def __init__(
        self, cell: CellModel, state: CellState | None = None, now: float = 0.0, air: Air | None = None
    ) -> None:
        """Connect a cell, at open circuit; `air` is what it lies in, None for air that is always as warm as the cell began."""
        self.cell = cell
        self.air = air
        self._looked = now
        self.state = cell.initial() if state is None else state
        self.ledger = Ledger()
        self.limited = False
        self.collapsed: str | None = None
        self._drive: Drive = AtOpenCircuit()
        self._limits: tuple[float, float] | None = None
        self._begin = now
        self._solve()

    def drive(self, drive: Drive, now: float, compliance: tuple[float, float] | None = None) -> None:
        """Impose something else from `now` on; `compliance` is the (low, high) voltage a current source keeps within."""
        self.advance(now)
        self._close(now - self._begin)
        self._drive, self._limits, self.limited, self.collapsed = drive, compliance, False, None
        self.ledger.drives.append((now, repr(drive)))
        self._begin = now
        self._solve()

    def advance(self, now: float) -> None:
        """Let the cell live until `now`, in the air that there is."""
        while self.air is not None and now - self._looked > LOOK:
            self._live(self._looked + LOOK)
            self._breathe(self._looked + LOOK)
        self._live(now)
        self._breathe(now)

    def _live(self, now: float) -> None:
        while now - self._begin > self._segment.end:
            self._succeed()

    def _breathe(self, now: float) -> None:
        """Take the temperature of the air over where it has moved on, unless a sweep runs, which goes on as it began."""
        self._looked = max(now, self._looked)
        if self.air is None or not isinstance(self._drive, AtOpenCircuit | Current | Voltage):
            return
        if (moved := self.air.moved(self.cell, self.state, now)) is None:
            return
        self._close(now - self._begin)
        self.state, self._begin = self.state.at(temperature=moved.temperature), now
        self._solve()

    def read(self, now: float) -> tuple[float, float, float]:
        """Return voltage in V, current in A and temperature in K at `now`."""
        self.advance(now)
        rows = self._segment.rows([max(0.0, min(now - self._begin, self._segment.end))])
        voltage = float(rows.voltage[0])
        self.ledger.highest, self.ledger.lowest = max(self.ledger.highest, voltage), min(self.ledger.lowest, voltage)
        return voltage, float(rows.current[0]), float(rows.temperature[0])

    def _succeed(self) -> None:
        """Go on where the solved segment ends: at its limit, in collapse, or with the next chunk."""
        end, stop, collapse = self._segment.end, self._segment.stop, self._segment.collapse
        self._close(end)
        self._begin += end
        if stop is not None and self._limits is not None and isinstance(self._drive, Current):
            self.limited = True
            self._drive = Voltage(self._limits[stop], abs(self._drive.current))
        elif collapse is not None or end <= 0.0:
            self.collapsed, self._drive = collapse or "the cell takes no more", AtOpenCircuit()
        self._solve()

    def _close(self, end: float) -> None:
        """Account for the part of the segment that has passed and take over its state."""
        end = max(0.0, min(end, self._segment.end))
        rows = self._segment.rows([end])
        self.ledger.charging += float(rows.charging[0])
        self.ledger.discharging += float(rows.discharging[0])
        if not isinstance(self._drive, AtOpenCircuit):
            self.ledger.energised += end
        self.state = self._segment.state(end)

    def _solve(self) -> None:
        stops = []
        if self._limits is not None and isinstance(self._drive, Current):
            above = self._drive.current > 0
            stops = [Stop("voltage", above, self._limits[int(above)], int(above))]
        self._segment = self.cell.segment(self.state, self._drive, CHUNK, stops)

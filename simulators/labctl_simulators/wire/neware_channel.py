"""One channel of an emulated Neware cycler: it runs a step file by itself on a simulated cell and keeps its records."""

import bisect
from dataclasses import dataclass

from labctl_simulators.cell import AtOpenCircuit, CellModel, CellState, Stop, Voltage
from labctl_simulators.wire.neware_step import FileStep, StepFile

LONGEST = 1e6  # s: a step without a time ends at the latest then
SHORTEST = 1e-3  # s, the resolution of its time
ROUNDING = 1.0 + 1e-6  # of a limit: what lies on it is inside
PROTECT = 8  # number of the first of the stops that stand for the envelope


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One stored row: SI, charge and energy of the step so far as magnitudes."""

    number: int
    step: int
    cycle: int
    kind: str
    time: float
    absolute: float
    voltage: float
    current: float
    charge: float
    energy: float


class CyclerChannel:
    """A channel that goes on when nobody listens.

    `work` starts a step file at a time; `advance` lets it live until another. Records are numbered from 1 for each test.
    """

    def __init__(self, cell: CellModel, state: CellState | None = None, now: float = 0.0) -> None:
        """Connect a cell; the channel has finished."""
        self.cell = cell
        self.state = cell.initial() if state is None else state
        self.status = "finish"
        self.ended = now
        self.test = 0
        self.barcode = ""
        self.records: list[StoredRow] = []
        self.charging = self.discharging = 0.0  # C, the truth over the channel's life
        self._profile = StepFile(())
        self._position = 0
        self._cycle = 1
        self._loops: dict[int, int] = {}
        self._begin = now  # of the running segment
        self._step_begin = now
        self._charge = self._energy = 0.0  # of the step before the running segment
        self._next_record = 0.0
        self._segment = cell.segment(self.state, AtOpenCircuit(), LONGEST, [])

    @property
    def step(self) -> FileStep | None:
        """Return the running step."""
        return self._profile.steps[self._position] if self.status == "working" else None

    @property
    def place(self) -> tuple[int, int]:
        """Return the running step's number from 1, and the cycle."""
        return self._position + 1, self._cycle

    def work(self, profile: StepFile, barcode: str, now: float) -> bool:
        """Start a step file, if the channel is in a state from which it may."""
        self.advance(now)
        if self.status not in {"finish", "stop", "protect"}:
            return False  # also from `pause`
        self._close(now - self._begin)
        self.test += 1
        self.status, self.barcode, self.records = "working", barcode, []
        self._profile, self._position, self._cycle, self._loops = profile, -1, 1, {}
        self._next_step(now)
        return True

    def stop(self, now: float, status: str = "stop") -> None:
        """Open the circuit."""
        self.advance(now)
        if self.status == "working":
            self._record(now)
        self._close(now - self._begin)
        self.status, self.ended = status, now
        self._idle(now)

    def uploaded(self, now: float, lag: float) -> int:
        """Return how many records have reached the database of the client's PC, which takes a while."""
        if lag <= 0.0:
            return len(self.records)
        return bisect.bisect_right(self.records, now - lag, key=lambda record: record.absolute)

    def read(self, now: float) -> StoredRow:
        """Return what the channel measures at `now`."""
        self.advance(now)
        return self._row(now)

    def advance(self, now: float) -> None:
        """Let the channel live until `now`."""
        while now - self._begin >= self._segment.end and (
            self.status == "working" or now - self._begin > self._segment.end
        ):
            end = self._begin + self._segment.end
            if self.status != "working":
                self._close(self._segment.end)
                self._idle(end)
                continue
            self._records_until(end, last=True)
            self._ended(end)
        if self.status == "working":
            self._records_until(now, last=False)

    def _ended(self, now: float) -> None:
        stop = self._segment.stop
        step = self._profile.steps[self._position]
        self._close(self._segment.end)
        if self._segment.collapse is not None or (stop is not None and stop >= PROTECT):
            self.status, self.ended = "protect", now
            self._idle(now)
        elif stop == 4:  # the voltage of a CC-CV step is reached: hold it
            self._solve(now, constant_voltage=True)
        else:
            del step
            self._next_step(now)

    def _next_step(self, now: float) -> None:
        self._position += 1
        while (step := self._profile.steps[self._position]).kind == 5:
            done = self._loops.get(self._position, 1)
            if done < step.passes:
                self._loops[self._position] = done + 1
                self._cycle += 1
                self._position = step.back_to - 1
            else:
                self._loops.pop(self._position, None)
                self._position += 1
        if step.kind == 6:
            self.status, self.ended = "finish", now
            self._idle(now)
            return
        self._step_begin, self._charge, self._energy, self._next_record = now, 0.0, 0.0, 0.0
        self._solve(now)

    def _solve(self, now: float, *, constant_voltage: bool = False) -> None:
        step = self._profile.steps[self._position]
        drive, stops = step.drive(), step.stops()
        if constant_voltage:  # time and capacity are those of both parts
            drive = Voltage(step.voltage or 0.0, step.current)
            stops = [Stop("current", above=False, value=step.stop_current or 0.0, number=2)]
            if step.charge is not None:
                stops.append(Stop("charge", above=True, value=max(step.charge - self._charge, 0.0), number=3))
        left = (step.time if step.time is not None else LONGEST) - (now - self._step_begin)
        self._begin = now
        self._segment = self.cell.segment(self.state, drive, max(SHORTEST, left), [*stops, *self._protection()])

    def _protection(self) -> list[Stop]:
        stops = []
        if self._profile.voltage is not None:
            low, high = self._profile.voltage
            stops += [Stop("voltage", False, low, PROTECT), Stop("voltage", True, high, PROTECT + 1)]
        if self._profile.current is not None:
            most = max(abs(side) for side in self._profile.current)
            stops.append(Stop("current", True, most * ROUNDING, PROTECT + 2))
        if self._profile.charge is not None:
            left = max(self._profile.charge * ROUNDING - self._charge, 0.0)
            stops.append(Stop("charge", True, left, PROTECT + 3))
        return stops

    def _idle(self, now: float) -> None:
        self._begin = self._step_begin = now
        self._charge = self._energy = 0.0
        self._segment = self.cell.segment(self.state, AtOpenCircuit(), LONGEST, [])

    def _close(self, end: float) -> None:
        end = max(0.0, min(end, self._segment.end))
        rows = self._segment.rows([end])
        charging, discharging = float(rows.charging[0]), float(rows.discharging[0])
        self.charging += charging
        self.discharging += discharging
        self._charge += charging + discharging
        self._energy += (charging + discharging) * abs(float(rows.voltage[0]))
        self.state = self._segment.state(end)

    def _records_until(self, now: float, *, last: bool) -> None:
        step = self._profile.steps[self._position]
        while self._step_begin + self._next_record <= now:
            self._record(self._step_begin + self._next_record)
            self._next_record += step.every
        if last and self.records and self.records[-1].time < now - self._step_begin - 1e-9:
            self._record(now)

    def _record(self, now: float) -> None:
        self.records.append(self._row(now))

    def _row(self, now: float) -> StoredRow:
        rows = self._segment.rows([max(0.0, min(now - self._begin, self._segment.end))])
        charge = self._charge + float(rows.charging[0]) + float(rows.discharging[0])
        voltage = float(rows.voltage[0])
        step = self.step
        return StoredRow(
            number=len(self.records) + 1,
            step=self._position + 1 if step else 0,
            cycle=self._cycle,
            kind=step.name if step else "--",
            time=now - self._step_begin,
            absolute=now,
            voltage=voltage,
            current=float(rows.current[0]),
            charge=charge,
            energy=self._energy + (charge - self._charge) * abs(voltage),
        )

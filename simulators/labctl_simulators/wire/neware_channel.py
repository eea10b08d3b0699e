"""One channel of an emulated Neware cycler: it runs a step file by itself on a simulated cell and keeps its records."""

from dataclasses import dataclass

from labctl_simulators.cell import Cell, Rest, State, Stop, Voltage
from labctl_simulators.wire.neware_step import Profile, Step

LONGEST = 1e6  # s: a step without a time ends at the latest then
SHORTEST = 1e-3  # s, the resolution of its time
PROTECT = 8  # number of the first of the stops that stand for the envelope


@dataclass(frozen=True, slots=True)
class Record:
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


class Channel:
    """A channel that goes on when nobody listens.

    `work` starts a step file at a time; `advance` lets it live until another. Records are numbered from 1 for each test.
    """

    def __init__(self, cell: Cell, state: State | None = None, now: float = 0.0) -> None:
        """Connect a cell; the channel has finished."""
        self.cell = cell
        self.state = cell.initial() if state is None else state
        self.status = "finish"
        self.test = 0
        self.barcode = ""
        self.records: list[Record] = []
        self.charging = self.discharging = 0.0  # C, the truth over the channel's life
        self._profile = Profile(())
        self._position = 0
        self._cycle = 1
        self._loops: dict[int, int] = {}
        self._begin = now  # of the running segment
        self._step_begin = now
        self._charge = self._energy = 0.0  # of the step before the running segment
        self._next_record = 0.0
        self._segment = cell.segment(self.state, Rest(), LONGEST, [])

    @property
    def step(self) -> Step | None:
        """Return the running step."""
        return self._profile.steps[self._position] if self.status == "working" else None

    @property
    def place(self) -> tuple[int, int]:
        """Return the running step's number from 1, and the cycle."""
        return self._position + 1, self._cycle

    def work(self, profile: Profile, barcode: str, now: float) -> bool:
        """Start a step file, if the channel is in a state from which it may."""
        self.advance(now)
        if self.status not in {"finish", "stop", "protect"}:
            return False
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
        self.status = status
        self._idle(now)

    def read(self, now: float) -> Record:
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
            self.status = "protect"
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
            self.status = "finish"
            self._idle(now)
            return
        self._step_begin, self._charge, self._energy, self._next_record = now, 0.0, 0.0, 0.0
        self._solve(now)

    def _solve(self, now: float, *, constant_voltage: bool = False) -> None:
        step = self._profile.steps[self._position]
        drive, stops = step.drive(), step.stops()
        if constant_voltage:
            drive = Voltage(step.voltage or 0.0, step.current)
            stops = [Stop("current", above=False, value=step.stop_current or 0.0, number=2)]
        left = (step.time if step.time is not None else LONGEST) - (now - self._step_begin)
        self._begin = now
        self._segment = self.cell.segment(self.state, drive, max(SHORTEST, left), [*stops, *self._protection()])

    def _protection(self) -> list[Stop]:
        if self._profile.voltage is None:
            return []
        low, high = self._profile.voltage
        return [
            Stop("voltage", above=False, value=low, number=PROTECT),
            Stop("voltage", above=True, value=high, number=PROTECT + 1),
        ]

    def _idle(self, now: float) -> None:
        self._begin = self._step_begin = now
        self._charge = self._energy = 0.0
        self._segment = self.cell.segment(self.state, Rest(), LONGEST, [])

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

    def _row(self, now: float) -> Record:
        rows = self._segment.rows([max(0.0, min(now - self._begin, self._segment.end))])
        charge = self._charge + float(rows.charging[0]) + float(rows.discharging[0])
        voltage = float(rows.voltage[0])
        step = self.step
        return Record(
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

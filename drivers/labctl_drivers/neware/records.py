"""Records of a Neware test as rows and ends of steps, and which of them are news to whoever listens again."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.driver import Ended, Galvanostatic, Potentiostatic, Program, ProgramStep, Reading, RecordRule, Threshold
from labctl.errors import WireError
from labctl.sample import Batch, Floats
from labctl_drivers.neware.replies import ENERGY, Records
from labctl_drivers.neware.stepfile import ProgramSpan, places

APART = 1e-6  # s by which the first record of a step is told later than the last one of the step before
NEWS = 0.5 * APART  # s; more than rounding makes of a time, less than lies between two records
REACHED = 1e-3  # V before the voltage of a CC-CV at which its hold has begun
MILLI = 1e-3
EARLY = 1e-3  # s by which a record may come before it is due: times are whole milliseconds


@dataclass(slots=True)
class Draining:
    """What has been read of a running test: the last record, and what lies before its step (s, Ah).

    Attributes:
        program: What runs.
        test: Its id on the cycler.
        after: Program time of the last row that the listener has, s; what lies before it is no news.
        position: Index of the program step in which the listener stands.
        found: What has been read and not been given yet.
        held: The step of the file is a CC-CV, and its voltage has been reached.
        kept: Step time and voltage of the last record that its rules asked for; None before one.
        waiting: The last record of the step, if its rules did not ask for it: it is given only where the step ends.
        stopped: We ended the test ourselves.
        waits: Looks at a test that has ended and whose records are not complete.
        plain: Every record of the step that runs is a row: none is thinned out, none begins a hold.
    """

    program: Program
    test: str = "0"
    after: float = -1.0
    position: int = 0
    found: list[Reading] = field(default_factory=list)
    last: int = 0
    step: int = 0
    cycle: int = 0
    in_step: float = 0.0
    before: float = 0.0
    charge: float = 0.0
    charging: float = 0.0
    discharging: float = 0.0
    energy: float = 0.0
    charging_wh: float = 0.0
    discharging_wh: float = 0.0
    voltage: float = 0.0
    current: float = 0.0
    done: bool = False
    held: bool = False
    kept: tuple[float, float, float] | None = None
    waiting: Batch | None = None
    stopped: bool = False
    waits: int = 0
    laid: tuple[ProgramSpan, ...] = ()
    plain: bool = False

    def __post_init__(self) -> None:
        """Lay the program out as the steps of its file."""
        self.laid = places(self.program)

    @property
    def index(self) -> int:
        """The program's step that runs; 0 before any."""
        if not self.step:
            return 0
        place = self.laid[self.step - 1]
        return place.last if self.held else place.first

    @property
    def running(self) -> ProgramStep | None:
        """The program's step that runs, None before any."""
        step = self.program.steps[self.index] if self.step else None
        return step if isinstance(step, ProgramStep) else None

    @property
    def is_steady(self) -> bool:
        """Tell whether the next records of the step that runs are rows as they are, and the first thing to be given."""
        return self.plain and not self.found and self.waiting is None

    def take(self, reading: Reading) -> None:
        """Keep a reading, without what the listener has already."""
        match reading:
            case Batch():
                begin = int(np.searchsorted(reading.time, self.after + NEWS, side="right"))
                if begin < len(reading):
                    self.found.append(reading.rows(begin))
            case Ended(step, time):
                if time > self.after + NEWS or (time > self.after - NEWS and step == self.position):
                    self.found.append(reading)
            case _:
                self.found.append(reading)

    def enter(self, step: int, cycle: int, since: float) -> None:
        """Begin a step of the file."""
        self.step, self.cycle, self.in_step = step, cycle, since
        self._go_to(held=False)

    def _go_to(self, *, held: bool) -> None:
        """Go to the first part of the step that was entered, or to its hold."""
        self.held, self.kept = held, None
        place, step = self.laid[self.step - 1], self.running
        self.plain = (held or place.last == place.first) and step is not None and len(step.record) < 2

    def leave(self) -> None:
        """End the step that was running, with its last record."""
        self.flush()
        if self.step:
            self.take(ended(self))
            self.before += self.in_step
            self.charge = self.energy = 0.0

    def hold(self, place: ProgramSpan) -> None:
        """Go from the current of a CC-CV to its hold."""
        self.flush()
        step = self.running
        number = step.ends[0].number if step is not None and step.ends else None
        self.take(Ended(place.first, self.before + self.in_step, number, "its voltage is reached"))
        self._go_to(held=True)

    def flush(self) -> None:
        """Give the last record of a step, whatever its rules ask for."""
        if self.waiting is not None:
            self.take(self.waiting)
        self.waiting = None


def take_records(block: Records, draining: Draining) -> None:
    """Take a block of records: batches, one a step, with the ends of steps between them.

    Raises:
        WireError: They are not the next records of the program; nothing is taken then.
    """
    columns = block.columns
    numbers, step, cycle = (columns[name].astype(int) for name in ("seqid", "stepid", "cycleid"))
    if not np.array_equal(numbers, np.arange(draining.last + 1, draining.last + 1 + len(block))):
        raise WireError(f"wanted records from {draining.last + 1} on without a gap, found {numbers.tolist()[:5]}...")
    if step.min() < 1 or step.max() > len(draining.laid):
        raise WireError(f"wanted steps 1 to {len(draining.laid)}, found {step.min()} to {step.max()}")
    values = {name: columns[name] for name in ("volt", "curr", "cap", ENERGY) if name in columns}
    values["testtime"] = columns["testtime"] * MILLI
    for begin, end in pieces(step, cycle, values["testtime"]):
        if (step[begin], cycle[begin]) != (draining.step, draining.cycle) or values["testtime"][
            begin
        ] < draining.in_step:
            draining.leave()
            draining.enter(int(step[begin]), int(cycle[begin]), float(values["testtime"][begin]))
        take_step({name: column[begin:end] for name, column in values.items()}, draining)
    draining.last = int(numbers[-1])


Places: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]


def pieces(step: NDArray[np.int_], cycle: NDArray[np.int_], since: Floats) -> Iterator[tuple[int, int]]:
    """Give begin and end of every run of records that are of one step of the file."""
    cuts = (np.diff(step) != 0) | (np.diff(cycle) != 0) | (np.diff(since) < 0.0)
    edges = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(step)]
    yield from itertools.pairwise(edges)


def take_step(values: dict[str, Floats], draining: Draining) -> None:
    """Take records of the step of the file that runs; in a CC-CV the hold begins after the record that shows its voltage."""
    count = len(values["volt"])
    place = draining.laid[draining.step - 1]
    leads = place.last > place.first and not draining.held
    reached = reaches(values["volt"], draining.program, place) if leads else np.zeros(count, bool)
    cut = int(reached.argmax()) + 1 if reached.any() else count
    give(values, 0, cut, draining)
    if reached.any():
        draining.hold(place)
    give(values, cut, count, draining)


def reaches(voltage: Floats, program: Program, place: ProgramSpan) -> Flags:
    """Return where the voltage of a CC-CV has been reached, a flag a record."""
    match program.steps[place.first], program.steps[place.last]:
        case ProgramStep(mode=Galvanostatic(current)), ProgramStep(mode=Potentiostatic(level)):
            side = 1.0 if current > 0 else -1.0
            flags: Flags = side * (voltage - level) >= -REACHED
            return flags
    return np.zeros(len(voltage), bool)


def give(values: dict[str, Floats], begin: int, end: int, draining: Draining) -> None:
    """Give some records of the running step as rows, those that its rules ask for."""
    if begin >= end:
        return
    since, voltage, current, charge = (values[name][begin:end] for name in ("testtime", "volt", "curr", "cap"))
    rows = batch(since, voltage, current, charge, draining)
    if ENERGY in values:
        rows = with_energy(rows, values[ENERGY][begin:end], draining)
    draining.in_step = float(since[-1])
    step = draining.running
    rules = step.record if step is not None else ()
    if len(rules) < 2:
        draining.take(rows)
        return
    asked = thinned(since, voltage, current, rules, draining)
    for at in np.split(asked, np.flatnonzero(np.diff(asked) != 1) + 1):
        if len(at):
            draining.take(rows.rows(int(at[0]), int(at[-1]) + 1))
    draining.waiting = None if len(asked) and asked[-1] == len(rows) - 1 else rows.rows(len(rows) - 1)


def thinned(since: Floats, voltage: Floats, current: Floats, rules: Sequence[RecordRule], draining: Draining) -> Places:
    """Return the places of the records that several rules one after the other ask for: the cycler kept to the finest of them."""
    asked = []
    for at, (time, volts, amperes) in enumerate(zip(since.tolist(), voltage.tolist(), current.tolist(), strict=True)):
        rule = next((rule for rule in rules if rule.until is None or time <= rule.until), rules[-1])
        if draining.kept is None or is_due(rule, time, volts, amperes, draining.kept):
            draining.kept = (time, volts, amperes)
            asked.append(at)
    return np.array(asked, np.intp)


def is_due(rule: RecordRule, time: float, volts: float, amperes: float, kept: tuple[float, float, float]) -> bool:
    """Tell whether a rule asks for a record after the one that was kept last."""
    return (
        (rule.every is not None and time - kept[0] >= rule.every - EARLY)
        or (rule.voltage is not None and abs(volts - kept[1]) >= rule.voltage)
        or (rule.current is not None and abs(amperes - kept[2]) >= rule.current)
    )


def batch(since: Floats, voltage: Floats, current: Floats, charge: Floats, draining: Draining) -> Batch:
    """Return records of one step, their time and counters since the program began."""
    passed = np.diff(charge, prepend=draining.charge)
    positive = np.where(current >= 0, passed, 0.0)
    charging = np.cumsum(np.concatenate(([draining.charging], positive)))[1:]
    discharging = np.cumsum(np.concatenate(([draining.discharging], passed - positive)))[1:]
    draining.charge, draining.charging, draining.discharging = (
        float(charge[-1]),
        float(charging[-1]),
        float(discharging[-1]),
    )
    draining.voltage, draining.current = float(voltage[-1]), float(current[-1])
    time = draining.before + (np.maximum(since, APART) if draining.before else since)  # so that a time names one record
    return Batch(time, voltage, current, charging, discharging, step=draining.index)


def with_energy(rows: Batch, energy: Floats, draining: Draining) -> Batch:
    """Return records of one step with their counters of energy since the program began, Wh.

    The cycler counts the energy of a step as a magnitude, as it does the charge; a voltage below zero gives it its sign.
    """
    passed = np.diff(energy, prepend=draining.energy) * np.where(rows.voltage < 0.0, -1.0, 1.0)
    positive = np.where(rows.current >= 0.0, passed, 0.0)
    charging = np.cumsum(np.concatenate(([draining.charging_wh], positive)))[1:]
    discharging = np.cumsum(np.concatenate(([draining.discharging_wh], passed - positive)))[1:]
    draining.energy = float(energy[-1])
    draining.charging_wh, draining.discharging_wh = float(charging[-1]), float(discharging[-1])
    return replace(rows, charging_wh=charging, discharging_wh=discharging)


def ended(draining: Draining) -> Ended:
    """Return the end of the step that was running, with the threshold that its last record lies nearest to."""
    time = draining.before + draining.in_step
    step = draining.running
    ends = () if step is None else asked_in(step, draining)
    if not ends:
        return Ended(draining.index, time, None)
    measured = {
        "time": draining.in_step,
        "voltage": draining.voltage,
        "current": abs(draining.current),
        "charge": draining.charge * 3600.0,
        "power": abs(draining.voltage * draining.current),
    }
    nearest = min(ends, key=lambda end: abs(measured[end.quantity] - end.value) / (abs(end.value) or 1.0))
    return Ended(draining.index, time, nearest.number)


def asked_in(step: ProgramStep, draining: Draining) -> Sequence[Threshold]:
    """Return the ends that may have ended a step: its own, those over a CC-CV, and no voltage of one that is held."""
    place = draining.laid[draining.step - 1]
    over = [end for span in draining.program.spans if span.first == place.first for end in span.ends]
    own = step.ends if draining.held or place.last == place.first else ()  # the voltage of a CC-CV leads to its hold
    holding = isinstance(step.mode, Potentiostatic)
    return [end for end in (*own, *over) if not (holding and end.quantity == "voltage")]


# --- a test that somebody else started --------------------------------------------------------------------------------


@dataclass(slots=True)
class Following:
    """A test that somebody else started, read from a record on: rows since then, whatever its steps are.

    Attributes:
        test: Its id on the cycler.
        first: Number of the record with which its time begins.
        after: Time of the last row that the listener has, s since that record.
        at: The record that was read last: number, step, cycle, s since the step began, Ah of the step.
        time: Time of that record.
    """

    test: str
    first: int
    after: float = -1.0
    found: list[Reading] = field(default_factory=list)
    last: int = 0
    at: tuple[int, int, float, float] | None = None
    time: float = 0.0
    charging: float = 0.0
    discharging: float = 0.0
    done: bool = False
    stopped: bool = False
    waits: int = 0

    def __post_init__(self) -> None:
        """Begin before the first record."""
        self.last = max(0, self.first - 1)

    def end(self, why: str) -> None:
        """Take the end of the test."""
        self.done = True
        self.found.append(Ended(0, self.time, None, why))


def follow_records(block: Records, following: Following) -> None:
    """Take a block of records of a test of which no program is known: time, charge and discharge since the first of them.

    Raises:
        WireError: They are not the next records of the test; nothing is taken then.
    """
    columns = block.columns
    numbers, step, cycle = (columns[name].astype(int) for name in ("seqid", "stepid", "cycleid"))
    if not np.array_equal(numbers, np.arange(following.last + 1, following.last + 1 + len(block))):
        raise WireError(f"wanted records from {following.last + 1} on without a gap, found {numbers.tolist()[:5]}...")
    since, voltage, current, charge = (columns[name] for name in ("testtime", "volt", "curr", "cap"))
    times, charging, discharging = (np.empty(len(block)) for _ in range(3))
    for at, place in enumerate(
        zip(step.tolist(), cycle.tolist(), (since * MILLI).tolist(), charge.tolist(), strict=True)
    ):
        new, before = place, following.at
        same = before is not None and before[:2] == new[:2] and new[2] >= before[2]
        passed, lasted = (new[3], new[2]) if before is None or not same else (new[3] - before[3], new[2] - before[2])
        if before is not None:
            following.time += max(lasted, APART)
            following.charging += passed if current[at] >= 0 else 0.0
            following.discharging += passed if current[at] < 0 else 0.0
        following.at = new
        times[at], charging[at], discharging[at] = following.time, following.charging, following.discharging
    following.last = int(numbers[-1])
    begin = int(np.searchsorted(times, following.after + NEWS, side="right"))
    if begin < len(times):
        whole = Batch(times, voltage, current, charging, discharging, step=0)
        following.found.append(whole.rows(begin))

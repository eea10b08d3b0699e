"""What a state is made of: small values, one a thing that a run remembers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

Asked: TypeAlias = Literal[
    "ocv",
    "interruption",
    "prompt",
    "chamber",
    "met",
    "diverged",
    "set_point",
    "unmeasured",
    "contradicted",
    "unrecorded",
    "unguarded",
    "nominal",
    "unsure",
]


class Unblock(StrEnum):
    """What lets a run go on that waits. The engine knows no command: `labctl.run.unblock` has the words for a person.

    The values are spellings of stored events and of SQL's `unblock`; they stay as they are, so that stored runs fold to the bit.
    """

    NOTHING = ""
    RESUME = "labctl resume"
    CONFIRM = "labctl confirm"


class Counters(NamedTuple):
    """The counters of a run in each direction: Ah and Wh; an energy that nobody counted is None."""

    charging_ah: float = 0.0
    discharging_ah: float = 0.0
    charging_wh: float | None = 0.0
    discharging_wh: float | None = 0.0


@dataclass(frozen=True, slots=True)
class LastRow:
    """The last row and the sums up to it, as stored: s, V, A, degC, Ah, Wh.

    Attributes:
        record: Its record index, bad rows included; -1 before the first.
        time: Run time of the last row or confirmation, whichever is later.
        row_time: Run time of the last good row, None before one; so are voltage and current.
    """

    record: int = -1
    time: float = 0.0
    row_time: float | None = None
    voltage: float | None = None
    current: float | None = None
    temperature: float | None = None
    charging_ah: float = 0.0
    discharging_ah: float = 0.0
    charging_wh: float = 0.0
    discharging_wh: float = 0.0

    @property
    def counters(self) -> Counters:
        """Return the sums as the meter has them."""
        return Counters(self.charging_ah, self.discharging_ah, self.charging_wh, self.discharging_wh)

    def at(self, time: float) -> "LastRow":
        """Return the same at a run time, unless that is over: something happened then that is no row."""
        if time <= self.time:
            return self
        rest = self.row_time, self.voltage, self.current, self.temperature
        sums = self.charging_ah, self.discharging_ah, self.charging_wh, self.discharging_wh
        return LastRow(self.record, time, *rest, *sums)


@dataclass(frozen=True, slots=True)
class SumsAtBegin:
    """Time and sums where something began: a step, a cycle."""

    time: float
    charging_ah: float
    discharging_ah: float
    charging_wh: float
    discharging_wh: float
    first_record: int
    blind_low_ah: float = 0.0
    blind_high_ah: float = 0.0


@dataclass(frozen=True, slots=True)
class Blind:
    """Charge of the whole run that may have passed while nobody was reading, beyond what the counters have, Ah.

    A step that would pass more than its budget if all of `high_ah` since its begin had flowed has used up its budget.

    Attributes:
        low_ah: At least; below zero where the counters hold an estimate.
        high_ah: At most, in whatever direction.
        next_ah: How much of it may have been of the step that begins next: its command was out.
        next_second: How long that step may have been done.
    """

    low_ah: float = 0.0
    high_ah: float = 0.0
    next_ah: float = 0.0
    next_second: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenStep:
    """The step that is being done, or being left.

    Attributes:
        count: BDF `step_count`, from 1, never repeated.
        line: Of the plan.
        probe: A look at the open circuit before line `line`, which is yet to come.
        entry: Where it began.
        spent: Step time of earlier attempts, s.
        resumed: Run time at which this attempt began; None while the step is not being done.
        first_voltage: V, None before the first good row.
        outside: On which side of the voltage limits it has been ever since it began: 1 above, -1 below, 0 neither,
            None before the first good row.
        name: At this pass, where it differs between passes.
        reversed: Current against the verb was seen in it, and said.
    """

    count: int
    line: int
    cycle: int
    entry: SumsAtBegin
    spent: float
    resumed: float | None
    probe: bool = False
    first_voltage: float | None = None
    outside: int | None = None
    name: str = ""
    reversed: bool = False

    def seen(self, voltage: float, outside: int) -> "OpenStep":
        """Return the step after its first good row, or on another side of the voltage limits."""
        first = voltage if self.first_voltage is None else self.first_voltage
        times = self.entry, self.spent, self.resumed
        more = self.name, self.reversed
        return OpenStep(self.count, self.line, self.cycle, *times, self.probe, first, outside, *more)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a step ended: decided at run time `time`; `value` of `quantity` (SI) was crossed at `crossed`, both if known."""

    reason: str
    text: str
    time: float
    quantity: str = ""
    above: bool = True
    value: float | None = None
    crossed: float | None = None


Boundary: TypeAlias = tuple[Literal["begin", "end", "cut"], str, int]
"""A cycle begins, ends, or is cut short: its kind and number."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A command that is not confirmed: how the step that it leaves ended, and which cycles end and begin between."""

    ending: Ending | None = None
    boundaries: tuple[Boundary, ...] = ()
    goes_on: bool = False  # the same step in a new attempt
    probe: bool = False


@dataclass(frozen=True, slots=True)
class HeldProgram:
    """The program that the instrument holds.

    Attributes:
        attempt: Its identity.
        lines: Line of each of its steps; 0 at a loop.
        loops: (index, to, passes) of each loop.
        at: Index of the step that runs.
        done: Passes done of each loop.
    """

    attempt: int = 0
    lines: tuple[int, ...] = ()
    loops: tuple[tuple[int, int, int], ...] = ()
    at: int = 0
    done: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Rows through which a slope is drawn, SI; `bin` is the part of the window's length in which the last one lies."""

    quantity: str
    over: float
    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    bin: int = -1


@dataclass(frozen=True, slots=True)
class Short:
    """What is known of short circuits: resistances in ohm, run times in s (`labctl.engine.short`).

    Attributes:
        floors: Of the last sound step, discharging and charging: its least resistance, the size of its current, A, and its
            temperature, degC, where that is compared.
        low: Least in this step once settled.
        high: Greatest in this step once settled.
        soft_since: Since when this step looks soft-shorted.
        hard_since: Since when it looks shorted.
        soft: When a soft short was found last, None for never.
        hard: The same of a short.
        celsius: Temperature at this step's begin, degC, where that is compared.
        beside: Outer conditions, by name, under which the sound steps were done.
    """

    floors: tuple[tuple[float, ...] | None, tuple[float, ...] | None] = (None, None)
    low: float | None = None
    high: float | None = None
    soft_since: float | None = None
    hard_since: float | None = None
    soft: float | None = None
    hard: float | None = None
    celsius: float | None = None
    beside: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What the run asks a person: `kind` decides what `resume` and `skip` do."""

    kind: Asked
    why: str


@dataclass(frozen=True, slots=True)
class Spectra:
    """Spectra begun so far, and points of the one that runs."""

    count: int = 0
    points: int = 0
    running: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """Steps that did nothing, their end being met at their first row: how many, and the numbers of the first of them."""

    count: int = 0
    steps: tuple[int, ...] = ()

    def with_step(self, number: int, shown: int) -> "Idle":
        """Return the same with one more step; of many only the first numbers are kept."""
        return Idle(self.count + 1, (*self.steps, number) if len(self.steps) < shown else self.steps)

    def __str__(self) -> str:
        """Return them in words, nothing of none."""
        if not self.count:
            return ""
        more = self.count - len(self.steps)
        numbers = ", ".join(map(str, self.steps)) + (f" and {more} more" if more else "")
        return f"{self.count} step{'s' * (self.count != 1)} did nothing: {numbers}"


@dataclass(frozen=True, slots=True)
class Over:
    """Voltage beyond a limit that the own end of a step was met with, and that must come back inside.

    Attributes:
        since: Run time of the first row beyond, or of the end, s.
        rows: Rows beyond so far, one after the other.
        side: 1 above the limits, -1 below.
    """

    since: float
    rows: int
    side: int


@dataclass(frozen=True, slots=True)
class Bad:
    """Bad rows in a row, and when the first of them came; since when the current cannot be what was set; run times."""

    rows: int = 0
    since: float | None = None
    wrong_since: float | None = None


def time_of(step: OpenStep, time: float) -> float:
    """Return the step time of a step at a run time, s."""
    return step.spent if step.resumed is None else step.spent + (time - step.resumed)


def passed_since(entry: SumsAtBegin, last: LastRow, blind: Blind) -> float:
    """Return the magnitude of the net charge that passed since something began, C: at most, where nobody was reading."""
    net = abs((last.charging_ah - entry.charging_ah) - (last.discharging_ah - entry.discharging_ah))
    return net * 3600.0 + unseen_since(entry, blind)


def unseen_since(entry: SumsAtBegin, blind: Blind) -> float:
    """Return the charge that may have passed since something began while nobody was reading, C."""
    return (blind.high_ah - entry.blind_high_ah) * 3600.0

"""What a state is made of: small values, one a thing that a run remembers."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Asked: TypeAlias = Literal["ocv", "interruption", "prompt", "chamber", "met", "diverged", "set_point"]


@dataclass(frozen=True, slots=True)
class Last:
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

    def at(self, time: float) -> "Last":
        """Return the same at a run time, unless that is over: something happened then that is no row."""
        if time <= self.time:
            return self
        rest = self.row_time, self.voltage, self.current, self.temperature
        sums = self.charging_ah, self.discharging_ah, self.charging_wh, self.discharging_wh
        return Last(self.record, time, *rest, *sums)


@dataclass(frozen=True, slots=True)
class Entry:
    """Time and sums where something began: a step, a cycle."""

    time: float
    charging_ah: float
    discharging_ah: float
    charging_wh: float
    discharging_wh: float
    first_record: int


@dataclass(frozen=True, slots=True)
class Step:
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
    """

    count: int
    line: int
    cycle: int
    entry: Entry
    spent: float
    resumed: float | None
    probe: bool = False
    first_voltage: float | None = None
    outside: int | None = None
    name: str = ""

    def seen(self, voltage: float, outside: int) -> "Step":
        """Return the step after its first good row, or on another side of the voltage limits."""
        first = voltage if self.first_voltage is None else self.first_voltage
        times = self.entry, self.spent, self.resumed
        return Step(self.count, self.line, self.cycle, *times, self.probe, first, outside, self.name)


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
class Held:
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
class Figures:
    """A finished cycle: capacities in C, efficiency a fraction, `counted` the capacity that retention counts, in C."""

    cycle: int
    kind: str
    charge: float
    discharge: float
    efficiency: float | None = None
    counted: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Results of the cycles of one block: the last ones, and what retention is measured against (C)."""

    last: tuple[Figures, ...] = ()
    first: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A block that is being done.

    Attributes:
        block: Its id.
        number: Pass, from 0.
        child: Index of the child being done, -1 before the first.
        time: Step time of the steps finished in it, all passes, s.
        entry: Where it began.
        energised: Energised steps ended in this pass.
        met: How many of them had their end met at the first row.
        tally: Where the block asks for results.
    """

    block: int
    number: int
    child: int
    time: float
    entry: Entry
    energised: int = 0
    met: int = 0
    tally: Tally | None = None

    def at(self, child: int) -> "Frame":
        """Return the block at another child."""
        return Frame(self.block, self.number, child, self.time, self.entry, self.energised, self.met, self.tally)

    def again(self) -> "Frame":
        """Return the block before its next pass."""
        return Frame(self.block, self.number + 1, -1, self.time, self.entry, tally=self.tally)

    def after(self, seconds: float, energised: int, met: int) -> "Frame":
        """Return the block after a step of so much step time in it, and how many of it were energised and met at once."""
        counts = self.energised + energised, self.met + met
        return Frame(self.block, self.number, self.child, self.time + seconds, self.entry, *counts, self.tally)

    def counting(self, tally: Tally | None) -> "Frame":
        """Return the block with other results."""
        return Frame(self.block, self.number, self.child, self.time, self.entry, self.energised, self.met, tally)


@dataclass(frozen=True, slots=True)
class Cycle:
    """The cycle that is counted; `kind` is "" outside any."""

    count: int = 0
    kind: str = ""
    entry: Entry | None = None


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
        floors: Of the last sound step, discharging and charging: its least resistance and the size of its current, A.
        low: Least in this step once settled.
        high: Greatest in this step once settled.
        soft_since: Since when this step looks soft-shorted.
        hard_since: Since when it looks shorted.
        soft: When a soft short was found last, None for never.
        hard: The same of a short.
    """

    floors: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None)
    low: float | None = None
    high: float | None = None
    soft_since: float | None = None
    hard_since: float | None = None
    soft: float | None = None
    hard: float | None = None


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
class Bad:
    """Bad rows in a row, and when the first of them came; since when the current cannot be what was set; run times."""

    rows: int = 0
    since: float | None = None
    wrong_since: float | None = None


def time_of(step: Step, time: float) -> float:
    """Return the step time of a step at a run time, s."""
    return step.spent if step.resumed is None else step.spent + (time - step.resumed)


def passed_since(entry: Entry, last: Last) -> float:
    """Return the magnitude of the net charge that passed since something began, C."""
    return abs((last.charging_ah - entry.charging_ah) - (last.discharging_ah - entry.discharging_ah)) * 3600.0

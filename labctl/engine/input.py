"""What goes into the engine and what comes out: closed unions of values.

`fold(plan, state, input) -> Outcome`. Every input is journalled; an event carries the index of the last row before it, so
that stored rows and stored inputs can be put back into their order and folded again to the same bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from labctl.driver import Points, Program
from labctl.sample import Batch

if TYPE_CHECKING:
    pass

Verb: TypeAlias = Literal["pause", "resume", "skip", "stop", "confirm", "note", "release", "edit"]
Activity: TypeAlias = Literal["preparing", "running", "paused", "waiting", "safe", "tripped", "done", "failed"]
Cause: TypeAlias = Literal["unmeasured", "contradicted", "unrecorded", "unguarded"]
EndReason: TypeAlias = Literal["done", "stopped", "aborted", "tripped", "failed", "released"]

# --- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """A program took effect: `time` is the run time at which it was confirmed, `read_back` what the instrument reported.

    The counters are those of the run at that time, Ah and Wh, as the meter has them: the old current holds until the
    confirmation. None where nothing passed since the last row; energies alone are None where nobody counts them.
    """

    attempt: int
    time: float
    read_back: Mapping[str, float] = field(default_factory=dict)
    charging_ah: float | None = None
    discharging_ah: float | None = None
    charging_wh: float | None = None
    discharging_wh: float | None = None


@dataclass(frozen=True, slots=True)
class StepEnded:
    """The instrument ended a step of the program by itself, at run time `time`; see `labctl.driver.Ended`."""

    attempt: int
    step: int
    time: float
    end: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class SpectrumPart:
    """Points of the spectrum that the running line measures; `points.time` is run time."""

    attempt: int
    points: Points


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody was reading from `begin` to `end` (run time).

    Attributes:
        begin: Run time, s.
        end: Run time, s.
        why: In words.
        attempt_goes_on: The instrument kept running its program.
        on_until: Run time after which no unseen charge flowed for sure, s: the output was off, or is read again. None in
            what was stored before this was asked: no charge is then said to have passed.
        charging_ah: The run's counters at `end` where the set-point was held on: the last current counted until then. None
            where they are those of the last row. So is `discharging_ah`.
        ask: A person must say how to go on, whatever the protocol's `on_interruption`.
    """

    begin: float
    end: float
    why: str
    attempt_goes_on: bool = False
    on_until: float | None = None
    charging_ah: float | None = None
    discharging_ah: float | None = None
    ask: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for.

    Attributes:
        verb: What.
        id: Makes a repetition harmless.
        by: Who.
        text: The note, or the answer to a prompt.
        step_seen: The `step_count` that the person saw when asking: another step is not skipped, confirmed or resumed in its
            place. None obeys whatever the run does now.
    """

    verb: Verb
    id: str
    by: str
    text: str = ""
    step_seen: int | None = field(default=None, metadata={"later": True})


@dataclass(frozen=True, slots=True)
class Result:
    """A result that was found outside the engine, usable in conditions from then on."""

    name: str
    value: float
    cycle: int


@dataclass(frozen=True, slots=True)
class InstrumentFault:
    """The instrument is wrong or gone; `safe` says whether its output is known to be off."""

    why: str
    safe: bool


@dataclass(frozen=True, slots=True)
class SafeHold:
    """The run must be held safe: output off, and a person decides how it goes on.

    Attributes:
        cause: `unmeasured`: no good reading came for too long; `contradicted`: the instrument is not as it was set;
            `unrecorded`: the journal could not be written for too long; `unguarded`: the guard did not answer for too long.
        why: In words, for a person.
    """

    cause: Cause
    why: str


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """An output was confirmed off outside a program, at run time `time`: the old current counted until then.

    The counters are those of the run at that time, Ah and Wh, as the meter has them; an energy that nobody counts is None. No
    row may follow for long, or none that can be believed, so that nothing else would tell of them.
    """

    time: float
    charging_ah: float
    discharging_ah: float
    charging_wh: float | None
    discharging_wh: float | None


Input: TypeAlias = (
    Batch | Began | StepEnded | SpectrumPart | Gap | Order | Result | InstrumentFault | SafeHold | SwitchedOff
)

# --- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Apply:
    """Run a program on the part of the channel with this role (`cell`, `stage`, `chamber`); risky: record first."""

    attempt: int
    role: str
    program: Program
    energises: bool


@dataclass(frozen=True, slots=True)
class Off:
    """Output off; safe: act first. Rows go on being read at open circuit where the channel is still the run's."""

    why: str


@dataclass(frozen=True, slots=True)
class RaiseMark:
    """Raise the trigger output where the instrument has one."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has ended and the channel is free."""

    reason: EndReason
    why: str


Command: TypeAlias = Apply | Off | RaiseMark | Finish

# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as it is stored and published.

    Attributes:
        kind: One of the closed list in `KINDS`.
        record_index: Of the last row before it, -1 before the first.
        time: Run time, s.
        data: Flat JSON values; BDF names where there is one, SI elsewhere.
    """

    kind: str
    record_index: int
    time: float
    data: Mapping[str, object] = field(default_factory=dict)


KINDS = (
    "run_began", "run_ended", "activity",  # activity: the channel state in MQTT's closed list, with why
    "attempt", "step_began", "step_ended", "cycle_began", "cycle_ended",
    "spectrum_began", "spectrum_ended", "result",
    "already_met", "reversed", "left_out", "late",
    "tripped", "asked", "diverged", "order", "note", "mark", "gap", "fault", "quality",
    "analysed", "analysis_asked", "cell_corrected",
)  # fmt: skip
AFTERWARDS = frozenset({"analysed", "analysis_asked", "cell_corrected"})
"""What no fold gives: what was done with a run that is stored."""

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
    from labctl.engine.state import State

Verb: TypeAlias = Literal["pause", "resume", "skip", "stop", "confirm", "note"]
Activity: TypeAlias = Literal["preparing", "running", "paused", "waiting", "tripped", "done", "failed"]
EndReason: TypeAlias = Literal["done", "stopped", "aborted", "tripped", "failed"]

# --- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """A program took effect: `time` is the run time at which it was confirmed, `read_back` what the instrument reported.

    The counters are those of the run at that time, Ah, as the meter has them: the old current holds until the confirmation.
    None where nothing passed since the last row.
    """

    attempt: int
    time: float
    read_back: Mapping[str, float] = field(default_factory=dict)
    charging_ah: float | None = None
    discharging_ah: float | None = None


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
    """Nobody was reading from `begin` to `end` (run time). `attempt_goes_on`: the instrument kept running its program."""

    begin: float
    end: float
    why: str
    attempt_goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for: `by` says who, `text` is the note or the answer to a prompt."""

    verb: Verb
    id: str
    by: str
    text: str = ""


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


Input: TypeAlias = Batch | Began | StepEnded | SpectrumPart | Gap | Order | Result | InstrumentFault

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
class Mark:
    """Raise the trigger output where the instrument has one."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has ended and the channel is free."""

    reason: EndReason
    why: str


Command: TypeAlias = Apply | Off | Mark | Finish

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
    "already_met", "tripped", "asked", "diverged", "order", "note", "mark", "gap", "fault", "quality",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fold gives: the new state, how many rows of the batch it took, and what follows, in order."""

    state: "State"
    taken: int = 0
    events: tuple[Event, ...] = ()
    commands: tuple[Command, ...] = ()

"""The working copy of a state during one fold: fields are set in turn, then it is frozen again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Final, cast

from labctl.driver import Capabilities
from labctl.engine.cycle import numbers_of
from labctl.engine.cycle_parts import Cycle, Frame
from labctl.engine.input import Activity, Command, Event
from labctl.engine.line_rules import Facts, facts
from labctl.engine.state import TABLE, Cache, Outcome, Phase, State, capabilities_from_json
from labctl.engine.state_parts import (
    Bad,
    Blind,
    Ending,
    HeldProgram,
    Idle,
    LastRow,
    Leaving,
    OpenStep,
    Over,
    Question,
    Short,
    Spectra,
    SumsAtBegin,
    Unblock,
    Window,
    time_of,
)
from labctl.errors import InternalError
from labctl.plan.index import Index
from labctl.plan.program import NOMINAL
from labctl.plan.step import Block, Line, Plan

NAMES: Final = tuple(each.name for each in fields(State))
_ALL: Final = attrgetter(*NAMES)


@dataclass(slots=True)
class StateBuilder:
    """A state in the making, with the plan it is of, and what is said meanwhile."""

    phase: Phase
    activity: str
    why: str
    unblock: Unblock
    attempt: int
    applied: int
    last: LastRow
    frames: tuple[Frame, ...]
    line: int
    steps: int
    step: OpenStep | None
    suspended: OpenStep | None
    leaving: Leaving | None
    held: HeldProgram
    cycle: Cycle
    ocv: float | None
    ocv_due: str
    rest_voltage: float | None
    windows: tuple[Window, ...]
    window_since: float
    dwell: float | None
    short: Short
    bad: Bad
    references: Mapping[str, float]
    results: Mapping[str, float]
    externals: Mapping[str, float]
    spectra: Spectra
    question: Question | None
    channel: str
    roles: tuple[str, ...]
    blind: Blind
    dwells: tuple[float | None, ...]
    marks: Mapping[str, SumsAtBegin]
    nominal: float
    over: Over | None
    idle: Idle
    version: int
    _cache: Cache
    plan: Plan
    facts: Facts
    index: Index
    events: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    closed: Ending | None = None  # how the step ended that was closed last in this fold

    @property
    def numbers(self) -> dict[str, int]:
        """Return the numbers of the cycle as events have them."""
        return numbers_of(self.plan.edition, self.cycle)

    @property
    def time(self) -> float:
        """Return the run time of the last input, s."""
        return self.last.time

    @property
    def capabilities(self) -> Capabilities:
        """Return the capabilities of the channel."""
        return capabilities_from_json(self.channel)

    @property
    def comes_late(self) -> bool:
        """Tell whether rows are what an instrument recorded by itself before it was switched off: nothing runs now."""
        return self.phase in {"asking", "paused"} and self.acts_alone

    @property
    def acts_alone(self) -> bool:
        """Tell whether the instrument runs and records by itself."""
        return self.capabilities.records and self.capabilities.energises

    @property
    def passes(self) -> dict[int, int]:
        """Return the pass, from 0, of each block around the line."""
        passes = {frame.block: frame.number for frame in self.frames}
        return passes if self.nominal == 1.0 else cast("dict[int, int]", passes | {NOMINAL: self.nominal})

    @property
    def plan_line(self) -> Line:
        """Return the line that is being done or comes next."""
        return self.index.lines[self.line]

    @property
    def step_line(self) -> Line:
        """Return the line of the step that is open."""
        return self.index.lines[self.opened.line]

    @property
    def opened(self) -> OpenStep:
        """Return the step that is open.

        Raises:
            InternalError: None is.
        """
        if self.step is None:
            raise InternalError("wanted an open step, found none")
        return self.step

    @property
    def opened_reversed(self) -> bool:
        """Tell whether current against the verb needs no word: it was said of the open step, or none is open."""
        return self.step is None or self.step.reversed

    def block(self, frame: Frame) -> Block:
        """Return the block of a frame."""
        return self.index.blocks[frame.block]

    def step_time(self, time: float) -> float:
        """Return the step time at a run time, s; 0 with no step."""
        return 0.0 if self.step is None else time_of(self.step, time)

    def move(self, phase: Phase) -> None:
        """Go to a phase.

        Raises:
            InternalError: The table has no such move.
        """
        if phase not in TABLE[self.phase]:
            raise InternalError(f"wanted a move that the table has, found {self.phase} to {phase}")
        self.phase = phase

    def say(self, kind: str, /, **data: object) -> None:
        """Add an event at the time of the last input."""
        self.events.append(Event(kind, self.last.record, self.last.time, data))

    def show(self, activity: Activity, why: str = "", unblock: Unblock = Unblock.NOTHING) -> None:
        """Show what the channel does, if that is new."""
        if (activity, why, unblock) != (self.activity, self.why, self.unblock):
            self.activity, self.why, self.unblock = activity, why, unblock
            self.say("activity", activity=activity, why=why, unblock=unblock)

    def renew(self) -> None:
        """Forget what was derived from the step that is over."""
        self._cache = Cache()

    def outcome(self, taken: int = 0) -> Outcome:
        """Freeze it."""
        return Outcome(State(*_ALL(self)), taken, tuple(self.events), tuple(self.commands))


def builder_of(plan: Plan, state: State) -> StateBuilder:
    """Return a working copy of a state."""
    known = facts(plan)
    return StateBuilder(*_ALL(state), plan, known, known.index)  # type: ignore[call-arg]  # a getter of many names has no types


_REST: Final = attrgetter(*(name for name in NAMES if name != "last"))
_AT: Final = NAMES.index("last")


def with_last(state: State, last: LastRow) -> State:
    """Return a state after rows that changed nothing but the sums; what was derived stays."""
    values = _REST(state)
    return State(*values[:_AT], last, *values[_AT:])  # type: ignore[call-arg]

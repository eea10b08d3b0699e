"""The working copy of a state during one fold: fields are set in turn, then it is frozen again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Final

from labctl.driver import Capabilities
from labctl.engine.input import Activity, Command, Event, Outcome
from labctl.engine.memory import Bad, Cycle, Frame, Held, Last, Leaving, Question, Short, Spectra, Step, Window, time_of
from labctl.engine.recipe import Facts, facts
from labctl.engine.state import TABLE, Cache, Phase, State, capabilities_from_json
from labctl.errors import InternalError
from labctl.plan.index import Index
from labctl.plan.step import Block, Line, Plan

NAMES: Final = tuple(each.name for each in fields(State))
_ALL: Final = attrgetter(*NAMES)


@dataclass(slots=True)
class Work:
    """A state in the making, with the plan it is of, and what is said meanwhile."""

    phase: Phase
    activity: str
    why: str
    unblock: str
    attempt: int
    applied: int
    last: Last
    frames: tuple[Frame, ...]
    line: int
    steps: int
    step: Step | None
    suspended: Step | None
    leaving: Leaving | None
    held: Held
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
    version: int
    _cache: Cache
    plan: Plan
    facts: Facts
    index: Index
    events: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    @property
    def time(self) -> float:
        """Return the run time of the last input, s."""
        return self.last.time

    @property
    def capabilities(self) -> Capabilities:
        """Return the capabilities of the channel."""
        return capabilities_from_json(self.channel)

    @property
    def passes(self) -> dict[int, int]:
        """Return the pass, from 0, of each block around the line."""
        return {frame.block: frame.number for frame in self.frames}

    @property
    def plan_line(self) -> Line:
        """Return the line that is being done or comes next."""
        return self.index.lines[self.line]

    @property
    def step_line(self) -> Line:
        """Return the line of the step that is open."""
        return self.index.lines[self.opened.line]

    @property
    def opened(self) -> Step:
        """Return the step that is open.

        Raises:
            InternalError: None is.
        """
        if self.step is None:
            raise InternalError("wanted an open step, found none")
        return self.step

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

    def show(self, activity: Activity, why: str = "", unblock: str = "") -> None:
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


def work_on(plan: Plan, state: State) -> Work:
    """Return a working copy of a state."""
    known = facts(plan)
    return Work(*_ALL(state), plan, known, known.index)  # type: ignore[call-arg]  # a getter of many names has no types


_REST: Final = attrgetter(*(name for name in NAMES if name != "last"))
_AT: Final = NAMES.index("last")


def with_last(state: State, last: Last) -> State:
    """Return a state after rows that changed nothing but the sums; what was derived stays."""
    values = _REST(state)
    return State(*values[:_AT], last, *values[_AT:])  # type: ignore[call-arg]

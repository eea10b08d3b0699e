"""What a run knows between two inputs: position, counters as in the last row, windows, budgets, results, what it waits for.

A `State` is a value. It is stored as JSON with every commit, and `fold` of the same inputs from the same state gives the same
state to the bit. What can be derived from the plan (resolved numbers, the watch) is kept beside it in `_cache`, which is
neither compared nor stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, cast

import orjson

from labctl.driver import Capabilities
from labctl.engine.cycle_parts import Alike, Before, Cycle, Figures, Frame, Tally
from labctl.engine.input import Command, Event
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
from labctl.plan.program import NOMINAL

VERSION: Final = 1

Phase: TypeAlias = Literal["leaving", "running", "asking", "paused", "ended"]
"""leaving: a command is out and not confirmed; asking: output off, waits for resume, skip or stop."""

TABLE: Final[Mapping[Phase, frozenset[Phase]]] = {
    "leaving": frozenset({"leaving", "running", "asking", "paused", "ended"}),
    "running": frozenset({"leaving", "running", "asking", "paused", "ended"}),
    "asking": frozenset({"leaving", "asking", "ended"}),
    "paused": frozenset({"leaving", "asking", "ended"}),
    "ended": frozenset({"ended"}),
}
"""The only moves there are, from each phase."""


@dataclass(slots=True)
class Cache:
    """What follows from plan and state: made when first wanted by the one function that knows its type, never changed."""

    prepared: Any = None  # of `step_rules.prepared_of`
    box: Any = None  # of `watch.watch`


@dataclass(frozen=True, slots=True)
class State:
    """All that a run knows.

    Attributes:
        phase: Where it is in `TABLE`.
        activity: The channel state as published.
        why: What it does or waits for, in one sentence.
        unblock: What lets it go on, if something does.
        attempt: To which its rows belong; 0 before the first confirmation.
        applied: The last attempt number given out.
        last: The last row.
        frames: Blocks being done, the whole file first.
        line: Line being done or next to be done; 0 at none.
        steps: Steps begun so far.
        step: The step being done or left; None between steps.
        suspended: The step that goes on after a look at the open circuit.
        leaving: The command that is out.
        held: The program that the instrument holds.
        cycle: The cycle count.
        ocv: Last voltage of the last rest, V.
        ocv_due: Check of the open circuit before the next energised step: "" none, "required", "either".
        rest_voltage: Last voltage at open circuit since that check became due, V.
        windows: For slopes; cleared by a gap.
        window_since: Run time since which they are whole.
        dwell: Run time since which a chamber has been within its bounds.
        short: Short circuits.
        bad: Bad rows.
        blind: Charge that may have passed while nobody was reading.
        references: Capacity in C of the cycles that conditions refer to by number, and of the first and best of the run.
        results: Results found outside, by name.
        externals: External conditions as they stand, by column.
        spectra: Spectra.
        question: What it asks.
        idle: Steps that did nothing.
        dwells: Of each comparison that must last, since which run time it has been true; None while it is not.
        marks: Sums at the last mark of each name.
        nominal: Measured nominal capacity over that of the cell file.
        over: Voltage beyond a limit that an end was met with; None while it is inside.
        channel: What the engine asks of the channel's capabilities, as JSON.
        roles: Parts of the channel.
    """

    phase: Phase
    activity: str = "preparing"
    why: str = ""
    unblock: Unblock = Unblock.NOTHING
    attempt: int = 0
    applied: int = 0
    last: LastRow = field(default=LastRow())
    frames: tuple[Frame, ...] = ()
    line: int = 0
    steps: int = 0
    step: OpenStep | None = None
    suspended: OpenStep | None = None
    leaving: Leaving | None = None
    held: HeldProgram = field(default=HeldProgram())
    cycle: Cycle = field(default=Cycle())
    ocv: float | None = None
    ocv_due: str = ""
    rest_voltage: float | None = None
    windows: tuple[Window, ...] = ()
    window_since: float = 0.0
    dwell: float | None = None
    short: Short = field(default=Short())
    bad: Bad = field(default=Bad())
    references: Mapping[str, float] = field(default_factory=dict)
    results: Mapping[str, float] = field(default_factory=dict)
    externals: Mapping[str, float] = field(default_factory=dict)
    spectra: Spectra = field(default=Spectra())
    question: Question | None = None
    channel: str = ""
    roles: tuple[str, ...] = ("cell",)
    blind: Blind = field(default=Blind())
    dwells: tuple[float | None, ...] = ()
    marks: Mapping[str, SumsAtBegin] = field(default_factory=dict)
    nominal: float = 1.0
    over: Over | None = None
    idle: Idle = field(default=Idle())
    version: int = VERSION
    _cache: Cache = field(default_factory=Cache, compare=False, repr=False)

    @property
    def capabilities(self) -> Capabilities:
        """Return the capabilities of the channel."""
        return capabilities_from_json(self.channel)

    @property
    def passes(self) -> dict[int, int]:
        """Return the pass, from 0, of each block around the line."""
        passes = {frame.block: frame.number for frame in self.frames}
        return passes if self.nominal == 1.0 else cast("dict[int, int]", passes | {NOMINAL: self.nominal})

    def step_time(self, time: float) -> float:
        """Return the step time at a run time, s; 0 with no step."""
        return 0.0 if self.step is None else time_of(self.step, time)


# --- JSON -------------------------------------------------------------------------------------------------------------


def state_to_json(state: State) -> bytes:
    """Return a state as JSON: floats as their shortest text that reads back to the same bits."""
    return orjson.dumps(state)


def state_from_json(text: bytes | str) -> State:
    """Return the state that `state_to_json` wrote.

    Raises:
        InternalError: It is of another version, or not a state.
    """
    try:
        tree: dict[str, Any] = orjson.loads(text)
        if tree.get("version") != VERSION:
            raise InternalError(f"wanted a state of version {VERSION}, found version {tree.get('version')}")
        return _state(tree)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InternalError(f"wanted a stored state, found one that does not read back: {error}") from error


def _state(tree: dict[str, Any]) -> State:
    leaving, cycle, question = tree["leaving"], tree["cycle"], tree["question"]
    tree |= {
        "last": LastRow(**tree["last"]),
        "frames": tuple(_frame(frame) for frame in tree["frames"]),
        "step": _step(tree["step"]),
        "suspended": _step(tree["suspended"]),
        "leaving": leaving and _leaving(leaving),
        "held": _held(tree["held"]),
        "cycle": _cycle(cycle),
        "windows": tuple(
            Window(w["quantity"], w["over"], tuple(w["times"]), tuple(w["values"]), w["bin"]) for w in tree["windows"]
        ),
        "short": _short(tree["short"]),
        "bad": Bad(**tree["bad"]),
        "spectra": Spectra(**tree["spectra"]),
        "question": question and Question(**question),
        "unblock": Unblock(tree["unblock"]),
        "roles": tuple(tree["roles"]),
        "blind": Blind(**tree.get("blind", {})),
        "idle": Idle(idle["count"], tuple(idle["steps"])) if (idle := tree.get("idle")) else Idle(),
        "dwells": tuple(tree.get("dwells", ())),
        "marks": {name: SumsAtBegin(**entry) for name, entry in tree.get("marks", {}).items()},
        "over": Over(**over) if (over := tree.get("over")) else None,
    }
    return State(**tree)


def _cycle(tree: dict[str, Any]) -> Cycle:
    entry, before = tree["entry"], tree.get("before")
    more = {
        "ways": tuple(tree.get("ways", ())),
        "before": before and Before(**before),
        "largest": tuple(tree.get("largest", (0.0, None))),
    }
    return Cycle(**(tree | more | {"entry": entry and SumsAtBegin(**entry)}))


def _short(tree: dict[str, Any]) -> Short:
    floors = tuple(floor and tuple(floor) for floor in tree["floors"])
    beside = tuple((name, value) for name, value in tree.get("beside", ()))
    return Short(**(tree | {"floors": floors, "beside": beside}))


def _step(tree: dict[str, Any] | None) -> OpenStep | None:
    return None if tree is None else OpenStep(**(tree | {"entry": SumsAtBegin(**tree["entry"])}))


def _frame(tree: dict[str, Any]) -> Frame:
    return Frame(**(tree | {"entry": SumsAtBegin(**tree["entry"]), "tally": _tally(tree["tally"])}))


def _tally(tree: dict[str, Any] | None) -> Tally | None:
    if tree is None:
        return None
    more = {
        "last": tuple(Figures(**each) for each in tree["last"]),
        "checks": _tally(tree.get("checks")),
        "alike": tuple(Alike(**each) for each in tree.get("alike", ())),
    }
    return Tally(**(tree | more))


def _leaving(tree: dict[str, Any]) -> Leaving:
    ending = tree["ending"] and Ending(**tree["ending"])
    boundaries = tuple((which, kind, count) for which, kind, count in tree["boundaries"])
    return Leaving(ending, boundaries, tree["goes_on"], tree["probe"])


def _held(tree: dict[str, Any]) -> HeldProgram:
    loops = tuple((index, to, passes) for index, to, passes in tree["loops"])
    return HeldProgram(tree["attempt"], tuple(tree["lines"]), loops, tree["at"], tuple(tree["done"]))


def capabilities_to_json(capabilities: Capabilities) -> str:
    """Return what the engine asks of capabilities as JSON, sets in the order of the alphabet: it is in every state."""
    names = ("modes", "ends", "most_steps", "loops", "holds", "spans", "bounded", "records", "energises")
    values = {name: getattr(capabilities, name) for name in names}
    return orjson.dumps(values, default=sorted, option=orjson.OPT_SORT_KEYS).decode()


@lru_cache(maxsize=1024)
def capabilities_from_json(text: str) -> Capabilities:
    """Return what `capabilities_to_json` wrote, all else as the class has it; the default ones of no text.

    A text without `bounded` is of a run that began before programs were cut at what an instrument cannot bound: it is folded
    as it was.
    """
    values = orjson.loads(text or "{}")
    known: dict[str, Any] = {name: frozenset(values[name]) for name in ("modes", "ends") if name in values}
    if "holds" in values:
        known["holds"] = {mode: frozenset(quantities) for mode, quantities in values["holds"].items()}
    if values and "bounded" not in values:
        known["bounded"] = False
    return Capabilities(**(values | known))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fold gives: the new state, how many rows of the batch it took, and what follows, in order."""

    state: "State"
    taken: int = 0
    events: tuple[Event, ...] = ()
    commands: tuple[Command, ...] = ()

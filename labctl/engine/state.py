"""What a run knows between two inputs: position, counters as in the last row, windows, budgets, results, what it waits for.

A `State` is a value. It is stored as JSON with every commit, and `fold` of the same inputs from the same state gives the same
state to the bit. What can be derived from the plan (resolved numbers, the watch) is kept beside it in `_cache`, which is
neither compared nor stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import orjson

from labctl.driver import Capabilities
from labctl.engine.memory import (
    Bad,
    Cycle,
    Ending,
    Entry,
    Figures,
    Frame,
    Held,
    Last,
    Leaving,
    Question,
    Short,
    Spectra,
    Step,
    Tally,
    Window,
    time_of,
)
from labctl.errors import InternalError

if TYPE_CHECKING:
    from labctl.engine.prepared import Prepared
    from labctl.engine.watch import Box

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
    """What follows from plan and state: made when first wanted, never changed."""

    prepared: "Prepared | None" = None
    box: "Box | None" = None


@dataclass(frozen=True, slots=True)
class State:
    """All that a run knows.

    Attributes:
        phase: Where it is in `TABLE`.
        activity: The channel state as published.
        why: What it does or waits for, in one sentence.
        unblock: The command that unblocks it, "" if nothing does.
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
        references: Capacity in C of the cycles that conditions refer to by number, and of the first and best of the run.
        results: Results found outside, by name.
        externals: External conditions as they stand, by column.
        spectra: Spectra.
        question: What it asks.
        channel: What the engine asks of the channel's capabilities, as JSON.
        roles: Parts of the channel.
    """

    phase: Phase
    activity: str = "preparing"
    why: str = ""
    unblock: str = ""
    attempt: int = 0
    applied: int = 0
    last: Last = field(default=Last())
    frames: tuple[Frame, ...] = ()
    line: int = 0
    steps: int = 0
    step: Step | None = None
    suspended: Step | None = None
    leaving: Leaving | None = None
    held: Held = field(default=Held())
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
    version: int = VERSION
    _cache: Cache = field(default_factory=Cache, compare=False, repr=False)

    @property
    def capabilities(self) -> Capabilities:
        """Return the capabilities of the channel."""
        return capabilities_from_json(self.channel)

    @property
    def passes(self) -> dict[int, int]:
        """Return the pass, from 0, of each block around the line."""
        return {frame.block: frame.number for frame in self.frames}

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
        found: dict[str, Any] = orjson.loads(text)
        if found.get("version") != VERSION:
            raise InternalError(f"wanted a state of version {VERSION}, found version {found.get('version')}")
        return _state(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InternalError(f"wanted a stored state, found one that does not read back: {error}") from error


def _state(found: dict[str, Any]) -> State:
    leaving, cycle, question = found["leaving"], found["cycle"], found["question"]
    found |= {
        "last": Last(**found["last"]),
        "frames": tuple(_frame(frame) for frame in found["frames"]),
        "step": _step(found["step"]),
        "suspended": _step(found["suspended"]),
        "leaving": leaving and _leaving(leaving),
        "held": _held(found["held"]),
        "cycle": Cycle(cycle["count"], cycle["kind"], cycle["entry"] and Entry(**cycle["entry"])),
        "windows": tuple(
            Window(w["quantity"], w["over"], tuple(w["times"]), tuple(w["values"]), w["bin"]) for w in found["windows"]
        ),
        "short": Short(
            **(found["short"] | {"floors": tuple(floor and tuple(floor) for floor in found["short"]["floors"])})
        ),
        "bad": Bad(**found["bad"]),
        "spectra": Spectra(**found["spectra"]),
        "question": question and Question(**question),
        "roles": tuple(found["roles"]),
    }
    return State(**found)


def _step(found: dict[str, Any] | None) -> Step | None:
    return None if found is None else Step(**(found | {"entry": Entry(**found["entry"])}))


def _frame(found: dict[str, Any]) -> Frame:
    tally = found["tally"]
    if tally is not None:
        tally = Tally(tuple(Figures(**each) for each in tally["last"]), tally["first"], tally["most"])
    return Frame(**(found | {"entry": Entry(**found["entry"]), "tally": tally}))


def _leaving(found: dict[str, Any]) -> Leaving:
    ending = found["ending"] and Ending(**found["ending"])
    boundaries = tuple((which, kind, count) for which, kind, count in found["boundaries"])
    return Leaving(ending, boundaries, found["goes_on"], found["probe"])


def _held(found: dict[str, Any]) -> Held:
    loops = tuple((index, to, passes) for index, to, passes in found["loops"])
    return Held(found["attempt"], tuple(found["lines"]), loops, found["at"], tuple(found["done"]))


def capabilities_to_json(capabilities: Capabilities) -> str:
    """Return what the engine asks of capabilities as JSON, sets in the order of the alphabet: it is in every state."""
    found = {name: getattr(capabilities, name) for name in ("modes", "ends", "most_steps", "loops")}
    return orjson.dumps(found, default=sorted).decode()


@lru_cache(maxsize=1024)
def capabilities_from_json(text: str) -> Capabilities:
    """Return what `capabilities_to_json` wrote, all else as the class has it; the default ones of no text."""
    found = orjson.loads(text or "{}")
    sets = {name: frozenset(found[name]) for name in ("modes", "ends") if name in found}
    return Capabilities(**(found | sets))

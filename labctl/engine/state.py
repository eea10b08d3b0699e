"""What a run knows between two inputs: position, counters as in the last row, windows, budgets, results, what it waits for.

A `State` is a value. It is stored as JSON with every commit, and `fold` of the same inputs from the same state gives the same
state to the bit. What can be derived from the plan (resolved numbers, the watch) is kept beside it in `_cache`, which is
neither compared nor stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import orjson

from labctl.driver import Capabilities
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
        floors: Least resistance of the last sound step, discharging and charging.
        low: Least in this step once settled.
        high: Greatest in this step once settled.
        soft_since: Since when this step looks soft-shorted.
        hard_since: Since when it looks shorted.
        soft: When a soft short was found last, None for never.
        hard: The same of a short.
    """

    floors: tuple[float | None, float | None] = (None, None)
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
        capabilities: Of the channel.
        roles: Parts of the channel.
    """

    phase: Phase
    activity: str = "preparing"
    why: str = ""
    unblock: str = ""
    attempt: int = 0
    applied: int = 0
    last: Last = Last()
    frames: tuple[Frame, ...] = ()
    line: int = 0
    steps: int = 0
    step: Step | None = None
    suspended: Step | None = None
    leaving: Leaving | None = None
    held: Held = Held()
    cycle: Cycle = Cycle()
    ocv: float | None = None
    ocv_due: str = ""
    rest_voltage: float | None = None
    windows: tuple[Window, ...] = ()
    window_since: float = 0.0
    dwell: float | None = None
    short: Short = Short()
    bad: Bad = Bad()
    references: Mapping[str, float] = field(default_factory=dict)
    results: Mapping[str, float] = field(default_factory=dict)
    externals: Mapping[str, float] = field(default_factory=dict)
    spectra: Spectra = Spectra()
    question: Question | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    roles: tuple[str, ...] = ("cell",)
    version: int = VERSION
    _cache: Cache = field(default_factory=Cache, compare=False, repr=False)

    @property
    def passes(self) -> dict[int, int]:
        """Return the pass, from 0, of each block around the line."""
        return {frame.block: frame.number for frame in self.frames}

    def step_time(self, time: float) -> float:
        """Return the step time at a run time, s; 0 with no step."""
        return 0.0 if self.step is None else time_of(self.step, time)


def time_of(step: Step, time: float) -> float:
    """Return the step time of a step at a run time, s."""
    return step.spent if step.resumed is None else step.spent + (time - step.resumed)


def step_charge(step: Step, last: Last) -> float:
    """Return the magnitude of the net charge that passed in a step, C."""
    entry = step.entry
    return abs((last.charging_ah - entry.charging_ah) - (last.discharging_ah - entry.discharging_ah)) * 3600.0


# --- JSON -------------------------------------------------------------------------------------------------------------


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"wanted a value that JSON has, found {type(value).__name__}")


def state_to_json(state: State) -> bytes:
    """Return a state as JSON: floats as their shortest text that reads back to the same bits."""
    return orjson.dumps(state, default=_plain)


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
    except (KeyError, TypeError, ValueError) as error:
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
        "short": Short(**(found["short"] | {"floors": tuple(found["short"]["floors"])})),
        "bad": Bad(**found["bad"]),
        "spectra": Spectra(**found["spectra"]),
        "question": question and Question(**question),
        "capabilities": _capabilities(found["capabilities"]),
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


def _capabilities(found: dict[str, Any]) -> Capabilities:
    sets = {name: frozenset(found[name]) for name in ("modes", "ends", "limits", "measures")}
    pairs = {name: tuple(found[name]) for name in ("voltage", "current")}
    return Capabilities(**(found | sets | pairs))

"""What a plan is made of: lines (one application to an instrument) in blocks (loops, budgets, cycle boundaries).

A plan is data: stored whole with its run and hashed, so that neither an upgrade of labctl nor an edit of the YAML can change
a running test. Values are SI. A loop stays a loop: what differs between the passes of an `each` is a `ByPass` table, so a
plan of 10 000 cycles is a few kB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from labctl.driver import Bounds, RecordRule

LATER: Final[Mapping[str, bool]] = {"later": True}
"""Metadata of a field that plans stored earlier have not: left out where it is its default, which never changes."""


@dataclass(frozen=True, slots=True)
class ByPass:
    """A number that differs between the passes of `each` blocks around it.

    Attributes:
        blocks: Ids of those blocks, outermost first.
        shape: Number of passes of each.
        values: The numbers, last block fastest.
    """

    blocks: tuple[int, ...]
    shape: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Relative:
    """A number that is relative to the nominal capacity, where that is measured in the run: as it is for the cell file's.

    Attributes:
        value: With the cell file's nominal capacity.
        within: The least and the greatest part of that which a measured one may be.
    """

    value: float | ByPass
    within: tuple[float, float]


Number: TypeAlias = float | ByPass | Relative


@dataclass(frozen=True, slots=True)
class TextByPass:
    """A text that differs between the passes of `each` blocks around it, laid out as `ByPass` is."""

    blocks: tuple[int, ...]
    shape: tuple[int, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersusOcv:
    """A voltage against the last voltage of the last rest: `ocv` itself or an offset from it, in V."""

    offset: Number = 0.0


Voltage: TypeAlias = Number | VersusOcv
Setting: TypeAlias = Number | VersusOcv | str | TextByPass | bool | tuple[float, ...] | None

Measured: TypeAlias = Literal[
    "voltage", "current", "temperature", "power", "time", "capacity", "energy", "charged", "discharged", "net"
]
Resulting: TypeAlias = Literal[
    "charge_capacity",
    "discharge_capacity",
    "coulombic_efficiency",
    "retention",
    "cycle",
    "every",
    "short",
    "short.soft",
]


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison of a condition.

    Attributes:
        quantity: What is compared: a measured quantity (V, A, K, W, s, C) or a result (C, fraction, count, or a flag).
        comparison: One of `<`, `<=`, `>`, `>=`; a flag (`short`) has `>` and 0.
        value: Right-hand side, SI; capacities in C, efficiencies and retentions as fractions.
        absolute: Take the magnitude first. Current, power and capacity are magnitudes anyway.
        slope: Compare the slope in time (per s) of a straight line through the rows of the last `over` seconds.
        over: Length of that window, s.
        reference: Of a retention: None for the first cycle that is not formation, "max", or the number of a cycle.
        cycles: Cycles running that must meet it (2 for capacities, efficiency, retention; 1 in `check` cycles).
        kind: Of the second edition, which count completed cycles: those of the block that are `check` or not ("cycles"), all of
            the "run" or "block" where their number is asked; "" by the rules of the first.
        figure: "spread" (largest less smallest, over the mean) or "change" (last less first) of the last `among` cycles. Of a
            slope: "change" is slope times window, and "share" that over the magnitude of the row's own value.
        among: Number of those cycles.
        since: Of `charged`, `discharged` and `net`: the mark since which charge is counted, or "cycle", or "block N"
            of a block by its id.
        dwell: Seconds for which it must have been true row by row; 0 where one row is enough.
        members: Numbers of cycles of which the last completed one must be one (comparison "in").
    """

    quantity: str
    comparison: Literal["<", "<=", ">", ">=", "in"]
    value: Voltage
    absolute: bool = False
    slope: bool = False
    over: float = 60.0
    reference: Literal["max"] | int | None = None
    cycles: int = 1
    kind: Literal["", "cycles", "check", "run", "block"] = ""
    figure: Literal["", "spread", "change", "share"] = ""
    among: int = field(default=0, metadata=LATER)
    members: tuple[int, ...] = ()
    since: str = ""
    dwell: float = field(default=0.0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Condition:
    """A disjunction of conjunctions, with the text it was written as."""

    text: str
    any_of: tuple[tuple[Term, ...], ...]


EndKind: TypeAlias = Literal["for", "to", "capacity", "energy", "until", "stop_if", "abort_if"]


@dataclass(frozen=True, slots=True)
class End:
    """What ends a line or a block, and as what it is recorded.

    `time` and `capacity` in it are those of the line or block that carries it. On a line it ends the line. On a block `for`,
    `capacity`, `until` and `stop_if` end the block and the run goes on after it; `abort_if` ends the run.
    """

    kind: EndKind
    condition: Condition


@dataclass(frozen=True, slots=True)
class Line:
    """One application to an instrument: BDF `step_id` is its `id`.

    Attributes:
        id: From 1 in the order of the text; never changes with the passes.
        verb: The protocol's verb (BDF `step_type`): rest, charge, discharge, strip, plate, hold, lsv, cv, profile, eis, bend,
            temperature, prompt, mark, nominal. The second part of a charge with `hold_until` is a `hold`.
        mode: Name of the mode in `labctl.driver` that it becomes (Rest for prompt and mark).
        settings: Arguments of that mode by name, still with ByPass and VersusOcv inside.
        ends: Ends in the order in which they are asked; the first that is true ends the line.
        record: Rules by step time; the nearest of step, block, file.
        bounds: Envelope in force here: file, cell, channel and included files, the tightest of each.
        name: The step's `name`, or "".
        overshoot: (below, above) in V: how far beyond the voltage limits a row may lie that meets the step's own end there.
        options: A `name` that differs between passes, and what is not a mode's argument: `say` and `for` of a prompt and its
            `state` (SI by name, or texts), `text` of a mark, what a nominal
            measures and within what, `only` of a profile,
            `every` of a rest until the next pass of a block, `until` (s of Unix time) of a wait with its text, `moment`,
            `confirm` of a bend, `for` of a temperature.
        where: `file:line` of the text it came from.
    """

    id: int
    verb: str
    mode: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    ends: tuple[End, ...] = ()
    record: tuple[RecordRule, ...] = ()
    bounds: Bounds = field(default_factory=Bounds)
    name: str = ""
    options: Mapping[str, Setting | Mapping[str, Setting]] = field(default_factory=dict)
    where: str = ""
    overshoot: tuple[float, float] = field(default=(0.0, 0.0), metadata=LATER)

    @property
    def energises(self) -> bool:
        """Tell whether current may flow."""
        return self.mode not in {"Rest", "Bend", "Chamber"}

    @property
    def paced(self) -> bool:
        """Tell whether its time counts from the begin of its pass (`every`) or of the run (`wait`), not from its own."""
        return "every" in self.options or "until" in self.options


@dataclass(frozen=True, slots=True)
class Block:
    """Lines and blocks in order, done `passes` times.

    Attributes:
        id: From 0 (the whole file) in the order of the text.
        children: What is done in each pass.
        passes: Total passes; 0 for an `each` over an empty list.
        cycle: None, or what each pass counts as: "true", "formation", "check", or "cv" of the cycles of a `cv`.
        condition: Asked once on arrival of the last row and the results so far; false skips the block.
        ends: `for`, `capacity`, `until` (over the whole block, all its passes), `stop_if`, `abort_if`.
        variables: For an `each`: the text of each variable in each pass, for people.
        name: The block's `name`, or "".
        every: Seconds from the begin of a pass to that of the next; the last child is then the rest until it.
        fused: This block is one verb of the protocol (CC-CV, the sweeps of a `cv`, or a table of temperatures).
        seeds: Of variables that were drawn without a seed of their own: the seed that was drawn for them.
        takes_first: Each of its cycles takes out before it puts in, by the order of its steps and whatever passes in them.
    """

    id: int
    children: tuple["Block | Line", ...]
    passes: int = 1
    cycle: Literal["true", "formation", "check", "cv"] | None = None
    condition: Condition | None = None
    ends: tuple[End, ...] = ()
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""
    fused: bool = False
    every: Number | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    takes_first: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True, slots=True)
class CellFigures:
    """What of the cell a run needs, SI: m2, kg, m, and `nominal` in C, which is 100 % and whose 3600th part is 1C in A.

    `efficiency` and `retention` say which half-cycle counts, from the cell's kind: efficiency is "discharge/charge",
    "charge/discharge" or None where it is not defined; retention counts "discharge", "charge" or None.
    """

    name: str
    kind: str
    area: float | None = None
    active_mass: float | None = None
    film_thickness: float | None = None
    nominal: float | None = None
    efficiency: Literal["discharge/charge", "charge/discharge"] | None = None
    retention: Literal["discharge", "charge"] | None = None
    electrolyte_thickness: float | None = field(default=None, metadata=LATER)
    reference: str = ""  # what its voltages are against, for people
    references: Mapping[str, float] = field(default_factory=dict)  # voltage of that against others, V


@dataclass(frozen=True, slots=True)
class Interruption:
    """`on_interruption`: outages up to `continue_within` seconds go on inside the same step, longer ones ask or stop."""

    continue_within: float = 600.0
    otherwise: Literal["ask", "stop"] = "ask"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a run that resumes another one carries from it: cycles, charge in Ah, energy in Wh, retention references in C."""

    cycle: int = 0
    charging_ah: float = 0.0
    discharging_ah: float = 0.0
    references: Mapping[str, float] = field(default_factory=dict)
    start: int = 0  # line to begin with, 0 for the first
    passes: tuple[tuple[int, int], ...] = ()  # (block, pass) around that line
    nominal: float = field(default=1.0, metadata=LATER)  # measured nominal capacity over that of the cell file
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # counters at each mark, Ah
    completed: int = field(default=0, metadata=LATER)  # number of the last completed cycle
    charging_wh: float = field(default=0.0, metadata=LATER)
    discharging_wh: float = field(default=0.0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs, as values.

    Attributes:
        version: Of this structure.
        edition: Of the language's rules by which it was made and by which the engine folds it: a run that has begun never
            changes its meaning. Plans stored before there was a second edition say nothing and are of the first.
        name: The protocol's name.
        root: The whole file, block 0.
        cell: Figures of the cell.
        ocv: Voltage range, V, in which the open circuit must lie before the first energised step, or None for no check.
        interruption: What an outage does.
        analyses: (name, options) in the order of the file.
        carried: From the run that this one resumes.
        sources: (name, sha256) of every text that it was made from.
        accuracy: (V, A) of the channel: a breach lies beyond a limit by more than this.
    """

    name: str
    root: Block
    cell: CellFigures
    ocv: tuple[float, float] | None = None
    interruption: Interruption = field(default_factory=Interruption)
    analyses: tuple[tuple[str, Mapping[str, str]], ...] = ()
    carried: Carried = field(default_factory=Carried)
    sources: tuple[tuple[str, str], ...] = ()
    accuracy: tuple[float, float] = (1e-3, 1e-6)
    version: int = 1
    edition: Literal[1, 2] = field(default=1, metadata=LATER)


EDITION: Final = 2
"""The edition of the language's rules that a plan made now is of."""

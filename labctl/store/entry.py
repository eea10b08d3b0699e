"""What is written to the journal and what is read back: values between `run` and `store`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

if TYPE_CHECKING:  # who only plans needs no numpy
    from labctl.engine.input import Event, Input
    from labctl.sample import Batch, Floats


@dataclass(frozen=True, slots=True)
class Entry:
    """What one fold of one run leaves behind; all of it becomes durable in one transaction, or none.

    Attributes:
        run_id: The run, as numbered in this journal.
        batch: The rows that the engine took, metered: run time and both counters are there. None for no rows.
        first_record: `record_index` of the batch's first row; rows of a run are numbered from 0 without a hole.
        attempt_id: The attempt that the rows belong to.
        input: What was folded, unless it was the batch itself.
        events: What the fold said, in order.
        checkpoint: The engine's state after it, JSON, or None to keep the one before.
        source: State of a rewindable source after the last row, or None to keep the one before.
        quiet: The rows changed nothing but the sums: the state before them is kept, and stands before them.
    """

    run_id: int
    batch: "Batch | None" = None
    first_record: int = 0
    attempt_id: int = 0
    input: "Input | None" = None
    events: "tuple[Event, ...]" = ()
    checkpoint: bytes | None = None
    source: bytes | None = None
    quiet: bool = False

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return 0 if self.batch is None else len(self.batch)

    @property
    def closes(self) -> bool:
        """Tell whether a commit may end here: the state after the rows is there."""
        return self.checkpoint is not None


@dataclass(frozen=True, slots=True)
class QuietRows:
    """Rows of many runs that changed nothing but their sums: the state after each is the one before it with its last row.

    Attributes:
        values: Rows as `store.matrix` has them, run after run in the order of their numbers.
        run_ids: Of the runs, each once.
        firsts: Number of the first row of each.
        ends: Place among the rows behind the last one of each.
        steps: Of the program that the rows of each belong to.
    """

    values: "Floats"
    run_ids: Sequence[int]
    firsts: Sequence[int]
    ends: Sequence[int]
    steps: Sequence[int]

    closes: ClassVar[bool] = True
    events: ClassVar[tuple[()]] = ()
    input: ClassVar[None] = None

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def of_runs(self, first: int, end: int) -> "QuietRows":
        """Return the rows of some runs: from the one at a place on to before another place."""
        if first == 0 and end == len(self.run_ids):
            return self
        some, begin = slice(first, end), self.ends[first - 1] if first else 0
        ends = [each - begin for each in self.ends[some]]
        values = self.values[begin : self.ends[end - 1]]
        return QuietRows(values, self.run_ids[some], self.firsts[some], ends, self.steps[some])


Item: TypeAlias = Entry | QuietRows
"""What is offered to the journal."""


def runs_of(items: "Iterable[Item]") -> "Iterator[int]":
    """Give the runs that items are of, some perhaps more than once."""
    for item in items:
        if isinstance(item, QuietRows):
            yield from item.run_ids
        else:
            yield item.run_id


@dataclass(frozen=True, slots=True)
class Source:
    """A text that a run was made from: a protocol, one that it includes, or a cell file."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order that took effect, so that the same id is answered again and not obeyed again.

    Attributes:
        channel: Whose run it was given to.
        verb: What was ordered; an id belongs to a verb and a channel.
        order_id: As the sender made it.
        request: What was asked, JSON, to be compared with a repetition.
        reply: The answer, JSON; None where it is what the run came to.
        run_id: The run that it took effect on, or that it began.
    """

    channel: str
    verb: str
    order_id: str
    request: str
    reply: str | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewRun:
    """All that is stored of a run before its first row.

    Attributes:
        plan: The whole plan as canonical JSON.
        plan_hash: Its digest.
        began_unix_time: UTC label of run time 0, s.
        channel: Name of the channel, taken until the run ends; None takes none.
        protocol: Name of the protocol.
        cell: Name of the cell.
        protocols: The protocol's own text first, then those it includes.
        cell_file: The cell file.
        by: Who started it.
        resumed_from: The run that this one goes on after.
        options: Flat JSON values: seed, clock, overrides of parameters, instrument identity.
        uuid: Its identity across databases; "" for a new one.
        order: The order that begins it: stored in the same transaction.
    """

    plan: bytes
    plan_hash: str
    began_unix_time: float
    channel: str | None = None
    protocol: str = ""
    cell: str = ""
    protocols: tuple[Source, ...] = ()
    cell_file: Source | None = None
    by: str = ""
    resumed_from: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    uuid: str = ""
    order: OrderRecord | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that was accepted and waits for its turn on a channel.

    Attributes:
        channel: Where it will run.
        new: All that will be stored of it; its `uuid` is set.
        begin: UTC before which it does not begin, s; None for as soon as the channel is free.
        accepted: UTC at which it was accepted, s.
        after: The last commit then: a run that ends otherwise than done in a later one holds it.
    """

    channel: str
    new: NewRun
    begin: float | None
    accepted: float
    after: int


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A stored run: the columns of `runs`, with `rows` and `test_time` of its last row.

    `damage` says what of them is not readable, "" of a whole one.
    """

    run_id: int
    uuid: str
    channel: str | None
    protocol: str
    cell: str
    activity: str
    why: str
    unblock: str
    began_unix_time: float
    ended_unix_time: float | None
    end_reason: str | None
    end_why: str | None
    by: str
    resumed_from: int | None
    options: Mapping[str, object]
    software: str
    rows: int
    test_time: float
    damage: str = ""

    @property
    def title(self) -> str:
        """Return what was done, and on which cell where that is known: of somebody else's test it is not."""
        return f"{self.protocol} on {self.cell}" if self.cell else self.protocol

    @property
    def active(self) -> bool:
        """Tell whether the run has not ended."""
        return self.ended_unix_time is None

    @property
    def simulated(self) -> bool:
        """Tell whether its data are those of a simulated cell."""
        return self.options.get("driver") == "simulated" or self.options.get("simulated") is True

    @property
    def imported(self) -> str:
        """Return the name of the file of another maker that it was imported from, "" for none."""
        return str(self.options.get("imported", ""))

    @property
    def origin(self) -> str:
        """Return in words where its data come from."""
        if self.imported:
            return f"imported from {self.imported} ({self.options.get('format', '-')})"
        if not self.simulated:
            return "measured"
        return f"simulated, model {self.options.get('model', '-')}, seed {self.options.get('seed', '-')}"


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Stored rows that belong to one attempt and one step of its program, from `first_record` on."""

    run_id: int
    first_record: int
    attempt_id: int
    batch: "Batch"

    @property
    def last_record(self) -> int:
        """Return the `record_index` of the last row."""
        return self.first_record + len(self.batch) - 1


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its number within its run, from 1."""

    run_id: int
    seq: int
    event: "Event"


@dataclass(frozen=True, slots=True)
class StoredInput:
    """An input that was not a batch: it was folded after the row `record_index` (-1: before the first)."""

    run_id: int
    seq: int
    record_index: int
    input: "Input"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The engine's state after the row `record_index`, with the source's state where it can be set back.

    The source's is as of `behind` rows before that: rows that came since by themselves.
    """

    run_id: int
    commit_id: int
    record_index: int
    state: bytes
    source: bytes | None
    behind: int = 0


class RunRanges(NamedTuple):
    """What one or several commits hold of one run: ranges of records, events and inputs, each None where there are none."""

    run_id: int
    records: tuple[int, int] | None = None
    events: tuple[int, int] | None = None
    inputs: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What was committed after a cursor.

    Attributes:
        commit_id: The cursor after it.
        parts: What changed, by run.
        rows: By run, in order; empty unless asked for.
        events: By run, in order.
    """

    commit_id: int
    parts: tuple[RunRanges, ...] = ()
    rows: Mapping[int, tuple[StoredRows, ...]] = field(default_factory=dict)
    events: Mapping[int, tuple[StoredEvent, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return bool(self.parts)

"""What is written to the journal and what is read back: values between `run` and `store`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who only plans needs no numpy
    from labctl.engine.input import Event, Input
    from labctl.sample import Batch


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
    """

    run_id: int
    batch: "Batch | None" = None
    first_record: int = 0
    attempt_id: int = 0
    input: "Input | None" = None
    events: "tuple[Event, ...]" = ()
    checkpoint: bytes | None = None
    source: bytes | None = None

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return 0 if self.batch is None else len(self.batch)


@dataclass(frozen=True, slots=True)
class Source:
    """A text that a run was made from: a protocol, one that it includes, or a cell file."""

    name: str
    text: str


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


@dataclass(frozen=True, slots=True)
class Run:
    """A stored run: the columns of `runs`, with `rows` and `test_time` of its last row."""

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

    @property
    def active(self) -> bool:
        """Tell whether the run has not ended."""
        return self.ended_unix_time is None


@dataclass(frozen=True, slots=True)
class Rows:
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
    """The engine's state after the row `record_index`, with the source's state where it can be set back."""

    run_id: int
    commit_id: int
    record_index: int
    state: bytes
    source: bytes | None


@dataclass(frozen=True, slots=True)
class Part:
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
    parts: tuple[Part, ...] = ()
    rows: Mapping[int, tuple[Rows, ...]] = field(default_factory=dict)
    events: Mapping[int, tuple[StoredEvent, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return bool(self.parts)

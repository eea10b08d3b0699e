"""Entries to the rows of one transaction: pure, so that a commit that failed can be tried again with the same rows."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise, takewhile
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import orjson
from sqlalchemy import Table

from labctl.engine.input import Event, Order, SpectrumPart
from labctl.errors import InternalError
from labctl.plan.codec import digest, plan_from_json, plan_to_json
from labctl.sample import Floats
from labctl.store.codec import input_to_json, to_json
from labctl.store.entry import Checkpoint, Entry, Item, OrderRecord, QuietRows, RunRanges
from labctl.store.hash_chain import (
    Auxiliary,
    EventRow,
    InputRow,
    checkpoint_digests,
    digest_of_bytes,
    part_digest,
    part_text,
    rows_text,
)
from labctl.store.matrix import ATTEMPT, ROW_BYTES, WIDTH, auxiliary_of, batch_of, matrix_of
from labctl.store.projection import Row, Value, attempt_of, projected, standing


class Position(NamedTuple):
    """Where a run stands: the next record, event and input, the program step of its last rows, and its attempt."""

    record: int = 0
    event: int = 1
    input: int = 1
    step: int = 0
    attempt: int = 0
    points: Mapping[int, int] = MappingProxyType({})  # attempt -> next point of its spectrum


@dataclass(slots=True)
class Assembled:
    """The rows of one transaction, table by table, and where each run's numbering stands after it.

    Of a run with nothing but quiet rows there is a quiet part: its number, its first and last record, and their digest.
    `covered` is what the chain covers of all parts, in the order of their runs.
    """

    rows: Floats
    auxiliary: list[Auxiliary] = field(default_factory=list)
    inputs: list[InputRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    projections: list[tuple[Table, Row]] = field(default_factory=list)
    standing: list[tuple[int, dict[str, Value]]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    parts: list[tuple[RunRanges, bytes]] = field(default_factory=list)
    quiet_parts: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    covered: list[bytes] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)
    plans: list[tuple[int, str, str]] = field(default_factory=list)
    positions: dict[int, Position] = field(default_factory=dict)

    def add_part(self, ranges: RunRanges, digest_of_part: bytes) -> None:
        """Add what the commit holds of a run, behind that of the runs before it."""
        self.parts.append((ranges, digest_of_part))
        self.covered.append(part_text(*ranges) + digest_of_part)


class _QuietPart(NamedTuple):
    """The rows of one run among `QuietRows`."""

    run_id: int
    first: int
    step: int
    values: Floats

    def entry(self) -> Entry:
        """Return them as an entry, to be joined with others of the run."""
        attempt = int(self.values[0, ATTEMPT])
        return Entry(self.run_id, batch_of(self.values, self.step), self.first, attempt, quiet=True)


def assemble(items: Sequence[Item], positions: Mapping[int, Position], commit_id: int) -> Assembled:
    """Return what one commit writes.

    Quiet rows of runs of which the commit has nothing else, which is what most commits are, stay the arrays that they are.

    Args:
        items: In the order in which they were offered.
        positions: Where each of their runs stands.
        commit_id: Of this commit.

    Raises:
        InternalError: Rows do not follow the last ones of their run, or cannot be stored.
    """
    alone, by_run = _apart(items)
    pieces = sorted([*(_slices(alone, by_run)), *((run_id, None) for run_id in by_run)], key=lambda piece: piece[0])
    matrices = [matrix_of(by_run[run_id]) if quiet is None else quiet.values for run_id, quiet in pieces]
    done = Assembled(rows=matrices[0] if len(matrices) == 1 else np.concatenate([_NO_ROWS, *matrices]))
    begin = 0
    for (run_id, quiet), rows in zip(pieces, matrices, strict=True):
        end = begin + len(rows)
        if quiet is None:
            _run(done, by_run[run_id], positions[run_id], (begin, end), commit_id)
        else:
            _quiet(done, quiet, positions)
        begin = end
    return done


_NO_ROWS: Final[Floats] = np.empty((0, WIDTH))


def _apart(items: Iterable[Item]) -> tuple[list[QuietRows], dict[int, list[Entry]]]:
    """Return quiet rows of runs that have nothing else, in the order of their runs, and the entries of the other runs."""
    quiet = [item for item in items if isinstance(item, QuietRows)]
    named = {item.run_id for item in items if isinstance(item, Entry)}
    runs = [run_id for rows in sorted(quiet, key=_first_run) for run_id in rows.run_ids]
    by_run: dict[int, list[Entry]] = defaultdict(list)
    if named.isdisjoint(runs) and all(before < after for before, after in pairwise(runs)):
        for item in items:
            if isinstance(item, Entry):
                by_run[item.run_id].append(item)
        return sorted(quiet, key=_first_run), by_run
    for item in items:
        for entry in (item,) if isinstance(item, Entry) else (part.entry() for part in _parts(item)):
            by_run[entry.run_id].append(entry)
    return [], by_run


def _first_run(rows: QuietRows) -> int:
    return rows.run_ids[0]


def _slices(alone: Iterable[QuietRows], others: Iterable[int]) -> Iterator[tuple[int, QuietRows]]:
    """Give quiet rows with their first runs, cut where the rows of other runs lie between them."""
    runs = sorted(others)
    for rows in alone:
        cuts = {bisect(rows.run_ids, run_id) for run_id in runs}
        for begin, end in pairwise(sorted({0, *cuts, len(rows.run_ids)})):
            piece = rows.of_runs(begin, end)
            yield _first_run(piece), piece


def _parts(rows: QuietRows) -> Iterator[_QuietPart]:
    """Give the rows of each run."""
    begin = 0
    for run_id, first, end, step in zip(rows.run_ids, rows.firsts, rows.ends, rows.steps, strict=True):
        yield _QuietPart(run_id, first, step, rows.values[begin:end])
        begin = end


def _quiet(done: Assembled, rows: QuietRows, positions: Mapping[int, Position]) -> None:
    """Add rows of runs that changed nothing but their sums: what they say of a run's state stands in them."""
    run_ids, firsts = rows.run_ids, rows.firsts
    before = [positions[run_id] for run_id in run_ids]
    if [(at.record, at.step) for at in before] != list(zip(firsts, rows.steps, strict=True)):
        raise _hole(rows, before)
    begins = [0, *rows.ends[:-1]]
    afters = [first + end - begin for first, begin, end in zip(firsts, begins, rows.ends, strict=True)]
    content = rows.values.data.cast("B")
    digests = [
        digest_of_bytes(content[ROW_BYTES * begin : ROW_BYTES * end])
        for begin, end in zip(begins, rows.ends, strict=True)
    ]
    parts = list(zip(run_ids, firsts, [after - 1 for after in afters], digests, strict=True))
    done.quiet_parts += parts
    done.covered += [rows_text(*part) for part in parts]
    moved = (Position(after, *at[1:]) for after, at in zip(afters, before, strict=True))
    done.positions.update(zip(run_ids, moved, strict=True))


def _hole(rows: QuietRows, positions: Sequence[Position]) -> InternalError:
    """Return what is wrong with the first run whose rows do not follow its last ones."""
    given = zip(rows.run_ids, rows.firsts, rows.steps, positions, strict=True)
    run_id, first, step, at = next(each for each in given if each[1:3] != (each[3].record, each[3].step))
    return InternalError(
        f"rows of run {run_id} do not follow: wanted record {at.record} of step {at.step}, found {first} of step {step}"
    )


def _run(done: Assembled, entries: Sequence[Entry], before: Position, span: tuple[int, int], commit_id: int) -> None:
    run_id = entries[0].run_id
    marks = len(done.auxiliary), len(done.inputs), len(done.events)
    done.auxiliary += auxiliary_of(entries)
    after = before
    for entry in entries:
        after = _entry(done, entry, after)
    fresh = done.auxiliary[marks[0] :], done.inputs[marks[1] :], done.events[marks[2] :]
    part = RunRanges(
        run_id,
        records=_span(before.record, after.record),
        events=_span(before.event, after.event),
        inputs=_span(before.input, after.input),
    )
    digest_of_part = part_digest(done.rows[slice(*span)], *fresh)
    done.add_part(part, digest_of_part + _checkpoint(done, entries, after, commit_id))
    done.positions[run_id] = after
    if part.events is not None and (changed := standing(event for entry in entries for event in entry.events)):
        done.standing.append((run_id, changed))


def _span(first: int, end: int) -> tuple[int, int] | None:
    return (first, end - 1) if end > first else None


def _entry(done: Assembled, entry: Entry, at: Position) -> Position:
    record, step, number, points = at.record, at.step, at.input, at.points
    if entry.rows and entry.batch is not None:
        if entry.first_record != record:
            raise InternalError(
                f"rows of run {entry.run_id} do not follow: wanted record {record}, found {entry.first_record}"
            )
        if entry.batch.step != step:  # rows carry their attempt; which step of its program, only where it changes
            step = entry.batch.step
            done.inputs.append((entry.run_id, number, record - 1, "program_step", to_json({"step": step})))
            number += 1
        record += entry.rows
    if entry.input is None and not entry.events:  # rows alone, as a quiet second of a channel is
        return at._replace(record=record, step=step, input=number)
    if entry.input is not None:
        if isinstance(entry.input, SpectrumPart):
            points = _points(done, entry.run_id, entry.input, points)
        elif isinstance(entry.input, Order) and obeyed(entry.events):
            _order(done, entry.run_id, entry.input)
        done.inputs.append((entry.run_id, number, record - 1, *input_to_json(entry.input)))
        number += 1
    seq = at.event
    for event in entry.events:
        row = (entry.run_id, seq, event.record_index, float(event.time), event.kind, to_json(event.data))
        done.events.append(row)
        seq += 1
    done.projections += projected(entry.run_id, at.attempt, entry.events)
    attempt = reduce(lambda before, event: attempt_of(event, before), entry.events, at.attempt)
    return Position(record=record, event=seq, input=number, step=step, attempt=attempt, points=points)


def _order(done: Assembled, run_id: int, order: Order) -> None:
    """Add what is kept of an order that took effect: the order by its id, and the plan that it brought."""
    if order.id:
        done.orders.append(order_record(run_id, order))
    if order.verb == "edit":
        plan = plan_from_json(orjson.dumps(orjson.loads(order.text)["plan"]))
        done.plans.append((run_id, plan_to_json(plan).decode(), digest(plan)))


def obeyed(events: Iterable[Event]) -> bool:
    """Tell whether the events of the fold of an order say that it took effect."""
    return any(event.kind == "note" or (event.kind == "order" and event.data.get("obeyed") is True) for event in events)


def order_record(run_id: int, order: Order) -> OrderRecord:
    """Return what is kept of an order to a run, in the transaction of its effect; the run's channel is the database's to add."""
    return OrderRecord("", order.verb, order.id, request_of(order), None, run_id)


def request_of(order: Order) -> str:
    """Return what an order to a run asks, JSON, for the comparison with a repetition."""
    seen = {} if order.step_seen is None else {"step_seen": order.step_seen}
    return to_json({"by": order.by, "text": order.text, **seen})


def _points(done: Assembled, run_id: int, part: SpectrumPart, points: Mapping[int, int]) -> Mapping[int, int]:
    first = points.get(part.attempt, 0)
    found = part.points
    columns = (found.time, found.frequency, found.real, found.imaginary, found.voltage, found.current)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    done.points += [(run_id, part.attempt, first + number, *row) for number, row in enumerate(rows)]
    return {**points, part.attempt: first + len(found.time)}


def _checkpoint(done: Assembled, entries: Sequence[Entry], after: Position, commit_id: int) -> bytes:
    """Add the last checkpoint among some entries of a run, and return what its commit covers of it, b"" where there is none."""
    states = [entry.checkpoint for entry in entries if entry.checkpoint is not None]
    sources = [entry.source for entry in entries if entry.source is not None]
    if not states:
        return b""
    source = sources[-1] if sources else None
    later = takewhile(lambda entry: entry.checkpoint is None, reversed(entries))
    record = after.record - 1 - sum(entry.rows for entry in later if entry.quiet)
    done.checkpoints.append(Checkpoint(entries[0].run_id, commit_id, record, states[-1], source))
    return checkpoint_digests(record, after.input - 1, states[-1], source)

"""Entries to the rows of one transaction: pure, so that a commit that failed can be tried again with the same rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby, pairwise, takewhile
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
from labctl.store.entry import Checkpoint, Entry, Item, OrderRecord, RunRanges
from labctl.store.hash_chain import Auxiliary, EventRow, InputRow, checkpoint_digests, part_digest, rows_digest
from labctl.store.matrix import ATTEMPT, WIDTH, auxiliary_of, batch_of, matrix_of
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
    """The rows of one transaction, table by table, and where each run's numbering stands after it."""

    rows: Floats
    auxiliary: list[Auxiliary] = field(default_factory=list)
    inputs: list[InputRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    projections: list[tuple[Table, Row]] = field(default_factory=list)
    standing: list[tuple[int, dict[str, Value]]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    parts: list[tuple[RunRanges, bytes]] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)
    plans: list[tuple[int, str, str]] = field(default_factory=list)
    positions: dict[int, Position] = field(default_factory=dict)


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


def assemble(items: Iterable[Item], positions: Mapping[int, Position], commit_id: int) -> Assembled:
    """Return what one commit writes.

    Args:
        items: In the order in which they were offered.
        positions: Where each of their runs stands.
        commit_id: Of this commit.

    Raises:
        InternalError: Rows do not follow the last ones of their run, or cannot be stored.
    """
    quiet, by_run = _by_run(items)
    runs = sorted([*quiet, *by_run])
    pieces: list[Floats] = []
    for alone, some in groupby(runs, quiet.__contains__):
        if alone:
            pieces += [quiet[run_id].values for run_id in some]
        else:
            pieces.append(matrix_of([entry for run_id in some for entry in by_run[run_id]]))
    done = Assembled(rows=pieces[0] if len(pieces) == 1 else np.concatenate([_NO_ROWS, *pieces]))
    begin = 0
    for run_id in runs:
        if run_id in quiet:
            end = begin + len(quiet[run_id].values)
            _quiet(done, quiet[run_id], positions[run_id])
        else:
            end = begin + sum(entry.rows for entry in by_run[run_id])
            _run(done, by_run[run_id], positions[run_id], (begin, end), commit_id)
        begin = end
    return done


_NO_ROWS: Final[Floats] = np.empty((0, WIDTH))


def _by_run(items: Iterable[Item]) -> tuple[dict[int, _QuietPart], dict[int, list[Entry]]]:
    """Return the runs that have quiet rows alone, of one step, in one piece, and the entries of all others in their order."""
    parts: dict[int, list[_QuietPart]] = {}
    by_run: dict[int, list[Entry]] = defaultdict(list)
    for item in items:
        if isinstance(item, Entry):
            by_run[item.run_id] += [part.entry() for part in parts.pop(item.run_id, ())]
            by_run[item.run_id].append(item)
            continue
        begin = 0
        for run_id, first, end, step in zip(item.run_ids, item.firsts, item.ends, item.steps, strict=True):
            part, begin = _QuietPart(run_id, first, step, item.values[begin:end]), end
            if run_id in by_run:
                by_run[run_id].append(part.entry())
            elif run_id in parts:
                parts[run_id].append(part)
            else:
                parts[run_id] = [part]
    return {run_id: some[0] if len(some) == 1 else _joined(some) for run_id, some in parts.items()}, by_run


def _joined(parts: Sequence[_QuietPart]) -> _QuietPart:
    """Return quiet rows of one run in one piece.

    Raises:
        InternalError: They do not follow each other.
    """
    for before, after in pairwise(parts):
        _follows(after, before.first + len(before.values), before.step)
    return parts[0]._replace(values=np.concatenate([part.values for part in parts]))


def _follows(part: _QuietPart, record: int, step: int) -> None:
    if part.first != record or part.step != step:
        raise InternalError(
            f"rows of run {part.run_id} do not follow: wanted record {record} of step {step}, "
            f"found {part.first} of step {part.step}"
        )


def _quiet(done: Assembled, part: _QuietPart, before: Position) -> None:
    """Add the rows of a run that changed nothing but its sums: what they say of its state stands in them."""
    _follows(part, before.record, before.step)
    run_id, first, _, values = part
    end = first + len(values)
    done.parts.append((RunRanges(run_id, (first, end - 1)), rows_digest(values)))
    done.positions[run_id] = Position(end, *before[1:])


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
    done.parts.append((part, digest_of_part + _checkpoint(done, entries, after, commit_id)))
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

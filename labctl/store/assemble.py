"""Entries to the rows of one transaction: pure, so that a commit that failed can be tried again with the same rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Table

from labctl.engine.input import SpectrumPart
from labctl.errors import InternalError
from labctl.sample import Floats
from labctl.store.codec import input_to_json, to_json
from labctl.store.entry import Checkpoint, Entry, Part
from labctl.store.matrix import auxiliary_of, matrix_of
from labctl.store.project import Row, Value, attempt_of, projected, standing
from labctl.store.seal import Auxiliary, EventRow, InputRow, part_digest


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
    parts: list[tuple[Part, bytes]] = field(default_factory=list)
    positions: dict[int, Position] = field(default_factory=dict)


def assemble(entries: Iterable[Entry], positions: Mapping[int, Position], commit_id: int) -> Assembled:
    """Return what one commit writes.

    Args:
        entries: In the order in which they were offered.
        positions: Where each of their runs stands.
        commit_id: Of this commit.

    Raises:
        InternalError: Rows do not follow the last ones of their run, or cannot be stored.
    """
    by_run: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_run[entry.run_id].append(entry)
    runs = sorted(by_run)
    done = Assembled(rows=matrix_of([entry for run_id in runs for entry in by_run[run_id]]))
    begin = 0
    for run_id in runs:
        count = sum(entry.rows for entry in by_run[run_id])
        _run(done, by_run[run_id], positions[run_id], (begin, begin + count), commit_id)
        begin += count
    return done


def _run(done: Assembled, entries: Sequence[Entry], before: Position, span: tuple[int, int], commit_id: int) -> None:
    run_id = entries[0].run_id
    marks = len(done.auxiliary), len(done.inputs), len(done.events)
    done.auxiliary += auxiliary_of(entries)
    after = before
    for entry in entries:
        after = _entry(done, entry, after)
    fresh = done.auxiliary[marks[0] :], done.inputs[marks[1] :], done.events[marks[2] :]
    part = Part(
        run_id,
        records=_span(before.record, after.record),
        events=_span(before.event, after.event),
        inputs=_span(before.input, after.input),
    )
    done.parts.append((part, part_digest(done.rows[slice(*span)], *fresh)))
    done.positions[run_id] = after
    if part.events is not None and (changed := standing(event for entry in entries for event in entry.events)):
        done.standing.append((run_id, changed))
    _checkpoint(done, entries, after, commit_id)


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


def _points(done: Assembled, run_id: int, part: SpectrumPart, points: Mapping[int, int]) -> Mapping[int, int]:
    first = points.get(part.attempt, 0)
    found = part.points
    columns = (found.time, found.frequency, found.real, found.imaginary, found.voltage, found.current)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    done.points += [(run_id, part.attempt, first + number, *row) for number, row in enumerate(rows)]
    return {**points, part.attempt: first + len(found.time)}


def _checkpoint(done: Assembled, entries: Sequence[Entry], after: Position, commit_id: int) -> None:
    states = [entry.checkpoint for entry in entries if entry.checkpoint is not None]
    sources = [entry.source for entry in entries if entry.source is not None]
    if states:
        source = sources[-1] if sources else None
        record = after.record - 1
        done.checkpoints.append(Checkpoint(entries[0].run_id, commit_id, record, states[-1], source))

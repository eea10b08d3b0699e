"""Tables that follow from events: attempts, steps, cycles, spectra, results, and what a run is doing.

A projection is a pure function of the stored events, so the journal and a copy of it in PostgreSQL hold the same rows, and a
reader who doubts a table can fold the events again. An event's data have the names of the columns.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import orjson
from sqlalchemy import Table

from labctl.engine.input import Event
from labctl.store import schema

Value: TypeAlias = object
Row: TypeAlias = tuple[Value, ...]

TABLES: Mapping[str, Table] = {
    "attempt": schema.attempts,
    "step_began": schema.steps,
    "step_ended": schema.steps,
    "cycle_began": schema.cycles,
    "cycle_ended": schema.cycles,
    "spectrum_began": schema.spectra,
    "spectrum_ended": schema.spectra,
    "result": schema.results,
    "analysed": schema.analyses,
}


def projected(run_id: int, attempt_id: int, events: Iterable[Event]) -> Iterable[tuple[Table, Row]]:
    """Give the table and the row that each event asks for, in order; an event without its key asks for none.

    Args:
        run_id: Of the rows.
        attempt_id: The attempt that the run was at before these events; what does not name one belongs to it or to the
            last one that they begin.
        events: Of one run, in order.
    """
    for event in events:
        attempt_id = attempt_of(event, attempt_id)
        form = _row_form(event.kind)
        if form is None:
            continue
        row: list[Value] = [None] * len(form.places)
        for at, own in zip(form.own, (event.record_index, attempt_id, event.time), strict=True):
            if at is not None:
                row[at] = own
        for name, value in event.data.items():
            if (at := form.places.get(name)) is not None:
                known = type(value) in _AS_THEY_ARE or (type(value) is float and math.isfinite(value))
                row[at] = value if known else plain(value)
        row[form.places["run_id"]] = run_id
        if None not in [row[at] for at in form.keys]:
            yield form.table, tuple(row)
        if event.kind == "analysed":
            yield from _results(run_id, event)


def _results(run_id: int, event: Event) -> Iterable[tuple[Table, Row]]:
    """Give a row of `results` for each figure of an analysis: `capacity: first discharge capacity / mAh/g`."""
    data = event.data
    for figure in orjson.loads(str(data["figures"])):
        unit = figure["unit"]
        row = {
            "run_id": run_id,
            "name": f"{data['analysis']}: {figure['name']}" + (f" / {unit}" if unit else ""),
            "cycle_count": figure["cycle"] or 0,
            "value": figure["value"],
            "unit": unit,
            "record_index": event.record_index,
            "method": f"{data['analysis']} {data['options']}",
            "version": data["version"],
            "flags": data["flags"],
        }
        yield schema.results, tuple(row.get(column.name) for column in schema.results.columns)


class _EventRow(NamedTuple):
    """How an event of one kind becomes a row; made once, since SQLAlchemy is slow to tell of its tables.

    Attributes:
        table: Of the row.
        places: Of the table's columns, by their names.
        own: Places of what every event has: number of its row, attempt, time; None where the table has no such column.
        keys: Places of the table's key.
    """

    table: Table
    places: Mapping[str, int]
    own: tuple[int | None, int | None, int | None]
    keys: tuple[int, ...]


@cache
def _row_form(kind: str) -> _EventRow | None:
    """Return how an event of a kind becomes a row; None where it asks for none."""
    table = TABLES.get(kind)
    if table is None:
        return None
    moment = "begin_test_time_second" if kind.endswith("_began") else "end_test_time_second"
    places = {column.name: at for at, column in enumerate(table.columns)}
    own = places.get("record_index"), places.get("attempt_id"), places.get(moment)
    return _EventRow(table, places, own, tuple(places[column.name] for column in table.primary_key))


_AS_THEY_ARE: Final = frozenset({int, str, type(None)})


def attempt_of(event: Event, before: int) -> int:
    """Return the attempt that a run is at after an event."""
    number = event.data.get("attempt_id") if event.kind == "attempt" else None
    return number if isinstance(number, int) else before


def plain(value: Value) -> Value:
    """Return a number as Python's own, a flag as 0 or 1, NaN and infinities as None."""
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def upsert(table: Table, mark: Callable[[str], str]) -> str:
    """Return an INSERT that fills what an earlier row of the same key left open and renews what is given again.

    Args:
        table: One of the tables of this module.
        mark: Gives the placeholder of a column: `?` for SQLite, `%s` for PostgreSQL.
    """
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    renewed = ", ".join(
        f"{name} = COALESCE(excluded.{name}, {table.name}.{name})" for name in names if name not in keys
    )
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(mark(name) for name in names)}) "  # noqa: S608 - names are ours
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {renewed}"
    )


def standing(events: Iterable[Event]) -> dict[str, Value]:
    """Return the columns of `runs` that the last of these events change: what the run does and how it ended.

    `ended` is the run time at which it ended; the caller adds the label of run time 0.
    """
    changed: dict[str, Value] = {}
    for event in events:
        data = event.data
        if event.kind == "activity":
            changed["activity"] = str(data.get("activity", "unknown"))
            changed["why"] = str(data.get("why") or "")
            changed["unblock"] = str(data.get("unblock") or "")
        elif event.kind == "run_ended":
            changed["ended"] = event.time
            changed["end_reason"] = reason = str(data.get("reason") or data.get("end_reason") or "done")
            changed["activity"] = reason if reason in {"tripped", "failed"} else "done"
            changed["end_why"] = str(data.get("why") or "")
    return changed

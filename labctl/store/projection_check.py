"""What follows from what is digested, made again and compared: tables of events, points of spectra, what a run is doing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Table

from labctl.engine.input import Event, SpectrumPart
from labctl.errors import LabctlError
from labctl.sample import Floats, Quality
from labctl.store import schema
from labctl.store.entry import StoredInput
from labctl.store.hash_chain import digest_of
from labctl.store.matrix import CHARGING, DISCHARGING, QUALITY, RECORD
from labctl.store.projection import TABLES, plain, projected, standing
from labctl.store.reader import Reader

Key = tuple[Any, ...]
Rows = dict[Key, dict[str, Any]]
MISREAD: Final = (LabctlError, ValueError, LookupError, TypeError, AttributeError)  # whatever was made of a text
PROJECTIONS: Final[tuple[Table, ...]] = tuple(dict.fromkeys(TABLES.values()))


def derived_differences(reader: Reader, run_id: int, last: Floats | None) -> Iterator[str]:
    """Give, in words, what of a run does not follow from its events, inputs and rows.

    Args:
        reader: Of a journal.
        run_id: The run.
        last: Its last row as in `store.matrix`, None if it has none.
    """
    try:
        yield from _differences(reader, run_id, last)
    except MISREAD as error:
        yield f"its events or inputs do not read back: {error!r}"


def _differences(reader: Reader, run_id: int, last: Floats | None) -> Iterator[str]:
    inputs, stored = reader.inputs_and_events(run_id)
    events = [each.event for each in stored]
    wanted = _projected(run_id, events)
    wanted[schema.spectrum_points] = _points(run_id, inputs)
    for table, rows in wanted.items():
        yield from _compared(table, rows, _stored(reader, table, run_id))
    yield from _plans(reader, run_id, events)
    yield from _standing(reader, run_id, events)
    yield from _checkpoint(reader, run_id, last)


def _projected(run_id: int, events: Iterable[Event]) -> dict[Table, Rows]:
    by_table: dict[Table, Rows] = {table: {} for table in PROJECTIONS}
    for table, row in projected(run_id, 0, events):
        given = dict(zip(table.columns.keys(), row, strict=True))
        key = tuple(given[column.name] for column in table.primary_key)
        known = by_table[table].setdefault(key, {})
        known.update({name: value for name, value in given.items() if value is not None or name not in known})
    return by_table


def _points(run_id: int, inputs: Iterable[StoredInput]) -> Rows:
    names = schema.spectrum_points.columns.keys()
    counts: dict[int, int] = {}
    by_key: Rows = {}
    for part in (each.input for each in inputs if isinstance(each.input, SpectrumPart)):
        points = part.points
        columns = (points.time, points.frequency, points.real, points.imaginary, points.voltage, points.current)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            number = counts.get(part.attempt, 0)
            counts[part.attempt] = number + 1
            values = (run_id, part.attempt, number, *map(plain, row))
            by_key[values[:3]] = dict(zip(names, values, strict=True))
    return by_key


def _stored(reader: Reader, table: Table, run_id: int) -> Rows:
    names = table.columns.keys()
    keys = [column.name for column in table.primary_key]
    rows = reader.query(f"SELECT {', '.join(names)} FROM {table.name} WHERE run_id = :run", run=run_id)  # noqa: S608 - names are ours
    by_name = (dict(zip(names, row, strict=True)) for row in rows)
    return {tuple(row[name] for name in keys): row for row in by_name}


def _compared(table: Table, wanted: Rows, made: Rows) -> Iterator[str]:
    for key in sorted(wanted.keys() | made.keys(), key=repr):
        place = f"{table.name} {' '.join(map(str, key[1:]))}"
        if key not in made:
            yield f"{place} is missing; its events say that it was there"
        elif key not in wanted:
            yield f"{place} is of no event"
        else:
            yield from _different(place, wanted[key], made[key])


def _different(place: str, wanted: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if made[name] != value:
            yield f"{place}: wanted {name} {value!r} after its events, found {made[name]!r}"


def _plans(reader: Reader, run_id: int, events: Iterable[Event]) -> Iterator[str]:
    """Compare the plans that took the place of the first with the events that say so, which digests cover."""
    wanted = [str(event.data["hash"]) for event in events if event.kind == "edited"]
    rows = reader.query(
        "SELECT plan, hash FROM plans WHERE run_id = :run AND version <> 1 ORDER BY version", run=run_id
    )
    if len(rows) > len(wanted):
        yield f"{len(rows) - len(wanted)} plan versions belong to no commit"
    for number, expected in enumerate(wanted, 2):
        made = rows[number - 2] if number - 2 < len(rows) else None
        if made is None or made.hash != expected or digest_of(made.plan) != expected:
            yield f"version {number} of the plan is not the one that was ordered"


def _standing(reader: Reader, run_id: int, events: Sequence[Event]) -> Iterator[str]:
    row = reader.query("SELECT * FROM runs WHERE run_id = :run", run=run_id)[0]
    said = {"activity": "preparing", "why": "", "unblock": "", "end_reason": None, "end_why": None, **standing(events)}
    ended = said.pop("ended", None)
    said["ended_unix_time_second"] = row.began_unix_time_second + ended if isinstance(ended, float) else None
    yield from _different("runs", said, row._asdict())


def _checkpoint(reader: Reader, run_id: int, last: Floats | None) -> Iterator[str]:
    """Compare a checkpoint with the last row; that the rest of it is right is for a replay to say."""
    stored = reader.stored_checkpoint(run_id)
    if stored is None or last is None:
        return
    if stored.record_index < last[RECORD]:  # rows came since that changed nothing but the sums
        last = next(reader.matrices(run_id, stored.record_index, stored.record_index), [last])[0]
    try:
        state = orjson.loads(stored.state)
    except orjson.JSONDecodeError as error:
        yield f"the checkpoint does not read back: {error}"
        return
    known = state.get("last") if isinstance(state, dict) else None
    if not isinstance(known, dict):
        return
    if known.get("record") != last[RECORD]:
        yield f"the checkpoint stands at row {known.get('record')}, the last row is {last[RECORD]:.0f}"
    if (
        last[QUALITY] == Quality.BAD
    ):  # it counts nothing: its counters are the meter's, ahead of those of the last good row
        return
    for name, column in (("charging_ah", CHARGING), ("discharging_ah", DISCHARGING)):
        if not isinstance(known.get(name), float) or known[name] < last[column]:
            yield f"the checkpoint has {name} {known.get(name)}, the last row {last[column]:g}"

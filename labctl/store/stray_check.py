"""What no commit put there: rows beyond a run's last commit or of no run, texts, plans, views and triggers."""

from collections.abc import Iterator

import numpy as np
import orjson

from labctl.errors import StoreDamaged
from labctl.sample import Floats
from labctl.store.digest_check import NOTHING, DigestCheck, Mismatch
from labctl.store.hash_chain import UNDER_WAY_VERSION, digest_of
from labctl.store.order_store import new_run_from_json
from labctl.store.projection_check import derived_differences
from labctl.store.reader import Reader
from labctl.store.resume_check import checkpoint_differences
from labctl.store.schema import SCHEMA_VERSION, VIEWS, metadata
from labctl.store.under_way import NAMES as UNDER_WAY
from labctl.store.under_way import digest_of_sums, sum_from, sum_of

_BEYOND = """
SELECT
  (SELECT count(*) FROM samples WHERE run_id = :run AND record_index > :record)
    + (SELECT count(*) FROM samples WHERE run_id = :run AND record_index < 0) AS rows,
  (SELECT count(*) FROM auxiliary WHERE run_id = :run AND record_index > :record)
    + (SELECT count(*) FROM auxiliary WHERE run_id = :run AND record_index < 0) AS auxiliary,
  (SELECT count(*) FROM events WHERE run_id = :run AND (seq > :event OR seq < 1)) AS events,
  (SELECT count(*) FROM inputs WHERE run_id = :run AND (seq > :input OR seq < 1)) AS inputs"""
_LAST = """
SELECT max(last_record), max(last_event), max(last_input) FROM commit_runs WHERE run_id = :run AND commit_id > :upto"""
_NUMBERED = """
SELECT (SELECT count(*) FROM events WHERE run_id = :run AND seq BETWEEN 1 AND :event),
  (SELECT count(*) FROM inputs WHERE run_id = :run AND seq BETWEEN 1 AND :input)"""
_UNBORN = """
SELECT run_id FROM runs r
WHERE NOT EXISTS (SELECT 1 FROM commit_runs c WHERE c.commit_id = r.created_commit_id AND c.run_id = r.run_id)"""
_NAMES = {
    "rows": "rows",
    "auxiliary": "auxiliary values",
    "events": "events",
    "inputs": "inputs",
}


def run_strays(reader: Reader, run_id: int, walk: DigestCheck) -> Iterator[Mismatch]:
    """Compare a run with what the digests do not cover; within a snapshot, so that a run that goes on is whole.

    Args:
        reader: Within `Reader.snapshot`.
        run_id: The run.
        walk: Over the commits; what came after it is asked for.
    """
    ends, upto = walk.ends.get(run_id, NOTHING), walk.upto
    place = f"run {run_id}"
    newer = (-1 if last is None else int(last) for last in reader.query(_LAST, run=run_id, upto=upto)[0])
    record, event, number = (max(pair) for pair in zip(ends, newer, strict=True))
    event, number = max(event, 0), max(number, 0)
    beyond = reader.query(_BEYOND, run=run_id, record=record, event=event, input=number)[0]
    for name, words in _NAMES.items():
        if count := getattr(beyond, name):
            yield Mismatch(place, f"{count} {words} belong to no commit")
    counts = reader.query(_NUMBERED, run=run_id, event=event, input=number)[0]
    for name, stored, wanted in zip(("events", "inputs"), counts, (event, number), strict=True):
        if stored != wanted:
            yield Mismatch(place, f"{name} are not numbered without a hole")
    checkpoint = reader.stored_checkpoint(run_id)
    if checkpoint is not None and checkpoint.record_index > record:
        yield Mismatch(place, f"the checkpoint stands at record {checkpoint.record_index}, the last row is {record}")
    known = walk.checkpoints.get(run_id)
    differences = checkpoint_differences(reader, run_id, known, upto, all_known=not walk.since[0])
    yield from (Mismatch(place, words) for words in differences)
    tail = _row(reader, run_id, record)
    yield from (Mismatch(place, words) for words in derived_differences(reader, run_id, tail))


def _row(reader: Reader, run_id: int, record: int) -> Floats | None:
    try:
        rows = next(reader.matrices(run_id, record, record), None) if record >= 0 else None
    except StoreDamaged:
        return None  # an archive that cannot be read: whoever reads its rows says so
    return None if rows is None or not len(rows) else rows[0]


def foreign_rows(reader: Reader) -> Iterator[Mismatch]:
    """Find rows of runs that there are not, and runs that no commit made."""
    known = {row[0] for row in reader.query("SELECT run_id FROM runs")}
    there = set(_tables(reader))
    for table in metadata.sorted_tables:
        if "run_id" not in table.columns or table.name in {"runs", "commit_runs"} or table.name not in there:
            continue
        for run_id in _run_ids(reader, table.name):
            if run_id not in known:
                yield Mismatch(table.name, f"has rows of run {run_id}, which there is not")
    for (run_id,) in reader.query(_UNBORN):
        yield Mismatch(f"run {run_id}", "is of no commit")


def _run_ids(reader: Reader, table: str) -> Iterator[int]:
    """Give the runs that a table names, by stepping from one to the next in its key."""
    after: int | None = -(1 << 62)
    while True:
        after = reader.query(f"SELECT min(run_id) FROM {table} WHERE run_id > :after", after=after)[0][0]  # noqa: S608
        if after is None:
            return
        yield after


def texts(reader: Reader) -> Iterator[Mismatch]:
    """Compare the texts that runs were made from with their digests, and with those that the runs name."""
    named, listed = _named(reader)
    stored: set[str] = set()
    for table in ("protocols", "cells"):
        for digest, name, text in reader.query(f"SELECT hash, name, text FROM {table}"):  # noqa: S608 - names are ours
            stored.add(digest)
            if digest_of(text) != digest:
                yield Mismatch(f"{table}, {name}", "the text is not the one that was stored")
            elif listed and name not in named.get(digest, ()):
                wanted = " or ".join(sorted(named.get(digest, ()))) or "a run that was made from it"
                yield Mismatch(f"{table}, {name}", f"wanted {wanted}, found a text of this name")
    for digest in sorted(named.keys() - stored):
        names = ", ".join(sorted(named[digest])) or "of a run"
        yield Mismatch("texts", f"the text {names} with the digest {digest[:16]} is missing")


def _named(reader: Reader) -> tuple[dict[str, set[str]], bool]:
    """Return the names that runs give to texts, by digest, and whether every run lists all of its own: those of 0.1 name two."""
    named: dict[str, set[str]] = {}
    rows = reader.query("SELECT protocol_hash, cell_hash, texts FROM runs")
    for row in rows:
        for digest in {row.protocol_hash, row.cell_hash} - {None}:
            named.setdefault(digest, set())
        for name, digest in [] if row.texts is None else _pairs(row.texts):
            named.setdefault(digest, set()).add(name)
    return named, all(row.texts is not None for row in rows)


def _pairs(stored: str) -> list[tuple[str, str]]:
    try:
        return [(str(name), str(digest)) for name, digest in orjson.loads(stored)]
    except (ValueError, TypeError):
        return []  # it is under the run's digest, which says so


def structure(reader: Reader) -> Iterator[Mismatch]:
    """Compare tables and views with those of the journal's schema; a trigger is none of ours."""
    version = str(reader.query("SELECT version_num FROM alembic_version")[0][0])
    wanted = dict(_views(version))
    for kind, name, text in reader.query(
        "SELECT type, name, sql FROM main.sqlite_master WHERE type IN ('view', 'trigger')"
    ):
        if kind == "trigger":
            yield Mismatch(f"trigger {name}", "is none of labctl's; it may change what is stored or read")
        elif name in wanted and text != wanted.pop(name):
            yield Mismatch(
                f"view {name}", "is not the one that labctl made: it may show other values than those stored"
            )
    for name in wanted:
        yield Mismatch(f"view {name}", "is missing")
    if version == SCHEMA_VERSION:
        for name in sorted(metadata.tables.keys() - set(_tables(reader))):
            yield Mismatch(f"table {name}", "is missing")


def under_way(reader: Reader, last: int) -> Iterator[Mismatch]:
    """Compare orders and waiting runs with what commits cover of them, and find those that do not read back.

    Args:
        reader: Within `Reader.snapshot`.
        last: The last commit known to have changed them, 0 where none is known.
    """
    yield from _uncovered(reader, last)
    there = set(_tables(reader))
    if "orders" in there:
        for channel, order_id, verb, request, reply in reader.query(
            "SELECT channel, order_id, verb, request, reply FROM orders"
        ):
            if not all(text is None or _is_object(text) for text in (request, reply)):
                yield Mismatch("orders", f"{verb} {order_id} on {channel} does not read back")
    if "queue" in there:
        for uuid, channel, data in reader.query("SELECT uuid, channel, data FROM queue"):
            try:
                new_run_from_json(data)
            except StoreDamaged:
                yield Mismatch("queue", f"run {uuid} that waits on {channel} does not read back")


def _uncovered(reader: Reader, last: int) -> Iterator[Mismatch]:
    """Compare what is under way with its sums, and these with the commit that covers them."""
    version = reader.query("SELECT version FROM commits ORDER BY commit_id DESC LIMIT 1")
    if not version or version[0][0] < UNDER_WAY_VERSION:
        return
    stored = {row.name: row for row in reader.query("SELECT name, commit_id, sum FROM under_way")}
    commit_id = max((row.commit_id for row in stored.values()), default=0)
    sums = {name: sum_from(stored[name].sum) if name in stored else sum_of(name, ()) for name in UNDER_WAY}
    covered = reader.query("SELECT under_way FROM commits WHERE commit_id = :commit", commit=commit_id)
    digest = covered[0][0] if covered else None
    if commit_id < last or digest != digest_of_sums(sums):
        yield Mismatch(
            "under_way", f"the sums of orders and waiting runs are not those that commit {max(commit_id, last)} covers"
        )
    for name in set(UNDER_WAY) & set(_tables(reader)):
        columns = ", ".join(metadata.tables[name].columns.keys())
        rows = reader.query(f"SELECT {columns} FROM {name}")  # noqa: S608 - names are ours
        if not np.array_equal(sum_of(name, rows), sums[name]):
            yield Mismatch(name, "is not what commits left there: rows were changed, added or taken out")


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except ValueError:
        return False


def _tables(reader: Reader) -> list[str]:
    return [str(row[0]) for row in reader.query("SELECT name FROM main.sqlite_master WHERE type = 'table'")]


def _views(version: str) -> tuple[tuple[str, str], ...]:
    """Return the views of a schema, name and text each."""
    if version == SCHEMA_VERSION:
        texts_of_views: tuple[str, ...] = VIEWS
    else:
        from labctl.store.migrations.versions import first, second  # noqa: PLC0415 - Alembic, which only older journals need

        older = first if version == first.revision else second
        texts_of_views = (older.V_SAMPLES, older.V_SPECTRUM_POINTS)
    return tuple((text.split()[2], text) for text in texts_of_views)

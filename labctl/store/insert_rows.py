"""The journal's SQL, made once from the tables: rows go in ten at a time, as one flat list of numbers.

A statement of ten rows costs a seventh less than ten executions of one, and a third less than a tenth of a statement of a
hundred, whose program and arguments fit no cache; the columns of a batch become its arguments in a single `tolist`. A row that
contradicts another one takes the whole transaction back, as it would anyway: a statement that could fail alone would first copy
every page that it changes.
"""

import sqlite3
from collections.abc import Iterable
from functools import cache
from itertools import chain

from sqlalchemy import Table

from labctl.sample import Floats
from labctl.store import schema
from labctl.store.assemble import Assembled
from labctl.store.matrix import WIDTH
from labctl.store.projection import Row, upsert

_SIZES = (10, 1)  # rows a statement
_SAMPLES = f"INSERT OR ROLLBACK INTO samples ({', '.join(schema.SAMPLE_COLUMNS)}) VALUES "  # noqa: S608 - names are ours
_BULK = {size: _SAMPLES + ", ".join([f"({', '.join('?' * WIDTH)})"] * size) for size in _SIZES}
_QUIET_COLUMNS = ("run_id", "first_record", "last_record", "digest")
_QUIET_WIDTH = len(_QUIET_COLUMNS)
_QUIET = {
    size: f"INSERT OR ROLLBACK INTO commit_runs (commit_id, {', '.join(_QUIET_COLUMNS)}) VALUES "  # noqa: S608 - names are ours
    + ", ".join(
        f"(?1, {', '.join(f'?{2 + number * _QUIET_WIDTH + at}' for at in range(_QUIET_WIDTH))})"
        for number in range(size)
    )
    for size in _SIZES
}  # the parts of a commit that are quiet rows alone share its number, and have neither events nor inputs

CHECKPOINT = (
    "INSERT INTO checkpoints (run_id, commit_id, record_index, state, source) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (run_id) DO UPDATE SET commit_id = excluded.commit_id, record_index = excluded.record_index, "
    "state = excluded.state, source = COALESCE(excluded.source, checkpoints.source)"
)
PLAN = (
    "INSERT INTO plans (run_id, version, plan, hash) "
    "SELECT run_id, max(version) + 1, ?2, ?3 FROM plans WHERE run_id = ?1 GROUP BY run_id"
)
CURSOR = (
    "INSERT INTO cursors (reader, commit_id) VALUES (?, ?) "
    "ON CONFLICT (reader) DO UPDATE SET commit_id = excluded.commit_id"
)
ORDER = (
    "INSERT INTO orders (channel, order_id, verb, run_id, unix_time_second, request, reply) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (channel, order_id, verb) DO UPDATE SET run_id = excluded.run_id, "
    "unix_time_second = excluded.unix_time_second, request = excluded.request, reply = excluded.reply"
)
ORDER_OF_RUN = (
    "INSERT INTO orders (channel, order_id, verb, run_id, unix_time_second, request, reply) "
    "SELECT COALESCE(channel, ''), ?, ?, run_id, ?, ?, NULL FROM runs WHERE run_id = ? "
    "ON CONFLICT (channel, order_id, verb) DO UPDATE SET run_id = excluded.run_id, "
    "unix_time_second = excluded.unix_time_second, request = excluded.request, reply = excluded.reply"
)
FORGET_ORDERS = (
    "DELETE FROM orders WHERE unix_time_second < ? AND (run_id IS NULL OR run_id NOT IN "
    "(SELECT run_id FROM runs WHERE ended_unix_time_second IS NULL)) "
    "AND channel NOT IN (SELECT channel FROM queue)"
)


@cache
def insert(table: Table, *, ignore: bool = False) -> str:
    """Return an INSERT of all columns of a table; `ignore` leaves a row that is there as it is."""
    names = [column.name for column in table.columns]
    tail = " ON CONFLICT DO NOTHING" if ignore else ""
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}){tail}"  # noqa: S608 - names are ours


@cache
def renew(table: Table) -> str:
    """Return the upsert of a projection."""
    return upsert(table, lambda _: "?")


def insert_samples(cursor: sqlite3.Cursor, rows: Floats) -> None:
    """Insert rows of `store.matrix`; NaN becomes NULL, as SQLite has it."""
    begin = 0
    for size in _SIZES:
        whole = begin + (len(rows) - begin) // size * size
        cursor.executemany(_BULK[size], rows[begin:whole].reshape(-1, size * WIDTH).tolist())
        begin = whole


def insert_all(cursor: sqlite3.Cursor, table: Table, rows: Iterable[Row]) -> None:
    """Insert rows given as tuples in the order of the table's columns."""
    cursor.executemany(insert(table), rows)


def insert_parts(cursor: sqlite3.Cursor, commit_id: int, done: Assembled) -> None:
    """Insert the rows of `commit_runs` of one commit."""
    none = (None, None)
    insert_all(
        cursor,
        schema.commit_runs,
        [
            (commit_id, part.run_id, *(part.records or none), *(part.events or none), *(part.inputs or none), digest)
            for part, digest in done.parts
        ],
    )
    given, begin = list(chain.from_iterable(done.quiet_parts)), 0
    for size in _SIZES:
        width = size * _QUIET_WIDTH
        whole = begin + (len(given) - begin) // width * width
        cursor.executemany(_QUIET[size], [(commit_id, *given[at : at + width]) for at in range(begin, whole, width)])
        begin = whole


def write(cursor: sqlite3.Cursor, done: Assembled, now: float) -> None:
    """Write all rows of one commit; `now` is its UTC label, s."""
    insert_samples(cursor, done.rows)
    insert_all(cursor, schema.auxiliary, done.auxiliary)
    insert_all(cursor, schema.inputs, done.inputs)
    insert_all(cursor, schema.events, done.events)
    insert_all(cursor, schema.spectrum_points, done.points)
    for table, row in done.projections:
        cursor.execute(renew(table), row)
    for run_id, changed in done.standing:
        columns = ["began_unix_time_second + :ended" if name == "ended" else f":{name}" for name in changed]
        names = ["ended_unix_time_second" if name == "ended" else name for name in changed]
        sets = ", ".join(f"{name} = {value}" for name, value in zip(names, columns, strict=True))
        cursor.execute(f"UPDATE runs SET {sets} WHERE run_id = :run_id", {**changed, "run_id": run_id})  # noqa: S608
    cursor.executemany(
        CHECKPOINT,
        [(each.run_id, each.commit_id, each.record_index, each.state, each.source) for each in done.checkpoints],
    )
    cursor.executemany(PLAN, done.plans)
    cursor.executemany(
        ORDER_OF_RUN, [(each.order_id, each.verb, now, each.request, each.run_id) for each in done.orders]
    )

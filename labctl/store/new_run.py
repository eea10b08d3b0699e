"""What is stored of a run before its first row: its line in `runs`, its plan, and the texts that it was made from."""

import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

from labctl.errors import OrderRefused
from labctl.store import insert_rows, schema
from labctl.store.codec import to_json
from labctl.store.entry import NewRun, Source
from labctl.store.hash_chain import BIRTH, VERSION, birth, digest_of
from labctl.store.order_store import forget_queued, put_order

Given = Mapping[str, object]  # columns of `runs` by name


def run_row(run_id: int, new: NewRun, journal: str, commit_id: int) -> Given:
    """Return the line of a new run.

    Args:
        run_id: Its number.
        new: What it is.
        journal: Uuid of the journal.
        commit_id: That will hold it.
    """
    given: Given = {
        "run_id": run_id,
        "uuid": new.uuid or str(uuid.uuid4()),
        "journal": journal,
        "channel": new.channel,
        "protocol": new.protocol,
        "cell": new.cell,
        "protocol_hash": digest_of(new.protocols[0].text) if new.protocols else None,
        "cell_hash": digest_of(new.cell_file.text) if new.cell_file else None,
        "activity": "preparing",
        "why": "",
        "unblock": "",
        "began_unix_time_second": new.began_unix_time,
        "started_by": new.by,
        "resumed_from": new.resumed_from,
        "options": to_json(new.options),
        "software": f"labctl {version('labctl')}",
        "created_commit_id": commit_id,
        "texts": to_json([[each.name, digest_of(each.text)] for each in (*new.protocols, *_cell_text(new))]),
    }
    return {column.name: given.get(column.name) for column in schema.runs.columns}


def birth_of(row: Given, new: NewRun) -> str:
    """Return what never changes of a run, as the digest of its first commit covers it."""
    return birth([row[name] for name in BIRTH[VERSION]], new.plan.decode(), new.plan_hash)


def store_run(cursor: sqlite3.Cursor, row: Given, new: NewRun, now: float) -> None:
    """Write a new run with its plan, its texts and the order that began it; it waits no more. `now` labels the order, UTC."""
    insert_rows.insert_all(cursor, schema.runs, [tuple(row.values())])
    forget_queued(cursor, new.uuid)
    if new.order is not None:
        put_order(cursor, replace(new.order, run_id=int(str(row["run_id"]))), now)
    insert_rows.insert_all(cursor, schema.plans, [(row["run_id"], 1, new.plan.decode(), new.plan_hash)])
    for table, texts in ((schema.protocols, new.protocols), (schema.cells, _cell_text(new))):
        rows = [(digest_of(each.text), each.name, each.text) for each in texts]
        cursor.executemany(insert_rows.insert(table, ignore=True), rows)


def taken(cursor: sqlite3.Cursor, channel: str | None) -> OrderRefused | None:
    """Return the refusal of a new run on a channel that has one which has not ended, None if it has none."""
    row = cursor.execute(
        "SELECT run_id, protocol FROM runs WHERE channel = ? AND ended_unix_time_second IS NULL", (channel,)
    ).fetchone()
    if row is None:
        return None
    return OrderRefused(f"channel {channel} is taken by run {row[0]} ({row[1]}); `labctl stop {channel}` ends it")


def _cell_text(new: NewRun) -> tuple[Source, ...]:
    """Return the cell file under the cell's name, if there is one."""
    return () if new.cell_file is None else (Source(new.cell or new.cell_file.name, new.cell_file.text),)

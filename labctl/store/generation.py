"""Generations of a journal: a new one is begun where its history is not simply what was acknowledged before, and says why.

The first is `made`. A journal that is found on another machine was `moved`; a backup is a `copy`, and `restored` once it is
opened; one that lacks what its head knows is `shortened`. The rows are under the chain of every commit that follows.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

from labctl.store import insert_rows
from labctl.store.hash_chain import generations_text
from labctl.store.head import HeadRecord, Shortfall
from labctl.store.head_roster import ActiveRun
from labctl.store.schema import journal as table

NAMES = tuple(column.name for column in table.columns)
GENERATIONS = f"SELECT {', '.join(NAMES)} FROM journal ORDER BY generation"  # noqa: S608 - names are ours
_ACTIVE = """
SELECT run_id, uuid, COALESCE(channel, ''), protocol, cell FROM runs WHERE ended_unix_time_second IS NULL ORDER BY run_id"""
_LAST = "SELECT COALESCE(max(commit_id), 0) FROM commits"
_CHAIN = "SELECT chain FROM commits WHERE commit_id = ?"
_CUT = """
SELECT run_id FROM runs r WHERE ended_unix_time_second IS NULL AND created_commit_id <= :began AND NOT EXISTS (
  SELECT 1 FROM commit_runs c WHERE c.run_id = r.run_id AND c.commit_id > :began AND c.first_input IS NOT NULL)"""


Change: TypeAlias = Callable[[sqlite3.Cursor], None]
"""What is done in a transaction besides writing rows."""

NO_RUNS: Mapping[int, ActiveRun] = MappingProxyType({})
CUT = frozenset({"shortened", "restored", "moved"})  # origins at which a run may have gone on in what is not here


@dataclass(frozen=True, slots=True)
class Generation:
    """One row of the table `journal`.

    Attributes:
        generation: From 1.
        uuid: Of the journal.
        machine: On which it was begun.
        began_commit_id: The last commit before it.
        unix_time_second: When, UTC.
        origin: `made`, `moved`, `restored` or `shortened`; None of labctl 0.1.
        detail: Of one that is `shortened`: what was known, and what became of it.
    """

    generation: int
    uuid: str
    machine: str
    began_commit_id: int
    unix_time_second: float
    origin: str | None = "made"
    detail: str | None = None

    @property
    def values(self) -> tuple[object, ...]:
        """Return the row as the table has it."""
        return tuple(getattr(self, name) for name in NAMES)

    @property
    def known(self) -> Mapping[str, Any]:
        """Return the detail, empty where there is none."""
        return orjson.loads(self.detail) if self.detail else {}


def generations(cursor: sqlite3.Cursor) -> list[Generation]:
    """Return the generations of a journal of today's schema, the first one first."""
    return [Generation(*row) for row in cursor.execute(GENERATIONS).fetchall()]


def text_of(rows: Sequence[Generation]) -> str:
    """Return generations as the chain of the commits after them covers them."""
    return generations_text([each.values for each in rows])


def begin_generation(cursor: sqlite3.Cursor, generation: Generation) -> None:
    """Store a generation, in the transaction of the cursor."""
    insert_rows.insert_all(cursor, table, [generation.values])


def lacks_end(fresh: Generation | None) -> bool:
    """Tell whether a generation is begun since the journal's end is missing: what waits there may have begun."""
    return fresh is not None and fresh.origin in {"shortened", "restored"}


def begin_and_adopt(cursor: sqlite3.Cursor, fresh: Generation | None) -> tuple[str, ...]:
    """Store a generation, if there is one; return the channels whose waiting runs were taken out of the queue for it.

    Those of labctl 0.1, which kept no head, are given an origin: from now on one is kept.
    """
    if fresh is not None:
        begin_generation(cursor, fresh)
    cursor.execute("UPDATE journal SET origin = 'made' WHERE origin IS NULL")
    return _forget_queue(cursor) if lacks_end(fresh) else ()


def adopted(rows: Sequence[Generation]) -> list[Generation]:
    """Return generations as they are once `begin_and_adopt` is done."""
    return [replace(each, origin=each.origin or "made") for each in rows]


def active_runs(cursor: sqlite3.Cursor) -> dict[int, ActiveRun]:
    """Return the runs that have not ended by their numbers, in order."""
    return {run_id: ActiveRun(*row) for run_id, *row in cursor.execute(_ACTIVE).fetchall()}


def active_after(
    runs: Mapping[int, ActiveRun], born: Mapping[int, ActiveRun], standing: Iterable[tuple[int, Mapping[str, object]]]
) -> Mapping[int, ActiveRun]:
    """Return the runs that have not ended after a commit, from those before it.

    Args:
        runs: Before it, by their numbers.
        born: That begin with it.
        standing: What it changes of lines in `runs`.
    """
    ended = {run_id for run_id, columns in standing if "ended" in columns}
    if not born and not ended:
        return runs
    after = {**runs, **born}
    return {run_id: run for run_id, run in after.items() if run_id not in ended} if ended else after


def shortened_detail(missing: Shortfall, runs: Sequence[ActiveRun], kept: Path | None) -> str:
    """Return what a `shortened` generation says: the head, the runs that were active by it, and where the files were kept."""
    known = missing.known
    detail = {
        "kind": missing.kind, "journal": known.journal, "commit_id": known.commit_id, "chain": known.chain.hex(),
        "runs": [[each.uuid, each.channel, each.protocol, each.cell] for each in runs],
        "kept": None if kept is None else str(kept), "text": str(missing),
    }  # fmt: skip
    return orjson.dumps(detail).decode()


def copied_further(
    rows: Sequence[Generation], commit_id: int, now: tuple[int, float, str], text: str
) -> Generation | None:
    """Return the generation of a journal that a copy is ahead of, None if that was noted.

    Args:
        rows: The generations so far.
        commit_id: Up to which the copy knows commits.
        now: Last commit of the journal, label and machine.
        text: What was noticed, in one sentence.
    """
    last = rows[-1]
    if any(each.known.get("commit_id", 0) >= commit_id for each in rows if each.origin == "shortened"):
        return None
    detail = {
        "kind": "copy",
        "journal": last.uuid,
        "commit_id": commit_id,
        "chain": "",
        "runs": [],
        "kept": None,
        "text": text,
    }
    return Generation(
        last.generation + 1, last.uuid, now[2], now[0], now[1], "shortened", orjson.dumps(detail).decode()
    )


def cut_why(rows: Sequence[Generation]) -> str:
    """Return why runs may lack something since the journal was shortened or restored, "" where it was not."""
    cuts = [number for number, each in enumerate(rows) if each.origin in CUT]
    if not cuts:
        return ""
    last = rows[cuts[-1]]
    match last.origin:
        case "restored":
            copied = rows[cuts[-1] - 1].known.get("text", "a backup")
            return f"the journal is {copied}; what came after it is not known, and may have ended the run"
        case "moved":
            return "the journal was copied from another machine or folder, which may have gone on with the run"
        case _:
            return str(last.known.get("text"))


def _forget_queue(cursor: sqlite3.Cursor) -> tuple[str, ...]:
    """Take out of the queue what waits there, and return its channels: in a journal that lacks its end it may have begun."""
    channels = tuple(row[0] for row in cursor.execute("SELECT DISTINCT channel FROM queue ORDER BY 1").fetchall())
    cursor.execute("DELETE FROM queue")
    return channels


def is_known(missing: Shortfall, rows: Sequence[Generation]) -> bool:
    """Tell whether the newest generation was begun for this very shortfall: the power went before its head was written."""
    if not rows or rows[-1].origin != "shortened":
        return False
    known = rows[-1].known
    return (known["commit_id"], known["chain"]) == (missing.known.commit_id, missing.known.chain.hex())


def cut_runs(cursor: sqlite3.Cursor, rows: Sequence[Generation]) -> tuple[int, ...]:
    """Return the active runs that may lack rows, inputs or their end, and were not taken up since the journal was shortened."""
    cuts = [each.began_commit_id for each in rows if each.origin in CUT]
    return tuple(row[0] for row in cursor.execute(_CUT, {"began": cuts[-1]}).fetchall()) if cuts else ()


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a journal's file stands before it is opened for writing; `uuid` is None where there is none, or nothing in it."""

    uuid: str | None = None
    last: int = 0
    chain: bytes | None = None
    keeps_head: bool = False


def stand_of(file: Path, known: HeadRecord | None) -> Stand:
    """Look at a journal without changing it or its log; `chain` is that of the commit at which the head stands."""
    if not file.is_file():
        return Stand()
    with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=10.0)) as connection:
        one = connection.execute
        tables = {row[0] for row in one("SELECT name FROM sqlite_master WHERE type = 'table'")}
        row = one("SELECT uuid FROM journal ORDER BY generation LIMIT 1").fetchone() if "journal" in tables else None
        if row is None:
            return Stand()
        columns = {each[1] for each in one("PRAGMA table_info(journal)")}
        kept = "origin" in columns and one("SELECT count(*) FROM journal WHERE origin IS NOT NULL").fetchone()[0]
        chain = None if known is None else one(_CHAIN, (known.commit_id,)).fetchone()
        return Stand(row[0], one(_LAST).fetchone()[0], None if chain is None else bytes(chain[0]), bool(kept))

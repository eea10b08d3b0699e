"""A copy of a journal that is being written: complete as of one commit, checked, and such that it knows that it is a copy."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from labctl.errors import StoreError, UsageError
from labctl.store.attachments import copy
from labctl.store.connect import told
from labctl.store.generation import Generation, active_runs, begin_generation, generations
from labctl.store.head import Head, HeadRecord
from labctl.store.location import HEAD, JOURNAL, machine, place, sync_file, sync_folder
from labctl.store.verify import Anchor, verify

ROOM = 1.1  # times the journal's size that must be free


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        folder: Where it lies: a data folder.
        head: The last commit that it holds.
        runs: How many runs.
        archives: Files of archived runs, which it does not hold.
    """

    folder: Path
    head: Anchor | None
    runs: int
    archives: tuple[Path, ...]


def backup(where: Path | str, into: Path) -> Backup:
    """Copy a journal into a new data folder while a daemon writes it, and compare the copy with its digests.

    The copy is the journal as of one commit, in one file without a log. It begins a generation of its own, so that whoever opens it
    for writing knows that what came later is not in it: runs that are active in it ask before they go on.

    Args:
        where: A data folder or a journal's file.
        into: The folder to make; it must not exist, or be empty.

    Raises:
        UsageError: The folder is not empty, or the journal is a copy in PostgreSQL.
        StoreError: There is no journal, no room, or the copy is not whole; nothing is left of it then.
    """
    if isinstance(where, str) and where.startswith("postgres"):
        raise UsageError("a copy in PostgreSQL is backed up by PostgreSQL's own tools; labctl backs up the journal")
    source = place(where).file
    if not source.is_file():
        raise StoreError(f"wanted a journal, found none: {source}")
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"wanted an empty folder, or none, for the backup, found something in it: {into}")
    with _made_whole(into, source) as part:
        with told(source):
            _copy(source, part / JOURNAL)
            head, runs, archives = _mark(part, source)
        copy(source.parent, part)
        sync_file(part / JOURNAL)
        done = verify(part)
        if not done.whole:
            raise StoreError(
                f"the backup is not whole, and neither is {source}: {done.findings[0]}; `labctl verify` says more"
            )
    return Backup(into, head, runs, archives)


@contextmanager
def _made_whole(into: Path, source: Path) -> Iterator[Path]:
    """Give a folder that becomes the backup only when all went well."""
    part = into.with_name(f".{into.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        free, size = shutil.disk_usage(part).free, source.stat().st_size
        if free < ROOM * size:
            raise StoreError(
                f"wanted {ROOM * size / 1e6:.0f} MB of room for the backup in {into.parent}, found {free / 1e6:.0f} MB"
            )
        yield part
        sync_folder(part)
        os.replace(part, into)  # noqa: PTH105 - over an empty folder, too
        sync_folder(into.parent)
    except OSError as error:
        raise StoreError(f"{into} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as of one moment, whoever writes it meanwhile."""
    uri = f"file:{quote(str(source.absolute()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def _mark(folder: Path, source: Path) -> tuple[Anchor | None, int, tuple[Path, ...]]:
    """Let a copy know that it is one, and give it its head; return its last commit, its runs, and the archives it points to."""
    with closing(sqlite3.connect(folder / JOURNAL, isolation_level=None)) as connection:
        cursor = connection.cursor()
        columns = {row[1] for row in cursor.execute("PRAGMA table_info(journal)")}
        last = cursor.execute("SELECT commit_id, chain FROM commits ORDER BY commit_id DESC LIMIT 1").fetchone()
        (runs,) = cursor.execute("SELECT count(*) FROM runs").fetchone()
        archives = tuple(Path(row[0]) for row in cursor.execute("SELECT file FROM archives").fetchall())
        if "origin" in columns and last is not None:  # one of labctl 0.1 is copied as it is
            known = generations(cursor)
            detail = orjson.dumps({"text": f"a backup of {source.absolute()}, as of commit {last[0]}"}).decode()
            copied = Generation(
                known[-1].generation + 1, known[0].uuid, machine(), last[0], time.time(), "copy", detail
            )
            cursor.execute("BEGIN IMMEDIATE")
            begin_generation(cursor, copied)
            cursor.execute("COMMIT")
            head = Head.read(folder / HEAD)
            head.follow(
                HeadRecord(copied.uuid, copied.generation, last[0], bytes(last[1])), active_runs(cursor).values()
            )
            head.close()
    return (None if last is None else Anchor(last[0], bytes(last[1]).hex())), runs, archives

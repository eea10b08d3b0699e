"""What is looked at before a journal is opened for writing: a damaged one is set aside, one that lacks commits is kept as it is."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from labctl.errors import StoreDamaged
from labctl.store.generation import Generation, Stand, is_known, shortened_detail, stand_of
from labctl.store.head import Head, Shortfall, shortfall
from labctl.store.location import RESERVE_BYTES, JournalLocation, sync_folder

QUICK_CHECK_BYTES = 256 * 1024 * 1024  # a whole check reads the file once: about a second for so much
_MAGIC_LIMIT = 1  # findings wanted of a check


@dataclass(frozen=True, slots=True)
class Opening:
    """What was there before a journal is opened for writing.

    Attributes:
        head: The head as it was; without a record where there was none.
        set_aside: Where a damaged journal was moved, or None.
        missing: What the journal lacks of what had been acknowledged, or None.
        kept: Where the files of a journal that lacks something were copied, or None.
        headless: A head was kept once and is gone: that nothing is missing cannot be told.
    """

    head: Head
    set_aside: Path | None = None
    missing: Shortfall | None = None
    kept: Path | None = None
    headless: bool = False


def look_before_opening(location: JournalLocation) -> Opening:
    """Check a journal and its head; set a damaged one aside, and copy one that lacks commits, since opening it begins to change it.

    Raises:
        StoreDamaged: A single file is damaged; it is left as it is.
        StoreError: The head cannot be read.
    """
    aside = set_aside_if_damaged(location)
    if location.head is None:
        return Opening(Head(None), aside)
    head = Head.read(location.head)
    stand = _stand(location.file, head)
    missing = shortfall(head.record, stand.uuid, stand.last, stand.chain)
    kept = _keep(location) if missing is not None and location.file.is_file() else None
    return Opening(head, aside, missing, kept, headless=stand.keeps_head and stand.last > 0 and not head.exists)


def _stand(file: Path, head: Head) -> Stand:
    try:
        return stand_of(file, head.record)
    except sqlite3.Error as error:
        raise StoreDamaged(f"{file} cannot be read: {error}") from error


def _keep(location: JournalLocation) -> Path | None:
    """Copy a journal with its log beside it, for whoever can still read what is missing; without room only the log."""
    aside = location.folder / f"shortened-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    files = [location.file.with_name(location.file.name + suffix) for suffix in ("-wal", "")]
    try:
        aside.mkdir(mode=0o700, exist_ok=True)
        for file in files:
            if file.is_file() and shutil.disk_usage(location.folder).free > 2 * RESERVE_BYTES + file.stat().st_size:
                shutil.copyfile(file, aside / file.name)
        sync_folder(aside)
        sync_folder(location.folder)
    except OSError:
        return None  # what is missing is said in any case
    return aside


def set_aside_if_damaged(location: JournalLocation) -> Path | None:
    """Check a journal after an unclean end, and move a damaged one of a data folder away with its log.

    Returns:
        Where it lies now, or None if it is whole or absent.

    Raises:
        StoreDamaged: A single file is damaged; it is left as it is.
    """
    trouble = damage(location.file)
    if trouble is None:
        return None
    if location.reserve is None:
        raise StoreDamaged(f"{location.file} is not a whole journal: {trouble}")
    aside = location.folder / f"damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    aside.mkdir(mode=0o700)
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            location.file.with_name(location.file.name + suffix).rename(aside / (location.file.name + suffix))
    sync_folder(aside)
    sync_folder(location.folder)
    return aside


def damage(file: Path) -> str | None:
    """Return what is wrong with a database file, or None: it is whole, or there is none.

    The log beside the file says that the last writer did not close it; only then is the whole file read, up to
    `QUICK_CHECK_BYTES`.
    """
    if not file.is_file():
        return None
    log = file.with_name(file.name + "-wal")
    unclean = log.is_file() and log.stat().st_size > 0
    try:
        return _found_in(file, "ro", whole=unclean)  # moves no log
    except sqlite3.DatabaseError as error:
        if _kind(error) != sqlite3.SQLITE_READONLY:
            raise StoreDamaged(f"{file} cannot be read: {error}") from error
    try:  # the power went while the file was made: what was begun must be taken back before it can be read
        return _found_in(file, "rw", whole=unclean)
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(f"{file} cannot be read: {error}") from error


def _found_in(file: Path, mode: str, *, whole: bool) -> str | None:
    connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode={mode}", uri=True, timeout=10.0)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if whole and file.stat().st_size <= QUICK_CHECK_BYTES:
            answer = str(connection.execute(f"PRAGMA quick_check({_MAGIC_LIMIT})").fetchone()[0])
            return None if answer == "ok" else answer
    except sqlite3.DatabaseError as error:
        if _kind(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return str(error)
        raise
    finally:
        connection.close()
    return None


def _kind(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def next_generation(
    rows: Sequence[Generation], opening: Opening, fresh: Generation, *, moved: bool
) -> Generation | None:
    """Return the generation that an opening begins, None if the newest one goes on.

    Args:
        rows: The generations so far.
        opening: What was there.
        fresh: A first generation, on this machine, after the journal's last commit.
        moved: It was written elsewhere before.
    """
    missing = opening.missing
    origin = "moved" if moved else None
    origin = "restored" if rows and rows[-1].origin == "copy" else origin
    origin, detail = ("made" if not rows else origin), None
    if missing is not None and not is_known(missing, rows):
        origin, detail = "shortened", shortened_detail(missing, opening.head.roster.runs, opening.kept)
    if origin is None:
        return None
    number = rows[-1].generation + 1 if rows else 1
    return replace(fresh, generation=number, origin=origin, detail=detail)

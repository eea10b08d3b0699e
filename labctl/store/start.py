"""What is looked at before a journal is opened for writing: a damaged one is set aside, never overwritten."""

import contextlib
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from labctl.errors import StoreDamaged
from labctl.store.place import Place, sync_folder

QUICK_CHECK_BYTES = 256 * 1024 * 1024  # a whole check reads the file once: about a second for so much
_MAGIC_LIMIT = 1  # findings wanted of a check


def set_aside_if_damaged(found: Place) -> Path | None:
    """Check a journal after an unclean end, and move a damaged one of a data folder away with its log.

    Returns:
        Where it lies now, or None if it is whole or absent.

    Raises:
        StoreDamaged: A single file is damaged; it is left as it is.
    """
    trouble = damage(found.file)
    if trouble is None:
        return None
    if found.reserve is None:
        raise StoreDamaged(f"{found.file} is not a whole journal: {trouble}")
    aside = found.folder / f"damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    aside.mkdir(mode=0o700)
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            found.file.with_name(found.file.name + suffix).rename(aside / (found.file.name + suffix))
    sync_folder(aside)
    sync_folder(found.folder)
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

"""Connections to a journal's file and to a PostgreSQL copy, and what their errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from labctl.errors import SinkError, StoreBusy, StoreDamaged, StoreError, StoreFull
from labctl.store.older_schema import show_as_today

BUSY_TIMEOUT = 2.0  # seconds that one attempt waits for somebody else's lock
PAGE_KIB = 4
FEW_RUNS = 2048  # active ones for which this is enough:
_CACHE_PAGES = 4  # of each run: the page that its rows go to is at hand, with those that lead there
_WAL_PAGES = 4  # of each run: a page that its rows fill is copied once for several of them
_WAL_LIMIT = 2  # times that, which an idle write-ahead log keeps; a commit may go beyond it
_PRIMARY = 0xFF  # an extended result code's low byte says what kind it is
_FULL_ANYWAY = frozenset({"SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMMAP"})  # no room for the shared index


def writer_engine(file: Path) -> Engine:
    """Return the engine of the one connection that writes; it creates the file if there is none."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT)
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first page, or never
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        make_room(connection, FEW_RUNS)
        return connection

    return sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=StaticPool)


def make_room(connection: sqlite3.Connection, runs: int) -> None:
    """Let the cache and the write-ahead log be as large as is good for so many runs whose rows come in turn."""
    connection.execute(f"PRAGMA cache_size = -{_CACHE_PAGES * PAGE_KIB * runs}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES * runs}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT * _WAL_PAGES * PAGE_KIB * 1024 * runs}")


def reader_engine(where: Path | str) -> Engine:
    """Return an engine for reading only: a journal's file, or a PostgreSQL URL."""
    if isinstance(where, str):
        return sqlalchemy.create_engine(postgresql_url(where), execution_options={"isolation_level": "AUTOCOMMIT"})
    uri = f"file:{quote(str(where.absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10.0)
        show_as_today(connection, where)
        connection.execute("PRAGMA query_only = ON")
        return connection

    return sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=StaticPool)


def postgresql_url(url: str) -> sqlalchemy.URL:
    """Return the URL with the driver that labctl ships.

    Raises:
        SinkError: It is not a PostgreSQL URL.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except SQLAlchemyError as error:
        raise SinkError(f"wanted a URL like postgresql://user@host/database, found {url!r}", retry=False) from error
    if parsed.get_backend_name() != "postgresql":
        raise SinkError(f"wanted a postgresql:// URL, found {parsed.get_backend_name()}://", retry=False)
    return parsed.set(drivername="postgresql+psycopg")


@contextmanager
def told(file: Path | str) -> Iterator[None]:
    """Raise what SQLite says about a file as one of labctl's own errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, file) from error
    except SQLAlchemyError as error:
        original = getattr(error, "orig", None)
        if isinstance(original, sqlite3.Error):
            raise explain(original, file) from error
        raise StoreError(f"the store could not be read: {error}") from error


def explain(error: sqlite3.Error, file: Path | str) -> StoreError:
    """Return labctl's error for SQLite's: full, busy, damaged, or the disk."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code == sqlite3.SQLITE_FULL or name in _FULL_ANYWAY:
        return StoreFull(f"the disk is full: no room for new rows in {file}; they wait in memory until there is")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(f"another program holds a lock on {file}; rows wait in memory until it lets go")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreDamaged(f"{file} is not a whole journal: {error} ({name})")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"the disk failed under {file}: {error} ({name})", retry=True)
    return StoreError(f"{file}: {error} ({name})")

"""The one connection that writes a journal's file, and its transactions."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from labctl.errors import InternalError
from labctl.store import migrate
from labctl.store.connect import FEW_RUNS, explain, make_room, told, writer_engine
from labctl.store.location import JournalLocation, sync_folder
from labctl.store.under_way import UnderWay


class WriteConnection:
    """May be used from any thread; one at a time holds the mutex.

    Attributes:
        mutex: Held by whoever uses the cursor.
        cursor: Of the connection that is open.
        under_way: What orders and waiting runs add up to, for the commits.
        remade: Tables of what is under way that were gone and were made anew: what was in them is not known.
    """

    def __init__(self, location: JournalLocation) -> None:
        """Open a file of this version, made or brought up to date where it is not one.

        Raises:
            StoreError: It cannot be opened.
        """
        self._location = location
        self.mutex = threading.RLock()
        self.remade: tuple[str, ...] = ()
        self.under_way = UnderWay()
        self._room_for = FEW_RUNS
        self.open()

    def open(self) -> None:
        """Open the file, once more after `close`."""
        fresh = not self._location.file.is_file()
        self._engine = writer_engine(self._location.file)
        with told(self._location.file):
            self._pooled = self._engine.raw_connection()
            driver = self._pooled.driver_connection
            if not isinstance(driver, sqlite3.Connection):
                raise InternalError(f"wanted a connection of sqlite3, found {type(driver).__name__}")
            self.driver = driver
            self.cursor = driver.cursor()
            make_room(driver, self._room_for)
            migrate.bring_up_to_date(self._engine, self._location.file)
            remade = migrate.make_missing(self._engine)
            self.under_way.attach(driver, remade)
        self.remade += remade
        if fresh:
            sync_folder(self._location.folder)

    def make_room_for(self, runs: int) -> None:
        """Let cache and log be as large as so many active runs want them, and a few more; they do not shrink."""
        if runs > self._room_for:
            self._room_for = runs + runs // 4
            make_room(self.driver, self._room_for)

    def close(self) -> None:
        """Close the file; safe to repeat."""
        with contextlib.suppress(sqlite3.Error):
            self.driver.close()
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """Give a cursor whose changes are durable together at the end, or not at all.

        Raises:
            StoreError: They could not be written.
            sqlite3.IntegrityError: They contradict what is stored.
        """
        with self.mutex:
            cursor = self.cursor
            try:
                cursor.execute("BEGIN IMMEDIATE")
                self.under_way.begin()
                yield cursor
                cursor.execute("COMMIT")
                self.under_way.keep()
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    if self.driver.in_transaction:
                        cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                    raise explain(error, self._location.file) from error
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """Give a cursor to read with."""
        with self.mutex, told(self._location.file):
            yield self.cursor

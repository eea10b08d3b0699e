"""Rows that leave the journal for a file, and come back: each in one transaction."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from labctl.sample import Floats
from labctl.store import insert_rows, schema
from labctl.store.matrix import RUN


class Archived:
    """The archived runs of one journal. Every method may be called from any thread."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[sqlite3.Cursor]],
        reading: Callable[[], AbstractContextManager[sqlite3.Cursor]],
    ) -> None:
        """Work in a journal: both give its cursor, the second one outside a transaction."""
        self._transaction = transaction
        self._reading = reading

    def forget_rows(self, archived: tuple[int, str, str, int, float]) -> None:
        """Delete the samples of a run that lie in a file now, and give their room back; `archived` is a row of `archives`."""
        with self._transaction() as cursor:
            insert_rows.insert_all(cursor, schema.archives, [archived])
            cursor.execute("DELETE FROM samples WHERE run_id = ?", archived[:1])
        with self._reading() as cursor:
            cursor.execute("PRAGMA incremental_vacuum").fetchall()

    def take_back_rows(self, run_id: int, pages: Iterable[Floats]) -> None:
        """Store the samples of an archived run again, pages of `store.matrix`; all or none."""
        with self._transaction() as cursor:
            for rows in pages:
                rows[:, RUN] = run_id
                insert_rows.insert_samples(cursor, rows)
            cursor.execute("DELETE FROM archives WHERE run_id = ?", (run_id,))

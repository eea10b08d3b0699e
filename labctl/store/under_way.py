"""Orders and waiting runs under the chain: what may change and be forgotten, and is found when somebody else changes it.

Rows of a run are only ever added, so that a commit's digest covers them for good. Orders are forgotten after a day, and a run that
waits is moved, changed and taken out: of these tables each commit that touches them covers what is in them after it, as one sum
over all rows that a row is added to and taken from (the lattice hash LtHash16 of Bellare and Micciancio's kind: 1024 lanes of 16
bits, each row by SHAKE-128). What labctl writes is followed by triggers of its own connection; what anybody else writes is not, and
the sum no longer fits the rows, whatever labctl goes on to write.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from labctl.store import schema
from labctl.store.hash_chain import UNDER_WAY_VERSION

TABLES: Final = (schema.orders, schema.queue)
NAMES: Final = tuple(table.name for table in TABLES)
LANES: Final = 1024
DIGEST_BYTES: Final = 16
Sum: TypeAlias = npt.NDArray[np.uint16]
_STORED = "SELECT name, commit_id, sum FROM under_way"
_STORE = (
    "INSERT INTO under_way (name, commit_id, sum) VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET commit_id = excluded.commit_id, sum = excluded.sum"
)
_LAST_VERSION = "SELECT version FROM commits ORDER BY commit_id DESC LIMIT 1"


def element(name: str, row: Sequence[object]) -> Sum:
    """Return what a row adds to the sum of its table."""
    text = f"{name} {tuple(row)!r}".encode("utf-8", "backslashreplace")
    return np.frombuffer(hashlib.shake_128(text).digest(2 * LANES), "<u2").astype(np.uint16)


def sum_of(name: str, rows: Iterable[Sequence[object]]) -> Sum:
    """Return the sum of a table with these rows, all columns each, in any order."""
    total = np.zeros(LANES, np.uint16)
    for row in rows:
        total += element(name, row)
    return total


def sum_from(stored: object) -> Sum:
    """Return a sum as `bytes_of` wrote it, one of nothing where it is none."""
    if isinstance(stored, bytes) and len(stored) == 2 * LANES:
        return np.frombuffer(stored, "<u2").astype(np.uint16)
    return np.zeros(LANES, np.uint16)


def bytes_of(total: Sum) -> bytes:
    """Return a sum as it is stored."""
    return total.astype("<u2").tobytes()


def digest_of_sums(sums: Mapping[str, Sum]) -> bytes:
    """Return what a commit covers of the sums of all the tables."""
    digest = hashlib.sha256()
    for name in NAMES:
        digest.update(bytes_of(sums[name]))
    return digest.digest()[:DIGEST_BYTES]


class UnderWay:
    """The sums of the tables, as the one connection that writes a journal follows them."""

    def __init__(self) -> None:
        """Follow nothing yet; `attach` must come first."""
        self._sums: dict[str, Sum] = {}
        self._next: dict[str, Sum] | None = None  # within a transaction that touched them
        self._due = self._sealed = False

    def attach(self, driver: sqlite3.Connection, remade: Sequence[str]) -> None:
        """Follow what a connection writes from now on.

        A journal of before has its tables taken as they are. Where the sums are missing in one that had them, they are those of
        empty tables, so that `verify` goes on to say so; tables that were gone and made anew are empty.
        """
        driver.execute("PRAGMA temp_store = MEMORY")
        driver.create_function("under_way", -1, self._changed)
        for table in TABLES:
            names = [column.name for column in table.columns]
            for event, signs in (("INSERT", (1,)), ("DELETE", (-1,)), ("UPDATE", (-1, 1))):
                does = "; ".join(_told(table.name, sign, names) for sign in signs)
                driver.execute(
                    f"CREATE TEMP TRIGGER under_way_{table.name}_{event.lower()} AFTER {event} ON main.{table.name} "
                    f"BEGIN {does}; END"
                )
        self._load(driver, remade)

    def _load(self, driver: sqlite3.Connection, remade: Sequence[str]) -> None:
        stored = {name: sum_from(total) for name, _, total in driver.execute(_STORED)}
        version = driver.execute(_LAST_VERSION).fetchone()
        followed = version is not None and version[0] >= UNDER_WAY_VERSION
        self._sums = {
            table.name: stored.get(table.name, sum_of(table.name, () if followed else rows_of(driver, table.name)))
            for table in TABLES
        } | {name: sum_of(name, ()) for name in remade if name in NAMES}
        self._next, self._due = None, not followed or bool(remade)

    def _changed(self, sign: int, name: str, *row: object) -> None:
        if self._next is None:
            self._next = {each: total.copy() for each, total in self._sums.items()}
        if sign > 0:
            self._next[name] += element(name, row)
        else:
            self._next[name] -= element(name, row)

    def begin(self) -> None:
        """Begin a transaction: what one that failed had changed is forgotten."""
        self._next, self._sealed = None, False

    def seal(self, cursor: sqlite3.Cursor, commit_id: int) -> bytes | None:
        """Store the sums after a commit, and return what it covers of them, None where nothing changed."""
        if self._next is None and not self._due:
            return None
        sums = self._sums if self._next is None else self._next
        cursor.executemany(_STORE, [(name, commit_id, bytes_of(total)) for name, total in sums.items()])
        self._sealed = True
        return digest_of_sums(sums)

    def keep(self) -> None:
        """Note that the transaction is durable; what it changed and no commit covers is for the next commit."""
        changed = self._next is not None
        self._sums, self._next = self._next or self._sums, None
        self._due, self._sealed = (self._due or changed) and not self._sealed, False


def rows_of(driver: sqlite3.Connection, name: str) -> Iterable[Sequence[object]]:
    """Give all rows of a table with all columns, in their order in `store.schema`."""
    names = ", ".join(column.name for column in schema.metadata.tables[name].columns)
    return driver.execute(f"SELECT {names} FROM main.{name}")  # noqa: S608 - names are ours


def _told(table: str, sign: int, names: Sequence[str]) -> str:
    row = ", ".join(f"{'NEW' if sign > 0 else 'OLD'}.{name}" for name in names)
    return f"SELECT under_way({sign}, '{table}', {row})"

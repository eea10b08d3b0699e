"""What alarms are, and what is on its way to people: a file of its own, so that no message is lost when the sender is killed.

The state of the fold, the cursor in the journal and the messages that follow from it are written in one transaction: after a kill
the same messages come out again with the same ids, and one that went already is known by its id.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from labctl.errors import StoreError

LATEST: Final = 3700.0  # s ahead at which a message is ever tried again
KEPT: Final = 90 * 86400.0  # s for which a message that went is kept
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS fold (
  one INTEGER PRIMARY KEY CHECK (one = 1), cursor INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
  id TEXT NOT NULL, route TEXT NOT NULL, made REAL NOT NULL, level TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0, next REAL NOT NULL, went REAL,
  trouble TEXT NOT NULL DEFAULT '', PRIMARY KEY (id, route)) STRICT;
CREATE TABLE IF NOT EXISTS asked (number INTEGER PRIMARY KEY, alarm TEXT NOT NULL, who TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message on its way by one route: its stable id, words, and how often it was tried."""

    id: str
    route: str
    made: float
    level: str
    subject: str
    body: str
    tries: int = 0
    went: float | None = None
    trouble: str = ""


class Notices:
    """The file of one data folder. One thread."""

    def __init__(self, folder: Path) -> None:
        """Open it, made where there is none.

        Raises:
            StoreError: It cannot be opened.
        """
        self._file = folder / "notices.db"
        try:
            self._base = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=5.0)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            raise StoreError(f"{self._file}: the alarms cannot be read: {error}") from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._base.close()

    def load(self) -> tuple[int, str] | None:
        """Return the cursor and the fold's state, None at first."""
        row = self._base.execute("SELECT cursor, state FROM fold").fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def store(self, cursor: int, state: str, messages: Sequence[OutboxMessage], asked: int, now: float) -> None:
        """Keep the state with what follows from it, in one transaction; `asked` is the last acknowledgement that it knows."""
        self._base.execute("BEGIN IMMEDIATE")
        self._base.execute("INSERT OR REPLACE INTO fold VALUES (1, ?, ?)", (cursor, state))
        self._base.executemany(
            "INSERT OR IGNORE INTO outbox (id, route, made, level, subject, body, next) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(each.id, each.route, each.made, each.level, each.subject, each.body, now) for each in messages],
        )
        self._base.execute("DELETE FROM asked WHERE number <= ?", (asked,))
        self._base.execute("DELETE FROM outbox WHERE went < ?", (now - KEPT,))
        self._base.execute("COMMIT")

    def add(self, messages: Sequence[OutboxMessage], now: float) -> None:
        """Put messages on their way that follow from no alarm; one whose id is known is not sent again."""
        self._base.executemany(
            "INSERT OR IGNORE INTO outbox (id, route, made, level, subject, body, next) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(each.id, each.route, each.made, each.level, each.subject, each.body, now) for each in messages],
        )

    def due(self, now: float) -> list[OutboxMessage]:
        """Return what is to be tried now, pages first, the oldest first; what is due far ahead is of a clock that was set back."""
        rows = self._base.execute(
            "SELECT id, route, made, level, subject, body, tries FROM outbox WHERE went IS NULL AND NOT (next > ? AND next <= ?) "
            "ORDER BY level = 'page' DESC, made LIMIT 100", (now, now + LATEST),
        )  # fmt: skip
        return [OutboxMessage(*row) for row in rows]

    def went(self, message: OutboxMessage, now: float) -> None:
        """Note that a message was accepted."""
        self._base.execute(
            "UPDATE outbox SET went = ?, tries = tries + 1, trouble = '' WHERE id = ? AND route = ?",
            (now, message.id, message.route),
        )

    def failed(self, message: OutboxMessage, again: float, trouble: str) -> None:
        """Note that a message was not accepted, and when it is tried again (UTC, s)."""
        self._base.execute(
            "UPDATE outbox SET next = ?, tries = tries + 1, trouble = ? WHERE id = ? AND route = ?",
            (again, trouble[:500], message.id, message.route),
        )

    def messages(self, most: int = 50) -> list[OutboxMessage]:
        """Return the newest messages, whether they went or not."""
        rows = self._base.execute(
            "SELECT id, route, made, level, subject, body, tries, went, trouble FROM outbox ORDER BY made DESC LIMIT ?",
            (most,),
        )
        return [OutboxMessage(*row) for row in rows]

    def acknowledge(self, alarm: str, who: str) -> None:
        """Ask for an alarm to be acknowledged, "" for all; the sender does so within a second."""
        self._base.execute("INSERT INTO asked (alarm, who) VALUES (?, ?)", (alarm, who))

    def asked(self) -> list[tuple[int, str, str]]:
        """Return what is asked to be acknowledged and by whom, with numbers that grow."""
        return [
            (int(row[0]), str(row[1]), str(row[2])) for row in self._base.execute("SELECT * FROM asked ORDER BY number")
        ]

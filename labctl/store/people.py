"""The people of a station: their roles, digests of what lets them in, and what was done at the door.

A file of its own beside the journal, mode 600 and never part of it: a copy of the journal gives nobody away. No secret is stored:
passwords as Argon2id with a salt of their own, tokens, links and sessions as SHA-256 of 256 random bits. What was done at the door
(logins, refusals, people added) stands under a hash chain of its own, as the orders that were obeyed stand under the journal's.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import quote

from labctl.errors import StoreDamaged, StoreError, StoreFull, UsageError
from labctl.store.password import is_current, kept, matches

Role: TypeAlias = Literal["viewer", "operator", "admin"]
Kind: TypeAlias = Literal["token", "link", "session"]
FILE: Final = "people.db"  # in the data folder
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")
LONGEST: Final = {"token": 366 * 86400.0, "link": 900.0, "session": 7 * 86400.0}  # s that each is good for, at most
IDLE: Final = 12 * 3600.0  # s without a request after which a session has ended
SEEN_EVERY: Final = 60.0  # s between two notes of when something was last used
SHORTEST_PASSWORD: Final = 10  # characters
PREFIX: Final = "lct_"  # by which scanners of public code find a token that leaked
NAME: Final = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}")
PATTERN: Final = re.compile(r"[\w*?.\[\]-]{1,64}")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS people (
  name TEXT PRIMARY KEY, role TEXT NOT NULL, channels TEXT NOT NULL, password TEXT, created REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys (
  digest TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, created REAL NOT NULL,
  expires REAL NOT NULL, used REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS audit (
  number INTEGER PRIMARY KEY, time REAL NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL,
  chain TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is let in.

    Attributes:
        name: Theirs alone.
        role: What they may do.
        channels: Patterns of the channels on which they may do it, such as `A*`.
        password: They have one.
    """

    name: str
    role: Role
    channels: tuple[str, ...] = ("*",)
    password: bool = False


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A token, link or session without its secret: kind, whose, what for, and until when; UTC in s."""

    id: str
    kind: Kind
    name: str
    label: str
    created: float
    expires: float
    used: float


@dataclass(frozen=True, slots=True)
class Audited:
    """One thing that was done at the door, by whom and when (UTC, s)."""

    number: int
    time: float
    who: str
    what: str
    detail: str


class People:
    """The people of one data folder. For several threads; every method is one short transaction."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        """Open the file, made at the first call; `now` gives UTC in s.

        Raises:
            StoreError: It cannot be opened, or others may read it.
        """
        self._file = folder / FILE
        self._now = now
        self._lock = threading.RLock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            if os.name == "posix" and self._file.stat().st_mode & 0o077:
                raise StoreError(f"wanted mode 600 on {self._file}, found others who may read it; chmod 600 mends it")
            self._base = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=5.0)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self._file}: the people cannot be read: {error}") from error
        self._absent = kept(secrets.token_urlsafe(16))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close; safe to repeat."""
        with self._lock:
            self._base.close()

    # --- people ---

    def add(self, name: str, role: str, channels: tuple[str, ...] = ("*",)) -> Person:
        """Add somebody, or change their role and channels.

        Raises:
            UsageError: No such role, or a name or pattern that is none.
        """
        known = next((each for each in ROLES if each == role), None)
        if known is None:
            raise UsageError(f"wanted a role out of {', '.join(ROLES)}, found {role!r}")
        if NAME.fullmatch(name) is None:
            raise UsageError(f"wanted a name of letters, digits and . _ @ - for a person, found {name!r:.80}")
        for pattern in channels:
            if PATTERN.fullmatch(pattern) is None:
                raise UsageError(f"wanted patterns of channels such as A* or c[1-4], found {pattern!r:.80}")
        with self._lock:
            self._base.execute(
                "INSERT INTO people VALUES (?, ?, ?, NULL, ?) "
                "ON CONFLICT (name) DO UPDATE SET role = excluded.role, channels = excluded.channels",
                (name, known, json.dumps(list(channels)), self._now()),
            )
        return self.person(name)

    def remove(self, name: str) -> None:
        """Remove somebody with everything that lets them in."""
        with self._lock:
            self.person(name)
            self._base.execute("DELETE FROM people WHERE name = ?", (name,))
            self._base.execute("DELETE FROM keys WHERE name = ?", (name,))

    def all(self) -> list[Person]:
        """Return everybody, by name."""
        with self._lock:
            rows = self._base.execute("SELECT name, role, channels, password FROM people ORDER BY name").fetchall()
        return [_person(row) for row in rows]

    def person(self, name: str) -> Person:
        """Return somebody.

        Raises:
            UsageError: Nobody has that name.
        """
        known = self._find(name)
        if known is None:
            names = ", ".join(each.name for each in self.all()) or "nobody yet"
            raise UsageError(f"wanted the name of a person of this station, found {name!r:.80}; there are {names}")
        return known

    def _find(self, name: str) -> Person | None:
        with self._lock:
            row = self._base.execute(
                "SELECT name, role, channels, password FROM people WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else _person(row)

    # --- passwords ---

    def set_password(self, name: str, password: str) -> None:
        """Give somebody a password; all their sessions end.

        Raises:
            UsageError: It is too short.
        """
        self.person(name)
        if len(password) < SHORTEST_PASSWORD:
            raise UsageError(f"wanted a password of at least {SHORTEST_PASSWORD} characters, found {len(password)}")
        with self._lock:
            self._base.execute("UPDATE people SET password = ? WHERE name = ?", (kept(password), name))
            self._base.execute("DELETE FROM keys WHERE name = ? AND kind = 'session'", (name,))

    def check_password(self, name: str, password: str) -> Person | None:
        """Return who has this name and password; it takes as long for a name that nobody has."""
        with self._lock:
            row = self._base.execute(
                "SELECT name, role, channels, password FROM people WHERE name = ?", (name,)
            ).fetchone()
        stored = self._absent if row is None or row[3] is None else str(row[3])
        if not matches(password, stored) or row is None or row[3] is None:
            return None
        if not is_current(stored):
            self._keep_anew(name, stored, password)
        return _person(row)

    def _keep_anew(self, name: str, stored: str, password: str) -> None:
        """Keep a password as they are kept now, which was kept in a former way; not where it was changed meanwhile."""
        with self._lock, contextlib.suppress(sqlite3.OperationalError):  # a full disk keeps nobody out
            self._base.execute(
                "UPDATE people SET password = ? WHERE name = ? AND password = ?", (kept(password), name, stored)
            )

    # --- tokens, links, sessions ---

    def issue(self, kind: Kind, name: str, within: float, label: str = "") -> str:
        """Return a new secret that lets somebody in for so many seconds; only its digest is kept.

        Raises:
            UsageError: It would be good for longer than its kind may be.
        """
        self.person(name)
        if not 0 < within <= LONGEST[kind]:
            raise UsageError(
                f"wanted a {kind} good for at most {LONGEST[kind] / 86400:g} days, found {within / 86400:g}"
            )
        secret, now = PREFIX + secrets.token_urlsafe(32), self._now()
        with self._writing():
            self._base.execute("DELETE FROM keys WHERE expires < ?", (now,))
            self._base.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_digest(secret), kind, name, label[:100], now, now + within, now),
            )
        return secret

    def who(self, secret: str, *kinds: Kind) -> Person | None:
        """Return whom a secret of one of the kinds lets in now; a link is used up by it."""
        digest, now = _digest(secret), self._now()
        with self._lock:
            row = self._base.execute(
                "SELECT kind, name, expires, used FROM keys WHERE digest = ?", (digest,)
            ).fetchone()
            if row is None or row[0] not in kinds or now > row[2] or (row[0] == "session" and now > row[3] + IDLE):
                return None
            if row[0] == "link":
                self._base.execute("DELETE FROM keys WHERE digest = ?", (digest,))
            elif now > row[3] + SEEN_EVERY:
                with contextlib.suppress(sqlite3.OperationalError):  # a full disk keeps nobody from a stop
                    self._base.execute("UPDATE keys SET used = ? WHERE digest = ?", (now, digest))
            return self._find(str(row[1]))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Write alone; what could not be written whole is taken back."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise StoreFull(f"{self._file} cannot be written: {error}") from error

    def token_named(self, id_: str) -> tuple[str, Person] | None:
        """Return the digest of a token that is good now, by its begin as `keys` tells it, and whose it is."""
        with self._lock:
            row = self._base.execute(
                "SELECT digest, name FROM keys WHERE kind = 'token' AND substr(digest, 1, 12) = ? AND expires >= ?",
                (id_, self._now()),
            ).fetchone()
            person = None if row is None else self._find(str(row[1]))
        return None if person is None else (str(row[0]), person)

    def keys(self) -> list[KeyInfo]:
        """Return the tokens and sessions that are good now, the oldest first."""
        with self._lock:
            rows = self._base.execute(
                "SELECT digest, kind, name, label, created, expires, used FROM keys WHERE expires >= ? ORDER BY created",
                (self._now(),),
            ).fetchall()
        return [KeyInfo(str(row[0])[:12], *row[1:]) for row in rows]

    def revoke(self, id_or_secret: str) -> bool:
        """Make a token, link or session void, by its secret or the begin of its digest; tell whether there was one."""
        with self._lock:
            done = self._base.execute(
                "DELETE FROM keys WHERE digest = ? OR (length(?) = 12 AND substr(digest, 1, 12) = ?)",
                (_digest(id_or_secret), id_or_secret, id_or_secret),
            )
            return done.rowcount > 0

    # --- what was done ---

    def note(self, who: str, what: str, detail: str = "") -> None:
        """Write down what was done at the door, under the chain of all before.

        Raises:
            StoreFull: There is no room for it.
        """
        with self._writing():
            self._base.execute("BEGIN IMMEDIATE")
            last = self._base.execute("SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
            number, before = (last[0] + 1, last[1]) if last else (1, "")
            entry = (number, self._now(), who[:200], what[:100], detail[:1000])
            self._base.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (*entry, _chain(before, entry)))
            self._base.execute("COMMIT")

    def audit(self, before: int | None = None, most: int = 50) -> list[Audited]:
        """Return what was done at the door, the newest first, from before a number."""
        with self._lock:
            rows = self._base.execute(
                "SELECT number, time, who, what, detail FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?",
                (before or 1 << 62, most),
            ).fetchall()
        return [Audited(*row) for row in rows]

    def head(self) -> str:
        """Return number and chain of the last thing that was done at the door, "" where nothing was."""
        with self._lock:
            row = self._base.execute("SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        return "" if row is None else f"entry {row[0]}, {row[1]}"

    def verify(self) -> int:
        """Check the chain of what was done, and return how much that is.

        Raises:
            StoreDamaged: Something was changed or taken out.
        """
        with self._lock:
            return _verify(self._base, self._file)[0]


def verify_door(folder: Path) -> tuple[int, str] | None:
    """Check the chain of what was done at the door of a data folder, changing nothing.

    Returns:
        How much that is, and the chain after the last of it; None where there are no people.

    Raises:
        StoreDamaged: Something was changed or taken out.
        StoreError: It cannot be read.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=5.0)) as base:
            return _verify(base, file)
    except sqlite3.Error as error:
        raise StoreError(f"{file}: what was done at the door cannot be read: {error}") from error


def _verify(base: sqlite3.Connection, file: Path) -> tuple[int, str]:
    before, wanted = "", 1
    for row in base.execute("SELECT number, time, who, what, detail, chain FROM audit ORDER BY number"):
        if row[0] != wanted or row[5] != _chain(before, row[:5]):
            raise StoreDamaged(f"{file}: entry {wanted} of what was done at the door was changed or is gone")
        before, wanted = row[5], wanted + 1
    return wanted - 1, before


def _person(row: tuple[str, Role, str, str | None]) -> Person:
    return Person(row[0], row[1], tuple(json.loads(row[2])), row[3] is not None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _chain(before: str, entry: tuple[object, ...]) -> str:
    return hashlib.sha256(f"{before}{entry!r}".encode("utf-8", "backslashreplace")).hexdigest()

"""Where a journal lies, and who holds it: a data folder, or a single file named by a URL.

A data folder has `journal.db`, `head`, `lock` and `reserve`; it is the daemon's, readable by its owner only. A single file, as a
dry run writes it, has its lock beside it while somebody writes, and no head: nobody's cell depends on its last commit.
The database file itself is never opened except through SQLite: closing any other descriptor of it would drop SQLite's locks.
"""

import contextlib
import hashlib
import os
import shutil
import socket
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labctl.errors import StoreBusy, StoreError, UsageError

JOURNAL = "journal.db"
HEAD = "head"
RESERVE_BYTES = 4 * 1024 * 1024  # holds what may wait in memory when the disk turns out to be full
_OTHER_FILES = frozenset(
    {
        ".xlsx",
        ".xls",
        ".csv",
        ".tsv",
        ".txt",
        ".dat",
        ".parquet",
        ".json",
        ".html",
        ".yaml",
        ".yml",
        ".nda",
        ".ndax",
        ".mpr",
    }
)
_LOCKED_BYTE = 1 << 30  # Windows locks a byte far behind the text, which stays readable


@dataclass(frozen=True, slots=True)
class JournalLocation:
    """A journal's files.

    Attributes:
        file: The database.
        lock: Says who writes it.
        reserve: Room for the last words, None for a single file.
        head: The last commit a second time, see `store.head`; None for a single file.
    """

    file: Path
    lock: Path
    reserve: Path | None = None
    head: Path | None = None

    @property
    def folder(self) -> Path:
        """Return the folder that holds the file."""
        return self.file.parent


def place(where: Path | str) -> JournalLocation:
    """Return where a journal lies.

    Args:
        where: A data folder, `sqlite:///relative/file.db`, `sqlite:////absolute/file.db`, or the path of such a file.

    Raises:
        UsageError: A URL of another database, or the name of a table or text that does not exist.
    """
    text = str(where)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        if scheme.partition("+")[0] != "sqlite" or len(rest) < 2:
            raise UsageError(
                f"wanted a data folder or sqlite:///FILE for the journal, found {text!r}; "
                "PostgreSQL is fed from a journal, see `sink` in the station file"
            )
        return _single(Path(rest[1:]))
    path = Path(where)
    if path.is_file() or (path.suffix in {".db", ".sqlite", ".sqlite3"} and not path.is_dir()):
        return _single(path)
    if path.suffix.lower() in _OTHER_FILES and not path.exists():
        raise UsageError(
            f"wanted a data folder or a file {path.stem}.db for the journal, found {text!r}: a journal is a SQLite database; "
            f"labctl export makes other files of its runs"
        )
    return _of_folder(path)


def _of_folder(folder: Path) -> JournalLocation:
    return JournalLocation(file=folder / JOURNAL, lock=folder / "lock", reserve=folder / "reserve", head=folder / HEAD)


def _single(file: Path) -> JournalLocation:
    """Return a file's location; that of a data folder is its folder's, since a daemon may hold the lock there."""
    if file.name == JOURNAL and file.with_name(HEAD).is_file():
        return _of_folder(file.parent)
    return JournalLocation(file=file, lock=file.with_name(file.name + ".lock"))


def prepare(location: JournalLocation) -> None:
    """Make the data folder, 0700, if there is none.

    Raises:
        StoreError: It cannot be made.
    """
    try:
        if location.reserve is not None:
            location.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            location.folder.chmod(0o700)
        elif not location.folder.is_dir():
            raise StoreError(f"wanted a folder for {location.file.name}, found none: {location.folder}")
    except OSError as error:
        raise StoreError(f"the data folder {location.folder} cannot be made: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where the system can (Windows has no such call and needs none)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(file: Path) -> None:
    """Make a file's content durable. Never of a database: see above."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


class Lock:
    """The right to write a journal: held by one process, free again the moment that process dies."""

    def __init__(self, path: Path, what: str) -> None:
        """Take the lock.

        Args:
            path: The lock file.
            what: What is locked, for the message.

        Raises:
            StoreBusy: Somebody holds it; the message says who.
        """
        self._path = path
        self._file = self._take(what)
        with contextlib.suppress(OSError):  # who holds it is a courtesy: a full or failing disk must not cost the lock
            os.ftruncate(self._file.fileno(), 0)
            words = f"process {os.getpid()} on {socket.gethostname()}: {' '.join(sys.argv)[:200]}\n"
            os.write(self._file.fileno(), words.encode(errors="replace"))

    def _take(self, what: str) -> IO[str]:
        while True:
            try:
                file = self._path.open("a+", encoding="utf-8")
            except OSError as error:
                raise StoreError(f"the lock file {self._path} cannot be opened: {error.strerror}") from error
            if not _locked(file):
                file.seek(0)
                owner = file.read().strip() or "another process"
                file.close()
                raise StoreBusy(f"{what} is in use by {owner}")
            if _same(file, self._path):
                return file
            file.close()  # its last owner removed it between our open and our lock

    def release(self) -> None:
        """Let go; safe to repeat."""
        if self._file.closed:
            return
        if sys.platform != "win32":  # Windows removes no file that is open
            self._path.unlink(missing_ok=True)
        self._file.close()


def holder(path: Path) -> int | None:
    """Return the process that wrote itself into a lock file when it took the lock; None where nobody did."""
    try:
        words = path.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return int(words[1]) if len(words) > 1 and words[0] == "process" and words[1].isdigit() else None


if sys.platform == "win32":
    import msvcrt

    def _locked(file: IO[str]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _same(_file: IO[str], _path: Path) -> bool:
        return True  # the file of a held lock cannot be removed there

else:
    import fcntl

    def _locked(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _same(file: IO[str], path: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), path.stat())
        except FileNotFoundError:
            return False


class Reserve:
    """Room on the disk that is given back when it is full, so that the last words can still be written."""

    def __init__(self, path: Path | None) -> None:
        """Take the room; None for a journal without a reserve."""
        self._path = path
        self.renew()

    @property
    def held(self) -> bool:
        """Tell whether the room is still ours to give."""
        return self._path is not None and self._path.is_file()

    def renew(self) -> bool:
        """Take the room again, if there is twice as much; tell whether it is held."""
        if self._path is None or self.held:
            return self.held
        if shutil.disk_usage(self._path.parent).free < 2 * RESERVE_BYTES:
            return False
        try:
            with self._path.open("xb") as file:  # not sparse: written, so that it is ours
                file.write(os.urandom(4096) * (RESERVE_BYTES // 4096))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the room back; tell whether there was any."""
        if not self.held or self._path is None:
            return False
        self._path.unlink(missing_ok=True)
        return True


def machine() -> str:
    """Return a digest that differs between machines and outlives a restart, for noticing a copied disk."""
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(file).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text:
            return hashlib.sha256(text.encode()).hexdigest()[:16]
    return hashlib.sha256(f"{uuid.getnode()} {socket.gethostname()}".encode()).hexdigest()[:16]

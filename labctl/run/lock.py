"""Locks on files of the data folder: free again at once when their holder dies, however it dies."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import IO, Self

from labctl.errors import StoreBusy, StoreError

FOLDER_LOCK = "daemon.lock"  # held by the daemon of the folder
GUARD_LOCK = "guard.lock"  # held by the guard until the outputs that it watches over are off

if sys.platform == "win32":
    import msvcrt

    def _seize(file: IO[str]) -> None:
        file.seek(1 << 20)  # beyond what others read: a locked range cannot be read on Windows
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _seize(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """A file that one process holds; it says who."""

    def __init__(self, path: Path) -> None:
        """Name the file; `take` takes it."""
        self.path = path
        self._file: IO[str] | None = None

    def take(self) -> Self:
        """Hold the lock until `release` or the end of the process.

        Raises:
            StoreBusy: Another process holds it; the message says which.
            StoreError: The folder cannot be written.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            file = os.fdopen(descriptor, "r+", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"wanted to lock {self.path}, found {error.strerror or error}") from error
        try:
            _seize(file)
        except OSError as error:
            owner = self.owner()
            file.close()
            raise StoreBusy(f"{self.path.parent} is in use by {owner}") from error
        file.seek(0)
        file.truncate()
        json.dump({"process": os.getpid(), "machine": socket.gethostname()}, file)
        file.flush()
        self._file = file
        return self

    def release(self) -> None:
        """Let others take it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def owner(self) -> str:
        """Return who holds it, in words."""
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {said['process']} on {said['machine']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

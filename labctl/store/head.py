"""The head of a journal, known a second time: what was acknowledged last, in a file of its own beside the journal.

A write-ahead log that is cut short, by a flipped bit or by an older copy that somebody put back, leaves a database that is whole
and too short. Only a second place can tell: `Head` holds the number and chain of the last commit, synced after the commit and
before anybody is told of it. So at an opening

- the head is where the journal is, or one commit behind it (the power went between the two syncs): nothing is lost;
- the head is ahead: commits that had been acknowledged are gone, and `Shortfall` says which;
- the head stands at a commit that the journal has with another chain, or at another journal: what lies here is not what was
  acknowledged.

Beside it stands the roster: runs that have not ended, and outputs that a committed intent may have switched on. Of a lost run it is
all that is known, and of an output that is found on it says whether it is ours. It is written when it changes, in the same sync.

The file: two records of the head in the first two pages, written in turn, so that a torn write leaves the one before; then the
roster (`store/head_roster.py`). Each record ends with its SHA-256; the one with the higher number counts.
"""

import contextlib
import os
import struct
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from labctl.errors import InternalError, StoreError
from labctl.store.head_roster import ActiveRun, HeadRoster, Output, RosterFile
from labctl.store.location import sync_folder
from labctl.store.sealed import sealed, unsealed, write_at

PAGE = 4096
_MAGIC = b"labctl head\n"
_RECORD = struct.Struct("<12sQQI16s32s")  # magic, number, commit, generation, uuid of the journal, chain


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """The head: the last acknowledged commit of a journal."""

    journal: str
    generation: int
    commit_id: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a journal lacks, or has otherwise, of what had been acknowledged.

    Attributes:
        kind: `lost` (the last commits are gone), `changed` (they are others than those that were acknowledged), `other` (another
            journal lies here), `absent` (there is no journal).
        known: The head.
        last: The last commit that the journal has.
    """

    kind: str
    known: HeadRecord
    last: int

    def __str__(self) -> str:
        """Say it in one sentence."""
        upto = self.known.commit_id
        match self.kind:
            case "lost":
                missing = f"commits {self.last + 1} to {upto}" if upto > self.last + 1 else f"commit {upto}"
                return f"{missing} had been acknowledged and {'are' if upto > self.last + 1 else 'is'} missing at the journal's end"
            case "changed":
                return f"commit {upto} is not the one that had been acknowledged: the journal was changed, or an older copy went on"
            case "other":
                return f"another journal lies here: wanted {self.known.journal} up to commit {upto}"
            case _:
                return f"the journal {self.known.journal} is gone: {upto} commits had been acknowledged"


@dataclass(slots=True)
class Head:
    """The second file of a journal, open for writing by the one who writes the journal.

    Attributes:
        path: The file; None keeps the head in memory alone, for a journal that has none.
        record: The head as it is on the disk; None before the first.
        roster: Runs and outputs as they are on the disk.
    """

    path: Path | None
    record: HeadRecord | None = None
    roster: HeadRoster = field(default_factory=HeadRoster)
    _number: int = 0  # of the last record
    _roster_file: RosterFile = field(default_factory=lambda: RosterFile(2 * PAGE), repr=False)
    _descriptor: int | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def read(cls, path: Path) -> "Head":
        """Read a head, or return one without a record where there is none: no file, or nothing in it that is whole."""
        head = cls(path)
        if path.is_file():
            try:
                head._take(path)
            except OSError as error:
                raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        return head

    def _take(self, path: Path) -> None:
        with path.open("rb") as file:
            records = [_record(file.read(PAGE)) for _ in range(2)]
        whole = (each for each in records if each is not None)
        self._number, self.record = max(whole, key=lambda each: each[0], default=(0, None))
        self.roster = self._roster_file.read(path)

    @property
    def exists(self) -> bool:
        """Tell whether there is a head to compare a journal with."""
        return self.record is not None

    def ours(self, serial: str, channel: str) -> bool:
        """Tell whether an output that is found on may be on by our own doing: then it goes off, any other is foreign."""
        return Output(serial, channel) in self.roster.outputs

    def claims(self, serial: str) -> frozenset[str]:
        """Return the channels of an instrument that were claimed and not released."""
        return frozenset(each.channel for each in self.roster.outputs if each.serial == serial)

    def follow(self, record: HeadRecord, runs: Iterable[ActiveRun] | None = None) -> None:
        """Follow the journal to its last commit, and to the runs that have not ended by it where they changed.

        Raises:
            StoreError: As `write`.
        """
        with self._lock:
            roster = self.roster if runs is None else replace(self.roster, runs=tuple(runs))
            if not self._precedes(record) and (record != self.record or roster != self.roster):
                self.write(record, roster)

    def _precedes(self, record: HeadRecord) -> bool:
        """Tell whether a record is of before the one on the disk: a newer one overtook it on its way here."""
        known = self.record
        same = known is not None and (known.journal, known.generation) == (record.journal, record.generation)
        return same and known is not None and record.commit_id < known.commit_id

    def claim(self, serial: str, channel: str) -> None:
        """Note, before it is energised, that an output may be on by our own doing from now on.

        Raises:
            StoreError: As `write`; the output must not be switched on.
        """
        with self._lock:
            self._change(self.roster.outputs | {Output(serial, channel)})

    def release(self, serial: str, channel: str) -> None:
        """Note that an output was confirmed off, or was left to somebody else: from now on it is none of ours."""
        with self._lock:
            self._change(self.roster.outputs - {Output(serial, channel)})

    def _change(self, outputs: frozenset[Output]) -> None:
        if self.record is None:
            raise InternalError("outputs are noted beside a journal that is open; this head has none")
        if outputs != self.roster.outputs:
            self.write(self.record, replace(self.roster, outputs=outputs))

    def write(self, record: HeadRecord, roster: HeadRoster) -> None:
        """Make a head durable, and a roster where it differs; when this returns, both are on the disk.

        Raises:
            StoreError: They are not, or nobody knows; what was there before is whole. Try again. It is never `StoreFull`, which
                says that nothing was stored: the commit before it was.
        """
        if self.path is not None:
            self._written(self.path, record, roster)
        self.record, self.roster = record, roster

    def _written(self, path: Path, record: HeadRecord, roster: HeadRoster) -> None:
        """Write and sync."""
        number, changed = self._number + 1, roster != self.roster
        try:
            descriptor = self._opened(path)
            if changed:
                self._roster_file.write(descriptor, self.roster, roster)
            write_at(descriptor, _record_bytes(number, record), number % 2 * PAGE)
            _sync(descriptor)
        except OSError as error:
            self.close()  # the number stays: a second attempt goes over the torn record, never over the whole one
            raise StoreError(f"the disk failed under {path}: {error.strerror}", retry=True) from error
        self._number = number
        if changed:
            self._roster_file.keep()

    def _opened(self, path: Path) -> int:
        if self._descriptor is not None:
            return self._descriptor
        fresh = not path.is_file()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(path, flags, 0o600)
        if fresh:
            write_at(self._descriptor, bytes(2 * PAGE), 0)  # its pages are there: a later write needs no room
            os.fsync(self._descriptor)
            sync_folder(path.parent)
        return self._descriptor

    def close(self) -> None:
        """Let go of the file; safe to repeat."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def shortfall(known: HeadRecord | None, journal: str | None, last: int, chain: bytes | None) -> Shortfall | None:
    """Compare a head with the journal that is there, and return what is missing, None if nothing is.

    Args:
        known: The head, None if there is none.
        journal: Uuid of the journal, None if there is no journal or nothing in it yet.
        last: Its last commit.
        chain: Its chain at the head's commit, None if it has no such commit.
    """
    if known is None or known.commit_id == 0:
        return None
    if journal is None:
        return Shortfall("absent", known, 0)
    if journal != known.journal:
        return Shortfall("other", known, last)
    if last < known.commit_id:
        return Shortfall("lost", known, last)
    return None if chain == known.chain else Shortfall("changed", known, last)


# --- bytes ------------------------------------------------------------------------------------------------------------


def _record_bytes(number: int, record: HeadRecord) -> bytes:
    known = uuid.UUID(record.journal).bytes
    return sealed(_RECORD.pack(_MAGIC, number, record.commit_id, record.generation, known, record.chain))


def _record(page: bytes) -> tuple[int, HeadRecord] | None:
    text = unsealed(page, _RECORD.size, _MAGIC)
    if text is None:
        return None
    _, number, commit_id, generation, known, chain = _RECORD.unpack(text)
    return number, HeadRecord(str(uuid.UUID(bytes=known)), generation, commit_id, chain)


_sync = getattr(os, "fdatasync", os.fsync)

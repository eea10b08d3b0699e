"""What stands beside the head of a journal: runs that have not ended, and outputs that may be on by our own doing.

A place of the file begins with a whole list, and the changes since follow it, record by record, so that a start of a run costs
the same whatever runs beside it. Where the changes have grown longer than the list, a new list goes to the other place, and the one
before stays whole meanwhile. Each record has the number that follows the one before it, and ends with its SHA-256: what was torn,
and what an earlier use of the place left behind, is not followed.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from labctl.errors import StoreError
from labctl.store.sealed import DIGEST, sealed, unsealed, write_at

PLACE = 8 << 20  # bytes of one place: some ten thousand channels
OLD_PLACE = 1 << 20  # of labctl 0.2, whose second place lies within the first of today
WORTH = 1 << 16  # bytes of changes for which no new list is written, however short it would be
_LIST_MAGIC, _CHANGE_MAGIC = b"labctl head\n", b"labctl next\n"
_HEADER = struct.Struct("<12sQQ")  # magic, number, length of the JSON that follows


@dataclass(frozen=True, slots=True, order=True)
class Output:
    """An output of an instrument: the serial number that it answers with, and the channel there."""

    serial: str
    channel: str


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """What is known of a run outside the journal: enough to say which one was lost, and where it ran."""

    uuid: str
    channel: str
    protocol: str
    cell: str

    @property
    def values(self) -> list[str]:
        """Return it as it is written."""
        return [self.uuid, self.channel, self.protocol, self.cell]


@dataclass(frozen=True, slots=True)
class HeadRoster:
    """Runs that have not ended, and outputs that may be on by our own doing."""

    runs: tuple[ActiveRun, ...] = ()
    outputs: frozenset[Output] = frozenset()

    def changed(self, change: "RosterChange") -> "HeadRoster":
        """Return the roster after a change."""
        gone = frozenset(change.ended)
        runs = tuple(run for run in self.runs if run.uuid not in gone) if gone else self.runs
        return HeadRoster((*runs, *change.begun), (self.outputs - change.off) | change.on)


@dataclass(frozen=True, slots=True)
class RosterChange:
    """How a roster differs from the one before it."""

    begun: tuple[ActiveRun, ...] = ()
    ended: tuple[str, ...] = ()  # by uuid
    on: frozenset[Output] = frozenset()
    off: frozenset[Output] = frozenset()


def change_between(before: HeadRoster, after: HeadRoster) -> RosterChange:
    """Return how a roster differs from another: mostly runs that were added at its end."""
    on, off = after.outputs - before.outputs, before.outputs - after.outputs
    stay = len(before.runs)
    if after.runs[:stay] == before.runs:
        return RosterChange(after.runs[stay:], (), on, off)
    old, new = {run.uuid for run in before.runs}, {run.uuid for run in after.runs}
    begun = tuple(run for run in after.runs if run.uuid not in old)
    return RosterChange(begun, tuple(run.uuid for run in before.runs if run.uuid not in new), on, off)


@dataclass(frozen=True, slots=True)
class _RosterPlace:
    """Where the roster stands: number of the last record, place of the last list, its bytes, and where the next record goes."""

    number: int = 0
    place: int = 1
    listed: int = 0
    end: int = 0


class RosterFile:
    """The part of a head's file that holds its roster, from `begin` on."""

    def __init__(self, begin: int) -> None:
        """Know of nothing there yet."""
        self._begin = begin
        self._stand = self._next = _RosterPlace()
        # Nobody knows what lies behind the last record: a new list must follow, in the other place.
        self._doubtful = True

    def read(self, path: Path) -> HeadRoster:
        """Return the roster as it stands in a file, and go on behind it."""
        found = []
        with path.open("rb") as file:
            for place, at, length in ((0, 0, PLACE), (1, PLACE, PLACE), (0, OLD_PLACE, OLD_PLACE)):
                file.seek(self._begin + at)
                number, roster = _followed(file.read(length))
                found.append((number, place, roster))
        number, place, roster = max(found, key=lambda each: each[0])
        self._stand, self._doubtful = _RosterPlace(number, place), True
        return roster

    def write(self, descriptor: int, before: HeadRoster, after: HeadRoster) -> None:
        """Write how a roster has changed; once the file is synced, `keep` must follow.

        Raises:
            StoreError: It finds no room.
            OSError: The disk failed.
        """
        stand, now = self._stand, change_between(before, after)
        if not self._doubtful:
            change = _change_bytes(stand.number + 1, now)
            end = stand.end + len(change)
            if end <= min(PLACE, max(2 * stand.listed, WORTH)):
                self._doubtful, self._next = True, replace(stand, number=stand.number + 1, end=end)
                write_at(descriptor, change, self._begin + stand.place * PLACE + stand.end)
                return
        number = stand.number + 2  # beyond a change that may stand there though it was not kept
        listed = _list_bytes(number, after)
        self._doubtful, self._next = True, _RosterPlace(number, 1 - stand.place, len(listed), len(listed))
        write_at(descriptor, listed, self._begin + self._next.place * PLACE)

    def keep(self) -> None:
        """Note that what was written last is durable."""
        self._stand, self._doubtful = self._next, False


# --- bytes ------------------------------------------------------------------------------------------------------------


def _list_bytes(number: int, roster: HeadRoster) -> bytes:
    outputs = [[each.serial, each.channel] for each in sorted(roster.outputs)]
    made = _record(_LIST_MAGIC, number, {"runs": [each.values for each in roster.runs], "outputs": outputs})
    if len(made) > PLACE:
        raise StoreError(f"wanted at most {PLACE} bytes of runs and outputs beside the journal, found {len(made)}")
    return made


def _change_bytes(number: int, change: RosterChange) -> bytes:
    on, off = ([[each.serial, each.channel] for each in sorted(outputs)] for outputs in (change.on, change.off))
    begun = [each.values for each in change.begun]
    return _record(_CHANGE_MAGIC, number, {"begun": begun, "ended": change.ended, "on": on, "off": off})


def _record(magic: bytes, number: int, content: Mapping[str, object]) -> bytes:
    text = orjson.dumps(content)
    return sealed(_HEADER.pack(magic, number, len(text)) + text)


def _followed(place: bytes) -> tuple[int, HeadRoster]:
    """Return the number and the roster after the last whole record of a place, 0 and an empty one where there is no list."""
    number, listed, end = _read(place, 0, _LIST_MAGIC)
    if listed is None:
        return 0, HeadRoster()
    roster = HeadRoster(_runs(listed["runs"]), _outputs(listed["outputs"]))
    while True:
        next_number, change, end = _read(place, end, _CHANGE_MAGIC)
        if change is None or next_number != number + 1:
            return number, roster
        on, off = _outputs(change["on"]), _outputs(change["off"])
        roster = roster.changed(RosterChange(_runs(change["begun"]), tuple(change["ended"]), on, off))
        number = next_number


def _read(place: bytes, at: int, magic: bytes) -> tuple[int, Any, int]:
    """Return number and content of a record, and where it ends; None for the content where there is none that is whole."""
    if len(place) < at + _HEADER.size:
        return 0, None, at
    _, number, length = _HEADER.unpack_from(place, at)
    text = unsealed(place[at : at + _HEADER.size + length + DIGEST], _HEADER.size + length, magic)
    if text is None:
        return 0, None, at
    return number, orjson.loads(text[_HEADER.size :]), at + len(text) + DIGEST


def _runs(stored: Iterable[Sequence[str]]) -> tuple[ActiveRun, ...]:
    return tuple(ActiveRun(*each) for each in stored)


def _outputs(stored: Iterable[Sequence[str]]) -> frozenset[Output]:
    return frozenset(Output(*each) for each in stored)

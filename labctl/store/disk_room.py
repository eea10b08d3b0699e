"""How long the room on the disk lasts: from how it went until now, whoever fills it."""

import shutil
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from labctl.store.location import RESERVE_BYTES

WARN_WITHIN = 7 * 86400.0  # s until the disk is full, at the rate of the last hours
WARN_BELOW = (
    64 * RESERVE_BYTES
)  # bytes of free room, 256 MiB: days of a few channels, and less than any update of a system takes
WINDOW = 6 * 3600.0  # s of which the rate is taken
SHORTEST = 300.0  # s of history below which no rate is believed
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the disk.

    Attributes:
        free: Bytes that may still be written.
        rate: Bytes a second by which it became less, 0 where it did not, or nobody knows yet.
    """

    free: int
    rate: float = 0.0

    @property
    def seconds(self) -> float:
        """Return how long it lasts at this rate, s; infinity if it does not become less."""
        return self.free / self.rate if self.rate > 0 else float("inf")

    @property
    def short(self) -> bool:
        """Tell whether a person should be warned."""
        return self.seconds < WARN_WITHIN or self.free < WARN_BELOW

    def __str__(self) -> str:
        """Say it in one sentence."""
        words = f"{size(self.free)} are free"
        if self.seconds == float("inf"):
            return words
        days = self.seconds / DAY
        lasts = (
            f"{days:.1f} days"
            if days >= 1
            else f"{24 * days:.1f} hours"
            if 24 * days >= 1
            else f"{1440 * days:.0f} minutes"
        )
        return f"{words} and become less by {size(self.rate * DAY)} a day: the disk is full in {lasts}"


@dataclass(slots=True)
class RoomWatch:
    """Looks at the room again and again, and takes the rate of the last hours.

    What another program wrote and took away again is no rate: the later half of the time must have become less, too.
    """

    _looks: deque[tuple[float, int]] = field(default_factory=deque)

    def look(self, now: float, free: int) -> Room:
        """Return the room after another look.

        Args:
            now: Seconds of the machine, of any begin.
            free: Bytes.
        """
        self._looks.append((now, free))
        while now - self._looks[0][0] > WINDOW:
            self._looks.popleft()
        begin = self._looks[0]
        if now - begin[0] < SHORTEST:
            return Room(free)
        middle = next(look for look in self._looks if look[0] - begin[0] >= (now - begin[0]) / 2)
        rates = [(look[1] - free) / (now - look[0]) for look in (begin, middle) if now > look[0]]
        return Room(free, max(0.0, min(rates)))


def free_room(folder: Path) -> int:
    """Return the bytes that may still be written where a folder lies; may wait for a network."""
    return shutil.disk_usage(folder).free


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

"""Who may publish next: at most so often each, at most so many together, in turn. Pure; time is handed in."""

import heapq
from collections.abc import Iterable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Ration(Generic[Value]):
    """Keeps the newest value of each key until it is its turn.

    The key that has waited longest since its last turn is next, so that a thousand channels under a common bound are each
    seen equally often. Memory is one value a key.

    Args:
        each: Seconds between two turns of one key.
        together: Turns per second of all keys.
        burst: Turns that may follow each other at once after a pause; bounds the wake-ups, not the rate.
    """

    def __init__(self, each: float, together: float, burst: int = 20) -> None:
        self._each = each
        self._gap = 1.0 / together
        self._credit = burst * self._gap
        self._waiting: dict[str, Value] = {}
        self._turns: list[tuple[float, int, str]] = []
        self._next_of: dict[str, float] = {}
        self._next = float("-inf")
        self._count = 0

    def __len__(self) -> int:
        """Return how many keys wait."""
        return len(self._waiting)

    def offer(self, key: str, value: Value) -> None:
        """Put the newest value of a key in the place of the one before it."""
        if key not in self._waiting:
            self._count += 1
            heapq.heappush(self._turns, (self._next_of.get(key, float("-inf")), self._count, key))
        self._waiting[key] = value

    def offer_all(self, keys: Iterable[str], value: Value) -> None:
        """Offer many keys with the same value; those that wait already keep theirs."""
        for key in [key for key in keys if key not in self._waiting]:
            self.offer(key, value)

    def forget(self, key: str) -> None:
        """Drop a key and what waits for it."""
        self._next_of.pop(key, None)
        if self._waiting.pop(key, None) is not None:
            self._turns = [turn for turn in self._turns if turn[2] != key]
            heapq.heapify(self._turns)

    def take(self, now: float) -> tuple[str, Value] | None:
        """Return the next key and its newest value if one may go at `now` (seconds, never falling), else None."""
        if not self._turns or now < self._turns[0][0] or now < self._next:
            return None
        _, _, key = heapq.heappop(self._turns)
        self._next_of[key] = now + self._each
        self._next = max(self._next, now - self._credit) + self._gap
        return key, self._waiting.pop(key)

    def due(self) -> float | None:
        """Return when the next one may go, or None if nobody waits."""
        return max(self._turns[0][0], self._next) if self._turns else None

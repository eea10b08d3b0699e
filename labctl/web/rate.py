"""How many orders a person may give in a moment; those that only make safer are never counted."""

import time
from collections.abc import Callable


class Rates:
    """Room for so many orders a second and person, and a few at once.

    Attributes:
        most: Orders a second.
    """

    def __init__(self, most: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `most` a second."""
        self.most = most
        self._clock = clock
        self._free: dict[str, float] = {}

    def taken(self, name: str) -> float:
        """Take room for one order of a person; return the seconds to wait where there is none, 0.0 where there was."""
        now = self._clock()
        free = max(self._free.get(name, 0.0), now - 1.0)
        if free > now:
            return free - now
        self._free[name] = free + 1.0 / self.most
        return 0.0

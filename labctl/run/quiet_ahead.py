"""Rows that sources have ready and that change nothing but the sums of their runs: taken without a fold when their time comes."""

from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labctl.engine.state_parts import LastRow
from labctl.sample import Batch, Floats
from labctl.store.entry import Entry, QuietRows
from labctl.store.matrix import RECORD, RUN, WIDTH, last_of, matrix_of

AHEAD = 1024  # rows of one run, at most
LOOK = 16  # rows looked at together; more are seldom due in one turn
BLOCK = 64  # places whose rows lie in one array: with thousands, to copy all into a larger one would stop the loop for a second
Places = NDArray[np.intp]


class QuietColumns:
    """Quiet rows of the runs at one connection, as they will be stored: a row of every column for each place.

    Attributes:
        taken: By place, how many rows were taken so far.
        origin: By place, clock time of the run's time 0.
    """

    def __init__(self) -> None:
        """Have no place yet."""
        self._blocks: list[Floats] = []
        self._times = np.empty((0, AHEAD + LOOK))  # with infinity behind the last row
        self._count = np.zeros(0, np.intp)
        self._steps = np.zeros(0, np.intp)
        self.taken = np.zeros(0, np.intp)
        self.origin = np.zeros(0)
        self._free: list[int] = []

    def enter(self) -> int:
        """Return a place for a run."""
        if not self._free:
            old, new = len(self.taken), max(4, 2 * len(self.taken))
            filled = np.flatnonzero(
                self._count
            )  # where runs come one after the other, none is: nothing large is copied
            self._blocks += [np.empty((BLOCK * AHEAD, WIDTH)) for _ in range(-(-new // BLOCK) - len(self._blocks))]
            for name in ("_times", "_count", "_steps", "taken", "origin"):
                column = getattr(self, name)
                wider = np.empty((new, *column.shape[1:]), column.dtype)
                kept = filled if column.ndim > 1 else slice(old)
                wider[kept] = column[kept]
                setattr(self, name, wider)
            self._free = list(range(new - 1, old - 1, -1))
        place = self._free.pop()
        self.clear(place)
        return place

    def leave(self, place: int) -> None:
        """Give a place back."""
        self.clear(place)
        self._free.append(place)

    def put(self, place: int, rows: Entry, batch: Batch) -> None:
        """Put the quiet rows of a run, which are those of `batch`, in its place."""
        count = min(len(batch), AHEAD)
        block, at = divmod(place, BLOCK)
        self._blocks[block][at * AHEAD : at * AHEAD + count] = matrix_of([rows])[:count]
        self._times[place, :count] = batch.time[:count]
        self._times[place, count:] = np.inf
        self._count[place], self._steps[place], self.taken[place] = count, batch.step, 0

    def clear(self, place: int) -> None:
        """Let a place have no rows."""
        self._count[place] = self.taken[place] = 0

    def last(self, place: int) -> LastRow:
        """Return what a state knows of the row of a place that was taken last."""
        block, at = divmod(place, BLOCK)
        return last_of(self._blocks[block][at * AHEAD + self.taken[place] - 1])

    def time(self, place: int) -> float:
        """Return the run time of the row of a place that was taken last, s."""
        return self._times.item(place, self.taken.item(place) - 1)

    def take(self, places: Places, now: float) -> tuple[QuietRows | None, NDArray[np.bool_]]:
        """Take the rows that are due at a time of the clock and were not taken yet.

        Args:
            places: In the order of the numbers of their runs.
            now: Of the clock.

        Returns:
            The rows, None of no run; and whether the next row of a place may be one that matters, of which none was taken.
        """
        taken, count, until = self.taken[places], self._count[places], now - self.origin[places]
        ahead = self._times[places[:, None], taken[:, None] + np.arange(LOOK)]
        due = (ahead <= until[:, None]).sum(axis=1)
        for more in np.flatnonzero(due == LOOK):
            due[more] = self._times[places[more]].searchsorted(until[more], "right") - taken[more]
        matters = taken + due >= count
        due[matters] = 0
        self.taken[places] = taken + due
        some = due > 0
        if not some.any():
            return None, matters
        mine, begins, counts = places[some], taken[some], due[some]
        ends = counts.cumsum()
        rows = np.arange(ends[-1]) + np.repeat(mine * AHEAD + begins - (ends - counts), counts)
        values = self._rows(rows)
        first = values[ends - counts]
        numbers = first[:, RUN].astype(int).tolist(), first[:, RECORD].astype(int).tolist()
        return QuietRows(values, *numbers, ends.tolist(), self._steps[mine].tolist()), matters

    def _rows(self, wanted: Places) -> Floats:
        """Return rows by their numbers through all blocks, a copy."""
        block, row = np.divmod(wanted, BLOCK * AHEAD)
        cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(wanted)]
        return np.concatenate([self._blocks[block[begin]][row[begin:end]] for begin, end in pairwise(cuts)])


class TakenRows(Protocol):
    """Rows that were taken without a fold, by the places of their runs."""

    taken: Places

    def last(self, place: int) -> LastRow:
        """Return what a state knows of the row of a place that was taken last."""

    def time(self, place: int) -> float:
        """Return the run time of that row, s."""

    def clear(self, place: int) -> None:
        """Take no more."""


class QuietAhead:
    """The quiet rows of one run.

    Attributes:
        known: After how many the state of the run was last brought up to date.
    """

    __slots__ = ("_columns", "_place", "_skip", "known")

    def __init__(self, columns: TakenRows, place: int, skip: Callable[[int], None]) -> None:
        """Stand at the first row in a place; `skip` tells the source how many were taken."""
        self._columns, self._place, self._skip = columns, place, skip
        self.known = 0

    @property
    def taken(self) -> int:
        """How many rows were taken so far."""
        return self._columns.taken.item(self._place)

    def last(self) -> LastRow:
        """Return what a state knows of the row taken last."""
        self.known = self.taken
        return self._columns.last(self._place)

    @property
    def time(self) -> float:
        """Run time of the row taken last, s."""
        return self._columns.time(self._place)

    def leave(self) -> None:
        """Let the source stand after the row taken last."""
        if taken := self.taken:
            self._skip(taken)
        self._columns.clear(self._place)

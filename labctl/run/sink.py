"""The journal's writer, as the shell needs it: what one run hands over at once is never cut by a commit."""

import asyncio
from collections.abc import Sequence

from labctl.engine.input import Event
from labctl.store.entry import Entry, Item
from labctl.store.journal import Journal
from labctl.store.writer import Writer


class Sink(Writer):
    """A writer whose commits end at a checkpoint.

    The rows of a run and the state after them belong into one commit: cell and run go back to it together.
    """

    def __init__(self, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; `loop` is where callbacks run."""
        super().__init__(journal, loop, at_checkpoints=True)

    def hand_over(self, entries: Sequence[Item]) -> None:
        """Take entries, those of one run together and the last of them with its checkpoint; returns at once."""
        self.offer_all(entries)

    def fail(self, run_id: int, record: int, time: float, why: str) -> None:
        """End a run that the engine cannot end any more, after what was handed over."""
        self.offer(Entry(run_id, events=(Event("run_ended", record, time, {"reason": "failed", "why": why}),)))

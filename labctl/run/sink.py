"""The journal's writer, as the shell needs it: what one run hands over at once is never cut by a commit."""

from collections.abc import Sequence

from labctl.engine.input import Event
from labctl.store.entry import Entry
from labctl.store.writer import Writer


class Sink(Writer):
    """A writer whose commits end at a checkpoint.

    The rows of a run and the state after them belong into one commit: cell and run go back to it together.
    """

    def hand_over(self, entries: Sequence[Entry]) -> None:
        """Take entries, those of one run together and the last of them with its checkpoint; returns at once."""
        self.offer_all(entries)

    def fail(self, run_id: int, record: int, time: float, why: str) -> None:
        """End a run that the engine cannot end any more, after what was handed over."""
        self.offer(Entry(run_id, events=(Event("run_ended", record, time, {"reason": "failed", "why": why}),)))

    def _front(self, *, all_of_it: bool) -> tuple[Entry, ...]:
        front = super()._front(all_of_it=all_of_it)
        count, entries = len(front), self._entries
        while count < len(entries) and entries[count - 1].checkpoint is None:
            count += 1
        return tuple(entries[:count])

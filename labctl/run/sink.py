"""Where entries go: the journal's writer, as the shell needs it."""

from collections.abc import Sequence
from typing import Protocol

from labctl.store.entry import Entry


class Sink(Protocol):
    """Takes entries in order; durable once flushed."""

    def offer(self, entries: Sequence[Entry]) -> None:
        """Take entries of one run that belong into one commit; returns at once."""

    async def room(self) -> None:
        """Wait until less than the bound waits to be written."""

    async def flush(self) -> None:
        """Wait until everything offered so far is durable."""

    def fail(self, run_id: int, why: str) -> None:
        """End a run from outside the engine, after what was offered."""

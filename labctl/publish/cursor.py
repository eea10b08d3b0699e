"""Follows the journal by cursor and turns stored events into messages, each once, in order per run."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from labctl.publish.payload import stamped
from labctl.publish.publisher import Message
from labctl.publish.topic import Topics
from labctl.store.entry import Changes, Run, StoredEvent

NAME = "mqtt"  # of the cursor
PAGE = 50  # commits read at a time
MOST_RUNS = 4096  # whose channel and begin are kept at hand

Fields = Mapping[str, object]


class Journal(Protocol):
    """What of the journal's reader is used."""

    def head(self) -> int:
        """Return the newest commit."""

    def after(self, commit_id: int, most: int = ...) -> Changes:
        """Return what was committed after a cursor, at most so many commits."""

    def run(self, run_id: int) -> Run:
        """Return one run."""

    def spectrum(self, run_id: int, number: int) -> Fields:
        """Return the columns of a spectrum by name."""


@dataclass(slots=True)
class Follower:
    """Reads the events after a cursor page by page; holds one page at most.

    Attributes:
        journal: Whence.
        topics: Whither.
        position: Everything up to this commit is delivered.
        live_after: Events of commits up to this one happened before the connection and are marked historical.
    """

    journal: Journal
    topics: Topics
    position: int
    live_after: int = 0
    _page: deque[Message] | None = None
    _page_end: int = 0
    _runs: dict[int, Run] | None = None

    @property
    def historical(self) -> bool:
        """Tell whether what comes next happened before the connection."""
        return self.position < self.live_after

    def restart(self) -> None:
        """Go back to the cursor: what was read and not delivered will be read again."""
        self._page = None

    def peek(self) -> Message | None:
        """Return the next message, or None when everything is delivered; reads a page where needed."""
        while not self._page:
            if self._page is not None:
                self.position = self._page_end
            changes = self.journal.after(self.position, most=self._most())
            if changes.commit_id <= self.position:
                self._page = None
                return None
            self._page_end = changes.commit_id
            self._page = deque(self._messages(changes))
        return self._page[0]

    def delivered(self) -> bool:
        """Count the message last peeked as delivered; return whether it was the last of its page."""
        if self._page:
            self._page.popleft()
            if not self._page:
                self.position, self._page = self._page_end, None
                return True
        return False

    def _most(self) -> int:
        """A page does not reach over the border between history and now, so that each is marked as what it is."""
        left = self.live_after - self.position
        return min(PAGE, left) if left > 0 else PAGE

    def _messages(self, changes: Changes) -> Iterator[Message]:
        historical = self.historical
        for run_id, events in changes.events.items():
            run = self._run(run_id)
            for event in events:
                yield self._message(run, event, historical=historical)

    def _message(self, run: Run, stored: StoredEvent, *, historical: bool) -> Message:
        event = stored.event
        more = dict(event.data)
        topic = self.topics.event(run.uuid)
        match event.kind:
            case "cycle_ended":
                topic = self.topics.cycle(run.uuid)
            case "result":
                topic = self.topics.result(run.uuid, str(more.get("name", "")))
            case "spectrum_ended":
                number = int(str(more.get("spectrum", 0)))
                topic = self.topics.spectrum(run.uuid, number)
                more |= self.journal.spectrum(run.run_id, number)
        fields = {
            "run": run.uuid,
            "ch": run.channel,
            "seq": stored.seq,
            "event": event.kind,
            "historical": True if historical else None,
            "record_index": event.record_index,
            "test_time_second": event.time,
        }
        return Message(topic, stamped(run.began_unix_time + event.time, {**fields, **more}), qos=1)

    def _run(self, run_id: int) -> Run:
        if self._runs is None or len(self._runs) >= MOST_RUNS:
            self._runs = {}
        if run_id not in self._runs:
            self._runs[run_id] = self.journal.run(run_id)
        return self._runs[run_id]

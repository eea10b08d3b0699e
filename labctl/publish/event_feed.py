"""Follows the journal by cursor and turns stored events into messages, each once, in order per run."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import orjson

from labctl.publish.encode import stamped
from labctl.publish.publisher import Message
from labctl.publish.topic import Topics
from labctl.store.entry import StoredEvent, StoredRun
from labctl.store.queries import EVENTFUL, NEXT_EVENTFUL, POINTS_OF_SPECTRUM
from labctl.store.reader import Reader

NAME = "mqtt"  # of the cursor in the journal
COMMITS = 50  # looked at together
EVENTS = 500  # of a page, unless one commit has more
MOST_RUNS = 4096  # whose channel and begin are kept at hand

SPECTRUM_COLUMNS = ("frequency_hertz", "real_impedance_ohm", "imaginary_impedance_ohm")


@dataclass(slots=True)
class Page:
    """Messages of the commits up to `upto`; `historical` when they happened before the connection."""

    upto: int
    historical: bool
    messages: deque[Message] = field(default_factory=deque)


def analysed_fields(data: Mapping[str, object]) -> dict[str, object]:
    """Return what is published of an analysis: each figure under its name with its unit, the flags as a list; no table."""
    figures = orjson.loads(str(data["figures"]))
    named = {" / ".join(filter(None, (each["name"], each["unit"]))): each["value"] for each in figures}
    kept = {name: data[name] for name in ("analysis", "options", "version")}
    return {**kept, **named, "flags": orjson.loads(str(data["flags"]))}


class Follower:
    """Reads the events after a cursor page by page, so that memory does not grow with the distance.

    Attributes:
        position: Everything up to this commit is delivered.
        live_after: Events of commits up to this one happened before the connection and are marked historical.
    """

    def __init__(self, reader: Reader, topics: Topics, position: int) -> None:
        """Follow from `position` on; `reader` is this object's alone."""
        self._reader = reader
        self._topics = topics
        self._runs: dict[int, StoredRun] = {}
        self.position = position
        self.live_after = 0

    def begin(self) -> None:
        """Note that what is stored by now happened before the connection."""
        self.live_after = self._reader.last_commit()

    def page(self) -> Page | None:
        """Return the next page, None when everything is delivered. Blocks on the disk for some milliseconds."""
        last = self._reader.last_commit()
        while self.position < last:
            historical = self.position < self.live_after
            upto = min(self.position + COMMITS, self.live_after if historical else last)
            events = self._reader.query(EVENTFUL, after=self.position, upto=upto)
            if events:
                return self._page(events, upto, historical=historical)
            later = self._reader.query(NEXT_EVENTFUL, after=upto)[0][0]
            self.position = max(upto, min(last, last if later is None else int(later) - 1))
        return None

    def _page(self, events: Sequence[Any], upto: int, *, historical: bool) -> Page:
        page = Page(upto, historical)
        for commit_id, parts in groupby(events, key=lambda row: int(row[0])):
            if len(page.messages) >= EVENTS:
                page.upto = commit_id - 1
                break
            for _, run_id, first, last in parts:
                page.messages.extend(self._messages(int(run_id), int(first), int(last), historical=historical))
        return page

    def _messages(self, run_id: int, first: int, last: int, *, historical: bool) -> Iterator[Message]:
        if len(self._runs) >= MOST_RUNS:
            self._runs.clear()
        if run_id not in self._runs:
            self._runs[run_id] = self._reader.run(run_id)
        for event in self._reader.events(run_id, first, last):
            yield self._message(self._runs[run_id], event, historical=historical)

    def _message(self, run: StoredRun, stored: StoredEvent, *, historical: bool) -> Message:
        event = stored.event
        more = dict(event.data)
        match event.kind:
            case "cycle_ended":
                topic = self._topics.cycle(run.uuid)
            case "result":
                topic = self._topics.result(run.uuid, str(more.get("name", "")))
            case "analysed":
                topic = self._topics.result(run.uuid, str(more.get("analysis", "")))
                more = analysed_fields(more)
            case "spectrum_ended":
                number = int(str(more.get("spectrum", 0)))
                topic = self._topics.spectrum(run.uuid, number)
                more |= self._spectrum(run.run_id, number)
            case _:
                topic = self._topics.event(run.uuid)
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

    def _spectrum(self, run_id: int, number: int) -> dict[str, list[float | None]]:
        rows = self._reader.query(POINTS_OF_SPECTRUM, run=run_id, number=number)
        return {name: [row[index] for row in rows] for index, name in enumerate(SPECTRUM_COLUMNS)}

"""The live stream: server-sent events from the hub, a beat every two seconds, a snapshot for who comes back."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any, Final

import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from labctl.store.people import People
from labctl.store.reader import Reader
from labctl.web.as_json import as_json
from labctl.web.channel_rows import LIVE
from labctl.web.gate import Visit
from labctl.web.hub import Hub

AT_MOST: Final = 0.2  # s between two messages to who looks at some channels: a page draws their curves
BEAT: Final = 2.0  # s after which something is said in any case; the page gives up after 5
STREAMS: Final = 4  # of one session at a time: a browser has six connections to one host
WALL: Final = (
    "activity", "run", "protocol", "cell", "why", "voltage_volt", "current_ampere", "step_type", "cycle_count", "progress",
    "measured",
)  # fmt: skip
"""What is told of every channel to who looks at all of them."""
SHARED: Final = 16  # messages for all that are kept for the next who wants the same
MOST_ROWS: Final = 4000  # new rows of a run in one message; of more, the page asks for the view anew


class Streams:
    """The open streams; each ends when the process stops, when its session does, or when a session has too many."""

    def __init__(self, hub: Hub, people: People) -> None:
        """Tell what the hub knows."""
        self._hub = hub
        self._people = people
        self._open: OrderedDict[int, tuple[str, asyncio.Event]] = OrderedDict()
        self._stop = asyncio.Event()
        self._number = 0
        self._made: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def stop(self) -> None:
        """End all streams."""
        self._stop.set()
        for _, rest in self._open.values():
            rest.set()

    async def live(self, request: Request) -> Response:
        """Answer with a stream of the channels named by `channel`, all where none is; `run` and `after` ask for its rows, too."""
        visit: Visit = request.state.visit
        names = frozenset(request.query_params.getlist("channel"))
        run, after = request.query_params.get("run", ""), request.query_params.get("after", "-1")
        rows = (run, int(after)) if run and after.lstrip("-").isdecimal() else None
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(self._events(visit, names, rows), media_type="text/event-stream", headers=headers)

    async def _events(self, visit: Visit, names: frozenset[str], rows: tuple[str, int] | None) -> AsyncIterator[bytes]:
        rest = asyncio.Event()
        self._number += 1
        mine = self._number
        owner = visit.session or ("" if visit.face == "token" else visit.by)
        self._open[mine] = owner, rest
        if owner:  # a browser; programs have as many as they like
            self._end_oldest(owner)
        try:
            with self._hub.watching():
                async for message in self._messages(visit, names, rows, rest):
                    yield message
        finally:
            self._open.pop(mine, None)

    def _end_oldest(self, session: str) -> None:
        """End what a browser, known by its session or by who its proxy says it is, has beyond its share."""
        mine = [rest for owner, rest in self._open.values() if owner == session and not rest.is_set()]
        for rest in mine[:-STREAMS]:
            rest.set()

    async def _messages(
        self, visit: Visit, names: frozenset[str], rows: tuple[str, int] | None, rest: asyncio.Event
    ) -> AsyncIterator[bytes]:
        hub, version = self._hub, self._hub.version
        yield self._picture(names)
        said = checked = asyncio.get_running_loop().time()
        while not self._stop.is_set():
            await self._wait(version, rest)
            if names and (early := said + AT_MOST - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(early)
            if rest.is_set():
                yield event("resting", {})
                return
            now = asyncio.get_running_loop().time()
            before, version = version, hub.version
            message = self._message(names, before, now - said >= BEAT)
            if message:
                said = now
                yield message
            if rows is not None:
                fresh = await self._rows(*rows)
                if fresh is not None:
                    rows = rows[0], int(fresh["last"])
                    yield event("rows", fresh)
            if now - checked >= BEAT:
                checked = now
                if visit.session and await asyncio.to_thread(self._people.who, visit.session, "session") is None:
                    yield event("ended", {})
                    return

    def _message(self, names: frozenset[str], version: int, beat: bool) -> bytes:
        """Return what changed since a version for who looks at some channels, or at all: then it is made once for all of them.

        Nothing where no change concerns who looks and it is not time for a beat.
        """
        hub = self._hub
        if not names and (version, hub.version) in self._made:
            return self._made[version, hub.version]
        changes = hub.since(version)
        if changes is None:
            return self._picture(names)
        told = {name: row for name, row in changes[1].items() if not names or name in names}
        if not (told or "" in changes[1] or beat):
            return b""
        message = self._news("news", names, told)
        if not names:
            self._keep((version, hub.version), message)
        return message

    def _keep(self, key: tuple[int, int], message: bytes) -> None:
        if key[0] < key[1]:  # a beat without news says the moment, which passes
            self._made[key] = message
        while len(self._made) > SHARED:
            self._made.popitem(last=False)

    async def _wait(self, version: int, rest: asyncio.Event) -> None:
        """Wait for something new, no longer than a beat."""
        hub = self._hub
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT), hub.changed:
                await hub.changed.wait_for(lambda: hub.version > version or rest.is_set() or self._stop.is_set())

    def _picture(self, names: frozenset[str]) -> bytes:
        chosen = {name: row for name, row in self._hub.channels.items() if not names or name in names}
        return self._news("hello", names, chosen)

    def _news(self, kind: str, names: frozenset[str], channels: dict[str, Any]) -> bytes:
        """Return an event with channels: all that is known of some, what a wall shows where all are looked at."""
        station = self._hub.station
        rows = {name: row for name, row in channels.items() if name}
        if not names:
            rows = {name: {key: row[key] for key in WALL if key in row} for name, row in rows.items()}
        return event(kind, {
            "now": self._hub.now(), "lost": station.lost_since, "alarms": station.alarms, "channels": rows,
            "counts": counts(self._hub),
        })  # fmt: skip

    async def _rows(self, run: str, after: int) -> dict[str, Any] | None:
        channel = next((row for row in self._hub.channels.values() if row.get("run") == run), None)
        if channel is None or (channel.get("record_index") or -1) <= after:
            return None
        run_id, last = int(channel["run_id"]), int(channel["record_index"])

        def read(reader: Reader) -> dict[str, Any]:
            if last - after > MOST_ROWS:
                return {"last": last, "more": True}
            batch = reader.rows(run_id, after + 1, last)
            temperature = batch.temperature_celsius
            columns = {"voltage": batch.voltage, "current": batch.current}
            if temperature is not None and np.isfinite(temperature).any():
                columns["temperature"] = temperature
            return {
                "last": last, "t": np.round(batch.time, 3),
                **{name: values.astype(np.float32) for name, values in columns.items()},
            }  # fmt: skip

        return await self._hub.read(read)


def counts(hub: Hub) -> dict[str, int]:
    """Return how many channels are in each state."""
    states: dict[str, int] = {}
    for row in hub.channels.values():
        state = str(row.get("activity", "idle"))
        states[state] = states.get(state, 0) + 1
    return states


def active(hub: Hub) -> bool:
    """Tell whether something goes on."""
    return any(row.get("activity") in LIVE for row in hub.channels.values())


def event(name: str, value: object) -> bytes:
    """Return a server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + as_json(value) + b"\n\n"

"""What all viewers look at: the channels as they are, kept once for all of them and told as changes.

Two sources are joined. The journal is read by cursor, ten times a second while somebody looks: the newest row of every run that a
commit touched. The daemon is asked once a second for what no journal holds: what an idle channel is, what a run waits for, what is
wrong with the station. Where no daemon answers, the journal alone is shown, and said to be as of its last commit.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from labctl.control.client import DaemonClient
from labctl.errors import LabctlError
from labctl.store import queries
from labctl.store.reader import Reader
from labctl.web.channel_rows import LIVE, Row, last_row, news_after, row_of_run

TAIL_EVERY: Final = 0.1  # s between two looks at the journal while somebody watches, and between two messages to them
TAIL_MANY_EVERY: Final = 0.25  # s, of many channels: each hands over once a second
ASK_EVERY: Final = 1.0  # s between two questions to the daemon
LOOKED_WITHIN: Final = 2.0  # s that the daemon has for an answer to who only looks, twice
MANY: Final = 200  # channels from which on it is asked less often
ASK_MANY_EVERY: Final = 5.0  # s; a state of a thousand channels is half a megabyte
ASK_MANY_AGAIN: Final = 1.0  # s, at least, whatever happens on them
REMEMBERED: Final = 4096  # changes that a viewer may be behind; further, it gets everything anew

T = TypeVar("T")
MEASURED: Final = frozenset({
    "voltage_volt", "current_ampere", "surface_temperature_celsius", "charging_capacity_ah", "discharging_capacity_ah",
    "charging_energy_wh", "discharging_energy_wh", "record_index", "test_time_second", "measured",
})  # fmt: skip
LASTING: Final = MEASURED | {"cycle_count"}
"""What stays of a run when it has ended."""
KEPT: Final = frozenset({"channel", "measured"})


@dataclass(slots=True)
class StationView:
    """What is known of the station as a whole: its name, its alarms, and since when no daemon answers (UTC, s)."""

    name: str = ""
    alarms: list[Row] = field(default_factory=list)
    lost_since: float | None = None
    lost_why: str = ""


class Hub:
    """The channels of one station, for all viewers of this process. Everything but the reading belongs to the loop.

    Attributes:
        station: The station as a whole.
        channels: What each channel does, as `status` says it, with `measured`: when its last row came (UTC, s).
        version: Grows with every change.
        changed: Told of every change.
    """

    def __init__(self, where: Path | str, folder: Path | None, now: Callable[[], float] = time.time) -> None:
        """Look at a store; `folder` is the daemon's data folder, None where only the store is there."""
        self.where = where
        self.folder = folder
        self.now = now
        self.station = StationView()
        self.channels: dict[str, Row] = {}
        self.version = 1
        self.changed = asyncio.Condition()
        self._changes: deque[tuple[int, str, Row]] = deque(maxlen=REMEMBERED)
        self._watchers = 0
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._wanted = asyncio.Event()
        self._soon = asyncio.Event()
        self._cursor = self._whole_at = 0  # commits: up to which rows are known, and of the last look at everything
        self._runs: dict[int, str] = {}
        self._without_rows: dict[str, int] = {}  # the run of a channel that ended before its first row
        self._tail_desk = ThreadPoolExecutor(1, "tail")
        self._ask_desk = ThreadPoolExecutor(1, "ask")
        self._view_desk = ThreadPoolExecutor(1, "views")
        self._readers: dict[str, Reader] = {}
        self._client: DaemonClient | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take a first look, and keep looking while somebody watches."""
        await self._first_look()
        self._tasks = [asyncio.create_task(self._tail(), name="tail"), asyncio.create_task(self._ask(), name="ask")]

    async def stop(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self.changed:
            self.changed.notify_all()
        for desk in (self._tail_desk, self._ask_desk, self._view_desk):
            desk.shutdown(wait=True)
        for reader in self._readers.values():
            reader.close()
        if self._client is not None:
            self._client.close()

    # --- for pages ---

    async def read(self, question: Callable[[Reader], T]) -> T:
        """Ask the journal, in a thread that has a reader of its own."""
        return await self._on(self._view_desk, "views", question)

    async def _on(self, desk: ThreadPoolExecutor, name: str, question: Callable[[Reader], T]) -> T:
        def asked() -> T:
            if name not in self._readers:
                self._readers[name] = Reader(self.where)
            return question(self._readers[name])

        return await asyncio.get_running_loop().run_in_executor(desk, asked)

    @contextlib.contextmanager
    def watching(self) -> Any:
        """Let the hub look as long as the context is open."""
        self._watchers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._wanted.clear()

    async def fresh(self) -> None:
        """Have a picture that is not older than a viewer would have: asked for by a page that is being made."""
        if not self._watchers:
            await self._look_at_journal()
            await self._ask_daemon()

    async def answered(self) -> None:
        """Know whether the daemon answers, asked within the last second: for who has no page open and cannot be told."""
        async with self._asking:
            if not self._watchers and time.monotonic() - self._asked_at >= ASK_EVERY:
                await self._ask_daemon()

    def since(self, version: int) -> tuple[int, dict[str, Row]] | None:
        """Return the version now and what changed since one, by channel; None where that is too long ago to know."""
        if version >= self.version:
            return self.version, {}
        if not self._changes or self._changes[0][0] > version + 1:
            return None
        merged: dict[str, Row] = {}
        for number, name, changes in reversed(self._changes):
            if number <= version:
                break
            merged[name] = {**changes, **merged.get(name, {})}
        return self.version, merged

    # --- looking ---

    async def _first_look(self) -> None:
        await self._look_at_all()
        await self._ask_daemon()

    async def _look_at_all(self) -> None:
        """Take everything that the store alone knows: at the start, and again and again where no daemon can be asked."""

        def look(reader: Reader) -> tuple[int, list[str], dict[str, Row], dict[int, str]]:
            names = [str(row[0]) for row in reader.query(queries.CHANNEL_NAMES)]
            runs = reader.last_runs()
            head = reader.query(queries.LAST_LABEL)  # a copy in PostgreSQL has none
            label = float(head[0][0]) if head else None
            rows = {name: row_of_run(reader, runs[name], label) for name in runs}
            active = {run.run_id: name for name, run in runs.items() if run.active}
            return reader.last_commit(), names, rows, active

        self._whole_at, names, rows, self._runs = await self._on(self._tail_desk, "tail", look)
        self._cursor = self._whole_at
        for name in [*names, *(name for name in rows if name not in names)]:
            self._take(name, {"channel": name, "activity": "idle", **rows.get(name, {})})

    async def _tail(self) -> None:
        while True:
            await self._wanted.wait()
            with contextlib.suppress(LabctlError):
                await self._look_at_journal()
            await asyncio.sleep(TAIL_MANY_EVERY if self._has_many else TAIL_EVERY)

    @property
    def _has_many(self) -> bool:
        return len(self.channels) > MANY

    async def _look_at_journal(self) -> None:
        """Take the newest row of every run that was committed to since the last look."""
        cursor, runs = self._cursor, self._runs
        news = await self._on(self._tail_desk, "tail", lambda reader: news_after(reader, cursor, runs))
        self._cursor, eventful = max(news.cursor, self._cursor), news.eventful
        now = self.now()
        for name, row in news.rows:
            channel = self.channels.get(name)
            if channel is None or channel.get("run_id") not in {row["run_id"], None}:
                eventful = True  # a run that the daemon has not told of yet
                continue
            self._take(name, {**row, "measured": now})
        if eventful:
            self._soon.set()
        await self._tell()

    async def _ask(self) -> None:
        while True:
            await self._wanted.wait()
            await self._ask_daemon()
            least, most = (ASK_MANY_AGAIN, ASK_MANY_EVERY) if self._has_many else (TAIL_EVERY, ASK_EVERY)
            await asyncio.sleep(least)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(most - least):
                    await self._soon.wait()
            self._soon.clear()

    async def _ask_daemon(self) -> None:
        self._asked_at = time.monotonic()
        if self.folder is None:
            with contextlib.suppress(LabctlError):
                await self._look_at_all()
            await self._tell()
            return
        try:
            rows, alarms, name = await asyncio.get_running_loop().run_in_executor(self._ask_desk, self._asked)
        except LabctlError as error:
            self.station.lost_why = str(error)
            if self.station.lost_since is None or self._cursor != self._whole_at:
                with contextlib.suppress(LabctlError):
                    await self._look_at_all()  # what it said last may be of before a run that has begun or ended since
            if self.station.lost_since is None:
                self.station.lost_since = self.now()
                self._touch()
            await self._tell()
            return
        now = self.now()
        if self.station.lost_since is not None or alarms != self.station.alarms:
            self._touch()
        self.station = StationView(name, alarms)
        for row in rows:
            self._merge(row, now)
        with contextlib.suppress(LabctlError):
            await self._take_last_rows()
        for gone in self.channels.keys() - {row["channel"] for row in rows}:
            if self.channels[gone].get("activity") in LIVE:
                self._take(gone, {"activity": "unknown", "why": "this station has no such channel any more"})
        await self._tell()

    async def _take_last_rows(self) -> None:
        """Take the last row of runs that ended before any row of theirs was seen: the daemon tells numbers of open runs alone."""
        missing = {
            int(row["run_id"]): name
            for name, row in self.channels.items()
            if row.get("run_id") not in {None, self._without_rows.get(name)}
            and row.get("record_index") is None
            and row.get("activity") not in LIVE
        }
        if not missing:
            return

        def look(reader: Reader) -> list[tuple[Any, Row]]:
            return [(run, last_row(reader, run)) for run in map(reader.run, missing)]

        for run, row in await self._on(self._tail_desk, "tail", look):
            name = missing[run.run_id]
            if "record_index" in row:
                self._take(name, row)
            elif not run.active:
                self._without_rows[name] = run.run_id

    def _asked(self) -> tuple[list[Row], list[Row], str]:
        try:
            if self._client is None:
                self._client = DaemonClient(self.folder, within=LOOKED_WITHIN)
            rows, alarms = self._client.station()
            name = self.station.name or str(self._client.info().get("station", ""))
        except LabctlError:
            if self._client is not None:
                self._client.close()
                self._client = None
            raise
        return rows, alarms, name

    def _merge(self, row: Row, now: float) -> None:
        """Take what the daemon says of a channel; a row that the journal gave meanwhile is newer."""
        name = str(row["channel"])
        before = self.channels.get(name, {})
        same = before.get("run") == row.get("run")
        if same and (row.get("record_index") or -1) < (before.get("record_index") or -1):
            row = {key: value for key, value in row.items() if key not in MEASURED}
        elif row.get("record_index") is not None and row.get("record_index") != before.get("record_index"):
            row = {**row, "measured": now if same or "measured" in before else before.get("measured", now)}
        cleared = {key: None for key in before if key not in row and key not in KEPT and not (same and key in LASTING)}
        if row.get("run_id") is not None:
            self._runs[int(row["run_id"])] = name
        self._take(name, {**cleared, **row})

    # --- changes ---

    def _take(self, name: str, row: Mapping[str, Any]) -> None:
        before = self.channels.setdefault(name, {"channel": name})
        changes = {key: value for key, value in row.items() if before.get(key) != value}
        if not changes:
            return
        before.update(changes)
        self.version += 1
        self._changes.append((self.version, name, changes))

    def _touch(self) -> None:
        self.version += 1
        self._changes.append((self.version, "", {}))

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

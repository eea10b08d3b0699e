"""Analyses of runs that go on: carried out beside the daemon when their data are there, and stored by its writer.

An analysis may take seconds of a core and holds the interpreter meanwhile, so each is a process of its own that reads the
journal, writes what came out to its standard output, and ends; there is one at a time. The journal has one writer, the daemon.
"""

import asyncio
import contextlib
import logging
import math
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from labctl.daemon.parts import Parts
from labctl.engine.input import Event
from labctl.store.committed import Committed
from labctl.store.entry import Entry

LOG = logging.getLogger("labctl.daemon")
ASKED: Final = "analysis_asked"
TELLING: Final = frozenset({"cycle_ended", "spectrum_ended", "run_ended", "cell_corrected"})
SINGLE: Final = frozenset({"run_ended", "cell_corrected"})  # comes once: no need to be sparing
SETTLE: Final = 5.0  # s after the news, so that what comes together is analysed together
SPARING: Final = 20.0  # times its own duration that an analysis of a run that goes on waits for the next
LONGEST: Final = 300.0  # s of one analysis


@dataclass(slots=True)
class Due:
    """When a run is analysed next (loop time, s), whether there is news, and how long the last analysis took."""

    at: float = -math.inf
    news: bool = True
    took: float = 0.0


class Analyst:
    """Carries out what protocols ask for under `analyse`: after cycles and spectra, and at the end of the run."""

    def __init__(self, parts: Parts, command: Sequence[str] = ()) -> None:
        """Listen to the writer from now on; `command` is what analyses, in place of this labctl."""
        self._parts = parts
        self._command = tuple(command) or (sys.executable, "-m", "labctl.report.analysing")
        self._due: dict[int, Due] = {}
        self._asked: deque[tuple[int, tuple[str, ...]]] = deque()
        self._wake = asyncio.Event()
        parts.sink.on_commit(self._hear)

    def _hear(self, done: Committed) -> None:
        now = asyncio.get_running_loop().time()
        for entry in done.entries:
            if not isinstance(entry, Entry):
                continue
            for event in entry.events:
                if event.kind == ASKED:
                    self._asked.append((entry.run_id, tuple(str(event.data["names"]).split()) or ("-",)))
                    self._wake.set()
            if not (kinds := {event.kind for event in entry.events} & TELLING):
                continue
            due = self._due.setdefault(entry.run_id, Due())
            due.news = True
            patience = 0.0 if kinds & SINGLE else SPARING * due.took
            due.at = min(due.at, now + SETTLE) if math.isfinite(due.at) and due.at > now else now + SETTLE + patience
            self._wake.set()

    async def watch(self) -> None:
        """Analyse one run after another, as long as the daemon runs: what a person asks for first."""
        loop = asyncio.get_running_loop()
        while True:
            if self._asked:
                await self._store(*self._asked.popleft())
                continue
            waiting = {run_id: due for run_id, due in self._due.items() if due.news}
            run_id = min(waiting, key=lambda each: waiting[each].at, default=None)
            if run_id is None or waiting[run_id].at > loop.time():
                await self._wait(None if run_id is None else waiting[run_id].at)
                continue
            due = self._due[run_id]
            due.news, begin = False, loop.time()
            await self._store(run_id)
            due.took = loop.time() - begin

    async def _wait(self, until: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        self._wake.clear()

    async def _store(self, run_id: int, names: Sequence[str] = ()) -> None:
        if events := await self._analysed(run_id, names):
            self._parts.sink.offer(Entry(run_id, events=events))

    async def _analysed(self, run_id: int, names: Sequence[str]) -> tuple[Event, ...]:
        """Return the events that store the analyses of a run; none where it asks for none, or where they could not be made."""
        process = await asyncio.create_subprocess_exec(
            *self._command, str(self._parts.folder), str(run_id), f"{self._parts.clock.label()!r}", *names,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(LONGEST):
                out, err = await process.communicate()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise
            LOG.warning("run %d: its analyses took more than %.0f s and were given up", run_id, LONGEST)
            return ()
        if process.returncode:
            LOG.warning("run %d was not analysed: %s", run_id, err.decode(errors="replace").strip()[-500:])
            return ()
        return tuple(Event(**fields) for fields in orjson.loads(out))

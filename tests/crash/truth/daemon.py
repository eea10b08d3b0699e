"""The daemon of rig T: forked, so that it is up in no time, and heard through a pipe."""

import asyncio
import contextlib
import importlib
import json
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labctl.daemon import Parts, running
from labctl.run.drivers import load
from labctl.run.stations import found_station
from labctl.store.entry import Item, QuietRows

UP_WITHIN = 60.0  # s
LOOK = 0.03  # s between two looks at which runs there are


@dataclass
class Heard:
    """What daemons said before they died.

    Attributes:
        rows: Last acknowledged record of each run.
        commit: Last acknowledged commit.
        origins: Machine second of run time 0 of each run of which a row was acknowledged, as each daemon had it.
        guard: Process number of the guard.
        errors: Why a daemon did not come up.
    """

    rows: dict[int, int] = field(default_factory=dict)
    commit: int = 0
    origins: dict[int, list[float]] = field(default_factory=dict)
    guard: int = 0
    errors: list[str] = field(default_factory=list)

    def take(self, line: bytes) -> bool:
        """Note a line; tell whether the daemon is ready."""
        with contextlib.suppress(ValueError):  # the last word may be cut
            words = json.loads(line)
            self.commit = max(self.commit, words.get("commit", 0))
            for run, last in words.get("rows", {}).items():
                self.rows[int(run)] = max(self.rows.get(int(run), -1), last)
            for run, origin in words.get("origins", {}).items():
                known = self.origins.setdefault(int(run), [])
                if not known or abs(known[-1] - origin) > 1e-6:
                    known.append(origin)
            self.guard = words.get("guard") or self.guard
            self.errors += [words["error"]] if "error" in words else []
            return bool(words.get("ready"))
        return False


class Daemon:
    """One life of the daemon."""

    def __init__(self, station: Path, folder: Path, heard: Heard) -> None:
        self.heard = heard
        heard.guard = 0  # of this daemon alone: the number of an earlier one may be anybody's by now
        ours, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ours)
            _child(station, folder, theirs)
        os.close(theirs)
        os.set_blocking(ours, False)
        self._pipe, self._rest = ours, b""

    def ready(self) -> bool:
        """Wait until it serves; False if it ended first."""
        deadline = time.monotonic() + UP_WITHIN
        while time.monotonic() < deadline:
            select.select([self._pipe], [], [], 1.0)
            for line in self._lines():
                if line is None:
                    return False
                if self.heard.take(line):
                    return True
        self.heard.errors.append(f"a daemon was not up within {UP_WITHIN:g} s")
        return False

    def gone(self) -> bool:
        """Tell whether it has ended by itself, or by its guard."""
        return not Path(f"/proc/{self.pid}/exe").exists()

    def hear(self) -> None:
        """Note what it has said by now."""
        for line in self._lines():
            if line is not None:
                self.heard.take(line)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, within: float) -> bool:
        """Wait for its end; False if it does not come."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                self.hear()
                os.close(self._pipe)
                return True
            time.sleep(0.002)
        return False

    def _lines(self) -> Iterator[bytes | None]:
        while True:
            try:
                data = os.read(self._pipe, 65536)
            except BlockingIOError:
                return
            if not data:
                yield None
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from lines


def preload() -> None:
    """Import what a daemon of the rig imports, once: a daemon that is forked then need not."""
    for name in ("keithley2450", "practice", "neware", "palmsens", "simulated"):
        load("the rig", name)
    for name in ("pyvisa", "pyvisa_py", "labctl.publish.mqtt", "labctl.publish.postgres"):
        importlib.import_module(name)


def _child(station: Path, folder: Path, pipe: int) -> None:
    log = os.open(folder / "daemon.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        asyncio.run(_live(station, folder, pipe))
    finally:
        os._exit(1)


async def _live(path: Path, folder: Path, pipe: int) -> None:
    def say(**words: object) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(pipe, json.dumps(words).encode() + b"\n")

    try:
        station, _ = found_station(path, None, folder)
        async with running(station, folder / "data") as parts:
            stored: set[int] = set()

            def committed(done) -> None:
                rows = _acknowledged(done.entries)
                stored.update(rows)
                say(commit=done.commit_id, rows=rows)

            parts.sink.on_commit(committed)
            say(ready=True, guard=_guard(parts))
            while True:
                runs = [channel for channel in parts.channels.values() if channel.session is not None]
                begun = {channel.session.run_id: channel.origin for channel in runs if channel.session.run_id in stored}
                say(origins=begun, guard=_guard(parts))
                await asyncio.sleep(LOOK)
    except Exception as error:  # noqa: BLE001 - the rig counts it
        say(error=repr(error))
        sys.stderr.write(f"{error!r}\n")


def _guard(parts: Parts) -> int | None:
    """Return the process number of a guard that watches over all that it was told."""
    child = parts.guard._child
    return child.process.pid if child is not None and child.up and not child.pending else None


def _acknowledged(entries: Sequence[Item]) -> dict[int, int]:
    """Return the last record of each run of a commit."""
    last: dict[int, int] = {}
    for entry in entries:
        if isinstance(entry, QuietRows):
            counts = np.diff([0, *entry.ends])
            last |= {
                run: int(first + count - 1)
                for run, first, count in zip(entry.run_ids, entry.firsts, counts, strict=True)
            }
        elif entry.rows:
            last[entry.run_id] = entry.first_record + entry.rows - 1
    return last

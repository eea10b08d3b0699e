"""Rig S: 64 mixed channels go on for hours of their own time, with the embedded broker and a subscriber, and nothing grows.

    python -m tests.crash.soak --hours 8 --write

The real daemon runs in this process on a clock that is as many times faster as the machine can keep up with. Each channel repeats
one of several protocols on one of several kinds of cell, with notes and pauses between. After a first part, in which buffers find their
size, memory, descriptors, tasks and the journal's log are compared with what they were.
"""

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from labctl.clock import ScaledClock
from labctl.daemon import Parts, running
from labctl.errors import LabctlError
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.verify import verify
from tests.crash.counted import counting, progress
from tests.crash.fuzzed import resident
from tests.crash.promises import told

CELL = """\
labctl_cell: 1
name: {name}
kind: {kind}
{more}
limits: {{voltage: [{low}, {high}], current: [{most}]}}
model: {model}
"""
FULL = CELL.format(
    name="full",
    kind="full",
    more="nominal: {capacity: 680 mAh}",
    low="2.5 V",
    high="4.3 V",
    most="-5 A, 5 A",
    model="marquis2019",
)
CYCLING = """\
labctl: 1
name: cycling
record: {every: 1 s}
steps:
  - repeat: 1000
    cycle: true
    steps:
      - charge: {current: 2 A, to: 4.1 V, hold_until: current < 0.5 A, for: 3 h}
      - discharge: {current: 2 A, to: 3.2 V, for: 3 h}
"""
PULSES = """\
labctl: 1
name: pulses
record: {every: 1 s, dV: 5 mV}
steps:
  - repeat: 10000
    steps:
      - charge: {current: 0.3 A, for: 2 min, until: voltage > 4.2 V}
      - rest: 5 min
      - discharge: {current: 0.3 A, for: 2 min, until: voltage < 2.9 V}
      - rest: 5 min
"""
RESTS = """\
labctl: 1
name: rests
record: {every: 1 s}
steps:
  - repeat: 10000
    steps:
      - {name: watched, rest: 10 min}
      - mark: again
"""
PROTOCOLS = (CYCLING, PULSES, RESTS)
SPEED = 40.0  # seconds of the station in one of the machine: 8 h take 12 minutes
MEMORY = 20 * 1024 * 1024  # bytes that may be held more at the end than after the first part
DESCRIPTORS, TASKS = 8, 8  # that may be open more at the end: a connection that is being made, an order under way
LOG = 80 * 1024 * 1024  # bytes of the journal's log, whatever the length: what an idle one keeps, and a commit's pages


@dataclass(frozen=True, slots=True)
class Look:
    """What the process holds at a moment."""

    memory: int
    descriptors: int
    tasks: int
    log: int


@dataclass(slots=True)
class Soak:
    """What was seen.

    Attributes:
        channels: That ran.
        hours: Of the station's time that passed.
        rows: Stored.
        first: After the first part.
        last: At the end.
        wrong: What grew, or is not as it should be.
    """

    channels: int
    hours: float = 0.0
    rows: int = 0
    orders: int = 0
    first: Look | None = None
    last: Look | None = None
    wrong: list[str] = field(default_factory=list)

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return what adds up, and that of which the highest counts."""
        assert self.first is not None
        assert self.last is not None
        worst = {
            "memory_more": round((self.last.memory - self.first.memory) / 1e6, 1),
            "descriptors_more": self.last.descriptors - self.first.descriptors,
            "tasks_more": self.last.tasks - self.first.tasks,
            "log": round(self.last.log / 1e6, 1),
        }
        hours = round(self.hours, 2)
        return {"hours": hours, "channel_hours": hours * self.channels, "rows": self.rows, "orders": self.orders}, worst


def look(parts: Parts) -> Look:
    """Return what this process holds now."""
    log = parts.folder / "journal.db-wal"
    there = Path("/proc/self/fd")
    descriptors = sum(1 for _ in there.iterdir()) if there.is_dir() else 0
    return Look(resident(), descriptors, len(asyncio.all_tasks()), log.stat().st_size if log.exists() else 0)


async def soak(
    folder: Path,
    channels: int,
    hours: float,
    seed: int,
    speed: float = SPEED,
    ended: Callable[[], bool] = lambda: False,
) -> Soak:
    """Run so many channels for so many hours of their own time, or until somebody asks for an end; return what was seen."""
    drawn, seen = random.Random(seed), Soak(channels)
    station = replace(simulated_station(channels, "soak"), mqtt=Mqtt(port=0))
    clock = ScaledClock(speed)
    async with running(station, folder, clock) as parts:
        texts = parts.supervisor.texts
        cell = texts.put("cell.yaml", FULL)
        protocols = [texts.put("p.yaml", text) for text in PROTOCOLS]
        for number, name in enumerate(parts.channels):
            await parts.supervisor.start(StartRequest(protocols[number % len(protocols)], cell, name))
        begin, told = clock.now(), time.monotonic()
        while (passed := (clock.now() - begin) / 3600.0) < hours and not ended():
            await clock.until(clock.now() + min(60.0, hours * 3600.0 / 40))
            seen.orders += await _order(parts, drawn)
            if seen.first is None and passed >= hours / 4:
                seen.first = look(parts)
            if time.monotonic() - told > 5.0:
                told = time.monotonic()
                progress(f"{passed:.2f} of {hours:g} h ")
        seen.hours = (clock.now() - begin) / 3600.0
        for name in parts.channels:
            await parts.supervisor.order("stop", name)
        seen.last = look(parts)
    _judge(seen, folder)
    return seen


async def _order(parts: Parts, drawn: random.Random) -> int:
    """Give a random order to a random channel, as people do; tell whether it was obeyed."""
    name, verb = drawn.choice(list(parts.channels)), drawn.choice(("note", "pause", "resume", "skip", "resume"))
    try:
        await parts.supervisor.order(verb, name, text="a remark")
    except LabctlError:
        return 0
    return 1


def _judge(seen: Soak, folder: Path) -> None:
    if seen.first is None or seen.last is None:
        return  # it was ended before there was anything to compare with
    first, last = seen.first, seen.last
    found = verify(folder)
    seen.rows = found.rows
    seen.wrong += [str(each) for each in found.findings]
    bounds = (
        ("memory", last.memory, first.memory + MEMORY), ("descriptors", last.descriptors, first.descriptors + DESCRIPTORS),
        ("tasks", last.tasks, first.tasks + TASKS), ("log", last.log, LOG),
    )  # fmt: skip
    seen.wrong += [f"{name}: wanted at most {most}, found {value}" for name, value, most in bounds if value > most]


def main() -> int:
    """Soak from the command line; return the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.soak", description=__doc__)
    asked.add_argument("--hours", type=float, default=8.0)
    asked.add_argument("--channels", type=int, default=64)
    asked.add_argument("--speed", type=float, default=SPEED)
    asked.add_argument("--seed", type=int, default=None)
    asked.add_argument("--write", action="store_true", help="add to tests/crash/counted/soak.json and to the page")
    given = asked.parse_args()
    with counting("soak", given.write) as tally:
        first = given.seed if given.seed is not None or given.write else random.SystemRandom().randrange(2**31)
        seed, begin = next(tally.seeds(first)), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="labctl-soak-") as folder:
            seen = asyncio.run(
                soak(Path(folder) / "data", given.channels, given.hours, seed, given.speed, lambda: tally.ended)
            )
        if seen.first is not None:
            tally.add(seed, *seen.figures(), seen.wrong, time.monotonic() - begin)
        print(told("soak", tally.now))
    gc.collect()
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""What the daemon costs: simulate beside a bare SQLite loop, and a thousand paced channels with store and MQTT on."""

import asyncio
import gc
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure, at_least, at_most, shortfall
from labctl.clock import RealClock
from labctl.daemon import Parts, running
from labctl.daemon.process import SWITCH
from labctl.run.request import StartRequest
from labctl.run.simulate import Simulation, Wanted
from labctl.run.stations import simulated_station
from labctl.store.journal import Journal
from labctl.store.reader import Reader

CHANNELS = 1000
HERTZ = 10
PACED = 20.0  # s measured
SETTLE = 20.0  # s before, in which the events of all the starts are published
ROUNDS = 3

CELL = """\
labctl_cell: 1
name: bench
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
DRY = """\
labctl: 1
name: bench
record: {every: 1 s}
steps:
  - repeat: 10
    cycle: true
    steps:
      - charge: {current: 0.1 A, for: 2 h}
      - rest: 30 min
      - discharge: {current: 0.1 A, for: 2 h}
      - rest: 30 min
"""
STEPS = """\
labctl: 1
name: steps
record: {every: 10 s}
steps:
  - repeat: 1000
    steps:
      - charge: {current: 0.1 A, for: 10 s}
      - discharge: {current: 0.1 A, for: 10 s}
"""
PACE = """\
labctl: 1
name: pace
record: {every: 0.1 s}
steps:
  - discharge: {current: 10 mA, for: 20 h}
"""


def figures() -> Iterator[Figure]:
    """Measure the dry run, then the paced daemon."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        for protocol, text in (("dry", DRY), ("steps", STEPS), ("pace", PACE)):
            (folder / f"{protocol}.yaml").write_text(text)
        yield from dry_run(folder)
        yield from paced(folder)


# --- simulate ---------------------------------------------------------------------------------------------------------


def dry_run(folder: Path) -> Iterator[Figure]:
    """Measure committed rows a second of `simulate` beside the floor, both in turn, and the cost of a step."""
    ours, floor = [], []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        rows = simulated(folder, "dry", f"dry{number}.db")
        ours.append(rows / (time.perf_counter() - begin))
        with Reader(folder / f"dry{number}.db") as reader:
            columns = list(map(tuple, reader.query("SELECT * FROM samples ORDER BY record_index")))
        floor.append(len(columns) / bare(folder / f"floor{number}.db", columns))
    best, least = max(ours), max(floor)
    remark = f"{best / 1e3:.0f} thousand rows/s beside {least / 1e3:.0f}"
    yield at_least("simulate, committed rows beside a bare sqlite3 loop", 0.6, best / least, remark=remark)
    spent = []
    for number in range(3):
        begin = time.process_time()
        simulated(folder, "steps", f"steps{number}.db")
        spent.append(time.process_time() - begin)
    yield at_most("CPU of simulate for a step with its rows", 600.0, min(spent) / 2000 * 1e6, " us")


def simulated(folder: Path, protocol: str, database: str) -> int:
    """Run a protocol and return its rows."""
    simulation = Simulation(Wanted(str(folder / f"{protocol}.yaml"), str(folder / "cell.yaml")))
    with Journal.open(folder / database) as journal:
        return simulation.run(journal).rows


def bare(path: Path, rows: list[tuple[object, ...]]) -> float:
    """Return how many seconds the same rows take by executemany, 1000 a commit, WAL, full sync."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE samples (run_id INTEGER, record_index INTEGER, attempt_id INTEGER, test_time_second REAL, "
            "voltage_volt REAL, current_ampere REAL, charging_capacity_ah REAL, discharging_capacity_ah REAL, "
            "surface_temperature_celsius REAL, quality INTEGER, PRIMARY KEY (run_id, record_index)) WITHOUT ROWID"
        )
        insert = f"INSERT INTO samples VALUES ({', '.join('?' * 10)})"
        begin = time.perf_counter()
        for first in range(0, len(rows), 1000):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(insert, rows[first : first + 1000])
            database.execute("COMMIT")
        return time.perf_counter() - begin


# --- a thousand channels ----------------------------------------------------------------------------------------------


def paced(folder: Path) -> Iterator[Figure]:
    """Measure a thousand paced channels, store and MQTT on, and a bare timer loop in the same run."""
    found = asyncio.run(measured(folder))
    cost = 1e6 * found["cpu"] / found["rows"]
    share = (
        f"{100 * found['cpu'] / found['wall']:.1f} % of a core at {found['rows'] / found['wall']:.0f} rows/s; "
        f"{1e6 * found['journal'] / found['rows']:.1f} us of it in the journal's thread; "
        f"a bare asyncio timer loop of as many spends {1e6 * found['bare']:.1f} us here"
    )
    share = said(share, 10.0 / cost)
    yield at_most(
        f"CPU of a stored sample, {CHANNELS} channels at {HERTZ} Hz",
        10.0,
        cost,
        " us",
        share,
    )
    yield at_least("of the rows that were due, committed", 0.99, found["rows"] / (CHANNELS * HERTZ * found["wall"]))
    late, plain = found["late"], found["plain"]
    remark = said(f"{1e3 * late:.2f} ms beside {1e3 * plain:.2f} ms", 1.5 * plain / late)
    yield at_most("tick lateness p99 beside a bare asyncio timer loop", 1.5, late / plain, remark=remark)
    yield at_most("memory of a running channel", 0.5, found["memory"] / CHANNELS / 1e6, " MB")


def said(remark: str, ratio: float) -> str:
    """Return a remark with by how much the figure is missed, if it is."""
    return "; ".join(filter(None, (remark, shortfall(ratio))))


async def measured(folder: Path) -> dict[str, float]:
    """Run the daemon and the bare loop in turn and return what was seen."""
    gc.collect()
    sys.setswitchinterval(SWITCH)
    async with running(simulated_station(CHANNELS), folder / "data", RealClock()) as parts:
        before = resident()
        await start_all(parts, folder)
        await asyncio.sleep(SETTLE)
        memory = resident() - before
        bench = parts.connections["bench"]
        bench.lateness.clear()
        first, cpu, journal, begin = committed(parts), time.process_time(), parts.sink.cpu, time.perf_counter()
        await asyncio.sleep(PACED)
        await parts.sink.flush()
        wall, cpu, rows = time.perf_counter() - begin, time.process_time() - cpu, committed(parts) - first
        journal = parts.sink.cpu - journal
        late = float(np.percentile(list(bench.lateness), 99))
    begin = time.process_time()
    ticks = await timers(PACED / 4)
    bare, plain = (time.process_time() - begin) / len(ticks), float(np.percentile(ticks, 99))
    found = {"wall": wall, "cpu": cpu, "rows": rows, "late": late, "plain": plain, "memory": memory}
    return {**found, "journal": journal, "bare": bare}


async def start_all(parts: Parts, folder: Path) -> None:
    """Start a run on every channel."""
    for number, name in enumerate(parts.seats):
        await parts.supervisor.start(
            StartRequest(str(folder / "pace.yaml"), str(folder / "cell.yaml"), name, by="bench")
        )
        if sys.stderr.isatty() and number % 100 == 0:
            sys.stderr.write(f"\rstarting {number} of {len(parts.seats)}\x1b[K")


def committed(parts: Parts) -> int:
    """Return the rows in the journal."""
    with Reader(parts.folder) as reader:
        return int(reader.query("SELECT count(*) FROM samples")[0][0])


async def timers(seconds: float) -> list[float]:
    """Return how late each tick of a bare loop of as many timers came."""
    loop, late = asyncio.get_running_loop(), []

    async def one(offset: float) -> None:
        due = loop.time() + offset
        end = due + seconds
        while due < end:
            await asyncio.sleep(due - loop.time())
            late.append(loop.time() - due)
            due += 1.0 / HERTZ

    await asyncio.gather(*(one(number / CHANNELS / HERTZ) for number in range(CHANNELS)))
    return late


def resident() -> int:
    """Return the memory of this process in bytes: what is resident, or its peak where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    for figure in figures():
        print(figure)

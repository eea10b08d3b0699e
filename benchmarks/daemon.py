"""What the daemon costs: simulate beside a bare SQLite loop, and a thousand paced channels with store and MQTT on.

Ten thousand channels are measured by `python -m benchmarks.daemon many` alone: to start them takes minutes.
"""

import asyncio
import hashlib
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.figure import Promised, at_least, at_most, shortfall
from labctl.clock import RealClock
from labctl.daemon import Parts, running
from labctl.daemon.process import prepare_interpreter
from labctl.run.request import StartRequest
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.run.stations import simulated_station
from labctl.store.committed import Committed
from labctl.store.journal import Journal
from labctl.store.reader import Reader

PACED = 40.0  # s measured
SETTLE = 20.0  # s before, in which the events of all the starts are published
ROUNDS = 3
AT_ONCE = 4  # starts under way together: each waits for the disk, and they share its syncs
A_FEW = 100  # starts of which the CPU is compared, of the first and of the last
LAST_RANGES = 10_000  # rows of one run in one commit, of the journal's last, that raw sqlite3 stores beside, at least
LAST_ROUNDS = 8  # and as many of each run
SAMPLES_TABLE = (
    "CREATE TABLE samples (run_id INTEGER, record_index INTEGER, attempt_id INTEGER, test_time_second REAL, "
    "voltage_volt REAL, current_ampere REAL, charging_capacity_ah REAL, discharging_capacity_ah REAL, "
    "surface_temperature_celsius REAL, quality INTEGER, charging_energy_wh REAL, "
    "discharging_energy_wh REAL, PRIMARY KEY (run_id, record_index)) WITHOUT ROWID"
)
INSERT = f"INSERT INTO samples VALUES ({', '.join('?' * 12)})"

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
record: {{every: {every} s}}
steps:
  - discharge: {{current: 10 mA, for: 20 h}}
"""


@dataclass(frozen=True, slots=True)
class PacedLoad:
    """So many channels, each with so many rows a second."""

    channels: int
    hertz: float

    def __str__(self) -> str:
        """Say it in a figure's name."""
        return f"{self.channels} channels at {self.hertz:g} Hz"


FAST = PacedLoad(1000, 10.0)
MANY = PacedLoad(10_000, 1.0)


def figures() -> Iterator[Promised]:
    """Measure the dry run, then the paced daemon."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        for protocol, text in (("dry", DRY), ("steps", STEPS)):
            (folder / f"{protocol}.yaml").write_text(text)
        yield from dry_run(folder)
        yield from paced(folder)


# --- simulate ---------------------------------------------------------------------------------------------------------


def dry_run(folder: Path) -> Iterator[Promised]:
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
    simulation = Simulation(DryRunRequest(str(folder / f"{protocol}.yaml"), str(folder / "cell.yaml")))
    with Journal.open(folder / database) as journal:
        return simulation.run(journal).rows


def bare(path: Path, rows: list[tuple[object, ...]]) -> float:
    """Return how many seconds the same rows take by executemany, 1000 a commit, WAL, full sync."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(SAMPLES_TABLE)
        begin = time.perf_counter()
        for first in range(0, len(rows), 1000):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(INSERT, rows[first : first + 1000])
            database.execute("COMMIT")
        return time.perf_counter() - begin


# --- a thousand channels ----------------------------------------------------------------------------------------------


def paced(folder: Path) -> Iterator[Promised]:
    """Measure a thousand paced channels, store and MQTT on, and a bare timer loop in the same run."""
    seen = asyncio.run(measured(folder_of(FAST, folder / "fast"), FAST))
    cost, raw = 1e6 * seen.cpu / seen.rows, 1e6 * seen.raw
    share = (
        f"{100 * seen.cpu / seen.wall:.1f} % of a core at {seen.rows / seen.wall:.0f} rows/s; "
        f"{1e6 * seen.journal / seen.rows:.1f} us of it in the journal's thread; "
        f"a bare asyncio timer loop of as many spends {1e6 * seen.bare:.1f} us here"
    )
    yield at_most(f"CPU of a stored sample, {FAST}", 10.0, cost, " us", said(share, 10.0 / cost))
    beside = f"raw asks {raw:.1f} us for the same rows in the same commits, as tuples, with their digests"
    yield at_most(
        f"CPU of a stored sample beside raw sqlite3, {FAST}", 1.7, cost / raw, remark=said(beside, 1.7 * raw / cost)
    )
    yield at_least("of the rows that were due, committed", 0.99, seen.committed)
    remark = said(f"{1e3 * seen.late:.2f} ms beside {1e3 * seen.plain:.2f} ms", 1.5 * seen.plain / seen.late)
    yield at_most("tick lateness p99 beside a bare asyncio timer loop", 1.5, seen.late / seen.plain, remark=remark)
    yield at_most("memory of a running channel", 0.5, seen.memory / FAST.channels / 1e6, " MB")
    yield starts_of(seen, FAST)


def starts_of(seen: "LoadSeen", load: PacedLoad) -> Promised:
    """Return the figure of the starts: what the last ones cost beside the first ones, the rows of those that run included."""
    first, last = seen.starts
    remark = (
        f"{1e3 * last:.1f} ms beside {1e3 * first:.1f} ms, with what the runs cost meanwhile that were started before"
    )
    remark = said(remark, 3.0 * first / last)
    return at_most(
        f"CPU of each of the last {A_FEW} of {load.channels} starts, of the first", 3.0, last / first, remark=remark
    )


def many() -> Iterator[Promised]:
    """Measure ten thousand paced channels, store and MQTT on."""
    with tempfile.TemporaryDirectory() as name:
        seen = asyncio.run(measured(folder_of(MANY, Path(name) / "many"), MANY))
    share = f"{100 * seen.cpu / seen.wall:.1f} % of a core, {1e6 * seen.cpu / seen.rows:.1f} us a sample"
    yield at_least(
        f"{MANY}: of the rows that were due, committed", 0.99, seen.committed, remark=said(share, seen.committed / 0.99)
    )
    yield at_most(f"{MANY}: tick lateness p99", 100.0, 1e3 * seen.late, " ms")
    cost, raw = 1e6 * seen.cpu / seen.rows, 1e6 * seen.raw
    yield at_most(
        f"{MANY}: CPU of a stored sample beside raw sqlite3", 1.7, cost / raw,
        remark=said(f"raw asks {raw:.1f} us for the same rows in the same commits", 1.7 * raw / cost),
    )  # fmt: skip
    yield starts_of(seen, MANY)


def said(remark: str, ratio: float) -> str:
    """Return a remark with by how much the figure is missed, if it is."""
    return "; ".join(filter(None, (remark, shortfall(ratio))))


@dataclass(frozen=True, slots=True)
class LoadSeen:
    """What a paced daemon did.

    Attributes:
        wall: s measured.
        cpu: s of the process in that time, `journal` of it in the journal's thread.
        journal: See `cpu`.
        rows: Committed in that time.
        committed: Share of the rows that were due.
        late: 99th percentile of how late a tick came, s.
        memory: Bytes of the running channels.
        raw: s of CPU that raw sqlite3 asks for one of the rows.
        bare: s of CPU of a tick of a bare loop of as many timers.
        plain: 99th percentile of how late such a tick came, s.
        starts: s of CPU of each of the first starts, and of the last.
    """

    wall: float
    cpu: float
    journal: float
    rows: int
    committed: float
    late: float
    memory: float
    raw: float
    bare: float
    plain: float
    starts: tuple[float, float]


def folder_of(load: PacedLoad, folder: Path) -> Path:
    """Return a folder with the files of a load."""
    folder.mkdir()
    (folder / "cell.yaml").write_text(CELL)
    (folder / "pace.yaml").write_text(PACE.format(every=1.0 / load.hertz))
    return folder


async def measured(folder: Path, load: PacedLoad) -> LoadSeen:
    """Run the daemon, then raw sqlite3 and the bare loop."""
    prepare_interpreter()
    async with running(simulated_station(load.channels), folder / "data", RealClock()) as parts:
        before = resident()
        starts = await start_all(parts, folder)
        await asyncio.sleep(SETTLE)
        memory = resident() - before
        bench = parts.connections["bench"]
        bench.lateness.clear()
        since = CommittedRows(parts)
        cpu, journal, begin = time.process_time(), parts.sink.cpu, time.perf_counter()
        await asyncio.sleep(PACED)
        await parts.sink.flush()
        wall, cpu, journal = time.perf_counter() - begin, time.process_time() - cpu, parts.sink.cpu - journal
        late, rows = float(np.percentile(list(bench.lateness), 99)), since.count
    raw = raw_cost(folder / "data" / "journal.db", folder / "raw.db", max(LAST_RANGES, LAST_ROUNDS * load.channels))
    begin = time.process_time()
    ticks = await timers(load, PACED / 4)
    bare, plain = (time.process_time() - begin) / len(ticks), float(np.percentile(ticks, 99))
    due = rows / (load.channels * load.hertz * wall)
    return LoadSeen(wall, cpu, journal, rows, due, late, memory, raw, bare, plain, starts)


def raw_cost(journal: Path, file: Path, last: int) -> float:
    """Return the CPU of a sample that raw sqlite3 stores: the rows of the journal's last commits, in the same commits, s.

    They follow the rows before them in a table of the same form; a digest is made of the rows of each run in each commit.
    `last` are the rows of one run in one commit that are taken.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for line in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF", SAMPLES_TABLE):
            database.execute(line)
        database.execute("ATTACH ? AS journal", (str(journal),))
        wanted = "SELECT commit_id, run_id, first_record, last_record FROM journal.commit_runs WHERE first_record IS NOT NULL"
        ranges = database.execute(f"{wanted} ORDER BY commit_id DESC LIMIT ?", (last,)).fetchall()
        commits: dict[int, list[list[tuple[float, ...]]]] = {}
        for commit, *span in sorted(ranges):
            rows = database.execute(
                "SELECT * FROM journal.samples WHERE run_id = ? AND record_index BETWEEN ? AND ?", span
            ).fetchall()
            commits.setdefault(commit, []).append(rows)
        first = {run: record for _, run, record, _ in sorted(ranges, reverse=True)}
        for run, record in first.items():
            database.execute(
                "INSERT INTO samples SELECT * FROM journal.samples WHERE run_id = ? AND record_index < ?", (run, record)
            )
        database.execute("DETACH journal")
        database.execute("PRAGMA synchronous = FULL")
        sealed = {
            commit: [np.array(rows, dtype=np.float64).tobytes() for rows in runs] for commit, runs in commits.items()
        }
        begin = time.process_time()
        for commit, runs in commits.items():
            database.execute("BEGIN IMMEDIATE")
            database.executemany(INSERT, chain.from_iterable(runs))
            for rows in sealed[commit]:
                hashlib.sha256(rows).digest()
            database.execute("COMMIT")
        return (time.process_time() - begin) / sum(len(rows) for runs in commits.values() for rows in runs)


async def start_all(parts: Parts, folder: Path) -> tuple[float, float]:
    """Start a run on every channel, and return the CPU of each of the first starts, and of the last, s."""
    names = list(parts.channels)

    async def start(name: str) -> None:
        request = StartRequest(str(folder / "pace.yaml"), str(folder / "cell.yaml"), name, by="bench")
        await parts.supervisor.start(request)

    spent = [time.process_time()]
    for begin in range(0, len(names), AT_ONCE):
        await asyncio.gather(*map(start, names[begin : begin + AT_ONCE]))
        spent.append(time.process_time())
        if sys.stderr.isatty() and begin % A_FEW == 0:
            sys.stderr.write(f"\rstarting {begin} of {len(names)}\x1b[K")
    groups = min(A_FEW, len(names)) // AT_ONCE
    few = groups * AT_ONCE
    return (spent[groups] - spent[0]) / few, (spent[-1] - spent[-1 - groups]) / few


class CommittedRows:
    """How many rows a daemon commits from now on: to ask the journal would keep the loop from its ticks."""

    def __init__(self, parts: Parts) -> None:
        """Listen to the writer."""
        self.count = 0
        parts.sink.on_commit(self._hear)

    def _hear(self, done: Committed) -> None:
        self.count += sum(item.rows for item in done.entries)


async def timers(load: PacedLoad, seconds: float) -> list[float]:
    """Return how late each tick of a bare loop of as many timers came."""
    loop, late = asyncio.get_running_loop(), []

    async def one(offset: float) -> None:
        due = loop.time() + offset
        end = due + seconds
        while due < end:
            await asyncio.sleep(due - loop.time())
            late.append(loop.time() - due)
            due += 1.0 / load.hertz

    await asyncio.gather(*(one(number / load.channels / load.hertz) for number in range(load.channels)))
    return late


def resident() -> int:
    """Return the memory of this process in bytes: what is resident, or its peak where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    for figure in many() if sys.argv[1:] == ["many"] else figures():
        print(figure)

"""What a year of a lab asks: long journals verified, a restart of a thousand open runs, a broker and a PostgreSQL that are away.

The long journal has `LABCTL_BENCH_ROWS` rows, ten million unless that is set; PostgreSQL is killed for `LABCTL_BENCH_MINUTES`, ten.
`verify` is told in CPU time, which others on the machine change little; a restart by the clock on the wall.
"""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.daemon import resident
from benchmarks.figure import Promised, at_most, unmeasured
from benchmarks.store import ROWS, folder, measured, new_run
from labctl.clock import VirtualClock
from labctl.control.client import DaemonClient
from labctl.daemon import running
from labctl.errors import LabctlError, SinkError
from labctl.publish.postgres import Postgres
from labctl.run.request import StartRequest
from labctl.run.stations import found_station
from labctl.sample import Batch
from labctl.store.committed import Committed
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify

RUNS = 1000
CHANNELS, HERTZ, HOUR = 64, 1.0, 3600
COMMITS = 10  # a second, each with the rows of a part of the channels, as a daemon commits them
STRIDE = 20  # s that all channels, at a row a second, go on at once
LATELY = (
    1200  # s before the kill in which they go on by seconds, as a daemon's do: further back than any checkpoint lies
)
LOOKS = 3  # at what an hour added: two processes on one core's threads cost each other CPU time, too
AWAY = 8  # h that the broker is away
MORE = 20.0  # MB of memory meanwhile
BACKLOG_WITHIN = 1200.0  # s: what was missed gives way to what is live
LIVE_WITHIN = 5.0  # s after the broker's return
MINUTES = float(os.environ.get("LABCTL_BENCH_MINUTES", "10"))
KILLED_EVERY = (5.0, 40.0)  # s
CELL = """\
labctl_cell: 1
name: bench
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: long
record: {every: 1 s}
on_interruption: {continue_within: 10 h, else: ask}
steps:
  - discharge: {current: 1 mA, for: 600 h}
"""


def figures() -> Iterator[Promised]:
    """Measure everything that is kept in `docs/reference/promises.md`."""
    for measure in FIGURES.values():
        with folder() as place:
            yield from measure(place)


# --- verify -----------------------------------------------------------------------------------------------------------


def verified(place: Path) -> Iterator[Promised]:
    """Verify a long journal, and what an hour of 64 channels at 1 Hz adds to it."""
    file = place / "long.db"
    rows = measured(max(ROWS // RUNS, 1000) + HOUR)
    with Journal.open(file) as journal:
        runs = [journal.create_run(new_run()) for _ in range(RUNS)]
        each = ROWS // RUNS
        for first in range(0, each, 10_000):
            for run_id in runs:
                journal.commit([Entry(run_id, rows.rows(first, min(each, first + 10_000)), first, 1)])
    begin, cpu = time.perf_counter(), time.process_time()
    done = verify(file)
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    assert done.whole
    assert done.head is not None
    yield at_most(f"verify of {done.rows:,} rows", 60.0, cpu, " s", f"in CPU time; {took:.1f} s on the wall")
    with Journal.open(file) as journal:
        for tick in range(HOUR * COMMITS):
            at = each + tick // COMMITS
            part = runs[: int(CHANNELS * HERTZ)][tick % COMMITS :: COMMITS]
            journal.commit([Entry(run_id, rows.rows(at, at + 1), at, 1) for run_id in part])
    found = []
    for _ in range(LOOKS):
        begin, cpu = time.perf_counter(), time.process_time()
        newer = verify(file, since=done.head.digest)
        found.append((time.process_time() - cpu, time.perf_counter() - begin))
        assert newer.whole
        assert newer.rows == CHANNELS * HOUR
    cpu, took = min(found)
    remark = f"in CPU time, the least of {LOOKS}, {HOUR * COMMITS:,} commits; {took:.1f} s on the wall"
    yield at_most(f"verify of an hour more, {newer.rows:,} rows", 1.0, cpu, " s", remark)


# --- a restart --------------------------------------------------------------------------------------------------------


def restarted(place: Path) -> Iterator[Promised]:
    """Kill a daemon of a thousand open runs with all these rows, and see when the next one answers an order."""
    (place / "cell.yaml").write_text(CELL)
    (place / "p.yaml").write_text(PROTOCOL)
    channels = "\n".join(f"  s{at}: {{cell: {{instrument: it, at: {at}}}}}" for at in range(1, RUNS + 1))
    station = place / "station.yaml"
    station.write_text(
        f"labctl_station: 1\nname: long\ninstruments: {{it: {{driver: simulated}}}}\nmqtt: none\nchannels:\n{channels}\n"
    )
    child = os.fork()
    if not child:
        try:
            asyncio.run(_fill(station, place))
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    with Reader(place / "data") as reader:
        rows = int(reader.query("SELECT count(*) FROM samples")[0][0])
        open_runs = len(reader.runs(active=True))
    words = ["serve", "--station", str(station), "--data", str(place / "data")]
    begin = time.monotonic()
    daemon = subprocess.Popen([sys.executable, "-m", "labctl", *words], cwd=place, stderr=subprocess.DEVNULL)
    try:
        answered = _first_answer(place / "data", begin)
    finally:
        daemon.terminate()
        daemon.wait(60)
    nice = f", the niceness {os.nice(0)}" if os.nice(0) else ""
    remark = f"{rows:,} rows, {open_runs:,} open runs; the load of the machine was {os.getloadavg()[0]:.1f}{nice}"
    yield at_most("restart after a kill: the first order is answered", 5.0, answered, " s", remark)


async def _fill(station: Path, place: Path) -> None:
    found, _ = found_station(station, None, place)
    clock = _Told()
    async with running(found, place / "data", clock) as parts:
        rows, more = 0, asyncio.Event()

        def committed(done: Committed) -> None:
            nonlocal rows
            rows += sum(entry.rows for entry in done.entries)
            more.set()
            if rows >= ROWS:
                os._exit(0)  # as a kill: nothing is said to anybody

        parts.sink.on_commit(committed)
        for name in parts.channels:
            await parts.supervisor.start(StartRequest(str(place / "p.yaml"), str(place / "cell.yaml"), name))
        while True:
            stride = STRIDE if rows < ROWS - RUNS * LATELY else 1
            wanted = rows + RUNS * stride
            clock.advance(clock.now() + stride)
            while rows < wanted:
                more.clear()
                await more.wait()


class _Told(VirtualClock):
    """A clock that stands still while runs are started and goes on as it is told, so that there are not more rows than wanted."""

    fast = False

    async def until(self, moment: float) -> None:
        """Wait until somebody has moved it there."""
        await asyncio.sleep(0.01)
        while self.now() < moment:  # noqa: ASYNC110 - this is the clock itself
            await asyncio.sleep(0.01)


def _first_answer(data: Path, begin: float, within: float = 300.0) -> float:
    while time.monotonic() < begin + within:
        try:
            with DaemonClient(data) as client:
                client.order("note", {"channel": f"s{RUNS // 2}", "text": "are you there?"})
        except (LabctlError, OSError):
            time.sleep(0.02)
        else:
            return time.monotonic() - begin
    return within


# --- a broker that is away --------------------------------------------------------------------------------------------


def broker_away(place: Path) -> Iterator[Promised]:
    """Let 64 channels go on for hours of their own time without a broker, and look at what is held and what comes then."""
    try:
        import pytest  # noqa: PLC0415 - part of the test environment only

        from tests.services_mosquitto import Mosquitto  # noqa: PLC0415
    except ImportError as error:
        yield unmeasured("memory while the broker is away", f"at most {MORE:g} MB more", f"needs the tests: {error}")
        return
    try:
        broker = Mosquitto(place)
    except pytest.skip.Exception as error:
        yield unmeasured("memory while the broker is away", f"at most {MORE:g} MB more", str(error))
        return
    held, live, wrong, events = asyncio.run(_away(place, broker))
    remark = f"{AWAY} h of {CHANNELS} channels at {HERTZ:g} Hz"
    yield at_most("memory held more while the broker is away", MORE, held, " MB", remark)
    yield at_most("live state of every channel after the broker's return", LIVE_WITHIN, live, " s", remark)
    yield at_most("events missing, doubled or out of order in the backlog", 0, wrong, "", f"of {events:,}")


async def _away(place: Path, broker: Any) -> tuple[float, float, int, int]:
    from tests import bench_mqtt  # noqa: PLC0415
    from tests.services_mosquitto import listening  # noqa: PLC0415

    tools: Any = bench_mqtt
    bench = tools.Bench(place / "data", broker.port)
    names = [f"A{at}" for at in range(CHANNELS)]
    async with tools.publishing(bench):
        for name in names:
            bench.start(name)
        first = most = 0
        for minute in range(AWAY * 60):
            for name in names:
                bench.rows(name, int(60 * HERTZ))
                if minute % 10 == 9:
                    bench.event(name, "mark", minute=minute)
            await bench.writer.flush()
            if minute == 120:  # SQLite's own page cache, 32 MB, is full: it is no queue
                first = most = resident()
            most = max(most, resident())
        uuids = {name: await asyncio.to_thread(tools.uuid_of, bench, name) for name in names}
        bench.look_elsewhere()  # a subscriber is there before the daemon is back
        await asyncio.to_thread(broker.start)
        async with listening(broker.port, "labctl/#") as seen:
            begin = time.monotonic()
            bench.look_back()
            await seen.until(lambda: all(seen.on(f"ch/{name}/state") for name in names), 120.0)
            live = time.monotonic() - begin
            wanted = 2 + AWAY * 6
            counts: Callable[[], int] = lambda: sum(len(seen.on(f"run/{uuid}/event")) for uuid in uuids.values())  # noqa: E731
            with contextlib.suppress(TimeoutError):
                await seen.until(lambda: counts() >= CHANNELS * wanted, BACKLOG_WITHIN)
            wrong = 0
            for uuid in uuids.values():
                found = [event["seq"] for event in seen.on(f"run/{uuid}/event")]
                wrong += found != list(range(1, wanted + 1))
    await bench.close()
    broker.stop()
    return (most - first) / 1e6, live, wrong, CHANNELS * wanted


# --- a PostgreSQL that is killed --------------------------------------------------------------------------------------


def postgres_killed(place: Path) -> Iterator[Promised]:
    """Kill PostgreSQL again and again while rows are written and carried, and compare them one by one at the end."""
    name = f"rows that differ after PostgreSQL was killed every {KILLED_EVERY[0]:g} to {KILLED_EVERY[1]:g} s for {MINUTES:g} min"
    try:
        import pytest  # noqa: PLC0415 - part of the test environment only

        from tests.services_postgresql import Postgresql  # noqa: PLC0415
        from tests.system.test_postgres import same  # noqa: PLC0415
    except ImportError as error:
        yield unmeasured(name, "0", f"needs the tests: {error}")
        return
    try:
        server = Postgresql().start()
    except pytest.skip.Exception as error:
        yield unmeasured(name, "0", str(error))
        return
    rows, failures, kills, end = measured(int(MINUTES * 60 * 10) + 100), [0], 0, time.monotonic() + 60.0 * MINUTES
    dice, over = random.Random(1), threading.Event()
    try:
        url = server.url(server.database())
        with Journal.open(place / "data") as journal, Postgres(place / "data", url) as sink:
            carrier = threading.Thread(target=_carry, args=(sink, over, failures))
            writer = threading.Thread(target=_write, args=(journal, rows, end))
            carrier.start()
            writer.start()
            while time.monotonic() < end:
                time.sleep(min(dice.uniform(*KILLED_EVERY), max(0.0, end - time.monotonic())))
                server.kill()
                server.start()
                kills += 1
            writer.join()
            over.set()
            carrier.join()
            sink.carry_all()
            try:
                same(place / "data", url)
                wrong = 0
            except AssertionError:
                wrong = 1
            with Reader(place / "data") as reader:
                written = int(reader.query("SELECT count(*) FROM samples")[0][0])
        yield at_most(name, 0, wrong, "", f"{kills} kills, {failures[0]} attempts failed, {written:,} rows compared")
    finally:
        server.remove()


def _write(journal: Journal, rows: Batch, end: float) -> None:
    runs, at = [journal.create_run(new_run()) for _ in range(8)], 0
    while time.monotonic() < end and at < len(rows):
        journal.commit([Entry(run_id, rows.rows(at, at + 1), at, 1) for run_id in runs])
        at += 1
        time.sleep(0.1)


def _carry(sink: Postgres, over: threading.Event, failures: list[int]) -> None:
    while not over.is_set():
        try:
            if not sink.carry(50):
                time.sleep(0.05)
        except SinkError:
            failures[0] += 1
            time.sleep(0.2)


FIGURES: dict[str, Callable[[Path], Iterator[Promised]]] = {
    "verify": verified,
    "restart": restarted,
    "broker": broker_away,
    "postgres": postgres_killed,
}

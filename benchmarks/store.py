"""The store beside plain sqlite3 and psycopg: rows a second, bytes a sample, cost of a long file, the copy in PostgreSQL.

Both sides of a ratio are measured in turn in one run, and the median of their ratios is told. The long file is `ROWS` rows of
1000 runs, 0.7 GB; LABCTL_BENCH_ROWS=1000000 makes it shorter where that is too much.
"""

import asyncio
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from benchmarks.figure import Promised, at_least, at_most
from labctl.errors import SinkError
from labctl.publish.postgres import Postgres
from labctl.sample import Batch
from labctl.store.entry import Entry, NewRun
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.schema import SAMPLE_COLUMNS, samples
from labctl.store.writer import Writer

ROWS = int(os.environ.get("LABCTL_BENCH_ROWS", "10000000"))  # of the long file
SHORT = 100_000  # rows of the other cases
TIMES = 5


def figures() -> Iterator[Promised]:
    """Measure the store."""
    with folder() as place:
        yield from floor(place)
        yield from size(place)
        yield from long_file(place)
        yield from sink(place)


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder on the disk of the working directory's temporary files."""
    place = Path(tempfile.mkdtemp(prefix="labctl-bench-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def measured(count: int, *, temperature: bool = False) -> Batch:
    """Return rows with as many digits as floats have: the worst case for bytes."""
    random = np.random.default_rng(1)
    return Batch(
        time=np.cumsum(random.random(count)),
        voltage=3.7 + random.normal(size=count) * 1e-3,
        current=1e-3 + random.normal(size=count) * 1e-6,
        charging_ah=np.cumsum(random.random(count)) * 1e-7,
        discharging_ah=np.cumsum(random.random(count)) * 1e-7,
        temperature_celsius=25 + random.normal(size=count) if temperature else None,
        charging_wh=np.cumsum(random.random(count)) * 4e-7,
        discharging_wh=np.cumsum(random.random(count)) * 4e-7,
    )


def new_run() -> NewRun:
    return NewRun(plan=b"{}", plan_hash="", began_unix_time=0.0)


# --- the floor --------------------------------------------------------------------------------------------------------


def plain(file: Path, rows: Batch, commit: int) -> float:
    """Return the seconds that plain sqlite3 takes for the same rows: executemany of tuples, WAL, FULL."""
    columns = (rows.time, rows.voltage, rows.current, rows.charging_ah, rows.discharging_ah)
    energies = (rows.charging_wh, rows.discharging_wh)
    values = zip(*(column.tolist() for column in (*columns, *energies) if column is not None), strict=True)
    tuples = [(1, record, 1, *each[:5], None, 0, *each[5:]) for record, each in enumerate(values)]
    connection = sqlite3.connect(file, isolation_level=None)
    for line in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", create_samples()):
        connection.execute(line)
    sql = f"INSERT INTO samples VALUES ({', '.join('?' * len(SAMPLE_COLUMNS))})"
    begin = time.perf_counter()
    for first in range(0, len(tuples), commit):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, tuples[first : first + commit])
        connection.execute("COMMIT")
    took = time.perf_counter() - begin
    connection.close()
    return took


def create_samples() -> str:
    return str(CreateTable(samples).compile(dialect=sqlite.dialect()))


def ours(file: Path, rows: Batch, commit: int) -> float:
    """Return the seconds that the journal takes, with digests, commits and a checkpoint each time."""
    with Journal.open(file) as journal:
        run_id = journal.create_run(new_run())
        state = b"x" * 600
        begin = time.perf_counter()
        for first in range(0, len(rows), commit):
            journal.commit([Entry(run_id, rows.rows(first, first + commit), first, 1, checkpoint=state)])
        return time.perf_counter() - begin


def through_the_writer(data: Path, rows: Batch, commit: int) -> float:
    """Return the seconds that a daemon's writer takes in a data folder: two syncs a commit, the head's beside the next commit."""

    async def write() -> float:
        with Journal.open(data) as journal:
            run_id = journal.create_run(new_run())
            writer = Writer(journal, asyncio.get_running_loop(), rows=commit)
            begin = time.perf_counter()
            for first in range(0, len(rows), commit):
                await writer.room()
                writer.offer(Entry(run_id, rows.rows(first, first + commit), first, 1, checkpoint=b"x" * 600))
            await writer.flush()
            took = time.perf_counter() - begin
            await writer.close()
            return took

    return asyncio.run(write())


def ratios(times: int, one: Callable[[int], float], other: Callable[[int], float]) -> float:
    """Return the median of one's speed over the other's, measured in turn."""
    return statistics.median(other(number) / one(number) for number in range(times))


def floor(place: Path) -> Iterator[Promised]:
    rows = measured(SHORT)
    for commit in (1000, 10_000):
        found = ratios(
            TIMES,
            lambda number, commit=commit: ours(place / f"ours-{commit}-{number}.db", rows, commit),  # type: ignore[misc]
            lambda number, commit=commit: plain(place / f"plain-{commit}-{number}.db", rows, 1000),  # type: ignore[misc]
        )
        yield at_least(
            f"journal, {commit} rows a commit, of sqlite3 executemany with 1000",
            0.9,
            found,
            remark=f"{SHORT:,} committed rows",
        )
    found = ratios(
        TIMES,
        lambda number: through_the_writer(place / f"data-{number}", rows, 1000),
        lambda number: plain(place / f"plain-{number}.db", rows, 1000),
    )
    yield at_least(
        "writer with its head, of sqlite3 executemany with 1000", 0.9, found, remark=f"{SHORT:,} acknowledged rows"
    )


def size(place: Path) -> Iterator[Promised]:
    for temperature, wanted in ((False, 92.0), (True, 102.0)):
        file = place / f"size-{temperature}.db"
        with Journal.open(file) as journal:
            run_id = journal.create_run(new_run())
        empty = file.stat().st_size
        rows = measured(SHORT, temperature=temperature)
        with Journal.open(file) as journal:
            for first in range(0, SHORT, 1000):
                journal.commit([Entry(run_id, rows.rows(first, first + 1000), first, 1)])
        name = f"a sample in SQLite {'with' if temperature else 'without'} temperature"
        yield at_most(name, wanted, (file.stat().st_size - empty) / SHORT, " bytes", "digests and commits included")


# --- a long file ------------------------------------------------------------------------------------------------------


def long_file(place: Path) -> Iterator[Promised]:
    """Compare appending to one of 1000 runs in a long file with the same in files of 1000 rows."""
    rows = measured(ROWS // 1000 + 200_000)
    long, short = Grown(place / "long.db", 1000, ROWS // 1000, rows), Grown(place / "short.db", 1000, 1, rows)
    alone = Grown(place / "alone.db", 1, 1000, rows)
    files = (long, short, alone)
    with long.open(), short.open(), alone.open():  # each with an empty log
        for file in files:
            file.append()
        took = [[file.append() for file in files] for _ in range(15)]
    found = statistics.median(each[0] / each[1] for each in took)
    beside = statistics.median(each[0] / each[2] for each in took)
    remark = f"in CPU time; {beside:.2f} times that of a run alone in its file, which needs no search for its place"
    if ROWS < 10_000_000:
        remark += "; promised of 10,000,000 rows"
    yield at_most(
        f"append to 1 of 1000 runs in a file of {ROWS:,} rows, of that in one of 1,000 rows", 1.1, found, "x", remark
    )


class Grown:
    """A journal with some runs of equal length; rows are appended to the one in the middle."""

    def __init__(self, file: Path, runs: int, each: int, rows: Batch) -> None:
        self.file, self.rows, self.at = file, rows, each
        with Journal.open(file) as journal:
            made = [journal.create_run(new_run()) for _ in range(runs)]
            for first in range(0, each, 10_000):
                for run_id in made:
                    journal.commit([Entry(run_id, rows.rows(first, min(each, first + 10_000)), first, 1)])
        self.run_id = made[runs // 2]

    @contextmanager
    def open(self) -> Iterator[None]:
        with Journal.open(self.file) as self.journal:
            yield

    def append(self) -> float:
        """Append 5 commits of 1000 rows and return the CPU seconds."""
        begin = time.process_time()
        for _ in range(5):
            batch = self.rows.rows(self.at, self.at + 1000)
            self.journal.commit([Entry(self.run_id, batch, self.at, 1)])
            self.at += 1000
        return time.process_time() - begin


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def sink(place: Path) -> Iterator[Promised]:
    """Compare the sink with a loop that reads the same rows from SQLite and copies them."""
    name = "PostgreSQL sink, of a hand-written loop that reads and copies the same rows"
    server = cluster()
    if isinstance(server, str):
        yield Promised(name, "at least 0.8", "not measured", met=False, remark=server)
        return
    try:
        file = place / "sink.db"
        rows = measured(SHORT)
        with Journal.open(file) as journal:
            run_id = journal.create_run(new_run())
            for first in range(0, SHORT, 1000):
                journal.commit([Entry(run_id, rows.rows(first, first + 1000), first, 1)])
        found = ratios(
            TIMES,
            lambda _: carried(file, server.url(server.database())),
            lambda _: by_hand(file, server.url(server.database())),
        )
        yield at_least(name, 0.8, found, remark=f"{SHORT:,} rows, both durable on the server")
    except SinkError as error:
        yield Promised(name, "at least 0.8", "not measured", met=False, remark=str(error))
    finally:
        server.remove()


def cluster() -> Any:
    """Start a PostgreSQL of our own, or say why there is none."""
    try:
        import pytest  # noqa: PLC0415 - part of the test environment only

        from tests.services_postgresql import Postgresql  # noqa: PLC0415
    except ImportError as error:
        return f"needs the test environment: {error}"
    try:
        return Postgresql().start()
    except pytest.skip.Exception as error:
        return str(error)


def carried(file: Path, url: str) -> float:
    with Postgres(file, url) as sink_:
        sink_._connected()  # noqa: SLF001 - the tables are made outside the time
        begin = time.perf_counter()
        sink_.carry_all()
        return time.perf_counter() - begin


def by_hand(file: Path, url: str) -> float:
    """Read rows with sqlite3 and write them with psycopg's binary COPY, 50 000 a transaction."""
    with Postgres(file, url) as sink_:
        sink_._connected()  # noqa: SLF001
    source = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    with psycopg.connect(url) as connection:
        begin = time.perf_counter()
        for first in range(0, SHORT, 50_000):
            found = source.execute(
                "SELECT * FROM samples WHERE record_index >= ? AND record_index < ?", (first, first + 50_000)
            )
            with connection.cursor() as cursor, cursor.copy("COPY samples FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int4", "int8", "int4", *["float8"] * 6, "int2", *["float8"] * 2])
                for row in found:
                    copy.write_row(row)
            connection.commit()
        took = time.perf_counter() - begin
    source.close()
    return took


def read_speed(file: Path) -> float:
    """Return rows a second that a reader gives."""
    with Reader(file) as reader:
        begin = time.perf_counter()
        count = len(reader.rows(1))
        return count / (time.perf_counter() - begin)

"""Rig W: the power goes at any moment. What a disk may hold then is built from a record of every request, and opened.

    python -m tests.crash.power --states 20000 --write
    python -m tests.crash.power --states 2000 --synchronous NORMAL      # shows that the rig finds what is lost
    python -m tests.crash.power --states 20000 --older --write          # the power goes while an older journal is brought up to date

A process writes a journal with the real store while a preloaded shim (`shim.c`, built with `cc`) records each write, cut,
creation, removal and sync. For every operation of the record there are disks that hold nothing unsynced, all of it, or random
512-byte sectors of it; names come and go in order and are durable with the next sync, as on ext4. Each disk must be whole: SQLite
opens it, no acknowledged commit is missing, records have no gap, every checkpoint stands at the last row, the counters are the
bits that were written. The head, which lies in a second file, must say that something is missing exactly when something is: never of
a disk that kept what it was asked to keep, and always of one that did not (`--synchronous NORMAL` lets the log lie). One disk in
eight is opened as a daemon opens it first, which brings it up to date, and on one in 64 every digest is computed again. A disk
that is the same as one that was looked at counts once.

An older journal is one of `tests/unit/store/journals`: whenever the power goes, all its rows are there, old or new.
"""

import argparse
import contextlib
import lzma
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labctl.errors import LabctlError
from labctl.store.entry import Entry
from labctl.store.generation import stand_of
from labctl.store.head import Head, shortfall
from labctl.store.journal import Journal
from labctl.store.verify import verify
from tests.crash.counted import counting, progress
from tests.crash.promises import told
from tests.crash.recorded import ROOT, Disk, recorded
from tests.unit.store.making import batch, entries, new_run

OLDER = ROOT / "tests" / "unit" / "store" / "journals"
ACKNOWLEDGED = "journal.db-acknowledged"
PAGES = 16  # of the log before it is folded into the file: the store's own figure would make records of many megabytes
ROWS = 4000  # rows that are written
MEMORY = Path("/dev/shm")  # where there is one, the disks are written there
EACH = 5000  # disks of one record
OPENED = 8  # one disk in so many is opened as a daemon does, which costs as much as all the others
VERIFIED = 64  # one disk in so many has all its digests computed again


# --- the process that writes ------------------------------------------------------------------------------------------


def write(folder: Path, commits: int, synchronous: str, seed: int) -> None:
    """Write a journal of two runs, opened three times, and note what has been acknowledged."""
    rng = random.Random(seed)
    note = os.open(folder / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rows = {1: 0, 2: 0}
    made = {run: batch(ROWS, seed=run) for run in rows}
    for life in range(3):
        with Journal.open(folder) as journal:
            journal._file.driver.execute(f"PRAGMA wal_autocheckpoint = {PAGES}")
            journal._file.driver.execute(f"PRAGMA synchronous = {synchronous}")
            if life == 0:
                for run in rows:
                    journal.create_run(new_run(f"c{run}"))
                    acknowledge(note, journal, rows)
            for _ in range(commits // 3):
                run, count = rng.choice([1, 2]), rng.choice([1, 3, 40])
                part = made[run].rows(rows[run], rows[run] + count)
                pieces = tuple(entries(run, part, rng.choice([7, 40]), rows[run]))
                journal.commit([*pieces, Entry(run, source=bytes(rng.randrange(3000)))])
                rows[run] += len(part)
                acknowledge(note, journal, rows)


def bring_up_to_date(folder: Path) -> None:
    """Open the older journal that is there, and write a little more."""
    note = os.open(folder / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rows = {1: 0, 2: 0}
    for _ in range(2):
        with Journal.open(folder) as journal:
            acknowledge(note, journal, rows)
            run_id = journal.create_run(new_run("more"))
            acknowledge(note, journal, rows)
            journal.commit(tuple(entries(run_id, batch(20), 10)))
            acknowledge(note, journal, rows)
            journal.finish_run(run_id, "stopped", "by hand")


def acknowledge(note: int, journal: Journal, rows: dict[int, int]) -> None:
    os.write(note, f"{journal.commit_id} {rows[1]} {rows[2]}\n".encode())


# --- what must hold ---------------------------------------------------------------------------------------------------


@dataclass
class Count:
    """What was seen."""

    operations: int = 0
    asked: int = 0
    states: int = 0
    torn: int = 0
    opened: int = 0
    verified: int = 0
    lost: int = 0
    most_lost: int = 0
    noticed: int = 0
    wrong: list[str] = field(default_factory=list)


class Judge:
    """Opens what is left and compares it with what was written and acknowledged."""

    def __init__(self, folder: Path, count: Count, *, synced: bool = True) -> None:
        self.synced = synced  # else the head may know of a commit a moment before it was acknowledged
        self.folder = folder
        self.count = count
        self.written = {run: batch(ROWS, seed=run) for run in (1, 2)}
        self._seen: set[int] = set()

    def look(self, disk: Disk, which: str, rng: random.Random, acknowledged: tuple[int, int, int], where: str) -> bool:
        """Open what a disk may be and check it; False where the same was looked at before."""
        files = disk.after(which, rng)
        drawn = hash(repr((disk.drawn, acknowledged)))
        if drawn in self._seen:
            return False
        self._seen.add(drawn)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        (self.folder / "reserve").touch()  # not to be written for every disk
        file = self.folder / "journal.db"
        self.count.states += 1
        try:
            found = self._looked(file, acknowledged)
            if self.count.states % VERIFIED == 0:
                self.count.verified += 1
                found += [str(each) for each in verify(self.folder).findings]
        except (LabctlError, sqlite3.Error) as error:
            found = [repr(error)]
        self.count.wrong += [f"{where}: {words}" for words in found]
        return True

    def _looked(self, file: Path, acknowledged: tuple[int, int, int]) -> list[str]:
        if self.count.states % OPENED == 0:
            self.count.opened += 1
            with Journal.open(self.folder) as journal:
                missing, headless = journal.opening.missing, journal.opening.headless
        with contextlib.closing(sqlite3.connect(file)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
            found = [] if answer == "ok" else [answer]
            lost = self.count.lost
            found += self._rows(connection, acknowledged) if _made(connection) else self._unmade(acknowledged)
        if self.count.states % OPENED:
            head = Head.read(self.folder / "head")
            stand = stand_of(file, head.record)
            missing = shortfall(head.record, stand.uuid, stand.last, stand.chain)
            headless = stand.keeps_head and stand.last > 0 and not head.exists
        found += self._noticed(str(missing or ""), headless=headless, lost=self.count.lost > lost)
        return found

    def _noticed(self, missing: str, *, headless: bool, lost: bool) -> Iterator[str]:
        """Compare what the head says of a disk with what is so."""
        self.count.noticed += bool(missing) and lost
        if headless:
            yield "the head is said to be gone, nobody took it away"
        if missing and not lost and self.synced:
            yield f"nothing acknowledged is missing, the head says: {missing}"
        if lost and not missing:
            yield "acknowledged rows are missing, and the head does not say so"

    def _unmade(self, acknowledged: tuple[int, int, int]) -> Iterator[str]:
        """Judge a disk on which the journal has not been made."""
        if any(acknowledged):
            self.count.lost += 1
            yield f"commit {acknowledged[0]} was acknowledged, and there is no journal"

    def _rows(self, connection: sqlite3.Connection, acknowledged: tuple[int, int, int]) -> Iterator[str]:
        (commit,) = connection.execute("SELECT COALESCE(max(commit_id), 0) FROM commits").fetchone()
        lost = max(0, acknowledged[0] - commit)
        for run in (1, 2):
            stored = connection.execute(_SAMPLES, (run,)).fetchall()
            lost = max(lost, acknowledged[run] - len(stored))
            written = self.written[run].rows(0, len(stored))
            columns = np.array(stored, float).reshape(-1, 3).T
            if columns[0].tolist() != list(range(len(stored))):
                yield f"run {run}: records have a gap"
            elif not (columns[1] == written.charging_ah).all() or not (columns[2] == written.discharging_ah).all():
                yield f"run {run}: counters are not the bits that were written"
            point = connection.execute("SELECT record_index FROM checkpoints WHERE run_id = ?", (run,)).fetchone()
            if (point[0] if point else -1) != len(stored) - 1:
                yield f"run {run}: the checkpoint {point} does not stand at row {len(stored) - 1}"
        if lost:
            self.count.lost += 1
            self.count.most_lost = max(self.count.most_lost, lost)
            yield f"commit {acknowledged[0]} was acknowledged with its rows; {lost} commits or rows are missing"


class OlderJudge(Judge):
    """The same of a journal that was there before: all that it had is there, as it was."""

    def __init__(self, folder: Path, count: Count, older: Path) -> None:
        super().__init__(folder, count)
        self._before = _content(older)

    def _noticed(self, missing: str, *, headless: bool, lost: bool) -> Iterator[str]:
        del headless  # its head is not among what is kept of an older labctl
        yield from super()._noticed(missing, headless=False, lost=lost)

    def _rows(self, connection: sqlite3.Connection, acknowledged: tuple[int, int, int]) -> Iterator[str]:
        (commit,) = connection.execute("SELECT max(commit_id) FROM commits").fetchone()
        if commit < acknowledged[0]:
            self.count.lost += 1
            self.count.most_lost = max(self.count.most_lost, acknowledged[0] - commit)
            yield f"commit {acknowledged[0]} was acknowledged, the last is {commit}"
        for table, rows in self._before.items():
            found = connection.execute(_OLDER[table], (len(rows),)).fetchall()
            if found != rows:
                yield f"{table} are not what they were: wanted {len(rows)} rows, found {len(found)} or others"


def _made(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchone() is not None


def _content(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
        return {table: connection.execute(sql, (1_000_000,)).fetchall() for table, sql in _OLDER.items()}


_OLDER = {
    "samples": "SELECT run_id, record_index, voltage_volt, current_ampere, charging_capacity_ah, discharging_capacity_ah "
    "FROM samples WHERE run_id <= 2 ORDER BY 1, 2 LIMIT ?",
    "commits": "SELECT commit_id, chain FROM commits ORDER BY 1 LIMIT ?",
    "runs": "SELECT run_id, uuid, began_unix_time_second FROM runs ORDER BY 1 LIMIT ?",
}
_SAMPLES = """
SELECT record_index, charging_capacity_ah, discharging_capacity_ah FROM samples WHERE run_id = ? ORDER BY 1"""


def rig(
    states: int,
    seed: int,
    folder: Path,
    synchronous: str = "FULL",
    commits: int = 60,
    older: str = "",
    ended: Callable[[], bool] = lambda: False,
) -> Count:
    """Look at so many disks, spread over all operations of one record, and return what was seen.

    Args:
        states: Disks; those that turn out to be the same as another count once.
        seed: Of all that is drawn.
        folder: Empty.
        synchronous: How the journal is written.
        commits: That are written.
        older: Name of an older journal that is brought up to date; "" for one that is made.
        ended: Tells whether somebody has asked for the end.
    """
    rng, count = random.Random(seed), Count()
    written = folder / "written"
    written.mkdir()
    disk = Disk()
    if older:
        packed = lzma.decompress((OLDER / older).read_bytes())
        (written / "journal.db").write_bytes(packed)
        (folder / "older.db").write_bytes(packed)
        disk.safe["journal.db"] = bytearray(packed)
        judge: Judge = OlderJudge(folder / "disk", count, folder / "older.db")
    else:
        judge = Judge(folder / "disk", count, synced=synchronous == "FULL")
    words = ["-m", "tests.crash.power", "--worker", written, "--commits", commits, "--synchronous", synchronous]
    record = recorded(folder, [*words, "--seed", seed, *(["--older"] if older else [])])
    acknowledged, asked = (0, 0, 0), 0
    count.operations = sum(operation.name != ACKNOWLEDGED for operation in record)
    for place, operation in enumerate(record):
        if ended():
            break
        if operation.name == ACKNOWLEDGED:
            if operation.kind == "W":
                acknowledged = tuple(map(int, operation.data.split()))
            continue
        disk.take(operation)
        share = states * (asked + 1) // count.operations - states * asked // count.operations
        asked += 1
        for turn in range(share):
            which = ("nothing", "all", "some")[min(turn, 2)] if share > 2 else rng.choice(("nothing", "all", "some"))
            count.asked += 1
            fresh = judge.look(disk, which, rng, acknowledged, f"{older or 'a new one'}, operation {place}, {which}")
            count.torn += fresh and which == "some"
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.power", description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=20_000, help="disks to look at, the same ones counted once")
    parser.add_argument("--commits", type=int, default=60)
    parser.add_argument("--synchronous", choices=["FULL", "NORMAL", "OFF"], default="FULL")
    parser.add_argument(
        "--older", action="store_true", help="the power goes while an older journal is brought up to date"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the first record")
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted and to the page")
    parser.add_argument("--worker", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is not None:
        if given.older:
            bring_up_to_date(given.worker)
        else:
            write(given.worker, given.commits, given.synchronous, given.seed)
        return 0
    name = "older" if given.older else "power"
    older = sorted(path.name for path in OLDER.glob("*.xz")) if given.older else [""]
    with counting(name, given.write and given.synchronous == "FULL") as tally:
        first = given.seed if given.seed is not None or given.write else random.SystemRandom().randrange(2**31)
        for seed in tally.seeds(first):
            left = given.states - int(tally.now.sums.get("states", 0))
            if left <= 0:
                break
            progress(f"{name}: {left} disks left, {len(tally.now.findings)} wrong")
            begin = time.monotonic()
            with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as temporary:
                which = older[seed % len(older)]
                count = rig(EACH, seed, Path(temporary), given.synchronous, given.commits, which, lambda: tally.ended)
            names = ("operations", "asked", "states", "torn", "opened", "verified", "lost", "noticed")
            sums = {name: getattr(count, name) for name in names}
            tally.add(seed, sums, {"most_lost": count.most_lost}, count.wrong, time.monotonic() - begin)
        print(told(name, tally.now))
        return 1 if tally.now.findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""Rig W: the power goes at any moment. What a disk may hold then is built from a record of every request, and opened.

    python -m tests.crash.power --states 20000
    python -m tests.crash.power --states 2000 --synchronous NORMAL      # shows that the rig finds what is lost

A process writes a journal with the real store while a preloaded shim (`shim.c`, built with `cc`) records each write, cut,
creation, removal and sync. For every operation of the record there are disks that hold nothing unsynced, all of it, or random
512-byte sectors of it; names come and go in order and are durable with the next sync, as on ext4. Each disk is opened as a
daemon would, and must be whole: no acknowledged commit is missing, records have no gap, every checkpoint stands at the last
row, the counters are the bits that were written, and (on one disk in eight) every digest is the one in the chain. The head, which
lies in a second file, must say that something is missing exactly when something is: never of a disk that kept what it was asked to
keep, and always of one that did not (`--synchronous NORMAL` lets the log lie).
"""

import argparse
import contextlib
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labctl.errors import LabctlError
from labctl.store.entry import Entry
from labctl.store.integrity import Opening
from labctl.store.journal import Journal
from labctl.store.verify import verify
from tests.unit.store.making import batch, entries, new_run

ROOT = Path(__file__).parent.parent.parent
SECTOR = 512
ACKNOWLEDGED = "journal.db-acknowledged"
PAGES = 16  # of the log before it is folded into the file: the store's own figure would make records of many megabytes
ROWS = 4000  # rows that are written
VERIFIED = 8  # one disk in so many has all its digests computed again, which costs as much as the others together


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


def acknowledge(note: int, journal: Journal, rows: dict[int, int]) -> None:
    os.write(note, f"{journal.commit_id} {rows[1]} {rows[2]}\n".encode())


# --- the record -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One request: its kind as `shim.c` has it, of which file, where, and the bytes written."""

    kind: str
    name: str
    offset: int
    data: bytes = b""


def operations(record: Path) -> list[Operation]:
    """Read a record."""
    text, at, found = record.read_bytes(), 0, []
    while at < len(text):
        kind, length, offset, size = struct.unpack_from("=cBqq", text, at)
        at += 18
        name = text[at : at + length].decode()
        at += length
        written = size if kind == b"W" else 0
        found.append(Operation(kind.decode(), name, offset, text[at : at + written]))
        at += written
    return found


def build(folder: Path) -> Path:
    """Build the shim."""
    shim = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return shim


def recorded(folder: Path, commits: int, synchronous: str, seed: int) -> list[Operation]:
    """Let a process write a journal under the shim, and return all that it asked of the disk."""
    (folder / "written").mkdir()
    record = folder / "record"
    environment = {**os.environ, "LD_PRELOAD": str(build(folder)), "LABCTL_SHIM_LOG": str(record)}
    words = ["-m", "tests.crash.power", "--write", folder / "written", "--commits", commits]
    words += ["--synchronous", synchronous, "--seed", seed]
    subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, env=environment, check=True)
    return operations(record)


# --- the disk ---------------------------------------------------------------------------------------------------------


@dataclass
class Disk:
    """What is on the platter for sure, and what the system still holds, in order."""

    safe: dict[str, bytearray] = field(default_factory=dict)
    loose: list[Operation] = field(default_factory=list)

    def take(self, operation: Operation) -> None:
        """Let an operation happen; a sync makes its file's writes durable, and the names and lengths of all."""
        if operation.kind not in {"S", "D"}:
            self.loose.append(operation)
            return
        kept = []
        for each in self.loose:
            if each.kind == "W" and each.name != operation.name:
                kept.append(each)
            else:
                happen(self.safe, each)
        self.loose = kept

    def after(self, which: str, rng: random.Random) -> dict[str, bytearray]:
        """Return what is found after the power went: `nothing` of what was unsynced, `all` of it, or `some` sectors."""
        found = {name: bytearray(content) for name, content in self.safe.items()}
        if which == "nothing":
            return found
        share = 1.0 if which == "all" else rng.random()
        names = [place for place, each in enumerate(self.loose) if each.kind != "W"]
        last_name = -1 if not names else names[-1] if which == "all" else rng.choice([-1, *names])  # names go in order
        for place, each in enumerate(self.loose):
            if each.kind != "W":
                if place <= last_name:
                    happen(found, each)
            elif share == 1.0:
                happen(found, each)
            else:
                for sector in sectors(each):
                    if rng.random() < share:
                        happen(found, sector)
        return found


def happen(files: dict[str, bytearray], operation: Operation) -> None:
    match operation.kind:
        case "C":
            files[operation.name] = bytearray()
        case "U":
            files.pop(operation.name, None)
        case "T":
            content = files.setdefault(operation.name, bytearray())
            del content[operation.offset :]
            content.extend(bytes(operation.offset - len(content)))
        case "W" if operation.name in files:
            content = files[operation.name]
            content.extend(bytes(max(0, operation.offset - len(content))))
            content[operation.offset : operation.offset + len(operation.data)] = operation.data


def sectors(operation: Operation) -> Iterator[Operation]:
    """Cut a write where the sectors of a disk begin."""
    begin, end = operation.offset, operation.offset + len(operation.data)
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        yield Operation("W", operation.name, begin, operation.data[begin - operation.offset : stop - operation.offset])
        begin = stop


# --- what must hold ---------------------------------------------------------------------------------------------------


@dataclass
class Count:
    """What was seen."""

    operations: int = 0
    states: int = 0
    torn: int = 0
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

    def look(self, files: dict[str, bytearray], acknowledged: tuple[int, int, int], where: str) -> None:
        """Open a disk as a daemon does and check it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        (self.folder / "reserve").touch()  # not to be written for every disk
        file = self.folder / "journal.db"
        self.count.states += 1
        try:
            with Journal.open(self.folder) as journal:
                opening = journal.opening
            with contextlib.closing(sqlite3.connect(file)) as connection:
                (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
                found = [] if answer == "ok" else [answer]
                lost = self.count.lost
                found += self._rows(connection, acknowledged)
                found += self._noticed(opening, lost=self.count.lost > lost)
            if self.count.states % VERIFIED == 0:
                self.count.verified += 1
                found += [str(each) for each in verify(self.folder).findings]
        except (LabctlError, sqlite3.Error) as error:
            found = [repr(error)]
        self.count.wrong += [f"{where}: {words}" for words in found]

    def _noticed(self, opening: Opening, *, lost: bool) -> Iterator[str]:
        """Compare what the head says of a disk with what is so."""
        missing = opening.missing is not None
        self.count.noticed += missing and lost
        if opening.headless:
            yield "the head is said to be gone, nobody took it away"
        if missing and not lost and self.synced:
            yield f"nothing acknowledged is missing, the head says: {opening.missing}"
        if lost and not missing:
            yield "acknowledged rows are missing, and the head does not say so"

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


_SAMPLES = """
SELECT record_index, charging_capacity_ah, discharging_capacity_ah FROM samples WHERE run_id = ? ORDER BY 1"""


def rig(states: int, seed: int, folder: Path, synchronous: str = "FULL", commits: int = 60) -> Count:
    """Look at so many disks, spread over all operations of one record, and return what was seen."""
    rng, count = random.Random(seed), Count()
    record = recorded(folder, commits, synchronous, seed)
    judge = Judge(folder / "disk", count, synced=synchronous == "FULL")
    disk, acknowledged, asked = Disk(), (0, 0, 0), 0
    count.operations = sum(operation.name != ACKNOWLEDGED for operation in record)
    for place, operation in enumerate(record):
        if operation.name == ACKNOWLEDGED:
            if operation.kind == "W":
                acknowledged = tuple(map(int, operation.data.split()))
            continue
        disk.take(operation)
        share = states * (asked + 1) // count.operations - states * asked // count.operations
        asked += 1
        for turn in range(share):
            which = ("nothing", "all", "some")[min(turn, 2)] if share > 2 else rng.choice(("nothing", "all", "some"))
            count.torn += which == "some"
            judge.look(disk.after(which, rng), acknowledged, f"seed {seed}, operation {place}, {which}")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.power", description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=20_000)
    parser.add_argument("--commits", type=int, default=60)
    parser.add_argument("--synchronous", choices=["FULL", "NORMAL", "OFF"], default="FULL")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--write", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write is not None:
        write(given.write, given.commits, given.synchronous, given.seed)
        return 0
    begin = time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as temporary:
        count = rig(given.states, given.seed, Path(temporary), given.synchronous, given.commits)
    rate = count.states / (time.monotonic() - begin)
    print(
        f"seed {given.seed}, synchronous {given.synchronous}: {count.operations} operations, {count.states} disks looked at"
    )
    print(
        f"{count.torn} of them torn, {count.verified} verified; acknowledged rows missing on {count.lost}, up to {count.most_lost}, noticed on {count.noticed}; {rate:.0f} a second"
    )
    for words in count.wrong[:20]:
        print(f"WRONG: {words}")
    return 1 if count.wrong or count.states < given.states else 0


if __name__ == "__main__":
    sys.exit(main())

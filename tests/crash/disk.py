"""Rig I: the disk fails at the k-th write, cut or sync, for every k, and nothing that was acknowledged is lost.

    python -m tests.crash.disk --upto 2000 --write
    python -m tests.crash.disk --every 9 --commits 4

The real writer commits to a real file while a preloaded shim (`shim.c`, built with `cc`) fails one request with EIO or ENOSPC.
What fails is told, waits and is written in the end, each row once; a journal that could not be made can be made afterwards.
"""

import argparse
import asyncio
import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labctl.errors import LabctlError, StoreError
from labctl.store import writer as writer_module
from labctl.store.committed import Committed
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl.store.writer import Writer
from tests.crash.counted import counting, progress
from tests.crash.promises import told
from tests.crash.recorded import ROOT, build
from tests.unit.store.making import batch, entries, new_run

FURTHER = 60  # requests after the one that fails, in which a journal has to go on
MEMORY = Path("/dev/shm")  # where there is one, a sync costs nothing
RETRY = 0.001  # s between attempts here; the store's own is half a second


@dataclass
class Count:
    """What was seen."""

    requests: int = 0
    failures: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


async def once(shim: ctypes.CDLL, folder: Path, k: int, number: int, commits: int, count: Count) -> bool:
    """Write a journal whose k-th request fails; tell whether it came so far."""
    shim.labctl_arm(ctypes.c_long(k), number)
    try:
        journal = Journal.open(folder)
    except StoreError:
        count.refused += 1
        journal = Journal.open(folder)  # it is all there or not at all
    with journal:
        journal._file.driver.execute("PRAGMA wal_autocheckpoint = 16")
        acknowledged = await _write(journal, commits, lambda: shim.labctl_seen() > k + FURTHER)
    reached = shim.labctl_seen() >= k
    shim.labctl_arm(0, 0)
    count.failures += reached
    with Reader(folder) as reader:
        rows = reader.run(1).rows
    found = [str(each) for each in verify(folder).findings]
    if rows != acknowledged:
        found.append(f"{acknowledged} rows were acknowledged, {rows} are there")
    count.wrong += [f"request {k}, {errno.errorcode[number]}: {words}" for words in found]
    return reached


async def _write(journal: Journal, commits: int, enough: Callable[[], bool]) -> int:
    try:
        journal.create_run(new_run("c"))
    except StoreError:
        journal.reopen()
        with Reader(journal.place.file) as reader:
            there = reader.runs()
        if not there:
            journal.create_run(new_run("c"))
    writer = Writer(journal, asyncio.get_running_loop(), age=1e6)
    acknowledged = 0

    def heard(done: Committed) -> None:
        nonlocal acknowledged
        acknowledged += sum(entry.rows for entry in done.entries)

    writer.on_commit(heard)
    rows, offered = batch(commits * 30), 0
    for entry in entries(1, rows, 30):
        if enough():
            break
        writer.offer(entry)
        offered += entry.rows
        for _ in range(20):
            try:
                await writer.flush()
                break
            except StoreError:
                continue
    await writer.close()
    await asyncio.sleep(0)
    assert acknowledged == offered, f"{acknowledged} of {offered} rows were acknowledged"
    return acknowledged


def one(k: int, commits: int, folder: Path) -> Count:
    """Fail the k-th request, once in either way; `requests` is 0 where none of the journals came so far."""
    shim = ctypes.CDLL(None)
    writer_module.RETRY = RETRY
    count = Count()
    for number in (errno.EIO, errno.ENOSPC):
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "data").mkdir()
        try:
            if asyncio.run(once(shim, folder / "data", k, number, commits, count)):
                count.requests = 1
        except (LabctlError, AssertionError) as error:
            count.wrong.append(f"request {k}, {errno.errorcode[number]}: {error!r}")
            count.requests = 1
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.disk", description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--upto", type=int, default=2000, help="the last request that fails")
    parser.add_argument("--commits", type=int, default=400, help="that are written at most")
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted/disk.json and to the page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as temporary:
        if "labctl_arm" not in dir(_preloaded()):
            return _again(Path(temporary))
        with counting("disk", given.write) as tally:
            for k in range(1, given.upto + 1, given.every):
                if tally.ended:
                    break
                if tally.so_far.has(k):
                    continue
                begin = time.monotonic()
                count = one(k, given.commits, Path(temporary))
                if not count.requests:
                    break
                sums = {"requests": 1, "failures": count.failures, "refused": count.refused}
                tally.add(k, sums, wrong=count.wrong, seconds=time.monotonic() - begin)
                progress(f"request {k}, {len(tally.now.findings)} wrong")
            print(told("disk", tally.now))
            return 1 if tally.now.findings or not tally.so_far.sums else 0


def _preloaded() -> object:
    shim = ctypes.CDLL(None)
    getattr(shim, "labctl_arm", None)
    return shim


def _again(folder: Path) -> int:
    environment = {**os.environ, "LD_PRELOAD": str(build(folder))}
    words = [sys.executable, "-m", "tests.crash.disk", *sys.argv[1:]]
    return subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

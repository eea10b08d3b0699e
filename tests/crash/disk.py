"""Rig I: the disk fails at the k-th write, cut or sync, for every k, and nothing that was acknowledged is lost.

    python -m tests.crash.disk
    python -m tests.crash.disk --every 1 --commits 40

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
from dataclasses import dataclass, field
from pathlib import Path

from labctl.errors import LabctlError, StoreError
from labctl.store import writer as writer_module
from labctl.store.committed import Committed
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl.store.writer import Writer
from tests.crash.power import ROOT, build
from tests.unit.store.making import batch, entries, new_run

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
        acknowledged = await _write(journal, commits)
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


async def _write(journal: Journal, commits: int) -> int:
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
    rows = batch(commits * 30)
    for entry in entries(1, rows, 30):
        writer.offer(entry)
        for _ in range(20):
            try:
                await writer.flush()
                break
            except StoreError:
                continue
    await writer.close()
    await asyncio.sleep(0)
    assert acknowledged == len(rows), f"{acknowledged} of {len(rows)} rows were acknowledged"
    return acknowledged


def rig(every: int, commits: int, folder: Path) -> Count:
    """Fail one request in so many, each in turn, until a journal is written without coming so far."""
    shim = ctypes.CDLL(None)
    writer_module.RETRY = RETRY
    count, k = Count(), 1
    while True:
        reached = False
        for number in (errno.EIO, errno.ENOSPC):
            shutil.rmtree(folder / "data", ignore_errors=True)
            (folder / "data").mkdir()
            try:
                reached |= asyncio.run(once(shim, folder / "data", k, number, commits, count))
            except (LabctlError, AssertionError) as error:
                count.wrong.append(f"request {k}, {errno.errorcode[number]}: {error!r}")
                reached = True
        if not reached:
            return count
        count.requests, k = count.requests + 1, k + every


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.disk", description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--commits", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if "labctl_arm" not in dir(_preloaded()):
            return _again(Path(temporary))
        count = rig(given.every, given.commits, Path(temporary))
    print(
        f"{count.failures} failures at {count.requests} requests, {count.refused} journals refused and made at the second try"
    )
    for words in count.wrong[:20]:
        print(f"WRONG: {words}")
    return 1 if count.wrong or not count.failures else 0


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

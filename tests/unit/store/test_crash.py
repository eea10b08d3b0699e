"""The process that writes is killed, or its disk is full: what was acknowledged is there, and it goes on."""

import json
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from labctl.store.reader import Reader
from labctl.store.verify import verify

WRITE = """
import sys
from tests.unit.store.making import batch, entries, new_run
from labctl.store.journal import Journal
from labctl.store.reader import Reader
folder, cut = sys.argv[1], int(sys.argv[2])
with Journal.open(folder) as journal:
    with Reader(folder) as reader:
        runs = reader.runs()
    run_id, first = (runs[0].run_id, runs[0].rows) if runs else (journal.create_run(new_run("a")), 0)
    rows = batch(50_000).rows(first)
    for entry in entries(run_id, rows, cut, first):
        commit_id = journal.commit([entry])
        print(commit_id, entry.first_record + entry.rows, flush=True)
"""


def child(code: str, *words: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [*before, sys.executable, "-c", textwrap.dedent(code), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(3):
        process = child(WRITE, tmp_path, choose.choice([1, 7, 100, 1500]))
        assert process.stdout is not None
        acknowledged = (0, 0)
        for _ in range(choose.randrange(1, 60)):
            line = process.stdout.readline()
            if not line:
                break
            acknowledged = tuple(map(int, line.split()))
        process.kill()
        rest, trouble = process.communicate()
        assert not trouble
        whole = [line for line in rest.splitlines(keepends=True) if line.endswith("\n") and len(line.split()) == 2]
        if whole:
            acknowledged = tuple(map(int, whole[-1].split()))
        with Reader(tmp_path) as reader:
            assert reader.last_commit() >= acknowledged[0]
            run = reader.runs()[0]
            assert run.rows >= acknowledged[1]
            checkpoint = reader.checkpoint(run.run_id)
            if checkpoint is not None:
                assert checkpoint.record_index == run.rows - 1
                assert json.loads(checkpoint.state)["at"] <= checkpoint.record_index
        assert verify(tmp_path).findings == ()


FULL = """
import asyncio, contextlib, os, subprocess, sys
from pathlib import Path
from tests.unit.store.making import batch, entries, new_run
from labctl.engine.input import Event
from labctl.errors import StoreFull
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl.store.writer import Writer

async def main(disk):
    folder, filler = disk / "data", disk / "filler"
    with Journal.open(folder) as journal:
        journal.create_run(new_run("a"))
        writer = Writer(journal, asyncio.get_running_loop(), age=0.01)
        troubles, news = [], asyncio.Event()
        writer.on_trouble(lambda trouble: (troubles.append(trouble), news.set()))
        rows = batch(60_000)
        for entry in entries(1, rows.rows(0, 1000), 100):
            writer.offer(entry)
        await writer.flush()
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))
        for entry in entries(1, rows.rows(1000, 13_000), 100, 1000):
            writer.offer(entry)
        async with asyncio.timeout(60):
            while not troubles:
                await news.wait(); news.clear()
            assert isinstance(troubles[0].error, StoreFull), troubles
            writer.offer(Entry(1, events=(Event("activity", 12_999, 1e9, {"activity": "safe", "why": "the disk is full"}),)))
            assert (await writer.flush()) > 0
            assert not journal.reserve.held
            with Reader(folder) as reader:
                run = reader.run(1)
                assert (run.rows, run.activity) == (13_000, "safe"), run
            first = 13_000
            try:
                while first < 60_000:
                    for entry in entries(1, rows.rows(first, first + 1000), 100, first):
                        writer.offer(entry)
                    first += 1000
                    await writer.flush()
            except StoreFull:
                pass
            assert first < 60_000
            filler.unlink()
            while troubles[-1].error is not None:
                await news.wait(); news.clear()
            await writer.flush()
            assert journal.reserve.held
        await writer.close()
    found = verify(folder)
    assert found.whole, found
    assert found.rows == first

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk], check=True)
asyncio.run(main(disk))
"""


def namespaces() -> bool:
    found = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return found.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs mount namespaces")
def test_a_full_disk_leaves_room_for_the_last_words(tmp_path: Path) -> None:
    if not namespaces():
        pytest.skip("this system gives no mount namespaces to us")
    process = child(FULL, tmp_path, before=("unshare", "-Urm"))
    _, trouble = process.communicate(timeout=100)
    assert process.returncode == 0, trouble

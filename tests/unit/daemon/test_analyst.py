"""The daemon analyses a run when its data are there, in a process beside it, and its writer stores what comes out."""

import asyncio
from types import SimpleNamespace

import pytest

from labctl.clock import make_clock
from labctl.daemon import analyst
from labctl.engine.input import Event
from labctl.report.stored import analyse_ended
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.writer import Writer

PROTOCOL = """\
labctl: 1
name: one cycle
steps:
  - repeat: 1
    cycle: true
    steps:
      - discharge: {current: 80 uA/cm2, to: 2.15 V, for: 5 h}
      - charge: {current: 80 uA/cm2, to: 3.8 V, for: 5 h}
analyse: [capacity]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.yaml").write_text(PROTOCOL, encoding="utf-8")
    with Journal.open(tmp_path / "data") as journal:
        Simulation(DryRunRequest(str(tmp_path / "one.yaml"), "voc1")).run(journal)
    return tmp_path / "data"


def stored(folder):
    with Reader(folder) as reader:
        return [row[0] for row in reader.query("SELECT analysis FROM analyses WHERE run_id = 1")]


async def test_what_is_asked_for_is_stored_by_the_writer(folder, monkeypatch):
    monkeypatch.setattr(analyst, "SETTLE", 0.0)
    with Journal.open(folder) as journal:
        writer = Writer(journal, asyncio.get_running_loop())
        there = asyncio.Event()
        writer.on_commit(
            lambda done: [there.set() for entry in done.entries for each in entry.events if each.kind == "analysed"]
        )
        parts = SimpleNamespace(sink=writer, folder=folder, clock=make_clock("real"))
        task = asyncio.create_task(analyst.Analyst(parts).watch())
        writer.offer(Entry(1, events=(Event("cycle_ended", 0, 0.0),)))
        async with asyncio.timeout(60):
            await there.wait()
        task.cancel()
        await asyncio.wait({task})
        await writer.close()
    assert stored(folder) == ["capacity"]


async def test_an_analysis_that_fails_is_said_and_ends_nothing(folder, monkeypatch, caplog):
    monkeypatch.setattr(analyst, "SETTLE", 0.0)
    with Journal.open(folder) as journal:
        writer = Writer(journal, asyncio.get_running_loop())
        parts = SimpleNamespace(sink=writer, folder=folder, clock=make_clock("real"))
        task = asyncio.create_task(analyst.Analyst(parts, ("false",)).watch())
        writer.offer(Entry(1, events=(Event("spectrum_ended", 0, 0.0),)))
        await writer.flush()
        async with asyncio.timeout(60):
            while "run 1 was not analysed" not in caplog.text:
                await writer.flush()
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})
        await writer.close()
    assert stored(folder) == []


def test_at_the_end_of_a_dry_run_the_same_is_stored(folder):
    with Journal.open(folder) as journal:
        analyse_ended(journal, 1)
    assert stored(folder) == ["capacity"]

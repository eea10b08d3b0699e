"""Rows of simulated cells that matter to nobody pass as columns: what is stored is what a fold of each would have stored."""

import asyncio
from contextlib import closing

import numpy as np
import pytest

from labctl.clock import VirtualClock
from labctl.publish.channel_state import news_of
from labctl.run.channel import Channel
from labctl.run.connection.simulated_connection import SimulatedConnection, slots_of
from labctl.run.quiet_ahead import QuietColumns
from labctl.run.replay import replay
from labctl.run.request import StartRequest
from labctl.run.sink import Sink
from labctl.run.supervisor import Supervisor
from labctl.sample import Batch
from labctl.station.settings import Part
from labctl.store.entry import Entry, QuietRows
from labctl.store.journal import Journal
from labctl.store.matrix import matrix_of
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl_drivers.simulated import Simulated

CELL = """\
labctl_cell: 1
name: quiet
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: quiet
record: {every: 0.1 s}
steps:
  - charge: {current: 0.1 A, for: 250 s}
  - rest: 20 s
  - discharge: {current: 0.2 A, for: 3 min}
"""


class PacedClock(VirtualClock):
    """A virtual clock with which cells keep pace."""

    fast = False


async def lived(folder, kills=()):
    """Let a run live to its end, taken up anew from the journal at each of some run times; return its rows and how many were quiet."""
    (folder / "cell.yaml").write_text(CELL)
    (folder / "protocol.yaml").write_text(PROTOCOL)
    clock, quiet, looks = PacedClock(), [], []
    with closing(Journal.open(folder / "data", now=clock.label)) as journal:
        sink = Sink(journal, asyncio.get_running_loop())
        sink.on_commit(lambda done: quiet.extend(each.rows for each in done.entries if isinstance(each, QuietRows)))
        for end in (*kills, float("inf")):
            channel, ended = Channel("s1", {"cell": Part("bench", "1")}), asyncio.Event()
            bench = SimulatedConnection("bench", Simulated(), clock, sink, lambda _, ended=ended: ended.set())
            supervisor = Supervisor({"s1": channel}, {"bench": bench}, sink, lambda: Reader(folder / "data"), clock)
            words = await supervisor.adopt()
            if not words:
                await supervisor.start(StartRequest(str(folder / "protocol.yaml"), str(folder / "cell.yaml"), "s1"))
            session, marks, before = channel.session, {}, ()
            task = asyncio.create_task(bench.run())
            while not ended.is_set() and session.state.last.time < end:
                await clock.until(clock.now())  # the others have their turn
                assert not task.done(), task.exception()
                changed, (look,) = list(supervisor.changes(marks)) != [None], supervisor.looks()
                assert changed or news_of(look) == before
                looks.append(changed)
                before = news_of(look)
            task.cancel()
            await asyncio.wait({task})
            await sink.flush()
            await sink.flush()
            supervisor.close()
        await sink.close()
    with Reader(folder / "data") as reader:
        again = replay(reader, 1)
        assert not again.difference
        assert reader.checkpoint(1).record_index == again.rows - 1
        rows = reader.rows(1)
    assert not verify(folder / "data").findings
    if quiet:
        assert sum(looks) < len(looks) / 2  # a channel on which nothing happens need not be looked at
    return rows, sum(quiet)


async def test_quiet_rows_are_those_that_a_fold_would_have_stored(tmp_path, monkeypatch):
    (tmp_path / "quiet").mkdir()
    (tmp_path / "folded").mkdir()
    rows, quiet = await lived(tmp_path / "quiet")
    assert quiet > 0.8 * len(rows)
    monkeypatch.setattr("labctl.run.connection.stepped.SteppedRun.look_ahead", lambda *_: None)
    folded, none = await lived(tmp_path / "folded")
    assert none == 0
    for name in ("time", "voltage", "current", "charging_ah", "discharging_ah", "charging_wh", "temperature_celsius"):
        assert np.array_equal(getattr(rows, name), getattr(folded, name)), name


async def test_a_run_goes_on_after_its_last_row_wherever_it_was_cut(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole, _ = await lived(tmp_path / "whole")
    cut, quiet = await lived(tmp_path / "cut", (30.04, 99.97, 103.0, 251.0, 300.0))
    assert quiet > 0.5 * len(cut)
    for name in ("time", "voltage", "current", "charging_ah", "discharging_ah", "charging_wh", "discharging_wh"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name)), name


def test_rows_of_many_runs_are_taken_as_they_were_put_while_places_are_added():
    columns, places, wanted = QuietColumns(), [], []
    for run_id in range(300):
        place, values = columns.enter(), np.full(5, 3.7) + run_id
        counters = {"charging_ah": values, "discharging_ah": values, "charging_wh": values, "discharging_wh": values}
        rows = Batch(time=np.arange(1.0, 6.0), voltage=values, current=values, **counters)
        columns.origin[place] = 0.0
        columns.put(place, Entry(run_id, rows, 0, 1), rows)
        places.append(place)
        wanted.append(Entry(run_id, rows.rows(0, 3), 0, 1))
    taken, matters = columns.take(np.array(places), 3.5)
    assert taken is not None
    assert taken.run_ids == list(range(300))
    assert np.array_equal(taken.values, matrix_of(wanted), equal_nan=True)
    assert not matters.any()
    assert columns.last(places[-1]).voltage == 3.7 + 299


@pytest.mark.parametrize(("channels", "slots"), [(100, 1), (101, 2), (5000, 2), (5001, 3), (10_000, 4)])
def test_each_of_thousands_of_channels_is_looked_at_less_often(channels, slots):
    assert slots_of(channels) == slots

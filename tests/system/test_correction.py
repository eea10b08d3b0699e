"""A cell that was weighed again: results are made anew with the new mass, beside those of before, and rates stay."""

import asyncio
import json
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.clock import ScaledClock
from labctl.daemon import analyst, running
from labctl.errors import CellError, OrderRefused, UsageError
from labctl.report.run_data import analyse, record_of
from labctl.run.replay import replay
from labctl.run.request import CorrectRequest, StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.system.test_queue import until
from tests.system.test_start_table import CELL

STATION = replace(simulated_station(1, "bench"), mqtt=Mqtt(broker="none"))
PROTOCOL = """\
labctl: 1
name: one cycle
record: {every: 60 s}
analyse: [capacity]
steps:
  - repeat: 2
    cycle: true
    steps:
      - charge: {current: 1C, to: 4.1 V, for: 2 h}
      - discharge: {current: 1C, to: 3.0 V, for: 2 h}
"""


@pytest.fixture
async def parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(analyst, "SETTLE", 0.2)
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    async with running(STATION, tmp_path / "data", ScaledClock(36000.0)) as opened:
        await opened.supervisor.start(StartRequest("p.yaml", "cell.yaml", "sim1"))
        await until(opened, lambda: opened.channels["sim1"].session is None)
        yield opened


def stored(parts):
    """Return what is stored of each analysis: its options, and its first figure per gram."""
    with Reader(parts.folder) as reader:
        rows = reader.query("SELECT options, figures, flags FROM analyses ORDER BY options DESC")
    found = []
    for options, figures, flags in rows:
        per_gram = next(each["value"] for each in json.loads(figures) if each["unit"] == "mAh/g")
        found.append((json.loads(options), per_gram, json.loads(flags)))
    return found


async def test_results_are_made_anew_beside_those_of_before_and_rates_stay(parts):
    await until(parts, lambda: len(stored(parts)) == 1)
    with Reader(parts.folder) as reader:
        plan = reader.plan(1)
    reply = await parts.supervisor.correct(CorrectRequest("1", {"active_mass": "50 mg"}, "ada", "c"))
    assert reply.text == "active_mass 50 mg; rates stay as they were run"
    assert await parts.supervisor.correct(CorrectRequest("1", {"active_mass": "50 mg"}, "ada", "c")) == reply
    await until(parts, lambda: len(stored(parts)) == 2)
    (before, as_run, _), (after, again, flags) = sorted(stored(parts), key=lambda each: len(each[0]))
    assert (before, after) == ({}, {"active_mass": "50 mg"})
    assert again == pytest.approx(2 * as_run, rel=1e-9)
    assert any("active mass corrected to 50 mg by ada" in flag for flag in flags)
    with Reader(parts.folder) as reader:
        shown = analyse(record_of(reader, reader.run(1)), [("capacity", {})])
        assert flags[-1] in shown[0].flags, "a report and a page say so, too"
        assert reader.plan(1) == plan
        assert replay(reader, 1).equal
        assert len(reader.query("SELECT 1 FROM events WHERE kind = 'cell_corrected'")) == 1
    assert verify(parts.folder).findings == ()


async def test_the_command_line_takes_a_mass_with_its_unit_as_two_words(parts, capsys):
    words = ["cell", "correct", "sim1", "--active-mass", "12.3", "mg", "--data", str(parts.folder)]
    assert await asyncio.to_thread(main, words) == 0
    assert "active_mass 12.3 mg; rates stay" in capsys.readouterr().out
    with Reader(parts.folder) as reader:
        (data,) = reader.query("SELECT data FROM events WHERE kind = 'cell_corrected'")
    told = json.loads(data[0])
    assert (told["values"], told["was"]) == (
        {"active_mass": pytest.approx(1.23e-5)},
        {"active_mass": pytest.approx(1e-4)},
    )


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({}, UsageError),
        ({"active_mass": "twelve"}, CellError),
        ({"active_mass": "3 V"}, CellError),
        ({"model": "x"}, UsageError),
    ],
)
async def test_what_is_no_correction_changes_nothing(parts, values, error):
    with pytest.raises(error):
        await parts.supervisor.correct(CorrectRequest("1", values))
    with Reader(parts.folder) as reader:
        assert reader.query("SELECT 1 FROM events WHERE kind = 'cell_corrected'") == []


async def test_a_channel_without_a_run_has_no_cell_to_correct(tmp_path):
    async with running(STATION, tmp_path / "data") as opened:
        with pytest.raises(OrderRefused, match="has had no run"):
            await opened.supervisor.correct(CorrectRequest("sim1", {"active_mass": "1 mg"}))

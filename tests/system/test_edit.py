"""What a run still has to do, changed while it runs: missing-queue-notice-edit."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.errors import FileError, OrderRefused
from labctl.publish.postgres import Postgres
from labctl.run.replay import replay
from labctl.run.request import EditRequest, StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.services_postgresql import postgresql, postgresql_server  # noqa: F401
from tests.system.test_queue import until
from tests.system.test_serve import CELL

STATION = replace(simulated_station(1, "bench"), mqtt=Mqtt(broker="none"))
PROTOCOL = """\
labctl: 1
name: cycling
record: {every: 10 s}
steps:
  - rest: 10 min
  - name: cycling
    repeat: 3
    cycle: true
    steps:
      - {name: up, charge: {current: 0.5 A, to: 4.0 V, for: 3 min}}
      - {name: wait, rest: 1 h}
      - {name: down, discharge: {current: 0.5 A, to: 3.2 V, for: 3 min}}
  - {name: last, rest: 1 min}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def parts(folder):
    async with running(STATION, folder / "data", ScaledClock(60.0)) as opened:
        await opened.supervisor.start(StartRequest("p.yaml", "cell.yaml", "sim1"))
        await opened.supervisor.order("skip", "sim1")
        await opened.supervisor.order("skip", "sim1")
        assert opened.supervisor.status()[0]["step_name"] == "wait"
        yield opened


def edited(*pairs):
    text = PROTOCOL
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    Path("p.yaml").write_text(text)
    return text


async def edit(parts, **more):
    return await parts.supervisor.edit(EditRequest("sim1", "p.yaml", **more))


def steps(folder):
    with Reader(folder / "data") as reader:
        rows = reader.query(
            "SELECT step_name, round(step_time_second) FROM steps WHERE end_reason IS NOT NULL ORDER BY step_count"
        )
    return [tuple(row) for row in rows]


async def test_passes_cut_offs_and_steps_to_come_are_changed_and_the_run_does_them(parts, folder):
    edited(
        ("repeat: 3", "repeat: 2"),
        ("rest: 1 min", "rest: 2 min"),
        (
            "down, discharge: {current: 0.5 A, to: 3.2 V, for: 3 min}",
            "down, discharge: {current: 0.5 A, to: 3.2 V, for: 1 min}",
        ),
    )
    shown = await edit(parts)
    assert not shown.applied
    assert any(line.startswith("-") and "3 ×" in line for line in shown.difference.splitlines())
    assert any(line.startswith("+") and "2 ×" in line for line in shown.difference.splitlines())
    with Reader(folder / "data") as reader:
        assert [tuple(row) for row in reader.query("SELECT version FROM plans")] == [(1,)]
    done = await edit(parts, apply=True, by="me", id="e")
    assert done.applied
    assert await edit(parts, apply=True, by="me", id="e") == replace(done, difference="")  # it is the plan already
    for _ in range(4):
        await parts.supervisor.order("skip", "sim1")
    await until(parts, lambda: parts.channels["sim1"].session is None)
    assert [name for name, _ in steps(folder)] == ["", "up", "wait", "down", "up", "wait", "down", "last"]
    assert steps(folder)[-2:] == [("down", 60.0), ("last", 120.0)]
    with Reader(folder / "data") as reader:
        assert [tuple(row) for row in reader.query("SELECT version FROM plans ORDER BY 1")] == [(1,), (2,)]
        (event,) = reader.query("SELECT data FROM events WHERE kind = 'edited'")
        (input_,) = reader.query("SELECT data FROM inputs WHERE data LIKE '%repeat: 2%'")
        assert json.loads(event[0])["by"] == "me"
        assert "repeat: 2" in input_[0]
        assert replay(reader, 1).equal
    assert verify(folder / "data").findings == ()


async def test_a_restart_goes_on_with_the_new_plan(folder):
    async with running(STATION, folder / "data") as parts:
        await parts.supervisor.start(StartRequest("p.yaml", "cell.yaml", "sim1"))
        edited(("rest: 1 h", "rest: 30 min"), ("repeat: 3", "repeat: 5"))
        await edit(parts, apply=True)
    async with running(STATION, folder / "data") as parts:
        assert parts.channels["sim1"].session.plan.root.children[1].passes == 5
        await parts.supervisor.order("stop", "sim1")
    with Reader(folder / "data") as reader:
        assert replay(reader, 1).equal


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ((("rest: 10 min", "rest: 11 min"),), "step 1 (rest) is over"),
        ((("rest: 1 h", "rest: 2 h"),), "step 3 (rest) is being done"),
        ((("repeat: 3", "repeat: 3\n    for: 9 h"),), "only the number of passes may differ"),
        ((("  - rest: 10 min\n", "  - rest: 10 min\n  - rest: 1 min\n"),), "would stand elsewhere"),
        ((("labctl: 1", "# the same\nlabctl: 1"),), "nothing would change"),
    ],
)
async def test_what_is_over_or_being_done_stays_as_it_is(parts, folder, pairs, words):
    edited(*pairs)
    for apply in (False, True):
        with pytest.raises(OrderRefused) as error:
            await edit(parts, apply=apply)
        assert words in str(error.value)
    with Reader(folder / "data") as reader:
        assert len(reader.query("SELECT 1 FROM plans")) == 1


async def test_no_passes_are_taken_back(parts):
    await parts.supervisor.order("skip", "sim1")
    await parts.supervisor.order("skip", "sim1")  # the second pass has begun
    edited(("repeat: 3", "repeat: 1"))
    with pytest.raises(OrderRefused, match="cannot have 1 passes now: pass 2 of 3 is being done"):
        await edit(parts)


async def test_a_file_with_an_error_or_beyond_the_limits_changes_nothing(parts):
    edited(("3.2 V", "1.2 V"))
    with pytest.raises(FileError, match=r"1\.2 V"):
        await edit(parts, apply=True)


async def test_the_command_line_shows_the_difference_and_applies_it(parts, folder, capsys):
    edited(("repeat: 3", "repeat: 4"))

    async def said(*words, code=0):
        assert await asyncio.to_thread(main, ["edit", "sim1", "p.yaml", *words, "--data", str(folder / "data")]) == code
        return capsys.readouterr()

    shown = (await said()).out
    assert "nothing is changed yet; the same with --apply changes it" in shown
    assert "+" in shown
    assert "the run does this from now on" in (await said("--apply")).out
    assert "nothing would change" in (await said("--apply", code=1)).err


async def test_a_copy_in_postgresql_has_the_new_plan_too(parts, folder, postgresql):  # noqa: F811
    with Postgres(folder / "data", postgresql) as sink:
        while sink.carry():
            pass
        edited(("repeat: 3", "repeat: 4"))
        await edit(parts, apply=True)
        while sink.carry():
            pass
    with Reader(postgresql) as copy, Reader(folder / "data") as journal:
        asked = "SELECT version, plan, hash FROM plans ORDER BY version"
        assert [tuple(row) for row in copy.query(asked)] == [tuple(row) for row in journal.query(asked)]
        assert len(copy.query(asked)) == 2


async def test_a_step_of_two_parts_that_is_being_done_may_come_from_a_file_of_another_name(folder):
    text = PROTOCOL.replace("to: 4.0 V, for: 3 min", 'to: 4.0 V, hold_until: "current < 50 mA", for: 100 h')
    (folder / "p.yaml").write_text(text)
    (folder / "q.yaml").write_text("# a line more\n" + text.replace("repeat: 3", "repeat: 4"))
    (folder / "r.yaml").write_text(text.replace("< 50 mA", "< 40 mA"))
    async with running(STATION, folder / "data") as parts:
        await parts.supervisor.start(StartRequest("p.yaml", "cell.yaml", "sim1"))
        await parts.supervisor.order("skip", "sim1")
        assert parts.supervisor.status()[0]["step_type"] == "charge"
        assert (await parts.supervisor.edit(EditRequest("sim1", "q.yaml", apply=True))).applied
        with pytest.raises(OrderRefused, match="one step that is being done"):
            await parts.supervisor.edit(EditRequest("sim1", "r.yaml"))

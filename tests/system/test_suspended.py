"""Runs that are suspended for reasons outside: a chamber, a glovebox, a lamp."""

import asyncio
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.clock import ScaledClock
from labctl.control import dispatch
from labctl.daemon import running
from labctl.errors import OrderRefused, UsageError
from labctl.run.replay import replay
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from tests.system.test_orders_once import CELL
from tests.system.test_orders_seen import PROTOCOL

STATION = replace(simulated_station(3, "bench"), mqtt=Mqtt(broker="none"))


@pytest.fixture
async def parts(tmp_path):
    async with running(STATION, tmp_path / "data", ScaledClock(60.0)) as opened:
        protocol, cell = opened.supervisor.texts.put("p.yaml", PROTOCOL), opened.supervisor.texts.put("c.yaml", CELL)
        for channel in ("sim1", "sim2"):
            await opened.supervisor.start(StartRequest(protocol, cell, channel))
        yield opened


async def give(parts, verb, channel="*", **more):
    return await dispatch.obey(parts.supervisor, dispatch.check(verb, {"channel": channel, **more}))


def states(parts):
    return [(row["activity"], row["why"]) for row in parts.supervisor.status()[:2]]


async def test_a_run_goes_on_when_the_last_reason_is_lifted_and_its_step_is_not_rewound(parts):
    before = parts.supervisor.status()[0]["step_count"]
    await give(parts, "pause", reason="glovebox oxygen")
    await give(parts, "pause", reason="lamp")
    await give(parts, "pause", reason="lamp")
    assert states(parts) == [("paused", "suspended: glovebox oxygen; lamp")] * 2
    stood = parts.supervisor.status()[0]["step_time_second"]
    answer = await give(parts, "resume", reason="glovebox oxygen")
    assert [each["channel"] for each in answer["channels"]] == ["sim1", "sim2"]
    assert states(parts) == [("paused", "suspended: lamp")] * 2
    await give(parts, "resume", reason="lamp")
    assert [state for state, _ in states(parts)] == ["running", "running"]
    row = parts.supervisor.status()[0]
    assert row["step_count"] == before
    assert row["step_time_second"] >= stood
    assert (await give(parts, "resume", reason="lamp"))["channels"] == []
    await give(parts, "stop")
    with Reader(parts.folder) as reader:
        assert all(replay(reader, run.run_id).equal for run in reader.runs())


async def test_what_a_person_paused_a_person_lets_go_on(parts):
    await give(parts, "pause", "sim1", by="ada")
    await give(parts, "pause", reason="lamp")
    assert states(parts) == [("paused", "paused by ada; suspended: lamp"), ("paused", "suspended: lamp")]
    await give(parts, "resume", reason="lamp")
    assert states(parts)[0] == ("paused", "paused by ada")
    assert states(parts)[1][0] == "running"
    await give(parts, "resume", "sim1")
    assert states(parts)[0][0] == "running"


async def test_a_person_overrides_a_reason(parts):
    await give(parts, "pause", "sim1", reason="lamp")
    await give(parts, "resume", "sim1", by="ada")
    assert states(parts)[0][0] == "running"


async def test_reasons_outlive_the_daemon(tmp_path):
    async with running(STATION, tmp_path / "data") as parts:
        protocol, cell = parts.supervisor.texts.put("p.yaml", PROTOCOL), parts.supervisor.texts.put("c.yaml", CELL)
        await parts.supervisor.start(StartRequest(protocol, cell, "sim1"))
        await give(parts, "pause", reason="lamp")
    async with running(STATION, tmp_path / "data") as parts:
        assert states(parts)[0] == ("paused", "suspended: lamp")
        await give(parts, "resume", reason="lamp")
        assert states(parts)[0][0] == "running"


async def test_a_reason_that_does_not_hold_lifts_nothing(parts):
    await give(parts, "pause", "sim1", reason="lamp")
    await give(parts, "pause", "sim1", reason="glovebox oxygen")
    with pytest.raises(OrderRefused) as refused:
        await give(parts, "resume", "sim1", reason="glovebox oxigen")
    assert str(refused.value) == (
        "wanted a reason for which channel sim1 is suspended (lamp; glovebox oxygen), "
        "found 'glovebox oxigen' (did you mean glovebox oxygen?)"
    )
    await give(parts, "pause", "sim2", by="ada")
    with pytest.raises(OrderRefused, match=r"is paused \(paused by ada\) for no reason by name, found --reason 'lamp'"):
        await give(parts, "resume", "sim2", reason="lamp")
    assert [activity for activity, _ in states(parts)] == ["paused", "paused"]
    for asked in (
        {"channel": "*"},
        {"channel": "sim1", "reason": "a; b"},
        {"channel": "sim1", "run": "x", "step": 1, "reason": "a"},
    ):
        with pytest.raises(UsageError):
            await dispatch.obey(parts.supervisor, dispatch.check("resume", asked))


async def test_the_command_line_suspends_and_lifts(parts, capsys):
    async def said(*words):
        assert await asyncio.to_thread(main, [*words, "--data", str(parts.folder)]) == 0
        return capsys.readouterr().out

    assert (await said("pause", "--all", "--reason", "chamber door")).count("suspended: chamber door") == 2
    assert (await said("resume", "--all", "--reason", "chamber door")).count("running") == 2

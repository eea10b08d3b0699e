"""One order to every channel: what only makes safer, all at once."""

import asyncio
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.control import dispatch
from labctl.daemon import running
from labctl.errors import UsageError
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from tests.system.test_orders_once import CELL
from tests.system.test_orders_seen import PROTOCOL

STATION = replace(simulated_station(4, "bench"), mqtt=Mqtt(broker="none"))


@pytest.fixture
async def parts(tmp_path):
    async with running(STATION, tmp_path / "data") as opened:
        protocol, cell = opened.supervisor.texts.put("p.yaml", PROTOCOL), opened.supervisor.texts.put("c.yaml", CELL)
        for channel in ("sim1", "sim2", "sim3"):
            await opened.supervisor.start(StartRequest(protocol, cell, channel))
        yield opened


def activities(parts):
    return [row["activity"] for row in parts.supervisor.status()]


async def give(parts, verb, **more):
    return await dispatch.obey(parts.supervisor, dispatch.check(verb, {"channel": "*", **more}))


async def test_pause_and_stop_reach_every_channel_that_has_a_run(parts):
    await parts.supervisor.order("pause", "sim2")
    answer = await give(parts, "pause", id="one")
    assert [each["channel"] for each in answer["channels"]] == ["sim1", "sim3"]
    assert activities(parts) == ["paused", "paused", "paused", "idle"]
    assert (await give(parts, "pause"))["channels"] == []
    answer = await give(parts, "stop", by="me")
    assert [each["channel"] for each in answer["channels"]] == ["sim1", "sim2", "sim3"]
    with Reader(parts.folder) as reader:
        assert [run.end_reason for run in reader.runs()] == ["stopped"] * 3
    assert activities(parts)[3] == "idle"


async def test_the_command_line_stops_all_and_lets_several_go_on(parts, capsys):
    async def said(*words, code=0):
        assert await asyncio.to_thread(main, [*words, "--data", str(parts.folder)]) == code
        return capsys.readouterr()

    assert (await said("pause", "--all")).out.count(": paused") == 3
    assert (await said("resume", "sim1", "sim2")).out.count("sim") == 2
    assert activities(parts) == ["running", "running", "paused", "idle"]
    assert "wanted a channel or a run to stop, or --all" in (await said("stop", code=2)).err
    assert (await said("stop", "--all")).out.count("sim") == 3
    assert "no channel has a run" in (await said("stop", "--all")).out


@pytest.mark.parametrize("asked", [{"verb": "skip"}, {"verb": "resume"}, {"verb": "stop", "run": "1"}])
async def test_nothing_else_is_given_to_every_channel(parts, asked):
    with pytest.raises(UsageError, match="which is for stop and pause alone"):
        await give(parts, **asked)

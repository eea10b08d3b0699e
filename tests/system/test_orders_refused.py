"""What an id was used for decides what a repetition does: stop and pause act as long as what they ask for does not hold."""

import asyncio
from dataclasses import replace

import pytest

from labctl.daemon import running
from labctl.errors import OrderRefused, StoreError
from labctl.run import orderbook
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from tests.system.test_orders_once import CELL, PROTOCOL

STATION = replace(simulated_station(2, "bench"), mqtt=Mqtt(broker="none"))


@pytest.fixture
async def parts(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    async with running(STATION, tmp_path / "data") as opened:
        yield opened


def start(parts, order_id="", channel="sim1", **more):
    folder = parts.folder.parent
    request = StartRequest(str(folder / "p.yaml"), str(folder / "cell.yaml"), channel, id=order_id)
    return parts.supervisor.start(replace(request, **more))


async def test_stop_refused_when_its_id_was_used_for_a_start(parts):
    begun = await start(parts, "exp-42")
    reply = await parts.supervisor.order("stop", "sim1", "exp-42")
    assert (reply.activity, reply.run) == ("done", begun.run)
    assert await start(parts, "exp-42") == begun, "answered as the first time, not obeyed again"
    assert parts.channels["sim1"].session is None


async def test_stop_refused_when_its_id_was_used_for_an_earlier_stop(parts):
    await start(parts)
    first = await parts.supervisor.order("stop", "sim1", "S")
    assert await parts.supervisor.order("stop", "sim1", "S") == first, "answered for the run that has ended"
    second = await start(parts)
    reply = await parts.supervisor.order("stop", "sim1", "S")
    assert (reply.run, reply.activity) == (second.run, "done")


async def test_a_stop_that_names_its_run_stops_no_other(parts):
    first = await start(parts)
    await parts.supervisor.order("stop", "sim1", "S", run=first.run)
    second = await start(parts)
    again = await parts.supervisor.order("stop", "sim1", "S", run=first.run)
    assert (again.run, again.activity) == (first.run, "done")
    by_id = await parts.supervisor.order("stop", first.run)
    assert by_id.run == first.run
    assert parts.channels["sim1"].is_running(second.run)
    with pytest.raises(OrderRefused, match="nothing was done"):
        await parts.supervisor.order("skip", "sim1", run=first.run)


async def test_a_pause_acts_again_once_the_run_goes_on(parts):
    await start(parts)
    first = await parts.supervisor.order("pause", "sim1", "P")
    assert await parts.supervisor.order("pause", "sim1", "P") == first
    await parts.supervisor.order("resume", "sim1", "R")
    assert (await parts.supervisor.order("pause", "sim1", "P")).activity == "paused"


async def test_another_verb_or_content_under_a_used_id_is_refused_by_name(parts):
    await start(parts, "1")
    with pytest.raises(OrderRefused, match=r"id '1' was used for start on channel sim1"):
        await parts.supervisor.order("skip", "sim1", "1")
    await parts.supervisor.order("note", "sim1", "2", text="one")
    with pytest.raises(OrderRefused, match=r"id '2' was used for another note"):
        await parts.supervisor.order("note", "sim1", "2", text="other")
    with pytest.raises(OrderRefused, match=r"id '1' was used for another start"):
        await start(parts, "1", by="somebody else")
    assert (await start(parts, "1", channel="sim2")).channel == "sim2", "an id belongs to a channel"


async def test_an_id_of_a_run_that_has_ended_neither_acts_nor_lies(parts):
    await start(parts)
    first = await parts.supervisor.order("skip", "sim1", "1")
    await parts.supervisor.order("stop", "sim1")
    assert await parts.supervisor.order("skip", "sim1", "1") == first
    await start(parts)
    with pytest.raises(OrderRefused, match=f"used for skip on run {first.run}, which has ended"):
        await parts.supervisor.order("skip", "sim1", "1")


async def test_the_same_order_at_the_same_time_is_obeyed_once(parts):
    replies = await asyncio.gather(*(start(parts, "1") for _ in range(5)))
    assert len({reply.run for reply in replies}) == 1
    replies = await asyncio.gather(*(parts.supervisor.order("skip", "sim1", "2") for _ in range(5)))
    assert len(set(replies)) == 1
    assert parts.channels["sim1"].session.state.line == 2


@pytest.mark.parametrize("order_id", ["", "1"])
async def test_stop_reaches_a_start_that_is_under_way(parts, order_id):
    begun, stopped = await asyncio.gather(
        start(parts, order_id), parts.supervisor.order("stop", "sim1", by="me"), return_exceptions=True
    )
    assert parts.channels["sim1"].session is None
    assert isinstance(begun, OrderRefused)
    assert "stopped by me" in str(begun)
    assert stopped.verb == "stop"


async def test_a_stop_of_a_start_that_was_under_way_is_answered_again_under_its_id(parts):
    _, stopped = await asyncio.gather(
        start(parts, ""), parts.supervisor.order("stop", "sim1", "S", by="me"), return_exceptions=True
    )
    assert await parts.supervisor.order("stop", "sim1", "S", by="me") == stopped


async def test_what_is_not_recorded_yet_is_not_answered_and_not_obeyed_twice(parts, monkeypatch):
    await start(parts)
    monkeypatch.setattr(orderbook, "RECORDED_WITHIN", 0.2)
    disk = parts.journal._file.mutex
    parts.supervisor.book.reached = lambda step: disk.acquire() if step == "known" else None
    with pytest.raises(StoreError, match="not recorded yet"):
        await parts.supervisor.order("skip", "sim1", "1")
    parts.supervisor.book.reached = lambda _step: None
    with pytest.raises(StoreError, match="has not answered"):
        await parts.supervisor.order("note", "sim1", "2", text="a remark")
    disk.release()
    monkeypatch.setattr(orderbook, "RECORDED_WITHIN", 30.0)
    await parts.supervisor.order("skip", "sim1", "1")
    assert parts.channels["sim1"].session.state.line == 2


async def test_a_stop_that_is_not_recorded_yet_acts_and_is_answered_when_it_is(parts, monkeypatch):
    begun = await start(parts)
    monkeypatch.setattr(orderbook, "RECORDED_WITHIN", 0.2)
    disk = parts.journal._file.mutex
    disk.acquire()
    with pytest.raises(StoreError, match="obeyed stop and is done, which is not recorded yet"):
        await parts.supervisor.order("stop", "sim1", "S")
    assert parts.channels["sim1"].session is None
    disk.release()
    monkeypatch.setattr(orderbook, "RECORDED_WITHIN", 30.0)
    reply = await parts.supervisor.order("stop", "sim1", "S")
    assert (reply.run, reply.activity) == (begun.run, "done")
    assert await parts.supervisor.order("stop", begun.run[:8], "S") == reply


async def test_a_run_that_cannot_begin_has_failed_and_holds_what_waits(parts, monkeypatch):
    connection = parts.connections["bench"]

    async def refuse(*_words):
        raise OrderRefused("the cell is out")

    monkeypatch.setattr(connection, "begin", refuse)
    with pytest.raises(OrderRefused, match="the cell is out"):
        await start(parts, "1")
    channel = parts.channels["sim1"]
    assert (channel.activity, channel.ended_reason) == ("failed", "failed")
    monkeypatch.undo()
    assert (await start(parts, "1")).run, "what was refused may be asked again"

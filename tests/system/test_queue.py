"""Runs that wait for a time, or for the run before them: missing-start-at-time, missing-queue-notice-edit."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.cli.orders import moment
from labctl.clock import ScaledClock
from labctl.control import dispatch
from labctl.daemon import running
from labctl.errors import OrderRefused, UsageError
from labctl.run.request import QueueRequest, StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from tests.system.test_orders_once import CELL, PROTOCOL

STATION = replace(simulated_station(2, "bench"), mqtt=Mqtt(broker="none"))
SHORT = PROTOCOL.replace("name: waits", "name: short").replace("prompt: {say: press it, for: 100 h}", "rest: 1 s").replace(
    "100 h", "1 s"
)  # fmt: skip
WITHIN = 60.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    (tmp_path / "short.yaml").write_text(SHORT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wanted(protocol="short.yaml", channel="sim1", **more):
    return StartRequest(protocol, "cell.yaml", channel, **more)


async def until(parts, condition):
    news = asyncio.Event()
    parts.sink.on_commit(lambda _done: news.set())
    async with asyncio.timeout(WITHIN):
        while not condition():
            await news.wait()
            news.clear()


def ran(folder):
    """Return protocol and end of all runs, in the order in which they began."""
    with Reader(folder / "data") as reader:
        return [(run.uuid, run.end_reason) for run in reader.runs()]


async def test_start_at_a_time(folder):
    async with running(STATION, folder / "data", ScaledClock(100.0)) as parts:
        at = parts.clock.label() + 300.0
        reply = await parts.supervisor.start(wanted(at=at, id="1"))
        assert reply.waits.startswith("begins at 2")
        assert await parts.supervisor.start(wanted(at=at, id="1")) == reply
        (row, _) = parts.supervisor.status()
        assert (row["activity"], row["run"], row["queue"]) == ("idle", "", 1)
        assert f"short on A ({reply.run[:8]}) at " in row["next"]
        assert row["next"] in parts.supervisor.why("sim1")[0]
        (folder / "short.yaml").write_text("edited: since")
        await until(parts, lambda: ran(folder) == [(reply.run, "done")])
        with Reader(folder / "data") as reader:
            assert reader.runs()[0].began_unix_time >= at
        assert parts.supervisor.status()[0]["next"] == ""


async def test_a_run_that_waits_survives_a_restart_and_begins_once(folder):
    async with running(STATION, folder / "data") as parts:
        reply = await parts.supervisor.start(wanted(at=parts.clock.label() + 3600.0, id="1"))
        before = parts.supervisor.status()[0]["next"]
    async with running(STATION, folder / "data", ScaledClock(10_000.0)) as parts:
        assert parts.supervisor.status()[0]["next"] == before
        await until(parts, lambda: ran(folder) == [(reply.run, "done")])
    async with running(STATION, folder / "data") as parts:
        assert parts.supervisor.status()[0]["queue"] == 0
    assert len(ran(folder)) == 1


async def test_missing_queue_notice_edit_the_next_run_begins_when_the_one_before_has_ended(folder):
    async with running(STATION, folder / "data", ScaledClock(100.0)) as parts:
        first = await parts.supervisor.start(wanted("p.yaml"))
        second = await parts.supervisor.start(wanted(next=True))
        third = await parts.supervisor.start(wanted(next=True))
        assert third.waits == "begins after 2 before it"
        assert "and 1 more" in parts.supervisor.status()[0]["next"]
        with pytest.raises(OrderRefused, match="is taken by run"):
            await parts.supervisor.start(wanted())
        for verb in ("skip", "confirm", "skip"):
            await parts.supervisor.order(verb, "sim1")
        await until(parts, lambda: ran(folder) == [(run.run, "done") for run in (first, second, third)])


async def test_a_run_for_a_later_time_keeps_no_other_waiting(folder):
    async with running(STATION, folder / "data", ScaledClock(100.0)) as parts:
        later = await parts.supervisor.start(wanted(at=parts.clock.label() + 1e6))
        first = await parts.supervisor.start(wanted(next=True))
        await until(parts, lambda: ran(folder) == [(first.run, "done")])
        assert (await parts.supervisor.start(wanted("p.yaml"))).channel == "sim1"
        assert f"({later.run[:8]}) at " in parts.supervisor.status()[0]["next"]


async def test_a_run_that_was_stopped_holds_what_waits_until_a_person_resumes(folder):
    async with running(STATION, folder / "data", ScaledClock(100.0)) as parts:
        first = await parts.supervisor.start(wanted("p.yaml"))
        second = await parts.supervisor.start(wanted(next=True))
        await parts.supervisor.order("stop", "sim1", by="me")
    async with running(STATION, folder / "data", ScaledClock(100.0)) as parts:
        row = parts.supervisor.status()[0]
        assert "held since the last run ended as stopped" in row["next"]
        assert row["unblock"] == parts.supervisor.why("sim1")[1] == "labctl resume sim1"
        reply = await parts.supervisor.order("resume", "sim1", "r")
        assert reply.run == second.run
        assert await parts.supervisor.order("resume", "sim1", "r") == reply
        await until(parts, lambda: ran(folder) == [(first.run, "stopped"), (second.run, "done")])


async def test_a_run_that_waits_is_taken_out_by_its_id_and_by_no_other_stop(folder):
    async with running(STATION, folder / "data") as parts:
        first = await parts.supervisor.start(wanted("p.yaml"))
        second = await parts.supervisor.start(wanted(next=True))
        reply = await parts.supervisor.order("stop", second.run[:8], "s")
        assert (reply.run, reply.text) == (second.run, "taken out of the queue by a person")
        assert await parts.supervisor.order("stop", "sim1", "s", run=second.run) == reply
        assert parts.channels["sim1"].is_running(first.run)
        assert parts.supervisor.status()[0]["queue"] == 0


async def test_what_is_wrong_is_refused_when_it_is_queued(folder):
    (folder / "short.yaml").write_text(SHORT.replace("1 s", "1 sx"))
    async with running(STATION, folder / "data") as parts:
        with pytest.raises(Exception, match=r"short.yaml:5:"):
            await parts.supervisor.start(wanted(next=True))
        (folder / "short.yaml").write_text(SHORT)
        with pytest.raises(UsageError, match="wanted a time to come"):
            await parts.supervisor.start(wanted(at=1.0e9))
        assert parts.supervisor.status()[0]["queue"] == 0


def test_a_time_of_the_wall_s_clock_is_sent_with_its_zone():
    sent = dispatch.moment_of(moment("2026-12-01T08:00"))
    assert dt.datetime.fromtimestamp(sent) == dt.datetime(2026, 12, 1, 8)  # noqa: DTZ001, DTZ006 - local is the point
    assert (
        dispatch.moment_of(moment("2026-12-01 08:00+05:00")) == dt.datetime(2026, 12, 1, 3, tzinfo=dt.UTC).timestamp()
    )
    with pytest.raises(UsageError, match="wanted a time such as"):
        moment("tomorrow")
    for wrong in ("2026-12-01T08:00", "x", True, None, float("nan")):
        assert dispatch.moment_of(wrong) is None


def order_of(channel):
    return [queued.new.uuid for queued in channel.queue]


async def test_runs_that_wait_are_added_moved_and_taken_out_and_a_restart_keeps_their_order(folder):
    async with running(STATION, folder / "data") as parts:
        await parts.supervisor.start(wanted("p.yaml"))
        first, second, third = [
            (
                await parts.supervisor.queue(
                    QueueRequest("sim1", "short.yaml", "cell.yaml", id=str(number), place=place)
                )
            ).run
            for number, place in enumerate((None, None, 1))
        ]
        channel = parts.channels["sim1"]
        assert order_of(channel) == [third, first, second]
        moved = await parts.supervisor.queue(QueueRequest("sim1", run=second[:8], place=1, by="me", id="m"))
        assert moved.text == "moved to place 1 of the queue by me"
        assert order_of(channel) == [second, third, first]
        assert await parts.supervisor.queue(QueueRequest("sim1", run=second[:8], place=1, by="me", id="m")) == moved
        await parts.supervisor.queue(QueueRequest("sim1", run=third, remove=True, id="r"))
        assert [each["run"] for each in parts.supervisor.waiting("sim1")] == [second, first]
        assert [each["place"] for each in parts.supervisor.waiting("sim1")] == [1, 2]
    async with running(STATION, folder / "data") as parts:
        assert order_of(parts.channels["sim1"]) == [second, first]
        again = await parts.supervisor.queue(QueueRequest("sim1", run=second[:8], place=1, by="me", id="m"))
        assert again == moved
        assert order_of(parts.channels["sim1"]) == [second, first]


async def test_a_run_that_was_moved_to_the_front_begins_first(folder):
    async with running(STATION, folder / "data", ScaledClock(100.0)) as parts:
        before = await parts.supervisor.start(wanted("p.yaml"))
        first, second = [(await parts.supervisor.start(wanted(next=True))).run for _ in range(2)]
        await parts.supervisor.queue(QueueRequest("sim1", run=second, place=1))
        for verb in ("skip", "confirm", "skip"):
            await parts.supervisor.order(verb, "sim1")
        await until(parts, lambda: ran(folder) == [(run, "done") for run in (before.run, second, first)])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"run": "12345678", "place": 1}, "wanted a run that waits, found '12345678'; what waits: nothing"),
        ({"protocol": "short.yaml"}, "wanted cell beside protocol"),
        ({"cell": "cell.yaml"}, "wanted a protocol beside cell"),
        ({"run": "12345678", "place": 1, "remove": True}, "wanted place or remove"),
        ({"run": "12345678"}, "wanted place or remove"),
        ({"remove": True}, "wanted the run that is meant"),
        ({"protocol": "short.yaml", "cell": "cell.yaml", "run": "12345678"}, "found both"),
    ],
)
async def test_what_does_not_go_together_is_refused(folder, more, words):
    async with running(STATION, folder / "data") as parts:
        asked = dispatch.check("queue", {"channel": "sim1", **more})
        with pytest.raises((OrderRefused, UsageError), match=words):
            await dispatch.obey(parts.supervisor, asked)


async def test_the_command_line_shows_what_waits_and_changes_it(folder, capsys):
    async with running(STATION, folder / "data") as parts:
        await parts.supervisor.start(wanted("p.yaml"))

        async def said(*words):
            assert await asyncio.to_thread(main, ["queue", "sim1", *words, "--data", str(folder / "data")]) == 0
            return capsys.readouterr().out

        assert "nothing waits; labctl queue sim1 FILE --cell CELL adds a run" in await said()
        assert "queued short" in await said("short.yaml", "--cell", "cell.yaml")
        assert "begins after 1 before it" in await said("short.yaml", "--cell", "cell.yaml", "--place", "1")
        (one, two) = order_of(parts.channels["sim1"])
        assert f"  1  {one[:8]}  short on A" in await said()
        assert f"  1  {two[:8]}  short on A" in await said("--run", two[:8], "--place", "1")
        assert "taken out of the queue" in await said("--run", one[:8], "--remove")
        assert order_of(parts.channels["sim1"]) == [two]

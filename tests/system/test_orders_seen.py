"""Orders from a screen say what the person saw; texts that were handed over are what begins; refusals are known beforehand."""

from dataclasses import replace

import pytest

from labctl.control.client import DaemonClient
from labctl.daemon import running
from labctl.errors import OrderRefused, UsageError
from labctl.run.aside import aside
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from tests.system.test_orders_once import CELL

STATION = replace(simulated_station(2, "bench"), mqtt=Mqtt(broker="none"))
PROTOCOL = """\
labctl: 1
name: three rests
steps:
  - rest: 1 h
  - rest: 2 h
  - rest: 3 h
"""


@pytest.fixture
async def parts(tmp_path):
    async with running(STATION, tmp_path / "data") as opened:
        yield opened


async def begun(parts):
    protocol, cell = parts.supervisor.texts.put("p.yaml", PROTOCOL), parts.supervisor.texts.put("c.yaml", CELL)
    return await parts.supervisor.start(StartRequest(protocol, cell, "sim1", by="me", id="one"))


async def test_a_text_that_was_handed_over_is_what_begins_and_is_stored_whole(parts):
    reply = await begun(parts)
    with Reader(parts.folder) as reader:
        stored = reader.query("SELECT name, text FROM protocols")
        run = reader.find(reply.run)
    assert (run.protocol, [tuple(row) for row in stored]) == ("three rests", [("p.yaml", PROTOCOL)])
    with pytest.raises(UsageError, match="found none with the digest sha256:00"):
        await parts.supervisor.start(StartRequest("sha256:00", "sha256:00", "sim2"))


async def test_a_skip_of_a_step_that_ended_meanwhile_skips_nothing(parts):
    await begun(parts)
    first = await parts.supervisor.order("skip", "sim1", "a", "me", step_seen=1)
    assert first.activity == "running"
    with pytest.raises(OrderRefused, match=r"the step that you saw \(number 1 of the run\) has ended.*does step 2"):
        await parts.supervisor.order("skip", "sim1", "b", "someone else", step_seen=1)
    assert parts.channels["sim1"].look()["step_count"] == 2
    await parts.supervisor.order("stop", "sim1", "c", "me", step_seen=1)
    with Reader(parts.folder) as reader:
        orders = [stored.event.data for stored in reader.events(1) if stored.event.kind == "order"]
    assert [(each["verb"], each["obeyed"], each["step_seen"]) for each in orders] == [
        ("skip", True, 1), ("skip", False, 1), ("stop", True, 1),
    ]  # fmt: skip


async def test_what_a_channel_would_refuse_is_known_in_its_own_words(parts):
    assert parts.supervisor.refusals("sim1")["stop"] == "channel sim1 is idle: there is no run to stop"
    await begun(parts)
    refused = parts.supervisor.refusals("sim1")
    assert {verb for verb, why in refused.items() if not why} == {"stop", "pause", "skip", "note", "edit"}
    with pytest.raises(OrderRefused) as error:
        await parts.supervisor.order("resume", "sim1")
    assert str(error.value) == refused["resume"]


async def test_a_client_hands_a_text_over_and_asks_what_is_refused(parts):
    def asked():
        with DaemonClient(parts.folder) as client:
            return client.hand_over("p.yaml", PROTOCOL), client.refusals("sim1")

    digest, refused = await aside(asked, "client", 10.0)
    assert parts.supervisor.texts.find(digest).text == PROTOCOL
    assert refused == parts.supervisor.refusals("sim1")


@pytest.mark.parametrize("name", ["", "../x.yaml", "a/b", "a\nb", "x" * 200])
def test_a_text_needs_the_name_of_a_file(name, tmp_path):
    from labctl.run.texts import Texts  # noqa: PLC0415

    with pytest.raises(UsageError, match="wanted the name of a file"):
        Texts().put(name, "labctl: 1")


async def test_a_long_list_of_runs_is_one_question_and_comes_in_pages(parts):
    for _ in range(3):
        await parts.supervisor.start(
            StartRequest(
                parts.supervisor.texts.put("p.yaml", PROTOCOL), parts.supervisor.texts.put("c.yaml", CELL), "sim1"
            )
        )
        await parts.supervisor.order("stop", "sim1")
    with Reader(parts.folder) as reader:
        asked = []
        query = reader.query
        reader.query = lambda *words, **values: asked.append(words) or query(*words, **values)
        assert [run.run_id for run in reader.runs()] == [1, 2, 3]
        assert len(asked) == 1
        assert [run.run_id for run in reader.runs(most=2)] == [2, 3]
        assert [run.run_id for run in reader.runs(before=2, most=2)] == [1]
        assert all(run.rows == reader.rows(run.run_id).time.size for run in reader.runs())


async def test_a_start_tells_what_check_tells(parts):
    text = (
        "labctl: 1\nname: fast\nrecord: {every: 10 min}\nsteps:\n  - discharge: {current: 3C, to: 2.9 V, for: 10 min}\n"
        "analyse: [retention]\n"
    )
    files = [parts.supervisor.texts.put(name, given) for name, given in (("p.yaml", text), ("c.yaml", CELL))]
    reply = await parts.supervisor.start(StartRequest(*files, "sim1"))
    told = "\n".join(reply.warnings)
    assert "wanted cycles that are counted" in told
    assert "`for` will come before the voltage end" in told

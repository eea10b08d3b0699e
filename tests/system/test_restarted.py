"""What a restarted daemon says of a run that has failed, and orders by the wall's clock on a station that runs faster."""

import json
import time
from dataclasses import replace

import pytest

from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.errors import StoreFull
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.committed import Trouble
from tests.services_mosquitto import listening
from tests.system.test_orders_once import CELL, PROTOCOL

STATION = replace(simulated_station(2, "bench"), mqtt=Mqtt(commands="all"))
TRIPS = """\
labctl: 1
name: trips
limits: {voltage: [2.5 V, 3.9 V]}
steps:
  - charge: {current: 3 A, for: 20 min}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    (tmp_path / "trips.yaml").write_text(TRIPS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def heard(broker):
    return listening(broker.port, "labctl/#", username=broker.username, password=broker.password())


async def test_a_failed_run_stays_failed_and_alarmed_after_a_restart(folder):
    async with running(STATION, folder / "data", ScaledClock(10_000.0)) as parts, heard(parts.broker) as seen:
        await parts.supervisor.start(StartRequest("trips.yaml", "cell.yaml", "sim1"))
        await seen.until(lambda: any(each.get("alarm") == "ch-sim1" for each in seen.on("alarm/ch-sim1")))
        before = parts.supervisor.status()[0]
    assert before["activity"] == "tripped"
    async with running(STATION, folder / "data") as parts, heard(parts.broker) as seen:
        after = parts.supervisor.status()[0]
        for key in ("activity", "why", "run", "protocol", "cell", "unblock"):
            assert after[key] == before[key], key
        why, unblock = parts.supervisor.why("sim1")
        assert after["why"] in why
        assert unblock == f"labctl resume {after['run'][:8]} --from 0"
        assert parts.supervisor.why("sim2")[1] == "labctl start FILE --channel sim2 --cell CELL"
        await seen.until(
            lambda: unblock in seen.on("alarm/ch-sim1")[-1].get("text", "") if seen.on("alarm/ch-sim1") else 0
        )
        begun = await parts.supervisor.start(StartRequest(resume=after["run"][:8], channel="sim1"))
        assert begun.run != after["run"]


async def test_mqtt_orders_scaled_clock(folder):
    async with running(STATION, folder / "data", ScaledClock(1000.0)) as parts, heard(parts.broker) as seen:
        label = parts.clock.label()
        await parts.clock.until(parts.clock.now() + 1000.0)
        assert parts.clock.label() - time.time() > 60.0 or label - time.time() > 60.0
        order = {"protocol": "p.yaml", "cell": "cell.yaml", "channel": "sim1", "id": "a1", "issued_at": time.time(),
                 "reply_to": "me/x"}  # fmt: skip
        async with listening(parts.broker.port, "me/x", username="labctl", password=parts.broker.password()) as me:
            await me.client.publish("labctl/1/bench/cmd/start", json.dumps(order).encode(), qos=1)
            await me.until(lambda: me.on("me/x") and me.on("me/x")[-1]["answer"] in {"done", "rejected"})
            assert me.on("me/x")[-1].get("ok"), me.on("me/x")
        await seen.until(lambda: any(each.get("run") for each in seen.on("ch/sim1/state")))


async def test_what_cannot_be_recorded_is_said_in_why_and_alarmed(folder):
    async with running(STATION, folder / "data") as parts, heard(parts.broker) as seen:
        await parts.supervisor.start(StartRequest("p.yaml", "cell.yaml", "sim1"))
        for listener in parts.sink._on_trouble:
            listener(Trouble(StoreFull("journal.db: the disk is full")))
        assert "the journal cannot be written: journal.db: the disk is full" in parts.supervisor.why("sim1")[0]
        await seen.until(lambda: any("disk is full" in each.get("text", "") for each in seen.on("alarm/journal")))
        for listener in parts.sink._on_trouble:
            listener(Trouble(None))
        assert "disk" not in parts.supervisor.why("sim1")[0]
        await seen.until(lambda: seen.on("alarm/journal")[-1] == {})

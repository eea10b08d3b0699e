"""Orders over MQTT to a whole daemon: simulated channels, embedded broker, journal."""

import json
import shutil
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.daemon import running
from labctl.run.stations import simulated_station
from labctl.station.load import load_station
from labctl.station.settings import Mqtt
from tests.services_mosquitto import guarded, listening  # noqa: F401

ROOT = Path(__file__).parents[2]
COMMANDS, REPLY = "labctl/1/bench/cmd", "labctl/1/bench/reply/me"
SLOW = """\
labctl: 1
name: Slow
limits: {voltage: [-1 V, 1 V]}
steps:
  - rest: 1 h
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "slow.yaml").write_text(SLOW)
    shutil.copy(ROOT / "protocols" / "cells" / "phl-symmetric.yaml", tmp_path / "cell.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_user(broker):
    """Listen with the password that the embedded broker has where it takes orders."""
    return listening(broker.port, "labctl/#", username=broker.username, password=broker.password())


@asynccontextmanager
async def talking(folder):
    """A daemon, and somebody who talks to it over its broker."""
    station = replace(simulated_station(2, "bench"), mqtt=Mqtt(commands="all"))
    async with running(station, folder / "data") as parts, as_user(parts.broker) as seen:
        await seen.until(lambda: seen.on("bench/state") and seen.on("ch/sim1/state"))
        yield seen


async def told(seen, verb, number, **request):
    """Give an order and return its last answer."""
    order = {"id": number, "issued_at": time.time(), "reply_to": REPLY, **request}
    before = len(answers(seen, number))
    await seen.client.publish(f"{COMMANDS}/{verb}", json.dumps(order).encode(), qos=1)
    await seen.until(
        lambda: [found["answer"] for found in answers(seen, number)[before:]][-1:] in (["done"], ["rejected"])
    )
    return answers(seen, number)[-1]


def answers(seen, number):
    return [found for found in seen.on("reply/me") if found.get("id") == number]


async def test_a_run_is_started_once_whoever_repeats_the_order_and_whenever(folder):
    start = {"protocol": "slow.yaml", "cell": "cell.yaml", "channel": "sim1"}
    async with talking(folder) as seen:
        first = await told(seen, "start", "7", **start)
        assert first["ok"], first
        again = await told(seen, "start", "7", **start)
        assert again["run"] == first["run"]
        await seen.until(lambda: seen.on("ch/sim1/state")[-1]["state"] == "running")
        other = await told(seen, "start", "8", **start)
        assert (other["answer"], other["ok"]) == ("done", False)
        assert "labctl stop sim1" in other["why"]
    async with talking(folder) as seen:
        again = await told(seen, "start", "7", **start)
        assert again["run"] == first["run"], "the answer of an earlier life of the daemon"
        stopped = await told(seen, "stop", "9", channel="sim1")
        assert (stopped["ok"], stopped["activity"], stopped["run"]) == (True, "done", first["run"])
        run = first["run"]
        await seen.until(lambda: any(event["event"] == "run_ended" for event in seen.on(f"run/{run}/event")))
        assert (await told(seen, "stop", "9", channel="sim1"))["activity"] == "done"


async def test_what_is_wrong_comes_back_in_words(folder):
    (folder / "slow.yaml").write_text(SLOW.replace("1 h", "1 hx"))
    async with talking(folder) as seen:
        found = await told(seen, "start", "1", protocol="slow.yaml", cell="cell.yaml", channel="sim1")
        assert found["ok"] is False
        assert "slow.yaml:5:" in found["why"]
        found = await told(seen, "start", "2", protocol="../slow.yaml", cell="cell.yaml", channel="sim1")
        assert found["answer"] == "rejected"
        found = await told(seen, "skip", "3", channel="nowhere")
        assert "nowhere" in found["why"]
        found = await told(seen, "status", "4")
        assert [row["channel"] for row in found["channels"]] == ["sim1", "sim2"]


STATION = """\
labctl_station: 1
name: bench
instruments:
  cells: {{driver: simulated}}
channels:
  sim1: {{cell: {{instrument: cells, at: 1}}}}
mqtt:
  broker: {{host: 127.0.0.1, port: {port}, user: lab, password_file: password, tls: true, ca: authority.pem}}
"""


@pytest.mark.mosquitto
async def test_a_broker_with_user_password_and_certificate_by_setting(folder, guarded):  # noqa: F811
    (folder / "password").write_text("right\n")
    (folder / "password").chmod(0o600)
    file = folder / "station.yaml"
    file.write_text(STATION.format(port=guarded.port))
    station = load_station(file.read_bytes(), str(file))
    trusting = ssl.create_default_context(cafile=str(guarded.authority.ca))
    user = {"username": "lab", "password": "right", "tls_context": trusting}
    async with listening(guarded.port, "labctl/#", **user) as seen, running(station, folder / "data"):
        await seen.until(lambda: seen.on("bench/state") and seen.on("ch/sim1/state"))
        assert seen.on("bench/state")[0]["state"] == "ready"
        assert "right" not in json.dumps(seen.on("bench/info"))

"""The embedded broker of a station: a password as soon as it takes orders, retained messages for those who asked, no forgeries."""

import asyncio
import json
import stat
from dataclasses import replace

import aiomqtt
import pytest

from labctl.daemon import running
from labctl.publish.broker import EmbeddedBroker, made_password
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from tests.services_mosquitto import embedded, listening  # noqa: F401

WITHIN = 60.0


def station(**mqtt):
    return replace(simulated_station(1, "bench"), mqtt=Mqtt(**mqtt))


async def test_embedded_broker_retained(embedded):  # noqa: F811
    port = embedded.address.port
    async with listening(port, "labctl/1/bench/ch/sim1/state") as keeper:
        await keeper.client.publish("labctl/1/bench/ch/sim1/state", b'{"a": 1}', qos=1, retain=True)
        await keeper.until(lambda: keeper.on("sim1/state"))
        async with listening(port, "nothing/at/all/#", "nothing/+", "nothing", "mine") as other:
            await other.client.publish("mine", b'{"b": 2}', qos=1)
            await other.until(lambda: other.on("mine"))
            assert [topic for topic, _, _ in other.messages] == ["mine"]
        async with listening(port, "labctl/1/+/ch/#") as third:
            await third.until(lambda: third.on("sim1/state"))
            assert third.messages == [("labctl/1/bench/ch/sim1/state", {"a": 1}, True)]


async def test_a_password_by_default_where_orders_are_taken(tmp_path):
    async with running(station(commands="all"), tmp_path / "data") as parts:
        address = parts.broker
        assert address.username == "labctl"
        assert stat.S_IMODE(address.password_file.stat().st_mode) == 0o600
        for user, password in ((None, None), ("labctl", "wrong"), ("other", address.password())):
            with pytest.raises(aiomqtt.MqttError):
                async with (
                    asyncio.timeout(WITHIN),
                    aiomqtt.Client(address.host, address.port, username=user, password=password, timeout=WITHIN),
                ):
                    pass
        async with listening(address.port, "labctl/#", username="labctl", password=address.password()) as seen:
            await seen.until(lambda: seen.on("ch/sim1/state"))
        assert address.password() not in json.dumps(seen.messages)
    assert made_password(tmp_path / "data") == address.password_file, "the same after a restart"


async def test_without_orders_the_live_view_is_open(tmp_path):
    async with running(station(), tmp_path / "data") as parts, listening(parts.broker.port, "labctl/#") as seen:
        assert parts.broker.password_file is None
        await seen.until(lambda: seen.on("ch/sim1/state"))


async def test_forged_states_and_alarms_are_said_again(tmp_path, caplog):
    async with running(station(), tmp_path / "data") as parts, listening(parts.broker.port, "labctl/#") as seen:
        await seen.until(lambda: seen.on("ch/sim1/state") and seen.on("bench/state"))
        parts.mqtt.alarm("disk", "error", "the disk is full")
        await seen.until(lambda: seen.on("alarm/disk"))
        for topic, forged, right in (
            ("ch/sim1/state", {"state": "running"}, lambda: seen.on("ch/sim1/state")[-1].get("state") == "idle"),
            ("state", {"state": "offline"}, lambda: seen.on("bench/state")[-1].get("state") == "ready"),
            ("alarm/disk", {"text": "all is well"}, lambda: "full" in seen.on("alarm/disk")[-1].get("text", "")),
        ):
            payload = json.dumps(forged).encode()
            await seen.client.publish(f"labctl/1/bench/{topic}", payload, qos=1, retain=True)
            await seen.until(lambda topic=topic, forged=forged: forged in seen.on(topic))
            await seen.until(right)
        cleared = len(seen.messages)
        await seen.client.publish("labctl/1/bench/alarm/ch-sim1", b'{"text": "forged"}', qos=1, retain=True)
        await seen.until(
            lambda: [each for each in seen.messages[cleared:] if each[0].endswith("ch-sim1") and not each[1]]
        )
    assert "somebody else published on labctl/1/bench/" in caplog.text


def test_the_password_does_not_stand_in_the_list_of_processes(tmp_path):
    broker = EmbeddedBroker(password_file=made_password(tmp_path))
    broker.begin()
    try:
        assert broker.address.password() not in " ".join(map(str, broker._process.args))
    finally:
        broker.abandon()

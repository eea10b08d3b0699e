"""Orders through a real broker: given once, in time, by whom the station trusts."""

import asyncio
import json
import random
import subprocess
import time
from contextlib import asynccontextmanager

import pytest

from labctl.control.mqtt import MqttFace
from labctl.publish.broker import EmbeddedBroker
from labctl.run.request import OrderReply
from labctl.run.supervisor import Supervisor
from tests.bench_mqtt import TOPICS, Bench, publishing
from tests.services_mosquitto import WITHIN, listening, mosquitto, program  # noqa: F401

ANSWERS = f"{TOPICS.prefix}/reply/me"


class Told(Supervisor):
    """A supervisor that remembers orders and, as the real one, obeys an id once."""

    def __init__(self):
        self.told = []
        self.answers = {}

    async def order(self, verb, target, order_id="", by="", text="", run=""):
        if order_id not in self.answers:
            self.told.append((verb, target, order_id, by, text))
            self.answers[order_id] = OrderReply(verb, target, "run-1", "paused")
        return self.answers[order_id]


@asynccontextmanager
async def station(folder, port, trust="all", **address):
    bench = Bench(folder, port, **address)
    bench.told = Told()
    face = MqttFace(bench.told, trust, TOPICS.prefix, bench.reader.post)
    bench.reader.take_orders(face)
    try:
        async with publishing(bench):
            async with asyncio.timeout(WITHIN):
                await bench.reader.connected.wait()
            yield bench
            await face.close()
    finally:
        await bench.close()


def request(number=1, **more):
    return json.dumps(
        {"channel": "A1", "id": str(number), "issued_at": time.time(), "reply_to": ANSWERS, **more}
    ).encode()


def words(seen, number=1):
    return [found["answer"] for found in seen.on("reply/me") if found.get("id") == str(number)]


@pytest.fixture(params=["mosquitto", "embedded"])
async def port(request):
    if request.param == "mosquitto":
        yield request.getfixturevalue("mosquitto").port
        return
    broker = EmbeddedBroker()
    address = await broker.start()
    yield address.port
    await broker.close()


async def test_an_order_is_answered_twice_and_a_duplicate_is_not_obeyed_again(port, tmp_path):
    async with listening(port, ANSWERS) as seen, station(tmp_path / "data", port) as bench:
        for _ in range(3):
            await seen.client.publish(TOPICS.command("skip"), request(), qos=1)
        await seen.until(lambda: len(words(seen)) == 6)
        assert words(seen) == ["accepted", "done"] * 3
        assert [fields["ok"] for fields in seen.on("reply/me") if fields["answer"] == "done"] == [True] * 3
        assert bench.told.told == [("skip", "A1", "1", "somebody/mqtt", "")]


async def test_a_retained_order_is_not_obeyed_at_a_connection(port, tmp_path):
    async with listening(port, ANSWERS) as seen:
        await seen.client.publish(TOPICS.command("skip"), request(1), qos=1, retain=True)
        async with station(tmp_path / "data", port) as bench:
            await seen.client.publish(TOPICS.command("skip"), request(2), qos=1)
            await seen.until(lambda: words(seen, 2) == ["accepted", "done"])
            assert [told[2] for told in bench.told.told] == ["2"]
            assert words(seen, 1) == []


async def test_a_late_order_is_rejected(port, tmp_path):
    async with listening(port, ANSWERS) as seen, station(tmp_path / "data", port) as bench:
        await seen.client.publish(TOPICS.command("skip"), request(1, issued_at=time.time() - 3600), qos=1)
        await seen.until(lambda: words(seen) == ["rejected"])
        assert "found one 3600 s old" in seen.on("reply/me")[0]["why"]
        assert not bench.told.told
        await seen.client.publish(TOPICS.command("skip"), request(1), qos=1)  # the same, in time
        await seen.until(lambda: words(seen) == ["rejected", "accepted", "done"])
        assert [told[:3] for told in bench.told.told] == [("skip", "A1", "1")]


@pytest.mark.parametrize("trust", ["off", "stop-only"])
async def test_what_the_station_does_not_trust(port, tmp_path, trust):
    async with (
        listening(port, ANSWERS, "labctl/1/bench/state") as seen,
        station(tmp_path / "data", port, trust) as bench,
    ):
        await seen.client.publish(TOPICS.command("skip"), request(1), qos=1)
        await seen.client.publish(TOPICS.command("stop"), request(2), qos=1)
        if trust == "stop-only":
            await seen.until(lambda: words(seen, 2) == ["accepted", "done"])
            assert words(seen, 1) == ["rejected"]
        else:
            await seen.client.publish(TOPICS.state, b'{"state": "lost"}', qos=1)  # comes back after the orders did
            await seen.until(lambda: [found["state"] for found in seen.on("bench/state")][-2:] == ["lost", "ready"])
            assert not seen.on("reply/me")
        assert [told[0] for told in bench.told.told] == (["stop"] if trust == "stop-only" else [])


async def test_noise_on_the_command_topics_harms_nobody(port, tmp_path, seed):
    dice = random.Random(seed)
    async with listening(port, ANSWERS) as seen, station(tmp_path / "data", port, "stop-only") as bench:
        for _ in range(300):
            verb = dice.choice(["stop", "start", "resume", "skip", "x", "%", "ü"])
            size = dice.choice([0, 1, 40, 5000])
            noise = dice.choice(
                [dice.randbytes(size), request(9)[: dice.randrange(80)], b'{"a":' * dice.randrange(900)]
            )
            await seen.client.publish(TOPICS.command(verb), noise, qos=dice.randrange(2))
        await seen.client.publish(TOPICS.command("stop"), request(1), qos=1)
        await seen.until(lambda: words(seen) == ["accepted", "done"])
        assert [told[:3] for told in bench.told.told] == [("stop", "A1", "1")]


@pytest.mark.mosquitto
async def test_mqtt_5_says_where_to_answer(mosquitto, tmp_path):  # noqa: F811
    async with station(tmp_path / "data", mosquitto.port, version="5"):
        order = json.dumps({"channel": "A1", "id": "5", "issued_at": time.time()})
        where = ["-h", "127.0.0.1", "-p", str(mosquitto.port), "-t", TOPICS.command("skip"), "-e", "five/answers"]
        more = [
            "-D",
            "publish",
            "correlation-data",
            "xyz",
            "-V",
            "5",
            "-m",
            order,
            "-q",
            "1",
            "-W",
            "10",
            "-F",
            "%D %p",
        ]
        found = await asyncio.to_thread(
            subprocess.run,
            [program("mosquitto_rr"), *where, *more],
            capture_output=True,
            text=True,
            timeout=15,
            check=True,
        )
        assert '"answer":"accepted"' in found.stdout

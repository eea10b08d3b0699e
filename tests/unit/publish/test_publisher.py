import asyncio
import socket
import subprocess

import pytest

from labctl.errors import BrokerError
from labctl.publish.broker import BrokerAddress
from labctl.publish.publisher import Message, MqttClient, Publisher
from tests.services_mosquitto import WITHIN, Authority, free_port, guarded, listening, mosquitto, program  # noqa: F401

pytestmark = pytest.mark.mosquitto


def test_the_client_is_a_publisher():
    publisher: Publisher = MqttClient(BrokerAddress(), "x")
    assert publisher


async def test_messages_go_out_and_come_in(mosquitto):  # noqa: F811
    client = MqttClient(BrokerAddress(port=mosquitto.port), "one")
    async with listening(mosquitto.port, "out/#") as listener, client.session(None, ("in/#",)):
        await client.publish(Message("out/a", b'{"n": 1}'))
        await client.publish(Message("out/b", b'{"n": 2}', qos=1, retain=True))
        await listener.until(lambda: listener.on("out/a") and listener.on("out/b"))
        await listener.client.publish("in/x", b"hello", qos=1)
        async with asyncio.timeout(WITHIN):
            found = await client.received()
        assert (found.topic, found.payload, found.retained, found.reply_to) == ("in/x", b"hello", False, None)


async def test_small_messages_are_not_held_back(mosquitto):  # noqa: F811
    client = MqttClient(BrokerAddress(port=mosquitto.port), "one")
    async with client.session(None, ()):
        opened = client._client._client.socket()
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_will_speaks_for_who_vanishes(mosquitto):  # noqa: F811
    client = MqttClient(BrokerAddress(port=mosquitto.port), "one")
    async with listening(mosquitto.port) as listener:
        with pytest.raises(BrokerError):  # noqa: PT012 - the context itself raises
            async with client.session(Message("a/state", b'{"state": "lost"}', 1, retain=True), ()):
                client._client._client.socket().shutdown(socket.SHUT_RDWR)
                async with asyncio.timeout(WITHIN):
                    await client.received()
        await listener.until(lambda: listener.on("a/state") == [{"state": "lost"}])


async def test_mqtt_5_brings_where_to_answer(mosquitto):  # noqa: F811
    client = MqttClient(BrokerAddress(port=mosquitto.port, version="5"), "one")
    async with client.session(None, ("in/#",)):
        words = ["-p", mosquitto.port, "-V", "5", "-t", "in/x", "-m", "{}", "-q", 1]
        more = ["-D", "publish", "response-topic", "answers/7", "-D", "publish", "correlation-data", "abc"]
        await asyncio.to_thread(
            subprocess.run, [program("mosquitto_pub"), *map(str, [*words, *more])], check=True, timeout=10
        )
        async with asyncio.timeout(WITHIN):
            found = await client.received()
        assert (found.reply_to, found.correlation) == ("answers/7", b"abc")
        await client.publish(Message("answers/7", b"{}", 1, correlation=found.correlation))


async def test_nobody_there_is_said():
    client = MqttClient(BrokerAddress(port=free_port()), "one")
    with pytest.raises(BrokerError, match="wanted a connection, found"):
        async with client.session(None, ()):
            pass
    with pytest.raises(BrokerError, match="not connected"):
        await client.publish(Message("a", b""))


def address(broker, folder, word="right", authority=None, **more):
    file = folder / "password"
    file.write_text(word)
    file.chmod(0o600)
    return BrokerAddress(
        port=broker.port, username="lab", password_file=file, ca_file=(authority or broker.authority).ca, **more
    )


async def test_user_password_and_certificate(guarded, tmp_path):  # noqa: F811
    client = MqttClient(address(guarded, tmp_path), "one")
    async with client.session(None, ("a/#",)):
        await client.publish(Message("a/b", b"x", 1))
        async with asyncio.timeout(WITHIN):
            assert (await client.received()).payload == b"x"


@pytest.mark.parametrize("case", ["password", "authority", "name", "plain"])
async def test_a_broker_that_cannot_be_trusted_or_does_not_trust_us(guarded, tmp_path, case):  # noqa: F811
    match case:
        case "password":
            wrong = address(guarded, tmp_path, word="wrong")
        case "authority":
            wrong = address(guarded, tmp_path, authority=Authority(tmp_path, "stranger"))
        case "name":
            wrong = address(guarded, tmp_path, host="127.0.0.2")
        case "plain":
            wrong = BrokerAddress(port=guarded.port, username="lab", password_file=tmp_path / "password")
            address(guarded, tmp_path)
    with pytest.raises(BrokerError, match="wanted a connection"):
        async with MqttClient(wrong, "one", answer_within=1.0).session(None, ()):
            pass

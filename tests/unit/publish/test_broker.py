import asyncio
import os
import select
import signal
import subprocess
import sys

import aiomqtt
import pytest

from labctl.errors import BrokerError, UsageError
from labctl.publish import broker as module
from labctl.publish.broker import BrokerAddress, EmbeddedBroker, is_loopback, named
from tests.services_mosquitto import WITHIN, embedded, ended, listening  # noqa: F401


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("lab", False)]
)
def test_what_stays_on_this_machine(host, loopback):
    assert is_loopback(host) == loopback


def test_an_address_survives_the_way_through_the_daemon_s_info(tmp_path):
    (tmp_path / "ca.pem").touch()
    address = BrokerAddress("lab", 8883, "me", tmp_path / "password", tls=True, ca_file=tmp_path / "ca.pem")
    assert BrokerAddress.from_info(address.as_info()) == address
    with pytest.raises(UsageError, match="found that it has none"):
        BrokerAddress.from_info({})


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("lab:1884", "lab", 1884), ("lab", "lab", 1883), ("[::1]:1883", "::1", 1883), ("[::1]", "::1", 1883)],
)
def test_an_address_as_people_write_it(text, host, port):
    assert (named(text).host, named(text).port) == (host, port)


@pytest.mark.parametrize("text", ["", ":1883", "lab:x", "lab:0", "lab:70000"])
def test_an_address_that_is_none(text):
    with pytest.raises(UsageError, match="wanted a"):
        named(text)


def password(folder, text="secret\n", mode=0o600):
    file = folder / "password"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_password_is_read_from_its_own_file(tmp_path):
    assert BrokerAddress(username="me", password_file=password(tmp_path)).password() == "secret"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "\n"}, "found nothing"),
        ({"mode": 0o644}, "wanted mode 600"),
        ({"username": None}, "wanted a user name"),
        ({"host": "lab.example.org"}, "wanted TLS"),
        ({"ca_file": "no.pem"}, "wanted a PEM file"),
        ({"missing": True}, "No such file"),
    ],
)
def test_what_would_give_a_password_away_is_refused(tmp_path, changes, message):
    file = password(tmp_path, **{key: changes[key] for key in ("text", "mode") if key in changes})
    file = tmp_path / "other" if "missing" in changes else file
    ca_file = tmp_path / changes["ca_file"] if "ca_file" in changes else None
    address = BrokerAddress(
        changes.get("host", "127.0.0.1"), 1883, changes.get("username", "me"), file, ca_file=ca_file
    )
    with pytest.raises(UsageError, match=message):
        address.check()


def test_the_embedded_broker_is_for_this_machine_alone():
    with pytest.raises(UsageError, match="wanted a loopback address"):
        EmbeddedBroker("0.0.0.0")


async def test_a_message_goes_through_as_soon_as_it_is_started():
    async with asyncio.timeout(WITHIN):
        broker = EmbeddedBroker()
        address = await broker.start()
        async with listening(address.port) as listener:
            await listener.client.publish("a/b", b'{"x": 1}', qos=1)
            await listener.until(lambda: listener.on("a/b"))
    await broker.close()
    assert broker.pid is None


async def test_a_port_that_is_taken_is_said(embedded):  # noqa: F811
    port = embedded.address.port
    with pytest.raises(BrokerError, match=f"127.0.0.1:{port}"):
        await EmbeddedBroker(port=port).start()


async def test_a_broker_begun_ahead_is_the_one_that_is_started():
    broker = EmbeddedBroker()
    broker.begin()
    begun = broker.pid
    async with asyncio.timeout(WITHIN):
        address = await broker.start()
        assert broker.pid == begun
        await connected(address)
    await broker.close()


async def test_a_broker_begun_and_never_waited_for_is_ended():
    broker = EmbeddedBroker()
    broker.begin()
    broker.abandon()
    assert broker.pid is None


async def test_where_the_usual_port_is_taken_a_free_one_serves(embedded, monkeypatch):  # noqa: F811
    monkeypatch.setattr(module, "USUAL_PORT", embedded.address.port)
    async with asyncio.timeout(WITHIN):
        for quicker in (False, True):  # taken before the look, or between look and start
            monkeypatch.setattr(module, "free", lambda _host, _port, quicker=quicker: quicker)
            broker = EmbeddedBroker(port=None)
            address = await broker.start()
            assert address.port not in {0, embedded.address.port}
            await broker.close()


async def test_a_killed_broker_comes_back_on_its_port(embedded):  # noqa: F811
    died = asyncio.Queue()
    keeping = asyncio.create_task(embedded.keep(died.put_nowait))
    os.kill(embedded.pid, signal.SIGKILL)
    async with asyncio.timeout(WITHIN):
        assert await died.get() == -signal.SIGKILL
    await connected(embedded.address)
    keeping.cancel()
    await asyncio.wait({keeping})


ASIDE = "127.0.0.2" if sys.platform == "linux" else ""


async def connected(address):
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                # from another address: a connection to a port where nobody listens yet may otherwise find itself
                client = aiomqtt.Client(address.host, address.port, bind_address=ASIDE)
                async with ended(client), client:
                    return
            except aiomqtt.MqttError:
                await asyncio.to_thread(os.sched_yield)


PARENT = """
import asyncio, os
from labctl.publish.broker import EmbeddedBroker

async def main():
    broker = EmbeddedBroker()
    await broker.start()
    print(broker.pid, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not its child")
def test_the_broker_exits_when_its_parent_is_killed():
    parent = subprocess.run([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, check=False, timeout=30)
    assert parent.returncode == -signal.SIGKILL
    try:
        handle = os.pidfd_open(int(parent.stdout))
    except ProcessLookupError:
        return  # gone already
    ready, _, _ = select.select([handle], [], [], WITHIN)
    os.close(handle)
    assert ready

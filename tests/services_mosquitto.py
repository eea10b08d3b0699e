"""A real Mosquitto on a free loopback port in a temporary folder, for tests; and a subscriber that waits for messages."""

import asyncio
import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from labctl.publish.broker import EmbeddedBroker

PATIENCE = 10.0  # s that Mosquitto has to end when asked
WITHIN = 30.0  # s that anything may take on a machine that is busy with something else
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])


def program(name: str) -> str:
    found = shutil.which(name, path=PLACES)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker of our own; `lines` are further lines of its configuration."""

    def __init__(self, folder: pathlib.Path, *lines: str):
        self.folder = folder
        self.port = free_port()
        self.program = program("mosquitto")
        self.lines = lines or ("allow_anonymous true",)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Mosquitto":
        user = ["user root"] if os.name == "posix" and os.geteuid() == 0 else []
        text = [*user, f"listener {self.port} 127.0.0.1", "persistence false", "max_queued_messages 0", *self.lines]
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(text) + "\n")
        self.process = subprocess.Popen([self.program, "-v", "-c", str(file)], stderr=subprocess.PIPE)
        self._await_running()
        return self

    def _await_running(self) -> None:
        seen = b""
        deadline = time.monotonic() + WITHIN
        while b"running" not in seen:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            assert chunk, f"mosquitto did not start: {seen.decode(errors='replace')}"
            seen += chunk
        self._drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """As a power cut would: no farewell."""
        self._end(self.process.kill)

    def stop(self) -> None:
        if self.process is not None:
            self._end(self.process.terminate)

    def _end(self, how: Callable[[], None]) -> None:
        how()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # Mosquitto may miss a signal while a handshake is cut off
            self.process.kill()
            self.process.wait(WITHIN)
        self.process.stderr.close()
        self._drain.wait(WITHIN)
        self.process = None


@pytest.fixture
def mosquitto(tmp_path: pathlib.Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.stop()


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedBroker]:
    """The broker that comes with labctl, started."""
    broker = EmbeddedBroker()
    await broker.start()
    yield broker
    await broker.close()


class Authority:
    """A certificate authority made for a test, and a certificate of 127.0.0.1 signed by it."""

    def __init__(self, folder: pathlib.Path, name: str = "authority"):
        self.ca = folder / f"{name}.pem"
        self.key = folder / f"{name}-server.key"
        self.certificate = folder / f"{name}-server.pem"
        ca_key, request, extra = folder / f"{name}.key", folder / f"{name}.csr", folder / f"{name}.ext"
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._openssl("req", "-x509", *new, "-keyout", ca_key, "-out", self.ca, "-days", "2", "-subj", f"/CN={name}")
        self._openssl("req", *new, "-keyout", self.key, "-out", request, "-subj", "/CN=broker")
        extra.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n")
        sign = ["-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extra]
        self._openssl("x509", "-req", "-in", request, "-out", self.certificate, *sign)

    def _openssl(self, *words: object) -> None:
        subprocess.run([program("openssl"), *map(str, words)], check=True, capture_output=True, timeout=30)


@pytest.fixture
def guarded(tmp_path: pathlib.Path) -> Iterator[Mosquitto]:
    """A broker with TLS and one user, `lab` with the password `right`; its `authority` signed its certificate."""
    authority = Authority(tmp_path)
    users = tmp_path / "users"
    subprocess.run(
        [program("mosquitto_passwd"), "-b", "-c", users, "lab", "right"], check=True, capture_output=True, timeout=10
    )
    broker = Mosquitto(
        tmp_path,
        "allow_anonymous false",
        f"password_file {users}",
        f"certfile {authority.certificate}",
        f"keyfile {authority.key}",
    ).start()
    broker.authority = authority
    yield broker
    broker.stop()


class Listener:
    """Everything that arrives at a subscriber, and waiting for it with a bound."""

    def __init__(self, client: aiomqtt.Client):
        self.client = client
        self.messages: list[tuple[str, dict, bool]] = []
        self._news = asyncio.Event()

    async def collect(self) -> None:
        async for message in self.client.messages:
            fields = json.loads(message.payload, parse_constant=_no_constant) if message.payload else {}
            self.messages.append((str(message.topic), fields, bool(message.retain)))
            self._news.set()

    def on(self, end: str) -> list[dict]:
        """Return what arrived on the topics that end so."""
        return [fields for topic, fields, _ in self.messages if topic.endswith(end)]

    async def until(self, condition: Callable[[], object], within: float = WITHIN) -> None:
        """Wait until a condition on what arrived holds."""
        async with asyncio.timeout(within):
            while not condition():
                await self._news.wait()
                self._news.clear()


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} in a payload")


@asynccontextmanager
async def listening(port: int, *topics: str, **options: object) -> AsyncIterator[Listener]:
    """Subscribe to topics (all by default) with QoS 1 and collect."""
    client = aiomqtt.Client("127.0.0.1", port, **{"timeout": WITHIN, **options})
    async with ended(client), client:
        for topic in topics or ("#",):
            await client.subscribe(topic, qos=1)
        listener = Listener(client)
        task = asyncio.create_task(listener.collect())
        try:
            yield listener
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await task


@asynccontextmanager
async def ended(client: aiomqtt.Client) -> AsyncIterator[None]:
    """Wait at the end for the client's housekeeping task, which its own exit only cancels."""
    yield
    if client._misc_task is not None:
        await asyncio.wait({client._misc_task})

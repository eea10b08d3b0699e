"""Serve our emulators to other people's clients, and other people's simulators to our drivers, on real lines."""

import asyncio
import socket
import threading
import time

import pytest

from labctl_simulators.wire.line import SerialPort, Server


class Bench:
    """An event loop in a thread of its own, for clients that block."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.began = time.monotonic()
        self.speed = 1.0
        self._lines: list[Server | SerialPort] = []

    def clock(self) -> float:
        return self.speed * (time.monotonic() - self.began)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def socket(self, device) -> int:
        server = Server(device, self.clock)
        self._lines.append(server)
        return self.call(server.start())

    def serial(self, device) -> str:
        port = SerialPort(device, self.clock)
        self._lines.append(port)
        path = self.call(port.start())
        if hasattr(device, "poll"):
            self.loop.call_soon_threadsafe(self._pump, port)
        return path

    def _pump(self, port: SerialPort) -> None:
        """Let a device say what nobody asked for, ten times a second."""
        if said := port.device.poll(self.clock()):
            port.push(said)
        self.loop.call_later(0.1, self._pump, port)

    def close(self) -> None:
        for line in self._lines:
            self.call(line.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class LineDevice:
    """Somebody else's line simulator as a device of ours: text lines in, text lines out.

    `lacks` names what that simulator does not know though the instrument does; such lines are swallowed.
    """

    def __init__(self, simulator, *lacks: str) -> None:
        self.simulator = simulator
        self.lacks = lacks
        self._buffer = b""

    def greeting(self) -> bytes:
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        self._buffer += data
        replies = []
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            if any(word in line.decode() for word in self.lacks):
                continue
            reply = self.simulator.handle(line.decode())
            replies += [] if reply is None else [reply] if isinstance(reply, str) else reply
        return [(reply + "\n").encode() for reply in replies]

    def poll(self, now: float) -> bytes:
        poll = getattr(self.simulator, "poll", None)
        return b"".join((line + "\n").encode() for line in (poll() if poll else []))


@pytest.fixture
def bench():
    running = Bench()
    yield running
    running.close()


@pytest.fixture
def listening():
    """Wait until somebody else's server, which says nothing of it, listens at a port."""

    def wait(port: int, within: float = 10.0) -> None:
        until = time.monotonic() + within
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            except OSError:
                continue
            return
        raise AssertionError(f"nobody listens at {port}")

    return wait


@pytest.fixture
def line_device():
    return LineDevice

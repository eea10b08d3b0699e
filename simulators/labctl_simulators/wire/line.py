"""The line of an emulated instrument: a TCP socket or a pseudo-terminal, with its fault switchboard.

A device is a state machine: bytes and the time in, replies out. The time comes from outside, so that a test can let hours
pass between two requests and a demonstration can run faster than the wall.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol

from labctl_simulators.wire.fault import Outlet, Switchboard

Clock = Callable[[], float]


class Device(Protocol):
    """An emulated instrument."""

    def greeting(self) -> bytes:
        """Return what it says when a line is opened."""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes at a time in s and return the replies."""


class Server:
    """One device on a TCP port of the loopback interface.

    `only` is how many connections it serves at once: source meters have one, and a connection that died without a close
    keeps it taken until `unplug` (their dead-socket port), as theirs do.
    """

    def __init__(
        self, device: Device, clock: Clock, faults: Switchboard | None = None, only: int | None = None
    ) -> None:
        """Prepare; `start` opens the port."""
        self.device = device
        self.clock = clock
        self.faults = faults or Switchboard()
        self.only = only
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen and return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        self.unplug()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def unplug(self) -> None:
        """Drop every connection, as a pulled cable or the instrument's dead-socket port does."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.faults.refuse or (self.only is not None and len(self._open) >= self.only):
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outlet = Outlet(self.faults)
        writer.write(self.device.greeting())
        while data := await reader.read(65536):
            if self.faults.hang:
                continue
            for reply in self.device.receive(data, self.clock()):
                if not await deliver(writer, outlet, reply):
                    return


async def deliver(writer: asyncio.StreamWriter, outlet: Outlet, reply: bytes) -> bool:
    """Send a reply through its faults; False when one of them closed the connection."""
    for packet in outlet.packets(reply):
        if packet is None:
            writer.transport.abort()
            return False
        writer.write(packet)
        await writer.drain()
    return True


class SerialPort:
    """One device on a pseudo-terminal: a serial port that exists (Linux and macOS)."""

    def __init__(self, device: Device, clock: Clock, faults: Switchboard | None = None) -> None:
        """Prepare; `start` opens the port."""
        self.device = device
        self.clock = clock
        self.faults = faults or Switchboard()
        self.path = ""
        self._primary = self._secondary = -1
        self._outlet = Outlet(self.faults)
        self._waiting = b""

    async def start(self) -> str:
        """Open the pseudo-terminal and return the path that a driver opens."""
        import tty  # noqa: PLC0415 - not on Windows

        self._primary, self._secondary = os.openpty()
        tty.setraw(self._primary)
        tty.setraw(self._secondary)
        os.set_blocking(self._primary, False)
        self.path = os.ttyname(self._secondary)
        asyncio.get_running_loop().add_reader(self._primary, self._readable)
        self._write(self.device.greeting())
        return self.path

    async def stop(self) -> None:
        """Unplug the port."""
        if self._primary >= 0:
            asyncio.get_running_loop().remove_reader(self._primary)
            asyncio.get_running_loop().remove_writer(self._primary)
            os.close(self._primary)
            os.close(self._secondary)
            self._primary = self._secondary = -1

    def push(self, data: bytes) -> None:
        """Say something that nobody asked for: data of a running script, the greeting of a restart."""
        for packet in self._outlet.packets(data):
            self._write(packet or b"")

    def _readable(self) -> None:
        try:
            data = os.read(self._primary, 65536)
        except (BlockingIOError, OSError):
            return
        if self.faults.hang:
            return
        for reply in self.device.receive(data, self.clock()):
            self.push(reply)

    def _write(self, data: bytes) -> None:
        """Write as much as the port's small buffer takes, and the rest when there is room again."""
        self._waiting += data
        with contextlib.suppress(BlockingIOError):
            self._waiting = self._waiting[os.write(self._primary, self._waiting) :]
        loop = asyncio.get_running_loop()
        if self._waiting:
            loop.add_writer(self._primary, self._write, b"")
        else:
            loop.remove_writer(self._primary)

"""The channels of a station with their connections, and the journal's reader: what starts, orders and recovery share."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from labctl.clock import Clock
from labctl.errors import OrderRefused, UsageError
from labctl.inputs import near
from labctl.plan.estimate import Estimate
from labctl.run.channel import Channel, RunInfo
from labctl.run.connection import Connection
from labctl.run.session import RunSession
from labctl.run.sink import Sink
from labctl.store.entry import StoredRun
from labctl.store.reader import Reader


class Roster:
    """Which run is on which channel. One event loop; no method blocks it.

    Attributes:
        channels: Channels by name.
        sink: The journal's writer.
        clock: The station's.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        connections: Mapping[str, Connection],
        sink: Sink,
        reader: Callable[[], Reader],
        clock: Clock,
    ) -> None:
        """Join them; `reader` opens a reader of the journal, for one thread."""
        self.channels = dict(channels)
        self.sink = sink
        self.clock = clock
        self._connections = dict(connections)
        self._reader = reader
        self._desk = ThreadPoolExecutor(1, "supervisor")
        self._open: Reader | None = None

    def channel(self, target: str) -> Channel:
        """Return the channel of a name, or the one whose run is named.

        Raises:
            UsageError: There is none.
        """
        if target in self.channels:
            return self.channels[target]
        for channel in self.channels.values():
            if channel.is_run(target):
                return channel
        raise UsageError(
            f"wanted a channel or an active run, found {target!r}{near(target, list(self.channels))}; "
            f"channels are {', '.join(self.channels) or 'none'}"
        )

    def add(self, channels: Mapping[str, Channel], connections: Mapping[str, Connection]) -> None:
        """Take further channels with their connections."""
        self.channels |= channels
        self._connections |= connections

    async def stored_run(self, target: str) -> StoredRun:
        """Return a stored run by its number or uuid, or by a channel: the one on it, or its last.

        Raises:
            UsageError: There is no such run.
            OrderRefused: The channel has had none.
        """
        channel = self.channels.get(target)
        if channel is not None and channel.info is None:
            raise OrderRefused(f"channel {target} has had no run")
        wanted = target if channel is None or channel.info is None else channel.info.uuid
        run: StoredRun = await self.ask(lambda reader: reader.find(wanted))
        return run

    def connection(self, channel: Channel) -> Connection:
        """Return the connection of a channel's instrument."""
        return self._connections[channel.parts["cell"].instrument]

    async def ask(self, question: Callable[[Reader], Any]) -> Any:
        """Ask the journal, in a thread that has a reader of its own."""

        def asked() -> Any:
            if self._open is None:
                self._open = self._reader()
            return question(self._open)

        return await asyncio.get_running_loop().run_in_executor(self._desk, asked)

    def close(self) -> None:
        """Let the journal's reader go, once it has answered what it is asked."""
        self._desk.submit(self._close_reader)
        self._desk.shutdown(wait=False)

    def _close_reader(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def attach(self, channel: Channel, session: RunSession, run: StoredRun, estimated: Estimate) -> None:
        """Put a run on a channel, with what its plan is expected to take."""
        channel.session = session
        channel.info = RunInfo(
            run.run_id, run.uuid, run.protocol, run.cell, run.began_unix_time, estimated.time_left(session.plan)
        )


def roles(channel: Channel) -> tuple[str, ...]:
    """Return the roles that a channel has parts for, the cell first."""
    return ("cell", *(role for role in channel.parts if role != "cell"))

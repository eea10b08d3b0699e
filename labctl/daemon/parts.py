"""What a running daemon consists of, and its tasks."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labctl.clock import Clock, Machine, this_machine
from labctl.daemon.guarding import GuardKeeper
from labctl.errors import InternalError
from labctl.publish.broker import BrokerAddress
from labctl.publish.mqtt import MqttReader
from labctl.run.alarms import Alarms
from labctl.run.channel import Channel
from labctl.run.connection import Connection
from labctl.run.connection.polled_connection import PolledConnection
from labctl.run.guard_process import GuardProcess
from labctl.run.sink import Sink
from labctl.run.supervisor import Supervisor
from labctl.station.settings import Station
from labctl.store.journal import Journal

LOG = logging.getLogger("labctl.daemon")
AGAIN = 0.5  # s between two cancellations of a task that does not end


@dataclass(slots=True)
class Parts:
    """What a running daemon consists of, for those who test or measure it."""

    station: Station
    folder: Path
    clock: Clock
    journal: Journal
    sink: Sink
    supervisor: Supervisor
    channels: Mapping[str, Channel]
    connections: Mapping[str, Connection]
    guard: GuardProcess
    keeper: GuardKeeper
    alarms: Alarms
    machine: Machine = field(default_factory=this_machine)
    broker: BrokerAddress | None = None
    mqtt: MqttReader | None = None
    said: list[str] = field(default_factory=list)
    failed: "asyncio.Future[None] | None" = None

    @property
    def may_be_on(self) -> list[str]:
        """Return the instruments of which an output is not confirmed off that only does what it was last told."""
        lines = self.connections.items()
        return [name for name, line in lines if isinstance(line, PolledConnection) and line.executor.unconfirmed]


class Tasks:
    """The daemon's tasks: one that dies ends the daemon, which is started again from outside."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Start a task that lives as long as the daemon."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or self.failed.done():
            return
        error = task.exception()
        if error is not None:
            LOG.error("task %s died", task.get_name(), exc_info=error)
            self.failed.set_exception(InternalError(f"task {task.get_name()} died: {error!r}"))

    async def stop(self) -> None:
        """Cancel what runs."""
        await ended(*self._tasks)
        if self.failed.done():
            self.failed.exception()
        else:
            self.failed.cancel()


async def ended(*tasks: asyncio.Task[None], again: float = AGAIN) -> None:
    """Cancel tasks and wait for their end.

    A task that goes on is cancelled again after `again` s: a library, and `asyncio.wait_for` before Python 3.12, may take a
    cancellation for the end of its own wait, and a daemon that is asked to stop must not hang on a driver's way of waiting.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again)

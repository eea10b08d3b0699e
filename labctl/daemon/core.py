"""The daemon: the only place where things are constructed and joined.

It takes the data folder's lock, waits for an older guard, opens the instruments, reconciles every channel with the journal, and
then serves until a signal ends it: outputs safe, everything committed, within three seconds.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from labctl.clock import Clock, make_clock
from labctl.daemon.faces import open_faces
from labctl.daemon.parts import Parts, Tasks
from labctl.errors import InstrumentError, StoreBusy
from labctl.publish.broker import EmbeddedBroker
from labctl.run.bench import Bench
from labctl.run.connection import Connection
from labctl.run.drivers import make
from labctl.run.guardian import BEAT, GUARD_LOCK, Guardian
from labctl.run.hands import Shared
from labctl.run.line import Line
from labctl.run.seat import Seat
from labctl.run.sink import Sink
from labctl.run.source import Told
from labctl.run.supervisor import Supervisor
from labctl.settings import InstrumentSettings, Station
from labctl.store.journal import Journal
from labctl.store.place import Lock
from labctl.store.reader import Reader
from labctl.store.writer import Trouble

LOG = logging.getLogger("labctl.daemon")
OPEN_WITHIN = 5.0  # s for every instrument to answer at start; a late one is tried again while the others work
STOP_WITHIN = 3.0  # s from the signal to the end
GUARD_WITHIN = 30.0  # s that an older guard may take to switch its outputs off
STALLED = 5.0  # s without a commit after which what energises is switched off
LOOK = 0.5  # s between two looks at guard and journal


@asynccontextmanager
async def running(
    station: Station, folder: Path, clock: Clock | None = None, embedded: EmbeddedBroker | None = None
) -> AsyncIterator[Parts]:
    """Run a daemon for as long as the context is open.

    Args:
        station: What there is.
        folder: Of the journal and of the files by which the command line finds the daemon.
        clock: In place of the station's.
        embedded: The station's broker, where its process was begun already.

    Raises:
        StoreBusy: Another daemon has the folder; the message names it.
        StationError: An instrument cannot be made as the station file says.
    """
    async with AsyncExitStack() as stack:
        parts = await _made(stack, station, folder, clock or make_clock(station.clock))
        await _wait_for_guard(folder, parts.clock)
        await _open(parts)
        parts.said = await parts.supervisor.adopt()
        tasks = Tasks(parts)
        stack.push_async_callback(tasks.stop)
        tasks.start(_watch(parts), "watch")
        for connection in parts.connections.values():
            tasks.start(connection.run(), connection.name)
        await open_faces(stack, tasks, parts, embedded)
        parts.failed = tasks.failed
        yield parts


async def _made(stack: AsyncExitStack, station: Station, folder: Path, clock: Clock) -> Parts:
    """Construct everything, touching no instrument."""
    journal = stack.enter_context(Journal.open(folder, now=clock.label))
    if journal.set_aside is not None:
        LOG.error("the journal was damaged and is set aside at %s; a new one was begun", journal.set_aside)
    sink = Sink(journal, asyncio.get_running_loop())
    stack.push_async_callback(sink.close)
    guardian = Guardian(folder)
    stack.callback(guardian.stop)
    seats = {name: Seat(name, channel.parts, channel.limits) for name, channel in station.channels.items()}
    parts: list[Parts] = []

    def ended(seat: Seat) -> None:
        parts[0].supervisor.ended(seat)

    connections = {
        name: _connection(given, seats, Shared(clock, sink, guardian, ended))
        for name, given in station.instruments.items()
    }
    lines = {name: connection for name, connection in connections.items() if isinstance(connection, Line)}
    for line in lines.values():
        line.mover.others = lines
    supervisor = Supervisor(seats, connections, sink, lambda: Reader(folder), clock)
    stack.callback(supervisor.close)
    if lines:
        guardian.start()
    parts.append(Parts(station, folder, clock, journal, sink, supervisor, seats, connections, guardian))
    stack.push_async_callback(_close, parts[0])
    return parts[0]


def _connection(
    given: InstrumentSettings,
    seats: Mapping[str, Seat],
    shared: Shared,
) -> Connection:
    instrument = make(f"instrument {given.name}", given.driver, given.options)
    if isinstance(instrument, Told):
        return Bench(given.name, instrument, shared.clock, shared.sink, shared.ended)
    mine = [seat for seat in seats.values() if any(part.instrument == given.name for part in seat.parts.values())]
    return Line(given, instrument, mine, shared)


async def _wait_for_guard(folder: Path, clock: Clock) -> None:
    """Wait until an older daemon's guard has switched off what it watched over."""
    begin = clock.now()
    while True:
        try:
            Lock(folder / GUARD_LOCK, "the guard").release()
        except StoreBusy as error:
            if clock.now() - begin > GUARD_WITHIN * clock.speed:
                raise StoreBusy(f"the guard of an earlier daemon is still at work: {error}") from error
            await clock.until(clock.now() + 0.02 * clock.speed)
        else:
            return


async def _open(parts: Parts) -> None:
    """Open every instrument; one that does not answer is left to its connection, which goes on trying."""

    async def one(connection: Connection) -> None:
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                await connection.open()
        except (InstrumentError, TimeoutError) as error:
            LOG.error("instrument %s: %s", connection.name, error or "no answer")  # noqa: TRY400

    await asyncio.gather(*(one(connection) for connection in parts.connections.values()))


async def _close(parts: Parts) -> None:
    """Leave every channel safe; no connection can hold up the others."""

    async def one(connection: Connection) -> None:
        try:
            async with asyncio.timeout(STOP_WITHIN / 2):
                await connection.close()
        except Exception as error:  # noqa: BLE001 - whatever one driver does, the others are closed
            LOG.error("instrument %s did not close: %s", connection.name, error or "no answer")  # noqa: TRY400

    await asyncio.gather(*(one(connection) for connection in parts.connections.values()))


async def _watch(parts: Parts) -> None:
    """Give the guard its signs of life, and switch off what energises when the journal cannot be written for too long."""
    parts.sink.on_trouble(_complain)
    clock, off = parts.clock, False
    while True:
        parts.guardian.beat()
        stalled = parts.sink.stalled > STALLED
        if stalled and not off:
            LOG.error("the journal could not be written for %.0f s: what energises is switched off", parts.sink.stalled)
            await asyncio.gather(
                *(connection.hold_safe("the journal cannot be written") for connection in parts.connections.values()
                  if isinstance(connection, Line))
            )  # fmt: skip
        off = stalled
        await clock.until(clock.now() + min(LOOK, BEAT) * clock.speed)


def _complain(trouble: Trouble) -> None:
    if trouble.error is None:
        LOG.warning("the journal can be written again")
    else:
        LOG.error("the journal cannot be written: %s", trouble.error)

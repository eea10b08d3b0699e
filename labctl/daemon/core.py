"""The daemon: the only place where things are constructed and joined.

It takes the data folder's lock, waits for an older guard, opens the instruments, reconciles every channel with the journal, and
then serves until a signal ends it: outputs safe, everything committed, within three seconds.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

from labctl.clock import Clock, make_clock
from labctl.daemon.analyst import Analyst
from labctl.daemon.faces import open_faces
from labctl.daemon.guarding import GuardKeeper, wait_for_guard
from labctl.daemon.opening import hold_station, tell_of_opening
from labctl.daemon.parts import Parts, Tasks
from labctl.daemon.recording import Recording
from labctl.daemon.reload import Reloader
from labctl.driver import Instrument, Stepped
from labctl.errors import InstrumentError, StationError, StoreError
from labctl.publish.broker import EmbeddedBroker
from labctl.run.ability import place_findings
from labctl.run.alarms import Alarms
from labctl.run.channel import Channel
from labctl.run.connection import Connection
from labctl.run.connection.polled_connection import PolledConnection
from labctl.run.connection.polled_executor import Shared
from labctl.run.connection.simulated_connection import SimulatedConnection
from labctl.run.drivers import make
from labctl.run.guard_process import GuardProcess
from labctl.run.sink import Sink
from labctl.run.supervisor import Supervisor
from labctl.station.settings import InstrumentSettings, Station
from labctl.store.journal import Journal
from labctl.store.reader import Reader

LOG = logging.getLogger("labctl.daemon")
OPEN_WITHIN = 5.0  # s for every instrument to answer at start; a late one is tried again while the others work
STOP_WITHIN = 3.0  # s from the signal to the end of the process, always


@asynccontextmanager
async def running(
    station: Station,
    folder: Path,
    clock: Clock | None = None,
    embedded: EmbeddedBroker | None = None,
    *,
    copied: bool = False,
) -> AsyncIterator[Parts]:
    """Run a daemon for as long as the context is open.

    Args:
        station: What there is.
        folder: Of the journal and of the files by which the command line finds the daemon.
        clock: In place of the station's.
        embedded: The station's broker, where its process was begun already.
        copied: The folder is a copy: the runs that are active in it are another daemon's.

    Raises:
        StoreBusy: Another daemon has the folder; the message names it.
        StationError: An instrument cannot be made as the station file says.
    """
    async with AsyncExitStack() as stack:
        hold_station(stack, station)
        parts = await _made(stack, station, folder, clock or make_clock(station.clock), copied=copied)
        await _guarded(parts)
        await _open(parts)
        parts.said = await parts.supervisor.adopt()
        tasks = Tasks(parts)
        stack.push_async_callback(tasks.stop)
        tasks.start(Recording(parts).watch(), "watch")
        tasks.start(Analyst(parts).watch(), "analyses")
        for connection in parts.connections.values():
            tasks.start(connection.run(), connection.name)
        tasks.start(parts.supervisor.keep_turns(), "queue")
        parts.supervisor.reload = Reloader(parts, tasks).reload
        await open_faces(stack, tasks, parts, embedded)
        parts.failed = tasks.failed
        yield parts


async def _made(stack: AsyncExitStack, station: Station, folder: Path, clock: Clock, *, copied: bool) -> Parts:
    """Construct everything, touching no instrument."""
    journal = stack.enter_context(Journal.open(folder, now=clock.label, copied=copied))
    alarms = Alarms()
    tell_of_opening(journal, alarms)
    _note_channels(journal, station)
    sink = Sink(journal, asyncio.get_running_loop())
    stack.push_async_callback(sink.close)
    guard = GuardProcess(folder)
    stack.callback(_let_go, guard, lines := dict[str, PolledConnection]())
    channels = {name: Channel(name, of.parts, of.limits) for name, of in station.channels.items()}
    parts: list[Parts] = []

    def ended(channel: Channel) -> None:
        parts[0].supervisor.ended(channel)

    connections = {
        name: _connection(given, channels, Shared(clock, sink, guard, ended))
        for name, given in station.instruments.items()
    }
    lines |= {name: connection for name, connection in connections.items() if isinstance(connection, PolledConnection)}
    made: dict[str, Instrument | Stepped] = {name: line.instrument for name, line in lines.items()}
    made |= {name: each.source for name, each in connections.items() if isinstance(each, SimulatedConnection)}
    if wrong := tuple(place_findings(station, made)):
        raise StationError(wrong)
    for line in lines.values():
        line.mover.others = {name: other.mover for name, other in lines.items()}
    supervisor = Supervisor(channels, connections, sink, lambda: Reader(folder), clock, alarms)
    stack.callback(supervisor.close)
    keeper = GuardKeeper(guard, clock, list(lines.values()))
    parts.append(Parts(station, folder, clock, journal, sink, supervisor, channels, connections, guard, keeper, alarms))
    stack.push_async_callback(keeper.stop)  # the guard hears us until every output is off
    stack.push_async_callback(_close, parts[0])
    return parts[0]


def _note_channels(journal: Journal, station: Station) -> None:
    """Store what the channels are, for those who read the journal later; a disk that is full keeps no daemon from its work."""
    channels = {name: asdict(replace(channel, mark=None)) for name, channel in station.channels.items()}
    try:
        journal.put_channels(channels)
    except StoreError as error:
        LOG.warning("the channels of the station were not stored: %s", error)


def _connection(
    given: InstrumentSettings,
    channels: Mapping[str, Channel],
    shared: Shared,
) -> Connection:
    instrument = make(f"instrument {given.name}", given.driver, given.options)
    if isinstance(instrument, Stepped):
        return SimulatedConnection(given.name, instrument, shared.clock, shared.sink, shared.ended)
    mine = [
        channel
        for channel in channels.values()
        if any(part.instrument == given.name for part in channel.parts.values())
    ]
    return PolledConnection(given, instrument, mine, shared)


async def _guarded(parts: Parts) -> None:
    """Wait for an older guard, and start one of our own where an instrument may be energised."""
    lines = {name: each for name, each in parts.connections.items() if isinstance(each, PolledConnection)}
    parts.keeper.start()  # our guard may have to take over from the older one: it must hear us meanwhile
    await wait_for_guard(parts.folder, parts.clock, lines, parts.guard)
    parts.guard.read_record()
    if lines:
        parts.guard.start()


async def _open(parts: Parts) -> None:
    """Open every instrument; one that does not answer is left to its connection, which goes on trying."""

    async def one(connection: Connection) -> None:
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                await connection.open()
        except (InstrumentError, TimeoutError) as error:
            LOG.error("instrument %s: %s", connection.name, error or "no answer")  # noqa: TRY400

    await asyncio.gather(*(one(connection) for connection in parts.connections.values()))


def _let_go(guard: GuardProcess, lines: Mapping[str, PolledConnection]) -> None:
    """Let the guard end, but where an instrument did not confirm that it is off: then it goes on trying after our end."""
    names = [name for name, line in lines.items() if line.executor.unconfirmed]
    if names:
        LOG.error("instrument %s may still be on: the guard goes on trying to switch it off", ", ".join(names))
    guard.stop(all_off=not names)


async def _close(parts: Parts) -> None:
    """Leave every channel safe; no connection can hold up the others."""

    async def one(connection: Connection) -> None:
        try:
            async with asyncio.timeout(STOP_WITHIN / 2):
                await connection.close()
        except Exception as error:  # noqa: BLE001 - whatever one driver does, the others are closed
            LOG.error("instrument %s did not close: %s", connection.name, error or "no answer")  # noqa: TRY400

    await asyncio.gather(*(one(connection) for connection in parts.connections.values()))

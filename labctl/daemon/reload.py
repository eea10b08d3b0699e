"""The station file taken anew while runs go on: all that can be taken of it, or nothing."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from labctl.daemon.parts import Parts, Tasks
from labctl.driver import Stepped
from labctl.errors import InstrumentError, OrderRefused, StationError
from labctl.run.ability import station_findings
from labctl.run.channel import Channel
from labctl.run.connection import Connection
from labctl.run.connection.polled_connection import PolledConnection
from labctl.run.connection.polled_executor import Shared
from labctl.run.connection.simulated_connection import SimulatedConnection
from labctl.run.drivers import make
from labctl.run.stations import found_station
from labctl.station.changes import StationChanges, changes
from labctl.station.settings import Station

LOG = logging.getLogger("labctl.daemon")
OPEN_WITHIN = 5.0  # s for a new instrument to answer; a late one is tried again by its connection


class Reloader:
    """Takes the station file anew."""

    def __init__(self, parts: Parts, tasks: Tasks) -> None:
        """Work on a running daemon; new connections get tasks of their own."""
        self._parts = parts
        self._tasks = tasks
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> str:
        """Take limits of channels, and new instruments with their channels; return in words what was taken.

        Raises:
            StationError: The file has findings.
            OrderRefused: It says what a daemon cannot take while it runs, or there is no file; nothing was taken.
        """
        async with self._one_at_a_time:
            parts = self._parts
            if not parts.station.file:
                raise OrderRefused("wanted a station file to read again, found that the station has none")
            fresh = await asyncio.to_thread(_read, Path(parts.station.file), parts.folder)
            # what the command line said in place of the file, as another clock, is no change of the file
            fresh = replace(fresh, clock=parts.station.clock, store=parts.station.store)
            found = changes(parts.station, fresh)
            await self._take(fresh, found)
            return str(found)

    async def _take(self, fresh: Station, found: StationChanges) -> None:
        parts = self._parts
        channels = {name: Channel(name, given.parts, given.limits) for name, given in found.channels.items()}
        connections = {name: self._connection(fresh, name, channels) for name in found.instruments}
        for name, bounds in found.limits.items():
            parts.channels[name].bounds = bounds
        parts.station = fresh
        lines = [each for each in connections.values() if isinstance(each, PolledConnection)]
        self._join(channels, connections, lines)
        await asyncio.gather(*(_opened(each) for each in connections.values()))
        for words in await parts.supervisor.adopt(channels):
            LOG.info("%s", words)
        for connection in connections.values():
            self._tasks.start(connection.run(), connection.name)

    def _connection(self, fresh: Station, name: str, channels: dict[str, Channel]) -> Connection:
        """Return the connection of a new instrument; nothing is opened yet."""
        parts, given = self._parts, fresh.instruments[name]
        instrument = make(f"instrument {name}", given.driver, given.options)
        ended = parts.supervisor.ended
        if isinstance(instrument, Stepped):
            return SimulatedConnection(name, instrument, parts.clock, parts.sink, ended)
        mine = [each for each in channels.values() if any(part.instrument == name for part in each.parts.values())]
        return PolledConnection(given, instrument, mine, Shared(parts.clock, parts.sink, parts.guard, ended))

    def _join(
        self, channels: dict[str, Channel], connections: dict[str, Connection], lines: list[PolledConnection]
    ) -> None:
        """Let the daemon know its new channels and connections, the guard among those who do."""
        parts = self._parts
        parts.channels = {**parts.channels, **channels}
        parts.connections = {**parts.connections, **connections}
        parts.supervisor.add(channels, connections)
        movers = {name: each.mover for name, each in parts.connections.items() if isinstance(each, PolledConnection)}
        for each in parts.connections.values():
            if isinstance(each, PolledConnection):
                each.mover.others = movers
        if lines:
            parts.keeper.add(lines)
            parts.guard.start()  # where it runs already nothing happens


def _read(file: Path, folder: Path) -> Station:
    """Return the station of a file, checked with the drivers that it names.

    Raises:
        StationError: With every finding, where one is an error.
    """
    station, _ = found_station(file, folder, folder)
    findings = station_findings(station)
    if any(finding.severity == "error" for finding in findings):
        raise StationError(findings)
    return station


async def _opened(connection: Connection) -> None:
    try:
        async with asyncio.timeout(OPEN_WITHIN):
            await connection.open()
    except (InstrumentError, TimeoutError) as error:
        LOG.error("instrument %s: %s", connection.name, error or "no answer")  # noqa: TRY400

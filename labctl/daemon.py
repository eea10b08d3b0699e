"""The daemon: the only place where things are constructed and joined.

It takes the data folder's lock, waits for an older guard, opens the instruments, reconciles every channel with the journal, and
then serves until a signal ends it: outputs safe, everything committed, within three seconds.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labctl import __version__
from labctl.clock import Clock, make_clock
from labctl.control.http import HttpFace
from labctl.control.mqtt import MqttFace
from labctl.control.place import Place
from labctl.errors import InstrumentError, InternalError, SinkError, StoreBusy
from labctl.publish.broker import BrokerAddress, EmbeddedBroker
from labctl.publish.cursor import NAME
from labctl.publish.mqtt import MqttReader, Node
from labctl.publish.postgres import Postgres, follow
from labctl.publish.publisher import MqttClient
from labctl.publish.topic import Topics
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


@dataclass(slots=True)
class Parts:
    """What a running daemon consists of, for those who test or measure it."""

    station: Station
    folder: Path
    clock: Clock
    journal: Journal
    sink: Sink
    supervisor: Supervisor
    seats: Mapping[str, Seat]
    connections: Mapping[str, Connection]
    guardian: Guardian
    broker: BrokerAddress | None = None
    mqtt: MqttReader | None = None
    said: list[str] = field(default_factory=list)
    failed: "asyncio.Future[None] | None" = None


@asynccontextmanager
async def running(station: Station, folder: Path, clock: Clock | None = None) -> AsyncIterator[Parts]:
    """Run a daemon for as long as the context is open.

    Args:
        station: What there is.
        folder: Of the journal and of the files by which the command line finds the daemon.
        clock: In place of the station's.

    Raises:
        StoreBusy: Another daemon has the folder; the message names it.
        StationError: An instrument cannot be made as the station file says.
    """
    async with AsyncExitStack() as stack:
        parts = await _made(stack, station, folder, clock or make_clock(station.clock))
        await _wait_for_guard(folder, parts.clock)
        await _open(parts)
        parts.said = await parts.supervisor.adopt()
        tasks = _Tasks(parts)
        stack.push_async_callback(tasks.stop)
        tasks.start(_watch(parts), "watch")
        for connection in parts.connections.values():
            tasks.start(connection.run(), connection.name)
        await _face(stack, tasks, parts)
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


# --- tasks ------------------------------------------------------------------------------------------------------------


class _Tasks:
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
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.failed.done():
            self.failed.exception()
        else:
            self.failed.cancel()


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.wait({task})


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


# --- faces ------------------------------------------------------------------------------------------------------------


async def _face(stack: AsyncExitStack, tasks: _Tasks, parts: Parts) -> None:
    """Open the doors: HTTP on this machine, MQTT by setting."""
    station = parts.station
    await _mqtt(stack, tasks, parts)
    _postgres(stack, tasks, parts)
    wanted = station.http.socket or ""
    if station.http.port is not None:
        wanted = f"{station.http.host}:{station.http.port}"
    await stack.enter_async_context(HttpFace(parts.supervisor, Place(parts.folder), wanted, lambda: info(parts)))


def _postgres(stack: AsyncExitStack, tasks: _Tasks, parts: Parts) -> None:
    """Carry the journal over to PostgreSQL, woken by commits."""
    if parts.station.postgres is None:
        return
    sink = Postgres(parts.folder, parts.station.postgres)
    stack.callback(sink.close)
    news = asyncio.Event()
    parts.sink.on_commit(lambda _: news.set())

    def trouble(error: SinkError | None) -> None:
        if error is None:
            LOG.warning("PostgreSQL at %s answers again", sink.place)
        else:
            LOG.warning("%s; the journal keeps everything meanwhile", error)

    task = tasks.start(follow(sink, news, trouble), "postgres")
    stack.push_async_callback(_cancelled, task)


def info(parts: Parts) -> dict[str, object]:
    """Return what the daemon says of itself."""
    found: dict[str, object] = {
        "version": __version__,
        "station": parts.station.name,
        "node": parts.station.mqtt.node or parts.station.name,
        "data": str(parts.folder.absolute()),
    }
    if parts.broker is not None:
        found |= {**parts.broker.as_info(), "mqtt_prefix": topics_of(parts.station).prefix}
    return found


def topics_of(station: Station) -> Topics:
    """Return the topics of a station."""
    given = station.mqtt
    return Topics(given.prefix) if given.prefix else Topics.of_node(given.node or station.name)


async def _mqtt(stack: AsyncExitStack, tasks: _Tasks, parts: Parts) -> None:
    given = parts.station.mqtt
    if given.broker == "none":
        return
    parts.broker = await _broker(stack, tasks, parts.station)
    topics = topics_of(parts.station)
    node = Node(
        topics=topics,
        info=lambda: info(parts),
        status=parts.supervisor.status,
        label=parts.clock.label,
        save_cursor=lambda commit: parts.journal.set_cursor(NAME, commit),
    )
    client = MqttClient(parts.broker, f"labctl-{parts.journal.uuid[:8]}-{given.node or parts.station.name}")
    reader = stack.enter_context(Reader(parts.folder))
    speaker = MqttReader(client, node, reader, parts.journal.cursor(NAME))
    if given.commands != "off":
        face = MqttFace(parts.supervisor, given.commands, topics.prefix, speaker.post, parts.clock.label)
        stack.push_async_callback(face.close)
        speaker.take_orders(face)
    parts.sink.on_commit(lambda done: speaker.committed(done.entries))
    parts.mqtt = speaker
    task = asyncio.create_task(speaker.run(), name="mqtt")
    stack.push_async_callback(_farewell, speaker, task)


async def _farewell(speaker: MqttReader, task: "asyncio.Task[None]") -> None:
    """Let the publishing task say what is left, and end."""
    speaker.close()
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(task, STOP_WITHIN / 2)


async def _broker(stack: AsyncExitStack, tasks: _Tasks, station: Station) -> BrokerAddress:
    given = station.mqtt
    if given.broker == "embedded":
        broker = EmbeddedBroker(given.host or "127.0.0.1", given.port or 0)
        stack.push_async_callback(broker.close)
        address = await broker.start()
        task = tasks.start(
            broker.keep(lambda code: LOG.error("the embedded broker ended with code %s", code)), "broker"
        )
        stack.push_async_callback(_cancelled, task)
        return address
    ca = None if given.ca is None else station.beside(given.ca)
    password = None if given.password_file is None else station.beside(given.password_file)
    address = BrokerAddress(
        host=given.host,
        port=given.port or (8883 if given.tls else 1883),
        username=given.user,
        password_file=password,
        tls=given.tls,
        ca_file=ca,
    )
    address.check()
    return address


# --- the process ------------------------------------------------------------------------------------------------------


def serve(station: Station, folder: Path, clock: Clock | None = None, say: Callable[[str], None] = print) -> int:
    """Run the daemon until SIGTERM or SIGINT; a second signal hurries. Return the exit code."""
    return asyncio.run(_serve(station, folder, clock, say))


async def _serve(station: Station, folder: Path, clock: Clock | None, say: Callable[[str], None]) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    async with running(station, folder, clock) as parts:
        for words in parts.said:
            say(words)
        say(_greeting(parts))
        if not await _until(stop, parts):
            return 1
        say("stopping: outputs safe, everything committed")
    return 0


async def _until(stop: asyncio.Event, parts: Parts) -> bool:
    """Wait for the end, and tell whether somebody asked for it."""
    assert parts.failed is not None
    parts.failed.add_done_callback(lambda _: stop.set())
    await stop.wait()
    return not parts.failed.done()


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def received() -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for name in ("SIGTERM", "SIGINT"):
        if sys.platform == "win32":
            signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(received))
        else:
            loop.add_signal_handler(getattr(signal, name), received)


def _greeting(parts: Parts) -> str:
    broker = "" if parts.broker is None else f", MQTT at {parts.broker.host}:{parts.broker.port}"
    idle = next((name for name, seat in parts.seats.items() if seat.course is None), "CHANNEL")
    return "\n".join([
        f"labctl {__version__} serves {len(parts.seats)} channels of {parts.station.name}; data in {parts.folder}{broker}",
        f"next: export LABCTL_DATA={parts.folder.absolute()}; labctl start FILE --channel {idle} --cell CELL",
    ])  # fmt: skip

"""The daemon's doors: orders over HTTP on this machine, MQTT by setting, PostgreSQL by cursor."""

import asyncio
import logging
from contextlib import AsyncExitStack

from labctl import __version__
from labctl.control.http import HttpFace
from labctl.control.mqtt import MqttFace
from labctl.control.place import Place
from labctl.daemon.parts import Parts, Tasks, ended
from labctl.errors import SinkError
from labctl.publish.broker import BrokerAddress, EmbeddedBroker
from labctl.publish.cursor import NAME
from labctl.publish.mqtt import MqttReader, Node
from labctl.publish.publisher import MqttClient
from labctl.publish.topic import Topics
from labctl.settings import Station
from labctl.store.reader import Reader

LOG = logging.getLogger("labctl.daemon")
FAREWELL = 1.5  # s that the publishing task has to say what is left


async def open_faces(stack: AsyncExitStack, tasks: Tasks, parts: Parts, embedded: EmbeddedBroker | None = None) -> None:
    """Open the doors: HTTP on this machine, MQTT by setting; `embedded` is a broker that was begun already."""
    station = parts.station
    await _mqtt(stack, tasks, parts, embedded)
    _postgres(stack, tasks, parts)
    wanted = station.http.socket or ""
    if station.http.port is not None:
        wanted = f"{station.http.host}:{station.http.port}"
    await stack.enter_async_context(HttpFace(parts.supervisor, Place(parts.folder), wanted, lambda: info(parts)))


def _postgres(stack: AsyncExitStack, tasks: Tasks, parts: Parts) -> None:
    """Carry the journal over to PostgreSQL, woken by commits."""
    if parts.station.postgres is None:
        return
    from labctl.publish.postgres import Postgres, follow  # noqa: PLC0415 - psycopg is for those who copy there

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
    stack.push_async_callback(ended, task)


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


async def _mqtt(stack: AsyncExitStack, tasks: Tasks, parts: Parts, embedded: EmbeddedBroker | None) -> None:
    given = parts.station.mqtt
    if given.broker == "none":
        return
    parts.broker = await _broker(stack, tasks, parts.station, embedded)
    topics = topics_of(parts.station)
    node = Node(
        topics=topics,
        info=lambda: info(parts),
        status=parts.supervisor.looks,
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
    task = tasks.start(speaker.run(), "mqtt")
    stack.push_async_callback(_farewell, speaker, task)


async def _farewell(speaker: MqttReader, task: "asyncio.Task[None]") -> None:
    """Let the publishing task say what is left, and end."""
    speaker.close()
    await asyncio.wait({task}, timeout=FAREWELL)
    await ended(task)


async def _broker(
    stack: AsyncExitStack, tasks: Tasks, station: Station, embedded: EmbeddedBroker | None
) -> BrokerAddress:
    given = station.mqtt
    if given.broker == "embedded":
        broker = embedded or EmbeddedBroker(given.host, given.port)
        address = await broker.start()
        stack.push_async_callback(broker.close)
        task = tasks.start(
            broker.keep(lambda code: LOG.error("the embedded broker ended with code %s", code)), "broker"
        )
        stack.push_async_callback(ended, task)
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

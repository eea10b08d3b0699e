"""The daemon's doors: orders over HTTP on this machine, MQTT by setting, PostgreSQL by cursor."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack

from labctl import __version__
from labctl.control.endpoint import EndpointFiles
from labctl.control.http import HttpFace
from labctl.control.mqtt import MqttFace
from labctl.daemon.beside import ProcessBeside
from labctl.daemon.parts import Parts, Tasks, ended
from labctl.errors import SinkError
from labctl.publish.broker import BrokerAddress, EmbeddedBroker, embedded_broker
from labctl.publish.event_feed import NAME
from labctl.publish.home_assistant import config, config_topic
from labctl.publish.mqtt import MqttNode, MqttReader
from labctl.publish.publisher import MqttClient
from labctl.publish.topic import Topics
from labctl.run.alarms import Alarm
from labctl.station.settings import Station
from labctl.store import queries
from labctl.store.people import People
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
    await _beside(stack, tasks, parts)
    await stack.enter_async_context(
        HttpFace(parts.supervisor, EndpointFiles(parts.folder), wanted, lambda: info(parts))
    )


async def _beside(stack: AsyncExitStack, tasks: Tasks, parts: Parts) -> None:
    """Start the pages and the alarms where the station wants them; they are no part of the daemon and may die."""
    station, data = parts.station, ("--data", str(parts.folder.absolute()))
    wanted: dict[str, list[str]] = {}
    if station.web is not None:
        wanted["web"] = ["web", *data, "--no-link", *web_words(station)]
    if station.notify is not None:
        wanted["notify"] = ["notify", *data, "--station", station.file]
    for name, words in wanted.items():
        process = ProcessBeside(name, words, parts.folder, parts.alarms)
        task = tasks.start(process.keep(), name)
        stack.callback(process.end)  # once nobody starts it again
        stack.push_async_callback(ended, task)


def web_words(station: Station) -> list[str]:
    """Return how the command line says what a station file says of the pages."""
    assert station.web is not None
    words = ["--listen", station.web.listen]
    words += [word for name in station.web.names for word in ("--name", name)]
    proxy = station.web.proxy
    words += ["--proxy-user", proxy.user] if proxy else []
    files = {
        "--certificate": station.web.certificate, "--key": station.web.key,
        "--proxy-socket": proxy and proxy.socket, "--proxy-secret": proxy and proxy.secret_file,
    }  # fmt: skip
    return [
        *words,
        *(word for key, file in files.items() if file for word in (key, str(station.beside(file).absolute()))),
    ]


def _postgres(stack: AsyncExitStack, tasks: Tasks, parts: Parts) -> None:
    """Carry the journal over to PostgreSQL, woken by commits."""
    if parts.station.postgres is None:
        return
    from labctl.publish.diverged import Ahead  # noqa: PLC0415
    from labctl.publish.postgres import Postgres, follow  # noqa: PLC0415 - psycopg is for those who copy there

    sink = Postgres(parts.folder, parts.station.postgres)
    stack.callback(sink.close)
    news = asyncio.Event()
    parts.sink.on_commit(lambda _: news.set())

    def trouble(error: SinkError | None) -> None:
        if error is None:
            parts.alarms.end("postgres", f"PostgreSQL at {sink.place} answers again")
        elif error.retry:
            parts.alarms.rise("postgres", "warning", f"{error}; the journal keeps everything meanwhile")
        else:
            parts.alarms.rise("postgres", "error", str(error))

    async def ahead(divergence: Ahead) -> None:
        parts.alarms.rise("postgres-ahead", "error", str(divergence))
        await parts.sink.call(parts.journal.shorten, divergence.copied, str(divergence))

    task = tasks.start(follow(sink, news, trouble, ahead), "postgres")
    stack.push_async_callback(ended, task)


def info(parts: Parts) -> dict[str, object]:
    """Return what the daemon says of itself."""
    facts: dict[str, object] = {
        "version": __version__,
        "station": parts.station.name,
        "node": parts.station.mqtt.node or parts.station.name,
        "data": str(parts.folder.absolute()),
    }
    if parts.broker is not None:
        facts |= {**parts.broker.as_info(), "mqtt_prefix": topics_of(parts.station).prefix}
    return facts


def topics_of(station: Station) -> Topics:
    """Return the topics of a station."""
    given = station.mqtt
    return Topics(given.prefix) if given.prefix else Topics.of_node(given.node or station.name)


async def _mqtt(stack: AsyncExitStack, tasks: Tasks, parts: Parts, embedded: EmbeddedBroker | None) -> None:
    given = parts.station.mqtt
    if given.broker == "none":
        return
    parts.broker = await _broker(stack, tasks, parts, embedded)
    topics = topics_of(parts.station)
    node = MqttNode(
        topics=topics,
        info=lambda: info(parts),
        status=parts.supervisor.looks,
        label=parts.clock.label,
        save_cursor=lambda commit: parts.journal.set_cursor(NAME, commit),
        changes=parts.supervisor.changes,
    )
    client = MqttClient(
        parts.broker, f"labctl-{parts.journal.uuid[:8]}-{parts.journal.generation}-{given.node or parts.station.name}"
    )
    reader = stack.enter_context(Reader(parts.folder))
    speaker = MqttReader(client, node, reader, parts.journal.cursor(NAME))
    if given.commands != "off":
        people = stack.enter_context(People(parts.folder, time.time))
        face = MqttFace(  # by the wall's clock, as senders stamp
            parts.supervisor, given.commands, topics.prefix, speaker.post, tokens=people.token_named
        )
        stack.push_async_callback(face.close)
        speaker.take_orders(face)
    if given.home_assistant:
        node_name, known = given.node or parts.station.name, reader.query(queries.CHANNEL_NAMES)
        for gone in {str(row[0]) for row in known} - parts.station.channels.keys():
            speaker.keep(config_topic(node_name, gone), b"")
        for channel in parts.station.channels:
            speaker.keep(config_topic(node_name, channel), config(topics, node_name, channel, __version__))
    parts.sink.on_commit(lambda done: speaker.committed(done.entries))
    parts.mqtt = speaker

    def alarmed(name: str, alarm: Alarm | None) -> None:
        if alarm is None:
            speaker.all_clear(name)
        else:
            speaker.alarm(name, alarm.severity, alarm.text)

    parts.alarms.follow(alarmed)
    task = tasks.start(speaker.run(), "mqtt")
    stack.push_async_callback(_farewell, speaker, task)


async def _farewell(speaker: MqttReader, task: "asyncio.Task[None]") -> None:
    """Let the publishing task say what is left, and end."""
    speaker.close()
    await asyncio.wait({task}, timeout=FAREWELL)
    await ended(task)


async def _broker(stack: AsyncExitStack, tasks: Tasks, parts: Parts, embedded: EmbeddedBroker | None) -> BrokerAddress:
    station, given = parts.station, parts.station.mqtt
    if given.broker == "embedded":
        broker = embedded or embedded_broker(given.host, given.port, parts.folder, orders=given.commands != "off")
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

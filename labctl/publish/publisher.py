"""What the publishing task needs of an MQTT client: three methods; and the client behind them, aiomqtt."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from labctl.errors import BrokerError
from labctl.publish.broker import BrokerAddress
from labctl.publish.wire import Context, WireClient

ANSWER_WITHIN = 5.0  # s that the broker has for anything
KEEP_ALIVE = 20  # s; a half-open connection is found within 1.5 of it
MOST_WAITING = 1000  # received messages that may wait; more are dropped by the client, with a warning in the log

Value = TypeVar("Value")
LOG = logging.getLogger("labctl.mqtt")
LOG_OF_CLIENT = logging.getLogger("labctl.mqtt.client")


@dataclass(frozen=True, slots=True)
class Message:
    """What is published.

    Attributes:
        topic: Where.
        payload: Flat JSON; empty clears what is retained there.
        qos: 0 or 1.
        retain: Whether the broker keeps it for later subscribers.
        correlation: MQTT 5 correlation data of the request that it answers.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What has arrived: `retained` when the broker had kept it; `reply_to` and `correlation` from MQTT 5 properties."""

    topic: str
    payload: bytes
    retained: bool = False
    reply_to: str | None = None
    correlation: bytes | None = None


class Publisher(Protocol):
    """An MQTT client, reduced to what is used. Every method raises `BrokerError` once the connection is gone."""

    def session(self, will: Message | None, filters: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """Be connected and subscribed inside the context; `will` is published by the broker if we vanish."""

    async def publish(self, message: Message) -> None:
        """Hand one message over: QoS 0 once it is written, QoS 1 once the broker has acknowledged it."""

    async def received(self) -> Received:
        """Wait for the next message of the filters."""


@dataclass(slots=True)
class MqttClient:
    """aiomqtt as a `Publisher`; also the subscriber of `labctl watch`.

    Attributes:
        address: Of the broker.
        identifier: Client id: one a node, so that a broker ends our own half-open connection when we come back.
        keep_alive: Seconds; a half-open connection is found within 1.5 of it.
        answer_within: Seconds that the broker has for anything.
    """

    address: BrokerAddress
    identifier: str
    keep_alive: int = KEEP_ALIVE
    answer_within: float = ANSWER_WITHIN
    _client: WireClient | None = field(default=None, init=False)

    @asynccontextmanager
    async def session(self, will: Message | None, filters: Sequence[str]) -> AsyncIterator[None]:
        """Connect, subscribe, and disconnect in order at the end.

        Raises:
            BrokerError: The broker is away, refuses, or is not who its certificate should say.
        """
        client = self._new(will)
        await _entered(client, self.address)
        self._client = client
        try:
            for topic in filters:
                codes = await _translated(client.subscribe(topic, qos=1))
                if any(getattr(code, "value", code) >= 0x80 for code in codes):
                    LOG.warning("the broker does not let us subscribe to %s", topic)
            yield
        finally:
            self._client = None
            with contextlib.suppress(aiomqtt.MqttError):
                await asyncio.shield(client.__aexit__(None, None, None))
            await client.forget()

    async def publish(self, message: Message) -> None:
        """Hand one message over."""
        properties = None
        if message.correlation is not None and self.address.version == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = message.correlation
        send = self._connected().send(message.topic, message.payload, message.qos, message.retain, properties)
        await _translated(send)

    async def received(self) -> Received:
        """Wait for the next message."""
        message = await _translated(anext(self._connected().messages))
        properties = message.properties
        payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
        return Received(
            topic=str(message.topic),
            payload=payload,
            retained=bool(message.retain),
            reply_to=getattr(properties, "ResponseTopic", None),
            correlation=getattr(properties, "CorrelationData", None),
        )

    def _connected(self) -> WireClient:
        if self._client is None:
            raise BrokerError(f"MQTT broker {self.address.host}:{self.address.port}: not connected")
        return self._client

    def _new(self, will: Message | None) -> WireClient:
        address = self.address
        five = address.version == "5"
        return WireClient(
            address.host,
            address.port,
            username=address.username,
            password=address.password(),
            identifier=self.identifier,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else True,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            keepalive=self.keep_alive,
            timeout=self.answer_within,
            tls_context=_tls(address) if address.encrypted else None,
            max_queued_incoming_messages=MOST_WAITING,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=LOG_OF_CLIENT,
        )


def _tls(address: BrokerAddress) -> Context:
    try:
        context = Context(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if address.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=address.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BrokerError(
            f"MQTT broker {address.host}: cannot read the authority in {address.ca_file}: {error}"
        ) from error
    return context


async def _entered(client: WireClient, address: BrokerAddress) -> None:
    """Connect; a cancellation waits until the connecting thread is done, so that its socket is not left open."""
    connecting = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        if not (await asyncio.wait({connecting}))[0].pop().exception():
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
        await client.forget()
        raise
    except (aiomqtt.MqttError, OSError, ssl.SSLError, ValueError) as error:
        await client.forget()
        raise BrokerError(f"MQTT broker {address.host}:{address.port}: wanted a connection, found {error}") from error


async def _translated(call: Awaitable[Value]) -> Value:
    try:
        return await call
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise BrokerError(f"MQTT: {error}") from error

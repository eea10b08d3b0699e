"""aiomqtt's client, writing at once instead of by way of the event loop's selector.

aiomqtt registers the socket with the selector for every message and waits for several turns of the loop; at 200 small
messages a second that is most of what publishing costs. Here a message is written in the call that publishes it, and the
selector is asked only when the socket is full. Everything private to aiomqtt 2 and paho is in this module.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_NO_CONN, MQTT_ERR_SUCCESS, PUBLISH, MQTTMessageInfo, MQTTv5
from paho.mqtt.client import Client as Paho
from paho.mqtt.properties import Properties

GATHER = 0.002  # s that a sample may wait for the next one
LENGTH_BITS, LENGTH_MORE = 7, 0x80  # of a byte of a length, and that another one follows (MQTT 5, 1.5.5)


class Context(ssl.SSLContext):
    """A client's TLS settings that know the socket wrapped with them: paho leaves it open when its handshake fails."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Wrap and remember."""
        self.wrapped = super().wrap_socket(*args, **kwargs)
        return self.wrapped


class WireClient(aiomqtt.Client):
    """Publishes without a detour; otherwise aiomqtt's client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._thread = threading.get_ident()
        self._sending = False
        self._gathering: asyncio.TimerHandle | None = None  # writes the samples that wait for each other
        self._gathered = bytearray()  # those samples, as they go out
        super().__init__(*args, **kwargs)

    async def send(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties | None) -> None:
        """Publish one message: QoS 0 returns at once, or when it is written where the socket is full; QoS 1 once acknowledged.

        Raises:
            aiomqtt.MqttError: There is no connection, or no acknowledgement in time.
        """
        if qos == 0 and properties is None and not self._client.want_write():
            self._gather(topic, payload, retain=retain)
            return
        self._put_gathered()
        self._sending = True
        try:
            info = self._client.publish(topic, payload, qos, retain, properties)
        finally:
            self._sending = False
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "not connected")
        confirmed = asyncio.Event()
        with self._pending_call(info.mid, confirmed, self._pending_publishes):
            self._write_or_wait()
            if info.is_published():
                return
            try:
                async with asyncio.timeout(self.timeout):
                    await confirmed.wait()
            except TimeoutError:
                raise aiomqtt.MqttError(f"no acknowledgement within {self.timeout:g} s") from None

    async def forget(self) -> None:
        """Close what a connection leaves behind: socket, housekeeping task, an error that nobody asked for."""
        with contextlib.suppress(Exception):
            self._client._sock_close()  # noqa: SLF001 - paho has no public way to close without a dialogue
        if isinstance(context := self._client._ssl_context, Context) and context.wrapped is not None:  # noqa: SLF001
            context.wrapped.close()
        if self._gathering is not None:
            self._gathering.cancel()
        if self._misc_task is not None:  # or it outlives the connection for up to a second
            self._misc_task.cancel()
            await asyncio.wait({self._misc_task})
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # retrieved, or asyncio complains that nobody did

    def _gather(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Let a sample leave with those of the next moment, in one piece: each piece wakes the broker up.

        Raises:
            aiomqtt.MqttCodeError: There is no connection.
        """
        if self._client.socket() is None:
            raise aiomqtt.MqttCodeError(MQTT_ERR_NO_CONN, "not connected")
        self._gathered += publish_packet(topic, payload, retain=retain, version_5=self._client.protocol == MQTTv5)
        self._gathering = self._gathering or self._loop.call_later(GATHER, self._write_or_wait)

    def _put_gathered(self) -> None:
        """Give paho what was gathered, as one packet that nobody waits for."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if self._gathered:
            packet, self._gathered = self._gathered, bytearray()
            self._sending = True  # it is written by whoever calls this
            try:
                self._client._packet_queue(PUBLISH, packet, 0, 0, MQTTMessageInfo(0))  # noqa: SLF001 - as above
            finally:
                self._sending = False

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001 - as aiomqtt does: whatever it is, the connection is gone
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_socket_register_write(self, client: Paho, userdata: Any, sock: Any) -> None:
        """Called by paho when it has something to write, at the latest when the socket was full."""
        if threading.get_ident() != self._thread:
            super()._on_socket_register_write(client, userdata, sock)  # while connecting, from its thread
        elif not self._sending:
            self._loop.call_soon(self._write_or_wait)

    def _write_or_wait(self) -> None:
        """Write what waits; wait for room where there is none."""
        self._put_gathered()
        sock = self._client.socket()
        if self._client.want_write():
            self._write()
        if self._client.want_write() and isinstance(sock, socket.socket) and sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write)

    def _on_socket_unregister_write(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)


def publish_packet(topic: str, payload: bytes, *, retain: bool, version_5: bool) -> bytes:
    """Return a message that nobody acknowledges as it goes over the wire: MQTT 3.1.1 and 5, section 3.3."""
    name = topic.encode()
    body = len(name).to_bytes(2) + name + (b"\0" if version_5 else b"") + payload
    length, left = bytearray(), len(body)
    while left >> LENGTH_BITS:
        length.append(left & (LENGTH_MORE - 1) | LENGTH_MORE)
        left >>= LENGTH_BITS
    length.append(left)
    return bytes((PUBLISH | retain,)) + length + body

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
from paho.mqtt.client import MQTT_ERR_SUCCESS, PUBLISH
from paho.mqtt.client import Client as Paho
from paho.mqtt.properties import Properties

GATHER = 0.002  # s that a sample may wait for the next one


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
        super().__init__(*args, **kwargs)

    async def send(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties | None) -> None:
        """Publish one message: QoS 0 returns at once, or when it is written where the socket is full; QoS 1 once acknowledged.

        Raises:
            aiomqtt.MqttError: There is no connection, or no acknowledgement in time.
        """
        full = self._client.want_write() and self._gathering is None
        self._sending = True
        try:
            info = self._client.publish(topic, payload, qos, retain, properties)
        finally:
            self._sending = False
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "not connected")
        if (
            qos == 0 and not full
        ):  # it leaves with those of the next moment, in one piece: each piece wakes the broker up
            self._gathering = self._gathering or self._loop.call_later(GATHER, self._write_or_wait)
            return
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

    def _join(self) -> None:
        """Make one of the samples that wait beside each other, so that one call of the system writes them."""
        waiting = self._client._out_packet  # noqa: SLF001 - paho writes packet by packet
        joined: list[Any] = []
        for packet in waiting:
            if joined and _is_whole_sample(packet) and _is_whole_sample(joined[-1]):
                joined[-1]["packet"] += packet["packet"]
                joined[-1]["to_process"] += packet["to_process"]
            else:
                joined.append(packet)
        waiting.clear()
        waiting.extend(joined)

    def _write(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
            self._join()
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
        sock = self._client.socket()
        if self._client.want_write():
            self._write()
        if self._client.want_write() and isinstance(sock, socket.socket) and sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write)

    def _on_socket_unregister_write(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)


def _is_whole_sample(packet: Any) -> bool:
    """Tell whether a packet is a message that nobody acknowledges, nothing of it written."""
    return bool(packet["command"] & 0xF0 == PUBLISH and packet["qos"] == 0 and packet["pos"] == 0)

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
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.client import Client as Paho
from paho.mqtt.properties import Properties

CORK: int | None = getattr(socket, "TCP_CORK", None)  # Linux; elsewhere every message leaves by itself

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
        self._corked = False
        super().__init__(*args, **kwargs)

    async def send(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties | None) -> None:
        """Publish one message: QoS 0 returns once it is written, QoS 1 once it is acknowledged.

        Raises:
            aiomqtt.MqttError: There is no connection, or no acknowledgement in time.
        """
        if qos == 0:
            self._together()
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "not connected")
        confirmed = asyncio.Event()
        with self._pending_call(info.mid, confirmed, self._pending_publishes):
            self._write()
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
        if self._misc_task is not None:  # or it outlives the connection for up to a second
            self._misc_task.cancel()
            await asyncio.wait({self._misc_task})
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # retrieved, or asyncio complains that nobody did

    def _together(self) -> None:
        """Let what is sent within the next moment leave in one piece; each piece wakes the broker up."""
        sock = self._client.socket()
        if CORK is not None and not self._corked and isinstance(sock, socket.socket):
            self._corked = True
            self._loop.call_later(GATHER, self._leave, sock)
            self._cork(sock, 1)

    def _leave(self, sock: socket.socket) -> None:
        self._corked = False
        self._cork(sock, 0)

    def _cork(self, sock: socket.socket, closed: int) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile
            sock.setsockopt(socket.IPPROTO_TCP, CORK or 0, closed)

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
        elif isinstance(sock, socket.socket) and sock.fileno() >= 0:
            self._loop.call_soon(self._write_or_wait, sock)

    def _write_or_wait(self, sock: socket.socket) -> None:
        """Write what `send` has not written already; wait for room where there is none."""
        if self._client.want_write():
            self._write()
        if self._client.want_write() and sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write)

    def _on_socket_unregister_write(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

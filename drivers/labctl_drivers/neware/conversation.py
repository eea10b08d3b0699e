"""Requests and framed replies over one TCP connection, one after the other: the next goes out as the reply to the last is whole.

A poll of a thousand channels is a thousand requests. Each is sent from the callback that saw the reply before it complete: no
task wakes up between them.
"""

import asyncio
from collections.abc import Sequence

SPACE = 1 << 16  # bytes of the buffer at first
ROOM = 1 << 12  # bytes that must be free in it before more is read
UNASKED = "something was said that nobody asked for"


class Conversation(asyncio.BufferedProtocol):
    """A connection on which nobody speaks unless asked."""

    def __init__(self, end: bytes, longest: int) -> None:
        """Take replies that end with `end` and have at most `longest` bytes."""
        self._end, self._longest = end, longest
        self._buffer = bytearray(SPACE)
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self._requests: Sequence[bytes] = ()
        self._replies: list[bytes] = []
        self._bytes, self._most = 0, 0
        self._answered: asyncio.Future[list[bytes]] | None = None
        self._asked_at = 0.0
        self._watch: asyncio.TimerHandle
        self._why = "the connection is closed"

    async def ask(self, requests: Sequence[bytes], within: float, most: int) -> list[bytes]:
        """Send requests one by one and return their replies, those of the first few where they come to more than `most` bytes.

        Args:
            requests: At least one.
            within: s that one reply may take.
            most: Bytes of replies after which no more is asked.

        Raises:
            TimeoutError: A reply did not come in time.
            OSError: The connection was lost, a reply is longer than any can be, or something was said that nobody asked for.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError(self._why)
        if bytes(self._buffer[: self._filled]).strip():
            raise ConnectionError(UNASKED)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[bytes]] = loop.create_future()
        self._answered = answered
        self._requests, self._replies, self._bytes, self._most = requests, [], 0, most
        self._send()
        self._watch = loop.call_later(within, self._look, within)
        try:
            return await answered
        finally:
            self._watch.cancel()
            self._answered = None

    def close(self) -> None:
        """Close the connection; who waits for a reply is told."""
        if self._transport is not None:
            self._transport.close()
        self._fail(ConnectionError(self._why))

    # --- called by the loop -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for a reply."""
        self._why = str(exc) if exc else "the connection was closed"
        self._transport = None
        self._fail(exc if isinstance(exc, OSError) else ConnectionError(self._why))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        del sizehint
        if len(self._buffer) - self._filled < ROOM:
            self._buffer = self._buffer + bytes(len(self._buffer))
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes; where they complete a reply, ask the next."""
        seen, self._filled = self._filled, self._filled + nbytes
        answered = self._answered
        if answered is None or answered.done():
            if self._filled > self._longest and self._transport is not None:
                self._transport.abort()  # who floods an idle line fills no memory
            return
        place = self._buffer.find(self._end, max(0, seen - len(self._end) + 1), self._filled)
        if (place if place >= 0 else self._filled) > self._longest:
            self._fail(ConnectionError(f"a reply has more than {self._longest} bytes"))
        elif place >= 0:
            self._take(place + len(self._end), answered)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _take(self, size: int, answered: "asyncio.Future[list[bytes]]") -> None:
        """Keep the reply that ends after so many bytes, and send the next request, if there is one."""
        if self._filled > size and bytes(self._buffer[size : self._filled]).strip():
            self._fail(ConnectionError(UNASKED))
            return
        self._replies.append(bytes(self._buffer[:size]))
        self._filled = 0
        self._bytes += size
        if len(self._replies) < len(self._requests) and self._bytes <= self._most:
            self._send()
        else:
            answered.set_result(self._replies)

    def _send(self) -> None:
        assert self._transport is not None
        self._asked_at = asyncio.get_running_loop().time()
        self._transport.write(self._requests[len(self._replies)])

    def _look(self, within: float) -> None:
        """Give the reply up that takes too long."""
        loop = asyncio.get_running_loop()
        left = self._asked_at + within - loop.time()
        if left > 0.0:
            self._watch = loop.call_later(left, self._look, within)
        else:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

"""Who may hold a connection: those that have not shown the token are few, short-lived, and make room for the next.

Whoever floods the door without a token thereby keeps nobody out: the connection that has waited longest without showing one is
closed for each that comes beyond the budget, and none lives longer than its headers may take.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

STRANGERS = 64  # connections that have not shown the token, at a time, besides those that have just come
JUST_COME = 0.5  # s for which a connection does not make room for others: it must be read once before it is judged
MOST = 512  # connections that have not shown it, whenever they came
HEADERS_WITHIN = 5.0  # s for a connection to show it


class Door:
    """The connections of one server that have not shown the token yet."""

    def __init__(self, knows: Callable[[Iterable[tuple[bytes, bytes]]], bool]) -> None:
        """Let those stay whose headers `knows`."""
        self.knows = knows
        self._strangers: OrderedDict[Guarded, tuple[asyncio.TimerHandle, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many strangers there are."""
        return len(self._strangers)

    def enter(self, connection: "Guarded") -> None:
        """Take a connection in; the one that has waited longest makes room."""
        now = connection.loop.time()
        self._strangers[connection] = connection.loop.call_later(HEADERS_WITHIN, self._close, connection), now
        while len(self._strangers) > STRANGERS:
            oldest = next(iter(self._strangers))
            if now - self._strangers[oldest][1] < JUST_COME and len(self._strangers) <= MOST:
                return
            self._close(oldest)

    def leave(self, connection: "Guarded") -> None:
        """Forget a connection: it has shown the token, or is closed."""
        known = self._strangers.pop(connection, None)
        if known is not None:
            known[0].cancel()

    def _close(self, connection: "Guarded") -> None:
        self.leave(connection)
        connection.transport.abort()


class Guarded(H11Protocol):
    """A connection of the server that stays only if it shows the token in time."""

    door: Door

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as a stranger."""
        super().connection_made(transport)
        self.door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self.door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrives; headers with the token let the connection stay."""
        super().data_received(data)
        if self.headers is not None and self.door.knows(self.headers):
            self.door.leave(self)


def guarded_by(door: Door) -> type[Any]:
    """Return the class of a server's connections."""
    return type("GuardedConnection", (Guarded,), {"door": door})

"""Watching another station from outside: a host that is gone can tell nobody."""

import ssl
import time
from collections.abc import Callable
from typing import Final

from labctl.errors import SinkError
from labctl.notify.delivery import request, route_of
from labctl.station.settings import NotifySettings, Station
from labctl.store.notices import OutboxMessage

REMIND: Final = 4 * 3600.0  # s after which a silence that lasts is told again


def asked(address: str, trust: ssl.SSLContext | None = None) -> str:
    """Ask the pages at an address whether the daemon answers, and return what is wrong, "" for nothing."""
    try:
        answer = request("GET", f"{address.rstrip('/')}/health", b"", {}, trust).decode(errors="replace").strip()
    except SinkError as error:
        return str(error)
    return "" if answer == "ready" else f"{address} says {answer[:50]!r}"


class Sentry:
    """Counts looks without an answer, and tells people of a silence, and of its end."""

    def __init__(
        self,
        address: str,
        station: Station,
        *,
        misses: int = 3,
        now: Callable[[], float] = time.time,
        ask: Callable[[str], str] = asked,
    ) -> None:
        """Watch an address, and tell by the routes of a station."""
        self._address, self._station, self._most, self._now, self._ask = address, station, misses, now, ask
        self._missed = 0
        self._told: float | None = None

    def look(self) -> None:
        """Look once."""
        trouble = self._ask(self._address)
        if not trouble:
            if self._told is not None:
                self._tell(f"{self._address} answers again", "")
            self._missed, self._told = 0, None
            return
        self._missed += 1
        due = self._told is None or self._now() - self._told >= REMIND
        if self._missed >= self._most and due:
            words = "Whether its tests go on is not known from here: they do so by themselves as long as their machine runs."
            if self._tell(f"{self._address} is silent", f"{trouble}\n{words}\n"):
                self._told = self._now()

    def _tell(self, subject: str, body: str) -> bool:
        """Tell it by every route, and return whether one took it: what nobody took is tried again at the next look."""
        taken = False
        now = self._now()
        for name, settings in (self._station.notify or NotifySettings()).routes.items():
            message = OutboxMessage(
                f"sentry{now:.0f}", name, now, "page", f"[{self._station.name}] {subject}", body or f"{subject}\n"
            )
            try:
                route_of(settings, self._station.name, self._station.beside).send(message)
                taken = True
            except SinkError:
                continue
        return taken

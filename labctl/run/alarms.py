"""What is wrong with the station as a whole: said in the log, in `status` and `why`, and retained over MQTT until it is over."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

LOG = logging.getLogger("labctl.daemon")
LEVELS: Mapping[str, int] = {"warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must know of the station.

    Attributes:
        name: Names the matter: `journal`, `disk`, `postgres`; a second alarm of a name takes the place of the first.
        severity: `warning` (nothing has happened yet) or `error`.
        text: One sentence for a person.
    """

    name: str
    severity: str
    text: str


class Alarms:
    """The alarms that are active. Everything belongs to the loop."""

    def __init__(self) -> None:
        """Begin without any."""
        self._active: dict[str, Alarm] = {}
        self._listeners: list[Callable[[str, Alarm | None], None]] = []

    def __iter__(self) -> Iterator[Alarm]:
        """Give the active alarms, the oldest first."""
        return iter(tuple(self._active.values()))

    def follow(self, listener: Callable[[str, Alarm | None], None]) -> None:
        """Call a listener with every name and its alarm, None when it is over; at once with those that are active."""
        self._listeners.append(listener)
        for alarm in self:
            listener(alarm.name, alarm)

    def rise(self, name: str, severity: str, text: str) -> None:
        """Raise an alarm, or renew its text; the log hears of it when it is new or worse."""
        alarm, before = Alarm(name, severity, text), self._active.get(name)
        if alarm == before:
            return
        if before is None or before.severity != severity:
            LOG.log(LEVELS[severity], "%s", text)
        self._active[name] = alarm
        for listener in self._listeners:
            listener(name, alarm)

    def end(self, name: str, words: str = "") -> None:
        """Take an alarm away; nothing happens if there is none. `words` are for the log."""
        if self._active.pop(name, None) is None:
            return
        if words:
            LOG.warning("%s", words)
        for listener in self._listeners:
            listener(name, None)

    def texts(self, severity: str = "error") -> str:
        """Return the sentences of a severity, joined; "" for none."""
        return "; ".join(alarm.text for alarm in self._active.values() if alarm.severity == severity)

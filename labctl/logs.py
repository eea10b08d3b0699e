"""The daemon's log: on standard error and in a file of the data folder that never grows beyond a bound."""

import datetime as dt
import json
import logging
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

from labctl.inputs import printable

FILE = "daemon.log"
LARGEST = 4 * 1024 * 1024  # bytes of one file
KEPT = 4  # older files beside it
OFTEN = 10  # lines of one kind within `PERIOD` that are written; the others are counted
PERIOD = 60.0  # s
LAYOUT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Plain(logging.Formatter):
    """Shows control characters in what is logged, so that no text of whatever origin writes a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record; a trace keeps its lines."""
        return printable(super().format(record), lines=record.exc_info is not None)


class Structured(logging.Formatter):
    """One JSON object a line: time (UTC, ISO-8601), level, room, message, and the trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record; JSON escapes control characters, so that no text writes a line of its own."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line = {"time": moment.replace("+00:00", "Z"), "level": record.levelname.lower(), "room": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Seldom(logging.Filter):
    """Lets so many lines of one kind through in a period, and says how many it left out: a flood fills no disk."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Count by a clock, s."""
        super().__init__()
        self._now = now
        self._seen: dict[tuple[str, str, int], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is written."""
        key = (record.name, str(record.msg)[:200], record.levelno)
        now, (began, count) = self._now(), self._seen.get(key, (0.0, 0))
        if not count or now - began >= PERIOD:
            if count > OFTEN:
                record.msg = f"{record.getMessage()} ({int(count) - OFTEN} more like this in the last {PERIOD:g} s)"
                record.args = ()
            self._seen[key] = [now, 1]
            if len(self._seen) > 1000:
                self._seen = {kind: each for kind, each in self._seen.items() if now - each[0] < PERIOD}
            return True
        self._seen[key][1] = count + 1
        return count < OFTEN


def log_to(folder: Path, *, structured: bool = False) -> None:
    """Log from now on to standard error and to the data folder, as lines for people or, structured, as JSON objects."""
    root, once = logging.getLogger(), _Once(Seldom())
    formatter: logging.Formatter = Structured() if structured else Plain(LAYOUT)
    file = RotatingFileHandler(folder / FILE, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8", delay=True)
    handlers: tuple[logging.Handler, ...] = logging.StreamHandler(), file
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(once)
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, must not stop anything


class _Once(logging.Filter):
    """Asks `Seldom` once for each record, however many handlers there are."""

    def __init__(self, seldom: Seldom) -> None:
        super().__init__()
        self._seldom = seldom

    def filter(self, record: logging.LogRecord) -> bool:
        verdict = getattr(record, "labctl_written", None)
        if verdict is None:
            verdict = record.labctl_written = self._seldom.filter(record)
        return bool(verdict)

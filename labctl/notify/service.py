"""The process that tells people: it follows the journal and the daemon, folds, and hands messages over until they are accepted."""

import contextlib
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from labctl.control.client import DaemonClient
from labctl.errors import LabctlError, SinkError, UsageError
from labctl.notify.certificate import SOON, examined
from labctl.notify.codec import state_from_json, state_to_json
from labctl.notify.delivery import Route, request, route_of
from labctl.notify.digest import digest_words, due_day
from labctl.notify.feed import happened
from labctl.notify.grouping import Acknowledged, DueMessage, Happened, Input, NoticeState, Rules, Tick, notice
from labctl.notify.text import body, subject
from labctl.station.settings import NotifySettings, Station
from labctl.store.notices import Notices, OutboxMessage
from labctl.store.people import People
from labctl.store.reader import Reader

LOOK: Final = 1.0  # s between two looks
ASK: Final = 5.0  # s between two questions to the daemon
LOST: Final = 30.0  # s without an answer after which the daemon is said to be lost
BEAT: Final = 60.0  # s between two heartbeats
SLOWEST: Final = (
    45.0  # s between two attempts at one message: it is there within a minute of a server that is well again
)
REFUSED: Final = 3600.0  # s between two attempts at what a server refused for good
DAEMON: Final = "the daemon"
CERTIFICATE: Final = "the certificate"
EXAMINED: Final = 3600.0  # s between two looks at the certificate of the pages


class Sender:
    """Tells people what happens at one station."""

    def __init__(
        self, station: Station, folder: Path, now: Callable[[], float] = time.time, trust: ssl.SSLContext | None = None
    ) -> None:
        """Take who is told, and the data folder that is followed."""
        self._settings = station.notify or NotifySettings()
        self._station, self._examined_at = station, float("-inf")
        self._node, self._folder, self._now, self._trust = station.name, folder, now, trust
        self.rules = Rules(self._settings.quiet)
        self._notices = Notices(folder)
        self._reader: Reader | None = None
        self._client: DaemonClient | None = None
        self._routes: Mapping[str, Route] = {
            name: route_of(each, station.name, station.beside, trust) for name, each in self._settings.routes.items()
        }
        stored = self._notices.load()
        self.cursor, self.state = (0, NoticeState()) if stored is None else (stored[0], state_from_json(stored[1]))
        self._first = stored is None
        self._asked_at, self._answered_at, self._beat_at = 0.0, now(), 0.0
        self._rows = 0
        self._channels: list[dict[str, Any]] = []
        self._digest_day = ""
        self._desks = {name: ThreadPoolExecutor(1, f"route {name}") for name in self._routes}
        self._under_way: set[tuple[str, str]] = set()
        self._unstored: dict[tuple[str, str], OutboxMessage] = {}
        self._went: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let everything go; what is on its way is tried again next time."""
        for desk in self._desks.values():
            desk.shutdown(wait=True, cancel_futures=True)  # what is being handed over is noted as gone
        if self._reader is not None:
            self._reader.close()
        if self._client is not None:
            self._client.close()
        with self._lock:
            self._notices.__exit__()

    def run(self, stop: threading.Event) -> None:
        """Look, fold and send until asked to stop."""
        while not stop.is_set():
            with contextlib.suppress(LabctlError):
                self.step()
            stop.wait(LOOK)

    def step(self) -> None:
        """Look once at everything."""
        now = self._now()
        inputs = [*self._from_journal(now), *self._from_daemon(now), *self._from_certificate(now)]
        with self._lock:
            asked = self._notices.asked()
        inputs += [Acknowledged(now, alarm, who) for _, alarm, who in asked]
        self.fold([*inputs, Tick(now)], max((number for number, _, _ in asked), default=0))
        self._digest(now)
        self._send(now)
        self._beat(now)

    def _digest(self, now: float) -> None:
        """Put the daily mail on its way when it is due; its id is the day's, so that a restart sends none twice."""
        day = due_day(self._settings.digest, now)
        if not day or day == self._digest_day or self._reader is None:
            return
        with People(self._folder, self._now) as people:
            words, text = digest_words(self._reader, self._channels, people.head(), now)
        mails = [
            each
            for each in self._settings.routes.values()
            if each.kind == "mail" and not (each.only_pages or each.last)
        ]
        made = [
            OutboxMessage(f"digest-{day}", each.name, now, "notice", f"[{self._node}] {words}", text) for each in mails
        ]
        with self._lock:
            self._notices.add(made, now)
        self._digest_day = day

    def fold(self, inputs: list[Input], asked: int = 0) -> list[DueMessage]:
        """Fold inputs, and store the state with the messages that follow."""
        state = self.state
        messages: list[DueMessage] = []
        for each in inputs:
            state, made = notice(self.rules, state, each)
            messages += made
        outgoing = [out for message in messages for out in self._outgoing(message)]
        try:
            with self._lock:
                self._notices.store(self.cursor, state_to_json(state), outgoing, asked, self._now())
            self._unstored = {}
        except sqlite3.Error:  # a full disk is no reason to be silent: what cannot be stored goes from memory
            self._unstored |= {(each.id, each.route): each for each in outgoing}
        self.state = state
        return messages

    def _outgoing(self, message: DueMessage) -> list[OutboxMessage]:
        words = subject(message, self._node), body(message, self._node, self._settings.link)
        taken = [
            route
            for route in self._settings.routes.values()
            if not (route.only_pages and message.level != "page") and not (route.last and message.why != "escalated")
        ]
        return [OutboxMessage(message.id, route.name, message.time, message.level, *words) for route in taken]

    # --- what happens ---

    def _from_journal(self, now: float) -> list[Input]:
        """Return what was committed since; what a clock that runs faster than ours dates ahead is of now."""
        if self._reader is None:
            self._reader = Reader(self._folder)
        if self._first:  # what was before the first look is no news
            self.cursor, self._first = self._reader.last_commit(), False
        inputs: list[Input] = []
        while True:
            cursor, more = happened(self._reader, self.cursor)
            inputs += [replace(each, time=min(each.time, now)) for each in more]
            if cursor == self.cursor:
                return inputs
            self.cursor = cursor

    def _from_daemon(self, now: float) -> list[Input]:
        """Return what the daemon says of the station as a whole and of channels that nobody knows; its silence is an alarm."""
        if 0 <= now - self._asked_at < ASK:
            return []
        self._asked_at = now
        self._answered_at = min(self._answered_at, now)  # the clock may have been set back
        try:
            if self._client is None:
                self._client = DaemonClient(self._folder, within=ASK)
            rows, alarms = self._client.station()
        except LabctlError as error:
            if self._client is not None:
                self._client.close()
                self._client = None
            if now - self._answered_at < LOST:
                return []
            return [Happened(now, DAEMON, "lost", f"it has not answered for {LOST:g} s: {error}", "", "labctl serve")]
        self._answered_at = now
        self._channels = rows
        self._rows = sum(int(row.get("record_index") or 0) for row in rows)
        inputs: list[Input] = [Happened(now, DAEMON, "answers")]
        active = {f"station: {each['alarm']}": each for each in alarms}
        inputs += [Happened(now, name, str(each["severity"]), str(each["text"])) for name, each in active.items()]
        inputs += [
            Happened(now, name, "over")
            for name in self.state.active
            if name.startswith("station: ") and name not in active
        ]
        for row in rows:
            name, kind = str(row["channel"]), str(row["activity"])
            before = self.state.active.get(name)
            if kind == "unknown" or (before is not None and before.kind == "unknown"):
                inputs.append(Happened(now, name, kind, str(row.get("why") or ""), "", str(row.get("unblock") or "")))
        return inputs

    def _from_certificate(self, now: float) -> list[Input]:
        """Return whether the certificate of the pages ends soon, or is one that no browser takes any more."""
        web = self._station.web
        if web is None or web.certificate is None or 0 <= now - self._examined_at < EXAMINED:
            return []
        self._examined_at = now
        certificate, key = self._station.beside(web.certificate), self._station.beside(str(web.key))
        unblock = f"put a new one at {certificate}: the pages take it by themselves"
        try:
            left = examined(certificate, key, web.names) - now
        except UsageError as error:
            return [Happened(now, CERTIFICATE, "error", str(error), "", unblock)]
        if left > SOON:
            return [Happened(now, CERTIFICATE, "over")]
        words = f"it ends in {max(0.0, left) / 86400.0:.0f} days; then no browser takes it"
        return [Happened(now, CERTIFICATE, "warning", words, "", unblock)]

    # --- what goes out ---

    def _send(self, now: float) -> None:
        with self._lock:
            due = self._notices.due(now)
        for message in (*due, *(each for key, each in self._unstored.items() if key not in self._went)):
            key = message.id, message.route
            if message.route in self._routes and key not in self._under_way:
                self._under_way.add(key)
                self._desks[message.route].submit(self._hand_over, message)

    def _hand_over(self, message: OutboxMessage) -> None:
        try:
            self._routes[message.route].send(message)
        except Exception as error:  # noqa: BLE001 - whatever a server does, the message is tried again
            retry = not isinstance(error, SinkError) or error.retry
            wait = min(SLOWEST, 5.0 * 2.0 ** min(message.tries, 10)) if retry else REFUSED
            again, trouble = self._now() + wait, str(error)
            self._note(lambda: self._notices.failed(message, again, trouble))
        else:
            if (message.id, message.route) in self._unstored:
                self._went.add((message.id, message.route))
            self._note(lambda: self._notices.went(message, self._now()))
        finally:
            self._under_way.discard((message.id, message.route))

    def _note(self, write: Callable[[], None]) -> None:
        with self._lock, contextlib.suppress(Exception):
            write()

    def _beat(self, now: float) -> None:
        """Say that work goes on, only on evidence of it: the daemon answered, and no page is active."""
        if not self._settings.heartbeat or 0 <= now - self._beat_at < BEAT:
            return
        self._beat_at = now
        pages = [each for each in self.state.active.values() if each.level == "page"]
        silent = not 0 <= now - self._answered_at <= LOST
        url = self._settings.heartbeat.rstrip("/") + ("/fail" if silent or pages or self._unstored else "")
        words = orjson.dumps({"node": self._node, "rows": self._rows, "pages": len(pages), "commit": self.cursor})
        with contextlib.suppress(SinkError):
            request("POST", url, words, {"content-type": "application/json"}, self._trust)


def try_routes(station: Station, trust: ssl.SSLContext | None = None) -> dict[str, str]:
    """Send one real message by every route, and return what each says, "" where it was accepted."""
    troubles = {}
    for name, settings in (station.notify or NotifySettings()).routes.items():
        message = OutboxMessage(
            f"test{time.time():.0f}",
            name,
            time.time(),
            "page",
            f"[{station.name}] a test of labctl's alarms",
            "Nothing happened: somebody tried the route.\n",
        )
        try:
            route_of(settings, station.name, station.beside, trust).send(message)
            troubles[name] = ""
        except SinkError as error:
            troubles[name] = str(error)
    return troubles


def replayed(reader: Reader, rules: Rules, since: float) -> list[DueMessage]:
    """Return the messages that a stored time would have given, from a moment on (UTC, s)."""
    from labctl.store import queries  # noqa: PLC0415 - for a replay alone

    cursor = max(0, int(reader.query(queries.FIRST_COMMIT_AFTER, time=since)[0][0]) - 1)
    state, last = NoticeState(), 0.0
    messages: list[DueMessage] = []
    while True:
        after, events = happened(reader, cursor)
        if after == cursor:
            break
        cursor = after
        for each in events:
            for tick in _ticks(last or each.time, each.time):
                state, made = notice(rules, state, Tick(tick))
                messages += made
            last = max(last, each.time)
            state, _ = notice(rules, state, replace(each, time=last))
    for tick in _ticks(last, last + 3600.0):
        state, made = notice(rules, state, Tick(tick))
        messages += made
    return messages


def _ticks(begin: float, end: float) -> list[float]:
    """Return the moments between two at which something may be due: every second at first, then every minute."""
    near = [begin + 1.0 + second for second in range(min(30, int(end - begin)))]
    far = [begin + 60.0 * minute for minute in range(1, min(100_000, int((end - begin) // 60)) + 1)]
    return sorted({*near, *far})

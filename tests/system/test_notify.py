"""From a cell that trips to a person's mail box: what happens in the daemon reaches a real SMTP server, once, and in time."""

import contextlib
import http.server
import signal
import socket
import threading
import time
from dataclasses import replace

import pytest

from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.notify import delivery, service
from labctl.notify.sentry import asked
from labctl.notify.service import Sender, replayed
from labctl.run.aside import aside
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt, NotifySettings, RouteSettings
from labctl.store.notices import Notices
from labctl.store.reader import Reader
from tests.browser import Bench
from tests.services_mosquitto import free_port
from tests.system.test_orders_once import CELL
from tests.unit.notify.test_delivery import Box, smtp

TRIPS = """\
labctl: 1
name: beyond its limit
limits: {voltage: [3 V, 3.9 V]}
steps:
  - rest: 1 s
  - charge: {current: 0.5 A, for: 1 h}
"""
ASKS = "labctl: 1\nname: asks\nsteps:\n  - prompt: {say: put the cell in}\n  - rest: 1 h\n"
WITHIN = 60.0  # s that a machine which is busy with something else may take


def station(port):
    mail = RouteSettings(
        "lab", "mail", ("ada@lab.example",), f"127.0.0.1:{port}", "labctl@lab.example", security="none"
    )
    return replace(simulated_station(3, "bench"), mqtt=Mqtt(broker="none"), notify=NotifySettings({"lab": mail}))


async def stepped(sender, holds, now=None):
    """Let the sender look, as its process does, until something holds; where its clock is given, a second a look goes by."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "it came in time"
        if now is not None:
            now[0] += 1.0
        await aside(sender.step, "sender", WITHIN)


async def test_a_trip_and_a_question_reach_a_mail_box_once_and_are_over_when_they_are(tmp_path):
    box, now = Box(), [time.time()]
    with smtp(box) as server:
        made = station(server.port)
        async with running(replace(made, notify=None), tmp_path / "data", ScaledClock(600.0)) as parts:
            sender = Sender(made, parts.folder, lambda: now[0])
            await aside(sender.step, "sender", WITHIN)
            put = parts.supervisor.texts.put
            cell = put("c.yaml", CELL)
            await parts.supervisor.start(StartRequest(put("t.yaml", TRIPS), cell, "sim1"))
            await stepped(sender, lambda: box.mails, now)
            first = box.mails[0].content.decode()
            assert "Subject: [bench] sim1 tripped: " in first
            assert "beyond its limit on" in first
            await parts.supervisor.start(StartRequest(put("a.yaml", ASKS), cell, "sim2"))
            await stepped(sender, lambda: any("put the cell in" in mail.content.decode() for mail in box.mails), now)
            sender.close()
            again = Sender(made, parts.folder, lambda: now[0])
            count = len(box.mails)
            await aside(again.step, "sender", WITHIN)
            assert len(box.mails) == count, "a sender that was killed says nothing twice"
            await parts.supervisor.order("confirm", "sim2", by="ada")
            over = "over: sim2 is not waiting any more"
            await stepped(again, lambda: any(over in mail.content.decode() for mail in box.mails), now)
            again.close()
        with Reader(parts.folder) as reader:
            once, twice = (replayed(reader, again.rules, 0.0) for _ in range(2))
        assert once == twice
        assert {"sim1 tripped", "sim2 waiting"} <= {
            f"{each.subject} {each.kind}" for message in once for each in message.alarms
        }
    with Notices(parts.folder) as notices:
        assert all(message.went is not None for message in notices.messages())


async def test_a_server_that_refuses_keeps_nothing_up_and_gets_the_message_when_it_is_well(tmp_path):
    box, now = Box(), [time.time()]
    box.refuse = "451 greylisted"
    with smtp(box) as server:
        made = station(server.port)
        async with running(replace(made, notify=None), tmp_path / "data", ScaledClock(600.0)) as parts:
            sender = Sender(made, parts.folder, lambda: now[0])
            await aside(sender.step, "sender", WITHIN)
            put = parts.supervisor.texts.put
            await parts.supervisor.start(StartRequest(put("t.yaml", TRIPS), put("c.yaml", CELL), "sim1"))

            def tried():
                with Notices(parts.folder) as notices:
                    return any(message.tries and "greylisted" in message.trouble for message in notices.messages())

            await stepped(sender, tried)
            box.refuse = ""
            now[0] += 20.0
            await stepped(sender, lambda: box.mails)
            sender.close()
    assert len({mail.content for mail in box.mails}) == len(box.mails) == 1


class BlackHole:
    """Takes connections and says nothing, or a letter at a time."""

    def __init__(self, port, letter=b""):
        self._line = socket.create_server(("127.0.0.1", port))
        self._letter, self._held, self._end = letter, [], threading.Event()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self):
        self._line.settimeout(0.05)
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                self._held.append(self._line.accept()[0])
            for line in self._held if self._letter else ():
                with contextlib.suppress(OSError):
                    line.send(self._letter)

    def end(self):
        self._end.set()
        self._thread.join()
        for line in (*self._held, self._line):
            line.close()

    @property
    def tried(self):
        return len(self._held)


@pytest.mark.parametrize("letter", [b"", b"2"], ids=["silence", "slow-loris"])
async def test_an_smtp_black_hole_keeps_nothing_up_and_gets_each_message_once_when_it_heals(
    tmp_path, monkeypatch, letter
):
    monkeypatch.setattr(delivery, "WITHIN", 0.5)
    monkeypatch.setattr(delivery, "WHOLE", 1.0)
    port, now, box = free_port(), [time.time()], Box()
    hole = BlackHole(port, letter)
    made = station(port)
    async with running(replace(made, notify=None), tmp_path / "data", ScaledClock(600.0)) as parts:
        sender = Sender(made, parts.folder, lambda: now[0])
        await aside(sender.step, "sender", WITHIN)
        put = parts.supervisor.texts.put
        await parts.supervisor.start(StartRequest(put("t.yaml", TRIPS), put("c.yaml", CELL), "sim1"))

        def trouble():
            with Notices(parts.folder) as notices:
                return [message for message in notices.messages() if message.tries]

        await stepped(sender, trouble)
        assert hole.tried
        rows = parts.supervisor.status()
        assert rows, "the daemon answers meanwhile"
        hole.end()
        with smtp(box, port=port):
            healed = now[0]
            while not box.mails:
                now[0] += 5.0
                assert now[0] - healed < 60.0, "it is there within a minute"
                await aside(sender.step, "sender", WITHIN)
                await stepped(sender, lambda: not sender._under_way)
            sender.close()
    identities = [
        line for mail in box.mails for line in mail.content.decode().splitlines() if line.startswith("Message-ID")
    ]
    assert len(identities) == len(set(identities)) >= 1


async def test_a_full_disk_is_no_reason_to_be_silent(tmp_path):
    box, now = Box(), [time.time()]
    with smtp(box) as server:
        made = station(server.port)
        async with running(replace(made, notify=None), tmp_path / "data", ScaledClock(600.0)) as parts:
            sender = Sender(made, parts.folder, lambda: now[0])
            await aside(sender.step, "sender", WITHIN)
            pages = sender._notices._base.execute("PRAGMA page_count").fetchone()[0]
            sender._notices._base.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite says of a disk without room
            put = parts.supervisor.texts.put
            for number in (1, 2, 3):
                await parts.supervisor.start(StartRequest(put("t.yaml", TRIPS), put("c.yaml", CELL), f"sim{number}"))
            await stepped(
                sender,
                lambda: (
                    {"sim1", "sim2", "sim3"} <= {word for mail in box.mails for word in mail.content.decode().split()}
                ),
                now,
            )
            sender.close()


@pytest.mark.timeout(600)
async def test_a_daemon_that_stands_still_is_told_of_by_mail_heartbeat_and_sentry_though_the_pages_live(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(service, "ASK", 1.0)  # s: what stands still answers nobody, however long one waits
    bench = Bench(tmp_path, "A[1-2]")
    box, beats = Box(), Heard()
    try:
        with smtp(box) as server:
            made = station(server.port)
            made = replace(made, notify=replace(made.notify, heartbeat=beats.url))
            now = [time.time()]
            sender = Sender(made, bench.data, lambda: now[0])
            await aside(sender.step, "sender", WITHIN)
            assert beats.paths == ["/beat"]
            assert asked(bench.url) == ""
            bench.daemon.send(signal.SIGSTOP)
            monkeypatch.setattr(service, "ASK", 0.2)
            begin = now[0]
            while not (box.mails and beats.paths[-1] == "/beat/fail"):
                now[0] += 10.0
                assert now[0] - begin < 180.0, "within three minutes"
                await aside(sender.step, "sender", WITHIN)
                await stepped(sender, lambda: not sender._under_way)
            deadline = time.monotonic() + WITHIN
            while not asked(bench.url):
                assert time.monotonic() < deadline
            assert "the daemon lost" in box.mails[0].content.decode()
            sender.close()
    finally:
        bench.daemon.send(signal.SIGCONT)
        bench.end()
        beats.end()


class Heard:
    """A service that notes which heartbeats come."""

    def __init__(self):
        paths = self.paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                paths.append(self.path)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/beat"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self):
        self._server.shutdown()
        self._server.server_close()


async def test_a_daemon_that_is_gone_is_told_of(tmp_path):
    box, now = Box(), [time.time()]
    with smtp(box) as server:
        made = station(server.port)
        async with running(replace(made, notify=None), tmp_path / "data", ScaledClock(600.0)):
            pass
        sender = Sender(made, tmp_path / "data", lambda: now[0])
        await aside(sender.step, "sender", WITHIN)
        assert not box.mails
        now[0] += 31.0
        await stepped(sender, lambda: box.mails)
        sender.close()
    assert "the daemon lost" in box.mails[0].content.decode()

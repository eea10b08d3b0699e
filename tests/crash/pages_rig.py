"""What rig W looks at: a daemon whose channels work, the pages beside it, two people who are known to them, and viewers."""

import contextlib
import multiprocessing
import os
import re
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from labctl.cli.web import NICE
from labctl.notify.service import Sender
from labctl.station.settings import Station, WebSettings
from labctl.store.people import People
from labctl.store.reader import Reader
from labctl.web.server import serve
from tests.browser import Bench

SHORT = (
    "labctl: 1\nname: short steps\nrecord: {every: 1 s}\nsteps:\n  - repeat: 100000\n    steps:\n      - rest: 300 ms\n"
)
WORKS = "labctl: 1\nname: works\nrecord: {every: 1 s}\nsteps:\n  - rest: 1000 h\n"
TRIPS = "labctl: 1\nname: trips\nlimits: {voltage: [3 V, 3.9 V]}\nsteps:\n  - rest: 1 s\n  - charge: {current: 0.5 A, for: 1 h}\n"
WITHIN = 120.0  # s for anything on a machine that is busy
FRESH = httpx.Limits(
    max_keepalive_connections=0
)  # on a machine that is busy one that was kept may be closed as it is used again
PEOPLE = ("rig", "mate")
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([__name__])


def serve_forked(line: Connection, data: Path, port: int) -> None:
    """Be the process of `labctl web` on a port."""
    os.nice(NICE)
    serve(WebSettings(f"127.0.0.1:{port}"), data, data, data, line.send)


def send_forked(line: Connection, data: Path, station: Station) -> None:
    """Be the process that sends a station's alarms, and say when it has looked for the first time."""
    sender = Sender(station, data)
    sender.step()
    line.send("has looked")
    sender.run(threading.Event())


def _begun(target: Callable[..., None], line: Connection, *given: object) -> None:
    """Do what a process is there for, until nobody holds the other end of the line any more."""

    def end_with_parent() -> None:
        with contextlib.suppress(EOFError):
            line.recv()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()
    target(line, *given)


class Forked:
    """A process of ours that begins without the two seconds which Python needs to import it: what is killed and begun again is the same.

    Attributes:
        word: What it said when it was ready.
    """

    def __init__(self, target: Callable[..., None], *given: object) -> None:
        self._line, theirs = FORKED.Pipe()
        self._process = FORKED.Process(target=_begun, args=(target, theirs, *given))
        self._process.start()
        theirs.close()
        if not self._line.poll(WITHIN):
            raise TimeoutError(f"wanted {target.__name__} to be ready within {WITHIN:g} s, found nothing said")
        self.word = str(self._line.recv())

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def end(self, number: int = signal.SIGTERM) -> None:
        os.kill(self.pid, number)
        self._process.join(WITHIN)
        self._process.close()
        self._line.close()


class ForkedPages(Forked):
    """The pages of a data folder on a port; `said` is as of pages that the command has begun."""

    def __init__(self, data: Path, port: int) -> None:
        super().__init__(serve_forked, data, port)
        self.said = re.search(r"pages at (\S+:(\d+))", self.word)


class Rig:
    """A daemon, the pages, and two people who are known to them."""

    def __init__(self, folder: Path, channels: int, clock: str = "1") -> None:
        for name, text in (("short", SHORT), ("works", WORKS), ("trips", TRIPS)):
            (folder / f"{name}.yaml").write_text(text)
        self.bench = Bench(folder, f"A[1-{channels}]", clock)
        with People(self.bench.data, time.time) as people:
            for name in PEOPLE:
                people.add(name, "admin")
            self._tokens = {name: people.issue("token", name, 86400.0) for name in PEOPLE}

    @property
    def port(self) -> int:
        return int(self.bench.web.said[2])

    def begin_again(self) -> None:
        """Begin the pages on the port that they had."""
        self.bench.web = ForkedPages(self.bench.data, self.port)

    def client(self, name: str = PEOPLE[0]) -> httpx.Client:
        headers = {"authorization": f"Bearer {self._tokens[name]}"}
        return httpx.Client(base_url=self.bench.url, headers=headers, timeout=WITHIN, limits=FRESH)

    def start(self, protocol: str, channel: str) -> str:
        """Start a run, and return its id."""
        return self.bench.start(f"{protocol}.yaml", channel)

    def events(self) -> int:
        with Reader(self.bench.data) as reader:
            return int(
                reader.query("SELECT count(*) FROM events WHERE kind IN ('gap', 'fault', 'late', 'run_ended')")[0][0]
            )

    @contextlib.contextmanager
    def viewers(self, count: int) -> Iterator[list[float]]:
        """Have so many stream clients; gives when they heard something last.

        They read bytes and nothing else: what viewers make of them costs their own machines.
        """
        heard, stop = [0.0] * count, threading.Event()
        thread = threading.Thread(target=self._view, args=(heard, stop))
        thread.start()
        try:
            yield heard
        finally:
            stop.set()
            thread.join()

    def _view(self, heard: list[float], stop: threading.Event) -> None:
        port = self.port
        asking = f"GET /live HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {self._tokens[PEOPLE[0]]}\r\n\r\n".encode()
        with selectors.DefaultSelector() as open_, contextlib.ExitStack() as stack:
            missing = set(range(len(heard)))
            while not stop.is_set():
                for number in list(missing):
                    with contextlib.suppress(OSError):
                        line = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                        line.sendall(asking)
                        open_.register(line, selectors.EVENT_READ, number)
                        missing.discard(number)
                for key, _ in open_.select(0.05):
                    try:
                        told = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
                    except OSError:
                        told = b""
                    if told:
                        heard[key.data] = time.monotonic()
                    else:
                        open_.unregister(key.fileobj)
                        missing.add(key.data)

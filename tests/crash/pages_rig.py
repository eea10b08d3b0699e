"""What rig W looks at: a daemon whose channels work, the pages beside it, somebody who is known to them, and viewers."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from labctl.store.people import People
from labctl.store.reader import Reader
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


class Rig:
    """A daemon, the pages, and somebody who is known to them."""

    def __init__(self, folder: Path, channels: int, clock: str = "1") -> None:
        for name, text in (("short", SHORT), ("works", WORKS), ("trips", TRIPS)):
            (folder / f"{name}.yaml").write_text(text)
        self.bench = Bench(folder, f"A[1-{channels}]", clock)
        with People(self.bench.data, time.time) as people:
            people.add("rig", "admin")
            self._token = people.issue("token", "rig", 86400.0)

    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self._token}"}
        return httpx.Client(base_url=self.bench.url, headers=headers, timeout=WITHIN, limits=FRESH)

    def start(self, protocol: str, channel: str) -> None:
        self.bench.start(f"{protocol}.yaml", channel)

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
        host = f"127.0.0.1:{self.bench.web.said[2]}"
        asking = f"GET /live HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {self._token}\r\n\r\n".encode()
        with selectors.DefaultSelector() as open_, contextlib.ExitStack() as stack:
            missing = set(range(len(heard)))
            while not stop.is_set():
                for number in list(missing):
                    with contextlib.suppress(OSError):
                        line = stack.enter_context(socket.create_connection(("127.0.0.1", int(self.bench.web.said[2]))))
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

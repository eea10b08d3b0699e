"""A real PostgreSQL of our own: a temporary cluster on a free loopback port, run as a user that is not root."""

import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import psycopg
import pytest

WITHIN = 30.0  # s that a start may take, recovery included
PLACES = [*sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), pathlib.Path("/opt/homebrew/bin")]
SETTINGS = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20", "restart_after_crash": "off"}


def program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([*map(str, PLACES), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip("postgresql is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def somebody() -> dict[str, object]:
    """The user to run as: ourselves, or for root one of those that every Debian has."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("there is no user but root to run postgresql as")


class Postgresql:
    """The server; `database()` makes an empty one and gives its URL."""

    def __init__(self) -> None:
        self.user = somebody()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="labctl-postgresql-"))
        if self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])
        self.data = self.folder / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.made = 0
        self._call("initdb", "-D", self.data, "-U", "labctl", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def _call(self, name: str, *words: object) -> None:
        command = [program(name), *map(str, words)]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, timeout=120, **self.user)

    def start(self) -> "Postgresql":
        """Start, again while the children of a killed server still hold its memory."""
        deadline = time.monotonic() + WITHIN
        while not self._started(deadline):
            assert time.monotonic() < deadline, "postgresql did not start"
        return self

    def _started(self, deadline: float) -> bool:
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        place = ["-D", self.data, "-k", self.folder, "-h", "127.0.0.1", "-p", self.port]
        command = [program("postgres"), *map(str, place), *settings]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=self.folder, **self.user)
        seen = b""
        while b"database system is ready to accept connections" not in seen:
            ready, _, _ = select.select([process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(process.stderr.fileno(), 65536) if ready else b""
            if not chunk:
                process.kill()
                process.wait(WITHIN)
                process.stderr.close()
                return False
            seen += chunk
        self.drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        self.process = process
        return True

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None:
            self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(WITHIN)
        self.process.stderr.close()
        self.drain.wait(WITHIN)
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://labctl@127.0.0.1:{port or self.port}/{database}"

    def database(self) -> str:
        self.made += 1
        name = f"test{self.made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Postgresql]:
    server = Postgresql()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def postgresql(postgresql_server: Postgresql) -> str:
    """URL of an empty database."""
    return postgresql_server.url(postgresql_server.database())

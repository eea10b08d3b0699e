"""The short form of rig P: the lines to a real broker and a real PostgreSQL are bad for a while."""

import asyncio
import socket
import threading

import pytest

from tests.crash.lines import lived
from tests.crash.proxy import Proxy
from tests.services_mosquitto import mosquitto  # noqa: F401
from tests.services_postgresql import postgresql_server  # noqa: F401


@pytest.mark.mosquitto
@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_bad_lines_lose_nothing(tmp_path, mosquitto, postgresql_server, seed):  # noqa: F811
    count = asyncio.run(lived(tmp_path, mosquitto, postgresql_server, seed, 5.0))
    assert count.wrong == []
    assert count.faults > 0
    assert count.events > 0


def echo(server):
    while True:
        try:
            line, _ = server.accept()
        except OSError:
            return
        with line:
            while data := line.recv(1000):
                line.sendall(data)


@pytest.fixture
def proxy():
    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=echo, args=(server,), daemon=True)
    thread.start()
    proxy = Proxy(server.getsockname()[1])
    yield proxy
    proxy.close()
    server.close()


def said(line, data):
    line.sendall(data)
    found = b""
    while len(found) < len(data) and (more := line.recv(1000)):
        found += more
    return found


def test_a_line_is_cut_after_so_many_bytes(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), 10.0) as line:
        assert said(line, b"hello") == b"hello"
    proxy.set("cut", 3)
    with socket.create_connection(("127.0.0.1", proxy.port), 10.0) as line:
        assert len(said(line, b"hello")) <= 3, "the rest was cut off, and the answer with it"
    proxy.set("refuse", 0)
    with socket.create_connection(("127.0.0.1", proxy.port), 10.0) as line:
        assert line.recv(1) == b""


def test_what_a_black_hole_swallowed_comes_when_it_is_healed(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), 30.0) as line:
        assert said(line, b"one") == b"one"
        proxy.set("black hole", 0)
        line.sendall(b"two")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(10)
        proxy.heal()
        line.settimeout(30.0)
        assert line.recv(10) == b"two"

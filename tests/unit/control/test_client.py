"""The command line's side of HTTP: an answer is whole, or it is none."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from labctl.control import client as control_client
from labctl.control.client import DaemonClient, Unanswered
from labctl.control.endpoint import Endpoint, EndpointFiles
from labctl.errors import InternalError

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@pytest.fixture
def answering(tmp_path) -> Iterator[Callable[..., None]]:
    """Answer one request on each connection with the next of these bytes, and break the line."""
    threads: list[threading.Thread] = []
    place = EndpointFiles(tmp_path / "data")
    place.make_token()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20.0)
        place.publish(Endpoint(host="127.0.0.1", port=server.getsockname()[1]))

        def serve(given: list[bytes]) -> None:
            while given:
                line, _ = server.accept()
                with line:
                    if line.recv(65536):
                        line.sendall(given.pop(0))

        def begin(*given: bytes) -> None:
            threads.append(threading.Thread(target=serve, args=(list(given),), daemon=True))
            threads[0].start()

        yield begin
        threads[0].join(20.0)


def test_an_answer_of_which_the_body_is_missing_is_asked_for_again(tmp_path, answering):
    """The daemon was killed between the headers of its answer and its body."""
    whole = b'{"channels": [], "alarms": []}'
    answering(HEAD % len(whole), HEAD % len(whole) + whole)
    with DaemonClient(tmp_path / "data") as client:
        assert client.status() == []


def test_an_answer_that_is_cut_is_asked_for_again(tmp_path, answering):
    whole = b'{"channels": [], "alarms": []}'
    answering(HEAD % len(whole) + whole[:7], HEAD % len(whole) + whole)
    with DaemonClient(tmp_path / "data") as client:
        assert client.status() == []


def test_what_is_no_json_is_no_answer_whatever_its_status(tmp_path, answering):
    answering(HEAD % 2 + b"ok")
    with DaemonClient(tmp_path / "data") as client, pytest.raises(InternalError, match="found 200 and 'ok'"):
        client.order("stop", {"channel": "sim1"})


def test_who_only_looks_is_told_soon_that_a_daemon_stands_still(tmp_path, monkeypatch):
    monkeypatch.setattr(control_client, "LOOKS_WITHIN", 0.05)
    place = EndpointFiles(tmp_path / "data")
    place.make_token()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, and nobody answers
        place.publish(Endpoint(host="127.0.0.1", port=silent.getsockname()[1]))
        with DaemonClient(tmp_path / "data") as client, pytest.raises(Unanswered, match="it is there and stands still"):
            client.status()

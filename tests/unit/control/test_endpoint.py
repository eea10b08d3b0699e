import os
import socket
import stat

import pytest

from labctl.control.endpoint import Endpoint, EndpointFiles, data_folder, journal, listen, same
from labctl.errors import OrderRefused, StoreError, UsageError

posix = pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")


@posix
def test_the_token_is_made_once_and_for_its_owner_alone(tmp_path):
    place = EndpointFiles(tmp_path / "data")
    token = place.make_token()
    assert len(token) >= 32
    assert place.make_token() == token == EndpointFiles(tmp_path / "data").token()
    assert stat.S_IMODE(place.token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


@posix
def test_a_token_open_to_others_is_refused(tmp_path):
    place = EndpointFiles(tmp_path)
    place.make_token()
    place.token_file.chmod(0o640)
    with pytest.raises(UsageError, match=r"wanted mode 600 on .*, found 640"):
        place.make_token()


@pytest.mark.parametrize("text", ["", "short\n"])
def test_a_token_that_could_be_guessed_is_refused(tmp_path, text):
    place = EndpointFiles(tmp_path)
    place.token_file.write_text(text)
    place.token_file.chmod(0o600)
    with pytest.raises(UsageError, match="at least 32 characters"):
        place.token()


def test_the_endpoint_is_found_while_somebody_listens(tmp_path):
    place = EndpointFiles(tmp_path)
    with pytest.raises(OrderRefused, match=r"no daemon serves .* labctl serve"):
        place.endpoint()
    place.publish(Endpoint(host="127.0.0.1", port=8023))
    assert place.endpoint() == Endpoint(host="127.0.0.1", port=8023)
    place.withdraw()
    place.withdraw()
    with pytest.raises(OrderRefused):
        place.endpoint()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"unix": "", "host": "", "port": "x"}'])
def test_a_damaged_endpoint_file_is_said(tmp_path, text):
    place = EndpointFiles(tmp_path)
    place.endpoint_file.write_text(text)
    with pytest.raises(OrderRefused, match="wanted the daemon's address"):
        place.endpoint()


@pytest.mark.parametrize(
    "wanted",
    [
        "0.0.0.0:80",
        "192.168.1.5:8023",
        ":8023",
        "lab:1",
        "127.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:99999",
        "[::]:1",
        "labctl:1",
    ],
)
def test_only_this_machine_can_give_orders(tmp_path, wanted):
    with pytest.raises(UsageError, match="wanted an address of this machine"):
        listen(EndpointFiles(tmp_path), wanted)


@posix
def test_the_socket_is_for_its_owner_alone_and_replaces_a_dead_one(tmp_path):
    for _ in range(2):
        place = EndpointFiles(tmp_path)
        opened, endpoint = listen(place)
        assert stat.S_IMODE(place.socket_file.stat().st_mode) == 0o600
        assert endpoint.url == "http://labctl"
        opened.close()


@posix
def test_a_path_too_long_for_a_socket_falls_back_to_loopback(tmp_path):
    place = EndpointFiles(tmp_path / ("x" * 120))
    opened, endpoint = listen(place)
    assert endpoint.host == "127.0.0.1"
    opened.close()
    with pytest.raises(UsageError, match=r"use 127\.0\.0\.1:0"):
        listen(place, "unix")


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"wanted to listen on 127.0.0.1:{port}"):
            listen(EndpointFiles(tmp_path), f"127.0.0.1:{port}")


def test_the_data_folder_is_named_or_usual(monkeypatch, tmp_path):
    monkeypatch.setenv("LABCTL_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("LABCTL_DATA")
    assert data_folder().name == "labctl"


def test_tokens_are_compared_whole():
    assert same("abc", "abc")
    assert not same("abd", "abc")
    assert not same("µ", "abc")


def test_where_no_journal_is_named_one_that_lies_here_is_proposed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABCTL_DATA", str(tmp_path / "data"))
    (tmp_path / "mine.db").touch()
    with pytest.raises(StoreError, match=r"--db names another, such as --db mine\.db"):
        journal()

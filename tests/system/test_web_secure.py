"""The pages beyond this machine: real TLS, real streams, and a process that ends when it is asked to."""

import contextlib
import socket
import ssl
import time

import httpx
import pytest
import trustme

from labctl.store.journal import Journal
from labctl.store.password import ARGON2
from labctl.store.people import People
from tests.browser import Process
from tests.services_mosquitto import free_port

WITHIN = 60.0  # s that a machine which is busy with something else may take
AUTHORITY = trustme.CA()


pytestmark = pytest.mark.timeout(600)  # processes on a machine that is busy with something else


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secure")
    with Journal.open(folder / "data"):
        pass
    with People(folder / "data", time.time) as people:
        people.add("ada", "admin")
        people.set_password("ada", "correct horse battery")
    made = AUTHORITY.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    return folder


def serve(folder, port):
    words = ("web", "--data", str(folder / "data"), "--listen", f"0.0.0.0:{port}", "--name", "localhost", "--no-link")
    keys = ("--certificate", str(folder / "cert.pem"), "--key", str(folder / "key.pem"))
    return Process(folder, "web", *words, *keys, ready=r"pages at (https://localhost:\d+)")


@pytest.fixture(scope="module")
def served(place):
    """The pages that are open now: none before the first test, and after one that ended them."""
    held = []
    yield held
    for process in held:
        process.end()


@pytest.fixture
def web(place, served):
    if not served:
        served.append(serve(place, free_port()))
    return served[0]


def trusting():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def client(web):
    return httpx.Client(base_url=web.said[1], verify=trusting(), timeout=WITHIN, headers={"origin": web.said[1]})


@contextlib.contextmanager
def signed_in(web):
    with client(web) as browser:
        sign_in(browser)
        yield browser


def sign_in(browser):
    answer = browser.post("/login", json={"name": "ada", "password": "correct horse battery"})
    assert answer.status_code == 200, answer.text
    assert "__Host-labctl=" in answer.headers["set-cookie"]
    assert "Secure" in answer.headers["set-cookie"]


def test_over_tls_with_a_name_and_a_password_and_in_no_other_way(web):
    with signed_in(web) as browser:
        assert browser.get("/").status_code == 200
        assert browser.get("/", headers={"host": "evil.example"}).status_code == 421
    with pytest.raises(httpx.HTTPError):
        httpx.get(web.said[1].replace("https", "http"), timeout=WITHIN)
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(web.said[1], timeout=WITHIN)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_tls_is_refused(web, version):
    context = trusting()
    context.minimum_version, context.maximum_version = version, version
    context.set_ciphers("ALL:@SECLEVEL=0")
    port = int(web.said[1].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), WITHIN) as line, pytest.raises(ssl.SSLError):
        context.wrap_socket(line, server_hostname="localhost")


def test_a_stream_begins_with_what_is_and_ends_with_its_session(web):
    with signed_in(web) as browser, browser.stream("GET", "/live") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: hello"
        assert browser.post("/logout", json={}).status_code == 200
        deadline = time.monotonic() + WITHIN
        for line in lines:
            assert time.monotonic() < deadline
            if line == "event: ended":
                return
    raise AssertionError("the stream ended without a word")


def test_it_ends_when_it_is_asked_to_with_fifty_streams_open(place, web, served):
    with People(place / "data", time.time) as people:
        sessions = [people.issue("session", "ada", 3600.0) for _ in range(13)]  # of each four streams are live
    with contextlib.ExitStack() as open_:
        browsers = [open_.enter_context(client(web)) for _ in sessions]
        for browser, session in zip(browsers, sessions, strict=True):
            browser.headers["cookie"] = f"__Host-labctl={session}"
        streams = [open_.enter_context(each.stream("GET", "/live")) for each in browsers for _ in range(4)]
        assert [next(stream.iter_lines()) for stream in streams] == ["event: hello"] * 52
        begin = time.monotonic()
        assert served.pop().end() == 0
        assert time.monotonic() - begin < WITHIN / 2
    assert "Traceback" not in web.log.read_text()


def test_a_new_certificate_is_taken_without_a_restart(place, web):
    port = int(web.said[1].rpartition(":")[2])
    kept = [(file, (place / file).read_bytes()) for file in ("cert.pem", "key.pem")]
    before = ssl.get_server_certificate(("127.0.0.1", port))
    try:
        made = AUTHORITY.issue_cert("localhost")
        made.private_key_pem.write_to_path(place / "key.pem")
        made.cert_chain_pems[0].write_to_path(place / "cert.pem")
        deadline = time.monotonic() + WITHIN
        while ssl.get_server_certificate(("127.0.0.1", port)) == before:
            assert time.monotonic() < deadline
        with signed_in(web) as browser:
            assert browser.get("/").status_code == 200
    finally:
        for file, content in kept:
            (place / file).write_bytes(content)


def test_no_secret_is_in_any_file_that_a_whole_life_leaves(place, web, served):
    with People(place / "data", time.time) as people:
        token, link = people.issue("token", "ada", 60.0), people.issue("link", "ada", 60.0)
    try:
        with signed_in(web) as browser:
            cookie = next(each.value for each in browser.cookies.jar)
            told = [browser.get(path).text for path in ("/", "/journal", "/alarms", "/nowhere", "/r/99", "/metrics")]
            told.append(
                browser.post("/orders/start", json={"channel": "A1", "protocol_text": "x", "cell_text": "y"}).text
            )
            told.append(browser.get("/runs", headers={"authorization": f"Bearer {token}x"}).text)
        with client(web) as browser:
            told.append(browser.get("/runs", headers={"authorization": f"Bearer {token}"}).text)
            told.append(browser.post("/enter", json={"key": link}).text)
            told.append(browser.post("/login", json={"name": "ada", "password": "correct horse battery?"}).text)
    finally:
        served.pop().end()
    secrets = [each.encode() for each in ("correct horse battery", token, link, cookie, token.removeprefix("lct_"))]
    for file in [each for each in place.rglob("*") if each.is_file()]:
        assert not [each for each in secrets if each in file.read_bytes()], file
    assert not [each for each in secrets for text in told if each in text.encode()]


def test_slow_loris_and_a_flood_of_bad_logins_keep_no_stop_waiting(web):
    port = int(web.said[1].rpartition(":")[2])
    context, slow = trusting(), []
    with signed_in(web) as browser:
        for number in range(200):
            line = context.wrap_socket(
                socket.create_connection(("127.0.0.1", port), WITHIN), server_hostname="localhost"
            )
            line.sendall(b"POST /login HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
            slow.append(line)
            if number % 50 == 49:
                answer = browser.post("/orders/stop", json={"channel": "A1"})
                assert (answer.status_code, "no daemon" in answer.text) == (409, True)
        for line in slow:  # each is closed within the time that headers may take
            try:
                assert line.recv(1) == b""
            except TimeoutError:
                raise AssertionError("a connection without headers was kept") from None
            except OSError:
                pass
            line.close()


def test_the_cost_of_a_password_is_what_it_is_for_everybody():
    assert ARGON2["memory_cost"] >= 19 * 1024

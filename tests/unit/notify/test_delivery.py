"""The ways to people, against real servers: mail that is encrypted and checked, a webhook that is signed, ntfy."""

import http.server
import json
import ssl
import threading
from contextlib import contextmanager

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from labctl.errors import SinkError
from labctl.notify.delivery import route_of, signature
from labctl.station.load import load_station, read_station
from labctl.station.settings import RouteSettings
from labctl.store.notices import OutboxMessage
from tests.services_mosquitto import free_port

MESSAGE = OutboxMessage("abc123", "lab", 1.7e9, "page", "[bench] A1 tripped", "A1 tripped\n  voltage\n")
AUTHORITY = trustme.CA()


class Box:
    """Takes mail, or refuses it as it is told to."""

    def __init__(self):
        self.mails, self.refuse = [], ""

    async def handle_DATA(  # noqa: N802 - its name in aiosmtpd
        self, _server, _session, envelope
    ):
        if self.refuse:
            return self.refuse
        self.mails.append(envelope)
        return "250 taken"


def context(name="127.0.0.1"):
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(name).configure_cert(made)
    return made


def trusting():
    made = ssl.create_default_context()
    AUTHORITY.configure_trust(made)
    return made


@contextmanager
def smtp(box, certificate=None, port=None, **more):
    def known(_server, _session, _envelope, _mechanism, given):
        return AuthResult(success=(given.login, given.password) == (b"labctl", b"open sesame"))

    server = Controller(
        box, hostname="127.0.0.1", port=port or free_port(), tls_context=certificate, require_starttls=certificate is not None,
        authenticator=known, auth_required=certificate is not None, **more,
    )  # fmt: skip
    server.start()
    try:
        yield server
    finally:
        server.stop()


def mail(server, tmp_path, **more):
    (tmp_path / "pw").write_text("open sesame\n")
    settings = RouteSettings(
        "lab", "mail", ("ada@lab.example", "bob@lab.example"), f"127.0.0.1:{server.port}", "labctl@lab.example",
        **{"user": "labctl", "secret_file": "pw", **more},
    )  # fmt: skip
    return route_of(settings, "bench", lambda name: tmp_path / name, trusting())


def test_mail_goes_encrypted_to_a_server_whose_certificate_holds(tmp_path):
    box = Box()
    with smtp(box, context()) as server:
        for _ in range(2):
            mail(server, tmp_path).send(MESSAGE)
    first, second = (each.content.decode() for each in box.mails)
    assert box.mails[0].rcpt_tos == ["ada@lab.example", "bob@lab.example"]
    assert "Message-ID: <abc123.lab@bench.labctl>" in first
    assert first == second, "the same message twice is one mail to who reads it"
    assert "Subject: [bench] A1 tripped" in first
    assert "X-Priority: 1" in first


def test_a_certificate_of_another_host_is_not_believed(tmp_path):
    with smtp(Box(), context("evil.example")) as server, pytest.raises(SinkError, match="certificate") as error:
        mail(server, tmp_path).send(MESSAGE)
    assert error.value.retry


@pytest.mark.parametrize(("answer", "again"), [("451 greylisted", True), ("550 nobody here", False)])
def test_a_refusal_says_whether_trying_again_helps(tmp_path, answer, again):
    box = Box()
    box.refuse = answer
    with smtp(box) as server, pytest.raises(SinkError, match=answer) as error:
        mail(server, tmp_path, security="none", user=None).send(MESSAGE)
    assert error.value.retry is again


def test_no_line_of_a_name_becomes_a_header(tmp_path):
    box = Box()
    with smtp(box) as server:
        hostile = OutboxMessage("x", "lab", 1.7e9, "page", "a\r\nBcc: all@world.example", "text")
        mail(server, tmp_path, security="none", user=None).send(hostile)
    assert box.mails[0].rcpt_tos == ["ada@lab.example", "bob@lab.example"]
    assert "\nBcc:" not in box.mails[0].content.decode()


class Hook(http.server.BaseHTTPRequestHandler):
    taken, status = [], 200

    def do_POST(self):
        Hook.taken.append(
            (self.path, dict(self.headers), self.rfile.read(int(self.headers["content-length"])).decode())
        )
        self.send_response(Hook.status)
        self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_words):
        pass


@pytest.fixture
def hook():
    Hook.taken, Hook.status = [], 200
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_webhook_is_signed_so_that_it_can_be_told_from_another(hook, tmp_path):
    (tmp_path / "key").write_text("secret\n")
    route = route_of(
        RouteSettings("h", "webhook", (f"{hook}/in?a=1",), secret_file="key"), "bench", lambda name: tmp_path / name
    )
    route.send(MESSAGE)
    path, headers, text = Hook.taken[0]
    assert (path, headers["idempotency-key"]) == ("/in?a=1", "abc123")
    assert headers["x-labctl-signature"] == signature("secret", 1.7e9, text)
    assert headers["x-labctl-signature"] != signature("other", 1.7e9, text)
    assert json.loads(text)["subject"] == "[bench] A1 tripped"


@pytest.mark.parametrize(("status", "again"), [(302, False), (404, False), (429, True), (503, True)])
def test_no_redirect_is_followed_and_a_refusal_says_whether_to_try_again(hook, status, again):
    Hook.status = status
    with pytest.raises(SinkError, match=str(status)) as error:
        route_of(RouteSettings("h", "webhook", (hook,)), "bench", lambda name: name).send(MESSAGE)
    assert error.value.retry is again
    assert len(Hook.taken) == 1


def test_ntfy_takes_the_topic_and_how_urgent_it_is(hook, tmp_path):
    (tmp_path / "token").write_text("tk_1\n")
    route_of(
        RouteSettings("p", "ntfy", (f"{hook}/bench-1",), secret_file="token"), "bench", lambda name: tmp_path / name
    ).send(MESSAGE)
    path, headers, text = Hook.taken[0]
    answered = json.loads(text)
    assert (path, headers["authorization"], answered["topic"], answered["priority"]) == (
        "/",
        "Bearer tk_1",
        "bench-1",
        5,
    )


STATION = """\
labctl_station: 1
instruments: {sim: {driver: simulated}}
channels: {A1: {cell: {instrument: sim}}}
web: {listen: 0.0.0.0:8443, names: [bench.lab.example], certificate: c.pem, key: k.pem}
notify:
  quiet: "22:00-07:00"
  heartbeat: https://hc-ping.com/1
  routes:
    lab: {mail: ada@lab.example, server: smtp.lab.example:587, user: labctl, secret_file: pw}
    phone: {ntfy: https://ntfy.sh/t, only: pages}
    boss: {webhook: https://lab.example/in, last: true}
"""


def test_the_station_file_names_pages_and_routes():
    station = load_station(STATION, "s.yaml")
    assert (station.web.listen, station.web.names, station.web.key) == ("0.0.0.0:8443", ("bench.lab.example",), "k.pem")
    assert station.notify.quiet == (22 * 3600.0, 7 * 3600.0)
    routes = station.notify.routes
    assert (routes["lab"].to, routes["lab"].sender, routes["lab"].security) == (
        ("ada@lab.example",),
        "ada@lab.example",
        "starttls",
    )
    assert (routes["phone"].only_pages, routes["phone"].last) == (True, False)
    assert routes["boss"].last


@pytest.mark.parametrize(("right", "instead", "words"), [
    ("server: smtp.lab.example:587, ", "", "wanted server in the route lab, found none"),
    ("ntfy: https://ntfy.sh/t", "ntfy: ntfy.sh", "wanted a URL"),
    ("webhook:", "webhok:", "did you mean webhook"),
    ("22:00-07:00", "at night", "wanted hours of the day"),
    ("only: pages", "only: nothing", "pages"),
])  # fmt: skip
def test_what_is_wrong_with_a_route_is_said_at_its_place(right, instead, words):
    _, findings = read_station(STATION.replace(right, instead), "s.yaml")
    assert any(words in f"{finding.message} {finding.hint}" and finding.mark.line >= 5 for finding in findings), (
        findings
    )

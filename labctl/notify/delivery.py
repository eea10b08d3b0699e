"""The ways to people: mail, a webhook, ntfy, and a heartbeat; the standard library alone, ten seconds each, no redirects."""

import contextlib
import hashlib
import hmac
import json
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from labctl import __version__
from labctl.errors import SinkError
from labctl.inputs import printable
from labctl.notify.apprise import AppriseRoute
from labctl.station.settings import RouteSettings
from labctl.store.notices import OutboxMessage

WITHIN: Final = 10.0  # s that a server has for a word
WHOLE: Final = 30.0  # s that it has for all: who answers a letter at a time keeps nobody longer
BUSY: Final = 429  # what a server answers that wants us to come again
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


class Route(Protocol):
    """One way: sends a message, or says why it was not taken."""

    def send(self, message: OutboxMessage) -> None:
        """Hand a message over and return when it is accepted.

        Raises:
            SinkError: It was not; `retry` says whether trying again helps.
        """


def route_of(
    settings: RouteSettings, node: str, beside: Callable[[str], Path], trust: ssl.SSLContext | None = None
) -> Route:
    """Return the way that a station file describes.

    Args:
        settings: Of it.
        node: Name of the station, for ids.
        beside: Returns the path of a file that the station file names.
        trust: Whose certificates are believed; the system's by default.
    """
    secret = _first_line(beside(settings.secret_file)) if settings.secret_file else ""
    context = trust or ssl.create_default_context()
    match settings.kind:
        case "mail":
            return Mail(settings, node, secret, context)
        case "webhook":
            return Webhook(settings.to[0], secret, context)
        case "ntfy":
            return Ntfy(settings.to[0], secret, context)
        case "apprise":
            return AppriseRoute(_first_line(beside(settings.to[0])))


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError as error:
        raise SinkError(f"wanted a secret in {file}, found {error.strerror}", retry=False) from error


class Mail:
    """Mail over SMTP, encrypted as the station file says; the certificate is checked."""

    def __init__(self, settings: RouteSettings, node: str, password: str, trust: ssl.SSLContext) -> None:
        """Take the server and whom to write to."""
        host, sign, port = settings.server.rpartition(":")
        self._host, self._port = (
            (host, int(port)) if sign and port.isdigit() else (settings.server, PORTS[settings.security])
        )
        self._settings, self._node, self._password, self._trust = settings, node, password, trust

    def send(self, message: OutboxMessage) -> None:
        """Hand a message over; the same id twice is the same mail."""
        mail = EmailMessage()
        mail["From"], mail["To"] = self._settings.sender, ", ".join(self._settings.to)
        mail["Subject"] = printable(message.subject)
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.made, UTC))
        mail["Message-ID"] = f"<{message.id}.{message.route}@{self._node}.labctl>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.level == "page":
            mail["X-Priority"], mail["Importance"] = "1", "high"
        mail.set_content(message.body)
        try:
            with self._server() as server:
                server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            lasting = error.smtp_code >= 500
            raise SinkError(f"{self._host}: {error.smtp_code} {_words(error.smtp_error)}", retry=not lasting) from error
        except (OSError, smtplib.SMTPException) as error:
            raise SinkError(f"{self._host}: {error}", retry=True) from error

    def _server(self) -> smtplib.SMTP:
        if self._settings.security == "tls":
            server: smtplib.SMTP = BoundedSmtpTls(self._host, self._port, timeout=WITHIN, context=self._trust)
        else:
            server = BoundedSmtp(self._host, self._port, timeout=WITHIN)
        try:
            if self._settings.security == "starttls":
                server.starttls(context=self._trust)
            if self._settings.user is not None:
                server.login(self._settings.user, self._password)
        except BaseException:
            server.close()
            raise
        return server


class _Bounded(smtplib.SMTP):
    """A conversation that ends after `WHOLE` seconds, wherever it is."""

    _limit: "Timer | None" = None

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        """Connect, and begin to count."""
        self._limit = _ended_after(WHOLE, lambda: self.sock)
        try:
            return super().connect(host, port, source_address)
        except BaseException:
            self._limit.cancel()
            raise

    def close(self) -> None:
        """Close, and count no more."""
        if self._limit is not None:
            self._limit.cancel()
        super().close()


class BoundedSmtp(_Bounded):
    """SMTP that ends in time."""


class BoundedSmtpTls(_Bounded, smtplib.SMTP_SSL):
    """SMTP over TLS that ends in time."""


def _ended_after(seconds: float, line: Callable[[], Any]) -> Timer:
    def end() -> None:
        with contextlib.suppress(OSError, AttributeError):
            line().shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


class Webhook:
    """JSON to a URL, signed where there is a key: `x-labctl-signature: t=TIME,v1=HMAC-SHA256(key, "TIME.BODY")`."""

    def __init__(self, url: str, key: str, trust: ssl.SSLContext) -> None:
        """Take where, and what to sign with."""
        self._url, self._key, self._trust = url, key, trust

    def send(self, message: OutboxMessage) -> None:
        """Hand a message over."""
        body = json.dumps({
            "id": message.id, "unix_time_second": message.made, "level": message.level, "subject": message.subject,
            "text": message.body,
        })  # fmt: skip
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        if self._key:
            headers["x-labctl-signature"] = signature(self._key, message.made, body)
        request("POST", self._url, body.encode(), headers, self._trust)


def signature(key: str, time: float, body: str) -> str:
    """Return what proves that a body is ours and of when it is."""
    stamp = f"{time:.0f}"
    return f"t={stamp},v1={hmac.new(key.encode(), f'{stamp}.{body}'.encode(), hashlib.sha256).hexdigest()}"


class Ntfy:
    """A topic of an ntfy server, which a phone has subscribed to."""

    def __init__(self, url: str, token: str, trust: ssl.SSLContext) -> None:
        """Take the topic's address."""
        base, _, self._topic = url.rstrip("/").rpartition("/")
        self._base, self._token, self._trust = base, token, trust

    def send(self, message: OutboxMessage) -> None:
        """Hand a message over; a page is urgent."""
        page = message.level == "page"
        body = json.dumps({
            "topic": self._topic, "title": message.subject, "message": message.body, "priority": 5 if page else 3,
            "tags": ["rotating_light"] if page else ["battery"],
        })  # fmt: skip
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        request("POST", self._base + "/", body.encode(), headers, self._trust)


def request(
    method: str, url: str, body: bytes, headers: Mapping[str, str], trust: ssl.SSLContext | None = None
) -> bytes:
    """Ask a URL once, and return what it answers.

    Raises:
        SinkError: It does not answer, or not with 2xx; a redirect is not followed.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    line = (
        HTTPSConnection(host, parts.port, timeout=WITHIN, context=trust or ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=WITHIN)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    limit = _ended_after(WHOLE, lambda: line.sock)
    try:
        line.request(method, path, body, {"user-agent": f"labctl/{__version__}", **headers})
        answer = line.getresponse()
        content = answer.read(4096)
    except (OSError, HTTPException) as error:
        raise SinkError(f"{host}: {error}", retry=True) from error
    finally:
        limit.cancel()
        line.close()
    if not 200 <= answer.status < 300:
        lasting = answer.status < 500 and answer.status != BUSY
        raise SinkError(f"{host}: answered {answer.status} {_words(content)}", retry=not lasting)
    return content


def _words(content: bytes | str) -> str:
    return printable(content.decode(errors="replace") if isinstance(content, bytes) else content)[:200]

"""Who reaches a page: by this host's name, from the page's own origin, a person; and what a browser may do with it."""

import asyncio
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labctl.store.people import People, Person

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
)
HEADERS: Final[Mapping[bytes, bytes]] = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}
OPEN: Final = ("/login", "/enter", "/static/", "/health")  # what is served to whoever reaches the address
SAFE: Final = frozenset({"GET", "HEAD"})  # methods on which nothing acts
MOST_BODY: Final = 512 * 1024  # bytes of a request
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class ProxyIdentity:
    """By which header a proxy names people, and the secret that it sends as `X-Labctl-Proxy`."""

    header: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the pages are served.

    Attributes:
        host: Name or address that is listened on.
        port: TCP port.
        names: Host names by which browsers may ask, beside the address itself; one that begins with `https://` is what they see
            of a proxy in front.
        secure: Over TLS.
        proxy: Who is believed to know people; then requests come over a Unix socket alone.
    """

    host: str = "127.0.0.1"
    port: int = 8023
    names: tuple[str, ...] = ()
    secure: bool = False
    proxy: ProxyIdentity | None = None

    @property
    def scheme(self) -> str:
        """Return `https` or `http`."""
        return "https" if self.secure else "http"

    @property
    def hosts(self) -> frozenset[str]:
        """Return what a Host header may say: no other name leads here, whatever the names' server of a foreign page answers."""
        if self.proxy is not None:
            return frozenset()  # only what browsers see of the proxy
        names = {self.host, *(name for name in self.names if "://" not in name)} | (
            set(LOOPBACK) if self.host in {*LOOPBACK, "::1"} else set()
        )
        plain = names if self.port == (443 if self.secure else 80) else set()
        return frozenset({f"{name.lower()}:{self.port}" for name in names} | {name.lower() for name in plain})

    @property
    def origins(self) -> Mapping[str, str]:
        """Return for each Host header that is taken the origin of the pages that a browser sees there."""
        outside = {urlsplit(name).netloc.lower(): name.rstrip("/").lower() for name in self.names if "://" in name}
        return {host: f"{self.scheme}://{host}" for host in self.hosts} | outside

    @property
    def url(self) -> str:
        """Return the address for a person."""
        first = self.names[0] if self.names else self.host
        return first if "://" in first else f"{self.scheme}://{first}:{self.port}"

    def is_secure(self, host: str) -> bool:
        """Tell whether a browser that asks with this Host header does so over TLS."""
        return self.origins.get(host.lower(), "").startswith("https://")

    def cookie(self, host: str) -> str:
        """Return the cookie's name: over TLS one that no sibling host can set."""
        return "__Host-labctl" if self.is_secure(host) else "labctl"


@dataclass(slots=True)
class Visit:
    """Who makes a request: the person and, where it is a browser's, the secret of its session."""

    person: Person
    face: str
    session: str = ""
    at: float = field(default_factory=time.monotonic)

    @property
    def by(self) -> str:
        """Return how this person's orders are recorded."""
        return f"{self.person.name}/{self.face}"


class WebGate:
    """The one way in: everything else of the pages sees only requests that passed it."""

    def __init__(self, inside: ASGIApp, address: Address, people: People) -> None:
        """Guard an application."""
        self._inside = inside
        self._address = address
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with who makes it in its state, or answer what is missing."""
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            visit = await asyncio.to_thread(self._visit, headers)
            scope.setdefault("state", {})["visit"] = visit
            if visit is None and not scope["path"].startswith(OPEN):
                refusal = _enter_first(scope, headers)
        await (refusal or self._inside)(scope, _bounded(receive), _hardened(send))

    def knows(self, given: Iterable[tuple[bytes, bytes]]) -> bool:
        """Tell whether the headers of a request are somebody's: a connection of nobody is among the first to be closed."""
        return self._visit({name.lower(): value.decode("latin-1") for name, value in given}) is not None

    def _refusal(self, scope: Scope, headers: Mapping[bytes, str]) -> Response | None:
        host = headers.get(b"host", "").lower()
        own = self._address.origins.get(host)
        if own is None:
            return problem(421, f"wanted a request to {self._address.url}, found one to {host[:100]!r}")
        if scope["method"] in SAFE:
            return None
        token = headers.get(b"authorization", "").lower().startswith("bearer ")
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site", "same-origin")
        if (origin is None and not token) or (origin is not None and origin.lower() != own) or site != "same-origin":
            return problem(403, "wanted a request of these pages, found one of another")
        if headers.get(b"content-type", "").partition(";")[0].strip() != "application/json":
            return problem(415, "wanted JSON (content-type: application/json)")
        if int(headers.get(b"content-length", "0") or 0) > MOST_BODY:
            return problem(413, f"wanted at most {MOST_BODY} bytes, found more")
        return None

    def _visit(self, headers: Mapping[bytes, str]) -> Visit | None:
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            person = self._people.who(token.strip(), "token")
            return None if person is None else Visit(person, "token")
        proxied = self._of_proxy(headers)
        if proxied is not None:
            return Visit(proxied, "proxy")
        secret = cookies(headers.get(b"cookie", "")).get(self._address.cookie(headers.get(b"host", "")), "")
        person = self._people.who(secret, "session") if secret else None
        return None if person is None else Visit(person, "web", secret)

    def _of_proxy(self, headers: Mapping[bytes, str]) -> Person | None:
        """Return whom the proxy names, if it is the proxy and the station knows them: it says who, we say what they may."""
        proxy = self._address.proxy
        if proxy is None:
            return None
        name, given = headers.get(proxy.header.lower().encode(), ""), headers.get(b"x-labctl-proxy", "")
        if not name or not hmac.compare_digest(given.encode(), proxy.secret.encode()):
            return None
        return next((person for person in self._people.all() if person.name == name), None)


def cookies(header: str) -> dict[str, str]:
    """Return the cookies of a header; of two of one name the first, which no other path can have set."""
    known: dict[str, str] = {}
    for part in header.split(";"):
        name, sign, value = part.strip().partition("=")
        if sign:
            known.setdefault(name, value)
    return known


async def given(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
        HTTPException: It is none.
    """
    try:
        value = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise HTTPException(400, "wanted a JSON object")
    return value


def problem(status: int, message: str) -> Response:
    """Return a refusal as JSON, in the user's words."""
    return Response(orjson.dumps({"error": message}), status, media_type="application/json")


def _enter_first(scope: Scope, headers: Mapping[bytes, str]) -> Response:
    if scope["method"] in SAFE and "text/html" in headers.get(b"accept", ""):
        wanted = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
    return problem(401, "wanted a person: sign in, or send a token")


def inner(path: str) -> str:
    """Return a path of these pages, or the first page where it leads elsewhere."""
    parts = urlsplit(path)
    sound = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return path if sound and path.isprintable() else "/"


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            return {"type": "http.disconnect"}
        return message

    return bounded


def _hardened(send: Send) -> Send:
    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = dict(message.get("headers", []))
            message["headers"] = [*own.items(), *((name, value) for name, value in HEADERS.items() if name not in own)]
            # two cookies would be two headers of one name: none of these pages sets two
        await send(message)

    return hardened

"""Orders over HTTP on this machine: a Unix socket or a loopback port, a token, JSON."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from labctl import errors
from labctl.control import dispatch
from labctl.control.door import Door, guarded_by
from labctl.control.endpoint import BACKLOG, HOSTS, Endpoint, EndpointFiles, listen, same
from labctl.control.order_table import SAFE_FIRST
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.run.supervisor import Supervisor
from labctl.run.texts import LARGEST

LOG = logging.getLogger("labctl.control")
STOP_WITHIN = 2  # s that answers on their way have when the daemon stops
BUSY = 32  # requests at a time, stop and pause not counted; more are told to come again
MOST_TEXT = 2 * LARGEST  # bytes of a request that hands a text over: JSON makes some signs longer
BODY_WITHIN = 5.0  # s for the body of a request to arrive

STATUS: Mapping[type[LabctlError], int] = {
    errors.UsageError: 400,
    errors.FileError: 422,
    errors.OrderRefused: 409,
    errors.InstrumentError: 502,
    errors.StoreError: 503,
    errors.SinkError: 503,
    errors.BrokerError: 503,
}


def application(supervisor: Supervisor, token: str, info: Callable[[], Mapping[str, object]] = dict) -> ASGIApp:
    """Return the ASGI application; `info` says what a client may want to know of the daemon, MQTT's address above all."""

    async def order(request: Request) -> Response:
        verb = request.path_params["verb"]
        with lane.taken(safe=verb in SAFE_FIRST):
            asked = dispatch.check(verb, dispatch.parse(await _body(request)))
            return answer(await dispatch.obey(supervisor, asked))

    async def status(_request: Request) -> Response:
        return answer(await dispatch.obey(supervisor, dispatch.CheckedOrder("status")))

    async def why(request: Request) -> Response:
        asked = dispatch.check("why", {"channel": request.path_params["channel"]})
        return answer(await dispatch.obey(supervisor, asked))

    async def may(request: Request) -> Response:
        """Say which orders the run on a channel would refuse now, and why."""
        return answer({"refused": supervisor.refusals(request.path_params["channel"])})

    async def text(request: Request) -> Response:
        """Keep a text, so that what begins is what was checked, wherever it was written."""
        with lane.taken(safe=False):
            given = dispatch.parse(await _body(request, MOST_TEXT), MOST_TEXT)
            return answer({"digest": supervisor.texts.put(str(given.get("name", "")), str(given.get("text", "")))})

    async def analyse(request: Request) -> Response:
        """Have a stored run analysed; answered when that is committed, and not yet what comes out."""
        with lane.taken(safe=False):
            given = dispatch.parse(await _body(request))
            names, by = _names(given.get("names", [])), str(given.get("by", ""))
            run = await supervisor.analyse(request.path_params["run"], names, by)
            return answer({"run": run.uuid, "names": names})

    async def about(_request: Request) -> Response:
        return answer(info())

    lane = Lane()
    routes = [
        Route("/v1/orders/{verb}", _answering(order), methods=["POST"]),
        Route("/v1/status", _answering(status), methods=["GET"]),
        Route("/v1/why/{channel}", _answering(why), methods=["GET"]),
        Route("/v1/channels/{channel}/orders", _answering(may), methods=["GET"]),
        Route("/v1/texts", _answering(text), methods=["POST"]),
        Route("/v1/runs/{run}/analyses", _answering(analyse), methods=["POST"]),
        Route("/v1/info", _answering(about), methods=["GET"]),
    ]
    return Gate(Starlette(routes=routes), token)


class Lane:
    """Room for so many requests at a time; stop and pause have a lane of their own, which is never full."""

    def __init__(self) -> None:
        self._busy = 0

    @contextmanager
    def taken(self, *, safe: bool) -> Iterator[None]:
        """Hold a place.

        Raises:
            OrderRefused: All are taken.
        """
        if safe:
            yield
            return
        if self._busy >= BUSY:
            raise OrderRefused(f"wanted at most {BUSY} requests at a time, found more; try again", retry=True)
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1


class Gate:
    """Lets through who names this machine, carries the token, and is no web page.

    A page in a browser can reach a loopback port: by another name (DNS rebinding), which the Host header gives away, or
    across origins, which the Origin header does.
    """

    def __init__(self, inside: ASGIApp, token: str) -> None:
        self._inside = inside
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say what is missing."""
        if scope["type"] != "http":
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(headers)
        if refusal is None:
            await self._inside(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, headers: Mapping[bytes, str]) -> Response | None:
        host = headers.get(b"host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name.strip("[]").lower() not in HOSTS:
            return failure(403, "Forbidden", f"wanted a request to this machine, found one to {host!r}")
        if b"origin" in headers:
            return failure(403, "Forbidden", "wanted a program on this machine, found a web page")
        if not carries(headers.get(b"authorization", ""), self._token):
            return failure(
                401,
                "Unauthorized",
                "wanted the daemon's token (control.token in its data folder), found none or another",
            )
        return None


def carries(authorization: str, token: str) -> bool:
    """Tell whether an Authorization header carries the token."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and same(given.strip(), token)


def answer(content: Mapping[str, object], status: int = 200) -> Response:
    """Return a JSON object; numbers that are not finite become null."""
    body = orjson.dumps(content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(body, status, headers=headers, media_type="application/json")


def failure(status: int, error: str, message: str, *, retry: bool = False) -> Response:
    """Return an error as JSON, in the user's words."""
    return answer({"error": error, "message": message, "retry": retry}, status)


def refused(error: LabctlError) -> Response:
    """Return one of our own errors with the HTTP status that fits."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return failure(status, type(error).__name__, str(error), retry=error.retry)


def _names(given: object) -> list[str]:
    """Return names of analyses as they were given.

    Raises:
        UsageError: It is no list of texts.
    """
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise UsageError(f"names: wanted a list of names of analyses, found {given!r:.80}")
    return given


async def _body(request: Request, most: int = dispatch.LARGEST) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise UsageError(f"wanted an order of at most {most} bytes, found more")
    except TimeoutError:
        raise UsageError(f"wanted the whole order within {BODY_WITHIN:g} s, found {len(body)} bytes") from None
    return bytes(body)


def _answering(handler: Callable[[Request], object]) -> Callable[[Request], object]:
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)  # type: ignore[misc,no-any-return]
        except LabctlError as error:
            return refused(error)
        except Exception:
            mark = secrets.token_hex(4)
            LOG.exception("request %s %s failed, mark %s", request.method, request.url.path, mark)
            return failure(500, "InternalError", f"a defect of labctl; the daemon's log has it under {mark}")

    return answered


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the daemon has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpFace:
    """Serves the application at its place for as long as the context is open.

    Args:
        supervisor: Who obeys.
        place: Files by which clients find us; its token is made here.
        wanted: `unix`, a loopback `host:port`, or "" for the system's usual way.
        info: What a client may want to know.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        place: EndpointFiles,
        wanted: str = "",
        info: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._supervisor = supervisor
        self._place = place
        self._wanted = wanted
        self._info = info
        self._server: _HttpServer | None = None
        self._task: asyncio.Task[None] | None = None
        self.endpoint = Endpoint()

    async def __aenter__(self) -> Self:
        """Listen and say where.

        Raises:
            UsageError: An address that other machines reach, or that is taken; a token that is open to others.
        """
        token = self._place.make_token()
        app = application(self._supervisor, token, self._info)
        self.door = Door(
            lambda headers: any(
                name == b"authorization" and carries(value.decode("latin-1"), token) for name, value in headers
            )
        )
        opened, self.endpoint = listen(self._place, self._wanted)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            http=guarded_by(self.door),
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN,
            backlog=BACKLOG,
        )
        self._server = _HttpServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[opened]), name="http")
        self._place.publish(self.endpoint)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Answer what is on its way, then close."""
        self._place.withdraw()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

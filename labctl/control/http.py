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
from labctl.control import orders
from labctl.control.place import HOSTS, Endpoint, Place, listen, same
from labctl.errors import LabctlError, UsageError
from labctl.run.supervisor import Supervisor

LOG = logging.getLogger("labctl.control")
STOP_WITHIN = 2  # s that answers on their way have when the daemon stops
BUSY = 200  # requests at a time; more are told to come again

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
        asked = orders.check(request.path_params["verb"], orders.parse(await _body(request)))
        return answer(await orders.obey(supervisor, asked))

    async def status(_request: Request) -> Response:
        return answer(await orders.obey(supervisor, orders.Asked("status")))

    async def why(request: Request) -> Response:
        asked = orders.check("why", {"channel": request.path_params["channel"]})
        return answer(await orders.obey(supervisor, asked))

    async def about(_request: Request) -> Response:
        return answer(info())

    routes = [
        Route("/v1/orders/{verb}", _answering(order), methods=["POST"]),
        Route("/v1/status", _answering(status), methods=["GET"]),
        Route("/v1/why/{channel}", _answering(why), methods=["GET"]),
        Route("/v1/info", _answering(about), methods=["GET"]),
    ]
    return Gate(Starlette(routes=routes), token)


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
        scheme, _, given = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(given.strip(), self._token):
            return failure(
                401,
                "Unauthorized",
                "wanted the daemon's token (control.token in its data folder), found none or another",
            )
        return None


def answer(found: Mapping[str, object], status: int = 200) -> Response:
    """Return a JSON object; numbers that are not finite become null."""
    body = orjson.dumps(found, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(body, status, headers=headers, media_type="application/json")


def failure(status: int, error: str, message: str, *, retry: bool = False) -> Response:
    """Return an error as JSON, in the user's words."""
    return answer({"error": error, "message": message, "retry": retry}, status)


def refused(error: LabctlError) -> Response:
    """Return one of our own errors with the HTTP status that fits."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return failure(status, type(error).__name__, str(error), retry=error.retry)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > orders.LARGEST:
            raise UsageError(f"wanted an order of at most {orders.LARGEST} bytes, found more")
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


class _Server(uvicorn.Server):
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
        place: Place,
        wanted: str = "",
        info: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._supervisor = supervisor
        self._place = place
        self._wanted = wanted
        self._info = info
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.endpoint = Endpoint()

    async def __aenter__(self) -> Self:
        """Listen and say where.

        Raises:
            UsageError: An address that other machines reach, or that is taken; a token that is open to others.
        """
        app = application(self._supervisor, self._place.make_token(), self._info)
        opened, self.endpoint = listen(self._place, self._wanted)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            http="h11",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN,
            limit_concurrency=BUSY,
        )
        self._server = _Server(config)
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

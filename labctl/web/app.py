"""The application: which address shows what, and how an order gets from a button to the daemon."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from labctl.control.allowed import allowed
from labctl.control.client import DaemonClient
from labctl.control.order_table import ORDERS, OrderSpec
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.store.people import People
from labctl.store.pyramid import Pyramid
from labctl.web.author import Author
from labctl.web.comparing import MOST
from labctl.web.gate import Address, Visit, WebGate, given, problem
from labctl.web.hub import Hub
from labctl.web.lists import ListPages
from labctl.web.login import Entrance, moved
from labctl.web.metrics import Metrics
from labctl.web.pages import Pages, data
from labctl.web.products import Products
from labctl.web.rate import Rates
from labctl.web.stream import Streams
from labctl.web.views import Views

TEXTS = {"protocol_text": "protocol", "cell_text": "cell"}  # a page starts what it shows, never a path on this machine


class Site:
    """All that the pages consist of.

    Attributes:
        hub: What is looked at.
        streams: The open live streams.
        application: Answers requests, behind the gate.
    """

    def __init__(self, hub: Hub, people: People, address: Address, cache: Path | None) -> None:
        """Join the parts; `cache` is the deletable file of long histories."""
        self.hub = hub
        self.people = people
        self.pages = Pages()
        self.streams = Streams(hub, people)
        self.views = Views(hub, self.pages, Pyramid(cache))
        self._author = Author(hub, self.pages)
        self._products = Products(hub, MOST)
        self._lists = ListPages(hub, self.pages, people)
        self._entrance = Entrance(people, address, self.pages)
        self._rates = Rates()
        self._orders = ThreadPoolExecutor(4, "order")
        self._stops = ThreadPoolExecutor(
            4, "stop"
        )  # a lane of their own: no start that takes long keeps a stop waiting
        self.gate = WebGate(
            Starlette(routes=self._routes(), exception_handlers={HTTPException: self._missing, LabctlError: self._refused}),
            address, people,
        )  # fmt: skip
        self.application: ASGIApp = self.gate

    def _routes(self) -> list[Route]:
        views, entrance, lists, products = self.views, self._entrance, self._lists, self._products
        return [
            Route("/static/{digest}/{name:path}", self.pages.static),
            Route("/metrics", Metrics(self.hub).scrape),
            Route("/health", self._health),
            Route("/login", entrance.login, methods=["GET"]),
            Route("/login", entrance.sign_in, methods=["POST"]),
            Route("/enter", entrance.enter, methods=["GET"]),
            Route("/enter", entrance.take_link, methods=["POST"]),
            Route("/logout", entrance.sign_out, methods=["POST"]),
            Route("/", views.wall),
            Route("/wall", moved),
            Route("/kiosk", views.wall),
            Route("/c/{channel}", views.channel),
            Route("/runs", views.runs),
            Route("/r/{run}", views.run),
            Route("/r/{run}/report.{form}", products.report),
            Route("/r/{run}/export/{form}", products.export),
            Route("/compare", lists.compare),
            Route("/compare.csv", lists.compared_cycles),
            Route("/compare.html", products.comparison),
            Route("/api/compare", lists.compared),
            Route("/new", self._author.page),
            Route("/api/check", self._author.check, methods=["POST"]),
            Route("/api/simulate", products.simulate, methods=["POST"]),
            Route("/cells", lists.cells),
            Route("/alarms", lists.alarms, methods=["GET"]),
            Route("/alarms", lists.acknowledge, methods=["POST"]),
            Route("/journal", lists.journal),
            Route("/live", self.streams.live),
            Route("/orders/{verb}", self._order, methods=["POST"]),
            Route("/api/channel/{channel}", views.channel_data),
            Route("/api/sparks", views.sparks),
            Route("/api/run/{run}/history", views.history),
            Route("/api/run/{run}/cycle/{cycle:int}", views.cycle),
            Route("/api/run/{run}/cycles", views.cycles),
            Route("/api/run/{run}/spectra", views.spectra),
            Route("/api/run/{run}/events", views.events),
        ]

    async def _health(self, _request: Request) -> Response:
        """Answer in a word whether the daemon answers; no login, and no more than that."""
        await self.hub.answered()
        lost = self.hub.station.lost_since is not None
        return Response("lost" if lost else "ready", 503 if lost else 200, media_type="text/plain")

    async def _missing(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if "text/html" in request.headers.get("accept", ""):
            return self.pages.html(request, "problem.html", error.status_code, message=error.detail)
        return problem(error.status_code, error.detail)

    async def _refused(self, request: Request, error: Exception) -> Response:
        status = 404 if isinstance(error, UsageError) else 503
        if "text/html" in request.headers.get("accept", "") and request.method == "GET":
            return self.pages.html(request, "problem.html", status, message=str(error))
        return problem(status, str(error))

    # --- orders ---

    async def _order(self, request: Request) -> Response:
        """Give an order in the name of who is signed in."""
        verb, visit = request.path_params["verb"], request.state.visit
        asked = {key: value for key, value in (await given(request)).items() if value not in (None, "")}
        order = ORDERS.get(verb)
        if order is None or order.asks:
            return problem(404, f"there is no order {verb!r}")
        if unknown := asked.keys() - keys_of(order):
            return problem(400, f"order {verb}: unknown key {min(unknown)!r}")
        channel = str(asked.get("channel", ""))
        if why := allowed(visit.person, verb, channel):
            await asyncio.to_thread(self.people.note, visit.by, f"{verb} refused", f"{channel}: {why}")
            return problem(403, why)
        if not order.safe_first and (wait := self._rates.taken(visit.person.name)):
            return problem(429, f"more than {self._rates.most:g} orders a second; try again in {wait:.1f} s")
        desk = self._stops if order.safe_first else self._orders
        try:
            answer = await asyncio.get_running_loop().run_in_executor(desk, self._give, verb, asked, visit)
        except OrderRefused as error:
            return problem(409, str(error))
        except LabctlError as error:
            return problem(422 if not error.retry else 503, str(error))
        return data(request, answer)

    def _give(self, verb: str, asked: dict[str, Any], visit: Visit) -> dict[str, Any]:
        if self.hub.folder is None:
            raise OrderRefused("these pages show a copy of the journal: give orders at the station itself")
        with DaemonClient(self.hub.folder) as client:
            texts = {
                key: client.hand_over(f"{key}.yaml", str(asked[name])) for name, key in TEXTS.items() if name in asked
            }
            kept = {key: value for key, value in asked.items() if key not in TEXTS}
            return client.order(verb, {**kept, **texts, "by": visit.by})

    async def close(self) -> None:
        """Let go of everything."""
        self.streams.stop()
        await self.hub.stop()
        for desk in (self._orders, self._stops):
            desk.shutdown(wait=False)
        self.views.close()
        self._author.close()
        self.people.close()


def keys_of(order: OrderSpec) -> frozenset[str]:
    """Return the keys that a page may send with an order: those of the one table, texts in place of files of this machine."""
    known = {key for key, kind in order.keys.items() if kind != "file"}
    return frozenset({"id", *known, *(text for text, key in TEXTS.items() if key in order.keys)})


Build = Callable[[], Site]

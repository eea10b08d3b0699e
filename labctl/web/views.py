"""The pages and the numbers behind them: each asks the journal, and the daemon for what no journal holds."""

import asyncio
from importlib.util import find_spec
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from labctl.control.allowed import allowed
from labctl.control.client import DaemonClient
from labctl.control.order_table import ORDERS
from labctl.errors import LabctlError
from labctl.report.run_data import plan_of
from labctl.store import queries
from labctl.store.entry import StoredRun
from labctl.store.pyramid import Pyramid
from labctl.store.reader import Reader
from labctl.web import series
from labctl.web.happenings import happening
from labctl.web.hub import Hub
from labctl.web.outlook import outlook
from labctl.web.pages import Pages, data, natural
from labctl.web.stream import counts

PAGE: Final = 50  # lines of a list
ORDERED: Final = ("unknown", "failed", "tripped", "waiting", "safe", "paused", "preparing", "running", "done", "idle")
BUTTONS: Final = ("pause", "resume", "skip", "stop")
MORE: Final = {"note": "Note", "suspend": "Suspend", "edit": "Edit what is ahead", "correct": "Correct the cell"}
SPARKED: Final = 64  # tiles on a screen
REFUSED_WITHIN: Final = 10.0  # s that the daemon has, twice, to say which orders it would refuse
LOST_WITHIN: Final = 1.0  # s, where it does not answer anyway
PARQUET: Final = find_spec("pyarrow") is not None  # an extra
PIECE: Final = 0.5  # s of work on a long run's history before others are served, and the page is told how far it is


class Views:
    """Makes pages and their data."""

    def __init__(self, hub: Hub, pages: Pages, pyramid: Pyramid) -> None:
        """Look at a hub."""
        self._hub = hub
        self._pages = pages
        self._pyramid = pyramid

    def close(self) -> None:
        """Let the cache go."""
        self._pyramid.close()

    # --- pages ---

    async def wall(self, request: Request) -> Response:
        """Show all channels, what needs a person first; `/kiosk` for a screen on the wall that nobody touches."""
        await self._hub.fresh()
        state = request.query_params.get("state", "")
        rows = [row for row in self._hub.channels.values() if not state or row.get("activity") == state]
        rows.sort(key=lambda row: natural(str(row["channel"])))
        order = {name: at for at, name in enumerate(ORDERED)}
        if not state:
            rows.sort(key=lambda row: min(order.get(str(row.get("activity")), 0), order["preparing"]))
        return self._pages.html(
            request, "wall.html", rows=rows, counts=counts(self._hub), station=self._hub.station, state=state,
            states=ORDERED, now=self._hub.now(), kiosk=request.url.path == "/kiosk",
        )  # fmt: skip

    async def channel(self, request: Request) -> Response:
        """Show one channel: what it does, what comes, its curves, its orders."""
        row = await self._row(request)
        more = await self._more(request, row)
        events = []
        if row.get("run_id") is not None:
            events = await self._hub.read(lambda reader: _events(reader, int(row["run_id"]), 1 << 31))
        return self._pages.html(
            request, "channel.html", row=row, **more, events=events, station=self._hub.station, now=self._hub.now(),
            buttons=BUTTONS, further=MORE,
        )  # fmt: skip

    async def channel_data(self, request: Request) -> Response:
        """Give what a channel's page shows beside its numbers: what comes next, and which orders it would refuse."""
        row = await self._row(request)
        return data(request, await self._more(request, row))

    async def _row(self, request: Request) -> dict[str, Any]:
        await self._hub.fresh()
        name = request.path_params["channel"]
        if name not in self._hub.channels:
            raise HTTPException(404, f"there is no channel {name}; the wall shows those of this station")
        return self._hub.channels[name]

    async def _more(self, request: Request, row: dict[str, Any]) -> dict[str, Any]:
        name = str(row["channel"])
        refused = await self._refused(name)
        person = request.state.visit.person
        refused = {verb: allowed(person, verb, name) or why for verb, why in refused.items()}
        now = None
        if row.get("run_id") is not None and row.get("record_index") is not None:
            run_id, step = int(row["run_id"]), row.get("step_id")
            now = await self._hub.read(lambda reader: outlook(reader, run_id, step))
        refused["suspend"] = refused.get("pause", "")
        none = "" if row.get("run") else f"channel {name} has had no run: there is no cell to correct"
        refused["correct"] = allowed(person, "correct", name) or none
        waiting = await self._waiting(name) if row.get("queue") else []
        return {"refused": refused, "outlook": now, "waiting": waiting, "step_count": row.get("step_count")}

    async def _refused(self, name: str) -> dict[str, str]:
        folder, verbs = self._hub.folder, [verb for verb, order in ORDERS.items() if order.target == "run"]
        if folder is None:
            return dict.fromkeys(verbs, "these pages show a copy of the journal: give orders at the station itself")

        within = REFUSED_WITHIN if self._hub.station.lost_since is None else LOST_WITHIN

        def ask() -> dict[str, str]:
            with DaemonClient(folder, within=within) as client:
                return client.refusals(name)

        try:
            return await asyncio.to_thread(ask)
        except LabctlError as error:
            return dict.fromkeys(verbs, str(error))

    async def _waiting(self, name: str) -> list[dict[str, Any]]:
        """Return the runs that wait for their turn on a channel, in their order."""
        folder = self._hub.folder
        if folder is None:
            return []

        def ask() -> list[dict[str, Any]]:
            with DaemonClient(folder, within=REFUSED_WITHIN) as client:
                return list(client.order("queue", {"channel": name})["waiting"])

        try:
            return await asyncio.to_thread(ask)
        except LabctlError:
            return []  # the page says already that no daemon answers

    async def runs(self, request: Request) -> Response:
        """Show the runs, the newest first, a page at a time."""
        before = _number(request, "before")

        def ask(reader: Reader) -> list[StoredRun]:
            return reader.runs(before=before, most=PAGE + 1)

        runs = (await self._hub.read(ask))[::-1]
        older = runs[PAGE - 1].run_id if len(runs) > PAGE else None
        picked = request.query_params.getlist("r")
        return self._pages.html(
            request,
            "runs.html",
            runs=runs[:PAGE],
            older=older,
            newest=before is None,
            picked=picked,
            now=self._hub.now(),
        )

    async def run(self, request: Request) -> Response:
        """Show one run, whether it goes on or has ended."""
        name = request.path_params["run"]

        def ask(reader: Reader) -> dict[str, Any]:
            run = reader.find(name)
            counters = {what: reader.query(sql, run=run.run_id) for what, sql in _TABLES.items()}
            plan = plan_of(reader, run)
            return {
                "run": run, "steps": counters["steps"][-200:], "cycle_count": len(counters["cycles"]),
                "spectra_count": len(counters["spectra"]), "results": counters["results"][-200:],
                "figures": plan.cell, "outlook": outlook(reader, run.run_id, None),
                "events": _events(reader, run.run_id, 1 << 31), "sources": plan.sources, "parquet": PARQUET,
            }  # fmt: skip

        values = await self._hub.read(ask)
        return self._pages.html(request, "run.html", now=self._hub.now(), **values)

    # --- data ---

    async def sparks(self, request: Request) -> Response:
        """Give the voltage of runs over their whole time, for tiles."""
        names = request.query_params.getlist("run")[:SPARKED]

        def ask(reader: Reader) -> dict[str, Any]:
            return series.sparks(reader, self._pyramid, [reader.find(name) for name in names])

        return data(request, await self._hub.read(ask))

    async def history(self, request: Request) -> Response:
        """Give a part of a run, in as many points as a screen has columns."""
        begin, end = _real(request, "from", 0.0), _real(request, "to", float("inf"))
        width = _number(request, "width") or series.WIDTH

        def ask(reader: Reader) -> dict[str, Any]:
            run = reader.find(request.path_params["run"])
            part = series.prepared(reader, self._pyramid, run, PIECE)
            if part < 1:  # a long run for the first time: others are served between two pieces
                return {"making": part, "rows": run.rows}
            return series.history(reader, self._pyramid, run, (begin, end), width)

        return data(request, await self._hub.read(ask))

    async def cycle(self, request: Request) -> Response:
        """Give voltage against charge of one cycle."""
        cycle = request.path_params["cycle"]
        return await self._of_run(request, lambda reader, run: series.cycle_curves(reader, run, cycle))

    async def cycles(self, request: Request) -> Response:
        """Give the figures of all cycles."""
        return await self._of_run(request, series.cycles)

    async def spectra(self, request: Request) -> Response:
        """Give the impedance spectra."""
        return await self._of_run(request, series.spectra)

    async def events(self, request: Request) -> Response:
        """Give what happened to a run before an event, the newest first."""
        before = _number(request, "before") or 1 << 31
        return await self._of_run(request, lambda reader, run: _events(reader, run.run_id, before))

    async def _of_run(self, request: Request, question: Any) -> Response:
        name = request.path_params["run"]
        return data(request, await self._hub.read(lambda reader: question(reader, reader.find(name))))


_TABLES: Final = {
    "steps": queries.STEPS, "cycles": queries.CYCLES, "spectra": queries.SPECTRA, "results": queries.RESULTS
}  # fmt: skip


def _events(reader: Reader, run_id: int, before: int) -> list[dict[str, Any]]:
    rows = reader.query(queries.EVENTS_BEFORE, run=run_id, before=before, most=PAGE)
    return [{"seq": row[0], **happening(str(row[1]), float(row[3]), str(row[4]))} for row in rows]


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _real(request: Request, name: str, otherwise: float) -> float:
    try:
        return float(request.query_params.get(name, otherwise))
    except ValueError:
        raise HTTPException(400, f"{name}: wanted a number") from None

"""The lists: cells and their runs, runs over each other, alarms and the messages that went, and what happened to all runs."""

import asyncio
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from labctl.notify.codec import state_from_json
from labctl.store import queries
from labctl.store.notices import Notices
from labctl.store.people import People
from labctl.store.reader import Reader
from labctl.web.comparing import as_csv, compared
from labctl.web.gate import Visit, given
from labctl.web.happenings import happening
from labctl.web.hub import Hub
from labctl.web.pages import Pages, data

PAGE: Final = 50  # lines of a list
CELLS: Final = 500
_NOTHING: Final[dict[str, Any]] = {"runs": [], "groups": [], "figures": []}


class ListPages:
    """Makes the pages that are lists."""

    def __init__(self, hub: Hub, pages: Pages, people: People) -> None:
        """Look at a hub's journal, and at who came in."""
        self._hub = hub
        self._pages = pages
        self._people = people

    async def cells(self, request: Request) -> Response:
        """Show every cell that a run was made on, the last used first."""
        rows = await self._hub.read(lambda reader: reader.query(queries.CELLS, most=CELLS))
        return self._pages.html(request, "cells.html", cells=rows)

    async def compare(self, request: Request) -> Response:
        """Show runs over each other."""
        names = request.query_params.getlist("r")
        told = await self._hub.read(lambda reader: compared(reader, names)) if names else _NOTHING
        query = urlencode([("r", run["uuid"][:8]) for run in told["runs"]])
        counts: dict[int, int] = {}
        for run in told["runs"]:
            run["place"] = counts[run["group"]] = counts.get(run["group"], -1) + 1
        return self._pages.html(
            request, "compare.html", runs=told["runs"], groups=told["groups"], figures=told["figures"], query=query
        )

    async def compared(self, request: Request) -> Response:
        """Give what is drawn of runs over each other."""
        names = request.query_params.getlist("r")
        return data(request, await self._hub.read(lambda reader: compared(reader, names)))

    async def compared_cycles(self, request: Request) -> Response:
        """Hand out the complete cycles of runs as CSV."""
        names = request.query_params.getlist("r")
        text = await self._hub.read(lambda reader: as_csv(reader, names))
        headers = {"content-disposition": 'attachment; filename="cycles.csv"'}
        return Response(text, media_type="text/csv", headers=headers)

    async def journal(self, request: Request) -> Response:
        """Show what happened to all runs, the newest first, a page at a time; what was done at the door stands beside it."""
        run, _, seq = request.query_params.get("before", "").partition(".")
        place = (
            (int(run), int(seq)) if run.isdecimal() and seq.isdecimal() and len(run + seq) < 18 else (1 << 31, 1 << 31)
        )

        def ask(reader: Reader) -> list[dict[str, Any]]:
            rows = reader.query(queries.EVENTS_OF_ALL, run=place[0], seq=place[1], most=PAGE + 1)
            return [
                {
                    **happening(str(row.kind), float(row.test_time_second), str(row.data)),
                    "began": row.began_unix_time_second, "run": row.run_id, "seq": row.seq, "uuid": row.uuid,
                    "channel": row.channel, "protocol": row.protocol, "cell": row.cell,
                }
                for row in rows
            ]  # fmt: skip

        events = await self._hub.read(ask)
        older = f"{events[PAGE - 1]['run']}.{events[PAGE - 1]['seq']}" if len(events) > PAGE else ""
        admin = request.state.visit.person.role == "admin"
        door = await asyncio.to_thread(self._people.audit, None, PAGE) if admin else []
        return self._pages.html(request, "journal.html", events=events[:PAGE], older=older, door=door, admin=admin)

    async def alarms(self, request: Request) -> Response:
        """Show what is wrong now, what is told of it, and to whom."""
        await self._hub.fresh()
        active, messages, tells = await asyncio.to_thread(self._alarms)
        asking = [
            row
            for row in self._hub.channels.values()
            if row.get("activity") in {"waiting", "safe", "tripped", "failed", "unknown"}
        ]
        return self._pages.html(
            request, "alarms.html", active=active, messages=messages, told=tells, asking=asking, station=self._hub.station,
            now=self._hub.now(),
        )  # fmt: skip

    def _alarms(self) -> tuple[list[Any], list[Any], bool]:
        folder = self._hub.folder
        if folder is None or not (folder / "notices.db").is_file():
            return [], [], False
        with Notices(folder) as notices:
            stored = notices.load()
            active = list(state_from_json(stored[1]).active.values()) if stored else []
            return sorted(active, key=lambda each: -each.since), notices.messages(PAGE), True

    async def acknowledge(self, request: Request) -> Response:
        """Say that somebody has seen an alarm: it is not told again; what it is about is not changed."""
        visit: Visit = request.state.visit
        alarm = str((await given(request)).get("id", ""))[:20]
        folder = self._hub.folder
        if folder is None:
            raise HTTPException(409, "these pages show a copy of the journal")

        def note() -> None:
            with Notices(folder) as notices:
                notices.acknowledge(alarm, visit.by)
            self._people.note(visit.by, "alarm seen", alarm)

        await asyncio.to_thread(note)
        return data(request, {"seen": alarm})

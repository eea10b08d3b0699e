"""Writing a protocol: the findings of `labctl check` from the same functions, the plan for a chosen cell, and the start."""

import asyncio
import math
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from labctl.errors import FileError, UsageError
from labctl.finding import Finding
from labctl.inputs import assignments, beside, library, library_names, read_file, text_of
from labctl.plan.check import check_and_compile
from labctl.plan.codec import plan_from_json
from labctl.plan.description import limits, rows
from labctl.plan.estimate import estimate
from labctl.plan.index import walk
from labctl.plan.step import Plan
from labctl.protocol.cellfile import read_cell
from labctl.protocol.load import read
from labctl.run.stand_in import with_model
from labctl.store import queries
from labctl.store.reader import Reader
from labctl.web.gate import given, problem
from labctl.web.hub import Hub
from labctl.web.pages import Pages, data, natural, typeset

LARGEST: Final = 256 * 1024  # bytes of a text
FREE: Final = frozenset({"idle", "done", "tripped", "failed"})  # states of a channel on which something can be started
TROUBLED: Final = frozenset({"tripped", "failed"})  # of them those at which somebody should look first
PROTOCOL: Final = "protocol.yaml"
CELL: Final = "cell.yaml"


class Author:
    """The page on which a protocol is written, and what it asks."""

    def __init__(self, hub: Hub, pages: Pages) -> None:
        """Look at a hub for channels."""
        self._hub = hub
        self._pages = pages
        self._desk = ThreadPoolExecutor(1, "check")  # a checker takes a core: one at a time

    def close(self) -> None:
        """Let the checker go."""
        self._desk.shutdown(wait=False, cancel_futures=True)

    async def page(self, request: Request) -> Response:
        """Show the page; what is chosen comes from the shipped library."""
        await self._hub.fresh()
        channels = sorted(self._hub.channels.values(), key=lambda row: natural(str(row["channel"])))
        states = [(str(row["channel"]), str(row.get("activity"))) for row in channels]
        places = [(name, state, "" if state in FREE else state) for name, state in states]
        places.sort(
            key=lambda place: (bool(place[2]), place[1] in TROUBLED)
        )  # the free ones first, and of them the sound ones
        edited = self._hub.channels.get(request.query_params.get("edit", ""), {})
        texts = (
            await self._hub.read(lambda reader: _texts_of(reader, int(edited["run_id"])))
            if edited.get("run_id")
            else None
        )
        protocols, cells = library_names(), library_names("cells")
        protocol = _chosen(request, "protocol", protocols, "cccv-cycling")
        cell = _chosen(request, "cell", cells, "marquis2019")
        return self._pages.html(
            request, "new.html", protocols=protocols, cells=cells, protocol=protocol, cell=cell, places=places,
            edit=str(edited["channel"]) if texts else "",
            channel=request.query_params.get("channel", ""), now=self._hub.now(),
            protocol_text=texts[0] if texts else _text(protocol, ""), cell_text=texts[1] if texts else _text(cell, "cells"),
        )  # fmt: skip

    async def check(self, request: Request) -> Response:
        """Give every finding of a protocol and a cell, and the plan where there is no error."""
        asked = await given(request)
        protocol, cell, values = (str(asked.get(name, "")) for name in ("protocol", "cell", "values"))
        if len(f"{protocol}{cell}{values}".encode()) > LARGEST:
            return problem(413, f"wanted at most {LARGEST} bytes of protocol and cell, found more")
        findings = await asyncio.get_running_loop().run_in_executor(self._desk, checked, protocol, cell, values)
        return data(request, findings)


def checked(protocol: str, cell: str, values: str) -> dict[str, Any]:
    """Return the findings of texts as `labctl check --cell` has them, and the plan as `labctl plan` tells it."""
    try:
        named = assignments(values.splitlines() if values.strip() else [])
    except UsageError as error:
        return {"findings": [], "trouble": str(error), "plan": None}
    known, findings = read_cell(cell, CELL)
    on = None
    if known is not None and not any(each.severity == "error" for each in findings):
        try:
            on = with_model(known, files=False)
        except FileError as error:
            findings = (*findings, *error.findings)
    loaded = read(protocol, PROTOCOL, beside(library()))
    found, compiled = check_and_compile(loaded, on, named)
    findings = (*findings, *found)
    failed = any(each.severity == "error" for each in findings)
    plan = None
    if compiled is not None and compiled.plan is not None and on is not None and not failed:
        plan = _plan(compiled.plan, [each for each in compiled.findings if each.severity == "warning"])
    return {"findings": [_finding(each) for each in findings], "trouble": "", "plan": plan}


def _finding(each: Finding) -> dict[str, Any]:
    return {
        "file": each.mark.file, "line": each.mark.line, "column": each.mark.column, "code": each.code, "severity": each.severity,
        "message": each.message, "hint": each.hint, "text": str(each),
    }  # fmt: skip


def _plan(plan: Plan, warned: Iterable[Finding]) -> dict[str, Any]:
    sums, now = estimate(plan, warned), time.time()
    likely, longest = sums.duration
    lines = [line for _, line in walk(plan.root)]
    bounds = next((line.bounds for line in lines if line.energises), lines[0].bounds if lines else None)
    return {
        "name": plan.name, "cell": plan.cell.name or plan.cell.kind,
        "likely": likely, "longest": longest if math.isfinite(longest) else None,
        "finish": now + likely, "charge_ah": sums.charge / 3600.0, "rows": sums.rows,
        "limits": [(name, typeset(text)) for name, text in limits(bounds)] if bounds is not None else [],
        "warnings": [each.message for each in sums.warnings],
        "steps": [
            {"depth": row.depth, "line": row.line, "word": row.word, "name": row.name,
             "setting": typeset(row.setting), "ends": typeset(row.ends)}
            for row in rows(plan.root)
        ],
    }  # fmt: skip


def _chosen(request: Request, key: str, names: list[str], usual: str) -> str:
    name = request.query_params.get(key, usual)
    return name if name in names else usual if usual in names else names[0]


def _texts_of(reader: Reader, run_id: int) -> tuple[str, str] | None:
    """Return the texts that a run does now, of its protocol and its cell; None where it keeps none."""
    plan = plan_from_json(reader.plan(run_id))
    cell = reader.query(queries.CELL_TEXT, run=run_id)
    protocol = reader.query(queries.PROTOCOL_TEXT, hash=plan.sources[0][1]) if plan.sources else ()
    return (str(protocol[0][0]), str(cell[0][0])) if protocol and cell else None


def _text(name: str, folder: str) -> str:
    return text_of(read_file(library() / folder / f"{name}.yaml"))

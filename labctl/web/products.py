"""What the pages hand out as files: a run's report and its exports, a comparison; and dry runs, told as they go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from labctl.errors import LabctlError, UsageError
from labctl.store.people import ROLES
from labctl.web.author import LARGEST
from labctl.web.gate import given, problem
from labctl.web.hub import Hub
from labctl.web.workers import Workers

REPORTS: Final = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "png": "image/png"}
EXPORTS: Final = {
    "bdf-csv": ("bdf.csv", "text/csv"), "bdf-parquet": ("bdf.parquet", "application/vnd.apache.parquet"),
    "csv": ("csv", "text/csv"), "cycles": ("cycles.csv", "text/csv"), "steps": ("steps.csv", "text/csv"),
}  # fmt: skip
SANDBOX: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
DRY: Final = 20.0  # s of computing that a dry run has
PIECE: Final = 1 << 18  # bytes


class Products:
    """Hands out files, each made by a worker when it is asked for."""

    def __init__(self, hub: Hub, most_compared: int) -> None:
        """Read the store of a hub; `most_compared` is how many runs a comparison may have."""
        self._hub = hub
        self._workers = Workers()
        self._most = most_compared

    async def report(self, request: Request) -> Response:
        """Hand out the report of a run as a page, a print or a picture, as `labctl report` writes it."""
        form, run = request.path_params["form"], await self._run(request.path_params["run"])
        if form not in REPORTS:
            raise HTTPException(404, f"wanted a report as {', '.join(REPORTS)}, found {form}")
        asked = {"what": "report", "where": str(self._hub.where), "run": run}
        return await self._file(asked, f"run-{run}.{form}", REPORTS[form], shown=form == "html")

    async def export(self, request: Request) -> Response:
        """Hand out a run as a file for others, as `labctl export` writes it."""
        form, run = request.path_params["form"], await self._run(request.path_params["run"])
        if form not in EXPORTS:
            raise HTTPException(404, f"wanted an export as {', '.join(EXPORTS)}, found {form}")
        ending, kind = EXPORTS[form]
        asked = {"what": "export", "where": str(self._hub.where), "run": run, "format": form}
        return await self._file(asked, f"run-{run}.{ending}", kind)

    async def comparison(self, request: Request) -> Response:
        """Hand out a comparison of runs as `labctl report --compare` writes it."""
        names = request.query_params.getlist("r")[: self._most]
        runs = [await self._run(name) for name in names]
        if not runs:
            raise HTTPException(404, "wanted runs to compare as r=1&r=2, found none")
        asked = {"what": "compare", "where": str(self._hub.where), "runs": runs}
        return await self._file(asked, "comparison.html", REPORTS["html"], shown=True)

    async def simulate(self, request: Request) -> Response:
        """Run what was written on the simulated cell, and tell how far it is, a JSON object a line; the last has the curves."""
        asked, visit = await given(request), request.state.visit
        if ROLES.index(visit.person.role) < ROLES.index("operator"):
            return problem(403, f"{visit.person.name} is a viewer, and a dry run needs an operator")
        texts = {name: str(asked.get(name, "")) for name in ("protocol", "cell", "values")}
        if len("".join(texts.values()).encode()) > LARGEST:
            return problem(413, f"wanted at most {LARGEST} bytes of protocol and cell, found more")
        wanted = {"what": "simulate", **texts, "within": DRY, "by": visit.by}
        return StreamingResponse(self._told(wanted), media_type="application/x-ndjson")

    async def _told(self, wanted: Mapping[str, Any]) -> AsyncIterator[bytes]:
        try:
            async with self._workers.work(wanted, "seen.json") as words:
                async for word in words:
                    if "file" not in word:
                        yield orjson.dumps(word) + b"\n"
                        continue
                    seen = await asyncio.to_thread(Path(word["file"]).read_bytes)
                    yield b'{"seen": ' + seen + b"}\n"
        except LabctlError as error:
            yield orjson.dumps({"error": str(error)}) + b"\n"

    async def _run(self, name: str) -> int:
        return await self._hub.read(lambda reader: reader.find(name).run_id)

    async def _file(self, asked: Mapping[str, Any], name: str, kind: str, *, shown: bool = False) -> Response:
        """Return a file that a worker makes; a page of another's making is shown where nothing in it can act."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                file = await stack.enter_async_context(self._workers.made(asked, name))
            except UsageError as error:
                raise HTTPException(409, str(error)) from error
            size, held = file.stat().st_size, stack.pop_all()
        headers = {
            "content-length": str(size), "content-disposition": f'{"inline" if shown else "attachment"}; filename="{name}"',
            **({"content-security-policy": SANDBOX} if shown else {}),
        }  # fmt: skip
        return StreamingResponse(_pieces(file, held), media_type=kind, headers=headers)


async def _pieces(file: Path, held: contextlib.AsyncExitStack) -> AsyncIterator[bytes]:
    async with held:
        with file.open("rb") as body:
            while piece := body.read(PIECE):
                yield piece

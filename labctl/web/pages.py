"""Pages from templates: every text escaped, every file of a page under the digest of all of them."""

import datetime as dt
import gzip
import hashlib
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from labctl import __version__
from labctl.quantity.units import display
from labctl.web.as_json import as_json
from labctl.web.scripts import joined

HERE: Final = Path(__file__).parent
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_MINUS: Final = re.compile(r"(?<![\w.])-(?=\d)")
_MICRO: Final = re.compile(r"(?<= )u(?=(?:A|V|Ah|Wh|W)\b)")
SMALL: Final = 1400  # bytes: what fits one packet is not compressed


class Pages:
    """Makes the responses of the pages."""

    def __init__(self) -> None:
        """Read the templates and the files beside them."""
        self._files = {
            path.relative_to(HERE / "static").as_posix(): path.read_bytes()
            for path in sorted((HERE / "static").rglob("*"))
            if path.is_file()
        }
        scripts = {name: body.decode() for name, body in self._files.items() if re.fullmatch(r"\w+\.js", name)}
        self._files |= {name: joined(name, scripts).encode() for name in scripts}
        self.digest = hashlib.sha256(b"".join(name.encode() + body for name, body in self._files.items())).hexdigest()[
            :16
        ]
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "quantity": quantity, "figure": figure, "duration": duration, "moment": moment, "day": day, "shown": shown,
            "json": as_text, "typeset": typeset,
        }  # fmt: skip
        self._templates.globals |= {"static": f"/static/{self.digest}", "version": __version__}

    def html(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        visit = getattr(request.state, "visit", None)
        text = self._templates.get_template(name).render(person=visit and visit.person, path=request.url.path, **values)
        return packed(request, text.encode(), "text/html; charset=utf-8", status)

    def file(self, name: str) -> bytes:
        """Return a file of the pages."""
        return self._files[name]

    async def static(self, request: Request) -> Response:
        """Return a file of the pages, to be kept for ever under its digest."""
        name = request.path_params["name"]
        body = self._files.get(name)
        if body is None:
            return Response("there is no such file", 404, media_type="text/plain")
        kind = TYPES.get(Path(name).suffix, "application/octet-stream")
        response = packed(request, body, f"{kind}; charset=utf-8")
        if request.path_params["digest"] == self.digest:
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def packed(request: Request, body: bytes, kind: str, status: int = 200) -> Response:
    """Return a response, compressed where the browser takes it and it is worth it."""
    headers = {"content-type": kind, "vary": "accept-encoding"}
    if len(body) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_zipped(body), status, headers={**headers, "content-encoding": "gzip"})
    return Response(body, status, headers=headers)


@lru_cache(maxsize=256)
def _zipped(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)


def data(request: Request, value: object) -> Response:
    """Return JSON; numbers that are not finite become null."""
    body = as_json(value)
    return packed(request, body, "application/json")


def as_text(value: object) -> str:
    """Return JSON as a text, for an attribute of a page."""
    return as_json(value).decode()


# --- how values are written -------------------------------------------------------------------------------------------


def quantity(value: object, kind: str, digits: int = 5) -> str:
    """Return a number with its unit, an en dash where there is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return "–"
    return display(float(value) * (3600.0 if kind == "capacity" else 1.0), kind, digits)


def figure(value: object, unit: str) -> str:
    """Return a figure of merit with its unit, five digits, an en dash where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    if unit == "Ah":
        return display(float(value) * 3600.0, "capacity", 5)
    if unit == "V":
        return display(float(value), "voltage", 4)
    return f"{value:.4g} %" if unit == "%" else f"{value:g}"


def duration(value: object) -> str:
    """Return seconds as two units at most."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return "–"
    return " ".join(display(round(float(value)), "duration").split()[:4])


def moment(unix: object) -> str:
    """Return a moment as the clock on this machine's wall shows it."""
    if not isinstance(unix, int | float) or not math.isfinite(unix):
        return "–"
    try:
        return f"{dt.datetime.fromtimestamp(unix).astimezone():%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return "–"


def day(unix: object) -> str:
    """Return a moment in UTC as a machine reads it."""
    if not isinstance(unix, int | float) or not math.isfinite(unix):
        return ""
    try:
        return dt.datetime.fromtimestamp(unix, dt.UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return ""


def typeset(text: str) -> str:
    """Return words of a plan as the numbers beside them are written: a minus that is one, and micro as its letter."""
    return _MINUS.sub("−", _MICRO.sub("µ", text))


def shown(value: object) -> str:
    """Return a value as it is, an en dash for none."""
    return "–" if value is None or value == "" else str(value)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which c2 comes before c10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]

"""What happened, from the journal's events to what the fold of alarms takes: the same for a stored month and for now."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from labctl.notify.grouping import PASSING, Happened
from labctl.quantity.units import display
from labctl.store import queries
from labctl.store.reader import Reader

COMMITS: Final = 5000  # that are looked at together
LONG: Final = 1.0  # s; a shorter gap is no news


def happened(reader: Reader, after: int) -> tuple[int, list[Happened]]:
    """Return the cursor after the next commits, and what happened in them in order; the same cursor where there are none."""
    upto = min(reader.last_commit(), after + COMMITS)
    if upto <= after:
        return after, []
    rows = reader.query(queries.NOTICEABLE, after=after, upto=upto)
    return upto, [each for row in rows for each in _of(row)]


def _of(row: Any) -> Iterator[Happened]:
    fields, channel = _fields(str(row.data)), str(row.channel or "")
    if not channel:
        return
    what, time = f"{row.protocol} on {row.cell}", float(row.unix_time_second)
    match row.kind:
        case "activity":
            kind, why = str(fields.get("activity", "")), str(fields.get("why") or "")
            if kind in PASSING:
                yield Happened(time, channel, "ended")
            elif kind:
                yield Happened(time, channel, kind, why, what, f"labctl why {channel}")
        case "run_ended":
            yield from _end(time, channel, fields, what)
        case "gap":
            begin, end = fields.get("begin"), fields.get("end")
            if isinstance(begin, int | float) and isinstance(end, int | float) and end - begin >= LONG:
                words = f"nobody was reading for {display(float(end - begin), 'duration')}: {fields.get('why', '')}"
                yield Happened(time, channel, "resumed", words, what)


def _end(time: float, channel: str, fields: Mapping[str, Any], what: str) -> Iterator[Happened]:
    reason, why = str(fields.get("reason", "")), str(fields.get("why") or "")
    if reason in {"done", "aborted"}:
        yield Happened(time, channel, "done", why if reason == "aborted" else "", what)
    elif reason in {"stopped", "released"}:
        yield Happened(time, channel, "ended")


def _fields(data: str) -> Mapping[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}

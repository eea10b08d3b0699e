"""Events of a run in plain sentences."""

from collections.abc import Mapping
from typing import Any

import orjson

from labctl.quantity.units import display

KINDS: Mapping[str, str] = {
    "run_began": "began", "run_ended": "ended", "tripped": "tripped", "asked": "asks", "diverged": "diverged",
    "order": "order", "edited": "edited",
    "note": "note", "mark": "mark", "gap": "gap", "fault": "fault", "quality": "quality", "late": "late",
}  # fmt: skip


def happening(kind: str, time: float, stored: str) -> dict[str, Any]:
    """Return an event for people: its kind in a word, its run time (s), and a sentence."""
    try:
        fields = orjson.loads(stored)
    except orjson.JSONDecodeError:
        fields = {}
    return {"kind": KINDS.get(kind, kind), "time": time, "text": _sentence(kind, fields), "grave": kind in GRAVE}


GRAVE = frozenset({"tripped", "fault", "diverged"})


def _sentence(kind: str, fields: Mapping[str, Any]) -> str:
    who = str(fields.get("by") or "a person")
    match kind:
        case "order":
            words = f"{fields.get('verb', 'an order')} by {who}"
            words += f": {fields['text']}" if fields.get("text") else ""
            return words if fields.get("obeyed") else f"{words}, not obeyed"
        case "edited":
            return f"what lies ahead was edited by {who}"
        case "note":
            return f"{fields.get('text', '')} ({who})"
        case "gap":
            begin, end = fields.get("begin"), fields.get("end")
            length = (
                f" for {display(end - begin, 'duration')}"
                if isinstance(begin, float) and isinstance(end, float)
                else ""
            )
            return f"nobody was reading{length}: {fields.get('why', '')}"
        case _:
            words = fields.get("why") or fields.get("text") or fields.get("say") or fields.get("reason") or ""
            reason = fields.get("reason")
            return f"{reason}: {words}" if reason and words and reason != words else str(words)

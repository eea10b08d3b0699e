"""Keys and values in one text: `current = C/2, to = 4.1 V`, `(C/2, 4.1 V)`, as they are written in braces."""

import re
from typing import Final

from labctl.finding import clip
from labctl.quantity.dimension import Kind
from labctl.quantity.units import reads

MOST_LENGTH: Final = 200  # of a text that is looked at
_PAIR: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*[=:]\s*([^=<>]*[^=<>\s])\s*")
_ROW: Final = re.compile(r"\s*(rest|charge|discharge|strip|plate|hold|eis|wait)\s+(\S.*?)\s*", re.IGNORECASE)
_BY_KIND: Final[tuple[tuple[Kind, str], ...]] = (
    ("current", "current"),
    ("power", "power"),
    ("voltage", "to"),
    ("duration", "for"),
    ("capacity", "capacity"),
)


def as_pairs(text: str) -> str:
    """Return keys with an = in braces, `{current: C/2, to: 4.1 V}`, or values by the keys that they most likely are of; or ""."""
    text = re.sub(r"^\s*[(<\[](.*)[)>\]]\s*$", r"\1", text)
    parts = [part for part in re.split(r"[,;]", text) if part.strip()]
    if len(parts) < 2 or len(text) > MOST_LENGTH:
        return ""
    pairs = [match.groups() if (match := _PAIR.fullmatch(part)) else _by_kind(part.strip()) for part in parts]
    keys = [key for key, _ in pairs]
    if not all(keys) or len(set(keys)) != len(keys):
        return ""
    return f"{{{clip(', '.join(f'{key}: {value}' for key, value in pairs), 100)}}}"


def _by_kind(value: str) -> tuple[str, str]:
    return next(((key, value) for kind, key in _BY_KIND if reads(value, kind)), ("", ""))


def of_row(text: str) -> str:
    """Return the step that the row of a table is, its columns parted by tabs; "" of any other line."""
    row = _ROW.fullmatch(text[:MOST_LENGTH])
    if row is None:
        return ""
    value = as_pairs(re.sub(r"\s*\t\s*", ", ", row[2])) or clip(row[2])
    return f"a step begins with - and has a colon behind its verb: - {row[1].lower()}: {value}"

"""How the author's own values are written as a pair, where they stand alone or in another form."""

import re
from typing import Final

from labctl.finding import clip
from labctl.quantity.dimension import Kind
from labctl.quantity.units import reads
from labctl.text.nodes import Entries, Items, Node, Scalar


def own_pair(node: Node | None, kind: Kind) -> str:
    """Return how one value is a side of limits and two are both, or "" of anything else; never a value of another's."""
    items = node.items if isinstance(node, Items) else (node,)
    texts = [
        part.strip()
        for item in items
        for part in re.split(r"[;,|]|\.\.+| and | to ", item.text if isinstance(item, Scalar) else "?")
    ]
    if len(texts) == 1 and (match := re.fullmatch(r"(?:\u00b1|\+/?-)\s*(\d.*)", texts[0])) and reads(match[1], kind):
        return f"write [-{clip(match[1])}, {clip(match[1])}]"
    if (
        len(texts) == 1
        and (side := re.fullmatch(r"(?:(max|min)\.? ?(\d.*))|(\d.*?)\s*(max|min)\.?", texts[0])) is not None
    ):
        value = side[2] or side[3]
        return f"write {{{side[1] or side[4]}: {value}}}" if reads(value, kind) else ""
    if not all(reads(text, kind) for text in texts):
        return ""
    if len(texts) == 2:
        return f"write [{clip(texts[0])}, {clip(texts[1])}]"
    if len(texts) != 1:
        return ""
    if kind == "current" and texts[0][0] not in "-\u2212":
        return f"write [-{clip(texts[0])}, {clip(texts[0])}]"
    return f"write {{max: {clip(texts[0])}}}; the lowest is min:"


_TWO: Final = re.compile(
    r"(?:(voltage|current|temperature|U|V|E|I|T)\s*[=:]?\s*)?[(\[]?\s*([-+\u2212]?\d[^,;]*?)\s*(?:,|;|-|\u2013|\u2026|\.\.+|to|bis|and)"
    r"\s*([-+\u2212]?\d[^\])]*?)[)\]]?"
)
_NAMED: Final[tuple[tuple[str, Kind], ...]] = (
    ("voltage", "potential"),
    ("current", "current"),
    ("temperature", "temperature"),
)


def as_limits(node: Node | None) -> str:
    """Return how limits in one text or list are written, `2.5-4.2 V` as `{voltage: [2.5 V, 4.2 V]}`; or ""."""
    texts = [
        item.text if isinstance(item, Scalar) else "" for item in (node.items if isinstance(node, Items) else (node,))
    ]
    match = _TWO.fullmatch(", ".join(texts).strip())
    if match is None:
        return ""
    unit = re.sub(r"^[-+\u2212\d.]+\s*", "", match[3])
    first = match[2] if re.search(r"[A-Za-z%\u00b0\u2103]", match[2]) else f"{match[2]} {unit}"
    for name, kind in _NAMED:
        if reads(first, kind) and reads(match[3], kind):
            return f"write limits: {{{name}: [{clip(first)}, {clip(match[3])}]}}"
    return ""


def pair_of_keys(node: Entries) -> str:
    """Return the pair that two values in braces are, `{3 V, 4.2 V}`; or ""."""
    alone = [key.text for key, value in node.entries if isinstance(value, Scalar) and value.missing]
    alike = any(all(reads(text, kind) for text in alone) for _, kind in _NAMED)
    return (
        f"brackets in place of the braces: [{clip(', '.join(alone))}]"
        if len(alone) == len(node.entries) == 2 and alike
        else ""
    )

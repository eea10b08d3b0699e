"""How the author's own values are written as a pair, where they stand alone or in another form."""

import re

from labctl.finding import clip
from labctl.quantity.dimension import Kind
from labctl.quantity.units import reads
from labctl.text.nodes import Items, Node, Scalar


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

"""Loops whose keys stand below the word that begins them: `repeat:` with `times:` and `steps:` under it."""

from dataclasses import replace
from typing import Final

from labctl.finding import Mark
from labctl.protocol.keys import BLOCK
from labctl.text.nodes import Entries, Node, Scalar

_COUNTS: Final = frozenset({"times", "count", "n", "number", "cycles", "passes", "repeat", "loops"})
_LOOPS: Final = frozenset({"repeat", "loop", "each", "cycle", "cycles", "block", "for", "if", "while"})


def unwrapped(entries: Entries) -> tuple[Entries, tuple[str, Mark, str]] | None:
    """Return a block as if its keys stood beside the word above them, with message, place and hint; None of any other item."""
    (key, value), *beside = entries.entries
    if key.text not in _LOOPS or beside or not isinstance(value, Entries):
        return None
    inner = {item.text: node for item, node in value.entries}
    if "steps" not in inner:
        return None
    pairs: list[tuple[Scalar, Node]] = []
    count = ""
    for item, node in value.entries:
        if item.text in _COUNTS and isinstance(node, Scalar) and not count:
            count = node.text
            pairs.append((replace(item, text="repeat"), node))
        elif item.text in BLOCK:
            pairs.append((item, node))
    named = {item.text for item, _ in pairs}
    rest = tuple((item, node) for item, node in value.entries if item.text not in {*BLOCK, *_COUNTS})
    if key.text in BLOCK and key.text not in named and key.text != "repeat" and rest:
        pairs.insert(0, (key, Entries(rest, value.mark)))
    first = f"repeat: {count}" if count else f"{key.text}: and its value"
    hint = f"write {first}, and steps: on the next line, as far to the right as it"
    message = f"wanted the keys of a block beside each other, found them below {key.text}"
    return replace(entries, entries=tuple(pairs)), (message, key.mark, hint)

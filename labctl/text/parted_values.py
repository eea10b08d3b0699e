"""Values of a list with another sign between them than a comma: `[0.1C、0.2C]`, `[C/2 1C 2C]`, `0.1C; 0.2C`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from labctl.finding import clip
from labctl.quantity.units import number, reads
from labctl.text.decimal_comma import Report
from labctl.text.nodes import Node, Scalar

MOST_OF_TEXT: Final = 300
_SIGNS: Final = re.compile("\\s*[\u3001\uff0c\uff1b;|]\\s*")
_COMMA: Final = re.compile(r"\s*,\s*")
_SLASH: Final = re.compile(r"(?<=[A-Za-z%])\s*/\s*(?=[-+.\d])")
_SPACE: Final = re.compile(r"\s+(?=[-+.\d$]|C/\d)")
_UNIT: Final = re.compile(r"[-+.\deE]+\s*([^\d\s].*)")


def parted_values(text: str) -> tuple[str, ...]:
    """Return the values that a text states one behind another, each with its unit; () of a text that is not several values."""
    if len(text) > MOST_OF_TEXT or reads(text, "any"):
        return ()
    for sign in (_SIGNS, _COMMA, _SLASH, _SPACE):
        parts = [part for part in sign.split(text.strip()) if part]
        if len(parts) < 2:
            continue
        if sign is _SIGNS or (sign is _SPACE and len(parts) > 2 and not re.search(r"\s\d{3}(?!\S)", text)):
            parts = _with_unit_of_last(parts)
        if all(map(_is_value, parts)):
            return tuple(parts)
    return ()


def _is_value(text: str) -> bool:
    return re.fullmatch(r"\$\w+", text) is not None or (number(text) is None and reads(text, "any"))


def _with_unit_of_last(parts: list[str]) -> list[str]:
    """Return `0.1`, `0.2`, `0.5 C` with the unit of the last at each."""
    unit = _UNIT.fullmatch(parts[-1])
    if unit is None or not all(number(part) is not None for part in parts[:-1]):
        return parts
    return [*(f"{part}{'' if unit[1] == 'C' else ' '}{unit[1]}" for part in parts[:-1]), parts[-1]]


def parted_items(nodes: Sequence[Node], report: Report) -> list[Node]:
    """Return the items of a list in brackets, with those that are several values apart, and that reported once."""
    apart: list[Node] = []
    first: Scalar | None = None
    for node in nodes:
        values = parted_values(node.text) if isinstance(node, Scalar) and not node.style else ()
        if isinstance(node, Scalar) and values:
            first = first or node
            apart += [replace(node, text=value, folded=True) for value in values]
        else:
            apart.append(node)
    if first is not None:
        texts = [node.text if isinstance(node, Scalar) else "..." for node in apart]
        message = f"wanted commas between the values of a list, found {clip(first.text)!r}"
        report("yaml.bracket", message, first.mark, f"write [{clip(', '.join(texts), 100)}]")
    return apart

"""A value with another one, or with words, behind it in one text: `2.8 V and 2 h`, `80 % of initial`."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from labctl.finding import clip
from labctl.quantity.dimension import Kind
from labctl.quantity.units import reads as reads_as

Slip: TypeAlias = tuple[str, str, str] | None
"""Code, what was found (the text itself where ""), hint."""

Reads: TypeAlias = Callable[[str], bool]
"""Tells whether a text reads as the kind of quantity that is wanted."""

MOST_LENGTH: Final = 80  # of a text that is looked at
_TWO: Final = re.compile(
    r"(\S.*?)\s*(?:,|;|\band\b|\bor\b|&|\+|\bthen\b)?\s*"
    r"(?:\b(?:for|to|until|over|at|within|current|capacity)\b:?\s*)?"
    r"([-+]?\d\S*(?: [A-Za-z%]\S*)?|C/\d\S*)"
)
_WORDS: Final = re.compile(r"(\S.*?)\s+((?:of|from|total|max|min)(?:\s+[A-Za-z]\S*)*)")
_KEYS: Final[tuple[tuple[Kind, str], ...]] = (
    ("duration", "for"),
    ("voltage", "to"),
    ("current", "current"),
    ("capacity", "capacity"),
)


def joined_slip(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Return how a value and what stands behind it are written; None where the first part is no value of the kind wanted."""
    if len(plain) > MOST_LENGTH:
        return None
    if (two := _TWO.fullmatch(plain)) is not None and reads(two[1]):
        key = next((name for other, name in _KEYS if other != kind and reads_as(two[2], other)), "")
        if key and not reads(two[2]):
            return (
                "unit.number",
                "",
                f"each value has a key of its own: write {two[1]}, {key}: {two[2]}, without quotes",
            )
    if (words := _WORDS.fullmatch(plain)) is not None and reads(words[1]):
        return "unit.number", "", f"leave {clip(words[2])!r} out: write {words[1]}"
    return None

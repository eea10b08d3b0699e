"""What stands around a reference that has to stand alone, and how it is written."""

import re
from typing import Final

from labctl.finding import clip

_NAME: Final = r"[A-Za-z_]\w*"


def alone_hint(text: str) -> str:
    """Return how `$j*2` and `$j mA` are written."""
    if re.match(r"\$(?:charge|discharge)_capacity\b", text):
        name = re.match(r"\w+", text[1:])
        measured = name[0] if name else "discharge_capacity"
        return f"make it the measure first: - nominal: {{from: {measured}, within: [80 %, 120 %]}}; then C/3 is of it"
    operand, operator = rf"(?:\${_NAME}|\d[\d.]*)", r"\s*[*/+-]\s*"
    if re.fullmatch(rf"{operand}(?:{operator}{operand})+", text):
        spaced = re.sub(r"\s*([*/+-])\s*", r" \1 ", text.replace("$", ""))
        return f"arithmetic goes inside: write $({clip(spaced.strip())})"
    if unit := re.fullmatch(rf"\$({_NAME})\s*([A-Za-z%][\w/%^-]*)", text):
        return (
            f"the unit belongs to the value of {unit[1]}, behind its number: write {unit[2]} there and ${unit[1]} here"
        )
    return "a reference stands alone; arithmetic goes inside: $(2 * name)"

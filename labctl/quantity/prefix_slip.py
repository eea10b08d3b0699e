"""A value whose unit has a prefix a thousand times too large, such as A where mA was meant."""

import re
from collections.abc import Callable
from typing import Final

from labctl.quantity.units import NUMBER, Quantity

WIDE: Final = 20.0  # times its last value, the first of a range that is counted down with a step of one size
_SMALLER: Final = {"k": "", "": "m", "m": "u"}
_VALUE: Final = re.compile(rf"({NUMBER})\s*([kmu\u00b5]?)((?:Ah|A|V|Wh|W|Hz)(?![A-Za-z]).*)")


def a_thousandth(text: str, value: float, fits: Callable[[float], bool]) -> str:
    """Return the question whether a thousandth of a value was meant, or "" where that does not fit, or a tenth does.

    Args:
        text: The value as written; its number is kept.
        value: The same in SI.
        fits: Tells whether a value in SI is one that its place takes.
    """
    match = _VALUE.fullmatch(text.strip())
    # a voltage is hardly ever ten times too large: half of it tells
    near_by = match is not None and fits(value / (2.0 if match[3][0] == "V" else 10.0))
    if match is None or match[2] not in _SMALLER or near_by or not fits(value / 1000.0):
        return ""
    return f"is {match[1]} {_SMALLER[match[2]]}{match[3]} meant?"


def a_thousandfold(text: str, value: float, fits: Callable[[float], bool]) -> str:
    """Return the question whether a value in mV, mA or mW was meant without its prefix, or "" where that does not fit either."""
    match = re.fullmatch(rf"({NUMBER})\s*m((?:Ah|A|V|Wh|W)(?![A-Za-z]).*)", text.strip())
    return f"is {match[1]} {match[2]} meant?" if match is not None and fits(value * 1000.0) else ""


def towards(first: Quantity, last: Quantity, by: Quantity, step: float) -> str:
    """Return the hint at a range that leads away from its last value: a unit of one end, or the sign of its step."""
    if not step:
        return f"by: is added in each pass: write more than {by.text}"
    right = by.text.lstrip("-") if step < 0 else f"-{by.text}"
    meant = a_thousandth(first.text, first.value_si, lambda value: 0.0 < value < last.value_si) if step > 0 else ""
    sign = f"to count {'down' if step > 0 else 'up'}, write by: {right}"
    if first.value_si > WIDE * last.value_si and meant:
        return f"{meant} Else, {sign}"
    return f"{sign}; or {meant}" if meant else sign

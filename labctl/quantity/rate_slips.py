"""C-rates in the hand of other programs: `C-10`, `1/10 C`, `0.1 C-rate`, `D/5`."""

import re
from typing import Final

from labctl.quantity.dimension import Kind
from labctl.quantity.joined_slips import Slip
from labctl.quantity.units import number

_RATE_PER_TIME: Final = re.compile(r"(C\s*/\s*\d[\d.]*|\d[\d.]*\s*C)\s*(?:/?\s*h(?:ours?|rs?)?|rate|-rate)")
_CYCLER_RATE: Final = re.compile(
    r"[cD]\s*/\s*(\d.*)|(\d[\d.]*)\s*c|C\s?[-_:\\]?\s?(\d[\d.]*)|(\.?\d[\d.]*)\s*C-rate|C\s*by\s*(\d[\d.]*)"
)
_RATED: Final = re.compile(
    r"(\.?\d[\d.]*)\s*I_?t(?:\s*A)?|I_?t\s*(/\s*\d[\d.]*)(?:\s*A)?"
)  # as standards have it: 0.2 It A
_RATE_AND_MORE: Final = re.compile(r"(C\s*/\s*\d[\d.]*)\s*[a-z]{1,3}")


def rate_slip(plain: str, kind: Kind) -> Slip:
    """Return how a rate that is written in another way is written here; None of any other text."""
    if kind in {"current", "any"} and (match := re.fullmatch(r"1\s*/\s*(\d[\d.]*)\s*C", plain)):
        return "unit.rate", "", f"write C/{match[1]}"
    if kind == "current" and (match := _RATED.fullmatch(plain)):
        return "unit.rate", "", f"write {match[1]}C" if match[1] else f"write C{match[2].replace(' ', '')}"
    if kind == "current" and (match := _RATE_PER_TIME.fullmatch(plain)):
        return "unit.rate", "", f"write {match[1]}"
    if kind in {"current", "amplitude", "bias", "any"} and (match := _CYCLER_RATE.fullmatch(plain)):
        over, many, under, words, by = match.groups()
        value = number(under) if under else None
        if value and value < 1.0:  # C-0.5, of which C/0.5 would be 2C
            return "unit.rate", "", f"write {under}C, or {1.0 / value:g}C if C/{under} is meant"
        rate = f"C/{over or under or by}" if over or under or by else f"{many or words}C"
        return "unit.rate", "", f"write {rate}; the verb gives the direction" if plain[0] == "D" else f"write {rate}"
    return None


def rate_and_more(plain: str, kind: Kind) -> Slip:
    """Return the rate of a text that has a few letters behind it; None of any other text."""
    match = _RATE_AND_MORE.fullmatch(plain) if kind in {"current", "amplitude", "bias", "any"} else None
    return ("unit.rate", "", f"did you mean {match[1]}?") if match else None

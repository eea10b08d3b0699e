"""Quantities as diagrams and typesetters print them: a letter for the decimal point, `4V1`, and macros of LaTeX."""

import re
from collections.abc import Callable
from typing import Final

from labctl.quantity.dimension import PREFIXES, Kind

_LETTERED: Final = re.compile(r"([-+]?\d+)\s*([A-Za-z\u00b5\u03bc\u03a9%]+)(\d+)(?!\d)(.*)", re.DOTALL)
_PARTS_OF_AN_HOUR: Final = frozenset({"h", "min", "d"})
_BASES: Final[dict[str, str]] = {
    "resistance": "Ohm",
    "current": "A",
    "voltage": "V",
    "potential": "V",
    "amplitude": "V",
    "bias": "V",
    "frequency": "Hz",
    "power": "W",
    "capacity": "Ah",
}
"""What a prefix alone is of, as on a diagram `4k7` is of ohms."""


def lettered(text: str, kind: Kind, reads: Callable[[str], bool]) -> str:
    """Return the hint at a number whose unit or prefix stands in the place of its decimal point, "" of any other text."""
    match = _LETTERED.fullmatch(text)
    if match is None:
        return ""
    value, letters, behind = f"{match[1]}.{match[3]}", match[2], match[4]
    plain = {"R": "Ohm", "K": "k", "v": "V", "a": "A"}.get(letters, letters)
    base = _BASES.get(kind, "") if plain in PREFIXES else ""
    space = "" if plain == "C" else " "
    right = next((each for each in (f"{value}{space}{plain}{behind}", f"{value} {plain}{base}") if reads(each)), "")
    if not right or (plain in _PARTS_OF_AN_HOUR and len(match[3]) > 1):
        return ""
    less = {"d": "h", "h": "min", "min": "s"}.get(plain, "")
    asked = f" or {match[1]} {plain} {match[3]} {less}" if less else ""
    return f"{right}{asked}?" if asked else f"write {right}: the unit stands behind the number"


_MACROS: Final = {
    "milli": "m", "micro": "u", "nano": "n", "kilo": "k", "mega": "M", "centi": "c", "pico": "p",
    "ampere": "A", "volt": "V", "ohm": "Ohm", "watt": "W", "hertz": "Hz", "second": "s", "minute": "min", "hour": "h",
    "day": "d", "meter": "m", "metre": "m", "gram": "g", "kelvin": "K", "percent": "%", "pascal": "Pa", "bar": "bar",
    "mu": "u", "upmu": "u", "textmu": "u", "Omega": "Ohm", "%": "%", "degreeCelsius": "degC", "celsius": "degC",
}  # fmt: skip
_POWERS: Final = (
    (r"\\per\s*\\square\s*((?:\\\w+)+)", r"/\1 2"),
    (r"\\per\s*((?:\\\w+)+)\\squared", r"/\1 2"),
    (r"\\per\s*((?:\\(?:milli|micro|nano|kilo|centi))?\\\w+)", r"/\1"),
    (r"\\square\s*((?:\\\w+)+)", r"\1 2"),
)
_LATEX: Final = re.compile(r"[\\$^]|(?<=\d)~")


def typeset(text: str, reads: Callable[[str], bool]) -> str:
    """Return the hint at a quantity that was copied out of LaTeX, "" of any other text."""
    if _LATEX.search(text) is None or not re.search(r"\d", text):
        return ""
    plain = re.sub(r"\\(?:SI|qty)\{([^{}]*)\}\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1 \2", text.replace("$", ""))
    plain = re.sub(r"\\num\{([^{}]*)\}|\\si\{([^{}]*)\}", r"\1\2", plain)
    plain = re.sub(r"\s*\\(?:[,;:!]|q?quad\b)\s*|~|\\ ", " ", plain)
    plain = re.sub(r"\\(?:mathrm|text|textrm|rm|mathit|unit)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", plain)
    plain = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", plain)
    plain = re.sub(r"\s*\^?\s*\{?\s*(?:\\circ|\\degree|\\textdegree)\s*\}?\s*C|\s*\^\{?o\}?\s*C", " degC", plain)
    plain = re.sub(r"\s*(?:\\times|\\cdot)\s*10\s*\^\s*\{?\s*([-+]?\d+)\s*\}?", r"e\1", plain)
    for pattern, right in _POWERS:
        plain = re.sub(pattern, right, plain)
    plain = re.sub(r"\s*\\cdot\s*", " ", plain)
    plain = re.sub(
        r"\\(%|[A-Za-z]+)\s*", lambda macro: _MACROS.get(macro[1], macro[0]), plain.replace("{", "").replace("}", "")
    )
    plain = " ".join(re.sub(r"(?<=m) (?=2$)", "", plain).split())
    return f"write {plain}" if plain != text and reads(plain) else ""

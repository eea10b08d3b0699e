"""Keys that end with their unit, as programs write them: `time_s: 10` is `time: 10 s`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from labctl.quantity.dimension import TABLES, Kind
from labctl.quantity.units import number
from labctl.text.nodes import Node, Scalar

_ENDING: Final = re.compile(r"(?:until_)?([A-Za-z][\w -]*?)(?:_|\s*[(\[/]\s*)([A-Za-z]+(?:/[A-Za-z]+2?)?)\s*[)\]]?")
_KINDS: Final[tuple[Kind, ...]] = (
    "duration",
    "current",
    "voltage",
    "frequency",
    "capacity",
    "power",
    "temperature",
    "mass",
    "length",
    "area",
)
_UNITS: Final = frozenset(unit for kind in _KINDS for unit in TABLES[kind].units)
_ENDS: Final[Mapping[str, str]] = {"time": "for", "voltage": "to", "current": "hold_until", "capacity": "capacity"}


def with_unit(key: Scalar, value: Node) -> tuple[Scalar, Node]:
    """Return a key whose name ends with a unit without it, and its bare number with it; any other as it is."""
    match = _ENDING.fullmatch(key.text)
    if match is None or not isinstance(value, Scalar) or number(value.text) is None:
        return key, value
    if match[2] == "C" and match[1] in {"rate", "c_rate"}:
        return replace(key, text="current"), replace(value, text=f"{value.text}C")
    if match[2] not in _UNITS:
        return key, value
    stem = _ENDS.get(match[1], match[1]) if key.text.startswith("until_") else match[1]
    return replace(key, text=stem), replace(value, text=f"{value.text} {match[2]}")

"""What other programs call the limits, and how two keys that are each a side of one are written."""

import re
from collections.abc import Mapping
from typing import Final

from labctl.finding import clip
from labctl.text.nodes import Entries, Scalar

_SIDED: Final = re.compile(
    r"(?:(?P<side>min|max|minimum|maximum|lower|upper)_?)?(?P<name>voltage|current|temperature|v|i|u|t)?"
    r"(?:_?(?P<last>min|max|lower|upper))?(?:_limit)?"
)
_NAMES: Final = {"v": "voltage", "u": "voltage", "": "voltage", "i": "current", "t": "temperature"}
_LIMIT_WORDS: Final = {
    **dict.fromkeys(("voltage_max", "max_voltage", "vmax", "upper"), "one side alone is voltage: {max: 4.3 V}"),
    **dict.fromkeys(("voltage_min", "min_voltage", "vmin", "lower"), "one side alone is voltage: {min: 2.5 V}"),
    "on_breach": "a breach always switches the output off and trips the run",
    **dict.fromkeys(("potential", "U", "u", "V", "v", "E", "e", "ewe", "volt", "spannung"), "did you mean voltage?"),
    **dict.fromkeys(("I", "i", "j", "strom"), "did you mean current?"),
    **dict.fromkeys(("T", "t", "temp", "temperatur"), "did you mean temperature?"),
    **dict.fromkeys(("Q", "q", "capacities"), "did you mean capacity?"),
    "charge": "did you mean capacity?",
    "time": "write for: at the step or block",
}


def limit_words(limits: Entries) -> Mapping[str, str]:
    """Return hints at the keys of limits; the two sides of one quantity, each by a key of its own, in one pair of braces."""
    sides: dict[str, dict[str, tuple[str, str]]] = {}
    for key, value in limits.entries:
        match = _SIDED.fullmatch(key.text.lower())
        side = (match["side"] or match["last"] or "") if match else ""
        if match is None or bool(match["side"]) == bool(match["last"]) or not isinstance(value, Scalar):
            continue
        name = _NAMES.get(match["name"] or "", match["name"] or "")
        end = "min" if side.startswith(("min", "low")) else "max"
        sides.setdefault(name, {})[end] = (key.text, clip(value.text))
    words = dict(_LIMIT_WORDS)
    for name, both in sides.items():
        pair = ", ".join(f"{end}: {both[end][1]}" for end in ("min", "max") if end in both)
        hint = f"did you mean {name}: {{{pair}}}{' in place of both' if len(both) > 1 else ''}?"
        words |= dict.fromkeys((key for key, _ in both.values()), hint)
    return words

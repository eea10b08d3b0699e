"""Verbs that other programs put together of a mode and a direction: `CP_DChg`, `constant current charge`."""

import re
from typing import Final

_DIRECTIONS: Final = {
    **dict.fromkeys(("charge", "chg", "ch", "charging", "c"), "charge"),
    **dict.fromkeys(("discharge", "dchg", "dischg", "disch", "dc", "discharging", "d", "dis"), "discharge"),
}
_MODES: Final = {
    **dict.fromkeys(("cccv", "cccp", "cpcv"), "to: 4.2 V, hold_until: current < C/20, for: 5 h"),
    **dict.fromkeys(("cc", "current", "galvanostatic", "i"), "to: 4.2 V, for: 12 h"),
    **dict.fromkeys(("cp", "power", "cw", "w"), "to: 4.2 V, for: 12 h"),
    **dict.fromkeys(("cr", "resistance", "load", "ohm"), "to: 4.2 V, for: 12 h"),
    **dict.fromkeys(("cv", "voltage", "potentiostatic", "cstv", "constv", "constantvoltage"), ""),
}
_DRIVE: Final = {
    **dict.fromkeys(("cp", "power", "cw", "w", "cpcv"), "power: 5 mW"),
    **dict.fromkeys(("cr", "resistance", "load", "ohm"), "resistance: 100 Ohm"),
}
_FILLERS: Final = frozenset({"constant", "const", "step", "mode", "by", "at", "cst"})


def composed(word: str) -> str:
    """Return the hint at a verb that is put together of mode and direction, `cp_dchg`, or ""."""
    parts = [part for part in re.split(r"[_\W]+", word.lower()) if part and part not in _FILLERS]
    mode = next((part for part in parts if part in _MODES), "")
    direction = next((_DIRECTIONS[part] for part in parts if part in _DIRECTIONS and part != mode), "")
    if not mode or any(part not in _MODES and part not in _DIRECTIONS for part in parts):
        return ""
    if not _MODES[mode]:
        return "write hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}"
    if not direction:
        return ""
    return f"write {direction}: {{{_DRIVE.get(mode, 'current: C/10')}, {_MODES[mode]}}}"

"""A unit of a cell file that is likely to be another one: the file is read again with it, and then everything fits."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from labctl.finding import Mark, clip
from labctl.protocol.cell import Cell
from labctl.quantity.units import NUMBER

Reread: TypeAlias = Callable[[str], Cell | None]
"""Reads the text of a cell file; None where it has errors."""

_NEIGHBOURS: Final = {
    "area": {"cm2": ("mm2",), "mm2": ("cm2",), "m2": ("cm2", "mm2"), "cm^2": ("mm^2",), "mm^2": ("cm^2",)},
    "diameter": {"cm": ("mm",), "mm": ("cm",), "m": ("mm", "cm")},
    "active_mass": {"kg": ("g", "mg"), "g": ("mg",), "mg": ("g", "ug"), "ug": ("mg",)},
    "film_thickness": {"m": ("um",), "cm": ("um",), "mm": ("um", "nm"), "um": ("nm",), "nm": ("um",)},
    "nominal": {"Ah": ("mAh",), "mAh": ("uAh", "Ah"), "uAh": ("mAh",), "A": ("mA",), "mA": ("A", "uA"), "uA": ("mA",)},
    "limits": {"A": ("mA", "uA"), "mA": ("uA", "A"), "uA": ("mA",)},
}
"""Of each key the units that are taken for each other."""


@dataclass(frozen=True, slots=True)
class LikelyUnit:
    """What was written, what is likely to be meant, the cell that it makes, and where it stands."""

    written: str
    meant: str
    cell: Cell
    mark: Mark


def likely_units(cell: Cell, reread: Reread, fits: Callable[[Cell], bool]) -> list[LikelyUnit]:
    """Return every single unit of a cell file with which, read again, all of its numbers fit."""
    made = ((written, meant, mark, reread(text)) for written, meant, mark, text in _variants(cell))
    return [LikelyUnit(written, meant, read, mark) for written, meant, mark, read in made if read and fits(read)]


def _variants(cell: Cell) -> Iterator[tuple[str, str, Mark, str]]:
    """Give what is written, what else it may be, where it stands, and the whole text with that."""
    lines = cell.text.split("\n")
    keys = {line.partition(":")[0].strip(): at for at, line in enumerate(lines) if re.match(r"[a-z_]+:", line)}
    for key, units in _NEIGHBOURS.items():
        at = keys.get(key)
        if at is None:
            continue
        pattern = re.compile(
            rf"({NUMBER}\s*)({'|'.join(map(re.escape, sorted(units, key=len, reverse=True)))})(?![A-Za-z\d^])"
        )
        begin, end = _part(lines[at], key)
        part = lines[at][begin:end]
        match = pattern.search(part)
        unit = match[2] if match else ""
        for other in units.get(unit, ()):
            right = re.sub(rf"({NUMBER}\s*){re.escape(unit)}(?![A-Za-z\d^])", rf"\g<1>{other}", part)
            text = "\n".join((*lines[:at], lines[at][:begin] + right + lines[at][end:], *lines[at + 1 :]))
            yield clip(part.strip(), 40), clip(right.strip(), 40), Mark(cell.file, at + 1, begin + 1), text


def _part(line: str, key: str) -> tuple[int, int]:
    """Return where on its line a value stands with its key: of limits those of the current, of a nominal capacity its number."""
    inner = {"limits": r"current: *\[[^\]]*\]", "nominal": r"(?:capacity|1C): *[^,}#]*"}.get(key, r"[a-z_]+: *[^#]*")
    match = re.search(inner, line)
    return match.span() if match else (0, 0)

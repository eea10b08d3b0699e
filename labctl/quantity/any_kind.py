"""A value whose unit the language does not have, where quantities of every kind may stand."""

from collections.abc import Callable, Mapping
from typing import Final, get_args

from labctl.quantity.dimension import TABLES, Kind
from labctl.quantity.joined_slips import Slip
from labctl.quantity.units import reads

_KINDS: Final[tuple[Kind, ...]] = tuple(kind for kind in get_args(Kind) if kind != "any")


def of_any_kind(number: str, unit: str, words: Mapping[str, str], near: Callable[[Kind], Slip]) -> str:
    """Return the hint at a value by the text of its unit alone.

    Args:
        number: Of the value.
        unit: As written, `mV/sec`.
        words: Units that are written out, in lower case, and their signs.
        near: Gives what is said where one kind is wanted.
    """
    above, slash, below = (part.strip() for part in unit.partition("/"))
    signs = f"{words.get(above.lower(), above)}/{words.get(below.lower(), below)}"
    if slash and reads(f"{number} {signs}", "any"):
        return f"write {number} {signs}"
    known = {each.lower(): each for table in reversed(TABLES.values()) for each in reversed(table.units)}
    if cased := known.get(unit.lower()):
        return f"did you mean {number} {cased}?"
    slips = [slip for kind in _KINDS if (slip := near(kind)) is not None]
    for begin, end in (("write ", ""), ("did you mean ", "?")):
        for _, _, hint in slips:
            if hint.startswith(begin) and reads(hint.removeprefix(begin).removesuffix(end), "any"):
                return hint
    return "write a unit that the language has, such as mA, V, mV/s, mAh, h, degC"

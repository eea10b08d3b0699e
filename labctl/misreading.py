"""Why a text is not the quantity that was wanted, and what to write instead."""

from labctl.errors import Misread
from labctl.units import TABLES, Kind, article


def explain(text: str, plain: str, kind: Kind) -> Misread:
    """Return the finding for a text that `labctl.units` could not read as `kind`."""
    del plain
    return Misread("unit.unknown", f"wanted {article(kind)}, found {text!r}", f"for example {TABLES[kind].example}")

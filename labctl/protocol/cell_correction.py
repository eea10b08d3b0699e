"""One value of a cell file written anew in its text, all else left as it stands: the mass that a balance says, a corrected area."""

import re
from typing import Final

from labctl.errors import CellError, Misread
from labctl.protocol.cell import FIELD_EXAMPLES
from labctl.protocol.cellfile import load_cell
from labctl.protocol.keys import CELL
from labctl.quantity.parse import parse
from labctl.quantity.units import article
from labctl.text.compose import compose
from labctl.text.nodes import Entries

CORRECTABLE: Final = ("active_mass", "area", "film_thickness")
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f#:,{}\[\]\"']+")  # nothing that would be more than one value in YAML
_VALUE: Final = re.compile(r"""("[^"]*"|'[^']*'|[^#\n]*?)(?=\s*(?:\s#.*)?$)""")


def with_value(text: str, name: str, key: str, value: str) -> str:
    """Return the text of a cell file in which one key has another value; the key is added where there is none.

    Args:
        text: Of the file, which is read without an error.
        name: Of the file, for messages.
        key: One of `CORRECTABLE`.
        value: As a person writes it, such as `12.3 mg`.

    Raises:
        CellError: The value is none for that key, or the file is not written a key a line.
    """
    if _PLAIN.fullmatch(value) is None:
        raise CellError(f"{name}: wanted {key} such as {FIELD_EXAMPLES[key].partition(': ')[2]}, found {value!r:.60}")
    if wrong := misread(key, value):
        raise CellError(f"{key} {value}: {wrong}")
    fresh = _replaced(text, name, key, value)
    load_cell(fresh, name)  # the value is judged where it stands
    return fresh


def misread(key: str, value: str) -> str:
    """Return what is wrong with the text of a value for one of `CORRECTABLE`, and what to write, or ""."""
    try:
        read = parse(value, CELL[key].kind)
    except Misread as error:
        return f"{error}; {error.hint}" if error.hint else str(error)
    return "" if read.value_si > 0.0 else f"wanted {article(CELL[key].kind)} above nothing, found {value}"


def _replaced(text: str, name: str, key: str, value: str) -> str:
    root = compose(text, name).root
    if not isinstance(root, Entries):
        raise CellError(f"{name}: wanted a cell file, found none")
    lines = text.splitlines()
    marks = {node.text: node.mark for node, _ in root.entries}
    old = "diameter" if key == "area" and "diameter" in marks else key
    place = marks.get(old)
    if place is None:
        first = root.entries[0][0].mark
        lines.insert(first.line, f"{' ' * (first.column - 1)}{key}: {value}")
        return "\n".join(lines) + "\n"
    line, at = lines[place.line - 1], place.column - 1
    begin = re.compile(rf"{old}\s*:\s*").match(line, at)
    if line[:at].strip() or begin is None:
        raise CellError(
            f"{place}: wanted {key} on a line of its own, so that it can be corrected, found it beside others"
        )
    rest = _VALUE.match(line, begin.end())
    assert rest is not None
    lines[place.line - 1] = line[: begin.end()].replace(old, key) + value + line[rest.end() :]
    return "\n".join(lines) + "\n"

"""Runs of a table, a line a cell: channel, cell, mass, protocol. All lines are checked before one of them starts."""

import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from labctl.cli.terminal.console_text import plain, say_checked, started
from labctl.control.client import PATIENCE, DaemonClient
from labctl.errors import FileError, LabctlError, UsageError
from labctl.finding import Mark
from labctl.inputs import read_file

WANTED = ("channel", "cell", "protocol")
DELIMITERS = ",;\t"
MOST = 10_000  # lines
UNIT = re.compile(r"(\w+)\s*[/(\[]\s*([^)\]]+?)\s*[)\]]?")  # `mass / mg`, `mass (mg)`, `mass [mg]`

Line = tuple[Mark, dict[str, object]]


def start_table(data: Path | None, path: Path, *, check: bool, json: bool) -> None:
    """Check every line of a table, then start them all; where one has an error, none starts.

    Raises:
        FileError: With the errors of all lines.
        LabctlError: One that had been checked could not begin after all; the others have.
    """
    lines = read_table(path)
    with DaemonClient(data, patience=0.0 if check else PATIENCE) as daemon:
        answers = list(_checked(daemon, lines))
        if check:
            say_checked(answers, json=json)
            return
        refusal: LabctlError | None = None
        for _, order in lines:
            try:
                started(daemon.order("start", order), json=json)
            except LabctlError as error:
                print(plain(f"{order['channel']}: not started: {error}"), file=sys.stderr)
                refusal = error
    if refusal is not None:
        raise UsageError(f"{path}: not all of its {len(lines)} lines were started; see above")


def read_table(path: Path) -> list[Line]:
    """Return the orders of a table with the place of each.

    A header names the columns: `channel`, `cell`, `protocol`, and if wanted `mass`, with a unit in each cell or in the header
    (`mass / mg`). Any other column is a parameter of the protocols; an empty cell leaves it as the protocol has it. Paths are taken
    from the table's own folder.

    Raises:
        FileError: With every finding.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read as UTF-8: {getattr(error, 'strerror', None) or error}") from error
    head = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=max(DELIMITERS, key=head.count))
    names = [_column(name) for name in next(rows, [])]
    known = [name for name, _ in names]
    first = Mark(str(path), 1, 1)
    findings = [
        f"{first}: wanted a column {name}, found {', '.join(known) or 'nothing'}"
        for name in WANTED
        if name not in known
    ]
    if findings:
        raise FileError("\n".join(findings))
    lines = [(Mark(str(path), rows.line_num, 1), _order(path, names, row)) for row in rows if any(map(str.strip, row))]
    if not 0 < len(lines) <= MOST:
        raise FileError(f"{first}: wanted 1 to {MOST} lines below the header, found {len(lines)}")
    if findings := [*_empty(lines), *_twice(lines)]:
        raise FileError("\n".join(findings))
    return lines


def _column(text: str) -> tuple[str, str]:
    """Return name and unit of a column."""
    name = text.strip()
    if (match := UNIT.fullmatch(name)) is not None:
        name, unit = match.groups()
        return name.lower() if name.lower() in {*WANTED, "mass"} else name, unit
    return name.lower() if name.lower() in {*WANTED, "mass"} else name, ""


def _order(path: Path, names: list[tuple[str, str]], row: list[str]) -> dict[str, object]:
    cells = {
        name: f"{text.strip()} {unit}".strip() for (name, unit), text in zip(names, row, strict=False) if text.strip()
    }
    order: dict[str, object] = {key: cells.pop(key) for key in ("channel", "mass") if key in cells}
    for key in ("cell", "protocol"):
        if key in cells:
            order[key] = _path(path.parent, cells.pop(key))
    return {**order, "values": cells} if cells else order


def _path(folder: Path, name: str) -> str:
    """Return a file beside the table by its whole path; a bare name that is none there is one of the library's."""
    beside = folder / name
    return name if Path(name).parent == Path() and not beside.is_file() else str(beside.absolute())


def _empty(lines: list[Line]) -> Iterator[str]:
    for mark, order in lines:
        if missing := [name for name in WANTED if name not in order]:
            yield f"{mark}: wanted {' and '.join(missing)} in this line, found nothing there"


def _twice(lines: list[Line]) -> Iterator[str]:
    seen: dict[object, Mark] = {}
    for mark, order in lines:
        channel = order.get("channel")
        if channel in seen:
            where = seen[channel].line
            yield f"{mark}: wanted each channel once, found {channel} here and in line {where}"
        elif channel is not None:
            seen[channel] = mark


def _checked(daemon: DaemonClient, lines: list[Line]) -> Iterator[dict[str, object]]:
    """Yield the daemon's answer to each line, nothing begun.

    Raises:
        FileError: With what is wrong in every line.
    """
    wrong: list[str] = []
    for mark, order in lines:
        try:
            answer = daemon.order("start", {**order, "check": True})
        except LabctlError as error:
            wrong.append(f"{mark.file}:{mark.line}: {order['channel']}: {error}")
        else:
            yield answer
    if wrong:
        count = f"{len(wrong)} of {len(lines)} lines cannot be started: none was"
        raise FileError("\n".join([*wrong, "", count]))

"""Find every error of a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.document import Finding
    from labctl.protocol.cell import Cell


def command(
    files: Annotated[
        list[Path], typer.Argument(help="protocol, cell or station files, or names of the library; - is stdin")
    ],
    *,
    cell: Annotated[
        Path | None, typer.Option("--cell", help="check protocols on this cell too", show_default=False)
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of the protocol")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object with all findings")] = False,
) -> None:
    """Find every error of a file, not the first: file, line, column, code, one sentence, the line, a hint.

    Without --cell a protocol is checked as far as no cell is needed. Exit code 1 if any file has an error.
    """
    from labctl.errors import CellError

    found: list[Finding] = []
    on: Cell | None = None
    if cell is not None:
        try:
            on = _cell(cell)
        except CellError as error:
            found += error.findings
    for file in files:
        found += _checked(file, on, values or [])
    errors = sum(finding.severity == "error" for finding in found)
    _show(files, found, errors, json=json)
    raise typer.Exit(1 if errors else 0)


def _cell(path: Path) -> "Cell":
    from labctl.cli.source import bounded
    from labctl.protocol.cellfile import load_cell

    return load_cell(bounded(path), str(path))


def _checked(path: Path, cell: "Cell | None", values: list[str]) -> "tuple[Finding, ...]":
    """Return the findings of one file; its first keys say what it is."""
    from labctl.cli.source import bounded, found_file, kind_of
    from labctl.protocol.cellfile import read_cell

    path = found_file(path)
    source = bounded(path)
    match kind_of(source):
        case "cell":
            return read_cell(source, str(path))[1]
        case "station":
            return _station(source, path)
    return _protocol(source, path, cell, values)


def _station(source: bytes, path: Path) -> "tuple[Finding, ...]":
    """Return the findings of a station file, those of its drivers' options among them."""
    from labctl.cli.source import driver_names
    from labctl.errors import StationError
    from labctl.finding import Finding, Mark, with_lines
    from labctl.run.drivers import make
    from labctl.settings import read_station

    station, found = read_station(source, str(path), driver_names())
    wrong = []
    for given in () if station is None or found else station.instruments.values():
        try:
            make(given.name, given.driver, given.options)
        except StationError as error:
            wrong.append(Finding("driver.options", str(error), given.mark or Mark(str(path), 1, 1)))
    return (*found, *with_lines(wrong, {str(path): source.decode()}))


def _protocol(source: bytes, path: Path, cell: "Cell | None", values: list[str]) -> "tuple[Finding, ...]":
    from labctl.cli.source import assignments, reader_for
    from labctl.errors import ProtocolError
    from labctl.protocol.binding import bind
    from labctl.protocol.check import check_with_cell
    from labctl.protocol.load import read

    loaded = read(source, str(path), reader_for(path))
    if loaded.protocol is None or loaded.errors or not (cell or values):
        return loaded.findings
    try:
        environment = bind(loaded.protocol, assignments(values))
    except ProtocolError as error:
        return (*loaded.findings, *error.findings)
    return (*loaded.findings, *check_with_cell(loaded.protocol, cell, environment)) if cell else loaded.findings


def _show(files: list[Path], found: "list[Finding]", errors: int, *, json: bool) -> None:
    import sys
    from json import dumps

    if json:
        print(dumps({"ok": not errors, "findings": [finding.as_json() for finding in found]}, ensure_ascii=False))
        return
    for finding in found:
        print(finding, end="\n\n", file=sys.stderr)
    warnings = len(found) - errors
    if errors:
        print(f"{errors} error{'s' * (errors != 1)}; labctl explain CODE says more about one", file=sys.stderr)
        return
    names = ", ".join(map(str, files))
    print(f"{names}: no errors" + (f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""))

"""Find every error of a file."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.finding import Finding
    from labctl.protocol.cell import Cell
    from labctl.protocol.editions import Change


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
    channel: Annotated[
        str, typer.Option("--channel", metavar="CH", help="check protocols on this channel too; needs --cell")
    ] = "",
    station: Annotated[
        Path | None, typer.Option("--station", help="whose channel; station.yaml where that is not named")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object with all findings")] = False,
    editions: Annotated[
        bool, typer.Option("--editions", help="name the conditions that meant something else by the first edition")
    ] = False,
) -> None:
    """Find every error of a file, not the first: file, line, column, code, one sentence, the line, a hint.

    A single cell file among the files is the cell of the protocols beside it; with several, or none, and without --cell they are
    checked as far as no cell is needed. Exit code 1 if any file has an error.
    """
    from labctl.errors import CellError

    _refuse_parted(files, values or [])
    _refuse_swapped(files, cell)
    if channel and cell is None:
        raise typer.BadParameter("a channel is checked with a cell: add --cell CELL", param_hint="--channel")
    findings: list[Finding] = []
    on: Cell | None = None
    among = _cells_among(files)
    given = cell if cell is not None else among[0] if len(among) == 1 else None
    if given is not None:
        try:
            on = _cell(given)
            findings += _of_model(on) if cell is not None else ()
        except CellError as error:
            findings += error.findings if cell is not None else ()  # a file that is named is checked by itself
    changes: list[Change] = []
    for file in files:
        findings += _checked(file, on, values or [], changes)
    findings = list({(finding.mark, finding.code, finding.message): finding for finding in findings}.values())
    if channel and on is not None and not any(finding.severity == "error" for finding in findings):
        findings += _on_channel(files, on, values or [], (channel, station))
    errors = sum(finding.severity == "error" for finding in findings)
    _show(files, findings, errors, changes if json or editions else [], json=json)
    if cell is None and len(among) > 1 and not json:
        print(f"note: of {len(among)} cell files none is taken for the protocols beside them: add --cell {among[0]}")
    raise typer.Exit(1 if errors else 0)


def _refuse_parted(files: list[Path], values: list[str]) -> None:
    """Refuse `--set rate 1C` and `--set rate=1 C`, whose second word would be a file."""
    from shlex import quote

    from labctl.cli.terminal.input_files import found_file
    from labctl.errors import UsageError

    behind = " ".join(str(file) for file in files if str(file) != "-" and not found_file(file).exists())
    alone = next((text for text in values if "=" not in text and text.isidentifier()), "")
    number = next((text for text in values if re.fullmatch(r"\w+=[-+\d.]+", text)), "")
    if alone and behind:
        raise UsageError(f"--set: wanted one word, found two; write --set {quote(f'{alone}={behind}')}")
    if number and re.fullmatch(r"[A-Za-z%\u00b5][\w/%]*", behind):
        raise UsageError(f"--set: wanted one word, found two; write --set {quote(f'{number} {behind}')}")


def _refuse_swapped(files: list[Path], cell: Path | None) -> None:
    """Refuse `check CELL --cell PROTOCOL`."""
    from labctl.errors import UsageError
    from labctl.inputs import swapped

    if len(files) == 1 and cell is not None and (message := swapped(str(files[0]), str(cell))):
        raise UsageError(message.replace("write ", "write labctl check "))


def _cell(path: Path) -> "Cell":
    from labctl.cli.terminal.input_files import bounded
    from labctl.errors import UsageError
    from labctl.inputs import missing_file, named_file
    from labctl.protocol.cellfile import load_cell
    from labctl.run.stand_in import with_model

    path = named_file(path, "cells")
    if not path.exists():
        raise UsageError(missing_file(path, "cell", "cells"))
    return with_model(load_cell(bounded(path), str(path)))


def _cells_among(files: list[Path]) -> list[Path]:
    """Return the cell files that stand beside other files."""
    from labctl.cli.terminal.input_files import bounded, found_file, kind_of

    if len(files) < 2 or Path("-") in files:  # stdin is read once
        return []
    cells = [file for file in files if kind_of(bounded(found_file(file))) == "cell"]
    return [found_file(file) for file in cells] if len(cells) < len(files) else []


def _of_model(cell: "Cell") -> "list[Finding]":
    """Return what is wrong with the model of a cell, as warnings: the protocol may be for the cell itself."""
    from dataclasses import replace

    from labctl.run.stand_in import model_findings

    return [replace(finding, severity="warning") for finding in model_findings(cell)]


def _checked(path: Path, cell: "Cell | None", values: list[str], changes: "list[Change]") -> "tuple[Finding, ...]":
    """Return the findings of one file; its first keys say what it is. Conditions that once meant something else go to `changes`."""
    from labctl.cli.terminal.input_files import bounded, found_file, kind_of
    from labctl.protocol.cellfile import read_cell

    path = found_file(path)
    source = bounded(path)
    match kind_of(source):
        case "cell":
            return _cell_file(*read_cell(source, str(path)))
        case "model":
            from labctl.run.stand_in import parameter_findings

            return parameter_findings(source.decode("utf-8", errors="replace"), str(path))
        case "station":
            return _station(source, path)
    return _protocol(source, path, cell, values, changes)


def _cell_file(cell: "Cell | None", findings: "tuple[Finding, ...]") -> "tuple[Finding, ...]":
    """Return the findings of a cell file, those of the model that stands in for it among them."""
    from labctl.errors import CellError
    from labctl.run.stand_in import model_findings, with_model

    if cell is None or not cell.model or any(finding.severity == "error" for finding in findings):
        return findings
    try:
        return (*findings, *model_findings(with_model(cell)))
    except CellError as error:
        return (*findings, *error.findings)


def _station(source: bytes, path: Path) -> "tuple[Finding, ...]":
    """Return the findings of a station file, those of its drivers' options among them."""
    from labctl.cli.terminal.input_files import driver_names
    from labctl.finding import with_lines
    from labctl.run.ability import station_findings
    from labctl.station.load import read_station

    station, findings = read_station(source, str(path), driver_names())
    errors = any(finding.severity == "error" for finding in findings)
    wrong = () if station is None or errors else station_findings(station)
    return (*findings, *with_lines(wrong, {str(path): source.decode()}))


def _protocol(
    source: bytes, path: Path, cell: "Cell | None", values: list[str], changes: "list[Change]"
) -> "tuple[Finding, ...]":
    import time

    from labctl.cli.terminal.input_files import assignments, reader_for
    from labctl.plan.check import check
    from labctl.plan.outside import Outside
    from labctl.protocol.editions import changed
    from labctl.protocol.load import read
    from labctl.run.outside import local

    loaded = read(source, str(path), reader_for(path))
    if loaded.protocol is not None and not loaded.errors:
        own = (
            change
            for change in changed(loaded.protocol)
            if change.mark.file == str(path) or _beside(path, change.mark.file)
        )
        changes += own  # the library's own files are of the second edition
    return check(loaded, cell, assignments(values), Outside(0, time.time(), local))


def _beside(path: Path, name: str) -> bool:
    """Tell whether a used file lies in the folder of the one that is checked."""
    return (path.parent / name).is_file()


def _on_channel(
    files: list[Path], cell: "Cell", values: list[str], place: tuple[str, Path | None]
) -> "tuple[Finding, ...]":
    """Return what keeps a channel from doing protocols to their end."""
    from labctl.cli.terminal.input_files import assignments, bounded, found_file, kind_of, reader_for
    from labctl.errors import FileError
    from labctl.finding import with_lines
    from labctl.plan.compile import compile_plans
    from labctl.plan.runnable import runnable
    from labctl.protocol.load import read
    from labctl.run.ability import ability_of
    from labctl.run.stations import found_station

    ability = ability_of(found_station(place[1], None, Path("data"))[0], place[0])
    findings: list[Finding] = []
    for file in map(found_file, files):
        source = bounded(file)
        if kind_of(source) in {"cell", "model", "station"}:
            continue
        loaded = read(source, str(file), reader_for(file))
        try:
            assert loaded.protocol is not None
            plan, *draws = compile_plans(
                loaded.protocol, cell, ability.capabilities, ability.bounds, assignments(values)
            )
        except FileError as error:
            findings += error.findings
            continue
        findings += with_lines(
            runnable(plan, ability.capabilities, ability.translate, ability.roles, draws), {str(file): source.decode()}
        )
    return tuple(findings)


def _show(files: list[Path], findings: "list[Finding]", errors: int, changes: "list[Change]", *, json: bool) -> None:
    import sys
    from json import dumps

    if json:
        before = [
            {"file": change.mark.file, "line": change.mark.line, "condition": change.text, "before": change.before}
            for change in changes
        ]
        content = {"ok": not errors, "findings": [finding.as_json() for finding in findings], "changed": before}
        print(dumps(content, ensure_ascii=False))
        return
    for finding in findings:
        print(finding, end="\n\n", file=sys.stderr)
    if changes:
        which = "; ".join(dict.fromkeys(f"{change.mark.file}:{change.mark.line} {change.text}" for change in changes))
        note = f"by the first edition of the language {which} meant something else"
        print(f"note: {note} (Editions in docs/reference/protocol.md)", file=sys.stderr)
    warnings = len(findings) - errors
    if errors:
        print(f"{errors} error{'s' * (errors != 1)}; labctl explain CODE says more about one", file=sys.stderr)
        return
    names = ", ".join(map(str, files))
    print(f"{names}: no errors" + (f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""))

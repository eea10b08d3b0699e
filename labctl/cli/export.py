"""A run as a file for others."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from labctl.errors import UsageError

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; or a postgresql:// copy; labctl.db here, else the daemon's",
    show_default=False,
)


class Format(StrEnum):
    """What can be written: rows as Battery Data Format or as `v_samples` has them, tables of cycles or steps, or spectra."""

    BDF_CSV = "bdf-csv"
    BDF_PARQUET = "bdf-parquet"
    CSV = "csv"
    CYCLES = "cycles"
    STEPS = "steps"
    IMPEDANCE = "impedance"


def command(
    run: Annotated[str, typer.Argument(help="run number, or the beginning of its uuid", show_default=False)] = "",
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write", show_default=False)],
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format", help="what to write; else BDF, by the file's ending as CSV or Parquet", show_default=False
        ),
    ] = None,
    db: Annotated[str, DB] = "",
    protocol: Annotated[
        Path | None,
        typer.Option("--protocol", help="write this protocol for another program instead of a run", show_default=False),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to", help="the other program: pybamm, unicycler, neware, eclab, maccor or battinfo", show_default=False
        ),
    ] = "",
    cell: Annotated[
        Path | None,
        typer.Option("--cell", help="cell file, with --protocol: its amperes are written", show_default=False),
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of the protocol")
    ] = None,
) -> None:
    """Write a run to a file, its spectra to one beside it, and protocol, plan, cell and events to a JSON sidecar.

    With --protocol FILE --to NAME --cell CELL a protocol is written for another program, and what that cannot say is listed.
    """
    if protocol is not None:
        _write_protocol(protocol, to, cell, values or [], output)
        return
    if not run or to or cell or values:
        raise UsageError("wanted a run, or --protocol FILE with --to and --cell, found neither whole")
    from labctl.cli.terminal.console import progress
    from labctl.control.endpoint import journal
    from labctl.store.export import export, format_of
    from labctl.store.reader import Reader

    with Reader(db or journal()) as reader, progress() as bar:
        stored = reader.find(run)
        task = bar.add_task("rows", total=stored.rows)
        wanted = kind.value if kind else format_of(output)
        files = export(reader, stored, output, wanted, lambda done: bar.update(task, completed=done))
    for file in files:
        typer.echo(str(file))


def _write_protocol(protocol: Path, to: str, cell: Path | None, values: list[str], output: Path) -> None:
    """Write a protocol for another program, and tell what is lost."""
    from labctl.exchange.methods.find import METHODS, written
    from labctl.inputs import assignments
    from labctl.plan.compile import compile_plan
    from labctl.run.files import read_files

    if cell is None:
        raise UsageError("--cell: wanted the cell whose amperes are written, found none")
    files = read_files(str(protocol), str(cell))
    text, losses = written(compile_plan(files.protocol, files.cell, None, None, assignments(values)), to)
    try:
        output.write_bytes(text.encode(METHODS[to].encoding, "replace"))
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    for each in losses:
        typer.echo(str(each))
    typer.echo(f"{output}: {len(losses)} things are not as in the protocol" if losses else f"{output}: nothing is lost")

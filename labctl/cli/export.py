"""A run as a file for others."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
    run: Annotated[str, typer.Argument(help="run number, or the beginning of its uuid", show_default=False)],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write", show_default=False)],
    kind: Annotated[Format, typer.Option("--format", help="what to write")] = Format.BDF_CSV,
    db: Annotated[str, DB] = "",
) -> None:
    """Write a run to a file, its spectra to one beside it, and protocol, plan, cell and events to a JSON sidecar."""
    from labctl.cli.terminal.console import progress
    from labctl.control.endpoint import journal
    from labctl.store.export import export
    from labctl.store.reader import Reader

    with Reader(db or journal()) as reader, progress() as bar:
        stored = reader.find(run)
        task = bar.add_task("rows", total=stored.rows)
        files = export(reader, stored, output, kind.value, lambda done: bar.update(task, completed=done))
    for file in files:
        typer.echo(str(file))

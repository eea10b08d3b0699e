"""Figures of a run, as a page, a print, a picture, or each by itself; and several runs beside each other."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[
        list[str],
        typer.Argument(help="run number, or the beginning of its uuid; several with --compare", show_default=False),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="file.html, .pdf or .png; a folder/ for each figure by itself; with --plot .svg too"
        ),
    ],
    plot: Annotated[str, typer.Option("--plot", help="one figure alone, by name", show_default=False)] = "",
    unit: Annotated[
        str, typer.Option("--unit", help="of capacities: mAh, mAh/g, uAh/cm2, uAh/cm2/um", show_default=False)
    ] = "",
    cycles: Annotated[str, typer.Option("--cycles", help="that are drawn: 1,2,50", show_default=False)] = "",
    compare: Annotated[
        bool, typer.Option("--compare", help="several runs beside each other, replicates as mean and spread")
    ] = False,
    db: Annotated[
        str,
        typer.Option(
            "--db",
            help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Write the figures, tables and plots of a run, complete in one file."""
    from labctl.control.endpoint import journal
    from labctl.errors import UsageError
    from labctl.store.reader import Reader

    if len(run) > 1 and not compare:
        raise UsageError(f"wanted one run, or --compare, found {len(run)} runs")
    with Reader(db or journal()) as reader:
        runs = [reader.find(each) for each in run]
        if compare:
            from labctl.report.compare import write_comparison

            write_comparison(output, reader, runs, unit)
        else:
            from labctl.report.files import write_of_run
            from labctl.report.plots.choose import Wish

            write_of_run(output, reader, runs[0], Wish(unit, numbers(cycles)), plot)
    if output.is_dir():
        typer.echo(f"{output}: {len(list(output.iterdir()))} files")
    else:
        typer.echo(f"{output}: {output.stat().st_size / 1024:.0f} kB")


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list with commas.

    Raises:
        UsageError: It is none.
    """
    from labctl.errors import UsageError

    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"wanted numbers of cycles such as 1,2,50, found {text!r}") from error

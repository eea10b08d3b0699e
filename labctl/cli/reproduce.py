"""A paper's measurements on simulated cells, beside what it published."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.report.reproduce import Reproduced

PAGE = "-o published.html writes a page"


def command(
    paper: Annotated[
        str, typer.Argument(help="paper of the library, or all; without, they are listed", show_default=False)
    ] = "",
    rows: Annotated[list[str] | None, typer.Argument(help="rows of it alone, such as D15", show_default=False)] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="write a page (.html), or a table (.md, .csv, .json)", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="processes; all cores without", show_default=False)] = 0,
    scheduler: Annotated[
        str,
        typer.Option(
            "--scheduler", help="of a Dask cluster, tls://HOST:PORT; this machine without", show_default=False
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="one JSON list instead of a table")] = False,
) -> None:
    """Run a paper's experiments on its simulated cells, analyse them, and compare with the numbers that it published."""
    import sys
    import time

    from labctl.errors import UsageError
    from labctl.report.published_page import FORMATS, as_json
    from labctl.report.reproduce import Experiment, experiments, papers, run_all
    from labctl.report.worker_pool import pool_of

    if not paper:
        for name, folder in papers().items():
            typer.echo(
                f"{name:<8} {len(list(folder.glob('*.yaml')))} measurements, {len(experiments(name))} with published numbers"
            )
        typer.echo("next: labctl reproduce all -o published.html")
        return
    if output is not None and output.suffix not in FORMATS:
        raise UsageError(f"wanted a file that ends in {', '.join(FORMATS)}, found {output}")
    wanted = experiments(paper, rows or [])
    begin = time.monotonic()

    def progress(experiment: Experiment, done: int, share: float) -> None:
        if sys.stderr.isatty():
            left = (time.monotonic() - begin) * (1.0 - share) / share
            sys.stderr.write(
                f"\r\x1b[K{done} of {len(wanted)}: {experiment.protocol} on {experiment.cell}; about {left:.0f} s left"
            )
            sys.stderr.flush()

    compared = list(run_all(wanted, pool_of(scheduler, workers), progress))
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if output is not None:
        output.write_text(FORMATS[output.suffix](compared), encoding="utf-8")
    if json:
        typer.echo(as_json(compared))
    else:
        _show(compared)
        typer.echo(_speed(compared, time.monotonic() - begin) + (f"; {output}" if output else f"; next: {PAGE}"))


def _speed(compared: "list[Reproduced]", took: float) -> str:
    """Say how long it took in s, and for how many simulated hours."""
    from labctl.report.reproduce import hours

    simulated = hours(compared)
    return f"{took:.0f} s for {simulated:.0f} simulated hours, {simulated / took:.0f} a second"


def _show(compared: "list[Reproduced]") -> None:
    """Print a line a number, and how many are met of those fitted and of those predicted."""
    from rich.table import Table

    from labctl.cli.terminal.console import console
    from labctl.report.published_page import HEAD, cells
    from labctl.report.reproduce import judgement

    table = Table(box=None, header_style="dim", padding=(0, 1))
    right = {"published", "simulated", "off"}
    for name in HEAD:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name not in {"figure", "state"})
    for each in compared:
        table.add_row(*cells(each))
    console().print(table)
    for line in judgement(compared):
        typer.echo(line)
    typer.echo(f"{sum(each.met for each in compared)} of {len(compared)} published numbers met")

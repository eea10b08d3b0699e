"""Figures of merit of a stored run."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.analysis.record import Analysis


def command(
    run: Annotated[str, typer.Argument(help="run number, or the beginning of its uuid", show_default=False)],
    names: Annotated[
        list[str] | None, typer.Argument(help="analyses; without, those of the protocol", show_default=False)
    ] = None,
    *,
    db: Annotated[
        str,
        typer.Option(
            "--db",
            help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
            show_default=False,
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
) -> None:
    """Tell the figures of merit of a run: those that its protocol asks for, or those named."""
    from labctl.control.place import journal
    from labctl.report.record import analyse, default_analyses, plan_of, record_of
    from labctl.store.reader import Reader

    where = db or journal()
    with Reader(where) as reader:
        found = reader.find(run)
        wanted = [(name, {}) for name in names] if names else default_analyses(plan_of(reader, found))
        analyses = analyse(record_of(reader, found), wanted)
    if json:
        typer.echo(as_json(analyses))
        return
    for analysis in analyses:
        show(analysis)
    typer.echo(f"next: labctl report {run} --db {where} -o run-{found.run_id}.html")


def as_json(analyses: "list[Analysis]") -> str:
    """Return analyses as one JSON object by name; what is not a number is null."""
    from dataclasses import asdict

    import orjson

    return orjson.dumps({analysis.name: asdict(analysis) for analysis in analyses}, option=orjson.OPT_INDENT_2).decode()


def show(analysis: "Analysis", most: int = 20) -> None:
    """Print an analysis: its figures, its flags, and the first and last rows of its table."""
    from rich.console import Console
    from rich.table import Table

    from labctl.cli.paper import console as paper

    console = paper()
    console.print(analysis.name, style="bold")
    for figure in analysis.figures:
        cycle = f"  (cycle {figure.cycle})" if figure.cycle is not None else ""
        console.print(
            f"  {figure.name:<34} {figure.value:>12.5g} {figure.unit}{cycle}", highlight=False, soft_wrap=True
        )
    for flag in analysis.flags:
        console.print(f"  {flag}", style="yellow", soft_wrap=True)
    rows = list(zip(*analysis.table.values(), strict=True))
    if not rows:
        return
    table = Table(box=None, header_style="dim", padding=(0, 2))
    for name in analysis.table:
        table.add_column(name, justify="right", no_wrap=True)
    kept = (
        rows if len(rows) <= most else [*rows[: most // 2], tuple("..." for _ in analysis.table), *rows[-most // 2 :]]
    )
    for row in kept:
        table.add_row(*(f"{value:.5g}" if isinstance(value, float) else str(value) for value in row))
    needed = sum(max(len(name), 12) + 4 for name in analysis.table)  # a terminal wraps better than a table does
    Console(width=max(console.width, needed), markup=False).print(table)

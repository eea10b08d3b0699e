"""Figures of merit of a stored run."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.analysis.run_record import Analysis


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
    keep: Annotated[
        bool,
        typer.Option("--store/--no-store", help="keep what comes out in the journal, beside that of other versions"),
    ] = True,
    history: Annotated[bool, typer.Option("--history", help="what is stored of this run, by every version")] = False,
) -> None:
    """Tell the figures of merit of a run: those that its protocol asks for, or those named."""
    import sys
    import time

    from labctl.control.endpoint import journal
    from labctl.report.stored import news, store
    from labctl.store.queries import ANALYSES_OF_RUN
    from labctl.store.reader import Reader

    where = db or journal()
    with Reader(where) as reader:
        stored_run = reader.find(run)
        if history:
            show_history(reader.query(ANALYSES_OF_RUN, run=stored_run.run_id))
            return
        analyses, events = news(reader, stored_run, time.time(), names or [])
    if keep:
        store(str(where), stored_run.run_id, events, lambda why: print(why, file=sys.stderr))
    if json:
        typer.echo(as_json(analyses))
        return
    for analysis in analyses:
        show(analysis)
    typer.echo(f"next: labctl report {run} --db {where} -o run-{stored_run.run_id}.html")


def show_history(rows: "Sequence[Sequence[Any]]") -> None:
    """Print what is stored of a run: each analysis by each version, its inputs, figures and flags."""
    import orjson

    from labctl.analysis.digits import shown
    from labctl.cli.terminal.console import console

    out = console()
    for analysis, options, version, _, _, inputs, figures, flags in rows:
        given = "" if options == "{}" else f" {options}"
        made_of = orjson.loads(inputs)
        out.print(f"{analysis}{given}, labctl {version}, {made_of['complete_cycles']} cycles", style="bold")
        for each in orjson.loads(figures):
            out.print(f"  {each['name']:<34} {shown(each['value'], each['unit']):>12} {each['unit']}", soft_wrap=True)
        for flag in orjson.loads(flags):
            out.print(f"  {flag}", style="yellow", soft_wrap=True)


def as_json(analyses: "list[Analysis]") -> str:
    """Return analyses as one JSON object by name; what is not a number is null."""
    from dataclasses import asdict

    import orjson

    return orjson.dumps({analysis.name: asdict(analysis) for analysis in analyses}, option=orjson.OPT_INDENT_2).decode()


def show(analysis: "Analysis", most: int = 20) -> None:
    """Print an analysis: its figures, its flags, and the first and last rows of its table."""
    from rich.console import Console
    from rich.table import Table

    from labctl.analysis.digits import shown, texts
    from labctl.cli.terminal.console import console

    out = console()
    out.print(analysis.name, style="bold")
    for figure in analysis.figures:
        cycle = f"  (cycle {figure.cycle})" if figure.cycle is not None else ""
        value = shown(figure.value, figure.unit)
        out.print(f"  {figure.name:<34} {value:>12} {figure.unit}{cycle}", highlight=False, soft_wrap=True)
    for flag in analysis.flags:
        out.print(f"  {flag}", style="yellow", soft_wrap=True)
    rows = list(zip(*texts(analysis.table).values(), strict=True))
    if not rows:
        return
    table = Table(box=None, header_style="dim", padding=(0, 2))
    for name in analysis.table:
        table.add_column(name, justify="right", no_wrap=True)
    kept = (
        rows if len(rows) <= most else [*rows[: most // 2], tuple("..." for _ in analysis.table), *rows[-most // 2 :]]
    )
    for row in kept:
        table.add_row(*row)
    needed = sum(max(len(name), 12) + 4 for name in analysis.table)  # a terminal wraps better than a table does
    Console(width=max(out.width, needed), markup=False).print(table)

"""What is in the journal."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.store.entry import StoredRun

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; or a postgresql:// copy; labctl.db here, else the daemon's",
    show_default=False,
)


def command(
    *,
    db: Annotated[str, DB] = "",
    active: Annotated[bool, typer.Option("--active", help="those that have not ended")] = False,
    json: Annotated[bool, typer.Option("--json", help="a JSON array instead of a table")] = False,
) -> None:
    """List the stored runs: protocol, cell, channel, how far and how they ended."""
    from dataclasses import asdict

    import orjson

    from labctl.control.endpoint import journal
    from labctl.store.reader import Reader

    with Reader(db or journal()) as reader:
        stored = reader.runs(active=active)
    if json:
        typer.echo(orjson.dumps([asdict(run) for run in stored], option=orjson.OPT_INDENT_2).decode())
    elif stored:
        show(stored)
    else:
        typer.echo("no runs yet; labctl simulate or labctl start makes the first")


def show(runs: "list[StoredRun]") -> None:
    """Print runs as a table."""
    from datetime import UTC, datetime

    from rich.table import Table

    from labctl.cli.terminal.console import console

    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("run", justify="right", no_wrap=True)
    for name in ("began (UTC)", "channel", "data", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "hours"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("cell", "protocol"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for run in runs:
        began = datetime.fromtimestamp(run.began_unix_time, UTC).strftime("%Y-%m-%d %H:%M")
        state = run.activity if run.active else run.end_reason or "ended"
        hours = f"{run.test_time / 3600:.2f}"
        row = (
            str(run.run_id),
            began,
            run.channel or "-",
            "imported" if run.imported else "simulated" if run.simulated else "measured",
            state,
            f"{run.rows:,}",
            hours,
            run.cell,
            run.protocol,
        )
        table.add_row(*row)
    console().print(table)

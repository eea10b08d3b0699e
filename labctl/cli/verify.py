"""Check the journal."""

from typing import Annotated

import typer

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
    show_default=False,
)
MOST = 20  # findings shown


def command(
    run: Annotated[str | None, typer.Argument(help="this run alone; without, all", show_default=False)] = None,
    *,
    db: Annotated[str, DB] = "",
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of text")] = False,
) -> None:
    """Check that what is stored is what was written: chain of digests, gaps, order of time and counters."""
    from dataclasses import asdict

    import orjson

    from labctl.cli.paper import progress
    from labctl.control.place import journal
    from labctl.store.reader import Reader
    from labctl.store.verify import verify

    where = db or journal()
    with Reader(where) as reader:
        run_id = None if run is None else reader.find(run).run_id
    with progress() as bar:
        task = bar.add_task("commits", total=None)
        found = verify(where, run_id, lambda done, last: bar.update(task, completed=done, total=last))
    if json:
        typer.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode())
    else:
        for finding in found.findings[:MOST]:
            typer.echo(str(finding))
        if len(found.findings) > MOST:
            typer.echo(f"... and {len(found.findings) - MOST} more")
        verdict = "whole" if found.whole else f"NOT whole: {len(found.findings)} findings"
        typer.echo(
            f"{found.commits:,} commits, {found.runs:,} run{'s' * (found.runs != 1)}, {found.rows:,} rows: {verdict}"
        )
    if not found.whole:
        raise typer.Exit(1)

"""Rows of old runs in files of their own."""

from pathlib import Path
from typing import Annotated

import typer

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
    show_default=False,
)


def command(
    run: Annotated[
        str,
        typer.Argument(
            help="run number, or the beginning of its uuid; with --older-than the folder stands here",
            show_default=False,
        ),
    ],
    folder: Annotated[Path | None, typer.Argument(help="folder that keeps the file", show_default=False)] = None,
    *,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="TIME", help="all runs that ended so long ago, such as '90 d'", show_default=False
        ),
    ] = "",
    back: Annotated[bool, typer.Option("--back", help="put the rows back into the journal")] = False,
    db: Annotated[str, DB] = "",
) -> None:
    """Move the rows of an ended run from the journal to a Parquet file, which every verb reads as before, or put them back.

    No daemon may have the journal open: it is its only writer.
    """
    import time

    from labctl.control.endpoint import journal
    from labctl.errors import UsageError
    from labctl.store.archive import archive, archive_old, take_back
    from labctl.store.journal import Journal
    from labctl.store.reader import Reader

    if older_than:
        from labctl.quantity.parse import parse

        if folder is not None or back:
            raise UsageError("wanted one folder beside --older-than, found more")
        age = parse(older_than, "duration").value_si
        with Journal.open(db or journal(), create=False) as opened:
            for file in archive_old(opened, time.time() - age, Path(run)):
                typer.echo(f"{file}: the rows of a run, which must stay there")
        return
    if back == (folder is not None):
        raise UsageError("wanted a folder for the file, or --back to put the rows back, found both or neither")
    where = db or journal()
    with Reader(where) as reader:
        run_id = reader.find(run).run_id
    with Journal.open(where, create=False) as opened:
        if folder is None:
            file = take_back(opened, run_id)
            typer.echo(f"run {run_id}: its rows are in the journal again; {file} is needed no more")
        else:
            typer.echo(f"run {run_id}: its rows are in {archive(opened, run_id, folder)}, which must stay there")

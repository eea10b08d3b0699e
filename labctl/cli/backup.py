"""A copy of the journal that can be opened again."""

from pathlib import Path
from typing import Annotated

import typer

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
    show_default=False,
)


def command(
    folder: Annotated[Path, typer.Argument(help="folder to make, or an empty one", show_default=False)],
    *,
    db: Annotated[str, DB] = "",
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of text")] = False,
) -> None:
    """Copy the journal into a folder of its own while the daemon goes on, and check the copy.

    `labctl serve --data FOLDER` opens it; runs that were active in it ask before they go on.
    """
    from dataclasses import asdict

    import orjson

    from labctl.control.endpoint import journal
    from labctl.store.backup import backup

    made = backup(db or journal(), folder)
    if json:
        typer.echo(orjson.dumps(asdict(made), default=str).decode())
        return
    typer.echo(f"{made.folder}: {made.runs} run{'s' * (made.runs != 1)}, whole")
    if made.head is not None:
        typer.echo(f"head: {made.head}")
    for file in made.archives:
        typer.echo(f"note: the rows of an archived run lie in {file}, which is not in the backup")

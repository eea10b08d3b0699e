"""The dry run: a protocol on a simulated cell, into a database."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    protocol: Annotated[Path, typer.Argument(help="protocol file, or the name of a shipped one", show_default=False)],
    *,
    cell: Annotated[
        Path, typer.Option("--cell", help="cell file; its `model` is what is simulated", show_default=False)
    ],
    db: Annotated[
        str, typer.Option("--db", help="journal to write: sqlite:///FILE, a file, or a data folder")
    ] = "sqlite:///labctl.db",
    seed: Annotated[int, typer.Option("--seed", help="of everything random in the cell and its instrument")] = 0,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of the protocol")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of sentences")] = False,
) -> None:
    """Run a protocol on a simulated cell as fast as it goes; every row is in the database when it ends."""
    from labctl.run.dryrun import dry_run

    raise typer.Exit(dry_run(str(protocol), str(cell), db, seed=seed, values=values or [], as_json=json))

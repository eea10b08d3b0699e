"""End the running step."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    target: Annotated[list[str], typer.Argument(metavar="CHANNEL", help="channels, or ids of runs that are active")],
    *,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """End the running step as it is and go on with the next one."""
    from labctl.control.said import give

    give(data, "skip", target, json=json)

"""Write a remark into a run's record."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    target: Annotated[str, typer.Argument(metavar="CHANNEL", help="channel, or id of a run that is active")],
    text: Annotated[str, typer.Argument(help="the remark")],
    *,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Write a remark into the run's record, with its moment and your name."""
    from labctl.control.said import give

    give(data, "note", [target], text=text, json=json)

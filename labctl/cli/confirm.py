"""Answer a prompt."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    target: Annotated[str, typer.Argument(metavar="CHANNEL", help="channel, or id of a run that is active")],
    text: Annotated[str, typer.Argument(help="what is to be kept with the answer")] = "",
    *,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Answer the prompt that a run waits at; it goes on. What it waits for: labctl why CHANNEL."""
    from labctl.control.said import give

    give(data, "confirm", [target], text=text, json=json)

"""What a channel waits for."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    channel: Annotated[str, typer.Argument(help="name in the station file")],
    *,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Say in one line what a channel waits for, and the command that unblocks it."""
    from labctl.cli.terminal.console_text import as_json, because
    from labctl.control.client import DaemonClient

    with DaemonClient(data) as daemon:
        answer = daemon.why(channel)
    if json:
        as_json(answer)
    else:
        print(because(answer))

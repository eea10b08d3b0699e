"""All channels, one line each."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="a JSON array instead of a table")


def command(
    channels: Annotated[
        list[str] | None, typer.Argument(metavar="CHANNEL", help="those alone", show_default=False)
    ] = None,
    *,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Show all channels, one line each: state, step, values, progress, time left, and what they wait for."""
    from labctl.control.client import DaemonClient
    from labctl.control.said import as_json, chosen

    with DaemonClient(data) as daemon:
        rows = chosen(daemon.status(), channels or [])
    if json:
        as_json(rows)
    else:
        from labctl.control.view import to_terminal

        to_terminal(rows)

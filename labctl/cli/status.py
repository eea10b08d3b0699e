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
    from labctl.cli.terminal.console_text import as_json, chosen, plain
    from labctl.control.client import DaemonClient

    with DaemonClient(data) as daemon:
        every, alarms = daemon.station()
        rows = chosen(every, channels or [])
    if json:
        as_json(rows)
    else:
        from labctl.cli.terminal.channel_table import to_terminal

        to_terminal(rows)
    for alarm in alarms:
        typer.echo(f"{alarm['severity']}: {plain(alarm['text'])}", err=True)

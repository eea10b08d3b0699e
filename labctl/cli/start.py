"""Start a protocol on a channel."""

# ruff: noqa: PLC0415 - what a verb needs is imported when it runs

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    protocol: Annotated[Path, typer.Argument(help="protocol file", show_default=False)],
    *,
    channel: Annotated[str, typer.Option("--channel", "-c", help="name in the station file", show_default=False)],
    cell: Annotated[Path, typer.Option("--cell", help="cell file", show_default=False)],
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of the protocol")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="show progress and time left until it ends")] = False,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Start a protocol on a channel. Everything is checked first: nothing is energised by a file that has an error."""
    from labctl.control.said import begin, parameters

    wanted = {
        "protocol": str(protocol.absolute()),
        "cell": str(cell.absolute()),
        "channel": channel,
        "values": parameters(values or []),
    }
    begin(data, "start", wanted, follow=follow, json=json)

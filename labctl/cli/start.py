"""Start a protocol on a channel."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    protocol: Annotated[Path, typer.Argument(help="protocol file, or the name of a shipped one", show_default=False)],
    *,
    channel: Annotated[str, typer.Option("--channel", "-c", help="name in the station file", show_default=False)],
    cell: Annotated[Path, typer.Option("--cell", help="cell file, or the name of a shipped one", show_default=False)],
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
        "protocol": here_or_shipped(protocol),
        "cell": here_or_shipped(cell),
        "channel": channel,
        "values": parameters(values or []),
    }
    begin(data, "start", wanted, follow=follow, json=json)


def here_or_shipped(path: Path) -> str:
    """Return a file of this folder by its whole path, and a bare name that is none here as it is: one of the library's."""
    return str(path) if path.parent == Path() and not path.is_file() else str(path.absolute())

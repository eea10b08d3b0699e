"""A live table of channels, fed from MQTT."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="every message as one line of JSON")


def command(
    channels: Annotated[
        list[str] | None, typer.Argument(metavar="CHANNEL", help="those alone", show_default=False)
    ] = None,
    *,
    broker: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="from another machine: the broker", show_default=False)
    ] = "",
    prefix: Annotated[str, typer.Option(help="from another machine: the topics, such as labctl/1/bench")] = "",
    username: Annotated[str, typer.Option(help="of the broker", show_default=False)] = "",
    password_file: Annotated[Path | None, typer.Option(help="file with the password", show_default=False)] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="authority of the broker's certificate", show_default=False)
    ] = None,
    until_done: Annotated[bool, typer.Option("--until-done", help="end when nothing runs any more")] = False,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Watch channels live: state, step, values, progress, time left. Fed from MQTT; Ctrl-C ends it, the runs go on."""
    from labctl.cli.terminal.live_table import look
    from labctl.control.client import DaemonClient
    from labctl.publish.board import Board
    from labctl.publish.broker import BrokerAddress, named

    if broker:
        if not prefix:
            raise typer.BadParameter("wanted --prefix beside --broker, such as labctl/1/bench")
        address = named(broker, username, password_file, ca_file)
    else:
        with DaemonClient(data) as daemon:
            info = daemon.info()
        address, prefix = BrokerAddress.from_info(info), prefix or str(info.get("mqtt_prefix", ""))
    look(Board(prefix, tuple(channels or ())), address, json=json, until_done=until_done)

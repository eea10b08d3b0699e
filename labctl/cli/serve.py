"""The daemon."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    *,
    station: Annotated[
        Path | None,
        typer.Option(
            "--station", help="station file; station.yaml here, else four simulated channels", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="data folder, in place of the station's `store`", show_default=False),
    ] = None,
    clock: Annotated[
        str, typer.Option("--clock", help="real, fast, or how many times faster, in place of the station's")
    ] = "",
    log: Annotated[
        Literal["text", "json"],
        typer.Option("--log", envvar="LABCTL_LOG", help="lines for people, or one JSON object a line"),
    ] = "text",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="go on with a data folder of another station, machine or place")
    ] = False,
    attached: Annotated[bool, typer.Option("--attached", help="end with the standard input, too", hidden=True)] = False,
) -> None:
    """Run the daemon: it drives the channels of a station until a signal ends it, and goes on with what it finds."""
    import os

    from labctl.clock import make_clock
    from labctl.control.endpoint import data_folder
    from labctl.errors import UsageError
    from labctl.logs import log_to
    from labctl.publish.broker import embedded_broker
    from labctl.run.stations import found_station
    from labctl.store.identity import claim

    given, folder = found_station(station, data, data or data_folder())
    if data is None and (exported := os.environ.get("LABCTL_DATA")) and Path(exported).absolute() != folder.absolute():
        print(f"LABCTL_DATA={exported} is not used: the station file says store: {given.store}", flush=True)
    copied = claim(folder, given.name, take_over=take_over)
    log_to(folder, structured=log == "json")
    try:
        chosen = make_clock(clock) if clock else None
    except ValueError as error:
        raise UsageError(f"wanted a clock as real, fast or a factor, found {clock!r}") from error
    mqtt, broker = given.mqtt, None
    if mqtt.broker == "embedded":
        broker = embedded_broker(mqtt.host, mqtt.port, folder, orders=mqtt.commands != "off")
        broker.begin()
    from labctl.daemon import serve  # as much work as the broker has to come up: both at once

    raise typer.Exit(
        serve(given, folder, chosen, lambda text: print(text, flush=True), broker, copied=copied, attached=attached)
    )

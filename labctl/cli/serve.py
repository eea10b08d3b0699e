"""The daemon."""

from pathlib import Path
from typing import Annotated

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
        typer.Option(
            "--data", envvar="LABCTL_DATA", help="data folder, in place of the station's `store`", show_default=False
        ),
    ] = None,
    clock: Annotated[
        str, typer.Option("--clock", help="real, fast, or how many times faster, in place of the station's")
    ] = "",
    attached: Annotated[bool, typer.Option("--attached", help="end with the standard input, too", hidden=True)] = False,
) -> None:
    """Run the daemon: it drives the channels of a station until a signal ends it, and goes on with what it finds."""
    import logging

    from labctl.clock import make_clock
    from labctl.control.place import data_folder
    from labctl.errors import UsageError
    from labctl.publish.broker import EmbeddedBroker
    from labctl.run.stations import found_station

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("labctl").setLevel(logging.INFO)
    given, folder = found_station(station, data, data_folder())
    try:
        chosen = make_clock(clock) if clock else None
    except ValueError as error:
        raise UsageError(f"wanted a clock as real, fast or a factor, found {clock!r}") from error
    broker = EmbeddedBroker(given.mqtt.host, given.mqtt.port) if given.mqtt.broker == "embedded" else None
    if broker is not None:
        broker.begin()
    from labctl.daemon import serve  # as much work as the broker has to come up: both at once

    raise typer.Exit(serve(given, folder, chosen, lambda text: print(text, flush=True), broker, attached=attached))

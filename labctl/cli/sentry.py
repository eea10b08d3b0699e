"""A second machine that watches the first: when its pages fall silent, somebody is told."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    of: Annotated[str, typer.Argument(help="address of the pages that are watched, such as https://bench.lab:8443")],
    *,
    station: Annotated[
        Path, typer.Option("--station", help="file whose notify: routes are used; it needs no channels of its own")
    ] = Path("station.yaml"),
    every: Annotated[float, typer.Option("--every", help="s between two looks")] = 20.0,
    misses: Annotated[
        int, typer.Option("--misses", help="looks in a row without an answer until somebody is told")
    ] = 3,
    once: Annotated[bool, typer.Option("--once", help="look once, and say what was seen")] = False,
) -> None:
    """Ask another station's pages whether its daemon answers, and tell people by this station's routes when nobody does.

    Two machines may watch each other. It asks without signing in, and learns three words.
    """
    import time

    from labctl.notify.sentry import Sentry, asked
    from labctl.station.load import load_station

    if once:
        trouble = asked(of)
        print(trouble or f"{of} answers, and so does its daemon")
        raise typer.Exit(1 if trouble else 0)
    given = load_station(station.read_text(encoding="utf-8"), str(station))
    sentry = Sentry(of, given, misses=misses)
    while True:
        sentry.look()
        time.sleep(every)

"""Alarms that reach a person."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.station.settings import Station
    from labctl.store.location import Lock

ENDING = 10.0  # s that a sender may take to end after its daemon
AGAIN = 0.1  # s between two looks for that


def command(
    *,
    station: Annotated[
        Path | None, typer.Option("--station", help="station file with notify:; station.yaml here", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="send one real message by every route")] = False,
    replay: Annotated[
        str, typer.Option("--replay", help="what the rules would have sent lately, such as 30d", show_default=False)
    ] = "",
    attached: Annotated[bool, typer.Option("--attached", help="end with the standard input, too", hidden=True)] = False,
) -> None:
    """Tell people what happens at a station, by the routes of its file: mail, a webhook, ntfy.

    The daemon runs this by itself where the station file says notify:. With --test every route is tried once; with --replay what
    is stored is folded again, and nothing is sent.
    """
    from labctl.control.endpoint import data_folder
    from labctl.run.stations import found_station

    given, folder = found_station(station, data, data or data_folder())
    if test:
        raise typer.Exit(_test(given))
    if replay:
        _replay(given, folder, replay)
        return
    _run(given, folder, attached=attached)


def _test(station: "Station") -> int:
    from labctl.notify.service import try_routes

    answers = try_routes(station)
    for name, trouble in answers.items():
        print(f"{name}: {trouble or 'accepted'}")
    if not answers:
        print("the station file names no route: notify: {routes: {lab: {ntfy: https://ntfy.sh/TOPIC}}}")
    return 1 if not answers or any(answers.values()) else 0


def _replay(station: "Station", folder: Path, length: str) -> None:
    import time

    from labctl.errors import UsageError
    from labctl.notify.grouping import Rules
    from labctl.notify.service import replayed
    from labctl.notify.text import body, subject
    from labctl.store.reader import Reader

    units = {"h": 3600.0, "d": 86400.0}
    if length[-1:] not in units or not length[:-1].isdecimal():
        raise UsageError(f"--replay: wanted a time such as 30d or 12h, found {length!r}")
    rules = Rules(station.notify.quiet if station.notify else None)
    with Reader(folder) as reader:
        messages = replayed(reader, rules, time.time() - int(length[:-1]) * units[length[-1]])
    for message in messages:
        print(f"{message.level:<7} {subject(message, station.name)}")
        print("\n".join(f"        {line}" for line in body(message, station.name).splitlines()))
    print(f"{len(messages)} messages")


def _only_one(folder: Path, patience: float) -> "Lock":
    """Be the one sender of a data folder's alarms; wait so many s for one of before, whose daemon has just ended."""
    import time

    from labctl.errors import StoreBusy
    from labctl.store.location import Lock

    deadline = time.monotonic() + patience
    while True:
        try:
            return Lock(folder / "notify.lock", f"the sender of the alarms of {folder}")
        except StoreBusy as error:
            if time.monotonic() >= deadline:
                words = f"{error}: every message would come twice; --test tries the routes, --replay shows the rules"
                raise StoreBusy(words) from error
        time.sleep(AGAIN)


def _run(station: "Station", folder: Path, *, attached: bool) -> None:
    import os
    import signal
    import threading

    from labctl.errors import StoreBusy
    from labctl.notify.service import Sender
    from labctl.store.location import Lock

    try:
        lock = Lock(folder / "notify.lock", f"the sender of the alarms of {folder}")
    except StoreBusy as error:
        raise StoreBusy(
            f"{error}: every message would come twice; --test tries the routes, --replay shows the rules"
        ) from error
    stop = threading.Event()
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: stop.set())
    if attached:

        def listen() -> None:
            while os.read(0, 4096):
                pass
            stop.set()

        threading.Thread(target=listen, name="parent", daemon=True).start()
    sender = Sender(station, folder)
    print(f"alarms go by {', '.join(station.notify.routes) if station.notify else 'no route'}", flush=True)
    try:
        sender.run(stop)
    finally:
        sender.close()
        lock.release()

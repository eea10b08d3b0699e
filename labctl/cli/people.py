"""The people of a station, and what lets them in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.store.people import People

ACTIONS = ("list", "add", "remove", "link", "password", "token", "revoke", "audit")
DAY = 86400.0


def command(
    action: Annotated[str, typer.Argument(help=" | ".join(ACTIONS))] = "list",
    name: Annotated[str, typer.Argument(help="whose; of revoke, the id that list shows", show_default=False)] = "",
    *,
    role: Annotated[str, typer.Option("--role", help="viewer, operator or admin")] = "operator",
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "--channel", "-c", metavar="PATTERN", help="where they may give orders, such as A*; all where none"
        ),
    ] = None,
    days: Annotated[float, typer.Option("--days", help="for how long a token is good")] = 90.0,
    label: Annotated[str, typer.Option("--label", help="what a token is for")] = "",
    address: Annotated[
        str, typer.Option("--address", help="of the pages, for a link; by station.yaml here if not", show_default=False)
    ] = "",
    data: Annotated[
        Path | None, typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a table")] = False,
) -> None:
    """Say who may see the pages and give orders there: people, their roles, links that are good once, passwords, tokens.

    Who can read the data folder owns the station: this verb asks for no password. There is nobody at first.
    """
    import time

    from labctl.control.client import person
    from labctl.control.endpoint import data_folder
    from labctl.errors import UsageError
    from labctl.store.people import People

    if action not in ACTIONS:
        raise UsageError(f"wanted one of {', '.join(ACTIONS)}, found {action!r}")
    if action not in {"list", "audit"} and not name:
        raise UsageError(f"people {action}: wanted a name")
    with People(data or data_folder(), time.time) as people:
        if action == "list":
            _list(people, json=json)
            return
        if action == "audit":
            _audit(people, json=json)
            return
        words = _done(people, action, name, (role, tuple(channel or ("*",)), days, label, address))
        people.note(f"{person()}/machine", f"people {action}", name)
        print(words)


def _pages() -> str:
    """Return where the pages of the station file that lies here are, as a browser asks for them."""
    from labctl.run.stations import found_station
    from labctl.station.settings import WebSettings
    from labctl.web.server import address_of

    return address_of(found_station(None, None, Path())[0].web or WebSettings()).url


def _done(people: "People", action: str, name: str, how: tuple[str, tuple[str, ...], float, str, str]) -> str:
    from labctl.store.people import LONGEST

    role, channels, days, label, address = how
    match action:
        case "add":
            added = people.add(name, role, channels)
            return f"{name} is {added.role} on {', '.join(added.channels)}; let them in: labctl people link {name}"
        case "remove":
            people.remove(name)
            return f"{name} is removed, with everything that let them in"
        case "link":
            pages = (address or _pages()).rstrip("/")  # before a link is made that nobody would see
            return f"{pages}/enter#{people.issue('link', name, LONGEST['link'])}\ngood once, for 15 minutes"
        case "password":
            people.set_password(name, _asked(name))
            return f"{name} has a new password; their sessions have ended"
        case "token":
            return people.issue("token", name, days * DAY, label)
    return f"{name} lets nobody in any more" if people.revoke(name) else f"nothing has the id {name}"


def _asked(name: str) -> str:
    """Return a password that is typed without being shown, or the first line of what is piped in."""
    import getpass
    import sys

    from labctl.errors import UsageError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first, second = getpass.getpass(f"new password of {name}: "), getpass.getpass("again: ")
    if first != second:
        raise UsageError("the two passwords differ: nothing was changed")
    return first


def _list(people: "People", *, json: bool) -> None:
    from dataclasses import asdict

    import orjson

    known, keys = people.all(), people.keys()
    if json:
        print(
            orjson.dumps({"people": [asdict(each) for each in known], "keys": [asdict(each) for each in keys]}).decode()
        )
        return
    if not known:
        print("nobody yet; labctl people add NAME --role admin makes the first")
    for each in known:
        print(
            f"{each.name:<20} {each.role:<9} {', '.join(each.channels):<16} {'password' if each.password else ''}".rstrip()
        )
    for key in keys:
        print(f"  {key.id}  {key.kind} of {key.name}, until {_day(key.expires)}{f', {key.label}' if key.label else ''}")


def _audit(people: "People", *, json: bool) -> None:
    from dataclasses import asdict

    import orjson

    count, entries = people.verify(), people.audit(most=200)
    if json:
        print(orjson.dumps({"entries": [asdict(each) for each in entries], "verified": count}).decode())
        return
    for each in reversed(entries):
        print(f"{_day(each.time)}  {each.who:<20} {each.what}{f': {each.detail}' if each.detail else ''}")
    print(f"{count} entries, none changed or gone")


def _day(unix: float) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(unix).astimezone():%Y-%m-%d %H:%M}"

"""The verbs that give an order, made from the table of orders: one function of typer for each."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from labctl.control.order_table import ORDERS, Argument, OrderSpec

TYPES = {
    "name": str, "file": Path | None, "text": str, "step": int | None, "count": int | None, "values": list[str] | None,
    "time": str, "flag": bool,
}  # fmt: skip
UNSET = {"name": "", "file": None, "text": "", "step": None, "count": None, "values": None, "time": "", "flag": False}
DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")
ID = typer.Option(
    "--id", metavar="ID", help="of an order that was not answered: the same id is obeyed once", show_default=False
)
TABLE = typer.Option(
    "--table", metavar="FILE", help="CSV with a line a cell: channel, cell, mass, protocol; all are checked before one starts",
    show_default=False,
)  # fmt: skip
FOLLOW = typer.Option("--follow", "-f", help="show progress and time left until it ends")
RUN = typer.Option("--run", metavar="RUN", help="only if this run is on the channel", show_default=False)
CELL_KEYS = {"mass": "active_mass", "active_mass": "active_mass", "area": "area", "film_thickness": "film_thickness"}
EVERYWHERE = "*"  # as the daemon takes it
ALL = typer.Option("--all", help="every channel that has a run")
ANOTHER = typer.Option("--channel", "-c", metavar="CHANNEL", help="another channel for the new run", show_default=False)


def orders() -> set[str]:
    """Return the verbs of the table that are given as orders; the questions have files of their own."""
    return {verb for verb, order in ORDERS.items() if not order.asks}


def command_of(verb: str) -> Callable[..., None]:
    """Return what typer runs for a verb of the table."""
    order = ORDERS[verb]

    def command(*, data: Path | None, json: bool, **given: Any) -> None:
        follow, table = bool(given.pop("follow", False)), given.pop("table", None)
        if table is not None:
            from labctl.cli.terminal.start_table import start_table

            start_table(data, table, check=bool(given.get("check")), json=json)
            return
        if order.table:
            _refuse_without(order, given)
        targets = given.pop("target", [])
        arguments = {
            argument.name: spelled(argument, given.pop(argument.name))
            for argument in order.arguments
            if argument.name in given
        }
        named = [targets] if isinstance(targets, str) else list(targets or ())
        if given.pop("everywhere", False):
            named = [EVERYWHERE]
        _send(verb, order, named, {**given, **arguments}, (data, json, follow))

    command.__doc__ = order.help
    command.__signature__ = inspect.Signature(list(_parameters(order)))  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in _parameters(order)}
    return command


def _parameters(order: OrderSpec) -> "list[inspect.Parameter]":
    shown = [_target(order)] if order.target != "nothing" else []
    shown += [_parameter(argument, optional=order.table) for argument in order.arguments]
    if order.table:
        shown.append(_made("table", Annotated[Path | None, TABLE], None))
    if order.safe_first or any(argument.name == "reason" for argument in order.arguments):
        shown.append(_made("everywhere", Annotated[bool, ALL], False))
    if order.target == "run":
        shown.append(_made("run", Annotated[str, RUN], ""))
    if order.target == "run" and order.begins:
        shown.append(_made("channel", Annotated[str, ANOTHER], ""))
    if order.begins:
        shown.append(_made("follow", Annotated[bool, FOLLOW], False))
    shown.append(_made("id", Annotated[str, ID], ""))
    return [*shown, _made("data", Annotated[Path | None, DATA], None), _made("json", Annotated[bool, AS_JSON], False)]


def _target(order: OrderSpec) -> inspect.Parameter:
    if order.target == "channel":
        what = typer.Argument(metavar="CHANNEL", help="name in the station file", show_default=False)
        return _made("target", Annotated[str, what], inspect.Parameter.empty)
    if order.many and not order.safe_first:
        what = typer.Argument(metavar="CHANNEL", help="channels, or ids of runs", show_default=False)
        return _made("target", Annotated[list[str] | None, what], None)
    words = "channels, or ids of runs that are active" if order.safe_first else "channel, or id of a run"
    what = typer.Argument(metavar="CHANNEL", help=words, show_default=False)
    if order.safe_first:
        return _made("target", Annotated[list[str] | None, what], None)
    return _made("target", Annotated[str, what], inspect.Parameter.empty)


def _refuse_without(order: OrderSpec, given: dict[str, Any]) -> None:
    """Refuse what typer cannot: an argument that is wanted unless a table has it."""
    if missing := [argument for argument in order.arguments if argument.required and not given.get(argument.name)]:
        from labctl.errors import UsageError

        names = " and ".join(argument.options[0] if argument.options else argument.name.upper() for argument in missing)
        raise UsageError(f"wanted {names}, or --table FILE with a line a cell")


def _parameter(argument: Argument, *, optional: bool) -> inspect.Parameter:
    default = inspect.Parameter.empty if argument.required and not optional else UNSET[argument.kind]
    more = {"min": {"step": 0, "count": 1}[argument.kind]} if argument.kind in {"step", "count"} else {}
    words: dict[str, Any] = {"help": argument.about, "show_default": False, "metavar": argument.metavar or None, **more}
    if argument.options:
        return _made(argument.name, Annotated[TYPES[argument.kind], typer.Option(*argument.options, **words)], default)
    words["metavar"] = argument.metavar or argument.name.upper()
    return _made(argument.name, Annotated[TYPES[argument.kind], typer.Argument(**words)], default)


def _made(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def spelled(argument: Argument, value: Any) -> object:
    """Return a value of the command line as the daemon takes it.

    Raises:
        UsageError: A parameter that is not of the form NAME=VALUE, a mass, area or length that is none.
    """
    if value and argument.name in CELL_KEYS:
        from labctl.errors import UsageError
        from labctl.protocol.cell_correction import misread

        if wrong := misread(CELL_KEYS[argument.name], value):
            raise UsageError(f"{argument.options[0]} {value}: {wrong}")
    match argument.kind:
        case "file":
            return None if value is None else here_or_shipped(value)
        case "values":
            from labctl.inputs import assignments

            return assignments(value or [])
        case "time":
            return moment(value) if value else None
        case "flag":
            return value or None
    return value


def moment(text: str) -> str:
    """Return a time of the wall's clock, or one with its zone, as ISO-8601 with its zone.

    Raises:
        UsageError: It is none.
    """
    import datetime as dt

    from labctl.errors import UsageError

    try:
        return dt.datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--at: wanted a time such as 2026-12-01T08:00, found {text!r}") from error


def here_or_shipped(path: Path) -> str:
    """Return a file of this folder by its whole path, and a bare name that is none here as it is: one of the library's."""
    return str(path) if path.parent == Path() and not path.is_file() else str(path.absolute())


def _send(
    verb: str, order: OrderSpec, targets: list[str], given: dict[str, Any], how: tuple[Path | None, bool, bool]
) -> None:
    from labctl.cli.terminal.console_text import give, queue
    from labctl.cli.terminal.follow import begin
    from labctl.errors import UsageError

    data, json, follow = how
    if order.target == "run" and not targets:
        raise UsageError(f"wanted a channel or a run to {verb}, or --all, found none")
    if order.target == "nothing" and not order.begins:
        give(data, verb, [""], given, json=json)
    elif order.target == "nothing":
        begin(data, verb, given, follow=follow, json=json)
    elif order.begins and given.get("step") is not None:
        if len(targets) != 1:
            raise UsageError(f"wanted one run beside --from, found {' and '.join(targets)}")
        begin(data, verb, {**given, "run": given["run"] or targets[0]}, follow=follow, json=json)
    elif order.target == "channel" and "protocol" in given:
        queue(data, targets[0], given, json=json)
    else:
        give(data, verb, targets, given, json=json)

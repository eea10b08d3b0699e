"""What a person sees of channels: one table, filled from the daemon's answer or from MQTT."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from labctl.control.client import DaemonClient
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.units import display

COLOURS = {
    "running": "green",
    "preparing": "cyan",
    "paused": "yellow",
    "waiting": "bold yellow",
    "safe": "yellow",
    "tripped": "bold red",
    "failed": "bold red",
    "unknown": "bold red",
    "lost": "bold red",
    "done": "blue",
}
SETTLED = frozenset({"idle", "done", "tripped", "failed"})  # nothing goes on by itself there
BAR = 12  # characters
ROOMY = 140  # characters of a terminal in which everything fits
COLUMNS = (
    "channel", "state", "protocol", "cell", "cycle", "step",
    "voltage", "current", "charged", "discharged", "progress", "left", "why",
)  # fmt: skip
SPACIOUS = frozenset({"protocol", "cell", "charged", "discharged"})
NUMBERS = frozenset({"cycle", "voltage", "current", "charged", "discharged", "left"})
WIDE = 200  # characters, where the output is no terminal
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Row = Mapping[str, Any]


def quantity(row: Row, key: str, kind: str) -> str:
    """Return a value of a row as people read it, or nothing."""
    value = row.get(key)
    return display(float(value), kind, 5) if isinstance(value, int | float) else ""


def step(row: Row) -> str:
    """Return where the run is: step of the plan, what it does, and its name."""
    if row.get("step_id") is None:
        return ""
    name = f" {row['step_name']}" if row.get("step_name") else ""
    return f"{row['step_id']} {row.get('step_type') or ''}{name}"


def time_left(row: Row) -> str:
    """Return the time left in two parts at most, or nothing where it is not known."""
    left = row.get("remaining_second")
    if not isinstance(left, int | float) or not 0 <= left < float("inf"):
        return ""
    return " ".join(display(round(left), "duration").split()[:4])


def table(rows: Iterable[Row], title: str = "", width: int = 200) -> Table:
    """Return the table of channels; `width` characters decide whether protocol, cell and charge have room."""
    names = [name for name in COLUMNS if width >= ROOMY or name not in SPACIOUS]
    found = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in names:
        found.add_column(
            name,
            justify="right" if name in NUMBERS else "left",
            no_wrap=name in NUMBERS or name in {"channel", "state"},
            min_width=BAR if name == "progress" else None,
        )
    for row in rows:
        cells = _cells(row)
        found.add_row(*(cells[name] for name in names))
    return found


def _cells(row: Row) -> dict[str, Text | ProgressBar | str]:
    state = str(row.get("activity", ""))
    progress = row.get("progress")
    why = str(row.get("why") or "")
    why += f"; {row['unblock']}" if row.get("unblock") else ""
    return {
        "channel": plain(row.get("channel", "")),
        "state": Text(state, style=COLOURS.get(state, "")),
        "protocol": plain(row.get("protocol")),
        "cell": plain(row.get("cell")),
        "cycle": plain(row.get("cycle_count")),
        "step": plain(step(row)),
        "voltage": quantity(row, "voltage_volt", "voltage"),
        "current": quantity(row, "current_ampere", "current"),
        "charged": _charge(row, "charging_capacity_ah"),
        "discharged": _charge(row, "discharging_capacity_ah"),
        "progress": ProgressBar(total=1.0, completed=float(progress), width=BAR)
        if isinstance(progress, int | float)
        else "",
        "left": time_left(row),
        "why": plain(why),
    }


def _charge(row: Row, key: str) -> str:
    value = row.get(key)
    return display(3600.0 * float(value), "capacity", 4) if isinstance(value, int | float) else ""


def plain(value: object) -> Text:
    """Return a text that is shown as it is, whatever marks or control characters it holds."""
    text = "" if value is None else str(value)
    return Text("".join(sign if sign.isprintable() else "·" for sign in text))


def as_json(found: object) -> None:
    """Print a JSON value as one line."""
    sys.stdout.write(orjson.dumps(found, default=str, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
    sys.stdout.flush()


def to_terminal(rows: Iterable[Row]) -> None:
    """Print the table of channels as wide as the terminal; as wide as it needs where there is none."""
    console = Console(highlight=False)
    width = console.width if console.is_terminal else WIDE
    Console(highlight=False, width=width).print(table(rows, width=width))


def chosen(rows: list[dict[str, Any]], channels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the channels named, all where none is.

    Raises:
        UsageError: There is no such channel.
    """
    known = [str(row["channel"]) for row in rows]
    for name in channels:
        if name not in known:
            raise UsageError(
                f"wanted a channel of this station, found {name!r}; there are {', '.join(known) or 'none'}"
            )
    return [row for row in rows if not channels or row["channel"] in channels]


def because(answer: Row) -> str:
    """Return in one line what a channel waits for and what unblocks it."""
    line = f"{answer['channel']}: {answer.get('why') or 'waits for nothing'}"
    return f"{line}; {answer['unblock']}" if answer.get("unblock") else line


def parameters(texts: Sequence[str]) -> dict[str, str]:
    """Return the parameters given as NAME=VALUE.

    Raises:
        UsageError: One is not of that form, or is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()) or name.strip() in found:
            raise UsageError(
                f"--set: wanted NAME=VALUE once for each name, such as --set 'first=0.1 mA/cm2', found {text!r}"
            )
        found[name.strip()] = value.strip()
    return found


def give(data: Path | None, verb: str, targets: Sequence[str], *, text: str = "", json: bool = False) -> None:
    """Give one order to each target, a channel or an active run, and say what became of it.

    All are tried; the first refusal is raised when all have been asked, so that one bad name does not keep the others on.
    """
    refusal: LabctlError | None = None
    with DaemonClient(data) as daemon:
        for target in targets:
            key = "run" if UUID.fullmatch(target) else "channel"
            try:
                told(daemon.order(verb, {key: target, "text": text}), json=json)
            except LabctlError as error:
                if refusal is not None:
                    Console(stderr=True, highlight=False, soft_wrap=True).print(plain(refusal))
                refusal = error
    if refusal is not None:
        raise refusal


def begin(data: Path | None, verb: str, arguments: Mapping[str, object], *, follow: bool, json: bool) -> None:
    """Start a run, say what it will take, and follow it if that is wanted.

    Raises:
        OrderRefused: It was followed and did not end as done.
    """
    with DaemonClient(data) as daemon:
        answer = daemon.order(verb, arguments)
        started(answer, json=json)
        if follow and (state := followed(daemon, str(answer["run"]), str(answer["channel"]))) != "done":
            raise OrderRefused(
                f"{answer['channel']}: the run ended as {state}; labctl why {answer['channel']} says more"
            )


def told(answer: Row, *, json: bool) -> None:
    """Print the answer to an order: one line for a person, or JSON."""
    if json:
        as_json(answer)
        return
    line = f"{answer.get('channel', '')}: {answer.get('activity', 'ok')}"
    line += f", {answer['text']}" if answer.get("text") else ""
    line += f" (run {answer['run']})" if answer.get("run") else ""
    Console(highlight=False, soft_wrap=True).print(plain(line))


def started(answer: Row, *, json: bool) -> None:
    """Print the answer to a start: the run, what it will take, and the warnings of its plan."""
    if json:
        as_json(answer)
        return
    console = Console(highlight=False, soft_wrap=True)
    length = quantity(answer, "duration_second", "duration")
    console.print(plain(f"{answer['channel']}: started {answer.get('name', '')}, run {answer['run']}"))
    if length:
        console.print(plain(f"takes about {length}; follow it with: labctl watch {answer['channel']}"))
    for warning in str(answer.get("warnings") or "").splitlines():
        console.print(Text("warning: ", style="yellow") + plain(warning))


def followed(daemon: DaemonClient, run: str, channel: str) -> str:
    """Show progress and time left until the run of a channel settles; return the state it settled in."""
    import time  # noqa: PLC0415 - this function alone waits

    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, transient=False) as bar:
        task = bar.add_task(channel, total=1.0, left="")
        while True:
            row = next((row for row in daemon.status() if row["channel"] == channel), {})
            state = str(row.get("activity", "unknown"))
            if row.get("run") != run or state in SETTLED:
                bar.update(task, completed=1.0 if state == "done" else row.get("progress"), left=state)
                return state
            text = f"{channel} {state} cycle {row.get('cycle_count', 0)} step {step(row)}"
            left = time_left(row)
            bar.update(
                task, description=text, completed=row.get("progress") or 0.0, left=f"{left} left" if left else ""
            )
            time.sleep(0.5)

"""What a person sees of channels: one table, filled from the daemon's answer or from MQTT."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from labctl.control.client import DaemonClient
from labctl.control.said import because, plain, quantity, step, time_left
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
SNUG = 110  # and in which a line fits that says no more of a channel than where it is
COLUMNS = (
    "channel", "state", "protocol", "cell", "cycle", "step",
    "voltage", "current", "charged", "discharged", "progress", "left", "why",
)  # fmt: skip
SPACIOUS = frozenset({"protocol", "cell", "charged", "discharged"})
SPARED = SPACIOUS | {"cycle", "progress", "why"}  # where not even the others have room
NUMBERS = frozenset({"cycle", "voltage", "current", "charged", "discharged", "left"})
WIDE = 200  # characters, where the output is no terminal

Row = Mapping[str, Any]


def table(rows: Iterable[Row], title: str = "", width: int = 200) -> Table:
    """Return the table of channels; `width` characters decide which columns have room."""
    left_out = frozenset[str]() if width >= ROOMY else SPACIOUS if width >= SNUG else SPARED
    names = [name for name in COLUMNS if name not in left_out]
    found = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in names:
        found.add_column(
            name,
            justify="right" if name in NUMBERS else "left",
            no_wrap=name in NUMBERS or name in {"channel", "state", "step"},
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
        "channel": Text(plain(row.get("channel", ""))),
        "state": Text(state, style=COLOURS.get(state, "")),
        "protocol": Text(plain(row.get("protocol"))),
        "cell": Text(plain(row.get("cell"))),
        "cycle": Text(plain(row.get("cycle_count"))),
        "step": Text(plain(step(row))),
        "voltage": quantity(row, "voltage_volt", "voltage"),
        "current": quantity(row, "current_ampere", "current"),
        "charged": _charge(row, "charging_capacity_ah"),
        "discharged": _charge(row, "discharging_capacity_ah"),
        "progress": ProgressBar(total=1.0, completed=float(progress), width=BAR)
        if isinstance(progress, int | float)
        else "",
        "left": time_left(row),
        "why": Text(plain(why)),
    }


def _charge(row: Row, key: str) -> str:
    value = row.get(key)
    return display(3600.0 * float(value), "capacity", 4) if isinstance(value, int | float) else ""


def to_terminal(rows: Iterable[Row]) -> None:
    """Print the table of channels as wide as the terminal; as wide as it needs where there is none."""
    console = Console(highlight=False)
    width = console.width if console.is_terminal else WIDE
    shown = list(rows)
    Console(highlight=False, width=width).print(table(shown, width=width))
    if width < SNUG:  # what a channel waits for is never left out
        for row in shown:
            if row.get("why"):
                Console(highlight=False, markup=False).print(plain(because(row)), soft_wrap=True)


def followed(daemon: DaemonClient, run: str, channel: str) -> str:
    """Show progress and time left until the run of a channel settles; return the state it settled in."""
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

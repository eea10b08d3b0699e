"""What a person sees of channels: one table, filled from the daemon's answer or from MQTT."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from labctl.cli.terminal.console_text import because, plain, quantity, step, time_left
from labctl.quantity.units import display

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
    grid = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in names:
        grid.add_column(
            name,
            justify="right" if name in NUMBERS else "left",
            no_wrap=name in NUMBERS or name in {"channel", "state", "step"},
            min_width=BAR if name == "progress" else None,
        )
    for row in rows:
        cells = _cells(row)
        grid.add_row(*(cells[name] for name in names))
    return grid


def _cells(row: Row) -> dict[str, Text | ProgressBar | str]:
    state = str(row.get("activity", ""))
    progress = row.get("progress")
    why = str(row.get("why") or "")
    why += f"; {row['unblock']}" if row.get("unblock") else ""
    why = "; ".join(words for words in (why, str(row.get("next") or "")) if words)
    return {
        "channel": Text(plain(row.get("channel", ""))),
        "state": Text(state, style=COLOURS.get(state, "")),
        "protocol": Text(plain(row.get("protocol"))),
        "cell": Text(plain(row.get("cell"))),
        "cycle": Text(plain(row.get("cycle_count") or "")),
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
            if row.get("why") or row.get("next"):
                Console(highlight=False, markup=False).print(plain(because(row)), soft_wrap=True)

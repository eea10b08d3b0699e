"""What `labctl models` prints."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from labctl_simulators import parameters
from labctl_simulators.models import ModelInfo, list_models
from labctl_simulators.parameters import ParameterError, ParameterSet, Tree

_WIDE = 140
_ENDLESS = 1000


def main(argv: Sequence[str] | None) -> int:
    """Print what is asked for; see `labctl_simulators.models.main`."""
    parser = argparse.ArgumentParser(prog="labctl models", description="List the simulated cells that can be loaded.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="show every number of these, with its source")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    try:
        chosen = [parameters.read(name) for name in given.names]
    except ParameterError as error:
        sys.stderr.write(f"labctl models: {error}\n")
        return 1
    if given.json:
        found = [numbers(one) for one in chosen] if chosen else [plain(one) for one in list_models()]
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    elif chosen:
        show_numbers(chosen)
    else:
        show_models(list_models())
    return 0


def plain(info: ModelInfo) -> dict[str, Any]:
    """Return a model's description as JSON values, SI."""
    return {
        "name": info.name,
        "model": info.model,
        "kind": info.kind,
        "about": info.about,
        "area_m2": info.area,
        "lower_voltage_volt": info.window[0],
        "upper_voltage_volt": info.window[1],
        "nominal_capacity_coulomb": info.capacity,
        "quoted": info.quoted,
        "fitted": info.fitted,
        "assumed": info.assumed,
        "sources": list(info.sources),
    }


def numbers(found: ParameterSet) -> dict[str, Any]:
    """Return every number of a parameter set with its origin as JSON values, SI."""
    values = dict(_leaves(found.values, found.name))
    return {
        "name": found.name,
        "model": found.model,
        "kind": found.kind,
        "about": " ".join(found.about.split()),
        "sources": {key: " ".join(text.split()) for key, text in found.sources.items()},
        "numbers": [
            {
                "name": origin.path.removeprefix(f"{found.name}."),
                "value": values[origin.path],
                "given": origin.given,
                "status": origin.status,
                "source": origin.source or None,
                "note": origin.words if origin.words != origin.source else None,
            }
            for origin in found.origins
        ],
    }


def _leaves(tree: Tree, path: str) -> Iterable[tuple[str, Any]]:
    for key, entry in tree.items():
        if isinstance(entry, float | tuple):
            yield f"{path}.{key}", list(entry) if isinstance(entry, tuple) else entry
        elif not isinstance(entry, str):
            yield from _leaves(entry, f"{path}.{key}")


def show_models(found: Iterable[ModelInfo]) -> None:
    """Print a line for each model and what it stands for, beside it where there is room, else below it.

    The last figures count the numbers that are quoted, fitted or derived, and assumed.
    """
    console = _console()
    wide = console.width >= _WIDE
    table = Table(header_style="bold", show_edge=False, pad_edge=False, box=None)
    for head in ("model", "kind"):
        table.add_column(head, no_wrap=True)
    for head in ("window", "capacity", "numbers"):
        table.add_column(head, justify="right", no_wrap=True)
    if wide:
        table.add_column("stands for")
    for one in found:
        cells = [
            f"[bold]{one.name}[/]",
            one.kind,
            f"{one.window[0]:g} … {one.window[1]:g} V",
            _charge(one.capacity),
            f"[dim]{one.quoted}+{one.fitted}+{one.assumed}[/]",
        ]
        about = one.about.rstrip(".")
        if wide:
            table.add_row(*cells, about)
            continue
        console.print(
            f"{cells[0]}  {', '.join(cell for cell in cells[1:4] if cell != '–')}  {cells[4]}", highlight=False
        )
        console.print(Padding(about, (0, 0, 0, 4)), highlight=False)
    if wide:
        console.print(table)
    console.print(
        "[dim]numbers: quoted + fitted or derived + assumed. `labctl models NAME` shows each with its source.[/]"
    )


def show_numbers(found: Iterable[ParameterSet]) -> None:
    """Print every number of some parameter sets as its file gives it, with status and source."""
    console = _console()
    for one in found:
        table = Table(header_style="bold", show_edge=False, pad_edge=False, box=None)
        table.add_column("number", no_wrap=True)
        table.add_column("value", overflow="fold", max_width=30 if console.width < _WIDE else 60)
        table.add_column("status", no_wrap=True)
        table.add_column("source, reason", overflow="fold")
        for origin in one.origins:
            name = origin.path.removeprefix(f"{one.name}.")
            note = origin.words if origin.words != origin.source else ""
            table.add_row(name, origin.given, origin.status, f"{origin.source} {note}".strip())
        console.print(f"[bold]{one.name}[/]: {' '.join(one.about.split())}", highlight=False)
        console.print(table)
        for key, text in one.sources.items():
            console.print(f"  {key}: {' '.join(text.split())}", highlight=False, markup=False)


def _console() -> Console:
    """Return where to print; in a pipe or a file lines are as long as they need be."""
    return Console() if sys.stdout.isatty() else Console(width=_ENDLESS)


def _charge(capacity: float | None) -> str:
    """Return a charge in C as Ah, mAh or uAh, whichever reads best."""
    if capacity is None:
        return "–"
    hours = capacity / 3600.0
    for unit, factor in (("Ah", 1.0), ("mAh", 1e3)):
        if hours * factor >= 0.1:
            return f"{hours * factor:.3g} {unit}"
    return f"{hours * 1e6:.3g} µAh"

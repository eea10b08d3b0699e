"""What `labctl models` prints."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from labctl_simulators import parameters
from labctl_simulators.assembly.build import ModelInfo, list_models
from labctl_simulators.parameters import ParameterError, ParameterSet, Tree
from labctl_simulators.parameters.own import read_text

_WIDE = 140
_ENDLESS = 1000


def main(argv: Sequence[str] | None) -> int:
    """Print what is asked for; see `labctl_simulators.models.main`."""
    parser = argparse.ArgumentParser(prog="labctl models", description="List the simulated cells that can be loaded.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="show every number of these, with its source; a file of one's own too"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the one that is named, into a .png, .svg or .pdf file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    try:
        chosen = [_read(name) for name in given.names]
        if given.plot:
            return _plot(chosen, Path(given.plot))
    except ParameterError as error:
        sys.stderr.write(f"labctl models: {error}\n")
        return 1
    if given.json:
        shown = [numbers(one) for one in chosen] if chosen else [plain(one) for one in list_models()]
        sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    elif chosen:
        show_numbers(chosen)
    else:
        show_models(list_models())
    return 0


def _read(name: str) -> ParameterSet:
    """Return a shipped set, or that of a file."""
    path = Path(name)
    if path.suffix not in {".yaml", ".yml", ".json"}:
        return parameters.read(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ParameterError(f"wanted a parameter file, found that {name} cannot be read: {why}") from error
    return read_text(text, name)


def _plot(chosen: Sequence[ParameterSet], path: Path) -> int:
    """Draw the one set that was named.

    Raises:
        ParameterError: none or several were, or there is no such kind of picture.
    """
    if len(chosen) != 1:
        raise ParameterError(f"wanted one name beside --plot, found {len(chosen)}")
    if path.suffix not in {".png", ".svg", ".pdf"}:
        raise ParameterError(f"wanted a .png, .svg or .pdf file to draw into, found {path.name!r}")
    from labctl_simulators.assembly.plots import draw  # noqa: PLC0415 - matplotlib is slow to import

    try:
        draw(chosen[0], path)
    except OSError as error:
        raise ParameterError(f"wanted a file that can be written, found {path}: {error.strerror}") from error
    sys.stdout.write(f"{path}: written\n")
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


def numbers(parameters: ParameterSet) -> dict[str, Any]:
    """Return every number of a parameter set with its origin as JSON values, SI."""
    values = dict(_leaves(parameters.values, parameters.name))
    return {
        "name": parameters.name,
        "model": parameters.model,
        "kind": parameters.kind,
        "about": " ".join(parameters.about.split()),
        "sources": {key: " ".join(text.split()) for key, text in parameters.sources.items()},
        "numbers": [
            {
                "name": origin.path.removeprefix(f"{parameters.name}."),
                "value": values.get(origin.path, origin.given),
                "given": origin.given,
                "status": origin.status,
                "source": origin.source or None,
                "note": origin.words if origin.words != origin.source else None,
            }
            for origin in parameters.origins
        ],
    }


def _leaves(tree: Tree, path: str) -> Iterable[tuple[str, Any]]:
    for key, entry in tree.items():
        if isinstance(entry, float | tuple):
            yield f"{path}.{key}", list(entry) if isinstance(entry, tuple) else entry
        elif not isinstance(entry, str):
            yield from _leaves(entry, f"{path}.{key}")


def show_models(models: Iterable[ModelInfo]) -> None:
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
    for one in models:
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


def show_numbers(sets: Iterable[ParameterSet]) -> None:
    """Print every number of some parameter sets as its file gives it, with status and source."""
    console = _console()
    for one in sets:
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

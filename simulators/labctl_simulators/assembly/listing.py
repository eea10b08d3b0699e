"""What `labctl models` prints."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from labctl_simulators.parameters import ParameterSet, Tree

if TYPE_CHECKING:
    from labctl_simulators.models import ModelInfo


def plain(info: "ModelInfo") -> dict[str, Any]:
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


def show_models(found: Iterable["ModelInfo"]) -> None:
    """Print the table of models."""
    table = Table(title="Simulated cells", title_justify="left", header_style="bold", show_edge=False, pad_edge=False)
    for head, where in (("model", "left"), ("kind", "left"), ("window / V", "right"), ("capacity", "right")):
        table.add_column(head, justify=where, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("stands for", min_width=30)
    table.add_column("quoted+fitted+assumed", justify="right", header_style="dim", style="dim")
    for one in found:
        window = f"{one.window[0]:g} … {one.window[1]:g}"
        counts = f"{one.quoted}+{one.fitted}+{one.assumed}"
        table.add_row(f"[bold]{one.name}[/]", one.kind, window, _charge(one.capacity), one.about, counts)
    Console().print(table)


def show_numbers(found: Iterable[ParameterSet]) -> None:
    """Print every number of some parameter sets, with status and source."""
    console = Console()
    for one in found:
        values = dict(_leaves(one.values, one.name))
        table = Table(title=f"{one.name}: {' '.join(one.about.split())}", title_justify="left", show_edge=False)
        table.add_column("number (SI)")
        table.add_column("value", justify="right", overflow="fold", max_width=44)
        table.add_column("status")
        table.add_column("source, reason", overflow="fold")
        for origin in one.origins:
            name = origin.path.removeprefix(f"{one.name}.")
            note = origin.words if origin.words != origin.source else ""
            table.add_row(name, _text(values[origin.path]), origin.status, f"{origin.source} {note}".strip())
        console.print(table)
        for key, text in one.sources.items():
            console.print(f"  {key}: {' '.join(text.split())}", highlight=False, markup=False)


def _text(value: Any) -> str:
    return " ".join(f"{item:.6g}" for item in value) if isinstance(value, list) else f"{value:.6g}"


def _charge(capacity: float | None) -> str:
    """Return a charge in C as Ah, mAh or uAh, whichever reads best."""
    if capacity is None:
        return "–"
    hours = capacity / 3600.0
    for unit, factor in (("Ah", 1.0), ("mAh", 1e3)):
        if hours * factor >= 0.1:
            return f"{hours * factor:.3g} {unit}"
    return f"{hours * 1e6:.3g} µAh"

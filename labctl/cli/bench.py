"""The figures the project promises, measured here."""

import importlib
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from rich.console import Console


def command(
    case: Annotated[list[str] | None, typer.Argument(help="cases; without, all", show_default=False)] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON object a figure and line")] = False,
) -> None:
    """Measure what the project promises, each figure beside what was wanted, and say by how much one is missed."""
    from rich.console import Console

    folder = cases_folder()
    names = case or sorted(path.stem for path in folder.glob("*.py") if path.stem not in {"__init__", "figure"})
    missed = 0
    console = Console()
    for name in names:
        if not (folder / f"{name}.py").is_file():
            known = ", ".join(
                sorted(path.stem for path in folder.glob("*.py") if path.stem not in {"__init__", "figure"})
            )
            raise UsageError(f"wanted a case out of {known}, found {name!r}")
        missed += show(importlib.import_module(f"benchmarks.{name}"), console, as_json=json)
    if not json:
        console.print(f"{missed} missed" if missed else "every figure met", style="yellow" if missed else "green")


def cases_folder() -> "Path":
    """Return the folder of the cases; they are part of a checkout, not of the installed package."""
    from pathlib import Path

    folder = Path(__file__).parent.parent.parent / "benchmarks"
    if not folder.is_dir():
        raise UsageError("the cases of bench are part of a checkout of labctl; run it there")
    return folder


def show(module: "ModuleType", console: "Console", *, as_json: bool) -> int:
    """Measure one case, print each figure as soon as it is known, and return how many were missed."""
    import orjson

    missed = 0
    title = (module.__doc__ or module.__name__).strip().partition("\n")[0]
    if not as_json:
        console.print(
            f"\n[bold]{module.__name__.removeprefix('benchmarks.')}[/bold]: {title}", highlight=False, soft_wrap=True
        )
    found: Iterator[object] = module.figures()
    with console.status("measuring") if not as_json and console.is_terminal else console:
        for figure in found:
            missed += not figure.met  # type: ignore[attr-defined]
            if as_json:
                typer.echo(orjson.dumps({"case": module.__name__, **fields(figure)}).decode())
            else:
                console.print(line(figure), highlight=False, soft_wrap=True)
    return missed


def fields(figure: object) -> dict[str, object]:
    """Return a figure's fields."""
    return {name: getattr(figure, name) for name in ("name", "wanted", "found", "met", "remark")}


def line(figure: object) -> str:
    """Return a figure as one line."""
    values = fields(figure)
    mark = "[green]met   [/green]" if values["met"] else "[yellow]missed[/yellow]"
    remark = f"  [dim]{values['remark']}[/dim]" if values["remark"] else ""
    return f"  {mark} {values['name']}: wanted {values['wanted']}, found {values['found']}{remark}"

"""The figures the project promises, measured here."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from rich.console import Console


def command(
    case: Annotated[list[str] | None, typer.Argument(help="cases; without, all", show_default=False)] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON object a figure and line")] = False,
    plots: Annotated[
        Path | None,
        typer.Option("--plots", metavar="DIR", help="write the pictures of the cases that draw some, measure nothing"),
    ] = None,
) -> None:
    """Measure what the project promises, each figure beside what was wanted, and say by how much one is missed."""
    from rich.console import Console

    modules = cases(case or [])
    if plots is not None:
        draw(modules, plots)
        return
    console = Console()
    targets_met = [met for module in modules for met in show(module, console, as_json=json)]
    if not json:
        missed, unmeasured = targets_met.count(False), targets_met.count(None)
        words = f"{missed} missed" if missed else "every figure met" if not unmeasured else "none missed"
        words += f", {unmeasured} not measured" if unmeasured else ""
        console.print(words, style="yellow" if missed or unmeasured else "green")


def cases(names: list[str]) -> "list[ModuleType]":
    """Return the modules of these cases; all of them where none is named."""
    folder = cases_folder()
    known = sorted(
        path.stem for path in folder.glob("*.py") if "\ndef figures() ->" in path.read_text(encoding="utf-8")
    )
    for name in names:
        if name not in known:
            raise UsageError(f"wanted a case out of {', '.join(known)}, found {name!r}")
    return [importlib.import_module(f"benchmarks.{name}") for name in names or known]


def draw(modules: "list[ModuleType]", folder: Path) -> None:
    """Write the pictures of the cases that draw some, and print their paths."""
    drawing = [module for module in modules if hasattr(module, "plots")]
    if not drawing:
        raise UsageError("wanted a case that draws pictures, found none: `labctl bench cell --plots DIR` does")
    for module in drawing:
        for path in module.plots(folder):
            typer.echo(path)


def cases_folder() -> Path:
    """Return the folder of the cases; they are part of a checkout, not of the installed package."""
    folder = Path(__file__).parent.parent.parent / "benchmarks"
    if not folder.is_dir():
        raise UsageError("the cases of bench are part of a checkout of labctl; run it there")
    return folder


def show(module: "ModuleType", console: "Console", *, as_json: bool) -> "Iterator[bool | None]":
    """Measure one case, print each figure as soon as it is known, and yield whether it was met."""
    import orjson

    title = (module.__doc__ or module.__name__).strip().partition("\n")[0]
    if not as_json:
        console.print(
            f"\n[bold]{module.__name__.removeprefix('benchmarks.')}[/bold]: {title}", highlight=False, soft_wrap=True
        )
    figures: Iterator[object] = module.figures()
    with console.status("measuring") if not as_json and console.is_terminal else console:
        for figure in figures:
            if as_json:
                typer.echo(orjson.dumps({"case": module.__name__, **fields(figure)}).decode())
            else:
                console.print(line(figure), highlight=False, soft_wrap=True)
            yield figure.met  # type: ignore[attr-defined]


def fields(figure: object) -> dict[str, object]:
    """Return a figure's fields."""
    return {name: getattr(figure, name) for name in ("name", "wanted", "found", "met", "remark")}


_MARKS = {
    True: "[green]met         [/green]",
    False: "[yellow]missed      [/yellow]",
    None: "[yellow]not measured[/yellow]",
}


def line(figure: object) -> str:
    """Return a figure as one line."""
    values = fields(figure)
    mark = _MARKS[values["met"]]  # type: ignore[index]
    remark = f"  [dim]{values['remark']}[/dim]" if values["remark"] else ""
    return f"  {mark} {values['name']}: wanted {values['wanted']}, found {values['found']}{remark}"

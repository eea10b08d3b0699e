"""Show what a protocol will do on a cell: steps in amperes, limits, duration, charge, rows, finish date, warnings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from labctl.driver import Bounds
    from labctl.plan.estimate import Estimate
    from labctl.plan.step import Plan


def command(
    protocol: Annotated[
        Path, typer.Argument(help="protocol file, or the name of one of the library", show_default=False)
    ],
    *,
    cell: Annotated[Path, typer.Option("--cell", help="cell file", show_default=False)],
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of the protocol")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
) -> None:
    """Show what a protocol will do on a cell: steps in amperes, limits, duration, charge, rows, finish date, warnings."""
    import time

    from labctl.control.said import parameters
    from labctl.plan.compile import compile_plan
    from labctl.plan.estimate import estimate
    from labctl.run.files import read_files

    files = read_files(str(protocol), str(cell))
    plan = compile_plan(files.protocol, files.cell, None, None, parameters(values or []))
    found, now = estimate(plan), time.time()
    if json:
        typer.echo(as_json(plan, found, now))
        return
    from labctl.cli.paper import console as paper

    console = paper()
    for part in page(plan, found, now):
        console.print(part)


def as_json(plan: "Plan", found: "Estimate", now: float) -> str:
    """Return plan and estimate as one JSON object: SI, BDF names where there are any."""
    import math
    from dataclasses import asdict

    import orjson

    from labctl.plan.codec import digest, plan_to_json
    from labctl.plan.description import limits, rows

    def finite(values: tuple[float, float]) -> list[float | None]:
        return [value if math.isfinite(value) else None for value in values]

    content = {
        "name": plan.name,
        "cell": plan.cell.name,
        "hash": digest(plan),
        "duration_second": finite(found.duration),
        "finish_unix_time_second": finite(found.finish(now)),
        "charge_coulomb": found.charge,
        "rows": found.rows,
        "limits": dict(limits(_tightest(plan))),
        "steps": [asdict(row) for row in rows(plan.root)],
        "warnings": [warning.as_json() for warning in found.warnings],
        "plan": orjson.Fragment(plan_to_json(plan)),
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def _tightest(plan: "Plan") -> "Bounds":
    """Return the envelope of the first line that energises, else of the first."""
    from labctl.driver import Bounds
    from labctl.plan.index import walk

    lines = [line for _, line in walk(plan.root)]
    return next((line.bounds for line in lines if line.energises), lines[0].bounds if lines else Bounds())


# --- for people -------------------------------------------------------------------------------------------------------


def page(plan: "Plan", found: "Estimate", now: float) -> "Iterator[RenderableType]":
    """Give the parts of the page: what for, the steps, the sums, the warnings."""
    from rich.text import Text

    yield Text.assemble(
        (plan.name, "bold"), "  on  ", (plan.cell.name or plan.cell.kind, "bold"), f"  ({plan.cell.kind})"
    )
    yield Text(_figures(plan), style="dim")
    yield _steps(plan, found)
    yield _sums(plan, found, now)
    for warning in found.warnings:
        place = f"{warning.mark.file}:{warning.mark.line}"
        yield Text.assemble((f"{place}: warning[{warning.code}]: ", "yellow"), warning.message)
        if warning.hint:
            yield Text(f"  hint: {warning.hint}", style="dim")


def _figures(plan: "Plan") -> str:
    from labctl.units import display

    cell, parts = plan.cell, []
    if cell.nominal is not None:
        parts.append(f"100 % = {display(cell.nominal, 'capacity')}, 1C = {display(cell.nominal / 3600, 'current')}")
    shown = (
        ("area", cell.area, "area"),
        ("active mass", cell.active_mass, "mass"),
        ("film", cell.film_thickness, "length"),
    )
    parts += [f"{name} {display(value, kind)}" for name, value, kind in shown if value is not None]
    return ", ".join(parts) or "the cell states neither area, mass, thickness nor nominal capacity"


def _steps(plan: "Plan", found: "Estimate") -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from labctl.plan.description import rows

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading, justify in (
        ("step", "right"),
        ("", "left"),
        ("sets", "left"),
        ("ends", "left"),
        ("takes", "right"),
        ("times", "right"),
    ):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows(plan.root):
        indent = "  " * row.depth
        if not row.line:
            title = Text.assemble(indent, (row.name or row.word, "bold cyan"))
            setting = ", ".join(filter(None, (row.word if row.name else "", row.setting)))
            table.add_row("", title, Text(setting, "cyan"), Text(row.ends, "cyan"))
            continue
        amount, times = found.lines[row.line]
        title = Text.assemble(indent, row.word, (f"  {row.name}" if row.name else "", "dim"))
        table.add_row(str(row.line), title, row.setting, row.ends, _takes(amount.likely, amount.longest), f"{times}")
    return table


def _record(plan: "Plan") -> str:
    """Return the record rules in the order in which lines first have them."""
    from labctl.plan.description import record
    from labctl.plan.index import walk

    rules = list(dict.fromkeys(record(line.record) for _, line in walk(plan.root)))
    return "; ".join(rules[:3]) + (f" and {len(rules) - 3} more" if len(rules) > 3 else "")


def _takes(likely: float, longest: float) -> str:
    import math

    from labctl.units import display

    if not likely and math.isinf(longest):
        return "a person"
    return ("" if likely == longest else "about ") + display(likely, "duration")


def _sums(plan: "Plan", found: "Estimate", now: float) -> "RenderableType":
    import math
    from datetime import datetime

    from rich.table import Table

    from labctl.plan.description import limits
    from labctl.units import display

    likely, longest = found.duration
    end = datetime.fromtimestamp(now + likely).astimezone()
    most = "as long as a person needs" if math.isinf(longest) else f"at most {display(longest, 'duration')}"
    table = Table.grid(padding=(0, 2))
    table.add_row("limits", ", ".join(f"{name} {text}" for name, text in limits(_tightest(plan))) or "none")
    table.add_row("record", _record(plan))
    table.add_row("duration", f"about {display(likely, 'duration')}, {most}")
    table.add_row("finish", f"about {end:%Y-%m-%d %H:%M %Z} if it starts now")
    table.add_row("charge", f"about {display(found.charge, 'capacity')}, both directions together")
    table.add_row("rows", f"about {found.rows:,}".replace(",", " "))
    table.columns[0].style = "dim"
    return table

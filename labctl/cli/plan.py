"""Show what a protocol will do on a cell: steps in amperes, limits, duration, charge, rows, finish date, warnings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from rich.console import RenderableType

    from labctl.driver import Bounds
    from labctl.plan.estimate import Estimate
    from labctl.plan.step import Plan
    from labctl.protocol.cell import Cell
    from labctl.run.ability import Ability


def command(
    protocol: Annotated[
        Path, typer.Argument(help="protocol file, or the name of one of the library", show_default=False)
    ],
    *,
    cell: Annotated[Path, typer.Option("--cell", help="cell file", show_default=False)],
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of the protocol")
    ] = None,
    channel: Annotated[
        str,
        typer.Option("--channel", metavar="CH", help="as this channel would do it, and what of it the daemon watches"),
    ] = "",
    station: Annotated[
        Path | None, typer.Option("--station", help="whose channel; station.yaml where that is not named")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
) -> None:
    """Show what a protocol will do on a cell: steps in amperes, limits, duration, charge, rows, finish date, warnings."""
    import time
    from dataclasses import replace

    from labctl.inputs import assignments
    from labctl.plan.compile import compiled_whole
    from labctl.plan.estimate import estimate
    from labctl.run.files import read_files
    from labctl.run.outside import outside
    from labctl.run.stand_in import plan_misfits

    files = read_files(str(protocol), str(cell))
    ability = _ability(channel, station) if channel else None
    capabilities, bounds = (None, None) if ability is None else (ability.capabilities, ability.bounds)
    now = time.time()
    given = assignments(values or [])
    compiled = compiled_whole(files.protocol, files.cell, capabilities, bounds, given, outside(now))
    plan, draws = compiled.plan, compiled.draws
    assert plan is not None
    estimated = estimate(plan, compiled.findings)
    estimated = replace(estimated, warnings=(*estimated.warnings, *plan_misfits(files.cell, plan)))
    watched = () if ability is None else _on_channel(plan, ability, draws)
    if json:
        typer.echo(as_json(plan, estimated, now))
        return
    from labctl.cli.terminal.console import console

    out = console()
    for part in page(plan, estimated, now, told_of_model(files.cell)):
        out.print(part)
    for line in watched:
        out.print(line)


def _ability(channel: str, station: Path | None) -> "Ability":
    from labctl.run.ability import ability_of
    from labctl.run.stations import found_station

    return ability_of(found_station(station, None, Path("data"))[0], channel)


def _on_channel(plan: "Plan", ability: "Ability", draws: "Collection[Plan]") -> "tuple[str, ...]":
    """Return what the channel does otherwise, and which ends are the daemon's, a line each.

    Raises:
        ProtocolError: The channel cannot do it to its end.
    """
    from labctl.errors import ProtocolError
    from labctl.plan.runnable import runnable, seen_by_daemon
    from labctl.quantity.units import display

    findings = runnable(plan, ability.capabilities, ability.translate, ability.roles, draws)
    if any(finding.severity == "error" for finding in findings):
        raise ProtocolError(findings)
    seen = seen_by_daemon(plan, ability.capabilities)
    watched = [
        f"step {one.line}: the daemon watches {one.text!r}, and sees it within {display(one.late, 'duration')}"
        for one in seen
    ]
    return (
        *(f"{finding.mark.file}:{finding.mark.line}: {finding.message}" for finding in findings),
        *dict.fromkeys(watched),
        _alone(plan, ability),
    )


def _alone(plan: "Plan", ability: "Ability") -> str:
    """Say for how long an output may stay on while nobody listens."""
    from math import isinf

    from labctl.plan.runnable import longest_alone
    from labctl.quantity.units import display
    from labctl.run.guard_process import MISSED

    if not ability.capabilities.energises:
        return "with the daemon dead nothing flows: the cell is simulated in it"
    alone = longest_alone(plan, ability.capabilities)
    if alone is None:
        return f"with the daemon dead, or standing still for {display(MISSED, 'duration')}, the guard switches off"
    line, lasts = alone
    bound = "until an end that it locates itself" if isinf(lasts) else f"for {display(lasts, 'duration')} at most"
    return f"with the daemon dead the instrument goes on by itself {bound}, longest from step {line} on"


def as_json(plan: "Plan", estimated: "Estimate", now: float) -> str:
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
        "duration_second": finite(estimated.duration),
        "finish_unix_time_second": finite(estimated.finish(now)),
        "charge_coulomb": estimated.charge,
        "rows": estimated.rows,
        "limits": dict(limits(_tightest(plan))),
        "steps": [asdict(row) for row in rows(plan.root)],
        "warnings": [warning.as_json() for warning in estimated.warnings],
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


def told_of_model(cell: "Cell") -> str:
    """Return what the model that stands in for a cell holds, beside what the file says it does; "" without one."""
    from labctl.quantity.units import display
    from labctl.run.stand_in import model_capacity

    capacity = model_capacity(cell)
    if capacity is None:
        return ""
    share = "" if not cell.nominal else f", {capacity / cell.nominal:.0%} of the nominal capacity"
    return f"model {cell.model}: {display(capacity, 'capacity')} at this size{share}"


def _references(plan: "Plan") -> str:
    """Return the voltages of a plan against every reference that the cell file places; "" where there is but one."""
    from labctl.plan.description import potentials
    from labctl.quantity.units import display

    own = plan.cell.reference.partition(",")[0]
    return "; ".join(
        f"voltages vs {own} and vs {name}: "
        + ", ".join(f"{display(volts, 'voltage')} = {display(volts + at, 'voltage')}" for volts in potentials(plan))
        for name, at in plan.cell.references.items()
    )


def page(plan: "Plan", estimated: "Estimate", now: float, model: str = "") -> "Iterator[RenderableType]":
    """Give the parts of the page: what for, the steps, the sums, the warnings.

    Args:
        plan: Compiled.
        estimated: What it takes.
        now: Unix time at which it would start, s.
        model: What the model holds that stands in for the cell, in words.
    """
    from rich.text import Text

    from labctl.plan.description import drawn

    yield Text.assemble(
        (plan.name, "bold"), "  on  ", (plan.cell.name or plan.cell.kind, "bold"), f"  ({plan.cell.kind})"
    )
    for line in filter(None, (_figures(plan), model, _references(plan))):
        yield Text(line, style="dim")
    yield _steps(plan, estimated)
    yield _sums(plan, estimated, now)
    for sentence in drawn(plan.root):
        yield Text(sentence, style="dim")
    for warning in estimated.warnings:
        place = f"{warning.mark.file}:{warning.mark.line}"
        yield Text.assemble((f"{place}: warning[{warning.code}]: ", "yellow"), warning.message)
        if warning.hint:
            yield Text(f"  hint: {warning.hint}", style="dim")


def _figures(plan: "Plan") -> str:
    from labctl.quantity.units import display

    cell, parts = plan.cell, []
    if cell.nominal is not None:
        parts.append(f"100 % = {display(cell.nominal, 'capacity')}, 1C = {display(cell.nominal / 3600, 'current')}")
    shown = (
        ("area", cell.area, "area"),
        ("active mass", cell.active_mass, "mass"),
        ("film", cell.film_thickness, "length"),
    )
    parts += [f"{name} {display(value, kind)}" for name, value, kind in shown if value is not None]
    if cell.nominal is not None and cell.area:
        parts.append(f"{cell.nominal / cell.area / 36e3:.3g} mAh/cm2")  # 1 mAh/cm2 is 36 000 C/m2
    if cell.active_mass is not None and cell.area:
        parts.append(f"{cell.active_mass / cell.area * 100:.3g} mg/cm2")
    parts += [f"voltages vs {cell.reference}"] if cell.reference else []
    return ", ".join(parts) or "the cell states neither area, mass, thickness nor nominal capacity"


def _steps(plan: "Plan", estimated: "Estimate") -> "RenderableType":
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
        amount, times = estimated.lines[row.line]
        title = Text.assemble(indent, row.word, (f"  {row.name}" if row.name else "", "dim"))
        table.add_row(str(row.line), title, row.setting, row.ends, _takes(amount.likely, amount.longest), f"{times}")
    return table


def _record(plan: "Plan") -> str:
    """Return the record rules in the order in which lines first have them."""
    from labctl.plan.description import record
    from labctl.plan.index import walk

    rules = list(dict.fromkeys(record(line.record) for _, line in walk(plan.root)))
    return "; ".join(rules[:3]) + (f" and {len(rules) - 3} more" if len(rules) > 3 else "")


def _date(unix_time: float) -> str:
    """Return when a plan is done, as far as calendars go."""
    from datetime import datetime

    try:
        return f"about {datetime.fromtimestamp(unix_time).astimezone():%Y-%m-%d %H:%M %Z} if it starts now"
    except (OverflowError, ValueError, OSError):
        return "after the year 9999: it ends by what it watches, or by a person"


def _takes(likely: float, longest: float) -> str:
    import math

    from labctl.quantity.units import display

    if not likely and math.isinf(longest):
        return "not known"
    return ("" if likely == longest else "about ") + display(likely, "duration")


def _asked(name: str, options: "Mapping[str, str]") -> str:
    from labctl.protocol.analyses import option_shown

    shown = ", ".join(f"{key} {option_shown(name, key, value)}" for key, value in options.items())
    return f"{name} ({shown})" if shown else name


def _sums(plan: "Plan", estimated: "Estimate", now: float) -> "RenderableType":
    import math

    from rich.table import Table

    from labctl.plan.description import limits
    from labctl.quantity.units import display

    likely, longest = estimated.duration
    finish = _date(now + likely)
    most = "as long as a person needs" if math.isinf(longest) else f"at most {display(longest, 'duration')}"
    table = Table.grid(padding=(0, 2))
    shown = [f"{name} {text}" for name, text in limits(_tightest(plan))]
    shown += [] if _tightest(plan).current is not None else ["current not limited"]
    table.add_row("limits", ", ".join(shown))
    table.add_row("record", _record(plan))
    if plan.analyses:
        table.add_row("analyses", ", ".join(_asked(name, options) for name, options in plan.analyses))
    table.add_row("duration", f"about {display(likely, 'duration')}, {most}")
    table.add_row("finish", finish)
    table.add_row("charge", f"about {display(estimated.charge, 'capacity')}, both directions together")
    table.add_row("rows", f"about {estimated.rows:,}".replace(",", " "))
    table.columns[0].style = "dim"
    return table

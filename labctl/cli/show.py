"""Steps, cycles and results of a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from labctl.store.entry import StoredRun
    from labctl.store.reader import Reader

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; or a postgresql:// copy; labctl.db here, else the daemon's",
    show_default=False,
)
BRIEF = frozenset({"begin_test_time_second", "first_voltage_volt", "late_second", "overshoot", "first_record", "last_record",
                   "end_text", "charging_energy_wh", "discharging_energy_wh"})  # shown with --all  # fmt: skip
MOST = 40  # lines of a table unless --all is given

HAPPENED = (
    "left_out",
    "late",
    "tripped",
    "asked",
    "diverged",
    "gap",
    "fault",
    "note",
    "order",
    "run_ended",
)  # besides steps and cycles
SHORT = {
    "begin_test_time_second": "begin/s", "step_time_second": "time/s", "charging_capacity_ah": "charge/Ah",
    "discharging_capacity_ah": "disch./Ah", "first_voltage_volt": "first/V", "last_voltage_volt": "last/V",
    "last_current_ampere": "last/A", "late_second": "late/s", "charging_energy_wh": "charge/Wh",
    "discharging_energy_wh": "disch./Wh", "coulombic_efficiency": "CE", "step_count": "step", "cycle_count": "cyc",
    "step_type": "verb", "step_name": "name", "end_reason": "end", "end_text": "condition", "first_record": "from row",
    "last_record": "to row",
}  # fmt: skip


def command(
    run: Annotated[str, typer.Argument(help="run number, or the beginning of its uuid", show_default=False)],
    *,
    db: Annotated[str, DB] = "",
    whole: Annotated[bool, typer.Option("--all", help="every line of every table")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
) -> None:
    """Show a run: what it is, its cycles, steps, spectra and results, and what happened to it."""
    from labctl.control.endpoint import journal
    from labctl.store.reader import Reader

    with Reader(db or journal()) as reader:
        stored = reader.find(run)
        by_title = tables(reader, stored)
    if json:
        as_json(stored, by_title)
    else:
        show(stored, by_title, None if whole else MOST)


def tables(reader: "Reader", run: "StoredRun") -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a run by title, each row by column."""
    from labctl.store import queries

    asked = {"cycles": queries.CYCLES, "steps": queries.STEPS, "spectra": queries.SPECTRA, "results": queries.RESULTS}
    by_title = {}
    for title, sql in asked.items():
        names = queries.columns_of(sql)
        by_title[title] = [dict(zip(names, row, strict=True)) for row in reader.query(sql, run=run.run_id)]
    by_title["events"] = [
        {
            "time / s": stored.event.time,
            "row": stored.event.record_index,
            "event": stored.event.kind,
            **stored.event.data,
        }
        for stored in reader.events(run.run_id)
        if stored.event.kind in HAPPENED
    ]
    return by_title


def as_json(run: "StoredRun", by_title: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print a run and its tables as one JSON object."""
    from dataclasses import asdict

    import orjson

    typer.echo(orjson.dumps({"run": asdict(run), **by_title}, option=orjson.OPT_INDENT_2).decode())


def show(run: "StoredRun", by_title: Mapping[str, Sequence[Mapping[str, Any]]], most: int | None) -> None:
    """Print a run and its tables; of a long table the first and the last lines."""
    from labctl.cli.terminal.console import console

    out = console()
    state = run.activity if run.active else f"{run.end_reason}{f': {run.end_why}' if run.end_why else ''}"
    out.print(f"run {run.run_id}  {run.title}, {state}", style="bold", soft_wrap=True)
    facts = f"{run.rows:,} rows in {run.test_time / 3600:.2f} h"
    out.print(f"  {facts}, channel {run.channel or '-'}, {run.software}, {run.uuid}", soft_wrap=True)
    if run.simulated:
        out.print(f"  {run.origin}: no cell was measured", soft_wrap=True)
    if run.imported:
        out.print(f"  {run.origin}, test {run.options.get('test')}", soft_wrap=True)
        for name in ("conventions", "import_notes"):
            if text := str(run.options.get(name) or ""):
                out.print(f"  {name.removeprefix('import_')}: {text}", soft_wrap=True)
    if run.active and run.why:
        out.print(f"  waits: {run.why}; {run.unblock}", soft_wrap=True)
    for title, rows in by_title.items():
        if rows:
            out.print(f"\n{title}", style="bold")
            table(out, rows, most)


def table(console: Any, rows: Sequence[Mapping[str, Any]], most: int | None) -> None:
    """Print rows, without the columns that none of them has."""
    from rich.table import Table

    if "event" in rows[0]:
        rows = [{**{name: row[name] for name in ("time / s", "row", "event")}, "what": _rest(row)} for row in rows]
    names = [name for name in rows[0] if any(_cell(row.get(name), name) for row in rows)]
    names = [name for name in names if most is None or name not in BRIEF]
    grid = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    sizes = _sizes(rows, names)
    for name in names:
        justify = "left" if isinstance(rows[0][name], str) else "right"
        title = SHORT.get(name, name)
        if name in sizes:
            title = f"{title.partition('/')[0]}/{sizes[name][1]}"
        grid.add_column(title, justify=justify, no_wrap=name != "what")  # type: ignore[arg-type]
    kept = rows if most is None or len(rows) <= most else [*rows[: most // 2], {}, *rows[-(most // 2) :]]
    for row in kept:
        grid.add_row(*(_sized(row, name, sizes) if row else "..." for name in names))
    console.print(grid)


def _sizes(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, tuple[float, str]]:
    """Return the unit of each column of charge, energy or current: the same for both directions, of a readable size."""
    from labctl.analysis.digits import scale

    sizes: dict[str, tuple[float, str]] = {}
    for ending, unit in (("_ah", "Ah"), ("_wh", "Wh"), ("_ampere", "A")):
        mine = [name for name in names if name.endswith(ending)]
        values = [row[name] for row in rows for name in mine if isinstance(row.get(name), float)]
        sizes |= dict.fromkeys(mine, scale(unit, values))
    return sizes


def _sized(row: Mapping[str, Any], name: str, sizes: Mapping[str, tuple[float, str]]) -> str:
    value = row.get(name)
    return _cell(value / sizes[name][0] if name in sizes and isinstance(value, float) else value, name)


def _rest(row: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_cell(value)}" for name, value in row.items() if name not in {"time / s", "row", "event"})


def _cell(value: Any, name: str = "") -> str:
    if value is None or (name, value) in {
        ("kind", "true"),
        ("complete", 1),
        ("end_reason", "done"),
    }:  # an ordinary cycle
        return ""
    if name == "complete":
        return "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Steps, cycles and results of a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from labctl.store.entry import Run
    from labctl.store.reader import Reader

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; or a postgresql:// copy; labctl.db here, else the daemon's",
    show_default=False,
)
BRIEF = frozenset({"begin_test_time_second", "first_voltage_volt", "late_second", "overshoot", "first_record", "last_record",
                   "end_text", "charging_energy_wh", "discharging_energy_wh"})  # shown with --all  # fmt: skip
MOST = 40  # lines of a table unless --all is given

STEPS = (
    "SELECT step_count, cycle_count, step_type, step_name, begin_test_time_second, step_time_second, end_reason, end_text, "
    "charging_capacity_ah, discharging_capacity_ah, first_voltage_volt, last_voltage_volt, last_current_ampere, late_second, "
    "overshoot, first_record, last_record FROM steps WHERE run_id = :run ORDER BY step_count"
)
CYCLES = (
    "SELECT cycle_count, kind, charging_capacity_ah, discharging_capacity_ah, charging_energy_wh, discharging_energy_wh, "
    "coulombic_efficiency, retention, first_record, last_record FROM cycles WHERE run_id = :run ORDER BY cycle_count"
)
RESULTS = "SELECT name, cycle_count, value, unit FROM results WHERE run_id = :run ORDER BY name, cycle_count"
SPECTRA = (
    "SELECT spectrum, step_count, cycle_count, points, complete, begin_test_time_second FROM spectra "
    "WHERE run_id = :run ORDER BY spectrum"
)
HAPPENED = ("tripped", "asked", "diverged", "gap", "fault", "note", "order", "run_ended")  # besides steps and cycles
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
    from labctl.control.place import journal
    from labctl.store.reader import Reader

    with Reader(db or journal()) as reader:
        found = reader.find(run)
        told = tables(reader, found)
    if json:
        as_json(found, told)
    else:
        show(found, told, None if whole else MOST)


def tables(reader: "Reader", run: "Run") -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a run by title, each row by column."""
    found = {}
    for title, sql in (("cycles", CYCLES), ("steps", STEPS), ("spectra", SPECTRA), ("results", RESULTS)):
        names = [name.strip() for name in sql.partition(" FROM ")[0].removeprefix("SELECT ").split(",")]
        found[title] = [dict(zip(names, row, strict=True)) for row in reader.query(sql, run=run.run_id)]
    found["events"] = [
        {
            "time / s": stored.event.time,
            "row": stored.event.record_index,
            "event": stored.event.kind,
            **stored.event.data,
        }
        for stored in reader.events(run.run_id)
        if stored.event.kind in HAPPENED
    ]
    return found


def as_json(run: "Run", told: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print a run and its tables as one JSON object."""
    from dataclasses import asdict

    import orjson

    typer.echo(orjson.dumps({"run": asdict(run), **told}, option=orjson.OPT_INDENT_2).decode())


def show(run: "Run", told: Mapping[str, Sequence[Mapping[str, Any]]], most: int | None) -> None:
    """Print a run and its tables; of a long table the first and the last lines."""
    from labctl.cli.paper import console as paper

    console = paper()
    state = run.activity if run.active else f"{run.end_reason}{f': {run.end_why}' if run.end_why else ''}"
    console.print(f"run {run.run_id}  {run.protocol} on {run.cell}, {state}", style="bold", soft_wrap=True)
    facts = f"{run.rows:,} rows in {run.test_time / 3600:.2f} h"
    console.print(f"  {facts}, channel {run.channel or '-'}, {run.software}, {run.uuid}", soft_wrap=True)
    if run.active and run.why:
        console.print(f"  waits: {run.why}; {run.unblock}", soft_wrap=True)
    for title, rows in told.items():
        if rows:
            console.print(f"\n{title}", style="bold")
            table(console, rows, most)


def table(console: Any, rows: Sequence[Mapping[str, Any]], most: int | None) -> None:
    """Print rows, without the columns that none of them has."""
    from rich.table import Table

    if "event" in rows[0]:
        rows = [{**{name: row[name] for name in ("time / s", "row", "event")}, "what": _rest(row)} for row in rows]
    names = [name for name in rows[0] if any(_cell(row.get(name), name) for row in rows)]
    names = [name for name in names if most is None or name not in BRIEF]
    grid = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    for name in names:
        justify = "left" if isinstance(rows[0][name], str) else "right"
        grid.add_column(SHORT.get(name, name), justify=justify, no_wrap=name != "what")  # type: ignore[arg-type]
    kept = rows if most is None or len(rows) <= most else [*rows[: most // 2], {}, *rows[-(most // 2) :]]
    for row in kept:
        grid.add_row(*(_cell(row.get(name), name) if row else "..." for name in names))
    console.print(grid)


def _rest(row: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_cell(value)}" for name, value in row.items() if name not in {"time / s", "row", "event"})


def _cell(value: Any, name: str = "") -> str:
    if value is None or (name == "kind" and value == "true"):  # an ordinary cycle
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Figures of merit of a stored run."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.analysis.run_record import Analysis
    from labctl.store.entry import StoredRun
    from labctl.store.reader import Reader

STORED_WITHIN = 120.0  # s that the daemon has for it: one analysis of a long run may be before it
LOOK_AGAIN = 0.05  # s


def command(
    run: Annotated[str, typer.Argument(help="run number, or the beginning of its uuid", show_default=False)],
    names: Annotated[
        list[str] | None, typer.Argument(help="analyses; without, those of the protocol", show_default=False)
    ] = None,
    *,
    db: Annotated[
        str,
        typer.Option(
            "--db",
            help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
            show_default=False,
        ),
    ] = "",
    circuit: Annotated[
        str, typer.Option("--circuit", metavar="TEXT", help='fit this one: "R0-p(R1,CPE1)-W1"', show_default=False)
    ] = "",
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="an option, as in a protocol", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
    keep: Annotated[
        bool,
        typer.Option("--store/--no-store", help="keep what comes out in the journal, beside that of other versions"),
    ] = True,
    history: Annotated[bool, typer.Option("--history", help="what is stored of this run, by every version")] = False,
) -> None:
    """Tell the figures of merit of a run: those that its protocol asks for, or those named."""
    import sys
    import time

    from labctl.control.endpoint import journal
    from labctl.errors import StoreBusy
    from labctl.report.stored import news, store
    from labctl.store.queries import ANALYSES_OF_RUN
    from labctl.store.reader import Reader

    refuse_swapped(run, names or [])
    given, where = given_options(circuit, values or []), db or journal()
    with Reader(where) as reader:
        stored_run = reader.find(run)
        if history:
            show_history(reader.query(ANALYSES_OF_RUN, run=stored_run.run_id))
            return
        before = stored_then(reader, stored_run.run_id)
        asked = words_for(reader, stored_run, names or [], given)
        analyses, events = news(reader, stored_run, time.time(), asked)
    if keep:
        try:
            store(str(where), stored_run.run_id, events, lambda why: print(why, file=sys.stderr))
        except StoreBusy as busy:
            wanted = {str(each.data["analysis"]) for each in events}
            print(by_daemon(str(where), stored_run, asked, before, wanted) or f"not stored: {busy}", file=sys.stderr)
    if json:
        typer.echo(as_json(analyses))
        return
    for analysis in analyses:
        show(analysis)
    typer.echo(f"next: labctl report {run} --db {where} -o run-{stored_run.run_id}.html")


def refuse_swapped(run: str, names: "Sequence[str]") -> None:
    """Refuse `analyse capacity 1`."""
    from labctl.errors import UsageError

    if run.isidentifier() and names and names[0].isdecimal():
        raise UsageError(
            f"wanted the run before its analyses, found {run} {names[0]}; write labctl analyse {names[0]} {run}"
        )


def given_options(circuit: str, assignments: "Sequence[str]") -> dict[str, str]:
    """Return options of analyses by name.

    Raises:
        UsageError: One is no assignment.
    """
    from labctl.errors import UsageError

    given = {"circuit": circuit} if circuit else {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"wanted NAME=VALUE, found {text!r}")
        given[name.strip()] = value.strip()
    return given


def words_for(
    reader: "Reader", run: "StoredRun", names: "Sequence[str]", given: "Mapping[str, str]"
) -> "Sequence[str]":
    """Return the analyses that are asked for, by name, each with those of the given options that it has."""
    from labctl.report.run_data import default_analyses, plan_of

    if not given:
        return names
    usual = dict.fromkeys(name for name, _ in default_analyses(plan_of(reader, run)))
    return with_options(names or list(usual), given, every=bool(names))


def with_options(names: "Sequence[str]", given: "Mapping[str, str]", *, every: bool) -> list[str]:
    """Return those of some analyses that have one of these options, each with what it has of them; all of them if `every`.

    Where no analysis was named and none has the circuit that is given, that is fitted by `impedance`.

    Raises:
        UsageError: None of the analyses has an option.
    """
    from labctl.errors import UsageError
    from labctl.protocol.analyses import as_word
    from labctl.protocol.keys import ANALYSES

    known = {name: {key: given[key] for key in given if key in ANALYSES.get(name, {})} for name in names}
    if "circuit" in given and not every and not any("circuit" in options for options in known.values()):
        known["impedance"] = {"circuit": given["circuit"]}
    for option in given:
        if not any(option in options for options in known.values()):
            having = [name for name, options in ANALYSES.items() if option in options]
            there = f"; {', '.join(having)} {'has' if len(having) == 1 else 'have'} one: name it" if having else ""
            raise UsageError(f"wanted an option of {', '.join(names)}, found {option!r}{there}")
    return [as_word(name, options) for name, options in known.items() if every or options]


def by_daemon(
    where: str, run: "StoredRun", names: "Sequence[str]", before: "Mapping[str, float]", wanted: "set[str]"
) -> str:
    """Have the daemon that holds a journal store analyses, wait for them, and say what came of it; "" where none holds it.

    Args:
        where: The journal.
        run: Whose analyses.
        names: As they were asked for.
        before: When each was stored last, as `stored_then` says, before it was asked.
        wanted: The names of those that are new.
    """
    import time

    from labctl.control.client import DaemonClient
    from labctl.errors import LabctlError
    from labctl.store.location import place
    from labctl.store.reader import Reader

    try:
        with DaemonClient(place(where).folder) as client:
            client.analyse(run.uuid, names)
    except LabctlError:
        return ""
    deadline = time.monotonic() + STORED_WITHIN
    with Reader(where) as reader:
        while late := {name for name in wanted if stored_then(reader, run.run_id).get(name) == before.get(name)}:
            if time.monotonic() > deadline:
                return f"not stored yet: {', '.join(sorted(late))}; the daemon was asked, and its log says why it takes long"
            time.sleep(LOOK_AGAIN)
    return "stored and published by the daemon"


def stored_then(reader: "Reader", run_id: int) -> "dict[str, float]":
    """Return when each analysis of a run was stored last, UTC in s."""
    from labctl.store.queries import ANALYSES_OF_RUN

    rows = sorted(reader.query(ANALYSES_OF_RUN, run=run_id), key=lambda row: float(row[4]))
    return {str(row[0]): float(row[4]) for row in rows}


def show_history(rows: "Sequence[Sequence[Any]]") -> None:
    """Print what is stored of a run: each analysis by each version, its inputs, figures and flags."""
    import orjson

    from labctl.analysis.digits import with_intervals
    from labctl.cli.terminal.console import console

    out = console()
    for analysis, options, version, _, _, inputs, figures, flags in rows:
        given = "" if options == "{}" else f" {options}"
        made_of = orjson.loads(inputs)
        out.print(f"{analysis}{given}, labctl {version}, {made_of['complete_cycles']} cycles", style="bold")
        told = orjson.loads(figures)
        values = with_intervals([(each["name"], each["value"], each["unit"]) for each in told])
        for each, value in zip(told, values, strict=True):
            out.print(f"  {each['name']:<34} {value:>12} {each['unit']}", soft_wrap=True)
        for flag in orjson.loads(flags):
            out.print(f"  {flag}", style="yellow", soft_wrap=True)


def as_json(analyses: "list[Analysis]") -> str:
    """Return analyses as one JSON object by name; what is not a number is null."""
    from dataclasses import asdict

    import orjson

    return orjson.dumps({analysis.name: asdict(analysis) for analysis in analyses}, option=orjson.OPT_INDENT_2).decode()


def show(analysis: "Analysis", most: int = 20) -> None:
    """Print an analysis: its figures, its flags, and the first and last rows of its table."""
    from rich.console import Console
    from rich.table import Table

    from labctl.analysis.digits import texts, with_intervals
    from labctl.cli.terminal.console import console

    out = console()
    out.print(analysis.name, style="bold")
    values = with_intervals([(each.name, each.value, each.unit) for each in analysis.figures])
    for figure, value in zip(analysis.figures, values, strict=True):
        cycle = f"  (cycle {figure.cycle})" if figure.cycle else ""
        out.print(f"  {figure.name:<34} {value:>12} {figure.unit}{cycle}", highlight=False, soft_wrap=True)
    for flag in analysis.flags:
        out.print(f"  {flag}", style="yellow", soft_wrap=True)
    rows = list(zip(*texts(analysis.table).values(), strict=True))
    if not rows:
        return
    kept = rows if len(rows) <= most else [*rows[: most // 2], tuple("..." for _ in rows[0]), *rows[-most // 2 :]]
    names = list(analysis.table)
    widths = widths_of(names, kept)
    if out.is_terminal and sum(widths) > out.width:
        names = [over_each_other(name) for name in names]
        widths = widths_of(names, kept)
    for columns in beside(widths, out.width) if out.is_terminal else [range(len(names))]:
        table = Table(box=None, header_style="dim", padding=(0, 2))
        for at in columns:
            table.add_column(names[at], justify="right", no_wrap=True, vertical="bottom")
        for row in kept:
            table.add_row(*(row[at] for at in columns))
        needed = sum(widths[at] for at in columns)
        Console(width=max(out.width, needed), markup=False).print(table)


def widths_of(names: "Sequence[str]", rows: "Sequence[Sequence[str]]") -> list[int]:
    """Return how many characters each column takes, with the space around it."""
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return [max(map(len, (*name.split("\n"), *column))) + 4 for name, column in columns]


def over_each_other(name: str) -> str:
    """Return the name of a column with its words over each other, its unit in a line of its own."""
    quantity, slash, unit = name.partition(" / ")
    return "\n".join([*quantity.split(), *([f"/ {unit}"] if slash else [])])


def beside(widths: "Sequence[int]", width: int) -> "list[list[int]]":
    """Return which columns stand beside each other where only so many characters fit: the first one begins each table."""
    tables = [[0]]
    for at, each in enumerate(widths[1:], 1):
        if len(tables[-1]) > 1 and sum(widths[other] for other in tables[-1]) + each > width:
            tables.append([0])
        tables[-1].append(at)
    return tables

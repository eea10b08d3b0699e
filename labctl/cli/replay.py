"""Fold stored runs again and compare every bit."""

from typing import Annotated

import typer


def command(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="number or uuid; all by default", show_default=False)
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
    json: Annotated[bool, typer.Option("--json", help="one JSON object a run")] = False,
) -> None:
    """Fold stored runs again through their plans; state and events must come out as stored, to the bit."""
    from dataclasses import asdict

    import orjson

    from labctl.control.endpoint import journal
    from labctl.run.replay import replay
    from labctl.store.reader import Reader

    wrong = 0
    with Reader(db or journal()) as reader:
        wanted = [reader.find(name) for name in runs] if runs else reader.runs()
        for run in wanted:
            replayed = replay(reader, run.run_id)
            wrong += not replayed.equal
            if json:
                print(orjson.dumps({**asdict(replayed), "equal": replayed.equal}).decode())
            else:
                counted = f"{replayed.rows} rows, {replayed.inputs} inputs, {replayed.events} events"
                print(f"run {replayed.run_id}: {f'equal, {counted}' if replayed.equal else replayed.difference}")
    raise typer.Exit(1 if wrong else 0)

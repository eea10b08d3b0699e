"""What is wrong around a station, and the command that mends it."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    *,
    station: Annotated[
        Path | None,
        typer.Option(
            "--station", help="station file; station.yaml here, else four simulated channels", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="a JSON list instead of a table")] = False,
) -> None:
    """Look at clock, disk, permissions, broker, PostgreSQL, drivers, guard and service, and say what mends what is wrong.

    Nothing is changed, and no instrument is asked anything. Exit code 1 where something is wrong.
    """
    from dataclasses import asdict

    from labctl.cli.terminal.console_text import as_json, plain
    from labctl.control.endpoint import data_folder
    from labctl.doctor.examine import examine

    signs = {"well": "ok", "note": "note", "wrong": "WRONG"}
    seen = []
    for each in examine(station, data, data_folder()):
        seen.append(each)
        if not json:
            print(f"{signs[each.state]:<6} {each.subject:<12} {plain(each.text)}", flush=True)
            if each.mend:
                print(f"{'':<19} {plain(each.mend)}", flush=True)
    if json:
        as_json([asdict(each) for each in seen])
    wrong = sum(each.state == "wrong" for each in seen)
    if not json:
        print(f"\n{wrong} wrong" if wrong else "\nnothing is wrong")
    if wrong:
        raise typer.Exit(1)

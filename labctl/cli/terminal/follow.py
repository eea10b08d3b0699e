"""A run that is followed on the terminal from its start until nothing goes on by itself."""

import time
from collections.abc import Mapping
from pathlib import Path

from labctl.cli.terminal.console_text import say_checked, started, step, time_left
from labctl.control.client import PATIENCE, DaemonClient
from labctl.errors import OrderRefused

SETTLED = frozenset({"idle", "done", "tripped", "failed"})  # nothing goes on by itself there


def followed(daemon: DaemonClient, run: str, channel: str) -> str:
    """Show progress and time left until the run of a channel settles; return the state it settled in."""
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, transient=False) as bar:
        task = bar.add_task(channel, total=1.0, left="")
        while True:
            row = next((row for row in daemon.status() if row["channel"] == channel), {})
            state = str(row.get("activity", "unknown"))
            if row.get("run") != run or state in SETTLED:
                bar.update(task, completed=1.0 if state == "done" else row.get("progress"), left=state)
                return state
            text = f"{channel} {state} cycle {row.get('cycle_count', 0)} step {step(row)}"
            left = time_left(row)
            bar.update(
                task, description=text, completed=row.get("progress") or 0.0, left=f"{left} left" if left else ""
            )
            time.sleep(0.5)


def begin(data: Path | None, verb: str, arguments: Mapping[str, object], *, follow: bool, json: bool) -> None:
    """Start a run, say what it will take, and follow it if that is wanted.

    Raises:
        OrderRefused: It was followed and did not end as done.
    """
    from labctl.cli.terminal.follow import followed

    with DaemonClient(data, patience=0.0 if arguments.get("check") else PATIENCE) as daemon:
        answer = daemon.order(verb, arguments)
        if arguments.get("check"):
            say_checked([answer], json=json)
            return
        started(answer, json=json)
        if not follow or answer.get("waits"):
            return
        run, channel = str(answer["run"]), str(answer["channel"])
        if (state := followed(daemon, run, channel)) != "done":
            raise OrderRefused(f"{channel}: the run ended as {state}; labctl why {channel} says more")
        if not json:
            print(f"{channel}: done; labctl analyse {run[:8]}, or labctl report {run[:8]} -o run.html")

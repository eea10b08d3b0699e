"""Go on, or begin again from a step as a new run."""

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
AS_JSON = typer.Option("--json", help="one JSON object instead of a sentence")


def command(
    target: Annotated[
        str, typer.Argument(metavar="CHANNEL|RUN", help="channel that waits; with --from the run to go on from")
    ],
    *,
    step: Annotated[
        int | None, typer.Option("--from", metavar="STEP", min=0, help="line of the plan; 0 for where the run stopped")
    ] = None,
    channel: Annotated[
        str, typer.Option("--channel", "-c", help="another channel for the new run", show_default=False)
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="show progress and time left until it ends")] = False,
    data: Annotated[Path | None, DATA] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Go on with a run that is paused or asks; with --from, begin a new run that carries on an ended one.

    The new run carries cycle count, charge and the references of retention.
    """
    from labctl.control.said import begin, give

    if step is None:
        give(data, "resume", [target], json=json)
    else:
        begin(data, "resume", {"run": target, "step": step, "channel": channel}, follow=follow, json=json)

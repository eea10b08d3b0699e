"""Somebody has seen an alarm."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    alarm: Annotated[str, typer.Argument(help="id of the alarm, as a message names it", show_default=False)] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="every alarm that is active")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
    ] = None,
) -> None:
    """Say that somebody has seen an alarm: it is not told again, and to nobody else; what it is about is not changed."""
    from labctl.control.client import person
    from labctl.control.endpoint import data_folder
    from labctl.errors import UsageError
    from labctl.notify.codec import state_from_json
    from labctl.store.notices import Notices

    with Notices(data or data_folder()) as notices:
        stored = notices.load()
        active = {} if stored is None else {each.id: each for each in state_from_json(stored[1]).active.values()}
        if not everything and alarm not in active:
            known = ", ".join(f"{each.id} ({each.subject} {each.kind})" for each in active.values()) or "none is active"
            raise UsageError(f"wanted the id of an alarm, found {alarm!r}; {known}")
        notices.acknowledge("" if everything else alarm, person())
    print("seen by", person())

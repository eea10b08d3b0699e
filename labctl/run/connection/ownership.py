"""Whose program an instrument runs: this station's, and which run gave it. `journal` is the uuid of the station's journal."""

from labctl.driver import Owner, Status
from labctl.run.connection.polled_run import PolledRun


def owner_of(journal: str, run: PolledRun) -> Owner:
    """Return who gives the programs of a run."""
    info = run.channel.info
    return Owner(journal, "" if info is None else info.uuid)


def is_ours_to_stop(journal: str, status: Status) -> bool:
    """Tell whether the program that an instrument runs by itself says that this station gave it."""
    return status.owner is not None and status.owner.within(journal)


def is_program_of(journal: str, run: PolledRun, status: Status) -> bool:
    """Tell whether a channel runs the program that a run has given it last."""
    state = run.session.state
    if status.activity != "running" or status.attempt != state.held.attempt:
        return False
    owner = owner_of(journal, run)
    return status.owner is None or status.owner.within(owner.journal, owner.run)

"""An analysis that somebody asks for of a stored run: an event of it, which the daemon's analyst hears and obeys."""

from collections.abc import Sequence

from labctl.analysis.catalogue import ANALYSES
from labctl.engine.input import Event
from labctl.errors import UsageError
from labctl.inputs import near
from labctl.protocol.analyses import of_word, read_options
from labctl.run.roster import Roster
from labctl.store.entry import Entry, StoredRun


async def ask_for_analyses(roster: Roster, target: str, names: Sequence[str], by: str) -> StoredRun:
    """Store that a run shall be analysed, and return it once that is committed; what comes out follows as further events.

    Args:
        roster: Of the channels.
        target: A run by its number or uuid, or a channel for the run on it, or its last.
        names: Analyses, with options as `as_word` writes them; none for those of its protocol.
        by: Who asks.

    Raises:
        UsageError: There is no such run, or no such analysis.
        ProtocolError: An option is none of its analysis, or says what cannot be.
        OrderRefused: The channel has had no run.
    """
    for name, given in map(of_word, names):
        if name not in ANALYSES:
            raise UsageError(
                f"wanted an analysis, found {name!r}{near(name, ANALYSES)}; there are {', '.join(ANALYSES)}"
            )
        read_options(name, given)
    run = await roster.stored_run(target)
    event = Event("analysis_asked", run.rows - 1, run.test_time, {"names": " ".join(names), "by": by})
    roster.sink.offer(Entry(run.run_id, events=(event,)))
    await roster.sink.flush()
    return run

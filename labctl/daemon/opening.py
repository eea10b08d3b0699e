"""What the daemon holds and says as it opens: its station, and the journal: damaged, short of commits, restored, headless."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

from labctl.errors import StoreBusy, StoreError
from labctl.run.alarms import Alarms
from labctl.station.settings import Station
from labctl.store.journal import Journal
from labctl.store.location import Lock
from labctl.store.reader import Reader

LOG = logging.getLogger("labctl.daemon")
LOST_FOR = 7 * 86400.0  # s for which a loss is alarmed after it was noticed; `labctl verify` says it for ever


def hold_station(stack: AsyncExitStack, station: Station) -> None:
    """Be the one daemon of a station file with instruments: two would give each other's cells their set-points.

    The data folder alone does not tell: it may have been moved, or another one named. A folder in which no lock can be made is
    served without one.

    Raises:
        StoreBusy: Another daemon serves the file; the message names it.
    """
    if not station.file or all(each.driver == "simulated" for each in station.instruments.values()):
        return
    file = Path(station.file).absolute()
    try:
        lock = Lock(file.with_name(f".{file.name}.lock"), f"the station file {file}, with its instruments,")
    except StoreBusy:
        raise
    except StoreError as error:
        LOG.warning("no other daemon is kept from this station: %s", error)
        return
    stack.callback(lock.release)


def tell_of_opening(journal: Journal, alarms: Alarms) -> None:
    """Raise the alarms that follow from what was there when a journal was opened."""
    opening = journal.opening
    if opening.set_aside is not None:
        words = f"the journal was damaged and is set aside at {opening.set_aside}; a new one was begun"
        alarms.rise("journal-damaged", "error", words)
    if opening.headless:
        words = f"the file {journal.place.head} is gone or damaged: that no commit is missing cannot be told; a new one was begun"
        alarms.rise("journal-head", "warning", words)
    if journal.restored:
        alarms.rise("journal-restored", "warning", journal.cut_why)
    if journal.remade:
        words = f"the journal had no table {' and '.join(journal.remade)}: made anew and empty. {_forgotten(journal.remade)}"
        alarms.rise("journal-tables", "error", words)
    if journal.unqueued:
        words = f"the runs that waited on {', '.join(journal.unqueued)} were taken out of the queue: they may have begun since"
        alarms.rise("journal-queue", "warning", words)
    with Reader(journal.place.folder) as reader:
        losses = [loss for loss in reader.losses() if journal.now() - loss.unix_time < LOST_FOR]
    if losses:
        texts = [loss.text for loss in losses]
        runs = [f"{run.protocol} on {run.channel} ({run.uuid})" for loss in losses for run in loss.runs]
        texts += [f"of these runs nothing is known any more: {', '.join(runs)}"] if runs else []
        texts += [f"the files as they were found are in {loss.kept}" for loss in losses if loss.kept]
        alarms.rise("journal-lost", "error", f"the journal lost what it had acknowledged: {'; '.join(texts)}")


def _forgotten(tables: tuple[str, ...]) -> str:
    """Say what is not known any more where these tables are gone."""
    words = {
        "orders": "An order that was answered before is obeyed again if it is given again under its id",
        "queue": "Runs that waited for their turn are not known any more",
    }
    return "; ".join(words[name] for name in tables)

"""What the daemon has to do with guards: an older one that is still at work, and its own, which must be alive."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final

from labctl.clock import Clock
from labctl.daemon.notify import notify
from labctl.errors import SettingRefused, StoreBusy
from labctl.run.connection.polled_connection import PolledConnection
from labctl.run.guard_process import BEAT, GUARD_LOCK, GuardProcess, GuardState
from labctl.run.guard_record import GUARD_RELIEF, last_at_work, read_entries, still_trying, trim
from labctl.store.location import Lock, holder

LOG = logging.getLogger("labctl.daemon")
GUARD_WITHIN: Final = 30.0  # s that an older guard may take to switch its outputs off, or to let go of them
PATIENCE: Final = 3.0  # s after which its instruments that do not answer are taken over, so that the others are served
TWICE: Final = 60.0  # s within which a second death of the guard counts like one that stands still
LOOK: Final = 0.02  # s between two looks at its lock


async def wait_for_guard(
    folder: Path, clock: Clock, lines: Mapping[str, PolledConnection], guard: GuardProcess
) -> None:
    """Wait until an older daemon's guard has switched off what it watched over.

    Of instruments that do not answer it is relieved: this daemon's guard watches over them from then on, and their
    connections go on trying, while everything else is served.

    Raises:
        StoreBusy: It neither ends nor lets go.
    """
    begin, relieved = clock.now(), False
    while True:
        try:
            Lock(folder / GUARD_LOCK, "the guard").release()
        except StoreBusy as error:
            waited = (clock.now() - begin) / clock.speed
            if relieved and holder(folder / GUARD_LOCK) == guard.pid:
                break  # ours was quicker to take the lock that the older one let go
            if waited > GUARD_WITHIN:
                raise StoreBusy(f"the guard of an earlier daemon is still at work: {error}") from error
            if waited > PATIENCE and not relieved:
                relieved = await _relieve(folder, lines, guard)
            await clock.until(clock.now() + LOOK * clock.speed)
        else:
            break
    (folder / GUARD_RELIEF).unlink(missing_ok=True)
    trim(folder)


async def _relieve(folder: Path, lines: Mapping[str, PolledConnection], guard: GuardProcess) -> bool:
    """Take over the instruments that an older guard cannot reach; tell whether all of them are the station's."""
    entries = read_entries(folder)
    older = last_at_work(entries)
    trying = still_trying(entries, older)
    if not trying or not trying.keys() <= lines.keys():
        return False
    for name, channels in trying.items():
        LOG.error("instrument %s does not answer and its channels %s may be on", name, ", ".join(channels))
        for channel in channels:
            lines[name].executor.turned(channel, on=True)
    try:
        await guard.ready()
    except SettingRefused:  # the older one is not let go before ours has taken over
        return False
    (folder / GUARD_RELIEF).write_text(str(older), encoding="ascii")
    return True


class GuardKeeper:
    """Gives the guard its signs of life, from before the first output is on until after the last one is off.

    It waits for no instrument: a guard that hears no beat ends the daemon.
    """

    def __init__(self, guard: GuardProcess, clock: Clock, lines: Sequence[PolledConnection]) -> None:
        """Take the guard, and the connections whose outputs go off where it fails."""
        self._guard = guard
        self._clock = clock
        self._lines = list(lines)
        self._tasks: set[asyncio.Task[None]] = set()
        self._deaths: deque[float] = deque(maxlen=2)

    def start(self) -> None:
        """Begin; called once."""
        self._begin(self._beat())

    def add(self, lines: Sequence[PolledConnection]) -> None:
        """Watch over further connections."""
        self._lines += lines

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name="guard")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        clock = self._clock
        while True:
            try:
                state = self._guard.beat()
            except OSError:
                LOG.exception("the guard process cannot be started")
                state = "died"
            notify("WATCHDOG=1")
            if state != "watching":
                self._deaths.append(clock.now())
                if state == "stood still" or self._again():
                    self._begin(self._hold(state))
            await clock.until(clock.now() + BEAT * clock.speed)

    def _again(self) -> bool:
        """Tell whether the last two deaths came close after each other."""
        deaths = self._deaths
        return len(deaths) == deaths.maxlen and deaths[-1] - deaths[0] < TWICE * self._clock.speed

    async def _hold(self, state: GuardState) -> None:
        """Switch outputs off that nobody watches over, and let the runs ask."""
        died = "the guard process died twice within a minute"
        why = "the guard process stood still" if state == "stood still" else died
        LOG.error("%s: outputs are switched off, and the runs ask", why)
        await asyncio.gather(*(line.ask_all(why) for line in self._lines), return_exceptions=True)

"""What a set-point that energises waits for: the commit of what led to it, and the guard that would switch it off.

Rows are read meanwhile: first at the old set-point, then with the output off, so that no step goes on beyond its end; at last the
run is held safe and asks.
"""

import asyncio
import contextlib
from typing import Protocol

from labctl.clock import Clock
from labctl.engine.input import Cause, SafeHold
from labctl.errors import SettingRefused, StoreError
from labctl.run.connection.polled_run import PendingCommit, PolledRun
from labctl.run.guard_process import GuardProcess
from labctl.run.sink import Sink

LOOK_WITHIN = 0.1  # s that one look at a commit, or at the guard, takes; rows are read between two
REST_AFTER = 0.5  # s after which the output is off until a set-point may be given
WAITED_AT_MOST = 10.0  # s for which a run waits before it asks


class Outputs(Protocol):
    """What is asked of the executor."""

    async def off(self, at: str, *, theirs: bool = False) -> None:
        """Leave a channel at open circuit."""

    def rest(self, run: PolledRun) -> None:
        """Meter the open circuit of a run that goes on."""

    def hand_over(self, run: PolledRun) -> None:
        """Give what waits to who stores it."""

    async def claim(self, at: str) -> None:
        """Note beside the journal that an output may be on by our own doing."""

    def turned(self, at: str, *, on: bool) -> None:
        """Let the guard know which channels may be energised."""


class BeforeSetPoint:
    """Waits for what must hold before a set-point is given, a look at a time."""

    def __init__(self, outputs: Outputs, clock: Clock, sink: Sink, guard: GuardProcess) -> None:
        """Join them."""
        self._outputs = outputs
        self._clock = clock
        self._sink = sink
        self._guard = guard

    async def holds(self, run: PolledRun) -> bool:
        """Tell whether the next set-point may be given, or is not the next command any more; False where it has to wait."""
        return await self._recorded(run) and await self._guarded(run)

    async def _recorded(self, run: PolledRun) -> bool:
        recording = run.recording
        if recording is None or recording.attempt != run.session.state.applied:
            run.stop_recording()
            self._outputs.hand_over(run)
            recording = PendingCommit(run.session.state.applied, self._clock.now(), self._commit())
            run.recording = recording
        await asyncio.wait({recording.commit}, timeout=LOOK_WITHIN)
        if recording.commit.done():
            error = recording.commit.exception()
            if error is None:
                return (
                    True  # it stays: what led to this attempt need not be written again while the guard is waited for
                )
            if not isinstance(error, StoreError):
                raise error
            recording.commit = self._commit()
        return await self._waits(run, recording.since, "unrecorded", "the journal could not be written")

    async def _guarded(self, run: PolledRun) -> bool:
        if run.only_reads or not run.session.risky:
            return True
        with contextlib.suppress(StoreError):  # whoever gives the set-point meets it again, and holds the run
            await self._outputs.claim(run.at)
            self._outputs.turned(run.at, on=True)
        attempt = run.session.state.applied
        try:
            await self._guard.ready(LOOK_WITHIN)
        except SettingRefused:
            if run.unguarded is None or run.unguarded[0] != attempt:
                run.unguarded = attempt, self._clock.now()
            return await self._waits(run, run.unguarded[1], "unguarded", "the guard process did not answer")
        run.unguarded = None
        return True

    async def _waits(self, run: PolledRun, since: float, cause: Cause, why: str) -> bool:
        """Switch off what has waited for a while, and hold it safe at last; tell whether it is held."""
        waited = (self._clock.now() - since) / self._clock.speed
        if waited >= REST_AFTER and not run.resting:
            await self._outputs.off(run.at)
            self._outputs.rest(run)
        if waited < WAITED_AT_MOST:
            return False
        run.stop_recording()
        run.session.commands.clear()
        run.session.take(SafeHold(cause, f"a set-point was not given, since {why} for {waited:.0f} s"))
        return True

    def _commit(self) -> "asyncio.Future[int]":
        return asyncio.ensure_future(self._sink.flush())

"""Looks for an instrument that was lost, and reconciles its channels when it measures again."""

import asyncio
import logging
from collections.abc import Sequence

from labctl.clock import Clock
from labctl.errors import InstrumentError
from labctl.run.channel import Channel
from labctl.run.connection.channel_readings import ChannelReadings
from labctl.run.connection.link import Link
from labctl.run.connection.outage import Outage, resume_after_gap
from labctl.run.connection.polled_executor import PolledExecutor

LOG = logging.getLogger("labctl.run")
RETRY = (0.2, 5.0)  # s between two attempts to reach a lost instrument: at first, at most


class Reconnection:
    """The search for one instrument."""

    def __init__(
        self, link: Link, readings: ChannelReadings, executor: PolledExecutor, channels: Sequence[Channel], clock: Clock
    ) -> None:
        """Search by a link, for the channels of cells."""
        self._link = link
        self._readings = readings
        self._executor = executor
        self._channels = channels
        self._clock = clock

    async def find_again(self, lock: asyncio.Lock) -> None:
        """Try to reach a lost instrument, and reconcile its channels when it measures again.

        It is found when it was read twice: a line that says everything twice gives one good reading after each opening. A cell
        that is not measured for too long meanwhile is switched off, since an instrument may answer all else.
        """
        first, most = RETRY
        wait = first
        while self._link.lost:
            async with lock:
                if await self._measures():
                    await self._reconcile()
                    return
                await self._switch_off_blind()
            await self._clock.until(self._clock.now() + wait * self._clock.speed)
            wait = min(2.0 * wait, first if self._executor.on else most)

    async def _measures(self) -> bool:
        """Tell whether a lost instrument can be opened and measures every energised channel, twice."""
        try:
            await self._link.open()
            for _ in range(2):
                await self._readings.measure_again()
        except InstrumentError as error:
            self._link.lost = str(error)
            return False
        except Exception as error:  # a driver's defect costs its own channels, not the daemon
            LOG.exception("instrument %s: the driver failed", self._link.name)
            self._link.lost = f"the driver failed: {type(error).__name__}: {error}"
            return False
        return True

    async def _switch_off_blind(self) -> None:
        for run in list(self._executor.running.values()):
            if self._readings.is_blind(run):
                await self._readings.hold_unmeasured(run)
        self._link.note_unknown()

    async def _reconcile(self) -> None:
        LOG.warning("instrument %s answers again", self._link.name)
        self._link.found()
        for run in list(self._executor.running.values()):
            if self._readings.is_blind(run) and not await self._link.switch_off(run.at):
                return
            run.measured = self._clock.now()
            run.capabilities = self._link.capabilities(run.channel)
            begin = run.session.state.last.time if run.lost_at is None else run.lost_at
            run.lost_at = None
            end = max(begin, run.run_time(self._clock.now()))
            outage = Outage(begin, end, f"instrument {self._link.name} did not answer")
            await self._executor.guarded(run, resume_after_gap(self._executor, run, outage))
        self._readings.note_read()
        for channel in self._channels:
            if channel.at not in self._executor.running and not self._link.lost:
                await self._link.look_at(channel)

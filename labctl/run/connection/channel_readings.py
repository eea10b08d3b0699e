"""Reads an instrument: all running channels in one call, metered in a few numpy expressions, and what was not measured."""

import logging
import math
from collections.abc import Collection, Sequence

import numpy as np

from labctl.driver import Readings
from labctl.errors import InstrumentError, WireError
from labctl.run.connection.link import Link
from labctl.run.connection.outage import read_back_all
from labctl.run.connection.polled_executor import PolledExecutor, Shared
from labctl.run.connection.polled_run import PolledRun
from labctl.run.connection.reading import fresh, measured
from labctl.run.connection.unmeasured import hold_unmeasured
from labctl.sample import ChannelRows, Snapshot

LOG = logging.getLogger("labctl.run")
TICK = 0.1  # s of the machine between two reads, unless the instrument wants more
AWAY = 2.0  # s of the machine beyond the time between two reads, after which nobody knows what happened since the last


class ChannelReadings:
    """Reads of one instrument.

    Attributes:
        read_at: Clock time of the last one.
    """

    def __init__(self, link: Link, executor: PolledExecutor, shared: Shared) -> None:
        """Read by a link."""
        self.read_at = shared.clock.now()
        self._link = link
        self._executor = executor
        self._instrument = executor.instrument
        self._clock = shared.clock
        self._machine = shared.machine
        self._sink = shared.sink
        self._stamps: dict[str, float] = {}  # of the last readings

    def note_read(self) -> None:
        """Note that what the channels do is known as of now."""
        self.read_at = self._clock.now()

    def period(self) -> float:
        """Return the time between two reads, s of the clock."""
        wanted = max((run.capabilities.poll_at_most for run in self._executor.running.values()), default=TICK)
        return max(TICK, wanted) * self._clock.speed

    async def was_away(self, channels: Sequence[str]) -> bool:
        """Tell whether nobody read for too long, as where this process or the machine stood still; then read back all."""
        now, before = self._clock.now(), self.read_at
        self.read_at = now
        if self._executor.autonomous or now - before <= AWAY * self._clock.speed + self.period():
            return False
        await read_back_all(self._executor, channels, (now - before) / self._clock.speed)
        return True

    async def read(self, channels: Sequence[str]) -> Readings | None:
        """Read channels together; where a driver fails on that, one by one, to find the one that it fails on."""
        try:
            readings = await self._executor.verb(self._instrument.read(channels), len(channels))
            return fresh(readings, self._stamps, self._link.name)
        except InstrumentError as error:
            self._link.lose(error)
        except Exception:
            LOG.exception("instrument %s failed to read %s", self._link.name, ", ".join(channels))
            await self._blame(channels)
        return None

    async def _blame(self, channels: Sequence[str]) -> None:
        for at in channels:
            try:
                await self._executor.verb(self._instrument.read([at]))
            except InstrumentError as error:
                self._link.lose(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever a driver raises fails its channel
                await self._executor.fail(self._executor.running[at], error)

    def metered(self, snapshot: Snapshot | None, asked: float) -> set[str]:
        """Meter a snapshot and return the channels with a row outside their watch."""
        if snapshot is None:
            return set()
        replied = self._clock.now()
        running = [self._executor.running[at] for at in snapshot.channels]
        own = np.full(len(running), np.nan) if snapshot.time is None else snapshot.time
        times = np.array([_run_time(run, float(time), asked, replied) for run, time in zip(running, own, strict=True)])
        _, outside = self._executor.meter.step(snapshot, self._executor.meter.not_before(snapshot.channels, times))
        return {at for at, out in zip(self._executor.meter.channels, outside, strict=True) if out}

    def take_quiet(self, rows: ChannelRows | None, asked: float) -> Collection[str]:
        """Hand over the rows of all channels on which nothing happens, and return those channels."""
        if rows is None:
            return ()
        quiet, channels = self._executor.quiet.take(rows, self._machine.monotonic())
        if quiet is not None:
            self._sink.hand_over([quiet])
        for at in channels:
            run = self._executor.running[at]
            run.measured = run.heard = run.flushed = asked
        return channels

    async def measure_again(self) -> None:
        """Read the channels that are polled once, to see that they can be; what measures at its own times gives rows later.

        Raises:
            InstrumentError: A channel that may be energised gives no good reading.
        """
        channels = [at for at, run in self._executor.running.items()
                    if run.session.finish is None and not run.capabilities.ends]  # fmt: skip
        if not channels:
            return
        answered = await self._executor.verb(self._instrument.read(channels), len(channels))
        readings = fresh(answered, self._stamps, self._link.name)
        for at in channels:
            if at in self._executor.on and not measured(readings, at):
                raise WireError(f"{self._link.name}: wanted a reading of channel {at}, found none that is good")
        await self._clock.until(self._clock.now() + self.period())

    def is_blind(self, run: PolledRun) -> bool:
        """Tell whether a channel may be energised and has not been measured for too long; what runs by itself may be."""
        at_work = run.at in self._executor.on and not self._executor.autonomous
        return at_work and run.blind(self._clock.now(), self._clock.speed)

    async def hold_unmeasured(self, run: PolledRun) -> None:
        """Switch a channel off that has not been measured for too long, and let its run ask."""
        seconds = (self._clock.now() - run.measured) / self._clock.speed
        why = f": {self._link.lost}" if self._link.lost else ""
        text = f"no good reading of {self._link.name} for {seconds:.1f} s{why}"
        await self._executor.guarded(run, hold_unmeasured(self._executor, run, text))


def _run_time(run: PolledRun, time: float, asked: float, replied: float) -> float:
    """Return the run time of a row: by the instrument's own time within a program, else by when it was asked for."""
    return run.run_time(asked) if run.resting or math.isnan(time) else run.row_time(time, replied)

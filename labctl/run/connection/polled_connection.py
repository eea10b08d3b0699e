"""The connection of an instrument that is polled: one line, one tick, one lock, one or many channels.

A tick reads all running channels in one call and meters them in a few numpy expressions. A row outside the engine's watch is
folded at once, the others once a second. A line that is lost is looked for, and its channels are reconciled when it answers.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence

from labctl.driver import Capabilities, Instrument, Timed
from labctl.engine.input import Apply, InstrumentFault, Order, SafeHold
from labctl.engine.state_parts import Counters
from labctl.errors import InstrumentError, OrderRefused, Unreachable
from labctl.plan.runnable import Translate
from labctl.run.ability import translator
from labctl.run.channel import Channel
from labctl.run.connection import foreign
from labctl.run.connection.auxiliary import Auxiliaries
from labctl.run.connection.channel_readings import ChannelReadings
from labctl.run.connection.left_step import SAFE_FIRST, leaves_step, refuse_late_skip, step_of
from labctl.run.connection.link import Link
from labctl.run.connection.outage import (
    outage_since,
    probe_silent_program,
    resume_after_gap,
)
from labctl.run.connection.polled_executor import PolledExecutor, Shared
from labctl.run.connection.polled_run import PolledRun
from labctl.run.connection.reading import measured
from labctl.run.connection.reconnection import Reconnection
from labctl.run.connection.unmeasured import switched_off, take_unread
from labctl.run.resume_point import ResumePoint, Saved
from labctl.run.session import RunSession
from labctl.station.settings import InstrumentSettings

LOG = logging.getLogger("labctl.run")
LOOK = 10.0  # s of the machine between two looks at an instrument on which nothing runs
LOOKS = 4  # channels without a run that are looked at in one turn
UNREAD = (
    0.5  # s of the machine beyond the time between two reads, after which a command finds that something was not seen
)
SILENT = 5.0  # s of the machine, and three rows, after which a program of which nothing is heard is asked after
QUIET = 1.0  # s of the machine between two folds of rows inside the watch


class PolledConnection:
    """One instrument that is polled, and the channels at it.

    Attributes:
        name: In the station file.
        lateness: Of ticks, s of the clock.
        lock: Held by whoever speaks to the instrument.
        executor: What is done to the runs at it.
        link: Whether it answers.
    """

    def __init__(
        self, given: InstrumentSettings, instrument: Instrument, channels: Sequence[Channel], shared: Shared
    ) -> None:
        """Join them."""
        self.name = given.name
        self.lateness: deque[float] = deque(maxlen=100_000)
        self.lock = asyncio.Lock()
        self.executor = PolledExecutor(given, instrument, shared, self._lose, self._move)
        self.mover = Auxiliaries(self.executor, self.lock, shared.clock)
        self.instrument = instrument
        if isinstance(instrument, Timed):
            instrument.count_by(shared.clock.now)
        self._clock = shared.clock
        self._machine = shared.machine
        self._sink = shared.sink
        self._guard = shared.guard
        self._channels = [channel for channel in channels if channel.parts["cell"].instrument == given.name]
        self.link = Link(self.executor, self._channels)
        self._readings = ChannelReadings(self.link, self.executor, shared)
        self._reconnection = Reconnection(self.link, self._readings, self.executor, self._channels, shared.clock)
        self._turn = 0  # of looks at channels without a run
        self._looked_at = self._clock.now()

    # --- the line ---

    async def open(self) -> None:
        """Reach the instrument; it must be the one that it was."""
        await self.link.open()
        await foreign.settle_unserved(self.executor, {channel.at for channel in self._channels})

    def capabilities(self, channel: Channel) -> Capabilities:
        """Return what a channel can do by itself.

        Raises:
            Unreachable: The instrument has not answered yet.
        """
        return self.link.capabilities(channel)

    def _lose(self, error: Exception) -> None:
        self.link.lose(error)

    def _move(self, run: PolledRun, apply: Apply) -> None:
        self.mover.move(run, apply)

    async def close(self) -> None:
        """Switch off what only does what it was last told, leave what runs by itself, and disconnect."""
        self.mover.stop()
        for run in self.executor.running.values():
            run.stop_recording()
        try:
            await self.executor.switch_all_off()
        finally:
            await self.executor.verb(self.instrument.close())

    def translate(self, channel: Channel) -> Translate | None:
        """Return how the instrument would be told a program, None where it does not say beforehand."""
        return translator(self.instrument, channel.at)

    async def ready(self, channel: Channel) -> None:
        """See that the instrument answers and the channel is idle; a line that has died while nothing ran is opened again.

        Raises:
            InstrumentError: It does not answer, or somebody else uses the channel.
        """
        async with self.lock:
            if self.link.lost:
                raise Unreachable(f"instrument {self.name} does not answer: {self.link.lost}", safe=True)
            status = await self.link.status(channel.at)
            if status.activity != "idle":
                await foreign.settle_stray(self.executor, channel)
        if channel.foreign:
            raise OrderRefused(
                f"channel {channel.name}: {channel.foreign}; `labctl adopt {channel.name}` shows its rows and stops nothing"
            )

    async def prepare(self, channel: Channel, cell: Mapping[str, object], seed: int, source: Saved) -> None:
        """Do nothing: the cell is a real one."""

    async def look(self, channel: Channel) -> None:
        """Switch a channel off that no run explains, if it is ours; show what somebody else runs there."""
        if self.link.lost:
            channel.unknown = self.link.trouble
            return
        async with self.lock:
            await foreign.settle_stray(self.executor, channel)

    # --- runs come and go ---

    async def begin(self, channel: Channel, session: RunSession, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun."""
        async with self.lock:
            run = self._attach(channel, session, self.link.capabilities(channel))
            session.serial = self.link.serial
            carried = session.plan.carried
            self.executor.meter.resume(
                channel.at,
                Counters(carried.charging_ah, carried.discharging_ah, carried.charging_wh, carried.discharging_wh),
            )
            channel.origin = self._clock.now()
            await self.executor.guarded(run, self.executor.begin(run, run.capabilities, roles))
            self._readings.note_read()

    async def adopt(self, channel: Channel, session: RunSession, point: ResumePoint) -> None:
        """Go on with a run that stands in the journal, as its `on_interruption` says."""
        async with self.lock:
            run = self._attach(
                channel, session, self.link.capabilities(channel) if self.link.known else session.state.capabilities
            )
            last = session.state.last
            self.executor.meter.resume(channel.at, last.counters)
            place = (self.name, channel.at)
            outage, channel.origin = outage_since(point, session, self._clock, run.machine, self._guard, place)
            self._readings.note_read()
            replaced = await self.link.expect(point.serial)
            if self.link.lost:
                run.lost_at = last.time
                may_be_on = session.state.phase in {"running", "leaving"} and outage.off_at is None
                if may_be_on and not (replaced or run.only_reads):
                    self.executor.turned(channel.at, on=True)  # nobody knows: the guard must try, if we die
                channel.unknown = self.link.trouble
            else:
                await self.executor.guarded(run, resume_after_gap(self.executor, run, outage))

    def _attach(self, channel: Channel, session: RunSession, capabilities: Capabilities) -> PolledRun:
        now = self._clock.now
        run = PolledRun(channel, session, capabilities, self._machine, now, measured=now())
        self.executor.running[channel.at] = run
        self.link.wake.set()
        return run

    async def order(self, channel: Channel, order: Order) -> None:
        """Let an order take effect: stop and pause switch off first; others are durable before they act.

        An instrument that runs by itself is switched off for a skip, too: it may be in a later step than the one that is meant.

        Raises:
            OrderRefused: The step that was to be skipped had ended by itself; the run goes on with what follows.
        """
        run = self.executor.running.get(channel.at)
        meant = None if run is None else step_of(run)
        if run is not None and self.executor.autonomous and leaves_step(run, order):
            await self._wound_up(channel, run)
        async with self.lock:
            if run is None or channel.session is not run.session:
                return
            if channel.foreign and order.verb in {"resume", "skip"} and not run.only_reads:
                await foreign.refuse_beside_another(self.executor, channel)
                run.measured = self._clock.now()
            if order.verb == "skip" and run.leaves:
                await refuse_late_skip(self.executor, run, meant)
            off = order.verb not in SAFE_FIRST or await self.link.switch_off(channel.at, theirs=run.only_reads)
            if order.verb == "stop" and not off:
                why = f"stopped by {order.by or 'a person'} while {self.name} does not answer: {self.link.lost}"
                await self.executor.guarded(run, self.executor.fold(run, InstrumentFault(why, safe=False)))
                return
            await self.executor.guarded(run, self._ordered(run, order))

    async def _wound_up(self, channel: Channel, run: PolledRun) -> None:
        """Switch off what an instrument runs by itself, and fold what it recorded until then: an order finds the run where it was.

        The lock is free between two looks: another channel can be switched off meanwhile.
        """

        async def once() -> bool:
            async with self.lock:
                if self.link.lost or channel.session is not run.session:
                    return True
                done: list[bool] = []

                async def taken() -> None:
                    done.append(await self.executor.drain_once(run, self.executor.take_all))

                await self.executor.guarded(run, taken())
                return not done or done[0]

        async with self.lock:
            if self.link.lost or channel.session is not run.session:
                return
            run.leaves = True
            await self.link.switch_off(channel.at, theirs=run.only_reads)
        await self.executor.drain(once, channel.name)

    async def _ordered(self, run: PolledRun, order: Order) -> None:
        run.leaves = False
        self._note_unread(run)
        self.executor.meter.hold_last(run.at)
        await self.executor.take_all(run)
        await self.executor.fold(run, order)

    def _note_unread(self, run: PolledRun) -> None:
        """Take it as unseen what passed since the last good reading, where a command comes long after it, or before a first one."""
        unread = (self._clock.now() - run.measured) / self._clock.speed
        polled = not self.executor.autonomous and not run.only_reads
        late = unread > UNREAD + self._readings.period() / self._clock.speed
        if polled and not run.resting and (late or self.executor.meter.waits_for_first_row(run.at)):
            take_unread(self.executor, run, f"nobody read instrument {self.name} for {unread:.1f} s before it")

    async def hold_safe(self, why: str) -> None:
        """Switch everything off, and let the runs ask, since what they do cannot be recorded."""
        async with self.lock:
            for at in sorted(self.executor.on):
                run = self.executor.running.get(at)
                if run is not None and await self.link.switch_off(at):
                    run.stop_recording()
                    self._note_unread(run)
                    self.executor.meter.hold_last(at)
                    self.executor.fold_waiting(run)  # measured before it: they would contradict an output that is off
                    run.session.commands.clear()
                    await self.executor.guarded(run, self.executor.fold(run, SafeHold("unrecorded", why)))

    async def take_over(self, channel: Channel, by: str) -> str:
        """Read what somebody else runs on a channel, as a run without a plan."""
        async with self.lock:
            session = await foreign.begin_reading(self.executor, channel, by)
            run = self._attach(channel, session, self.link.capabilities(channel))
            self.executor.meter.resume(channel.at, Counters())
            channel.origin = self._clock.now()
            await self.executor.guarded(run, self.executor.begin(run, run.capabilities, ("cell",)))
        return f"the test is read as run {session.run_id}: only a person's stop ends it, labctl release {channel.name} lets it go"

    async def let_go(self, channel: Channel, by: str) -> str:
        """Forget a test that is read, or a run whose instrument runs something else; nothing is stopped."""
        run = self.executor.running.get(channel.at)
        async with self.lock:
            if run is None or channel.session is not run.session:
                raise foreign.nothing_foreign(channel, "release")
            if not run.only_reads and not await self.executor.runs_theirs(channel.at):
                raise OrderRefused(
                    f"channel {channel.name}: its run is this station's own; `labctl stop {channel.name}` ends it"
                )
            await self.executor.guarded(run, self.executor.fold(run, Order("release", "", by)))
        return "the run was let go; what the instrument runs goes on"

    async def ask_all(self, why: str) -> None:
        """Switch off what a guard watches over, and let the runs ask; an instrument that runs by itself guards its own."""
        if self.executor.autonomous:
            return
        for at in sorted(self.executor.on):
            run = self.executor.running.get(at)
            if run is not None:
                async with self.lock:
                    await self.executor.guarded(run, switched_off(self.executor, run, why))

    # --- time goes on ---

    async def run(self) -> None:
        """Serve the channels until cancelled."""
        due = self._clock.now()
        while True:
            if not self.executor.running and not self.link.lost:
                await self._idle()
                due = self._readings.read_at = self._clock.now()
                continue
            await self._clock.until(due)
            self.lateness.append(self._clock.now() - due)
            if self.link.lost:
                await self._reconnection.find_again(self.lock)
            else:
                async with self.lock:
                    await self._tick()
                await self._sink.room()
                if self._clock.now() - self._looked_at >= LOOK * self._clock.speed:
                    await self._look_around()
            due = max(due + self._readings.period(), self._clock.now() - self._readings.period())

    async def _idle(self) -> None:
        """Wait for a run; meanwhile see now and then that the instrument is there, as one that was switched on anew must be opened.

        A source meter's output is then a short circuit until it has been. Instruments without a cell are left alone: a stage homes
        when it is opened, and that must be somebody's wish.
        """
        self.link.wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self.link.wake.wait()
            return
        async with self.lock:
            if not self.executor.running and self._channels:
                with contextlib.suppress(InstrumentError):
                    await self.link.status(self._channels[0].at)
        await self._look_around()

    async def _look_around(self) -> None:
        """Look at some channels without a run: somebody else may have begun or ended a test there."""
        idle = [
            channel for channel in self._channels if channel.at not in self.executor.running and not channel.starting
        ]
        self._looked_at = self._clock.now()
        for place in range(min(LOOKS, len(idle))):
            channel = idle[(self._turn + place) % len(idle)]
            async with self.lock:
                if self.link.lost or channel.at in self.executor.running or channel.starting:
                    continue
                await self.link.look_at(channel)
        self._turn += LOOKS

    async def _tick(self) -> None:
        """Read every running channel and fold what must be."""
        channels = tuple(at for at, run in self.executor.running.items() if run.is_read)
        if not channels:
            self._readings.note_read()
            return
        asked = self._clock.now()
        readings = await self._readings.read(channels)
        if await self._readings.was_away(channels) or readings is None:
            return
        outside = self._readings.metered(readings.snapshot, asked)
        quiet = self._readings.take_quiet(readings.recorded, asked)
        for at in channels:
            given = readings.by_channel.get(at, ()) if at in quiet else readings.of(at)
            if (at in quiet and not given) or (run := self.executor.running.get(at)) is None:
                continue
            if measured(readings, at):
                run.measured = asked
            elif self._readings.is_blind(run):
                await self._readings.hold_unmeasured(run)
                continue
            if not given and (readings.snapshot is None or at not in readings.snapshot.channels):
                await self._silent(run, asked)
            else:
                run.heard = asked
            due = given or at in outside or run.session.commands or asked - run.flushed >= QUIET * self._clock.speed
            if due:
                run.flushed = asked
                await self.executor.guarded(run, self.executor.take_all(run, given))

    async def _silent(self, run: PolledRun, asked: float) -> None:
        """Ask after a program of which nothing has been heard for long: an instrument that restarts does not say so by itself."""
        state, rules = run.session.state, run.record
        every = max((rule.every for rule in rules if rule.every is not None), default=0.0)
        if run.leaves:  # it was switched off for an order, and says nothing more than its last records
            return
        if run.resting or state.phase != "running" or asked - run.heard < SILENT * self._clock.speed + 3 * every:
            return
        run.heard = asked
        await self.executor.guarded(run, probe_silent_program(self.executor, run))

"""The connection of an instrument that is polled: one line, one tick, one lock, one or many channels.

A tick reads all running channels in one call and meters them in a few numpy expressions. A row outside the engine's watch is
folded at once, the others once a second. A line that is lost is looked for, and its channels are reconciled when it answers.
"""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from labctl.driver import Capabilities, Identity, Instrument, Readings, Status
from labctl.engine.input import InstrumentFault, Order
from labctl.engine.meter import Meter
from labctl.errors import InstrumentError, Unreachable
from labctl.run.bookmark import Bookmark
from labctl.run.course import Course
from labctl.run.hands import Hands, Shared
from labctl.run.keeper import Keeper
from labctl.run.moving import Mover
from labctl.run.outages import asked_after, came_back, gap_of
from labctl.run.seat import Seat
from labctl.sample import Snapshot
from labctl.settings import InstrumentSettings

LOG = logging.getLogger("labctl.run")
TICK = 0.1  # s of the machine between two reads, unless the instrument wants more
LOOK = 10.0  # s of the machine between two looks at an instrument on which nothing runs
SILENT = 5.0  # s of the machine, and three rows, after which a program of which nothing is heard is asked after
QUIET = 1.0  # s of the machine between two folds of rows inside the watch
RETRY = (0.2, 5.0)  # s between two attempts to reach a lost instrument: at first, at most
SAFE_FIRST = frozenset({"stop", "pause"})


class Line:
    """One instrument that is polled, and the seats at it.

    Attributes:
        name: In the station file.
        lateness: Of ticks, s of the clock.
        lock: Held by whoever speaks to the instrument.
        hands: What is done to the runs at it.
    """

    def __init__(
        self, given: InstrumentSettings, instrument: Instrument, seats: Sequence[Seat], shared: Shared
    ) -> None:
        """Join them."""
        self.name = given.name
        self.lateness: deque[float] = deque(maxlen=100_000)
        self.lock = asyncio.Lock()
        self.mover = Mover(self, shared.clock)
        self.hands = Hands(given, instrument, shared, self._lose, self.mover.move)
        self.instrument = instrument
        self._clock = shared.clock
        self._machine = shared.machine
        self._sink = shared.sink
        self._seats = [seat for seat in seats if seat.parts["cell"].instrument == given.name]
        self._wake = asyncio.Event()
        self._identity: Identity | None = None
        self._lost = "not opened yet"
        self._gone = False  # it was said that it is lost
        self._warm: set[str] = set()
        self.hands.meter = Meter([seat.at for seat in self._seats])

    # --- the line ---

    async def open(self) -> None:
        """Reach the instrument; it must be the one that it was."""
        try:
            found = await self.hands.verb(self.instrument.open())
        except InstrumentError as error:
            self._lost = str(error)
            raise
        except Exception as error:  # a driver's defect costs its own channels, not the daemon
            LOG.exception("instrument %s: the driver failed", self.name)
            self._lost = f"the driver failed: {type(error).__name__}: {error}"
            raise InstrumentError(f"instrument {self.name}: {self._lost}") from error
        if self._identity is not None and (found.serial, found.model) != (self._identity.serial, self._identity.model):
            raise Unreachable(f"{self.name}: wanted {_who(self._identity)}, found {_who(found)}")
        self._identity = found
        self._lost, self._gone = "", False
        self._renew_meter()
        for seat in self._seats:
            seat.unknown = ""

    def _renew_meter(self) -> None:
        """Make the meter anew where it becomes known who has a thermometer; the counters are those of the runs."""
        warm = {seat.at for seat in self._seats if "temperature" in self.capabilities(seat).measures}
        if warm == self._warm:
            return
        self._warm = warm
        self.hands.meter = Meter([seat.at for seat in self._seats], warm)
        for keeper in self.hands.keepers.values():
            last = keeper.course.state.last
            self.hands.meter.resume(keeper.at, last.charging_ah, last.discharging_ah)

    async def close(self) -> None:
        """Switch off what only does what it was last told, leave what runs by itself, and disconnect."""
        self.mover.stop()
        for at in sorted(self.hands.on):
            keeper = self.hands.keepers.get(at)
            if keeper is None or not keeper.capabilities.records:
                await self.hands.verb(self.instrument.output_off(at))
                self.hands.on.discard(at)
        await self.hands.verb(self.instrument.close())

    def capabilities(self, seat: Seat) -> Capabilities:
        """Return what a channel can do by itself.

        Raises:
            Unreachable: The instrument has not answered yet.
        """
        if self._identity is None:
            raise Unreachable(f"instrument {self.name} does not answer: {self._lost}", safe=True)
        return self.instrument.capabilities(seat.at)

    async def ready(self, seat: Seat) -> None:
        """See that the instrument answers and the channel is idle; a line that has died while nothing ran is opened again.

        Raises:
            InstrumentError: It does not answer, or somebody else uses the channel.
        """
        async with self.lock:
            if self._lost:
                raise Unreachable(f"instrument {self.name} does not answer: {self._lost}", safe=True)
            found = await self._status(seat.at)
        if found.activity != "idle":
            said = found.text or found.activity
            raise InstrumentError(
                f"channel {seat.name}: wanted it idle, found that {self.name} says {said!r}: somebody else uses it",
                safe=True,
            )

    async def _status(self, at: str) -> Status:
        """Ask what a channel does; where nobody answers and nothing runs, open the line again and ask once more.

        Raises:
            InstrumentError: Nobody answers; the instrument is lost.
        """
        try:
            return await self.hands.status(at)
        except InstrumentError as error:
            try:
                if self.hands.keepers:
                    raise
                LOG.warning("instrument %s is opened again: %s", self.name, error)
                await self.open()
                return await self.hands.status(at)
            except InstrumentError as last:
                self._lose(last)
                raise

    async def prepare(self, seat: Seat, cell: Mapping[str, object], seed: int, source: bytes | None) -> None:
        """Do nothing: the cell is a real one."""

    async def look(self, seat: Seat) -> None:
        """Switch a channel off that no run explains."""
        if self._lost:
            seat.unknown = f"instrument {self.name}: {self._lost}"
            return
        async with self.lock:
            status = await self.hands.verb(self.instrument.status(seat.at))
            if status.activity != "idle":
                LOG.error("channel %s was %s and no run explains it: switched off", seat.name, status.activity)
                await self.hands.verb(self.instrument.output_off(seat.at))

    # --- runs come and go ---

    async def begin(self, seat: Seat, course: Course, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun."""
        async with self.lock:
            keeper = self._sit(seat, course, self.capabilities(seat))
            carried = course.plan.carried
            self.hands.meter.resume(seat.at, carried.charging_ah, carried.discharging_ah)
            seat.origin = self._clock.now()
            await self.hands.guarded(keeper, self.hands.begin(keeper, roles))

    async def adopt(self, seat: Seat, course: Course, found: Bookmark) -> None:
        """Go on with a run that stands in the journal, as its `on_interruption` says."""
        async with self.lock:
            keeper = self._sit(seat, course, self.capabilities(seat) if self._identity else course.state.capabilities)
            last = course.state.last
            self.hands.meter.resume(seat.at, last.charging_ah, last.discharging_ah)
            gap, seat.origin = gap_of(found, course, self._clock, keeper.machine)
            if self._lost:
                keeper.lost_at = last.time
                seat.unknown = f"instrument {self.name}: {self._lost}"
            else:
                await self.hands.guarded(keeper, came_back(self.hands, keeper, gap))

    def _sit(self, seat: Seat, course: Course, capabilities: Capabilities) -> Keeper:
        keeper = Keeper(seat, course, capabilities, self._machine)
        self.hands.keepers[seat.at] = keeper
        self._wake.set()
        return keeper

    async def order(self, seat: Seat, order: Order) -> None:
        """Let an order take effect: stop and pause switch off first; others are durable before they act."""
        keeper = self.hands.keepers.get(seat.at)
        async with self.lock:
            if keeper is None or seat.course is not keeper.course:
                return
            if order.verb in SAFE_FIRST and not self._lost:
                await self._off_now(seat.at)
            if order.verb == "stop" and self._lost:
                why = f"stopped by {order.by or 'a person'} while {self.name} does not answer: {self._lost}"
                await self.hands.guarded(keeper, self.hands.fold(keeper, InstrumentFault(why, safe=False)))
                return
            await self.hands.guarded(keeper, self._ordered(keeper, order))

    async def _off_now(self, at: str) -> None:
        try:
            await self.hands.off(at)
        except InstrumentError as error:
            self._lose(error)

    async def _ordered(self, keeper: Keeper, order: Order) -> None:
        self.hands.meter.hold_last(keeper.at)
        await self.hands.take_waiting(keeper)
        await self.hands.fold(keeper, order)

    async def hold_safe(self, why: str) -> None:
        """Switch everything off and let the runs pause."""
        for at in sorted(self.hands.on):
            keeper = self.hands.keepers.get(at)
            if keeper is not None:
                await self.order(keeper.seat, Order("pause", "", "labctl", why))

    # --- time goes on ---

    async def run(self) -> None:
        """Serve the seats until cancelled."""
        due = self._clock.now()
        while True:
            if not self.hands.keepers and not self._lost:
                await self._idle()
                due = self._clock.now()
                continue
            await self._clock.until(due)
            self.lateness.append(self._clock.now() - due)
            if self._lost:
                await self._find_again()
            else:
                async with self.lock:
                    await self._tick()
                await self._sink.room()
            due = max(due + self._period(), self._clock.now() - self._period())

    async def _idle(self) -> None:
        """Wait for a run; meanwhile see now and then that the instrument is there, as one that was switched on anew must be opened.

        A source meter's output is then a short circuit until it has been. Instruments without a cell are left alone: a stage homes
        when it is opened, and that must be somebody's wish.
        """
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self._wake.wait()
            return
        async with self.lock:
            if not self.hands.keepers and self._seats:
                with contextlib.suppress(InstrumentError):
                    await self._status(self._seats[0].at)

    def _period(self) -> float:
        wanted = max((keeper.capabilities.poll_at_most for keeper in self.hands.keepers.values()), default=TICK)
        return max(TICK, wanted) * self._clock.speed

    async def _tick(self) -> None:
        """Read every running channel and fold what must be."""
        channels = tuple(at for at, keeper in self.hands.keepers.items() if keeper.course.finish is None)
        if not channels:
            return
        asked = self._clock.now()
        readings = await self._read(channels)
        if readings is None:
            return
        outside = self._metered(readings.snapshot, asked)
        for at in channels:
            keeper = self.hands.keepers.get(at)
            said = readings.by_channel.get(at, ())
            if keeper is not None and not said and (readings.snapshot is None or at not in readings.snapshot.channels):
                await self._silent(keeper, asked)
            elif keeper is not None:
                keeper.heard = asked
            if keeper is None or not (said or at in outside or asked - keeper.flushed >= QUIET * self._clock.speed):
                continue
            keeper.flushed = asked
            await self.hands.guarded(keeper, self.hands.take_all(keeper, said))

    async def _silent(self, keeper: Keeper, asked: float) -> None:
        """Ask after a program of which nothing has been heard for long: an instrument that restarts does not say so by itself."""
        state, rules = keeper.course.state, keeper.record
        every = max((rule.every for rule in rules if rule.every is not None), default=0.0)
        if keeper.resting or state.phase != "running" or asked - keeper.heard < SILENT * self._clock.speed + 3 * every:
            return
        keeper.heard = asked
        await self.hands.guarded(keeper, asked_after(self.hands, keeper))

    def _metered(self, snapshot: Snapshot | None, asked: float) -> set[str]:
        """Meter a snapshot and return the channels with a row outside their watch."""
        if snapshot is None:
            return set()
        keepers = [self.hands.keepers[at] for at in snapshot.channels]
        own = np.full(len(keepers), np.nan) if snapshot.time is None else snapshot.time
        times = np.array([_run_time(keeper, float(time), asked) for keeper, time in zip(keepers, own, strict=True)])
        _, outside = self.hands.meter.step(snapshot, self.hands.meter.not_before(snapshot.channels, times))
        return {at for at, out in zip(self.hands.meter.channels, outside, strict=True) if out}

    async def _read(self, channels: Sequence[str]) -> Readings | None:
        """Read channels together; where a driver fails on that, one by one, to find the one that it fails on."""
        try:
            return await self.hands.verb(self.instrument.read(channels))
        except InstrumentError as error:
            self._lose(error)
        except Exception:
            LOG.exception("instrument %s failed to read %s", self.name, ", ".join(channels))
            await self._blame(channels)
        return None

    async def _blame(self, channels: Sequence[str]) -> None:
        for at in channels:
            try:
                await self.hands.verb(self.instrument.read([at]))
            except InstrumentError as error:
                self._lose(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever a driver raises fails its channel
                await self.hands.fail(self.hands.keepers[at], error)

    # --- what goes wrong ---

    def _lose(self, error: Exception) -> None:
        """Note that the instrument does not answer; nobody knows what its channels do."""
        if not self._gone:
            LOG.error("instrument %s is lost: %s", self.name, error)
        self._gone, self._lost = True, str(error)
        for seat in self._seats:
            seat.unknown = f"instrument {self.name}: {self._lost}"
        for keeper in self.hands.keepers.values():
            if keeper.lost_at is None:
                keeper.lost_at = keeper.course.state.last.time
        self._wake.set()

    async def _find_again(self) -> None:
        """Try to reach a lost instrument, and reconcile its channels when it answers."""
        first, most = RETRY
        wait = first
        while self._lost:
            async with self.lock:
                try:
                    await self.open()
                except InstrumentError as error:
                    self._lost = str(error)
                else:
                    await self._reconcile()
                    return
            await self._clock.until(self._clock.now() + wait * self._clock.speed)
            wait = min(2.0 * wait, most)

    async def _reconcile(self) -> None:
        LOG.warning("instrument %s answers again", self.name)
        for keeper in list(self.hands.keepers.values()):
            keeper.capabilities = self.capabilities(keeper.seat)
            begin = keeper.course.state.last.time if keeper.lost_at is None else keeper.lost_at
            keeper.lost_at = None
            end = max(begin, keeper.run_time(self._clock.now()))
            await self.hands.guarded(
                keeper, came_back(self.hands, keeper, (begin, end, f"instrument {self.name} did not answer"))
            )
        for seat in self._seats:
            if seat.at not in self.hands.keepers:
                status = await self.hands.verb(self.instrument.status(seat.at))
                if status.activity != "idle":
                    LOG.error("channel %s was %s and no run explains it: switched off", seat.name, status.activity)
                    await self.hands.verb(self.instrument.output_off(seat.at))


def _run_time(keeper: Keeper, time: float, asked: float) -> float:
    """Return the run time of a row: by the instrument's own time within a program, else by when it was asked for."""
    return keeper.run_time(asked) if keeper.resting or math.isnan(time) else keeper.course.begun + time


def _who(identity: Identity) -> str:
    return f"{identity.make} {identity.model} {identity.serial}".strip()

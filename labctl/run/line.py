"""The connection of an instrument that is polled: one line, one tick, one lock, one or many channels.

A tick reads all running channels in one call and meters them in a few numpy expressions. A row outside the engine's watch is
folded at once, the others once a second. Commands are carried out under the line's lock: output off before anything is
written, a set-point that energises only after what led to it is durable.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from labctl.clock import Clock
from labctl.driver import Capabilities, Identity, Instrument, Program, ProgramStep, Reading, Readings, Status
from labctl.engine.input import Apply, Began, InstrumentFault, Mark, Off, Order, StepEnded
from labctl.engine.meter import Meter
from labctl.engine.watch import watch
from labctl.errors import InstrumentError, LabctlError, StoreError, Unreachable
from labctl.run.bookmark import Bookmark
from labctl.run.course import Course
from labctl.run.guardian import Guardian, Ward
from labctl.run.keeper import Keeper
from labctl.run.outages import came_back, gap_of
from labctl.run.reading import take_reading
from labctl.run.seat import Seat
from labctl.run.sink import Sink
from labctl.sample import Batch, Snapshot
from labctl.settings import InstrumentSettings

Found = TypeVar("Found")

LOG = logging.getLogger("labctl.run")
TICK = 0.1  # s of the machine between two reads, unless the instrument wants more
QUIET = 1.0  # s of the machine between two folds of rows inside the watch
VERB_WITHIN = 5.0  # s for one verb of a driver
RETRY = (0.2, 5.0)  # s between two attempts to reach a lost instrument: at first, at most
SAFE_FIRST = frozenset({"stop", "pause"})


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lines of a daemon have together; `ended` is called when the run of a seat has ended."""

    clock: Clock
    sink: Sink
    guardian: Guardian
    ended: Callable[[Seat], None]


class Line:
    """One instrument that is polled, and the seats at it."""

    def __init__(
        self, given: InstrumentSettings, instrument: Instrument, seats: Sequence[Seat], shared: Shared
    ) -> None:
        """Join them."""
        self.name = given.name
        self.instrument = instrument
        self.clock = shared.clock
        self.sink = shared.sink
        self.lateness: deque[float] = deque(maxlen=100_000)  # of ticks, s of the clock
        self.others: Mapping[str, Line] = {}  # lines of the station, for stages and chambers
        self._given = given
        self._guardian = shared.guardian
        self._ended = shared.ended
        self._seats = [seat for seat in seats if seat.parts["cell"].instrument == given.name]
        self.meter = Meter([seat.at for seat in self._seats])
        self._keepers: dict[str, Keeper] = {}
        self._on: set[str] = set()
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._identity: Identity | None = None
        self._lost = "not opened yet"
        self._moving: set[asyncio.Task[None]] = set()

    # --- the line ---

    async def open(self) -> None:
        """Reach the instrument; it must be the one that it was."""
        found = await self._verb(self.instrument.open())
        if self._identity is not None and (found.serial, found.model) != (self._identity.serial, self._identity.model):
            raise Unreachable(f"{self.name}: wanted {_who(self._identity)}, found {_who(found)}")
        self._identity = found
        self._lost = ""
        warm = [seat.at for seat in self._seats if "temperature" in self.capabilities(seat).measures]
        if not self._keepers:
            self.meter = Meter([seat.at for seat in self._seats], warm)
        for seat in self._seats:
            seat.unknown = ""

    async def close(self) -> None:
        """Switch off what only does what it was last told, leave what runs by itself, and disconnect."""
        for task in list(self._moving):
            task.cancel()
        for at in sorted(self._on):
            keeper = self._keepers.get(at)
            if keeper is None or not keeper.capabilities.records:
                await self._verb(self.instrument.output_off(at))
                self._on.discard(at)
        await self._verb(self.instrument.close())

    def capabilities(self, seat: Seat) -> Capabilities:
        """Return what a channel can do by itself.

        Raises:
            Unreachable: The instrument has not answered yet.
        """
        if self._identity is None:
            raise Unreachable(f"instrument {self.name} does not answer: {self._lost}", safe=True)
        return self.instrument.capabilities(seat.at)

    async def prepare(self, seat: Seat, cell: Mapping[str, object], seed: int, source: bytes | None) -> None:
        """Do nothing: the cell is a real one."""

    async def look(self, seat: Seat) -> None:
        """Switch a channel off that no run explains."""
        if self._lost:
            seat.unknown = f"instrument {self.name}: {self._lost}"
            return
        async with self._lock:
            status = await self._verb(self.instrument.status(seat.at))
            if status.activity != "idle":
                LOG.error("channel %s was %s and no run explains it: switched off", seat.name, status.activity)
                await self._verb(self.instrument.output_off(seat.at))

    # --- runs come and go ---

    async def begin(self, seat: Seat, course: Course, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun."""
        async with self._lock:
            keeper = self._sit(seat, course)
            carried = course.plan.carried
            self.meter.resume(seat.at, carried.charging_ah, carried.discharging_ah)
            seat.origin = self.clock.now()
            await self._guarded(keeper, self._begun(keeper, roles))

    async def _begun(self, keeper: Keeper, roles: tuple[str, ...]) -> None:
        keeper.course.begin(keeper.capabilities, roles)
        await self.settle(keeper)

    async def adopt(self, seat: Seat, course: Course, found: Bookmark) -> None:
        """Go on with a run that stands in the journal, as its `on_interruption` says."""
        async with self._lock:
            keeper = self._sit(seat, course)
            last = course.state.last
            self.meter.resume(seat.at, last.charging_ah, last.discharging_ah)
            gap, seat.origin = gap_of(found, course, self.clock, keeper.wall())
            if self._lost:
                keeper.lost_at = last.time
                seat.unknown = f"instrument {self.name}: {self._lost}"
            else:
                await self._guarded(keeper, came_back(self, keeper, gap))

    def _sit(self, seat: Seat, course: Course) -> Keeper:
        keeper = Keeper(seat, course, self.capabilities(seat) if self._identity else course.state.capabilities)
        self._keepers[seat.at] = keeper
        self._wake.set()
        return keeper

    async def order(self, seat: Seat, order: Order) -> None:
        """Let an order take effect: stop and pause switch off first; others are durable before they act."""
        keeper = self._keepers.get(seat.at)
        if order.verb in SAFE_FIRST and not self._lost:
            await self.off(seat.at)
        async with self._lock:
            if keeper is None or seat.course is not keeper.course:
                return
            if order.verb == "stop" and self._lost:
                why = f"stopped by {order.by or 'a person'} while {self.name} does not answer: {self._lost}"
                await self._guarded(keeper, self._folded(keeper, InstrumentFault(why, safe=False)))
                return
            await self._guarded(keeper, self._ordered(keeper, order))

    async def _ordered(self, keeper: Keeper, order: Order) -> None:
        self.meter.hold_last(keeper.at)
        await self._take_waiting(keeper)
        await self._folded(keeper, order)

    async def _folded(self, keeper: Keeper, happened: Order | InstrumentFault | StepEnded) -> None:
        if keeper.course.finish is None:
            keeper.course.take(happened)
            await self.settle(keeper)

    async def hold_safe(self, why: str) -> None:
        """Switch everything off and let the runs pause."""
        for at in sorted(self._on):
            keeper = self._keepers.get(at)
            if keeper is not None:
                await self.order(keeper.seat, Order("pause", "", "labctl", why))

    # --- time goes on ---

    async def run(self) -> None:
        """Serve the seats until cancelled."""
        due = self.clock.now()
        while True:
            if not self._keepers and not self._lost:
                self._wake.clear()
                await self._wake.wait()
                due = self.clock.now()
            await self.clock.until(due)
            self.lateness.append(self.clock.now() - due)
            if self._lost:
                await self._find_again()
            else:
                async with self._lock:
                    await self._tick()
                await self.sink.room()
            due = max(due + self._period(), self.clock.now() - self._period())

    def _period(self) -> float:
        wanted = max((keeper.capabilities.poll_at_most for keeper in self._keepers.values()), default=TICK)
        return max(TICK, wanted) * self.clock.speed

    async def _tick(self) -> None:
        """Read every running channel and fold what must be."""
        channels = tuple(at for at, keeper in self._keepers.items() if keeper.course.finish is None)
        if not channels:
            return
        asked = self.clock.now()
        readings = await self._read(channels)
        if readings is None:
            return
        outside = self._metered(readings.snapshot, asked)
        for at in channels:
            keeper = self._keepers.get(at)
            said = readings.by_channel.get(at, ())
            if keeper is None or not (said or at in outside or asked - keeper.flushed >= QUIET * self.clock.speed):
                continue
            keeper.flushed = asked
            await self._guarded(keeper, self._take_all(keeper, said))

    def _metered(self, snapshot: Snapshot | None, asked: float) -> set[str]:
        """Meter a snapshot and return the channels with a row outside their watch."""
        if snapshot is None:
            return set()
        keepers = [self._keepers[at] for at in snapshot.channels]
        if snapshot.time is None:
            times = np.array([keeper.run_time(asked) for keeper in keepers])
        else:
            times = snapshot.time + np.array([keeper.course.begun for keeper in keepers])
        _, outside = self.meter.step(snapshot, times)
        return {at for at, out in zip(self.meter.channels, outside, strict=True) if out}

    async def _read(self, channels: Sequence[str]) -> Readings | None:
        """Read channels together; where a driver fails on that, one by one, to find the one that it fails on."""
        try:
            return await self._verb(self.instrument.read(channels))
        except InstrumentError as error:
            self._lose(error)
        except Exception:
            LOG.exception("instrument %s failed to read %s", self.name, ", ".join(channels))
            await self._blame(channels)
        return None

    async def _blame(self, channels: Sequence[str]) -> None:
        for at in channels:
            try:
                await self._verb(self.instrument.read([at]))
            except InstrumentError as error:
                self._lose(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever a driver raises fails its channel
                await self._fail(self._keepers[at], error)

    async def _take_all(self, keeper: Keeper, said: Sequence[Reading]) -> None:
        await self._take_waiting(keeper)
        for reading in said:
            if keeper.course.finish is not None:
                return
            for rows in take_reading(keeper, self.meter, reading):
                await self._take_rows(keeper, rows)
            await self.settle(keeper)

    async def _take_waiting(self, keeper: Keeper) -> None:
        await self._take_rows(keeper, self.meter.take(keeper.at))

    async def _take_rows(self, keeper: Keeper, batch: Batch) -> None:
        """Fold rows; those after a command are real and are offered again once it has been carried out."""
        course = keeper.course
        while len(batch) and course.finish is None:
            taken = course.take_rows(batch)
            batch = batch.rows(taken)
            await self.settle(keeper)
            if not taken:
                return

    # --- commands ---

    async def settle(self, keeper: Keeper) -> None:
        """Carry every command out, hand over what waits, and watch what must be watched from now on."""
        course = keeper.course
        while course.commands:
            match course.commands.popleft():
                case Off():
                    await self.off(keeper.at)
                case Mark():
                    pass
                case Apply(role="cell") as apply:
                    await self._apply(keeper, apply)
                case Apply() as apply:
                    self._move(keeper, apply)
                case other:
                    raise AssertionError(other)
        self._hand_over(keeper)
        if course.finish is None:
            self.meter.watch(keeper.at, watch(course.plan, course.state))
        else:
            self._leave(keeper)

    def _hand_over(self, keeper: Keeper) -> None:
        if entries := keeper.course.hand_over():
            self.sink.hand_over(entries)

    async def _apply(self, keeper: Keeper, apply: Apply) -> None:
        """Give a program to the instrument: recorded before it is risked, confirmed before it counts."""
        course, step = keeper.course, apply.program.steps[0]
        try:
            if apply.energises:
                self._hand_over(keeper)
                self.turned(keeper.at, on=True)
                await self.sink.flush()
            read_back = await self._verb(self.instrument.apply(keeper.at, apply.program))
        except StoreError as error:
            await self._refused(
                keeper, f"a set-point was not given, since it could not be recorded: {error}", safe=True
            )
            return
        except InstrumentError as error:
            await self._refused(keeper, str(error), safe=error.safe)
            return
        now = keeper.run_time(self.clock.now())
        record = step.record if isinstance(step, ProgramStep) else ()
        counters = self.meter.begin(keeper.at, now, record)
        course.take(Began(apply.attempt, now, read_back.values, *counters))

    async def _refused(self, keeper: Keeper, why: str, *, safe: bool) -> None:
        try:
            await self.off(keeper.at)
            safe = True
        except InstrumentError as error:
            why = f"{why}; output off: {error}"
        keeper.course.commands.clear()
        keeper.course.take(InstrumentFault(why, safe=safe))

    async def status(self, at: str) -> Status:
        """Return what a channel says that it does."""
        return await self._verb(self.instrument.status(at))

    async def off(self, at: str) -> None:
        """Leave a channel at open circuit."""
        await self._verb(self.instrument.output_off(at))
        self.turned(at, on=False)

    def turned(self, at: str, *, on: bool) -> None:
        """Let the guard know which channels may be energised."""
        (self._on.add if on else self._on.discard)(at)
        self._guardian.watch(self.name, Ward(self._given.driver, self._given.options, tuple(sorted(self._on))))

    # --- stages and chambers ---

    def _move(self, keeper: Keeper, apply: Apply) -> None:
        """Let another part of the channel do its program, and tell the engine when it is done."""
        part = keeper.seat.parts[apply.role]
        other = self.others.get(part.instrument)
        work = self._moved(keeper, apply, other, part.at)
        task = asyncio.create_task(work, name=f"{keeper.seat.name} {apply.role}")
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)

    async def _moved(self, keeper: Keeper, apply: Apply, other: "Line | None", at: str) -> None:
        try:
            if other is None:
                raise Unreachable(f"the {apply.role} of channel {keeper.seat.name} is no polled instrument", safe=True)
            why = await other.do(at, apply.program)
        except InstrumentError as error:
            async with self._lock:
                await self._guarded(keeper, self._refused_and_settled(keeper, str(error)))
            return
        async with self._lock:
            time = keeper.run_time(self.clock.now())
            await self._guarded(keeper, self._folded(keeper, StepEnded(apply.attempt, 0, time, None, why)))

    async def _refused_and_settled(self, keeper: Keeper, why: str) -> None:
        await self._refused(keeper, why, safe=False)
        await self.settle(keeper)

    async def do(self, at: str, program: Program) -> str:
        """Run a program of a stage or a chamber to its end and return the instrument's words.

        Raises:
            InstrumentError: It failed, or does not answer.
        """
        async with self._lock:
            await self._verb(self.instrument.apply(at, program))
        while True:
            await self.clock.until(self.clock.now() + TICK * self.clock.speed)
            async with self._lock:
                readings = await self._verb(self.instrument.read([at]))
            for reading in readings.by_channel.get(at, ()):
                why = getattr(reading, "why", None)
                if type(reading).__name__ == "Fault":
                    raise InstrumentError(f"{self.name}: {why}")
                if why is not None:
                    return str(why)

    # --- what goes wrong ---

    async def _verb(self, verb: Coroutine[object, object, Found]) -> Found:
        """Wait for a verb of the driver, but not for ever."""
        try:
            async with asyncio.timeout(VERB_WITHIN):
                return await verb
        except TimeoutError as error:
            raise Unreachable(f"instrument {self.name} did not answer within {VERB_WITHIN:g} s") from error

    async def _guarded(self, keeper: Keeper, work: Coroutine[object, object, None]) -> None:
        """Do something for one run; what it raises ends that run alone, safely, unless the line is gone for all."""
        try:
            await work
        except Unreachable as error:
            self._lose(error)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong fails this channel
            await self._fail(keeper, error)

    async def _fail(self, keeper: Keeper, error: Exception) -> None:
        LOG.error("channel %s failed", keeper.seat.name, exc_info=error)
        why = str(error) if isinstance(error, LabctlError) else f"{type(error).__name__}: {error}"
        course = keeper.course
        try:
            await self.off(keeper.at)
            safe = True
        except Exception as off:  # noqa: BLE001 - said, and the guard and the next look try again
            why, safe = f"{why}; output off: {off}", False
        try:
            course.commands.clear()
            if course.finish is None:
                course.take(InstrumentFault(why, safe=safe))
            course.commands.clear()
            self._hand_over(keeper)
        except Exception:
            LOG.exception("channel %s: the engine cannot take its fault", keeper.seat.name)
            self.sink.fail(course.run_id, course.next_record - 1, course.state.last.time, why)
        self._leave(keeper)

    def _leave(self, keeper: Keeper) -> None:
        if self._keepers.get(keeper.at) is keeper:
            del self._keepers[keeper.at]
            self.meter.stop(keeper.at)
            self._ended(keeper.seat)

    def _lose(self, error: Exception) -> None:
        """Note that the instrument does not answer; nobody knows what its channels do."""
        if not self._lost:
            LOG.error("instrument %s is lost: %s", self.name, error)
        self._lost = str(error)
        for keeper in self._keepers.values():
            keeper.seat.unknown = f"instrument {self.name}: {error}"
            if keeper.lost_at is None:
                keeper.lost_at = keeper.course.state.last.time
        self._wake.set()

    async def _find_again(self) -> None:
        """Try to reach a lost instrument, and reconcile its channels when it answers."""
        first, most = RETRY
        wait = first
        while self._lost:
            async with self._lock:
                try:
                    await self.open()
                except InstrumentError as error:
                    self._lost = str(error)
                else:
                    await self._reconcile()
                    return
            await self.clock.until(self.clock.now() + wait * self.clock.speed)
            wait = min(2.0 * wait, most)

    async def _reconcile(self) -> None:
        LOG.warning("instrument %s answers again", self.name)
        for keeper in list(self._keepers.values()):
            keeper.capabilities = self.capabilities(keeper.seat)
            begin = keeper.course.state.last.time if keeper.lost_at is None else keeper.lost_at
            keeper.lost_at = None
            end = max(begin, keeper.run_time(self.clock.now()))
            await self._guarded(keeper, came_back(self, keeper, (begin, end, f"instrument {self.name} did not answer")))
        for seat in self._seats:
            if seat.at not in self._keepers:
                status = await self._verb(self.instrument.status(seat.at))
                if status.activity != "idle":
                    LOG.error("channel %s was %s and no run explains it: switched off", seat.name, status.activity)
                    await self._verb(self.instrument.output_off(seat.at))


def _who(identity: Identity) -> str:
    return f"{identity.make} {identity.model} {identity.serial}".strip()

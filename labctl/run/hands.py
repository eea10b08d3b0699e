"""What is done to one run of a polled instrument: rows are folded, commands carried out in their order, faults kept to it.

Output off comes before anything is written; a set-point that energises only after what led to it is durable; a program counts
from its confirmation. The line's lock is held by whoever calls.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from labctl.clock import Clock, Machine, this_machine
from labctl.driver import Autonomous, Ended, Instrument, ProgramStep, Reading, RecordRule, Status
from labctl.engine.input import Apply, Began, InstrumentFault, Mark, Off, Order, StepEnded
from labctl.engine.meter import Meter
from labctl.engine.watch import watch
from labctl.errors import InstrumentError, LabctlError, StoreError, Unreachable
from labctl.run.guardian import Guardian, Ward
from labctl.run.keeper import Keeper
from labctl.run.reading import take_reading
from labctl.run.seat import Seat
from labctl.run.sink import Sink
from labctl.sample import Batch
from labctl.settings import InstrumentSettings

Found = TypeVar("Found")

LOG = logging.getLogger("labctl.run")
RESTING = (RecordRule(every=10.0, voltage=5e-3),)  # of rows at open circuit between programs
VERB_WITHIN = 5.0  # s for one verb of a driver


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lines of a daemon have together; `ended` is called when the run of a seat has ended."""

    clock: Clock
    sink: Sink
    guardian: Guardian
    ended: Callable[[Seat], None]
    machine: Machine = field(default_factory=this_machine)


class Hands:
    """One instrument and the runs at it.

    Attributes:
        given: Its entry in the station file.
        instrument: The driver.
        meter: Of its channels.
        keepers: Runs by the instrument's channel.
        on: Channels that may be energised.
        lost: Called when the instrument does not answer.
        move: Called with a command for another part of the channel.
    """

    def __init__(
        self,
        given: InstrumentSettings,
        instrument: Instrument,
        shared: Shared,
        lost: Callable[[Exception], None],
        move: Callable[[Keeper, Apply], None],
    ) -> None:
        """Join them."""
        self.given = given
        self.instrument = instrument
        self.meter = Meter([])
        self.keepers: dict[str, Keeper] = {}
        self.on: set[str] = set()
        self._shared = shared
        self._lost = lost
        self._move = move

    # --- rows ---

    async def take_all(self, keeper: Keeper, said: Sequence[Reading]) -> None:
        """Fold the rows that wait, and then what the instrument said, in order."""
        self._fold_rows(keeper, self.meter.take(keeper.at))
        for reading in said:
            if keeper.course.finish is not None:
                break
            if isinstance(reading, Ended) and not keeper.capabilities.records:
                self.meter.begin(keeper.at, keeper.course.begun + reading.time, RESTING)  # at open circuit since
            for rows in take_reading(keeper, self.meter, reading):
                self._fold_rows(keeper, rows)
        keeper.course.replace_commands()
        await self.settle(keeper)

    async def take_waiting(self, keeper: Keeper) -> None:
        """Fold the rows that the meter holds."""
        await self.take_all(keeper, ())

    def _fold_rows(self, keeper: Keeper, batch: Batch) -> None:
        """Fold rows, those after a command too: they are real, and were measured before it could act."""
        course = keeper.course
        while len(batch) and course.finish is None:
            taken = course.take_rows(batch)
            if not taken:
                return
            batch = batch.rows(taken)

    async def begin(self, keeper: Keeper, roles: tuple[str, ...]) -> None:
        """Begin a run."""
        keeper.course.begin(keeper.capabilities, roles)
        await self.settle(keeper)

    async def fold(self, keeper: Keeper, happened: Order | InstrumentFault | StepEnded) -> None:
        """Fold what is no row."""
        if keeper.course.finish is None:
            keeper.course.take(happened)
            await self.settle(keeper)

    # --- commands ---

    async def settle(self, keeper: Keeper) -> None:
        """Carry every command out, hand over what waits, and watch what must be watched from now on."""
        course = keeper.course
        while course.commands:
            match course.commands.popleft():
                case Off():
                    await self.off(keeper.at)
                    self.rest(keeper)
                case Mark():
                    pass
                case Apply(role="cell") as apply:
                    await self._apply(keeper, apply)
                case Apply() as apply:
                    self._move(keeper, apply)
                case other:
                    raise AssertionError(other)
        self.hand_over(keeper)
        if course.finish is None:
            self.meter.watch(keeper.at, watch(course.plan, course.state))
        else:
            self.leave(keeper)

    def hand_over(self, keeper: Keeper) -> None:
        """Give the journal what waits."""
        if entries := keeper.course.hand_over():
            self._shared.sink.hand_over(entries)

    async def _apply(self, keeper: Keeper, apply: Apply) -> None:
        """Give a program to the instrument: recorded before it is risked, confirmed before it counts."""
        course, step = keeper.course, apply.program.steps[0]
        try:
            if apply.energises:
                self.hand_over(keeper)
                self.turned(keeper.at, on=True)
                await self._shared.sink.flush()
                await self._shared.guardian.ready()
            read_back = await self.verb(self.instrument.apply(keeper.at, apply.program))
        except StoreError as error:
            await self.refused(keeper, f"a set-point was not given, since it could not be recorded: {error}", safe=True)
            return
        except Unreachable:
            raise  # an outage, as at any other moment: what becomes of the run is its protocol's to say
        except InstrumentError as error:
            await self.refused(keeper, str(error), safe=error.safe)
            return
        now = keeper.run_time(self._shared.clock.now())
        record = step.record if isinstance(step, ProgramStep) else ()
        self.runs(keeper)
        counters = self.meter.begin(keeper.at, now, record)
        course.take(Began(apply.attempt, now, read_back.values, *counters))

    def now(self) -> float:
        """Return the clock's time."""
        return self._shared.clock.now()

    def runs(self, keeper: Keeper) -> None:
        """Note that a program runs."""
        keeper.runs(self.now())

    def rest(self, keeper: Keeper) -> None:
        """Meter the open circuit of a run that goes on without a program; the old current held until now."""
        if keeper.course.finish is None:
            keeper.resting = True
            self.meter.begin(keeper.at, keeper.run_time(self._shared.clock.now()), RESTING)

    async def refused(self, keeper: Keeper, why: str, *, safe: bool) -> None:
        """Switch off and end the run: a command could not be carried out."""
        try:
            await self.off(keeper.at)
            safe = True
        except InstrumentError as error:
            why = f"{why}; output off: {error}"
        keeper.course.commands.clear()
        keeper.course.take(InstrumentFault(why, safe=safe))

    async def status(self, at: str) -> Status:
        """Return what a channel says that it does."""
        return await self.verb(self.instrument.status(at))

    async def attach(self, keeper: Keeper) -> bool:
        """Take up the program of a run that went on, or came to its end, in an instrument that runs by itself."""
        state = keeper.course.state
        if not isinstance(self.instrument, Autonomous) or state.phase != "running" or not state.held.lines:
            return False
        after = state.last.time - keeper.course.begun
        return await self.verb(self.instrument.attach(keeper.at, state.held.attempt, after, state.held.at))

    async def off(self, at: str) -> None:
        """Leave a channel at open circuit."""
        await self.verb(self.instrument.output_off(at))
        self.turned(at, on=False)

    def turned(self, at: str, *, on: bool) -> None:
        """Let the guard know which channels may be energised; an instrument that runs by itself guards its own."""
        (self.on.add if on else self.on.discard)(at)
        if isinstance(self.instrument, Autonomous):
            return
        ward = Ward(self.given.driver, self.given.options, tuple(sorted(self.on)))
        self._shared.guardian.watch(self.given.name, ward)

    # --- what goes wrong ---

    async def verb(self, verb: Coroutine[object, object, Found]) -> Found:
        """Wait for a verb of the driver, but not for ever.

        Raises:
            InstrumentError: As the driver says; `Unreachable` after a time-out.
        """
        try:
            async with asyncio.timeout(VERB_WITHIN):
                return await verb
        except TimeoutError as error:
            raise Unreachable(f"instrument {self.given.name} did not answer within {VERB_WITHIN:g} s") from error

    async def guarded(self, keeper: Keeper, work: Coroutine[object, object, None]) -> None:
        """Do something for one run; what it raises ends that run alone, safely, unless the line is gone for all."""
        try:
            await work
        except Unreachable as error:
            self.hand_over(keeper)  # what led here is recorded, however long the instrument stays away
            self._lost(error)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong fails this channel
            await self.fail(keeper, error)

    async def fail(self, keeper: Keeper, error: Exception) -> None:
        """End a run in which something went wrong that no engine foresees."""
        LOG.error("channel %s failed", keeper.seat.name, exc_info=error)
        why = str(error) if isinstance(error, LabctlError) else f"{type(error).__name__}: {error}"
        course = keeper.course
        try:
            await self.off(keeper.at)
            safe = True
        except Exception as off:  # noqa: BLE001 - said; the guard and the next look try again
            why, safe = f"{why}; output off: {off}", False
        course.commands.clear()
        try:
            if course.finish is None:
                course.take(InstrumentFault(why, safe=safe))
            course.commands.clear()
            self.hand_over(keeper)
        except Exception:
            LOG.exception("channel %s: the engine cannot take its fault", keeper.seat.name)
            self._shared.sink.fail(course.run_id, course.next_record - 1, course.state.last.time, why)
        self.leave(keeper)

    def leave(self, keeper: Keeper) -> None:
        """Let a run go that has ended."""
        if self.keepers.get(keeper.at) is keeper:
            del self.keepers[keeper.at]
            self.meter.stop(keeper.at)
            self._shared.ended(keeper.seat)

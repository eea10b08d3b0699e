"""The executor of an instrument that is polled: its verbs are waited for, its rows metered, its outputs known to the guard.

The connection's lock is held by whoever calls.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

import numpy as np

from labctl.clock import Clock, Machine, this_machine
from labctl.driver import Autonomous, Ended, Instrument, Program, ProgramStep, ReadBack, Reading, RecordRule, Status
from labctl.engine.input import Apply, Began, SwitchedOff
from labctl.engine.meter import Meter
from labctl.engine.watch import watch
from labctl.errors import InstrumentError, LabctlError, StoreError, Unreachable
from labctl.run.channel import Channel
from labctl.run.connection.before_set_point import BeforeSetPoint
from labctl.run.connection.executor import Executor, WentOnError
from labctl.run.connection.ownership import is_ours_to_stop, is_program_of, owner_of
from labctl.run.connection.polled_run import PolledRun
from labctl.run.connection.quiet_records import QuietRecords
from labctl.run.connection.reading import take_reading
from labctl.run.guard_process import GuardedInstrument, GuardProcess
from labctl.run.sink import Sink
from labctl.sample import Batch
from labctl.station.settings import InstrumentSettings
from labctl.store.entry import NewRun

Found = TypeVar("Found")
Take: TypeAlias = "Callable[[PolledRun, Sequence[Reading]], Awaitable[None]]"

LOG = logging.getLogger("labctl.run")
RESTING = (RecordRule(every=10.0, voltage=5e-3),)  # of rows at open circuit between programs
VERB_WITHIN = 5.0  # s for one verb of a driver
EACH = 1.0  # s more for each further channel that an instrument which runs by itself is asked for at once
DRAINED_WITHIN = 10.0  # s of the machine for the last records of what was stopped
WENT_ON = 2.0  # s of the machine that a later step of a program may have run while the one before is being left
DRAIN_AGAIN = 0.5  # s of the machine between two looks for them


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lines of a daemon have together; `ended` is called when the run of a channel has ended."""

    clock: Clock
    sink: Sink
    guard: GuardProcess
    ended: Callable[[Channel], None]
    machine: Machine = field(default_factory=this_machine)


class PolledExecutor(Executor[PolledRun]):
    """One instrument and the runs at it.

    Attributes:
        given: Its entry in the station file.
        instrument: The driver.
        autonomous: The same, of an instrument that goes on by itself; None of any other.
        meter: Of its channels.
        quiet: What is known of the runs whose rows need no fold.
        running: Runs by the instrument's channel.
        on: Channels that may be energised.
        serial: Number by which the instrument is known, or its name where it has none.
        lost: Called when the instrument does not answer.
        move: Called with a command for another part of the channel.
    """

    def __init__(
        self,
        given: InstrumentSettings,
        instrument: Instrument,
        shared: Shared,
        lost: Callable[[Exception], None],
        move: Callable[[PolledRun, Apply], None],
    ) -> None:
        """Join them."""
        super().__init__(shared.sink)
        self.given = given
        self.instrument = instrument
        self.autonomous = instrument if isinstance(instrument, Autonomous) else None
        self.meter = Meter([])
        self.quiet = QuietRecords()
        self.running: dict[str, PolledRun] = {}
        self.on: set[str] = set()
        self._off: set[str] = set()  # channels that were confirmed off, and not energised since
        self.serial = given.name  # until it has said its own
        self._shared = shared
        self._before = BeforeSetPoint(self, shared.clock, shared.sink, shared.guard)
        self._lost = lost
        self._move = move

    # --- rows ---

    async def take_all(self, run: PolledRun, readings: Sequence[Reading] = ()) -> None:
        """Fold the rows that wait, and then what the instrument said, in order."""
        self.fold_waiting(run)
        for reading in readings:
            if run.session.finish is not None:
                break
            if isinstance(reading, Ended) and not run.capabilities.records:
                self.meter.begin(run.at, run.session.begun + reading.time, RESTING)  # at open circuit since
            for rows in take_reading(run, self.meter, reading):
                self._fold_rows(run, rows)
        await self.settle(run)

    def fold_waiting(self, run: PolledRun) -> None:
        """Fold the rows that the meter holds, and carry nothing out."""
        self._fold_rows(run, self.meter.take(run.at))

    def _fold_rows(self, run: PolledRun, batch: Batch) -> None:
        """Fold rows, those after a command too: they are real, and were measured before it could act."""
        session = run.session
        while len(batch) and session.finish is None:
            taken = session.take_rows(batch)
            if not taken:
                return
            batch = batch.rows(taken)

    # --- commands ---

    async def give(self, run: PolledRun, apply: Apply) -> Began:
        """Give a program to the instrument, known to the guard before it is risked, and confirmed before it counts."""
        step = apply.program.steps[0]
        await self._wind_up(run)
        if apply.energises:
            if not run.only_reads:
                await self.claim(run.at)
                self.turned(run.at, on=True)
            await self._shared.guard.ready()
        read_back = await self._given(run, apply.program)
        now, record = run.run_time(self.now()), step.record if isinstance(step, ProgramStep) else ()
        run.program = apply.program
        self.runs(run)
        counters = self.meter.begin(run.at, now, record)
        return Began(apply.attempt, now, read_back.values, *counters)

    async def may_give(self, run: PolledRun, apply: Apply) -> bool:
        """Tell whether no order makes a program void, and where it energises, what led to it is durable and the guard knows."""
        return not run.leaves and (not apply.energises or await self._before.holds(run))

    async def switch_off(self, run: PolledRun) -> None:
        """Leave the channel of a run at open circuit."""
        await self.off(run.at)

    def move(self, run: PolledRun, apply: Apply) -> None:
        """Let another part of the channel do its program."""
        self._move(run, apply)

    def watch(self, run: PolledRun) -> None:
        """Let the meter hold rows back that nothing depends on, and those pass without a fold that an instrument records."""
        self.meter.watch(run.at, watch(run.session.plan, run.session.state))
        if run.capabilities.records:
            self.quiet.enter(run, self._shared.machine.monotonic())

    def lost(self, error: Exception) -> None:
        """Note that the instrument does not answer."""
        self._lost(error)

    async def _given(self, run: PolledRun, program: Program) -> ReadBack:
        """Give a program with its owner; what somebody else's test does is not given to what only does what it was last told."""
        if run.only_reads and not self.autonomous:
            return ReadBack()
        return await self.verb(self.instrument.apply(run.at, replace(program, owner=owner_of(self.journal, run))))

    async def _wind_up(self, run: PolledRun) -> None:
        """Stop a program that goes on by itself and fold what it still has, before another one takes its place.

        Raises:
            WentOnError: It had gone on to a later step for longer than a look or two at it takes: what is to be given has
                passed some of its charge already.
        """
        if not self.autonomous or run.only_reads:
            return
        if await self.verb(self.autonomous.drained(run.at)):
            return
        left, beyond = run.session.program_step, [0.0]

        async def take(run: PolledRun, readings: Sequence[Reading]) -> None:
            beyond[0] += await self._take_late(run, readings, left)

        await self.off(run.at)
        await self.drain(lambda: self.drain_once(run, take), run.channel.name)
        if beyond[0] > WENT_ON * self._shared.clock.speed:
            raise WentOnError(
                f"{self.given.name} had gone on with its program for {beyond[0]:.1f} s when the step before was left"
            )

    async def drain_once(self, run: PolledRun, take: Take) -> bool:
        """Take what an instrument that records by itself has given of what was stopped; tell whether that was the last."""
        if not self.autonomous or run.session.finish is not None:
            return True
        await take(run, (await self.verb(self.instrument.read([run.at]))).of(run.at))
        return await self.verb(self.autonomous.drained(run.at))

    async def drain(self, once: Callable[[], Awaitable[bool]], name: str) -> None:
        """Wait for the last records of what was stopped, but not for ever."""
        until = self._shared.machine.monotonic() + DRAINED_WITHIN
        while not await once():
            if self._shared.machine.monotonic() > until:
                LOG.warning("channel %s: the last records of what was stopped have not come yet", name)
                return
            await self._shared.clock.until(self.now() + DRAIN_AGAIN * self._shared.clock.speed)

    async def _take_late(self, run: PolledRun, readings: Sequence[Reading], left: int) -> float:
        """Fold rows of a step that is being left; whatever else its program says is void.

        Args:
            run: The run.
            readings: What came.
            left: Index of the program step that is left.

        Returns:
            For how many seconds of it a later step of the program drove a current.
        """
        beyond = 0.0
        for reading in readings:
            if isinstance(reading, Batch):
                before = run.session.state.last.time
                for rows in take_reading(run, self.meter, reading):
                    self._fold_rows(run, rows)
                driven = np.abs(reading.current).max(initial=0.0) > run.session.plan.accuracy[1]
                if reading.step > left and driven:
                    begin = run.session.begun + float(reading.time[0])
                    beyond += run.session.state.last.time - max(before, begin)
        return beyond

    def now(self) -> float:
        """Return the clock's time."""
        return self._shared.clock.now()

    def runs(self, run: PolledRun) -> None:
        """Note that a program runs."""
        run.runs(self.now())

    def rest(self, run: PolledRun) -> None:
        """Meter the open circuit of a run that goes on without a program; the old current held until now, as the engine is told."""
        if run.session.finish is not None:
            return
        run.resting = True
        now = run.run_time(self._shared.clock.now())
        counters = self.meter.begin(run.at, now, RESTING)
        self.fold_waiting(run)  # measured before; a run may end by it
        if run.session.finish is None and not run.capabilities.records and counters != run.session.state.last.counters:
            run.session.take(SwitchedOff(now, *counters))

    async def status(self, at: str) -> Status:
        """Return what a channel says that it does."""
        return await self._answered(self.instrument.status(at))

    async def _answered(self, verb: Coroutine[object, object, Found]) -> Found:
        """Wait for a verb that may serve no run: a defect of its driver is an error of the instrument, and no end of the daemon."""
        try:
            return await self.verb(verb)
        except LabctlError:
            raise
        except Exception as error:
            LOG.exception("instrument %s: the driver failed", self.given.name)
            raise InstrumentError(f"the driver failed: {type(error).__name__}: {error}") from error

    async def attach(self, run: PolledRun) -> bool:
        """Take up the program of a run that went on, or came to its end, in an instrument that runs by itself."""
        state = run.session.state
        if not self.autonomous or state.phase != "running" or not state.held.lines:
            return False
        after = state.last.time - run.session.begun
        owner = owner_of(self.journal, run)
        return await self.verb(self.autonomous.attach(run.at, state.held.attempt, after, state.held.at, owner))

    async def off(self, at: str, *, theirs: bool = False) -> None:
        """Leave a channel at open circuit; what somebody else runs there is left alone, unless a person means it (`theirs`)."""
        if theirs or not await self.runs_theirs(at):
            await self._answered(self.instrument.output_off(at))
        self.turned(at, on=False)

    async def switch_all_off(self) -> None:
        """Leave every output at open circuit that only does what it was last told, and let it go; one that fails keeps none back.

        Raises:
            InstrumentError: At least one is not confirmed off, and stays among those that may be on.
        """
        problems: list[InstrumentError] = []
        for at in sorted(self.on):
            there = self.running.get(at)
            if there is not None and there.capabilities.records:
                continue
            try:
                await self._answered(self.instrument.output_off(at))
            except InstrumentError as error:
                problems.append(error)
            else:
                self.turned(at, on=False)
                await self.unclaim(at)  # whoever switches it on from now on is somebody else
        if problems:
            raise problems[0]

    @property
    def unconfirmed(self) -> bool:
        """Tell whether an output may be on that only does what it was last told."""
        return bool(self.on) and not self.autonomous

    async def runs_theirs(self, at: str) -> bool:
        """Tell whether a channel runs what this station did not give it."""
        run = self.running.get(at)
        if run is not None and (run.only_reads or run.channel.foreign):
            return True
        if not self.autonomous:
            return False
        status = await self.status(at)
        known = (
            status.owner is None and run is not None and is_program_of(self.journal, run, status)
        )  # of before owners
        return status.activity != "idle" and not known and not is_ours_to_stop(self.journal, status)

    async def claim(self, at: str) -> None:
        """Note beside the journal that an output may be on by our own doing; what runs by itself says so itself.

        Raises:
            StoreError: It could not be noted; the output must not be switched on.
        """
        if not self.autonomous and not self.claimed(at):
            await self._shared.sink.call(self._shared.sink.journal.head.claim, self.serial, at)

    def claimed(self, at: str) -> bool:
        """Tell whether an output may be on by our own doing, in this life of the daemon or an earlier one."""
        return at in self.on or self._shared.sink.journal.head.ours(self.serial, at)

    @property
    def claims_lost(self) -> bool:
        """Tell whether the file with the claims was gone as the journal was opened: then nobody knows what was claimed."""
        return self._shared.sink.journal.opening.headless

    def claims(self) -> frozenset[str]:
        """Return the channels of the instrument whose outputs may be on by our own doing."""
        return self._shared.sink.journal.head.claims(self.serial)

    async def unclaim(self, at: str) -> None:
        """Note that an output that is off is none of ours; where the disk does not take that, the next look at it tries again."""
        if not self.autonomous and at not in self.on and self.claimed(at):
            try:
                await self._shared.sink.call(self._shared.sink.journal.head.release, self.serial, at)
            except StoreError as error:
                LOG.warning("instrument %s: channel %s is off, which is not noted yet: %s", self.given.name, at, error)

    @property
    def journal(self) -> str:
        """The uuid of the journal: who this station is to an instrument."""
        return self._shared.sink.journal.uuid

    def label(self) -> float:
        """Return UTC now, s."""
        return self._shared.clock.label()

    async def create(self, new: NewRun) -> int:
        """Store a run that begins; return its number."""
        await self._shared.sink.flush()  # the end of the run before, which frees the channel
        return await self._shared.sink.call(self._shared.sink.journal.create_run, new)

    def turned(self, at: str, *, on: bool) -> None:
        """Let the guard know which channels may be energised; an instrument that runs by itself guards its own."""
        (self.on.add if on else self.on.discard)(at)
        (self._off.discard if on else self._off.add)(at)
        if self.autonomous:
            return
        ward = GuardedInstrument(
            self.given.driver, self.given.options, tuple(sorted(self.on)), tuple(sorted(self._off))
        )
        self._shared.guard.watch(self.given.name, ward)

    # --- what goes wrong ---

    def patience(self, channels: int = 1) -> float:
        """Return how many s a verb on so many channels may take; what runs by itself keeps itself safe meanwhile."""
        return VERB_WITHIN + (2.0 * self.autonomous.timeout + EACH * (channels - 1) if self.autonomous else 0.0)

    async def verb(self, verb: Coroutine[object, object, Found], channels: int = 1) -> Found:
        """Wait for a verb of the driver on so many channels, but not for ever.

        Raises:
            InstrumentError: As the driver says; `Unreachable` after a time-out.
        """
        patience = self.patience(channels)
        try:
            async with asyncio.timeout(patience):
                return await verb
        except TimeoutError as error:
            raise Unreachable(f"instrument {self.given.name} did not answer within {patience:g} s") from error

    async def leave(self, run: PolledRun) -> None:
        """Let a run go that has ended, and its output: whoever switches that on from now on is somebody else."""
        if self.running.get(run.at) is run:
            del self.running[run.at]
            run.stop_recording()
            self.meter.stop(run.at)
            self.quiet.leave(run.at)
            self._shared.ended(run.channel)
            await self.unclaim(run.at)

"""One channel on an instrument that is polled, on a clock that only moves when somebody waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np

from labctl.clock import Machine, VirtualClock
from labctl.driver import (
    Capabilities,
    Galvanostatic,
    Identity,
    Instrument,
    Mode,
    Placed,
    Potentiostatic,
    Program,
    ProgramStep,
    ReadBack,
    Readings,
    Status,
)
from labctl.engine.input import Order
from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError
from labctl.plan.codec import digest, plan_to_json
from labctl.plan.compile import compile_plan
from labctl.run.channel import Channel
from labctl.run.connection.polled_connection import PolledConnection
from labctl.run.connection.polled_executor import Shared
from labctl.run.files import read_files
from labctl.run.guard_record import GuardEntry
from labctl.run.session import RunSession
from labctl.run.sink import Sink
from labctl.run.supervisor import Supervisor
from labctl.sample import Snapshot
from labctl.station.settings import InstrumentSettings, Part
from labctl.store.entry import NewRun
from labctl.store.journal import Journal
from labctl.store.reader import Reader

CELL = """\
labctl_cell: 1
name: A
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: t
record: {every: 0.5 s}
on_interruption: {continue_within: 10 min, else: ask}
steps:
"""
CHARGE = "  - charge: {current: 0.5 A, for: 1 h}\n"
NOON = 1_790_000_000.0
PACE = 5.0  # s of the virtual clock, less than any time within which a test wants something to hold
PATIENCE = 0.1  # s of the machine


class FakeInstrument:
    """A source meter that holds a set-point on a large capacitor; every fault of it is switched by a test.

    Attributes:
        calls: Verbs that it was given, in order.
        on: Whether current can flow.
        charge: What has really flowed, C.
        answers: It can be reached.
        reads: Its readings can be understood.
        fails: An error that the next `apply` raises.
        factor: By which somebody changed the level at the panel.
    """

    def __init__(self, clock: VirtualClock, stamped: bool = True) -> None:
        self.clock, self.stamped = clock, stamped
        self.calls: list[str] = []
        self.on = self.answers = self.reads = True
        self.on = False
        self.charge = 0.0
        self.fails: Exception | None = None
        self.factor = 1.0
        self.frozen = False
        self.number = 0.0  # of the last reading
        self.mode: Mode | None = None
        self.attempt: int | None = None
        self._since = clock.now()

    def current(self) -> float:
        match self.mode:
            case Galvanostatic(current) if self.on:
                return self.factor * current
            case Potentiostatic(voltage, most) if self.on:
                return float(np.clip((voltage - 3.7) / 0.1, -(most or 1.0), most or 1.0))
        return 0.0

    def settle(self) -> None:
        now = self.clock.now()
        self.charge += self.current() * (now - self._since)
        self._since = now

    def said(self, verb: str) -> None:
        self.calls.append(verb)
        if not self.answers:
            raise Unreachable("nobody answers")

    async def open(self) -> Identity:
        self.said("open")
        return Identity("fake", "meter", "1")

    async def close(self) -> None:
        self.calls.append("close")

    def capabilities(self, channel: str) -> Capabilities:
        return Capabilities(modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic"}), limits=frozenset({"voltage"}))

    async def status(self, channel: str) -> Status:
        self.said("status")
        return Status("running", self.attempt, 0) if self.on else Status("idle")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        self.said(f"apply {program.attempt}")
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        (step,) = program.steps
        assert isinstance(step, ProgramStep)
        self.settle()
        self.mode, self.on, self.attempt = step.mode, type(step.mode).__name__ != "Rest", program.attempt
        self.factor = 1.0
        return ReadBack({"level": self.current()})

    async def read(self, channels: Sequence[str]) -> Readings:
        self.said("read")
        if not self.reads:
            raise WireError("wanted two numbers, found '0.5'")
        self.settle()
        current = self.current()
        self.number += not self.frozen
        stamp = np.array([self.number]) if self.stamped else None
        return Readings(Snapshot(tuple(channels), np.array([3.7 + 0.1 * current]), np.array([current]), stamp=stamp))

    async def output_off(self, channel: str) -> None:
        self.said("off")
        self.settle()
        self.on, self.attempt = False, None


class Unguarded:
    """Stands for the guard process, of which these tests are not: it watches at once, while it answers."""

    def __init__(self) -> None:
        self.answers = True
        self.energised: tuple[str, ...] = ()
        self.wrote: GuardEntry | None = None

    def watch(self, name: str, guarded: object) -> None:
        self.energised = tuple(guarded.channels)  # type: ignore[attr-defined]

    async def ready(self, within: float = 10.0) -> None:
        if not self.answers:
            raise SettingRefused(f"the guard process does not answer within {within:g} s", safe=True)

    def switched_off(self, *place: object) -> GuardEntry | None:
        return self.wrote


class Paced:
    """A virtual clock that the journal's thread can follow: by `PACE` of its seconds ahead, it waits for what is on its way to the disk.

    Where the journal is locked it waits `PATIENCE` seconds of the machine each time, and goes on.
    """

    fast, speed = True, 1.0

    def __init__(self, clock: VirtualClock, sink: Sink) -> None:
        self.clock, self.sink, self.now, self.label = clock, sink, clock.now, clock.label
        self.followed = clock.now()
        self.follows: asyncio.Task[int] | None = None

    async def until(self, moment: float) -> None:
        await self.clock.until(moment)
        if self.follows is None and self.now() - self.followed >= PACE:
            self.follows = asyncio.create_task(self.sink.flush())
        if self.follows is not None:
            await asyncio.wait([self.follows], timeout=PATIENCE)
            self.followed = self.now()
            if self.follows.done():
                self.follows.exception()  # a journal that cannot be written is what some test is about
                self.follows = None


class OneChannel:
    """A connection with one channel, its journal, and what was committed."""

    def __init__(self, folder: Path, clock: VirtualClock, instrument: Instrument, journal: Journal, sink: Sink) -> None:
        self.folder, self.clock, self.instrument, self.journal, self.sink = folder, clock, instrument, journal, sink
        at = instrument.channels()[0] if isinstance(instrument, Placed) else "1"
        self.channel = Channel("c1", {"cell": Part("k1", at)})
        self.ended: list[Channel] = []
        self.guard = Unguarded()
        machine = Machine("boot", clock.now, clock.label)
        shared = Shared(Paced(clock, sink), sink, self.guard, self.ended.append, machine)  # type: ignore[arg-type]
        self.supervisor = None
        self.line = PolledConnection(InstrumentSettings("k1", "fake", {}), instrument, [self.channel], shared)
        self.rows = 0  # committed
        self.killed = False  # the process is gone: nobody switches off
        self.events: list[tuple[str, dict[str, object]]] = []
        self.session: RunSession | None = None
        sink.on_commit(self._note)

    def _note(self, done: object) -> None:
        for entry in done.entries:  # type: ignore[attr-defined]
            self.rows += entry.rows
            self.events += [(event.kind, dict(event.data)) for event in entry.events]

    @property
    def state(self):
        assert self.session is not None
        return self.session.state

    def of(self, kind: str) -> list[dict[str, object]]:
        return [data for name, data in self.events if name == kind]

    async def start(self, steps: str = CHARGE) -> None:
        (self.folder / "cell.yaml").write_text(CELL)
        (self.folder / "p.yaml").write_text(PROTOCOL + steps)
        files = read_files(str(self.folder / "p.yaml"), str(self.folder / "cell.yaml"))
        plan = compile_plan(files.protocol, files.cell, self.line.capabilities(self.channel), self.channel.bounds, {})
        run = self.journal.create_run(NewRun(plan_to_json(plan), digest(plan), self.clock.label(), channel="c1"))
        self.session = self.channel.session = RunSession(run, plan)
        await self.line.begin(self.channel, self.session, ("cell",))

    async def take_up(self) -> list[str]:
        """Do what the daemon does at its start: reconcile the channel with the journal."""
        self.supervisor = Supervisor(
            {"c1": self.channel}, {"k1": self.line}, self.sink, lambda: Reader(self.folder / "data"), self.clock
        )
        words = await self.supervisor.adopt()
        self.session = self.channel.session
        return words

    async def order(self, verb: str) -> None:
        await self.line.order(self.channel, Order(verb, "", "me", ""))  # type: ignore[arg-type]

    async def until(self, holds: Callable[[], object], most: float = 3600.0) -> None:
        """Let the clock go on until something holds, at most so many of its seconds."""
        begin = self.clock.now()
        async with asyncio.timeout(60):
            while not holds():
                assert self.clock.now() - begin < most, "it did not come to hold"
                await self.clock.until(self.clock.now())  # the others have their turn

    async def let_pass(self, seconds: float) -> None:
        end = self.clock.now() + seconds
        await self.until(lambda: self.clock.now() >= end)


@contextlib.asynccontextmanager
async def one_channel(
    folder: Path, instrument: Instrument | None = None, clock: VirtualClock | None = None
) -> AsyncIterator[OneChannel]:
    """Serve a channel for as long as the context is open."""
    clock = clock or VirtualClock(1000.0, NOON)
    with Journal.open(folder / "data", now=clock.label) as journal:
        sink = Sink(journal, asyncio.get_running_loop())
        channel = OneChannel(folder, clock, instrument or FakeInstrument(clock), journal, sink)
        await channel.line.open()
        task = asyncio.create_task(channel.line.run())
        try:
            yield channel
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if channel.supervisor is not None:
                channel.supervisor.close()
            if not channel.killed:
                with contextlib.suppress(InstrumentError, SettingRefused):
                    await channel.line.close()
            await sink.close()

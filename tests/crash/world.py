"""Rig D: the deterministic world. One seed gives actions, faults, delays, kills and cells; time is virtual.

    python -m tests.crash.world --seconds 60 --write
    python -m tests.crash.world --seed 17
    python -m tests.crash.world --seed 17 --only 3,9

The engine, plan, connections, supervisor and journal are the real ones; the clock, the instruments, the machine and the disk's
bad days are replaced. After every action the invariants are checked. Of a life in which something was wrong as many actions are taken
out as can be without its coming right, each action having chances of its own; what is left is printed with its seed. A life is lived on
a clock of its own speed, as a station's `clock:` sets it: an hour at 100 costs a hundredth of the turns of one at 1.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import logging
import math
import random
import selectors
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from labctl.clock import Machine
from labctl.engine.order import orders_now
from labctl.errors import InternalError, LabctlError, SettingRefused, StoreBusy, StoreFull, Unreachable, WireError
from labctl.run import starter
from labctl.run.channel import Channel
from labctl.run.connection.polled_connection import PolledConnection
from labctl.run.connection.polled_executor import Shared
from labctl.run.connection.simulated_connection import SimulatedConnection
from labctl.run.replay import replay
from labctl.run.request import StartRequest
from labctl.run.supervisor import Supervisor
from labctl.station.settings import InstrumentSettings, Part
from labctl.store.committed import Committed
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl_drivers.practice import Practice as Driver
from labctl_drivers.simulated import Simulated
from labctl_simulators.models import load_model
from labctl_simulators.wire.practice import EmulatedPractice
from tests.crash.counted import Tally, counting, progress
from tests.crash.promises import told

EPOCH = 1_790_000_000.0  # UTC at virtual time 0, s
COMMIT = 0.1  # s between two commits
SPEEDS = (1.0, 10.0, 100.0, 1000.0)  # s of the station in one of the machine; the last has most of the hours
SLOW = (
    1000.0  # from this speed on a reading is minutes of the cell apart, so that only slow currents keep inside limits
)
SIMULATED, POLLED = 8, 4  # channels
BY_ITSELF = frozenset({"edit"})  # orders that need more than their name
ANY = frozenset({"set", "read", "off", "status"})
FAULTS = {
    "late": ANY, "lost": ANY, "stuck": ANY, "refused": frozenset({"set"}), "misapplied": frozenset({"set"}),
    "frozen": frozenset({"read"}),
}  # fmt: skip # what an instrument may do, and at which verb; replies that are garbage or not finite, and cuts, are acts of their own
STUCK = 3.0  # s
GUARD = 0.02  # s of the machine after a death that outputs are off
WAITS = (0.01, 0.3, 2.0, 10.0, 60.0, 600.0, 3600.0, 36000.0)  # s between two actions
LONGEST = 60.0  # s of the machine: a clock of speed 1 turns ten times in each
SHRINKS = 60  # lives at most to find the fewest actions of one in which something was wrong
MEMORY = Path("/dev/shm")  # where there is one, the journals lie there: a sync costs nothing
LOW, HIGH, MARGIN = 2.5, 4.3, 0.06  # V: the cell's limits, and how far the truth may lie beyond them

CELL = """\
labctl_cell: 1
name: W
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
PROTOCOLS = {
    "cycles": """\
labctl: 1
name: cycles
record: {every: 5 s, dV: 2 mV}
on_interruption: {continue_within: 2 min, else: ask}
steps:
  - rest: 30 s
  - repeat: 60
    cycle: true
    stop_if: retention < 50 %
    steps:
      - charge: {current: 0.6 A, to: 4.2 V, hold_until: "current < 0.3 A", for: 3 min}
      - discharge: {current: 0.6 A, to: 3.4 V, for: 3 min}
""",
    "prompt": """\
labctl: 1
name: prompt
record: {every: 2 s}
on_interruption: {continue_within: 30 s, else: stop}
steps:
  - prompt: {say: Press it., for: 2 min}
  - charge: {current: 0.3 A, for: 2 min}
  - rest: 1 min
""",
    "slope": """\
labctl: 1
name: slope
record: {every: 1 s}
steps:
  - charge: {current: 0.3 A, for: 2 min}
  - rest: {for: 10 min, until: "abs(dV/dt) < 1 mV/min over 1 min"}
  - discharge: {power: 0.5 W, to: 3 V, for: 4 min}
""",
}
SLOWLY = """\
labctl: 1
name: slowly
record: {every: 5 min, dV: 10 mV}
on_interruption: {continue_within: 2 h, else: ask}
steps:
  - rest: 1 h
  - repeat: 60
    cycle: true
    stop_if: retention < 50 %
    steps:
      - charge: {current: C/20, to: 4.2 V, hold_until: "current < C/50", for: 30 h}
      - discharge: {current: C/20, to: 3.4 V, for: 30 h}
"""


# --- virtual time -----------------------------------------------------------------------------------------------------


class Jump(selectors.SelectSelector):
    """A selector that never waits: it moves the loop's time to the next timer."""

    loop: "WorldLoop"

    def select(self, timeout: float | None = None):
        if timeout is not None and timeout > 0.0:
            self.loop.now += timeout
        elif timeout is None:
            raise RuntimeError("the world stands still: nobody waits for anything")
        return []


class WorldLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, whose threads run at once where they are called."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor, function, *arguments):
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            future.set_exception(error)
        return future


class WorldClock:
    """The station's clock: the loop's time, so many times as fast."""

    fast = False

    def __init__(self, loop: WorldLoop, speed: float) -> None:
        self._loop, self.speed = loop, speed

    def now(self) -> float:
        return self._loop.now * self.speed

    def label(self) -> float:
        return EPOCH + self.now()

    async def until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment / self.speed - self._loop.now))


# --- the disk ---------------------------------------------------------------------------------------------------------


class WorldSink:
    """The writer's side of a journal, without its thread: commits at virtual times, fails when told."""

    def __init__(self, journal: Journal, loop: WorldLoop) -> None:
        self.journal = journal
        self.trouble: Exception | None = None
        self.stalled = 0.0
        self._loop = loop
        self._entries: list[Entry] = []
        self._listeners: list[Callable[[Committed], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def hand_over(self, entries) -> None:
        self._entries.extend(entries)
        if self._timer is None:
            self._timer = self._loop.call_later(COMMIT, self._due)

    def hurry(self) -> None:
        """Commit at the world's own times."""

    def fail(self, run_id: int, record: int, at: float, why: str) -> None:
        raise AssertionError(f"run {run_id}: the engine could not take its own fault: {why}")

    def on_commit(self, listener) -> None:
        self._listeners.append(listener)

    def on_trouble(self, listener) -> None:
        """Say nothing."""

    async def room(self) -> None:
        """There is always room."""

    async def flush(self) -> int:
        self._commit()
        return self.journal.commit_id

    async def call(self, function, *arguments):
        await asyncio.sleep(0)
        return function(*arguments)

    def _due(self) -> None:
        self._timer = None
        with contextlib.suppress(LabctlError):
            self._commit()
        if self._entries:
            self._timer = self._loop.call_later(0.5, self._due)

    def _commit(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        if self._entries:
            entries, self._entries = tuple(self._entries), []
            done = Committed(self.journal.commit(entries), entries)
            for listener in self._listeners:
                listener(done)

    def die(self) -> None:
        self._entries = []
        if self._timer is not None:
            self._timer.cancel()


# --- instruments ------------------------------------------------------------------------------------------------------


class WorldDriver(Driver):
    """The practice driver on a wire of its own: the device in this process, with faults by the world."""

    def __init__(self, world: "World") -> None:
        super().__init__(port=1)
        self._world = world
        self._up = False
        self._last = b""  # reading

    async def open(self):
        await self._wire()
        self._up = True
        return await self._identify()

    async def _identify(self):
        from labctl.driver import Identity  # noqa: PLC0415

        found = await self._ask("identify")
        return Identity(str(found["make"]), str(found["model"]), str(found["serial"]))

    async def close(self) -> None:
        self._up = False

    async def _wire(self) -> None:
        world = self._world
        await asyncio.sleep(world.rng.choice((0.001, 0.001, 0.002, 0.02)))
        if world.cut:
            self._up = False
            raise Unreachable("the wire is cut")

    async def _ask(self, verb: str, **values: object):
        await self._wire()
        if not self._up:
            raise Unreachable("the line is closed")
        world = self._world
        self._number += 1
        if verb == "set":
            world.before_set_point(str(values["channel"]), int(str(values["tag"])), str(values["mode"]))
        fault = world.fault_of(verb)
        if fault == "stuck":
            world.loop.now += STUCK  # a vendor's library that does not come back: nothing else turns meanwhile
        if fault == "refused":
            raise SettingRefused(f"{verb} is refused", safe=True)
        if fault == "misapplied" and values.get("value"):
            values["value"] = 0.5 * float(str(values["value"]))
        request = json.dumps({"id": self._number, "verb": verb, **values}).encode() + b"\n"
        (answer,) = world.device.receive(request, world.now)
        if fault in {"late", "lost"}:
            took = world.rng.uniform(0.5, 3.0) * self.timeout if fault == "late" else 2.0 * self.timeout
            await asyncio.sleep(min(took, self.timeout))
            if took > self.timeout:
                self._up = False
                raise Unreachable(f"no answer to {verb}")
        if fault == "frozen" and self._last:
            return json.loads(self._last)
        self._last = answer if verb == "read" else self._last
        if world.garbage > 0 and verb == "read":
            world.garbage -= 1
            self._up = False
            raise WireError("wanted an answer, found garbage")
        found = json.loads(answer)
        if world.not_finite > 0 and verb == "read":
            world.not_finite -= 1
            found["voltage"] = [math.nan for _ in found["voltage"]]
        assert found["ok"], found
        return found


class NoGuard:
    """The daemon's side of a guard that the world plays itself."""

    def watch(self, name, ward) -> None:
        """Note nothing."""

    async def ready(self, within: float = 0.0) -> None:
        """Be there."""

    def switched_off(self, place, boot, monotonic, unix) -> None:
        """Have written nothing down."""


class Defects(logging.Handler):
    """What failed of itself: errors that no instrument, disk or person explains."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and (isinstance(error, InternalError) or not isinstance(error, LabctlError)):
            self.found.append(f"{record.getMessage()}: {error!r}")


# --- the world --------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """One seed's life."""

    seed: int
    folder: Path
    loop: WorldLoop
    defects: Defects
    rng: random.Random = field(init=False)
    done: list[str] = field(default_factory=list)
    cut: bool = False
    garbage: int = 0
    not_finite: int = 0
    faults: list[str] = field(default_factory=list)  # that the wire has next
    had: int = 0
    boot: int = 0
    skew: float = 0.0
    checks: int = 0
    kills: int = 0
    rows: int = 0
    hours: float = 0.0  # of channels on which a run was, while a daemon lived

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.speed = self.rng.choice(SPEEDS)
        cell = load_model("marquis2019")
        self.device = EmulatedPractice([(cell, cell.initial(0.5, number)) for number in range(POLLED)], 0.0)
        self.machine = Machine
        self.protocols = {"slowly": SLOWLY} if self.speed >= SLOW else PROTOCOLS
        for name, text in {"cell": CELL, **self.protocols}.items():
            (self.folder / f"{name}.yaml").write_text(text)

    @property
    def now(self) -> float:
        """Return the second of the instruments."""
        return self.loop.now * self.speed

    async def wait(self, seconds: float) -> None:
        """Let so many seconds of the station pass, and count those of runs."""
        at_work = sum(channel.session is not None for channel in self.channels.values())
        await asyncio.sleep(seconds / self.speed)
        self.hours += at_work * seconds / 3600.0

    def say(self, words: str) -> None:
        self.done.append(f"{self.now:9.2f} s  {words}")

    # --- a daemon's life ---

    async def wake(self) -> None:
        """Start a daemon over what is in the folder."""
        self.journal = Journal.open(self.folder / "data", now=lambda: EPOCH + self.now)
        self.sink = WorldSink(self.journal, self.loop)
        self.clock = WorldClock(self.loop, self.speed)
        inside, outside = range(1, SIMULATED + 1), range(1, POLLED + 1)
        self.channels = {f"s{n}": Channel(f"s{n}", {"cell": Part("bench", str(n))}) for n in inside}
        self.channels |= {f"p{n}": Channel(f"p{n}", {"cell": Part("line", str(n))}) for n in outside}
        machine = Machine(f"boot{self.boot}", lambda: self.loop.now, lambda: EPOCH + self.loop.now + self.skew)
        shared = Shared(self.clock, self.sink, NoGuard(), self._ended, machine)
        bench = SimulatedConnection("bench", Simulated(), self.clock, self.sink, shared.ended)
        mine = [channel for name, channel in self.channels.items() if name[0] == "p"]
        line = PolledConnection(InstrumentSettings("line", "practice"), WorldDriver(self), mine, shared)
        self.connections = {"bench": bench, "line": line}
        self.supervisor = Supervisor(
            self.channels, self.connections, self.sink, lambda: Reader(self.folder / "data"), self.clock
        )
        for connection in self.connections.values():
            with contextlib.suppress(LabctlError):
                await connection.open()
        for words in await self.supervisor.adopt():
            self.say(f"  {words}")
        self.tasks = [asyncio.create_task(connection.run()) for connection in self.connections.values()]

    def _ended(self, channel: Channel) -> None:
        self.supervisor.ended(channel)

    async def kill(self) -> None:
        """End the daemon as SIGKILL does: nothing more is written, nothing is said to an instrument."""
        self.sink.die()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.sink.die()
        self.supervisor.close()
        self.journal.close()

    # --- what happens ---

    async def act(self) -> None:
        """Do one thing, by chance."""
        acts = (
            [self._start] * 8
            + [self._instrument] * 2
            + [self._order] * 5
            + [self._wire] * 2
            + [self._nonsense, self._disk, self._die, self._die]
        )
        with contextlib.suppress(LabctlError):
            await self.rng.choice(acts)()

    async def _start(self) -> None:
        await self._start_on(self.rng.choice(list(self.channels)), self.rng.choice(list(self.protocols)))

    async def _start_on(self, channel: str, protocol: str) -> None:
        self.say(f"start {protocol} on {channel}")
        request = StartRequest(str(self.folder / f"{protocol}.yaml"), str(self.folder / "cell.yaml"), channel)
        await self.supervisor.start(request)

    async def _order(self) -> None:
        channel = self.rng.choice(list(self.channels))
        session = self.channels[channel].session
        if session is None:
            return
        verb = self.rng.choice(
            sorted(orders_now(session.state) - BY_ITSELF - ({"stop"} if self.rng.random() < 0.7 else set()))
        )
        self.say(f"{verb} {channel}")
        await self.supervisor.order(verb, channel, by="world")

    async def _wire(self) -> None:
        self.cut = not self.cut
        self.say("the wire is cut" if self.cut else "the wire is whole again")

    async def _nonsense(self) -> None:
        self.garbage, self.not_finite = self.rng.randrange(3), self.rng.randrange(5)
        self.say(f"{self.garbage} answers garbled, {self.not_finite} not finite")

    async def _instrument(self) -> None:
        self.faults = self.rng.choices(list(FAULTS), k=self.rng.randrange(1, 6))
        self.say(f"next of the instrument: {', '.join(self.faults)}")

    def fault_of(self, verb: str) -> str:
        """Return the fault of an answer, "" for none: the next one that its verb can have."""
        if not self.faults or verb not in FAULTS[self.faults[0]]:
            return ""
        self.had += 1
        return self.faults.pop(0)

    async def _disk(self) -> None:
        if self.sink.trouble is None:
            self.sink.trouble = self.rng.choice((StoreFull("no room"), StoreBusy("somebody holds it")))
            self.say(f"the disk: {self.sink.trouble}")
        else:
            self.sink.trouble = None
            self.say("the disk is well")

    async def _die(self) -> None:
        away = self.rng.choice((0.05, 1.0, 20.0, 100.0, 1000.0))
        guarded = self.rng.random() < 0.8
        self.say(f"SIGKILL, {'guarded' if guarded else 'unguarded'}, away for {away} s")
        await self.kill()
        self.kills += 1
        if guarded:
            for channel in self.device.channels.values():
                channel.off(self.now + GUARD * self.speed)
        await asyncio.sleep(
            max(away / self.speed, GUARD + 0.01)
        )  # by the machine: nobody is back before its guard has acted
        if self.rng.random() < 0.2:
            self.boot += 1
            self.skew = self.rng.choice((0.0, 0.0, -1e6, 3600.0))
            self.say(f"  another boot, wall clock off by {self.skew} s")
        await self.wake()

    # --- what must hold ---

    def before_set_point(self, at: str, tag: int, mode: str) -> None:
        """Check that an attempt stands in the journal before it is given to a cell."""
        if mode == "rest":
            return
        channel = self.channels[f"p{at}"]
        assert channel.info is not None
        with Reader(self.folder / "data") as reader:
            stored = reader.checkpoint(channel.info.run_id)
        applied = orjson.loads(stored.state)["applied"] if stored else 0
        assert applied >= tag, f"channel p{at}: attempt {tag} was given, {applied} is recorded"

    def check(self) -> None:
        """Check everything that must hold at any time."""
        self.checks += 1
        dead = [task.exception() for task in self.tasks if task.done() and not task.cancelled()]
        assert not dead, f"a connection's task died: {dead}"
        assert not self.defects.found, f"something failed of itself: {self.defects.found}"
        with Reader(self.folder / "data") as reader:
            for run, count, last in reader.query(
                "SELECT run_id, count(*), max(record_index) FROM samples GROUP BY run_id"
            ):
                assert count == last + 1, f"run {run}: {count} rows up to record {last}"
            runs = reader.runs()
            active = [run.channel for run in runs if run.active]
            assert len(active) == len(set(active)), f"two runs on one channel: {active}"
            for run in runs:
                checkpoint = reader.checkpoint(run.run_id)
                assert (checkpoint is None) == (run.rows == 0) or checkpoint is not None, (
                    f"run {run.run_id}: no checkpoint"
                )
                if checkpoint is not None:
                    assert checkpoint.record_index == run.rows - 1, f"run {run.run_id}: checkpoint at another row"
                assert run.active or run.end_reason, f"run {run.run_id} ended without a reason"
        for name, puppet in self.device.channels.items():
            _, voltage, _, _ = puppet.read(self.now)
            assert LOW - MARGIN < voltage < HIGH + MARGIN, f"the cell of p{name} is at {voltage:.3f} V"
            channel = self.channels[f"p{name}"]
            if puppet.mode not in {"off", "rest"} and not channel.unknown and channel.session is not None:
                applied = channel.session.state.applied
                assert puppet.tag <= applied, f"p{name} does attempt {puppet.tag}, its run is at {applied}"
            if puppet.mode not in {"off", "rest"} and channel.session is None and not channel.starting:
                assert channel.unknown, f"p{name} is on and no run explains it"

    async def live(self, actions: Collection[int]) -> str:
        """Live through these actions, come to rest, and return a digest of what is stored."""
        await self.wake()
        for name in self.channels:
            with contextlib.suppress(LabctlError):
                mostly, any_one = next(iter(self.protocols)), self.rng.choice(list(self.protocols))
                await self._start_on(name, mostly if self.rng.random() < 0.7 else any_one)
        for number in actions:
            self.rng = random.Random(f"{self.seed} {number}")  # its own chances, whatever else is left out
            await self.wait(self.rng.choice([wait for wait in WAITS if wait <= LONGEST * self.speed]))
            await self.act()
            await self.wait(0.25 * self.speed)
            self.check()
        self.cut, self.garbage, self.not_finite, self.sink.trouble, self.faults = False, 0, 0, None, []
        await self.wait(30.0 * self.speed)
        await self.sink.flush()
        self.check()
        digest = self.settle()
        await self.kill()
        return digest

    def settle(self) -> str:
        """Check that every run replays, and return a digest of rows and events."""
        digest = hashlib.sha256()
        verified = verify(self.folder / "data")
        assert verified.whole, f"not what was written: {verified.findings}"
        self.rows = verified.rows
        with Reader(self.folder / "data") as reader:
            nameless = reader.query(
                "SELECT run_id, step_count FROM steps WHERE end_test_time_second >= 0 AND end_reason IS NULL"
            )
            assert not nameless, f"steps ended without a reason: {nameless}"
            for run in reader.runs():
                if reader.checkpoint(run.run_id) is not None:
                    found = replay(reader, run.run_id)
                    assert found.equal, f"run {run.run_id} replays to something else: {found.difference}"
                for table in ("samples", "events"):
                    order = "record_index" if table == "samples" else "seq"
                    rows = reader.query(f"SELECT * FROM {table} WHERE run_id = :run ORDER BY {order}", run=run.run_id)
                    digest.update(repr([tuple(row) for row in rows]).encode())
        return digest.hexdigest()[:16]


async def at_once(work, name: str, within: float):
    """Do blocking work where it is called: a thread would take time that is none of the world's."""
    del name, within
    return work()


@dataclass(frozen=True, slots=True)
class Life:
    """What came of one: a digest of all that is stored, and how much was lived and checked."""

    digest: str
    checks: int
    kills: int
    rows: int
    faults: int
    hours: float


class BrokenWorldError(AssertionError):
    """Something did not hold."""


def live(seed: int, actions: int | Collection[int] = 30) -> Life:
    """Live one seed's life, through so many actions or through these alone.

    Raises:
        BrokenWorldError: Something did not hold; the message names the seed and what was done.
    """
    chosen = range(actions) if isinstance(actions, int) else actions
    loop, defects, log = WorldLoop(), Defects(), logging.getLogger("labctl")
    aside, starter.aside = starter.aside, at_once
    propagated, log.propagate = log.propagate, False
    log.addHandler(defects)
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        world = World(seed, Path(folder), loop, defects)
        try:
            digest = loop.run_until_complete(world.live(chosen))
        except Exception as error:
            history = "\n".join(world.done)
            again = f"python -m tests.crash.world --seed {seed} --only {','.join(map(str, chosen))}"
            raise BrokenWorldError(f"{error!r}\n{history}\n({again})") from error
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.001))
            loop.close()
            asyncio.set_event_loop(None)
            starter.aside = aside
            log.removeHandler(defects)
            log.propagate = propagated
        return Life(digest, world.checks, world.kills, world.rows, world.had, world.hours)


def fewest(seed: int, actions: Sequence[int], lives: int = SHRINKS) -> BrokenWorldError:
    """Return what is wrong in the shortest life that was found: parts of the actions are left out, ever smaller ones."""
    broken, size = _broken(seed, actions), max(1, len(actions) // 2)
    assert broken is not None, f"seed {seed} was wrong once and is not again"
    while lives > 0:
        for part in _without(actions, size):
            lives -= 1
            if (found := _broken(seed, part)) is not None:
                actions, broken = part, found
                break
            if not lives:
                break
        else:
            if size == 1:
                return broken
            size = max(1, size // 2)
    return broken


def _without(actions: Sequence[int], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(actions), size):
        yield [*actions[:begin], *actions[begin + size :]]


def _broken(seed: int, actions: Collection[int]) -> BrokenWorldError | None:
    try:
        live(seed, actions)
    except BrokenWorldError as broken:
        return broken
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.world", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="wall time to spend on seed after seed")
    parser.add_argument("--seed", type=int, default=None, help="only this one")
    parser.add_argument("--only", default="", help="only these actions of it, as 3,9")
    parser.add_argument("--first", type=int, default=None, help="first seed of many")
    parser.add_argument("--actions", type=int, default=30)
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted/world.json and to the page")
    given = parser.parse_args()
    if given.seed is not None:
        print(live(given.seed, [int(each) for each in given.only.split(",")] if given.only else given.actions))
        return 0
    begin = time.monotonic()
    with counting("world", given.write) as tally:
        first = given.first if given.first is not None or given.write else random.SystemRandom().randrange(2**30)
        for seed in tally.seeds(first):
            left = given.seconds - (time.monotonic() - begin)
            if left <= 0.0:
                break
            progress(f"{tally.now.seeds} lives, {len(tally.now.findings)} wrong, {left:.0f} s left")
            _count(tally, seed, given.actions)
        print(told("world", tally.now))
        return 1 if tally.now.findings else 0


def _count(tally: Tally, seed: int, actions: int) -> None:
    begin = time.monotonic()
    try:
        lived = live(seed, actions)
    except BrokenWorldError:
        broken = fewest(seed, range(actions))
        print(f"\nWRONG: seed {seed}: {broken}")
        tally.add(seed, {"lives": 1}, wrong=[str(broken).replace("\n", "; ")], seconds=time.monotonic() - begin)
        return
    sums = {"lives": 1, "checks": lived.checks, "kills": lived.kills, "rows": lived.rows, "faults": lived.faults}
    sums["channel_hours"] = lived.hours
    tally.add(seed, sums, seconds=time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())

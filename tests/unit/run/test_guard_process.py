import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from labctl.clock import RealClock, this_machine
from labctl.errors import SettingRefused
from labctl.run import guard_process as module
from labctl.run.guard_process import BEAT, GUARD_LOCK, GuardedInstrument, GuardProcess
from labctl.run.guard_record import DIED, GUARD_RELIEF, STOOD_STILL, GuardEntry, first_off, read_entries, still_trying
from labctl.store.location import Lock
from labctl_simulators.models import load_model
from labctl_simulators.wire.fault import Switchboard
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.practice import EmulatedPractice

STANDS = 1.0  # s, of a daemon that is not a test
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that another process sends")

STANDING = """\
import asyncio, os, signal, sys
from pathlib import Path
from labctl.run.guard_process import GuardedInstrument, GuardProcess

async def main():
    guard = GuardProcess(Path(sys.argv[1]))
    guard.watch("it", GuardedInstrument("practice", {"port": int(sys.argv[2])}, ("1",)))
    await guard.ready()
    guard.beat()
    os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


HELD = """\
import asyncio, ctypes, platform, sys, threading, time
from pathlib import Path
from labctl.run.guard_process import GuardedInstrument, GuardProcess

async def main():
    guard = GuardProcess(Path(sys.argv[1]))
    guard.watch("it", GuardedInstrument("practice", {"port": int(sys.argv[2])}, ("1",)))
    await guard.ready()
    threading.Thread(target=time.sleep, args=(60.0,)).start()
    exit_of_one_thread = {"x86_64": 60, "aarch64": 93}[platform.machine()]
    ctypes.CDLL(None).syscall(exit_of_one_thread, 0)

asyncio.run(main())
"""


def deeds(folder: Path) -> list[GuardEntry]:
    """Return what guards wrote of what they did, not that they began."""
    return [entry for entry in read_entries(folder) if entry.kind != "begin"]


class Cells:
    """Two practice cells with a current through them, on a line whose faults are at hand."""

    def __init__(self) -> None:
        cell = load_model("marquis2019")
        self.practice = EmulatedPractice([(cell, cell.initial(0.5, number)) for number in range(2)], 0.0)
        for channel in self.practice.channels.values():
            channel.set(0.0, {"mode": "current", "value": 0.1})
        self.faults = Switchboard()
        self.server = Server(self.practice, lambda: 1.0, self.faults, only=1)
        self.port = 0

    def modes(self) -> list[str]:
        return [channel.mode for channel in self.practice.channels.values()]

    def watched(self, *channels: str) -> GuardedInstrument:
        return GuardedInstrument("practice", {"port": self.port, "timeout": 0.5}, channels)


@asynccontextmanager
async def cells():
    made = Cells()
    made.port = await made.server.start()
    try:
        yield made
    finally:
        await made.server.stop()


def let_go(guard: GuardProcess) -> "subprocess.Popen[bytes]":
    """Close the guard's pipe as the death of the daemon closes it, and return the process."""
    child = guard._child
    child.words.put(None)
    guard._child = None
    return child.process


async def ended(process: "subprocess.Popen[bytes]") -> int:
    return await asyncio.to_thread(process.wait, 30)


async def until(holds) -> None:
    clock = RealClock()
    async with asyncio.timeout(20):
        while not holds():
            await clock.until(clock.now() + 0.02)


async def test_the_guard_switches_off_what_it_watches_when_its_pipe_ends(tmp_path):
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1"))
        await guard.ready()
        assert await ended(let_go(guard)) == 0
        assert made.modes() == ["off", "current"]
        Lock(tmp_path / GUARD_LOCK, "the guard").release()


def priorities(pid: int) -> set[str]:
    """Return what comes first of a process: its own priority, and that of its session where the system keeps one."""
    group = Path(f"/proc/{pid}/autogroup")
    return {str(os.getpriority(os.PRIO_PROCESS, pid)), *(group.read_text().split()[-1:] if group.exists() else ())}


@posix
async def test_a_guard_comes_before_others_wherever_the_system_shares_out_the_processor(tmp_path):
    guard = GuardProcess(tmp_path)
    guard.start()
    found = priorities(guard.pid)
    try:
        os.setpriority(os.PRIO_PROCESS, guard.pid, module.PRIORITY)
    except PermissionError:
        pytest.skip("who may not ask for priority gets none")
    finally:
        await asyncio.to_thread(guard.stop)
    assert found == {str(module.PRIORITY)}


async def test_a_guard_that_is_told_that_all_is_done_touches_nothing(tmp_path):
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1", "2"))
        await guard.ready()
        await asyncio.to_thread(guard.stop)
        assert made.modes() == ["current", "current"]
        assert deeds(tmp_path) == []


async def test_a_guard_that_dies_is_started_again_and_knows_what_it_watched(tmp_path):
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("2"))
        await guard.ready()
        guard._child.process.kill()
        await ended(guard._child.process)
        assert guard.beat() == "died"
        await guard.ready()
        assert guard.beat() == "watching"
        await ended(let_go(guard))
        assert made.modes() == ["current", "off"]


async def test_nothing_is_energised_where_the_guard_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "READY_WITHIN", 0.01)
    guard = GuardProcess(tmp_path)
    guard.watch("it", GuardedInstrument("no such driver", {}, ("1",)))
    with pytest.raises(SettingRefused, match="nothing is energised without it"):
        await guard.ready()
    await asyncio.to_thread(guard.stop)


async def test_without_anything_to_watch_there_is_no_process(tmp_path):
    guard = GuardProcess(tmp_path)
    guard.watch("it", GuardedInstrument("practice", {}, ()))
    await guard.ready()
    assert guard.pid is None
    assert guard.beat() == "watching"
    guard.stop()


@posix
async def test_guard_sigterm(tmp_path):
    """A signal that ends every process of a service at once does not end the guard."""
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1", "2"))
        await guard.ready()
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGTSTP"):
            os.kill(guard.pid, getattr(signal, name))
        process = let_go(guard)
        os.kill(process.pid, signal.SIGTERM)
        assert await ended(process) == 0
        assert made.modes() == ["off", "off"]


async def test_guard_gives_up(tmp_path):
    """An instrument that refuses connections is tried until it answers, and the lock is held meanwhile."""
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1", "2"))
        await guard.ready()
        made.faults.refuse = True
        process = let_go(guard)
        await until(lambda: still_trying(deeds(tmp_path), process.pid) == {"it": ("1", "2")})
        assert process.poll() is None
        with pytest.raises(Exception, match="the guard is in use"):
            Lock(tmp_path / GUARD_LOCK, "the guard")
        assert made.modes() == ["current", "current"]
        made.faults.refuse = False
        assert await ended(process) == 0
        assert made.modes() == ["off", "off"]
        assert still_trying(deeds(tmp_path), process.pid) == {}


async def test_a_guard_is_relieved_of_what_a_new_daemon_has_taken_over(tmp_path):
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1"))
        await guard.ready()
        made.faults.refuse = True
        process = let_go(guard)
        await until(lambda: deeds(tmp_path))
        (tmp_path / GUARD_RELIEF).write_text(str(process.pid), encoding="ascii")
        assert await ended(process) == 0
        assert made.modes() == ["current", "current"]


async def test_what_a_guard_did_is_a_record(tmp_path):
    async with cells() as made:
        machine = this_machine()
        before = machine.monotonic()
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1", "2"))
        await guard.ready()
        off = GuardedInstrument("practice", {"port": made.port, "timeout": 0.5}, ("2",), ("1",))
        guard.watch("it", off)  # the daemon switched channel 1 off itself
        await guard.ready()
        await ended(let_go(guard))
        after = machine.monotonic()
        one, two = (
            first_off(deeds(tmp_path), ("it", channel), machine.boot, before, machine.unix()) for channel in ("1", "2")
        )
        assert (one.by, two.by, two.why) == ("daemon", "guard", DIED)
        assert before < one.monotonic <= two.monotonic < after
        assert first_off(deeds(tmp_path), ("it", "2"), machine.boot, after, machine.unix()) is None


@posix
async def test_a_daemon_that_stands_still_is_ended_so_that_its_instrument_is_free(tmp_path):
    async with cells() as made:
        words = [sys.executable, "-c", STANDING, str(tmp_path), str(made.port)]
        daemon = await asyncio.create_subprocess_exec(*words)
        async with asyncio.timeout(30):
            assert await daemon.wait() == -signal.SIGKILL
        await until(lambda: made.modes()[0] == "off")
        await until(lambda: any(entry.why == STOOD_STILL for entry in deeds(tmp_path)))


class Moments:
    """A machine whose seconds go on as they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Linux tells that a process is dead whose files are open"
)
async def test_a_daemon_that_died_while_a_disk_keeps_its_pipes_open_is_noticed(tmp_path):
    """The kernel closes no pipe of a killed process before the last of its threads has come back from the disk."""
    async with cells() as made:
        words = [sys.executable, "-c", HELD, str(tmp_path), str(made.port)]
        daemon = await asyncio.to_thread(subprocess.Popen, words)
        try:
            async with asyncio.timeout(30.0):
                while not deeds(tmp_path):  # noqa: ASYNC110 - what another process writes
                    await asyncio.sleep(0.01)
            assert daemon.poll() is None, "its files are still open"
            assert made.modes() == ["off", "current"]
            assert {entry.why for entry in deeds(tmp_path)} == {DIED}
        finally:
            daemon.kill()
            await asyncio.to_thread(daemon.wait)


@posix
async def test_frozen_guard(tmp_path, monkeypatch):
    """A guard that stands still for a second of beats is replaced, and no write to it can block."""
    moments = Moments()
    monkeypatch.setattr(module, "monotonic", moments)
    monkeypatch.setattr(module, "STANDS", STANDS)
    async with cells() as made:
        guard = GuardProcess(tmp_path)
        guard.watch("it", made.watched("1"))
        await guard.ready()
        frozen = guard._child
        os.kill(guard.pid, signal.SIGSTOP)
        states = []
        try:
            for _ in range(100_000):
                frozen.say({"beat": 0})  # more than a pipe holds
            while "stood still" not in states and len(states) < 100:
                states.append(guard.beat())
                moments.now += BEAT
        finally:
            frozen.process.kill()  # one that was not replaced would stand for ever
        assert (len(states) - 1) * BEAT <= 1.0 + BEAT
        assert frozen.process.returncode == -signal.SIGKILL
        assert guard.pid != frozen.process.pid
        await guard.ready()
        await ended(let_go(guard))
        assert made.modes() == ["off", "current"]


@posix
async def test_a_daemon_that_was_late_itself_says_nothing_of_its_guard(tmp_path, monkeypatch):
    moments = Moments()
    monkeypatch.setattr(module, "monotonic", moments)
    guard = GuardProcess(tmp_path)
    guard.start()
    await until(lambda: guard._child.up)
    guard.beat()
    moments.now += 60.0  # the machine was suspended, and the answer waits in the pipe
    assert guard.beat() == "watching"
    await until(lambda: guard._child.answered == guard._child.beats)
    assert guard._child.standing == 0.0
    await asyncio.to_thread(guard.stop)

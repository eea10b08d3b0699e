"""What the daemon has to do with guards: one that is still at work is waited for or relieved, its own must be alive."""

import os

import pytest

from labctl.clock import VirtualClock
from labctl.daemon.guarding import GUARD_WITHIN, PATIENCE, GuardKeeper, wait_for_guard
from labctl.errors import StoreBusy
from labctl.run.guard_process import GUARD_LOCK
from labctl.run.guard_record import DIED, GUARD_RELIEF, GuardEntry, write_entries
from labctl.store.location import Lock


class Line:
    """A connection as a guard's keeper sees it."""

    def __init__(self) -> None:
        self.executor = self
        self.on: list[str] = []
        self.asked: list[str] = []

    def turned(self, channel: str, *, on: bool) -> None:
        assert on
        self.on.append(channel)

    async def ask_all(self, why: str) -> None:
        self.asked.append(why)


class Guard:
    """A guard process whose states are told in turn."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.told = False

    def beat(self) -> str:
        return self.states.pop(0) if self.states else "watching"

    async def ready(self) -> None:
        self.told = True


class Releasing(VirtualClock):
    """Time goes on until an older guard has been relieved; then it lets its lock go."""

    def __init__(self, folder, lock) -> None:
        super().__init__()
        self.folder, self.lock = folder, lock

    async def until(self, moment: float) -> None:
        await super().until(moment)
        if (self.folder / GUARD_RELIEF).exists():
            self.lock.release()


def trying(channel: str, guard: int) -> GuardEntry:
    return GuardEntry("trying", "it", channel, DIED, "guard", "boot", 1.0, 1.0, guard)


async def test_an_older_guard_is_relieved_of_instruments_that_do_not_answer(tmp_path):
    lock = Lock(tmp_path / GUARD_LOCK, "the guard")
    write_entries(tmp_path, [trying("1", os.getpid()), trying("2", os.getpid())])
    clock, line, guard = Releasing(tmp_path, lock), Line(), Guard()
    await wait_for_guard(tmp_path, clock, {"it": line}, guard)
    assert line.on == ["1", "2"]  # our own guard watches over them from now on
    assert guard.told
    assert PATIENCE < clock.now() < PATIENCE + 1.0
    assert not (tmp_path / GUARD_RELIEF).exists()


async def test_an_older_guard_keeps_what_the_station_has_not(tmp_path):
    lock = Lock(tmp_path / GUARD_LOCK, "the guard")
    write_entries(tmp_path, [trying("1", os.getpid())])
    clock, line = VirtualClock(), Line()
    with pytest.raises(StoreBusy, match="the guard of an earlier daemon is still at work"):
        await wait_for_guard(tmp_path, clock, {"another": line}, Guard())
    assert line.on == []
    assert clock.now() > GUARD_WITHIN
    lock.release()


async def kept(*states: str) -> list[str]:
    """What a connection was told while a guard had these states."""
    clock, line = VirtualClock(), Line()
    guard = Guard(*states)
    keeper = GuardKeeper(guard, clock, [line])
    keeper.start()
    while guard.states:
        await clock.until(clock.now())
    for _ in range(10):
        await clock.until(clock.now())
    await keeper.stop()
    return line.asked


async def test_a_guard_that_stands_still_has_the_outputs_off_at_once():
    assert await kept("watching", "stood still") == ["the guard process stood still"]


async def test_a_guard_that_dies_is_replaced_and_the_second_time_within_a_minute_outputs_go_off():
    assert await kept("watching", "died", *["watching"] * 500) == []
    assert await kept("died", "watching", "died") == ["the guard process died twice within a minute"]
    assert await kept("died", *["watching"] * 300, "died") == []

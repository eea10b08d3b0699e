import asyncio
import math

import pytest

from labctl.clock import (
    NEAR,
    FastClock,
    RealClock,
    ScaledClock,
    VirtualClock,
    _sleep_until,
    boot,
    make_clock,
    monotonic,
)


async def test_a_virtual_clock_moves_only_when_told():
    clock = VirtualClock(10.0, label=1_000.0)
    assert (clock.now(), clock.label()) == (10.0, 1_000.0)
    await clock.until(70.0)
    assert (clock.now(), clock.label()) == (70.0, 1_060.0)
    clock.advance(5.0)
    assert clock.now() == 70.0


async def test_a_scaled_clock_runs_faster_and_waits_less():
    clock = ScaledClock(10_000.0)
    real, begin = monotonic(), clock.now()
    await clock.until(begin + 100.0)
    assert clock.now() >= begin + 100.0
    assert (clock.now() - begin) / (monotonic() - real) > 5_000.0


async def test_the_real_clock_reaches_the_moment():
    clock = RealClock()
    moment = clock.now() + 1e-3
    await clock.until(moment)
    assert clock.now() >= moment


async def test_the_last_wait_before_a_moment_is_one_that_epoll_does_not_lengthen(monkeypatch):
    passed, waits = [0.0], []

    async def exactly(seconds):
        waits.append(seconds)
        passed[0] += seconds

    monkeypatch.setattr(asyncio, "sleep", exactly)
    await _sleep_until(lambda: 0.009 - passed[0])
    assert waits == pytest.approx([0.009 - NEAR, NEAR])


def test_no_number_of_milliseconds_within_the_last_wait_is_rounded_up_twice():
    def waited(milliseconds):  # as selectors.EpollSelector and select.epoll count them
        return math.ceil(math.ceil(milliseconds * 1e-3 * 1e9) / 1e6)

    assert [waited(number) for number in range(1, math.ceil(1e3 * NEAR) + 1)] == [1, 2]
    assert waited(9) == 10


@pytest.mark.parametrize(
    ("speed", "kind"),
    [("real", RealClock), ("1", RealClock), ("fast", FastClock), ("60", ScaledClock), (3.5, ScaledClock)],
)
def test_a_clock_is_made_from_its_name(speed, kind):
    assert type(make_clock(speed)) is kind


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf, "soon"])
def test_a_clock_that_cannot_run_is_refused(speed):
    with pytest.raises(ValueError):
        make_clock(speed)


def test_one_boot_has_one_name():
    assert boot() == boot()

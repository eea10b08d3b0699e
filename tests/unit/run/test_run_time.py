"""Run time 0 does not move: rows of one run before and after a kill stand on one clock."""

import numpy as np
import pytest

from labctl.clock import Machine, VirtualClock, one_moment
from labctl.driver import Program, ReadBack, Readings
from labctl.sample import Snapshot
from tests.unit.run.one_channel import CHARGE, FakeInstrument, one_channel

LATE = 1.5  # s


class LateToConfirm(FakeInstrument):
    """It does at once what it is told, counts its own time from then, and its confirmation comes seconds later."""

    began = 0.0

    async def apply(self, channel: str, program: Program) -> ReadBack:
        back = await super().apply(channel, program)
        self.began = self.clock.now()
        await self.clock.until(self.began + LATE)
        return back

    async def read(self, channels) -> Readings:
        read = (await super().read(channels)).snapshot
        own = np.array([self.clock.now() - self.began])
        return Readings(Snapshot(read.channels, read.voltage, read.current, own, stamp=read.stamp))


async def test_no_row_stands_later_than_its_reply_came(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    async with one_channel(tmp_path, LateToConfirm(clock), clock) as channel:
        await channel.start()
        await channel.let_pass(10.0)
        assert channel.state.last.record > 3
        assert channel.state.last.time <= clock.now() - channel.channel.origin


async def test_run_time_0_stands_where_it_was_after_a_kill(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = LateToConfirm(clock)
    async with one_channel(tmp_path, meter, clock) as channel:
        await channel.start(CHARGE)
        await channel.let_pass(5.0)
        origin, last = channel.channel.origin, channel.state.last.time
        await channel.sink.flush()
        channel.killed = True
    clock.advance(clock.now() + 3.0)
    async with one_channel(tmp_path, meter, clock) as channel:
        await channel.take_up()
        assert channel.channel.origin == pytest.approx(origin, abs=1e-6)
        await channel.let_pass(2.0)
        assert last < channel.state.last.time <= clock.now() - origin


async def test_rows_that_stand_ahead_of_the_clock_do_not_move_run_time_0(tmp_path):
    """Older rows may: the instrument that recorded them counts by its own clock."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as channel:
        await channel.start()
        await channel.let_pass(5.0)
        origin = channel.channel.origin
        channel.channel.origin += 3.0  # the run's clock shows three seconds less than the rows
        await channel.let_pass(1.0)
        await channel.sink.flush()
        channel.killed = True
    async with one_channel(tmp_path, meter, clock) as channel:
        await channel.take_up()
        assert channel.channel.origin == pytest.approx(origin + 3.0, abs=1e-6)


def test_two_clocks_are_read_at_one_moment():
    """Where the process has to wait between two readings, they are read again."""
    waits = iter([0.0, 0.3, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0])
    time = [100.0]

    def read() -> float:
        time[0] += next(waits)
        return time[0]

    shown, monotonic = one_moment(read, Machine("boot", read, lambda: 0.0))
    assert shown == monotonic == 100.5

"""What cannot be measured is not controlled: no good reading for two seconds, and an energised cell is off and its run asks."""

import math

import numpy as np
import pytest

from labctl.clock import VirtualClock
from labctl.driver import Readings
from labctl.plan.patience import BLIND
from labctl.sample import Snapshot
from tests.unit.run.one_channel import FakeInstrument, one_channel


async def test_a_run_goes_on_while_it_is_measured(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start()
        await rig.let_pass(60.0)
        assert rig.instrument.on
        assert rig.channel.activity == "running"


@pytest.mark.parametrize("fault", ["unreadable", "frozen"])
async def test_unreadable_readings(tmp_path, fault):
    """Readings say nothing, or say the same again, while everything else answers."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        begin, before = rig.clock.now(), meter.charge
        if fault == "frozen":
            meter.frozen = True
        else:
            meter.reads = False
        await rig.until(lambda: not meter.on, most=10.0)
        meter.settle()
        assert rig.clock.now() - begin <= BLIND + 0.1
        assert meter.charge - before <= 0.5 * (BLIND + 0.2)
        await rig.let_pass(30.0)
        assert (rig.state.phase, rig.channel.activity) == ("asking", "safe")
        assert rig.state.question.kind == "unmeasured"
        assert "no good reading of k1" in rig.state.why
        assert not meter.on
        await rig.sink.flush()
        assert len(rig.of("gap")) == 1


@pytest.mark.parametrize("number", [math.nan, math.inf, 1e30])
async def test_numbers_that_cannot_be_believed_are_no_reading(tmp_path, number):
    """Some instruments say 9.9E37 or NaN for what they cannot measure: the third such row switches off and asks."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        good = meter.read

        async def read(channels):
            snapshot = (await good(channels)).snapshot
            return Readings(Snapshot(snapshot.channels, snapshot.voltage, np.array([number]), stamp=snapshot.stamp))

        meter.settle()
        begin, before, meter.read = rig.clock.now(), meter.charge, read
        await rig.until(lambda: not meter.on, most=10.0)
        meter.settle()
        assert rig.clock.now() - begin <= BLIND + 0.1
        assert meter.charge - before <= 0.5 * (BLIND + 0.2)
        await rig.let_pass(30.0)
        assert (rig.state.phase, rig.channel.activity) == ("asking", "safe")
        assert rig.state.question.kind == "unmeasured"
        assert "cannot be believed" in rig.state.why
        assert not meter.on
        await rig.order("resume")
        await rig.let_pass(30.0)
        assert not meter.on, "nothing is energised again before a reading"
        meter.read = good
        if rig.state.phase == "asking":
            await rig.order("resume")
        await rig.until(lambda: meter.on, most=60.0)
        await rig.until(lambda: rig.channel.activity == "running", most=60.0)
        meter.settle()
        since = rig.clock.now() - rig.channel.origin - rig.state.last.time  # rows that wait to be folded, at 0.5 A
        assert 3600.0 * rig.state.last.charging_ah == pytest.approx(meter.charge - 0.5 * since, abs=0.1)


@pytest.mark.parametrize("flowed", [True, False])
async def test_what_passed_while_rows_could_not_be_believed_lies_inside_the_interval_of_its_step(tmp_path, flowed):
    """Nobody knows whether the output was on: by the last row the current held, by the instrument's own limits it may not have."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        good = meter.read

        async def read(channels):
            snapshot = (await good(channels)).snapshot
            meter.settle()
            meter.factor = float(flowed)
            return Readings(Snapshot(snapshot.channels, snapshot.voltage, np.array([np.nan]), stamp=snapshot.stamp))

        meter.read = read
        await rig.until(lambda: rig.state.phase == "asking", most=10.0)
        meter.settle()
        meter.read = good
        await rig.let_pass(12.0)
        last, blind = rig.state.last, rig.state.blind
        counted, row = 3600.0 * last.charging_ah, 0.5 * 0.15
        assert counted + 3600.0 * blind.low_ah - row <= meter.charge <= counted + 3600.0 * blind.high_ah + row
        assert blind.high_ah - blind.low_ah >= 0.5 * 0.1 / 3600.0
        await rig.sink.flush()
        (gap,) = rig.of("gap")
        assert gap["blind_charge_low_ah"] < 0.0
        assert "cannot be believed" in gap["why"]


async def test_finding_the_line_again_does_not_restart_the_clock(tmp_path):
    """Each opening gives one good reading, as a line does that says everything twice."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        once, good = meter.open, meter.read

        async def open_again():
            meter.reads = True
            return await once()

        async def read_once(channels):
            readings = await good(channels)
            meter.reads = False
            return readings

        meter.open, meter.read = open_again, read_once
        begin = rig.clock.now()
        await rig.until(lambda: rig.state.phase == "asking", most=10.0)
        assert rig.clock.now() - begin <= BLIND + 0.5
        assert not meter.on


async def test_nothing_is_energised_again_before_a_reading(tmp_path):
    """`resume` looks at the open circuit first, and that takes a reading."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        meter.reads = False
        await rig.until(lambda: rig.state.phase == "asking", most=10.0)
        await rig.order("resume")
        await rig.let_pass(10.0)
        assert not meter.on
        meter.reads = True
        await rig.until(lambda: meter.on, most=60.0)
        await rig.let_pass(10.0)
        assert rig.channel.activity == "running"


async def test_a_run_whose_instrument_was_away_goes_on_by_its_own_rule(tmp_path):
    """The cable was out for longer than a cell may be blind: off as soon as it is back, then `on_interruption`."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        meter.answers = False
        await rig.let_pass(20.0)
        assert rig.channel.activity == "unknown"
        meter.calls.clear()
        meter.answers = True
        await rig.until(lambda: rig.of("gap"), most=60.0)
        await rig.let_pass(10.0)
        assert meter.calls.index("off") < next(at for at, call in enumerate(meter.calls) if call.startswith("apply"))
        assert rig.channel.activity == "running"
        assert not rig.of("gap")[0]["attempt_goes_on"]


async def test_a_short_outage_leaves_the_set_point(tmp_path):
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        meter.calls.clear()
        meter.answers = False
        await rig.let_pass(0.5)
        meter.answers = True
        await rig.until(lambda: rig.of("gap"), most=60.0)
        assert rig.of("gap")[0]["attempt_goes_on"]
        assert "off" not in meter.calls


async def test_equal_digits_are_no_fault(tmp_path):
    clock = VirtualClock(1000.0)
    async with one_channel(tmp_path, FakeInstrument(clock, stamped=False), clock) as rig:
        await rig.start("  - rest: 5 min\n")
        await rig.let_pass(120.0)
        assert rig.channel.activity == "running"
        assert math.isclose(rig.state.last.voltage, 3.7)


async def test_stop_is_obeyed_while_nothing_can_be_read(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start()
        await rig.let_pass(4.0)
        rig.instrument.reads = False
        await rig.let_pass(0.5)
        await rig.order("stop")
        assert not rig.instrument.on
        assert rig.session.finish.reason == "stopped"

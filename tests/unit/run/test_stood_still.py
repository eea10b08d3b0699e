"""A process or a machine that stood still, or a guard that did: what an instrument does is read back, and the gap is known."""

import pytest

from labctl.clock import VirtualClock
from labctl.driver import Rest
from labctl.run.guard_record import DIED, STOOD_STILL, GuardEntry
from tests.unit.run.one_channel import FakeInstrument, one_channel


async def test_a_read_that_comes_seconds_late_is_an_outage_of_a_set_point_that_held(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        clock.advance(clock.now() + 4.0)  # nothing of this process ran, nor of its guard
        await rig.let_pass(2.0)
        await rig.sink.flush()
        (gap,) = rig.of("gap")
        assert gap["attempt_goes_on"]
        assert "nobody read instrument k1 for 4.1 s" in str(gap["why"])
        assert -0.6e-3 < gap["blind_charge_low_ah"] < -0.5e-3  # all of it is in the counters, and may not have flowed
        assert rig.state.activity == "running"


async def test_a_read_that_comes_seconds_late_finds_that_the_output_was_switched_off(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        clock.advance(clock.now() + 1.0)
        await meter.output_off("1")  # somebody did
        clock.advance(clock.now() + 3.0)
        await rig.let_pass(2.0)
        await rig.sink.flush()
        (gap,) = rig.of("gap")
        assert not gap["attempt_goes_on"]
        charged = 3600.0 * (rig.state.last.charging_ah)
        high = 3600.0 * gap["blind_charge_high_ah"]
        meter.settle()
        assert charged <= meter.charge <= charged + high


async def killed(folder, clock, meter, entry=None):
    """Charge for 5 s, die, be away for 3 s, and come back to what a guard wrote down."""
    async with one_channel(folder, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        await rig.sink.flush()
        rig.killed = True
    clock.advance(clock.now() + 1.0)
    await meter.output_off("1")
    moment = clock.now()
    clock.advance(moment + 60.0)
    return None if entry is None else GuardEntry("off", "k1", "1", entry, "guard", "boot", moment, 1.79e9, 1)


async def gap_of(folder, clock, meter, entry):
    async with one_channel(folder, meter, clock) as rig:
        rig.guard.wrote = entry
        await rig.take_up()
        await rig.let_pass(1.0)
        await rig.sink.flush()
        (gap,) = rig.of("gap")
        return gap, rig.state.activity


async def test_what_the_guard_wrote_down_bounds_the_charge_that_nobody_saw(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    entry = await killed(tmp_path, clock, meter, DIED)
    gap, activity = await gap_of(tmp_path, clock, meter, entry)
    assert activity == "running"
    assert (
        3600.0 * gap["blind_charge_high_ah"] < 0.5 * 3.0
    )  # a second of rows that were not flushed, and one of current
    assert gap["on_until"] < gap["end"] - 50.0


async def test_without_a_guard_the_output_may_have_been_on_until_it_is_read_back(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    await killed(tmp_path, clock, meter)
    gap, _ = await gap_of(tmp_path, clock, meter, None)
    assert 3600.0 * gap["blind_charge_high_ah"] > 0.5 * 60.0


async def test_a_run_whose_daemon_stood_still_asks(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    entry = await killed(tmp_path, clock, meter, STOOD_STILL)
    gap, activity = await gap_of(tmp_path, clock, meter, entry)
    assert activity == "waiting"
    assert "its guard ended it, since it stood still" in str(gap["why"])


async def test_where_the_guard_stands_still_outputs_go_off_and_the_runs_ask(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        await rig.line.ask_all("the guard process stood still")
        assert not meter.on
        await rig.let_pass(5.0)
        assert not meter.on
        assert (rig.state.activity, rig.state.why) == ("waiting", "the guard process stood still")


class AtRest(FakeInstrument):
    """A practice cell: at rest it says that it holds what it was set to, for whom. Its first reading at rest comes late."""

    late = 0.0

    async def apply(self, channel, program):
        back = await super().apply(channel, program)
        self.on = True
        self.late = 4.0 if isinstance(self.mode, Rest) and self.charge else 0.0
        return back

    async def read(self, channels):
        self.clock.advance(self.clock.now() + self.late)
        self.late = 0.0
        return await super().read(channels)


async def test_no_charge_is_counted_at_a_rest_of_which_no_row_was_read(tmp_path):
    """The last row is of the charge before it: its current did not hold on until the rest was read."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = AtRest(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start("  - charge: {current: 0.5 A, for: 10 s}\n  - rest: 1 h\n")
        await rig.let_pass(30.0)
        await rig.sink.flush()
        assert rig.state.step.line == 2
        (gap,) = rig.of("gap")
        assert "nobody read instrument k1 for 4." in str(gap["why"])
        assert (gap["blind_charge_low_ah"], gap["blind_charge_high_ah"]) == (0.0, 0.0)
        meter.settle()
        assert 3600.0 * rig.state.last.charging_ah == pytest.approx(meter.charge, abs=0.1)


async def test_a_step_that_an_order_leaves_before_its_first_row_says_what_may_have_passed(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.until(lambda: meter.on and rig.channel.activity == "running", most=60.0)
        rig.line.executor.fold_waiting(rig.line.executor.running["1"])
        last = rig.state.last
        rig.line.executor.meter.begin("1", last.time, ())  # as where no row of it has come yet
        clock.advance(rig.channel.origin + last.time)
        meter.settle()
        before = meter.charge
        clock.advance(clock.now() + 0.3)
        await rig.order("stop")
        meter.settle()
        said = rig.state.last.charging_ah - last.charging_ah + rig.state.blind.high_ah
        assert meter.charge - before <= 3600.0 * said + 1e-6


@pytest.mark.parametrize("verb", ["skip", "stop", "pause"])
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("held", [True, False])
async def test_what_passed_unread_before_an_order_lies_inside_the_interval_of_the_step_that_it_leaves(
    tmp_path, verb, seen, held
):
    """The order comes before the read that would show it: counted is what the last row says, if the step has shown one."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.until(lambda: meter.on and rig.channel.activity == "running", most=60.0)
        if seen:
            await rig.let_pass(5.0)
        clock.advance(clock.now() + 1.0)
        if not held:
            await meter.output_off("1")  # somebody did
        clock.advance(clock.now() + 4.0)
        await rig.order(verb)
        await rig.sink.flush()
        meter.settle()
        assert not meter.on
        last, blind = rig.state.last, rig.state.blind
        counted, row = 3600.0 * (last.charging_ah + last.discharging_ah), 0.5 * 0.15
        assert counted + 3600.0 * blind.low_ah - row <= meter.charge <= counted + 3600.0 * blind.high_ah + row
        assert any("nobody read instrument k1 for" in str(gap["why"]) for gap in rig.of("gap"))

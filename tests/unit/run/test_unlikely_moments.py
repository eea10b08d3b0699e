"""What may happen between two steps of something else: a death, another meter, a clock that was wrong, a person who is quicker."""

import asyncio
import json

import pytest

from labctl.clock import VirtualClock
from labctl.driver import Galvanostatic, Identity, Status
from labctl.errors import OrderRefused, Unreachable
from labctl.run.guard_record import DIED, GUARD_RECORD, GuardEntry, first_off, read_entries, write_entries
from tests.unit.run.one_channel import FakeInstrument, one_channel
from tests.unit.run.test_recovery import killed


class Meter(FakeInstrument):
    """One that has a number, and answers nothing before it was opened."""

    def __init__(self, clock: VirtualClock, serial: str = "1") -> None:
        super().__init__(clock)
        self.serial, self.opened = serial, False

    async def open(self) -> Identity:
        self.said("open")
        self.opened = True
        return Identity("fake", "meter", self.serial)

    async def close(self) -> None:
        await super().close()
        self.opened = False

    def said(self, verb: str) -> None:
        if verb != "open" and not self.opened:
            raise Unreachable("it was not opened")
        super().said(verb)

    @property
    def touched(self) -> list[str]:
        return [call for call in self.calls if call.startswith(("apply", "off"))]


def of_somebody_else(meter: FakeInstrument) -> None:
    meter.on, meter.attempt, meter.mode = True, None, Galvanostatic(0.3)


async def charging(folder, clock, meter) -> None:
    """Charge for 10 s, and die."""
    await killed(folder, clock, meter)
    meter.opened = False
    clock.advance(clock.now() + 3.0)


# --- another meter stands where the run's was -----------------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True])
async def test_a_meter_that_was_replaced_while_the_daemon_was_away_is_not_touched(tmp_path, busy):
    clock = VirtualClock(1000.0, 1.79e9)
    await charging(tmp_path, clock, mine := Meter(clock))
    other = Meter(clock, "2")
    if busy:
        of_somebody_else(other)
    async with one_channel(tmp_path, other, clock) as rig:
        await rig.take_up()
        await rig.let_pass(30.0)
        assert other.on == busy
        assert not other.touched
        assert "wanted" in rig.channel.unknown
        assert "1" in rig.channel.unknown
        # its own is put back: it is found on, as ours, and the run goes on from there
        other.serial, other.on, other.mode, other.attempt = "1", mine.on, mine.mode, mine.attempt
        await rig.until(lambda: rig.channel.activity == "running", most=60.0)


async def test_a_meter_that_was_replaced_in_the_middle_of_a_run_is_not_touched(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    async with one_channel(tmp_path, meter := Meter(clock), clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        meter.answers = False
        await rig.let_pass(1.0)
        meter.answers, meter.serial = True, "2"
        of_somebody_else(meter)
        meter.calls.clear()
        await rig.let_pass(30.0)
        assert meter.on
        assert not meter.touched


async def test_a_run_whose_meter_was_replaced_can_be_stopped_and_the_next_daemon_takes_the_new_one(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    await charging(tmp_path, clock, Meter(clock))
    other = Meter(clock, "2")
    of_somebody_else(other)
    async with one_channel(tmp_path, other, clock) as rig:
        await rig.take_up()
        await rig.order("stop")
        await rig.sink.flush()
        assert rig.of("run_ended")[0]["reason"] == "failed"
        rig.killed = True
    async with one_channel(tmp_path, other, clock) as rig:
        await rig.take_up()
        assert rig.channel.session is None
        assert rig.channel.foreign
        assert other.on
        assert not other.touched


# --- somebody else uses the meter while the daemon is away --------------------------------------------------------------------


@pytest.mark.parametrize("end", ["asked to", "killed"])
async def test_what_somebody_switched_on_while_the_daemon_was_away_is_left_alone_and_the_run_asks(tmp_path, end):
    """A daemon that was asked to end had switched off; of one that was killed the guard wrote it down."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(10.0)
        await rig.sink.flush()
        rig.killed = end == "killed"
    if end == "killed":
        await meter.output_off("1")
    assert not meter.on
    moment = clock.now()
    clock.advance(clock.now() + 3.0)
    of_somebody_else(meter)
    meter.opened = False
    meter.calls.clear()
    async with one_channel(tmp_path, meter, clock) as rig:
        if end == "killed":
            rig.guard.wrote = GuardEntry("off", "k1", "1", DIED, "guard", "boot", moment, 1.79e9 + 10.0, 1)
        await rig.take_up()
        await rig.let_pass(10.0)
        assert meter.on
        assert not meter.touched
        assert rig.state.phase == "asking"
        assert "somebody else" in rig.state.why
        with pytest.raises(OrderRefused, match="it goes on when that has ended"):
            await rig.order("resume")
        assert not meter.touched
        meter.on = False
        await rig.order("resume")
        await rig.let_pass(5.0)
        assert meter.on
        assert rig.channel.activity == "running"


async def test_a_stop_of_a_run_beside_somebody_else_s_output_stops_the_run_alone(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(10.0)
    of_somebody_else(meter)
    meter.opened = False
    meter.calls.clear()
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.order("stop")
        await rig.until(lambda: rig.ended, most=10.0)
        assert meter.on
        assert not meter.touched


# --- an order while nobody answers, and a death after it --------------------------------------------------------------------


async def test_what_was_stopped_while_its_meter_was_away_goes_off_when_it_answers_a_later_daemon(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        meter.answers = False
        await rig.let_pass(1.0)
        await rig.order("stop")
        await rig.sink.flush()
        assert rig.of("run_ended")
        rig.killed = True
    meter.answers, meter.opened = True, False
    assert meter.on
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        assert not meter.on
        assert not rig.channel.foreign


async def test_a_pause_before_a_death_is_a_pause_after_it_though_the_meter_went_on(tmp_path):
    """The pause was durable and the meter did not hear it: it is switched off, and asks."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        meter.answers = False
        await rig.let_pass(1.0)
        await rig.order("pause")
        await rig.sink.flush()
        rig.killed = True
    meter.answers, meter.opened = True, False
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.let_pass(20.0)
        assert not meter.on
        assert rig.channel.activity in {"waiting", "paused", "safe"}


@pytest.mark.parametrize("after", [False, True])
async def test_a_death_after_a_resume_energises_once_or_not_at_all(tmp_path, after):
    """Resume is durable before the set-point: a death before it goes on with the step, one after it finds its own set-point."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(5.0)
        await rig.order("pause")
        await rig.let_pass(2.0)
        assert not meter.on
        await rig.order("resume")
        if after:
            await rig.let_pass(3.0)
            assert meter.on
        await rig.sink.flush()
        rig.killed = True
    meter.opened = False
    before = meter.attempt
    clock.advance(clock.now() + 3.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.let_pass(5.0)
        assert rig.channel.activity == "running"
        assert meter.on
        if after:
            assert meter.attempt == before
        meter.settle()
        low = 3600.0 * rig.state.last.charging_ah
        most = 3600.0 * (rig.state.last.charging_ah + rig.state.blind.high_ah)
        replies = 3 * 0.5  # s: what flows until each command is confirmed is not seen
        assert low - replies <= meter.charge <= most + replies


# --- adopt and release, and a death in the middle --------------------------------------------------------------------------


async def adopted(folder, clock, meter, moment: str) -> None:
    """Take a test of somebody else over, and die at a moment of that."""
    of_somebody_else(meter)
    async with one_channel(folder, meter, clock) as rig:
        await rig.take_up()
        assert rig.channel.foreign
        if moment == "stored":

            async def dies(*_: object) -> None:
                raise asyncio.CancelledError

            rig.line.executor.begin = dies  # the run is stored, and nothing of it has begun
        try:
            await rig.line.take_over(rig.channel, "me")
        except asyncio.CancelledError:
            assert moment == "stored"
        else:
            rig.session = rig.channel.session
            await rig.let_pass(12.0)
        if moment == "released":
            await rig.line.let_go(rig.channel, "me")
        await rig.sink.flush()
        rig.killed = True
    meter.opened = False
    meter.calls.clear()


@pytest.mark.parametrize("moment", ["stored", "read", "released"])
@pytest.mark.parametrize("there", [True, False])
async def test_a_death_while_a_test_is_taken_over_or_let_go_stops_nothing(tmp_path, moment, there):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    await adopted(tmp_path, clock, meter, moment)
    meter.on = there
    clock.advance(clock.now() + 3.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        end = clock.now() + 15.0
        await rig.until(
            lambda: rig.ended or not rig.session or clock.now() >= end
        )  # without a run nobody moves the clock
        assert meter.on == there
        assert not meter.touched
        if there:
            assert rig.channel.foreign if moment == "released" else rig.channel.activity == "running"
        else:
            assert not rig.channel.foreign
            assert bool(rig.ended) == (moment == "read")


@pytest.mark.parametrize("away", ["death", "line"])
async def test_what_flows_in_a_test_of_somebody_else_while_nobody_reads_it_is_an_interval(tmp_path, away):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    await adopted(tmp_path, clock, meter, "read")
    if away == "death":
        clock.advance(clock.now() + 30.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.let_pass(5.0)
        if away == "line":
            meter.answers = False
            await rig.let_pass(30.0)
            meter.answers = True
            await rig.until(lambda: not rig.line.link.lost, most=60.0)
            await rig.let_pass(5.0)
        state = rig.session.state
        assert state.last.charging_ah * 3600.0 == pytest.approx(0.3 * state.last.time, abs=0.3 * 0.5)
        unseen = -state.blind.low_ah * 3600.0
        assert 0.3 * 29.0 < unseen <= state.last.charging_ah * 3600.0
        unread = [gap for gap in rig.of("gap") if gap["end"] > gap["begin"] + 20.0]
        assert all(gap["blind_charge_low_ah"] < 0.0 for gap in unread)
        assert len(unread) == 1


# --- what a guard wrote, and when -----------------------------------------------------------------------------------------


def line(**more: object) -> str:
    known = {"kind": "off", "instrument": "k1", "channel": "1", "why": "the daemon died", "by": "guard", "boot": "old"}
    return json.dumps({**known, "monotonic": 5000.0, "unix": 4e9, "guard": 1, **more}) + "\n"


def test_a_line_of_another_boot_whose_clock_was_ahead_says_nothing_of_now(tmp_path):
    """The clock stood in the future as a guard wrote it; it was set right, and the power failed while an output was on."""
    file = tmp_path / GUARD_RECORD
    mark = (("k1", "1"), "now", 100.0, 1.79e9)
    file.write_text(line() + line(kind="begin", instrument="", channel="", boot="now", unix=1.78e9, monotonic=1.0))
    assert first_off(read_entries(tmp_path), *mark) is None
    with file.open(
        "a"
    ) as more:  # what was written after the daemon of that boot had begun may be of after its last reading
        more.write(line(kind="begin", instrument="", channel="", boot="next", unix=1.791e9, monotonic=1.0))
        more.write(line(boot="next", unix=1.791e9, monotonic=9.0))
    entry = first_off(read_entries(tmp_path), *mark)
    assert entry is not None
    assert entry.boot == "next"


def test_a_line_that_a_full_disk_cut_off_takes_no_other_with_it(tmp_path):
    file = tmp_path / GUARD_RECORD
    file.write_text(line() + line()[:40])
    (whole,) = read_entries(tmp_path)
    write_entries(tmp_path, [whole, whole])
    assert len(read_entries(tmp_path)) == 3


async def test_a_guard_is_not_told_of_a_test_that_is_only_read(tmp_path):
    """The meter of a test that was taken over is away as the daemon starts: if that dies, the test goes on."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    await adopted(tmp_path, clock, meter, "read")
    async with one_channel(tmp_path, meter, clock) as rig:
        meter.answers = False
        rig.line.link.lose(Unreachable("nobody answers"))
        await rig.take_up()
        assert rig.guard.energised == ()


async def test_an_output_of_ours_at_a_channel_that_the_station_has_no_more_goes_off(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = Meter(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await asyncio.to_thread(rig.journal.head.claim, "1", "2")
        rig.killed = True
    seen: list[str] = []

    class TwoOutputs(Meter):
        async def status(self, channel: str) -> Status:
            return Status("running") if channel == "2" and not seen else Status("idle")

        async def output_off(self, channel: str) -> None:
            seen.append(channel)

    async with one_channel(tmp_path, TwoOutputs(clock), clock) as rig:
        assert seen == ["2"]
        assert not rig.journal.head.ours("1", "2")

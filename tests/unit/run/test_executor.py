"""Commands go out in their order: recorded before they are risked, off before anything is written, and what fails fails alone."""

import pytest

from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError
from tests.unit.run.one_channel import one_channel

TWO = """\
  - charge: {current: 0.5 A, for: 5 s}
  - discharge: {current: 0.5 A, for: 5 s}
"""


async def test_every_set_point_is_given_once(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start(TWO)
        await rig.until(lambda: rig.session.finish, most=60.0)
        applied = [call for call in rig.instrument.calls if call.startswith("apply")]
        assert applied == ["apply 1", "apply 2", "apply 3"]  # the open circuit, and two steps
        assert not rig.instrument.on
        assert rig.ended == [rig.channel]


async def test_what_led_to_a_set_point_is_committed_before_it_is_given(tmp_path):
    async with one_channel(tmp_path) as rig:
        meter, seen = rig.instrument, []
        apply = meter.apply

        async def watched(at, program):
            seen.append(len(rig.of("attempt")))
            return await apply(at, program)

        meter.apply = watched
        await rig.start(TWO)
        await rig.until(lambda: rig.session.finish, most=60.0)
        assert seen == [0, 1, 2]  # each attempt at a step is durable, with the row that led to it, before its set-point


@pytest.mark.parametrize("error", [SettingRefused("wanted 0.5 A, found 0.4 A"), InstrumentError("a fault")])
async def test_a_set_point_that_is_refused_ends_the_run_and_the_output_is_off(tmp_path, error):
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start(TWO)
        await rig.let_pass(2.0)
        meter.fails = error
        await rig.until(lambda: rig.session.finish, most=60.0)
        assert rig.session.finish.reason == "failed"
        assert str(error) in rig.session.finish.why
        assert not meter.on
        await rig.sink.flush()
        assert rig.of("fault")[0]["safe"] is True  # it is off when the run hears of it


@pytest.mark.parametrize("error", [Unreachable("no answer"), WireError("wanted a level, found garbage")])
async def test_a_line_that_breaks_at_a_set_point_is_an_outage(tmp_path, error):
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start(TWO)
        await rig.let_pass(2.0)
        meter.fails = error
        await rig.until(lambda: rig.session.finish, most=120.0)
        assert rig.session.finish.reason == "done"
        await rig.sink.flush()
        assert rig.of("gap")


async def test_a_defect_of_a_driver_ends_its_run_alone_and_safely(tmp_path):
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(2.0)
        meter.fails = ZeroDivisionError("a defect of the driver")

        async def broken(channels):
            raise ZeroDivisionError("a defect of the driver")

        meter.read = broken
        await rig.until(lambda: rig.session.finish, most=60.0)
        assert "ZeroDivisionError: a defect of the driver" in rig.session.finish.why
        assert not meter.on


async def test_stop_switches_off_before_anything_is_written(tmp_path):
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        committed, at_off = len(rig.events), []
        off = meter.output_off

        async def noted(at):
            at_off.append(len(rig.events))
            await off(at)

        meter.output_off = noted
        await rig.order("stop")
        assert at_off[0] == committed
        assert rig.session.finish.reason == "stopped"


async def test_the_guard_knows_what_may_be_on(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start()
        await rig.let_pass(4.0)
        assert rig.guard.energised == ("1",)
        await rig.order("pause")
        assert rig.guard.energised == ()

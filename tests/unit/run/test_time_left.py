"""What is left of a run: by the step in which it is, not by the time that it has taken."""

from dataclasses import replace

import pytest

from labctl.plan.estimate import estimate
from labctl.run.channel import RunInfo
from tests.unit.run.one_channel import one_channel

STEPS = "  - rest: 10 min\n  - rest: 20 h\n  - repeat: 3\n    steps:\n      - rest: 1 h\n      - rest: 2 h\n"


async def test_what_is_left_follows_the_step_that_is_done(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start(STEPS)
        plan = rig.session.plan
        rig.channel.info = RunInfo(1, "u", "p", "c", 0.0, estimate(plan).time_left(plan))

        def left():
            look = rig.channel.look()
            passed, seconds = look["test_time_second"], look["remaining_second"]
            assert look["progress"] == pytest.approx(passed / (passed + seconds))
            return seconds / 3600.0

        whole = left()
        assert whole == pytest.approx(10 / 60 + 20.0 + 9.0, abs=0.1)
        await rig.let_pass(300.0)
        assert whole - left() == pytest.approx(300.0 / 3600.0, abs=0.01)
        await rig.order("skip")
        assert left() == pytest.approx(29.0, abs=0.1)
        await rig.order("skip")
        assert left() == pytest.approx(9.0, abs=0.1)
        await rig.order("skip")
        await rig.order("skip")
        assert left() == pytest.approx(6.0, abs=0.1)
        await rig.let_pass(1800.0)
        assert left() == pytest.approx(5.5, abs=0.1)


async def test_of_a_plan_that_was_just_edited_nothing_is_told_until_it_is_estimated(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start(STEPS)
        before = rig.session.plan
        rig.channel.info = RunInfo(1, "u", "p", "c", 0.0, estimate(before).time_left(before))
        assert rig.channel.look()["remaining_second"] > 0.0
        rig.session.plan = replace(before, name="edited")
        look, mark = rig.channel.look(), rig.channel.mark
        assert (look["remaining_second"], look["progress"]) == (None, None)
        rig.channel.info = replace(rig.channel.info, time_left=estimate(rig.session.plan).time_left(rig.session.plan))
        assert rig.channel.look()["remaining_second"] > 0.0
        assert rig.channel.mark != mark

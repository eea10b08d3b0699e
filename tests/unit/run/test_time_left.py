"""What is left of a run: by the step in which it is, not by the time that it has taken."""

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

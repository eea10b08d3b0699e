"""Somebody changes the instrument at its panel, or a level that was set is not the one that flows."""

import pytest

from tests.unit.run.one_channel import one_channel


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.9, 1.08, -0.08])
async def test_front_panel_level(tmp_path, factor):
    """Another current than was set is noticed at its second row, by the rows alone."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        meter.settle()
        meter.factor, begin = factor, rig.clock.now()
        await rig.until(lambda: rig.state.phase == "asking", most=5.0)
        assert rig.clock.now() - begin <= 0.4
        assert not meter.on
        assert rig.channel.activity == "safe"
        assert rig.state.question.kind == "contradicted"
        assert "where 0.5 A was set" in rig.state.why
        await rig.sink.flush()
        assert rig.of("diverged")


async def test_what_was_contradicted_goes_on_when_a_person_says_so(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start()
        await rig.let_pass(4.0)
        rig.instrument.factor = 0.5
        await rig.until(lambda: rig.state.phase == "asking", most=5.0)
        await rig.order("resume")
        await rig.let_pass(5.0)
        assert rig.channel.activity == "running"
        assert rig.instrument.on


async def test_a_hold_that_is_not_held_is_noticed(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start("  - hold: {voltage: 3.75 V, current: 1 A, for: 1 h}\n")
        await rig.let_pass(4.0)
        assert rig.channel.activity == "running"
        rig.instrument.on = False
        await rig.until(lambda: rig.state.phase == "asking", most=5.0)
        assert "where 3.75 V was set" in rig.state.why

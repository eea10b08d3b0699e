import pytest

from labctl.errors import OrderRefused
from labctl.plan.estimate import estimate
from labctl.plan.resume import line_of, resumed
from labctl.plan.step import Carried
from labctl.plan.time_left import share_left

STEPS = (
    "- rest: 1 min\n- name: cycling\n  repeat: 5\n  cycle: true\n  steps:\n"
    "  - name: filling\n    charge: {current: 1 mA, to: 4.2 V, hold_for: 1 h}\n  - name: twice\n    discharge: {current: 1 mA, to: 3 V}\n"
    "- name: twice\n  rest: 1 h\n- hold: {voltage: ocv, for: 1 h}\n- rest: 1 h\n"
)


@pytest.mark.parametrize(("step", "line"), [("1", 1), ("4", 4), ("cycling", 2), ("filling", 2)])
def test_a_step_is_a_number_or_a_name(plan, step, line):
    assert line_of(plan(STEPS), step) == line


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("99", "wanted a line from 1 to 7, found 99"),
        ("emptying", "wanted a step named 'emptying', found cycling, filling, twice"),
        ("twice", "found lines 4, 5: give the number"),
    ],
)
def test_a_step_that_is_not_there(plan, step, message):
    with pytest.raises(OrderRefused, match=message):
        line_of(plan(STEPS), step)


def test_a_run_goes_on_in_the_pass_it_was_in(plan):
    carried = Carried(cycle=3, charging_ah=1.0, references={"first": 3.6}, start=3, passes=((0, 0), (1, 2)))
    assert resumed(plan(STEPS), carried).carried == carried


@pytest.mark.parametrize(
    ("carried", "message"),
    [
        (Carried(start=8), "wanted a line from 1 to 7, found 8"),
        (Carried(start=3, passes=((1, 5),)), "wanted a pass of block 1 below 5, found 5"),
        (Carried(start=5, passes=((1, 0),)), "wanted a pass of block 1 below 0, found 0"),
        (Carried(start=6), "wanted the open circuit of a rest before line 6"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(plan, carried, message):
    with pytest.raises(OrderRefused, match=message):
        resumed(plan(STEPS), carried)


@pytest.mark.parametrize(
    ("carried", "shares"),
    [
        (Carried(), [1, 1, 1, 1, 1, 1, 1]),
        (Carried(start=1), [1, 1, 1, 1, 1, 1, 1]),
        (Carried(start=3, passes=((0, 0), (1, 2))), [0, 2 / 5, 3 / 5, 3 / 5, 1, 1, 1]),
        (Carried(start=4, passes=((0, 0), (1, 4))), [0, 0, 0, 1 / 5, 1, 1, 1]),
        (Carried(start=7), [0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_a_run_that_goes_on_takes_what_is_left(plan, carried, shares):
    goes_on = resumed(plan(STEPS), carried)
    passes = dict(carried.passes)
    assert [share_left(goes_on, carried.start, passes, line) for line in range(1, 8)] == pytest.approx(shares)
    whole, left = estimate(plan(STEPS)), estimate(goes_on)
    takes = [whole.lines[line][0].likely * whole.lines[line][1] for line in range(1, 8)]
    assert left.duration[0] == pytest.approx(
        sum(share * one for share, one in zip(shares, takes, strict=True)), rel=0.02
    )
    assert left.rows <= whole.rows
    time_left = left.time_left(goes_on)
    assert time_left.before(0, {}) == time_left.whole == left.duration[0]
    if carried.start:
        assert time_left.before(carried.start, passes) == pytest.approx(left.duration[0], rel=0.02)
        assert time_left.of(carried.start) == whole.lines[carried.start][0].likely

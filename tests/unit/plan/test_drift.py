"""Charge by time and amount alone, between two ends by the voltage."""

from dataclasses import replace

import pytest

from labctl.driver import Bounds
from labctl.plan.lint.warning import warnings
from tests.unit.plan.conftest import FULL

CELL = replace(FULL, limits=Bounds((2.5, 4.3), (-0.01, 0.01)))
FILLED = "- charge: {current: C/3, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n- rest: 1 h\n"
EMPTIED = "- discharge: {current: C/3, to: 2.5 V, for: 5 h}\n- rest: 1 h\n"


def codes(plan, steps, cell=CELL):
    return [one.code for one in warnings(plan(steps, cell))]


def loop(passes, *steps, head=""):
    return f"- repeat: {passes}\n{head}  steps:\n" + "".join(f"    - {step}\n" for step in steps)


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (loop(100, "charge: {current: C/2, for: 1 h}", "discharge: {current: 0.4C, for: 1 h}"), "plan.unbalanced"),
        (loop(100, "charge: {current: C/2, for: 1 h}", "discharge: {current: C/2, for: 1 h}"), ""),
        (loop(10, "charge: {current: C/2, for: 1 h}", "discharge: {current: 0.4C, for: 1 h}"), ""),
        (loop(100, "charge: {current: C/10, for: 1 h, to: 4.2 V}", "discharge: {current: 0.08C, for: 1 h}"), ""),
        (loop(100, "charge: {current: C/2, for: 1 h}", "discharge: {current: 0.4C, for: 1 h}", head="  stop_if: voltage > 4.2 V\n"), ""),
        (loop(100, "charge: {current: C/2, for: 1 h}", "discharge: {current: 0.4C, for: 1 h}", head="  cycle: true\n  stop_if: retention < 80 %\n"), "plan.unbalanced"),
        (FILLED + loop(12, "discharge: {current: C/3, capacity: 10 %}", "rest: 1 h"), "plan.one_way"),
        (FILLED + loop(10, "discharge: {current: C/3, capacity: 10 %}", "rest: 1 h"), ""),
        (FILLED + loop(12, "discharge: {current: C/3, capacity: 10 %, to: 2.5 V}", "rest: 1 h"), ""),
        (FILLED + "- discharge: {current: C/3, capacity: 60 %}\n- rest: 1 h\n- discharge: {current: C/3, capacity: 60 %}", "plan.one_way"),
        (FILLED + "- discharge: {current: C/3, capacity: 60 %}\n" + FILLED + "- discharge: {current: C/3, capacity: 60 %}", ""),
        ("- charge: {current: C/10, for: 15 h}", "plan.one_way"),
        ("- charge: {current: C/10, for: 10 h}", ""),
        ("- charge: {power: 5 mW, for: 2 h}", "plan.one_way"),
        ("- if: voltage < 3 V\n  steps: [{charge: {current: C/10, for: 15 h}}]", ""),  # one that knows where the cell is
        ("- each: {r: [C/10, 1C], t: [10 h, 1 h]}\n  steps:\n    - charge: {current: $r, for: $t}\n    - discharge: {current: $r, for: $t}", ""),
    ],
)  # fmt: skip
def test_charge_that_no_cell_holds(plan, steps, wanted):
    assert codes(plan, steps) == ([wanted] if wanted else [])


def test_an_anode_and_a_cell_without_a_nominal_capacity_are_not_judged_so(plan):
    steps = "- discharge: {current: C/10, for: 14 h}"
    assert codes(plan, steps) == ["plan.one_way"]
    assert codes(plan, steps, replace(CELL, kind="half_anode")) == []
    assert codes(plan, steps.replace("C/10", "0.1 mA"), replace(CELL, nominal=None)) == []


@pytest.mark.parametrize(
    ("steps", "high", "warned"),
    [
        (FILLED + "- charge: {current: 1C, for: 10 s}", 4.2, True),
        (FILLED + "- charge: {current: 1C, for: 10 s}", 4.3, False),
        (FILLED + "- charge: {current: 1C, for: 10 s, to: 4.2 V}", 4.2, False),
        (FILLED + "- discharge: {current: 1C, for: 10 s}\n- charge: {current: 1C, for: 10 s}", 4.2, False),
        (FILLED + "- charge: {current: C/50, for: 10 s}", 4.2, False),
        (EMPTIED + "- discharge: {current: 1C, for: 10 s}", 4.2, True),
        (EMPTIED + "- discharge: {current: C/10, for: 10 s}", 4.2, False),
    ],
)
def test_a_pulse_at_the_limit_at_which_the_cell_is(plan, steps, high, warned):
    found = codes(plan, steps, replace(CELL, limits=Bounds((2.5, high), (-0.01, 0.01))))
    assert found == (["plan.forestalled"] if warned else [])


def test_a_loop_of_rests_behind_a_charge_is_no_drift(plan):
    assert codes(plan, "- charge: {current: 1 mA, for: 1 min}\n" + loop(3, "rest: 1 min")) == []

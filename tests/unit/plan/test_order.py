"""What comes after something else: a second charge of a full cell, cycles that are counted through the whole run."""

from dataclasses import replace

import pytest

from labctl.driver import Bounds
from labctl.plan.lint.warning import warnings
from tests.unit.plan.conftest import FULL

CELL = replace(FULL, limits=Bounds((2.5, 4.3), (-0.01, 0.01)))
CHARGE, DISCHARGE = "- charge: {current: C/2, to: 4.2 V}\n", "- discharge: {current: C/2, to: 2.6 V}\n"
CYCLES = (
    "- {repeat: 5, cycle: true, steps: [{discharge: {current: C/2, to: 2.6 V}}, {charge: {current: C/2, to: 4.2 V}}]}\n"
)
REST = "- rest: 1 h\n"
TITRATION = """- repeat: 100
  stop_if: voltage >= 4.2 V
  steps: [{charge: {current: C/20, for: 10 min, to: 4.2 V}}, {rest: 1 h}]
"""
DRAIN = """- repeat: 100
  stop_if: voltage <= 2.6 V
  steps: [{discharge: {current: C/20, for: 10 min, to: 2.6 V}}, {rest: 1 h}]
"""


def told(plan, steps, word):
    return [one.message for one in warnings(plan(steps, CELL)) if word in one.message]


@pytest.mark.parametrize(
    "steps",
    [
        CHARGE + REST + CHARGE,
        CYCLES + REST + CHARGE,
        CYCLES + REST + "- charge: {current: 1C, to: 4.2 V}\n",
        CHARGE + REST + TITRATION,
        CYCLES + TITRATION,
        DISCHARGE + REST + DRAIN,
        CHARGE + REST + "- charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n" + REST + CHARGE,
    ],
)
def test_what_fills_a_full_cell_is_told(plan, steps):
    assert told(plan, steps, "leaves the cell")


@pytest.mark.parametrize(
    "steps",
    [
        CHARGE + REST + "- charge: {current: C/20, to: 4.2 V}\n",  # a smaller current goes on
        CHARGE + REST + "- charge: {current: C/2, to: 4.25 V}\n",
        CHARGE + REST + "- charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n",
        CHARGE + "- rest: 30 d\n" + CHARGE,  # what was lost in storage
        CHARGE + "- temperature: {to: 45 degC, soak: 1 h}\n" + CHARGE,
        CHARGE + "- prompt: put the cell into the press\n" + CHARGE,
        CHARGE + REST + DRAIN,
        CHARGE + REST + "- charge: {current: 1C, for: 10 s, to: 4.2 V}\n",
        CHARGE + "- {if: voltage < 3 V, steps: [{discharge: {current: C/2, to: 2.6 V}}]}\n" + CHARGE,
        CHARGE + "- {repeat: 2, for: 1 h, steps: [{charge: {current: C/2, to: 4.2 V}}, {discharge: {current: C/2, to: 2.6 V}}]}\n" + CHARGE,
    ],
)  # fmt: skip
def test_what_goes_on_charging_for_a_reason_is_not(plan, steps):
    assert not told(plan, steps, "leaves the cell")


def loop(passes, head="", extra=""):
    return (
        f"- repeat: {passes}\n  cycle: true\n{head}"
        f"  steps:\n    - charge: {{current: C/2, to: 4.2 V}}\n    - discharge: {{current: C/2, to: 2.6 V}}\n{extra}"
    )


def chosen(condition):
    return f"    - if: {condition}\n      steps: [{{rest: 1 h}}]\n"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (loop(3) + loop(100, "  stop_if: cycle >= 2\n"), "number 4 of the run"),
        (loop(3) + loop(100, "  stop_if: cycle > 3\n"), "number 4 of the run"),
        (loop(100, "  stop_if: cycle >= 1\n"), "the first cycle meets it"),
        (loop(3) + loop(100, "  stop_if: cycle of block >= 1\n"), "the first cycle meets it"),
        (loop(3) + loop(100, "  stop_if: cycle >= 5\n"), ""),
        (loop(3) + loop(100, "  stop_if: cycle of block >= 2\n"), ""),
        (loop(3, "  stop_if: retention < 80 %\n") + loop(100, "  stop_if: cycle >= 3\n"), ""),  # it may be the second
        (loop(20) + loop(100, extra=chosen("cycle in [5, 10]")), "never true"),
        (loop(20) + loop(100, extra=chosen("cycle in [5, 40]")), ""),
        (loop(20) + loop(100, extra=chosen("cycle >= 10")), "always true"),
        (loop(20) + loop(100, extra=chosen("cycle <= 10")), "never true"),
        (loop(20) + loop(100, extra=chosen("cycle >= 30")), ""),
        (loop(20, extra=chosen("cycle >= 30")) + loop(100), "never true"),
        (loop(20, extra=chosen("cycle in [5, 20]")) + loop(100), ""),
    ],
)
def test_numbers_of_cycles_are_those_of_the_run(plan, steps, words):
    found = told(plan, steps, "cycle")
    assert [words in one for one in found] == ([True] if words else [])


def test_shares_of_the_capacity_in_each_pass_are_no_states_of_charge(plan):
    steps = (
        CHARGE
        + "- each: {q: {from: 10 %, to: 90 %, by: 10 %}}\n  steps: [{discharge: {current: C/3, capacity: $q, to: 2.6 V}}, {rest: 1 h}]"
    )
    assert told(plan, steps, "counted from the begin of each discharge")
    assert not told(plan, steps.replace("$q", "10 %"), "counted from the begin")
    assert not told(plan, steps.replace("to: 90 %", "to: 40 %"), "counted from the begin")  # 100 % in all
    assert not told(plan, steps.replace("{rest: 1 h}", "{charge: {current: C/3, to: 4.2 V}}"), "counted from the begin")

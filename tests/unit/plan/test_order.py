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


NOMINAL = "- nominal: {from: discharge_capacity, within: [80 %, 120 %]}\n"
RISING = "- each: {q: {from: 10 %, to: 90 %, by: 10 %}}\n  steps:\n"
UNTIL = "    - discharge: {current: C/3, until: discharged since full >= $q, to: 2.6 V}\n    - rest: 1 h\n"


def test_a_mark_that_is_set_anew_in_each_pass_is_no_begin_for_all(plan):
    assert told(plan, CHARGE + RISING + "    - mark: full\n" + UNTIL, "set anew in each")
    assert not told(plan, CHARGE + "- mark: full\n" + RISING + UNTIL, "set anew in each")
    assert not told(plan, CHARGE + RISING + "    - mark: full\n" + UNTIL.replace("$q", "10 %"), "set anew in each")
    filled = "    - charge: {current: C/3, to: 4.2 V}\n    - mark: full\n"
    assert not told(plan, RISING + filled + UNTIL, "set anew in each")


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (NOMINAL + loop(2), True),
        (loop(2) + NOMINAL, False),
        (f"- repeat: 3\n  steps:\n    {NOMINAL}" + "".join(f"    {one}\n" for one in loop(2).splitlines()), True),
        ("- repeat: 3\n  steps:\n" + "".join(f"    {one}\n" for one in (loop(2) + NOMINAL).splitlines()), False),
    ],
)
def test_what_1c_means_is_measured_before_it_is_asked_for(plan, steps, wanted):
    assert bool(told(plan, steps, "completed cycle before nominal")) == wanted


def test_checks_are_none_of_the_cycles_by_which_every_counts(plan):
    check = "    - if: every 50 cycles\n      steps:\n        - cycle: check\n          steps: [{charge: {current: C/2, to: 4.2 V}}, {discharge: {current: C/2, to: 2.6 V}}]\n"
    aged = "- repeat: 40\n  steps:\n" + "".join(f"    {one}\n" for one in loop(1).splitlines()) + check
    assert told(plan, aged, "cycle 50 of 40 that are no check at most")
    assert not told(plan, aged.replace("40", "60"), "at most")


@pytest.mark.parametrize(
    ("watch", "hint"),
    [
        ("voltage >= 2.5 V", "write voltage >= 4.2 V"),
        ("voltage > 2.4 V", "write voltage >= 4.2 V"),
        ("voltage <= 4.3 V", "is the comparison turned round?"),
        ("voltage >= 4.4 V", "tighten stop_if, or widen limits"),
        ("voltage >= 4.2 V", ""),
    ],
)
def test_a_watch_that_the_limits_leave_true_is_not_one_that_they_forestall(plan, watch, hint):
    steps = f"- repeat: 100\n  stop_if: {watch}\n  steps: [{{charge: {{current: C/10, for: 10 min, to: 4.2 V}}}}, {{rest: 2 h}}]"
    hints = [one.hint for one in warnings(plan(steps, CELL))]
    assert hint in hints if hint else hints == []


SET = "- each: {{{}}}\n  steps:\n"
SPECTRUM = "  - rest: 1 h\n  - eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV}\n"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            SET.format("t: [25 degC, 45 degC]") + SPECTRUM + "  - temperature: {to: $t, soak: 1 h}\n",
            "nothing is done at 45 degC",
        ),
        (SET.format("t: [25 degC, 45 degC]") + "  - temperature: {to: $t, soak: 1 h}\n" + SPECTRUM, ""),
        (SET.format("t: [25 degC, 45 degC]") + SPECTRUM + "  - temperature: {to: 25 degC, soak: 1 h}\n", ""),
        (SET.format("a: [0 deg, 90 deg]") + "  - bend: {angle: $a}\n" + CYCLES, "is done at 90 deg alone"),
        (
            SET.format("t: [25 degC, 45 degC]") + "  - temperature: {to: $t}\n  - rest: 4 h\n",
            "",
        ),  # where the open circuit goes
    ],
)
def test_something_is_done_at_each_temperature_and_bend(plan, steps, words):
    assert bool(told(plan, steps, "is done at")) == bool(words)
    assert not words or told(plan, steps, words)


def test_a_charge_by_amount_of_a_full_cell_is_told(plan):
    filled = "- charge: {current: C/3, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n"
    assert told(plan, filled + "- charge: {current: C/3, capacity: 60 %, to: 4.2 V}\n", "leaves the cell full")
    assert not told(plan, filled + "- discharge: {current: C/3, capacity: 60 %, to: 2.6 V}\n", "leaves the cell")


def test_a_time_that_comes_first_in_some_passes_is_told(plan):
    stairs = "- each: {{j: [0.1 mA, 0.5 mA]{}}}\n  steps: [{{charge: {{current: $j, capacity: 0.5 mAh, for: {}}}}}, {{discharge: {{current: $j, capacity: 0.5 mAh, for: {}}}}}]\n"
    assert told(plan, stairs.format("", "1 h", "1 h"), "in the passes of small current")
    assert not told(plan, stairs.format("", "6 h", "6 h"), "in the passes of small current")
    assert not told(plan, stairs.format(", t: [6 h, 1.2 h]", "$t", "$t"), "in the passes of small current")


@pytest.mark.parametrize(
    ("high", "requires", "warned"),
    [(1.0, "", True), (2.0, "", False), (1.0, "requires: {ocv: [-0.5 V, 3.5 V]}\n", False)],
)
def test_a_first_plating_is_of_a_collector_that_rests_above_narrow_limits(plan, high, requires, warned):
    bare = replace(CELL, kind="asymmetric", nominal=None, limits=Bounds((-0.5, high), (-0.01, 0.01)))
    steps = "- rest: 1 h\n- plate: {current: 1 mA, for: 1 h}\n- strip: {current: 1 mA, to: 0.5 V, for: 2 h}\n"
    assert (
        any("a fresh one rests at 2 V" in one.message for one in warnings(plan(steps, bare, head=requires))) == warned
    )


@pytest.mark.parametrize(
    ("amounts", "passes", "warned"),
    [(("30 %", "40 %"), 100, True), (("30 %", "30 %"), 100, False), (("10 %", "5 %"), 9, False)],
)
def test_amounts_that_drift_to_a_voltage_are_told(plan, amounts, passes, warned):
    up, down = amounts
    steps = f"- repeat: {passes}\n  steps: [{{charge: {{current: C/2, capacity: {up}, to: 4.2 V}}}}, {{discharge: {{current: C/2, capacity: {down}, to: 2.6 V}}}}]"
    assert bool(told(plan, steps, "as much charged as discharged")) == warned


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (TITRATION.replace(">= 4.2 V", "<= 3 V"), "true at once or never"),
        (DRAIN.replace("<= 2.6 V", ">= 4 V"), "is charge meant"),
        (TITRATION, ""),
    ],
)
def test_a_loop_in_one_direction_is_stopped_by_where_it_leads(plan, steps, words):
    found = [one for one in warnings(plan(steps, CELL)) if "leads away from" in one.message]
    assert bool(found) == bool(words)
    assert all(words in one.message + one.hint for one in found)


AGEING = "- repeat: 20\n{}  steps:\n  - repeat: 50\n    cycle: true\n{}    steps: [{{charge: {{current: C/2, to: 4.2 V}}}}, {{discharge: {{current: C/2, to: 2.6 V}}}}]\n  - rest: 1 h\n"
FADED = "stop_if: retention < 80 %\n"


def test_fading_ends_the_loop_around_all_cycles(plan):
    assert told(plan, AGEING.format("", "    " + FADED), "at an inner loop")
    assert not told(plan, AGEING.format("  " + FADED, ""), "at an inner loop")
    rates = (
        AGEING.format("", "    " + FADED)
        .replace("repeat: 20", "each: {r: [C/2, 1C]}")
        .replace("C/2,", "$r,")
        .replace("[$r, 1C]", "[C/2, 1C]")
    )
    assert not told(plan, rates, "at an inner loop")  # each rate until the cell has faded at it


def test_marks_of_a_net_charge_that_falls_are_told_as_well(plan):
    steps = (
        CHARGE
        + "- each: {q: {from: -10 %, to: -90 %, by: -10 %}}\n  steps:\n    - mark: full\n    - discharge: {current: C/3, until: net since full <= $q, to: 2.6 V, for: 4 h}\n    - rest: 1 h\n"
    )
    assert told(plan, steps, "set anew in each")


def test_an_amount_since_a_mark_is_met_beside_pulses_too(plan):
    steps = (
        CHARGE
        + "- mark: full\n- repeat: 9\n  steps:\n    - discharge: {current: C/3, until: discharged since full >= 10 %, to: 2.6 V}\n    - rest: 1 h\n    - discharge: {current: 1C, for: 10 s, to: 2.6 V}\n    - rest: 40 s\n"
    )
    assert told(plan, steps, "grows from pass to pass")


def test_a_stop_since_a_mark_that_each_pass_sets_anew_is_told(plan):
    steps = (
        CHARGE
        + "- repeat: 20\n  stop_if: discharged since full >= 90 %\n  steps:\n    - mark: full\n    - discharge: {current: C/3, capacity: 5 %, to: 2.6 V}\n    - rest: 1 h\n"
    )
    assert told(plan, steps, "a pass comes to")
    assert not told(plan, steps.replace("capacity: 5 %, ", ""), "a pass comes to")
    assert not told(
        plan, steps.replace("    - mark: full\n", "").replace("- repeat", "- mark: full\n- repeat"), "a pass comes to"
    )


SLOW = "cycle: formation\n{0}  steps:\n{0}  - charge: {{current: C/10, to: 4.1 V, for: 12 h}}\n{0}  - discharge: {{current: C/10, to: 3 V, for: 12 h}}\n"
FAST = SLOW.replace("formation", "true")


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ("- repeat: 2\n  " + SLOW.format("") + "- repeat: 9\n  " + FAST.format(""), 0),
        ("- repeat: 9\n  " + FAST.format("") + "- repeat: 2\n  " + SLOW.format(""), 1),
        ("- repeat: 9\n  steps:\n  - " + SLOW.format("  ") + "  - " + FAST.format("  "), 1),
        ("- repeat: 1\n  steps:\n  - " + SLOW.format("  ") + "  - " + FAST.format("  "), 0),
        ("- repeat: 9\n  " + FAST.format("") + "- " + SLOW.format("").replace("formation", "check"), 0),
    ],
)
def test_formation_comes_before_the_cycles(plan, steps, warned):
    found = told(plan, steps, "formation before")
    assert len(found) == warned

import pytest

from labctl.driver import (
    Bounds,
    Capabilities,
    Galvanostatic,
    Loop,
    Potentiostatic,
    Profile,
    RecordRule,
    Rest,
    Sweep,
    Threshold,
)
from labctl.errors import InternalError
from labctl.plan.program import Spent, record_after, step_for
from labctl.plan.program_reach import program_for

ALL = frozenset(
    {"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad", "Sweep", "Profile", "Spectrum"}
)
ONE = Capabilities(modes=ALL, ends=frozenset({"time", "voltage", "current", "charge"}))
MANY = Capabilities(modes=ALL, ends=ONE.ends, most_steps=20, loops=True)
NEW = Spent()


def lines_of(program):
    return [step if isinstance(step, Loop) else step.line for step in program.steps]


def test_a_line_becomes_a_step_with_its_thresholds(plan):
    made = plan(
        "- charge: {current: 1 mA, to: 4.2 V, capacity: 1 mAh, until: temperature > 50 degC or voltage > 4.25 V, for: 2 h}"
    )
    (step,) = program_for(made, 1, {}, None, NEW, ONE).steps
    assert step.mode == Galvanostatic(1e-3)
    assert step.ends == (
        Threshold("voltage", above=True, value=4.2, number=0),
        Threshold("charge", above=True, value=3.6, number=1),
        Threshold("voltage", above=True, value=4.25, number=2),
        Threshold("time", above=True, value=7200.0, number=3),
    )
    assert step.bounds == Bounds((2.0, 4.3), (-0.01, 0.01), None, 7.2)


def test_a_magnitude_of_voltage_is_two_thresholds_and_a_window_none(plan):
    made = plan(
        "- strip: {current: 1 mA, for: 1 h, until: abs(voltage) > 1 V}\n- strip: {current: 1 mA, for: 1 h, until: abs(voltage) < 1 mV}",
        "symmetric",
    )
    outside = step_for(made.root.children[0], {}, None).ends
    assert [(end.above, end.value) for end in outside[:2]] == [(True, 1.0), (False, -1.0)]
    assert [end.quantity for end in step_for(made.root.children[1], {}, None).ends] == ["time"]


def test_slopes_and_conjunctions_are_the_daemons(plan):
    made = plan("- rest: {for: 1 h, until: abs(dV/dt) < 1 mV/h or voltage < 3 V and time > 1 min}")
    assert [end.number for end in step_for(made.root.children[0], {}, None).ends] == [1]


def test_a_pass_chooses_its_numbers(plan):
    made = plan("- each: {j: [1 mA, 2 mA]}\n  steps:\n  - repeat: 3\n    steps:\n    - charge: {current: $j, for: 1 h}")
    for number, current in enumerate((1e-3, 2e-3)):
        (step,) = program_for(made, 1, {0: 0, 1: number, 2: 2}, None, NEW, ONE).steps
        assert step.mode == Galvanostatic(current)
    with pytest.raises(InternalError, match="wanted a pass of block 1 below 2, found 2"):
        program_for(made, 1, [(1, 2)], None, NEW, ONE)


def test_a_voltage_against_the_open_circuit_needs_one(plan):
    made = plan("- rest: 1 min\n- hold: {voltage: 20 mV vs ocv, for: 1 h}")
    (step,) = program_for(made, 2, {}, 3.3, NEW, ONE).steps
    assert step.mode == Potentiostatic(pytest.approx(3.32), 0.01)
    with pytest.raises(InternalError, match="wanted the voltage of a rest"):
        program_for(made, 2, {}, None, NEW, ONE)


def test_what_was_spent_shortens_the_step(plan):
    made = plan("- charge: {current: 1 mA, capacity: 1 mAh, for: 2 h}\n- lsv: {from: 4 V, to: 3 V, rate: 1 mV/s}")
    (step,) = program_for(made, 1, {}, None, Spent(1800.0, 1.8), ONE).steps
    assert [end.value for end in step.ends] == [pytest.approx(1.8), 5400.0]
    assert step.bounds.charge == pytest.approx(5.4)
    (step,) = program_for(made, 2, {}, None, Spent(400.0), ONE).steps
    assert step.mode == Sweep(pytest.approx(3.6), 3.0, 1e-3)
    (step,) = program_for(made, 2, {}, None, Spent(4000.0), ONE).steps
    assert step.mode == Sweep(3.0, 3.0, 1e-3)


def test_a_profile_goes_on_in_the_row_that_was_held(plan):
    files = {"drive.csv": "time / s,current / mA\n0,1\n10,2\n20,3\n30,0\n"}
    made = plan("- profile: {file: drive.csv, positive: charge}", files=files)
    (step,) = program_for(made, 1, {}, None, Spent(12.0), ONE).steps
    assert step.mode == Profile((0.0, 8.0, 18.0), pytest.approx((2e-3, 3e-3, 0.0)))
    (step,) = program_for(made, 1, {}, None, Spent(99.0), ONE).steps
    assert step.mode == Profile((0.0, 0.0), pytest.approx((3e-3, 0.0)))


def test_record_rules_go_on_by_step_time():
    rules = (RecordRule(every=0.1, until=10.0), RecordRule(every=1.0, until=70.0), RecordRule(every=10.0))
    assert record_after(rules, 0.0) == rules
    assert record_after(rules, 30.0) == (RecordRule(every=1.0, until=40.0), RecordRule(every=10.0))


CYCLING = (
    "- rest: 1 min\n- repeat: 100\n  cycle: true\n  steps:\n  - charge: {current: 1 mA, to: 4.2 V}\n  - rest: 10 min\n"
    "  - discharge: {current: 1 mA, to: 2.5 V}\n- rest: 1 h\n"
)


def test_a_cycler_holds_a_whole_block_with_its_loop(plan):
    made = plan(CYCLING)
    assert lines_of(program_for(made, 1, {}, None, NEW, MANY)) == [1, 2, 3, 4, Loop(1, 100), 5]
    assert lines_of(program_for(made, 2, {1: 40}, None, NEW, MANY)) == [2, 3, 4, Loop(0, 60), 5]


def test_from_the_middle_of_a_loop_only_the_pass_is_held(plan):
    made = plan(CYCLING)
    assert lines_of(program_for(made, 3, {1: 40}, None, NEW, MANY)) == [3, 4]
    assert lines_of(program_for(made, 3, {1: 99}, None, NEW, MANY)) == [3, 4, 5]


def test_a_potentiostat_holds_one_step(plan):
    assert lines_of(program_for(plan(CYCLING), 2, {1: 0}, None, NEW, ONE)) == [2]


def test_without_loops_or_room_a_program_ends_with_the_pass(plan):
    made = plan(CYCLING)
    no_loops = Capabilities(modes=ALL, ends=ONE.ends, most_steps=20)
    assert lines_of(program_for(made, 2, {1: 0}, None, NEW, no_loops)) == [2, 3, 4]
    small = Capabilities(modes=ALL, ends=ONE.ends, most_steps=3, loops=True)
    assert lines_of(program_for(made, 2, {1: 0}, None, NEW, small)) == [2, 3, 4]
    assert lines_of(program_for(made, 1, {1: 0}, None, NEW, small)) == [1]


@pytest.mark.parametrize(
    ("between", "held"),
    [
        ("- prompt: Press", [1]),
        ("- mark: beam on", [1]),
        ("- bend: {angle: 90 deg}", [1]),
        ("- temperature: {to: 30 degC}", [1]),
        ("- if: voltage > 3 V\n  steps:\n  - rest: 1 min", [1]),
        ("- hold: {voltage: ocv, for: 1 h}", [1]),
        ("- rest: {for: 1 h, until: abs(dV/dt) < 1 mV/h}", [1, 2]),
        ("- rest: 1 h", [1, 2, 3]),
    ],
)
def test_what_an_instrument_cannot_know_cuts_a_program(plan, between, held):
    made = plan(f"- rest: 1 min\n{between}\n- charge: {{current: 1 mA, for: 1 h}}")
    assert lines_of(program_for(made, 1, {}, 3.3, NEW, MANY)) == held


def test_a_mode_that_the_instrument_lacks_cuts_a_program(plan):
    made = plan("- charge: {current: 1 mA, for: 1 h}\n- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}\n- rest: 1 h")
    simple = Capabilities(ends=ONE.ends, most_steps=9)
    assert lines_of(program_for(made, 1, {}, None, NEW, simple)) == [1]


def test_results_are_asked_between_passes(plan):
    steps = CYCLING.replace("  cycle: true", "  cycle: true\n  stop_if: retention < 80 %")
    assert lines_of(program_for(plan(steps), 1, {}, None, NEW, MANY)) == [1, 2, 3, 4]
    assert lines_of(program_for(plan(steps), 2, {1: 0}, None, NEW, MANY)) == [2, 3, 4]


def test_numbers_that_differ_between_passes_are_no_loop(plan):
    made = plan(
        "- each: {j: [1 mA, 2 mA]}\n  steps:\n  - charge: {current: $j, for: 1 h}\n  - rest: 1 min\n- rest: 1 h"
    )
    program = program_for(made, 1, {1: 0}, None, NEW, MANY)
    assert lines_of(program) == [1, 2]
    assert lines_of(program_for(made, 1, {1: 1}, None, NEW, MANY)) == [1, 2, 3]


def test_a_loop_around_a_loop_begun_in_its_last_pass_is_not_held(plan):
    made = plan("- repeat: 2\n  steps:\n  - repeat: 3\n    steps:\n    - charge: {current: 1 mA, for: 1 h}")
    assert lines_of(program_for(made, 1, {1: 0, 2: 0}, None, NEW, MANY)) == [1, Loop(0, 3), Loop(0, 2)]
    assert lines_of(program_for(made, 1, {1: 0, 2: 2}, None, NEW, MANY)) == [1]


def test_the_first_step_of_a_cycle_of_cc_cv(plan):
    made = plan("- charge: {current: 1 mA, to: 4.2 V, hold_until: current < C/20}")
    steps = program_for(made, 1, {}, None, NEW, MANY).steps
    assert [step.mode for step in steps] == [Galvanostatic(1e-3), Potentiostatic(4.2, 1e-3)]


def test_a_prompt_is_a_rest_of_its_own(plan):
    made = plan("- prompt: Press\n- rest: 1 h")
    (step,) = program_for(made, 1, {}, None, NEW, MANY).steps
    assert (step.mode, step.ends) == (Rest(), ())


def test_a_line_that_is_not_there(plan):
    with pytest.raises(InternalError, match="found line 7"):
        program_for(plan("- rest: 1 h"), 7, {}, None, NEW, ONE)

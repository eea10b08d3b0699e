import math

import pytest

from labctl.driver import Bounds
from labctl.plan.estimate import estimate
from labctl.protocol.cell import Cell


def test_times_are_exact(plan):
    found = estimate(
        plan(
            "- rest: 1 h\n- repeat: 10\n  steps:\n  - charge: {current: 1 mA, for: 10 min}\n  - discharge: {current: 1 mA, for: 10 min}"
        )
    )
    assert found.duration == (3600.0 + 12000.0, 3600.0 + 12000.0)
    assert found.charge == pytest.approx(12.0)
    assert found.finish(1000.0) == (16600.0, 16600.0)


def test_a_voltage_end_passes_the_nominal_capacity_and_at_most_the_limit(plan):
    found = estimate(plan("- charge: {current: 1 mA, to: 4.2 V}"))
    assert found.duration == (pytest.approx(3600.0), pytest.approx(7200.0))
    assert found.charge == pytest.approx(3.6)


def test_a_capacity_end_comes_first(plan):
    found = estimate(plan("- charge: {current: 1 mA, to: 4.2 V, capacity: 50 %, for: 2 h}"))
    assert found.duration == (pytest.approx(1800.0), pytest.approx(1800.0))


def test_loop_variables_are_averaged(plan):
    found = estimate(
        plan(
            "- each: {t: [1 min, 2 min, 6 min]}\n  steps:\n  - repeat: 2\n    steps:\n    - charge: {current: 1 mA, for: $t}"
        )
    )
    assert found.duration[0] == pytest.approx(1080.0)
    amount, times = found.lines[1]
    assert (amount.likely, times) == (pytest.approx(180.0), 6)


def test_a_hold_after_a_charge_decays(plan):
    found = estimate(plan("- charge: {current: 1 mA, to: 4.2 V, hold_until: current < 0.1 mA}"))
    hold, _ = found.lines[2]
    assert hold.likely == pytest.approx(360.0 * math.log(10))
    assert hold.charge == pytest.approx(0.36)
    assert hold.longest == pytest.approx(72000.0)


def test_a_budget_cuts_a_block(plan):
    found = estimate(plan("- repeat: 100\n  for: 1 h\n  steps:\n  - charge: {current: 1 mA, for: 10 min}"))
    assert found.duration == (3600.0, 3600.0)
    assert found.charge == pytest.approx(3.6)


def test_a_block_that_a_voltage_stops_passes_the_nominal_capacity(plan):
    steps = (
        "- repeat: 300\n  stop_if: voltage > 4.2 V\n  steps:\n  - charge: {current: 0.1 mA, for: 30 min}\n  - rest: 1 h"
    )
    found = estimate(plan(steps))
    assert found.lines[1][1] == 20
    assert found.duration == (pytest.approx(20 * 5400.0), pytest.approx(300 * 5400.0))


def test_sweeps_profiles_and_spectra_take_what_they_take(plan):
    files = {"drive.csv": "time / s,current / mA\n0,1\n10,-2\n20,0\n"}
    found = estimate(
        plan(
            "- rest: 1 s\n- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}\n- profile: {file: drive.csv, positive: charge}\n"
            "- eis: {from: 10 Hz, to: 1 Hz, amplitude: 10 mV, per_decade: 1}",
            files=files,
        )
    )
    assert found.lines[2][0].likely == pytest.approx(1000.0)
    assert (found.lines[3][0].likely, found.lines[3][0].charge) == (20.0, pytest.approx(0.03))
    assert (found.lines[4][0].likely, found.lines[4][0].rows) == (pytest.approx(3.3), 2)


def test_a_person_may_take_for_ever(plan):
    assert estimate(plan("- prompt: Press")).duration == (0.0, math.inf)
    assert estimate(plan("- prompt: {say: Press, for: 1 h}")).duration == (0.0, 3600.0)
    assert estimate(plan("- temperature: {to: 30 degC, for: 10 min}")).duration == (600.0, 600.0)


def test_rows_come_from_the_record_rules(plan):
    assert estimate(plan("- rest: 100 s\n  record: {every: 1 s}")).rows == 102
    assert estimate(plan("- rest: 100 s\n  record: [{every: 1 s, for: 10 s}, {every: 10 s}]")).rows == 21
    swept = estimate(plan("- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}\n  record: {dV: 10 mV}"))
    assert swept.rows == 102


def test_an_each_over_nothing_takes_nothing(plan):
    made = plan(
        "- each: {j: $currents}\n  steps:\n  - charge: {current: $j, for: 1 min}", head="params: {currents: []}\n"
    )
    assert estimate(made).duration == (0.0, 0.0)


@pytest.mark.parametrize(
    ("condition", "times"),
    [
        ("every 100 cycles", 10),
        ("cycle in [1, 5, 2000]", 2),
        ("every 300 cycles or cycle in [1, 300]", 4),
        ("voltage > 3 V", 1000),
    ],
)
def test_how_often_a_block_is_done_that_the_number_of_cycles_decides(plan, condition, times):
    cycle = (
        "- repeat: 1000\n  steps:\n    - cycle: true\n      steps: [{charge: {current: 1 mA, to: 4.1 V, for: 1 h}}]\n"
    )
    made = plan(f"- rest: 1 min\n{cycle}    - if: {condition}\n      steps: [{{rest: 1 h}}]")
    found = estimate(made)
    assert found.lines[3][1] == times
    alone = estimate(plan(f"- rest: 1 min\n{cycle}"))
    assert found.duration[0] - alone.duration[0] == pytest.approx(3600.0 * times)


def test_inside_a_cycle_those_before_it_are_asked(plan):
    steps = "- repeat: 10\n  cycle: true\n  steps:\n    - charge: {current: 1 mA, for: 1 h}\n    - if: every 5 cycles\n      steps: [{rest: 1 h}]"
    assert estimate(plan(steps)).lines[2][1] == 1
    around = "- repeat: 50\n  steps:\n    - cycle: true\n      steps:\n        - charge: {current: 1 mA, for: 1 h}\n        - if: every 10 cycles\n          steps: [{rest: 1 h}]"
    assert estimate(plan(around)).lines[2][1] == 4  # before the cycles 11, 21, 31, 41


def test_a_profile_that_a_voltage_ends_is_done_until_the_capacity_has_passed(plan):
    """20 passes of 50 uAh empty the cell of 1 mAh: neither 5000 passes, nor a warning of their charge."""
    files = {"d.csv": "time / s,current / mA\n0,0.1\n1800,0\n"}
    step = "profile: {file: d.csv, positive: discharge, until: voltage < 2.5 V}"
    found = estimate(plan(f"- repeat: 5000\n  steps: [{{{step}}}]", files=files))
    assert found.lines[1][1] == 20
    assert not found.warnings


@pytest.mark.parametrize(
    ("head", "until", "times"),
    [
        ("power / mW\n0,0.315", "voltage < 2.5 V", 20),  # 0.1 mA at 3.15 V, in the middle of the window
        ("power / mW\n0,0.315", "capacity >= 80 %", 16),
        ("current / mA\n0,0.1", "capacity >= 80 %", 16),
    ],
)
def test_a_profile_is_repeated_until_its_voltage_or_its_charge_has_come(plan, head, until, times):
    files = {"d.csv": f"time / s,{head}\n1800,0\n"}
    step = f"profile: {{file: d.csv, positive: discharge, until: {until}}}"
    found = estimate(plan(f"- repeat: 500\n  steps: [{{{step}}}]", files=files))
    assert found.lines[1][1] == times
    assert found.duration[0] == pytest.approx(times * 1800.0)


def test_stages_of_a_charge_are_no_charges_that_end_too_early(plan):
    stages = "- charge: {current: 10 mA, to: 3.9 V, for: 15 min}\n- charge: {current: 5 mA, to: 4.1 V, for: 30 min}"
    assert not estimate(plan(stages)).warnings


def test_charge_from_a_mark_is_what_each_pass_adds(plan):
    """A tenth of the capacity at C/3 takes 18 min in each of ten passes, less what the pulses before it have taken."""
    pulses = "  - discharge: {current: 1C, to: 2.5 V, for: 10 s}\n  - charge: {current: 0.75C, to: 4.2 V, for: 10 s}\n"
    step = "  - discharge: {current: C/3, until: net since full <= $q, to: 2.5 V, for: 1 h}"
    loop = "- each: {q: {from: -10 %, to: -100 %, by: -10 %}}\n  stop_if: voltage < 2.4 V\n  steps:\n"
    found = estimate(plan(f"- mark: full\n{loop}{pulses}{step}"))
    amount, times = found.lines[4]
    assert (amount.likely, times) == (pytest.approx(1080.0 - 3 * 0.25 * 10.0), 10)
    assert found.lines[2][1] == 10


def test_stages_of_a_charge_from_the_begin_of_its_cycle_pass_their_parts(plan):
    stage = "    - charge: {{current: {}, until: net since cycle >= {}, to: 4.2 V, hold_until: current < C/20, for: 15 min}}"
    stages = "\n".join(stage.format(*one) for one in [("6C", "20 %"), ("4C", "40 %"), ("2C", "80 %")])
    steps = f"- repeat: 5\n  cycle: true\n  steps:\n{stages.replace('    -', '  -')}\n  - discharge: {{current: 1C, to: 2.8 V}}"
    found = estimate(plan(steps)).lines
    assert [found[line][0].likely for line in (1, 3, 5)] == pytest.approx([120.0, 180.0, 720.0])
    assert [found[line][0].likely for line in (2, 4, 6)] == [0.0, 0.0, 0.0]


def test_charge_from_a_mark_inside_a_loop_is_the_same_in_each_pass(plan):
    steps = (
        "- repeat: 3\n  steps:\n  - discharge: {current: C/3, to: 2.8 V}\n  - mark: empty\n"
        "  - charge: {current: C/3, until: net since empty >= 50 %, to: 4.2 V, for: 3 h}\n  - rest: 1 h\n"
        "  - charge: {current: C/3, until: charged since empty >= 80 %, to: 4.2 V, for: 3 h}"
    )
    found = estimate(plan(steps)).lines
    assert [found[line][0].likely for line in (3, 5)] == pytest.approx([1.5 * 3600.0, 0.9 * 3600.0])


@pytest.mark.parametrize(
    ("end", "times"),
    [
        ("stop_if: discharged since full >= 50 %", 30),
        ("stop_if: net since full <= -50 %", 30),
        ("stop_if: charged since full >= 50 %", 300),
        ("stop_if: net since block <= -25 %", 15),
    ],
)
def test_a_block_that_charge_from_a_point_stops(plan, end, times):
    pulse = "  - discharge: {current: C/10, for: 10 min}"
    assert estimate(plan(f"- mark: full\n- repeat: 300\n  {end}\n  steps:\n{pulse}")).lines[2][1] == times


def test_the_capacity_of_a_charge_with_a_hold_ends_both(plan):
    found = estimate(plan("- charge: {current: 1C, capacity: 104 %, to: 4.2 V, hold_until: current < C/100, for: 9 h}"))
    hold, _ = found.lines[2]
    assert (found.charge, hold.charge) == (pytest.approx(1.04 * 3.6), pytest.approx(0.04 * 3.6))
    assert hold.likely == pytest.approx(-360.0 * math.log(0.6))  # an exponential decay with 10 % in its tail


def test_nothing_waits_for_a_pass_after_the_last(plan):
    found = estimate(
        plan("- rest: 10 min\n- repeat: 3\n  every: 1 h\n  steps:\n  - charge: {current: C/10, for: 10 min}")
    )
    assert found.duration == (600.0 + 2 * 3600.0 + 600.0,) * 2
    assert [found.lines[line][1] for line in (2, 3)] == [3, 2]


def test_a_budget_of_time_tells_how_many_passes_fit(plan):
    halves = (
        "  - plate: {current: 1 mA, for: 1 h}\n  - rest: 10 min\n  - strip: {current: 1 mA, for: 1 h}\n  - rest: 10 min"
    )
    found = estimate(plan(f"- repeat: 1000\n  for: 1000 h\n  steps:\n{halves}", "symmetric"))
    assert found.duration == (3.6e6, 3.6e6)
    assert {times for _, times in found.lines.values()} == {428}


def test_holds_that_step_the_voltage_pass_their_part_of_the_window(plan):
    """From 3 V to 4.3 V and back is 2.6 V of a window of 2.3 V, whatever the current is held back to."""
    up = "- each: {v: {from: 3.01 V, to: 4.3 V, by: 10 mV}}\n  steps:\n  - hold: {voltage: $v, current: X, until: current < C/100, for: 10 h}\n"
    down = up.replace("3.01 V, to: 4.3 V, by: 10 mV", "4.29 V, to: 3 V, by: -10 mV")
    steps = f"- discharge: {{current: C/10, to: 3 V, for: 15 h}}\n{up}{down}"
    slow, fast = (estimate(plan(steps.replace("X", current))) for current in ("C/10", "5 mA"))
    assert slow.charge == pytest.approx(3.6 * (1.0 + 2.6 / 2.3))
    assert fast.charge == pytest.approx(slow.charge)
    step = 3.6 * 0.01 / 2.3
    for found in (slow, fast):
        assert found.lines[2][0].likely == pytest.approx(360.0 * math.log(step / 360.0 / 1e-5))


def test_a_hold_from_an_empty_cell_to_a_full_one_passes_most_of_the_capacity(plan):
    steps = "- discharge: {current: C/5, to: 2.5 V, for: 9 h}\n- hold: {voltage: 4.2 V, current: C/5, until: current < C/20, for: 20 h}"
    hold, _ = estimate(plan(steps)).lines[2]
    assert hold.charge == pytest.approx(3.6 * 1.7 / 2.3)
    assert hold.likely == pytest.approx(5 * 3600.0 * 1.7 / 2.3 * math.log(4.0))


@pytest.mark.parametrize(
    ("steps", "charge"),
    [
        # after half a discharge the charge has half to give back
        ("- charge: {current: 1C, to: 4 V, for: 5 h}\n- discharge: {current: 1C, capacity: 50 %}\n- charge: {current: 1C, to: 4 V, for: 5 h}\n", 2.0),
        ("- discharge: {current: 1C, to: 3 V, for: 5 h}\n- charge: {current: 1C, for: 15 min}\n- discharge: {current: 1C, to: 3 V, for: 5 h}\n", 1.5),
        ("- charge: {current: 1C, to: 4 V, for: 5 h}\n- charge: {current: 1C, to: 4 V, for: 5 h}\n", 1.0),
        # of a cell as it was put in nothing is known: the whole capacity
        ("- charge: {current: 1C, to: 4 V, for: 5 h}\n- discharge: {current: 1C, to: 3 V, for: 5 h}\n", 2.0),
        # the passes after the first begin where the one before has ended
        ("- charge: {current: 1C, to: 4 V, for: 5 h}\n- repeat: 4\n  steps:\n  - discharge: {current: 1C, capacity: 25 %}\n  - charge: {current: 1C, to: 4 V, for: 5 h}\n", 3.0),
        ("- charge: {current: 1C, to: 4 V, for: 5 h}\n- discharge: {current: 1C, capacity: 50 %}\n- repeat: 3\n  steps:\n  - charge: {current: 1C, to: 4 V, for: 5 h}\n  - discharge: {current: 1C, to: 3 V, for: 5 h}\n", 1.5 + 1.5 + 4.0),
    ],
)  # fmt: skip
def test_a_step_to_a_voltage_passes_what_was_taken_since_one_came_to_a_voltage(plan, steps, charge):
    found = estimate(plan(steps))
    assert found.charge == pytest.approx(3.6 * charge)
    assert found.duration[0] == pytest.approx(3600.0 * charge)


def test_a_bare_collector_gives_back_what_was_plated(plan):
    steps = "- repeat: 10\n  steps:\n  - plate: {current: 1 mA, capacity: 0.1 mAh}\n  - strip: {current: 1 mA, to: 1 V, for: 15 h}\n"
    cell = Cell("Li-Cu", "asymmetric", area=1e-4, limits=Bounds((-0.5, 1.0), (-0.01, 0.01), charge=7.2))
    assert estimate(plan(steps, cell)).charge == pytest.approx(10 * 2 * 0.36)


def test_a_charge_behind_a_loop_of_parts_gives_back_what_all_its_passes_took(plan):
    steps = "- charge: {current: C/2, to: 4 V}\n- repeat: 9\n  steps:\n  - discharge: {current: C/2, capacity: 10 %, to: 3 V}\n  - rest: 1 h\n"
    found = estimate(plan(f"{steps}- charge: {{current: C/10, to: 4 V}}"))
    last = max(found.lines)
    assert found.lines[last][0].likely == pytest.approx(9 * 3600.0, rel=1e-6)

import math

import pytest

from labctl.plan.estimate import estimate


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


def test_stages_of_a_charge_are_no_charges_that_end_too_early(plan):
    stages = "- charge: {current: 10 mA, to: 3.9 V, for: 15 min}\n- charge: {current: 5 mA, to: 4.1 V, for: 30 min}"
    assert not estimate(plan(stages)).warnings

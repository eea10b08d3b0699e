import numpy as np
import pytest

from labctl.analysis.symmetric import analyse_ccd, analyse_life, analyse_nucleation
from labctl.plan.step import CellFigures
from labctl.sample import Batch

LITHIUM = CellFigures("Li‖Li", "symmetric", area=2e-4)


def staircase(record, last_half=0.5):
    """0.1, 0.2, 0.3 mA/cm2 for 1 h and 1 h on 2 cm2; the last stripping is cut by a short after `last_half` hours."""
    steps = [{"step_type": "plate", "cycle_count": 1, "charging_capacity_ah": 1e-4, "step_time_second": 3600.0}]
    begin = 3600.0
    for cycle, areal in enumerate((0.1, 0.2, 0.3), 2):
        for verb, column in (("strip", "charging_capacity_ah"), ("plate", "discharging_capacity_ah")):
            hours = last_half if areal == 0.3 else 1.0
            end = "stop_if" if areal == 0.3 else "for"
            steps.append({"step_type": verb, "cycle_count": cycle, column: areal * 2e-3 * hours, "step_time_second": 3600 * hours,
                          "begin_test_time_second": begin, "end_test_time_second": begin + 3600 * hours,
                          "end_reason": end, "end_text": "short or abs(voltage) > 2 V" if end == "stop_if" else ""})  # fmt: skip
            begin += 3600 * hours
            if end == "stop_if":
                break
    kinds = [{"cycle_count": 1, "kind": "formation"}] + [{"cycle_count": k} for k in (2, 3, 4)]
    return record(steps, kinds, LITHIUM, results=(("short", 1.0, 4),))


def test_tells_survived_failing_and_cumulative(record, value):
    found = analyse_ccd(staircase(record), {})
    assert value(found, "last survived current density") == pytest.approx(0.2)
    assert value(found, "failing current density") == pytest.approx(0.3)
    assert value(found, "cumulative capacity at failure") == pytest.approx(2 * 0.1 + 2 * 0.2 + 0.15)
    assert found.flags[0].startswith("failure by short")


def test_without_a_failure_says_so(record):
    run = staircase(record)
    run.steps["end_reason"][:] = "for"
    assert "no failure" in analyse_ccd(run, {}).flags[0]


def test_an_areal_current_needs_the_area(record):
    with pytest.raises(ValueError, match="area"):
        analyse_ccd(record([{"step_type": "strip"}], [], CellFigures("bare", "symmetric")), {})


def test_life_tells_polarisation_as_half_the_difference(record, value):
    time = np.array([0.0, 1800.0, 3600.0, 3600.0, 5400.0, 7200.0])
    samples = Batch(time, np.array([0.05, 0.052, 0.06, -0.05, -0.054, -0.06]), np.array([1, 1, 1, -1, -1, -1.0]))
    steps = [
        {"step_type": verb, "cycle_count": 1, column: 1e-4, "step_time_second": 3600.0, "begin_test_time_second": begin,
         "end_test_time_second": begin + 3600.0, "first_record": first, "last_record": first + 2}
        for verb, column, begin, first in (("strip", "charging_capacity_ah", 0.0, 0), ("plate", "discharging_capacity_ah", 3600.0, 3))
    ]  # fmt: skip
    found = analyse_life(record(steps, [{"cycle_count": 1}], LITHIUM, samples), {})
    assert value(found, "polarisation, last") == pytest.approx(53.0)
    assert value(found, "time") == pytest.approx(2.0)


def test_nucleation_is_tip_minus_plateau(record, value):
    time = np.linspace(0, 100, 101)
    samples = Batch(time, -(0.032 + 0.036 * np.exp(-time / 5)), np.full(101, -1e-4))
    found = analyse_nucleation(
        record([{"step_type": "plate", "first_record": 0, "last_record": 100}], [], LITHIUM, samples), {}
    )
    assert value(found, "nucleation overpotential") == pytest.approx(36.0, abs=0.1)
    assert value(found, "nucleation tip") == pytest.approx(68.0)


def test_nucleation_on_a_bare_collector_is_counted_from_zero(record, value):
    time = np.linspace(0, 100, 101)
    voltage = np.where(time < 3, 2.0 - time / 2, -(0.032 + 0.036 * np.exp(-(time - 3) / 5)))
    steps = [
        {"step_type": "strip", "first_record": 0, "last_record": 1},
        {"step_type": "plate", "first_record": 0, "last_record": 100},
    ]
    collector = CellFigures("Li‖Cu", "asymmetric", area=2e-4)
    found = analyse_nucleation(record(steps, [], collector, Batch(time, voltage, np.full(101, -1e-4))), {})
    assert value(found, "nucleation tip") == pytest.approx(68.0)
    assert value(found, "nucleation overpotential") == pytest.approx(36.0, abs=0.1)
    assert found.flags == ()


def test_plating_without_a_tip_says_so(record, value):
    time = np.linspace(0, 100, 101)
    steps = [{"step_type": "strip", "first_record": 0, "last_record": 100}]
    samples = Batch(time, 0.03 + 1e-4 * time, np.full(101, 1e-4))
    found = analyse_nucleation(record(steps, [], LITHIUM, samples), {})
    assert value(found, "nucleation overpotential") < 0
    assert "no tip" in found.flags[0]

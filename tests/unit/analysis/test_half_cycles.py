import pytest

from labctl.analysis.half_cycles import analyse_half_cycles
from labctl.plan.step import CellFigures

CELL = CellFigures("test", "full", area=2e-4, active_mass=1e-5, nominal=3.6, retention="discharge")


def test_steps_of_one_direction_are_one_whatever_lies_between(record, value):
    steps = [
        {"step_type": "discharge", "discharging_capacity_ah": 1e-3, "step_time_second": 3600.0, "last_voltage_volt": 3.2},
        {"step_type": "mark"},
        {"step_type": "discharge", "discharging_capacity_ah": 2e-3, "step_time_second": 7200.0, "last_voltage_volt": 3.0},
        {"step_type": "rest"},
        {"step_type": "charge", "charging_capacity_ah": 2e-3, "step_time_second": 3600.0, "last_voltage_volt": 4.0},
        {"step_type": "hold", "charging_capacity_ah": 1e-3, "step_time_second": 3600.0, "last_voltage_volt": 4.1, "complete": 0.0,
         "end_reason": "stop"},
    ]  # fmt: skip
    found = analyse_half_cycles(record([{"step_count": n, **step} for n, step in enumerate(steps, 1)], [], CELL), {})
    assert found.table["charge passed / mAh"] == pytest.approx((3.0, 3.0))
    assert found.table["mean current / mA"] == pytest.approx((-1.0, 1.5))
    assert value(found, "end voltage") == 4.1
    assert {each.unit: each.value for each in found.figures if each.name == "last discharge capacity"} == pytest.approx(
        {"mAh": 3.0, "mAh/g": 300.0, "uAh/cm2": 1500.0}
    )
    assert [flag.startswith("step 6 is counted as far as it went") for flag in found.flags] == [True]


def test_a_run_that_only_rested_has_none(record):
    assert analyse_half_cycles(record([{}], [], CELL), {}).flags == ("no charge and no discharge",)

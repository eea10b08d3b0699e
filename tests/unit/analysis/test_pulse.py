"""Pulse resistances against the analytic answer of a resistor in series with a resistor beside a capacitor."""

from dataclasses import replace

import numpy as np
import pytest

from labctl.analysis.pulse import analyse_dcir
from labctl.sample import Batch

OHMIC, TRANSFER, TAU, REST = 20.0, 30.0, 5.0, 3.7  # ohm, ohm, s, V


def circuit(time, current):
    return REST + current * (OHMIC + TRANSFER * (1 - np.exp(-time / TAU)))


def pulse(record, seconds, current, spacing=0.01, verb="discharge", options=None):
    time = np.arange(0, seconds + spacing / 2, spacing)
    samples = Batch(time, circuit(time, current), np.full(len(time), current))
    steps = [
        {"step_type": "rest", "last_voltage_volt": REST, "step_time_second": 3600.0},
        {"step_type": verb, "step_time_second": seconds, "first_record": 0, "last_record": len(time) - 1},
    ]
    return analyse_dcir(record(steps, [], samples=samples), options or {})


@pytest.mark.parametrize(("verb", "current"), [("discharge", -1e-3), ("charge", 2e-3)])
def test_tells_the_resistance_of_either_direction_at_every_delay(record, value, verb, current):
    found = pulse(record, 30.0, current, verb=verb)
    assert value(found, "median resistance at first row") == pytest.approx(OHMIC)
    for delay in (1.0, 10.0, 30.0):
        wanted = OHMIC + TRANSFER * (1 - np.exp(-delay / TAU))
        assert value(found, f"median resistance at {delay:g} s") == pytest.approx(wanted, rel=1e-5)
    assert found.flags == ()


def test_tells_the_net_charge_at_each_pulse(record):
    """Of a cell of 1 mAh, charged by half before the first pulse; the rows of another run count from an earlier one."""
    rows = Batch(np.arange(3.0), np.full(3, REST), np.full(3, 1e-3))
    rest, given = {"step_type": "rest", "last_voltage_volt": REST}, {"step_time_second": 2.0, "last_record": 2}
    steps = [
        {"step_type": "charge", "charging_capacity_ah": 5e-4, "step_time_second": 1800.0},
        rest, {"step_type": "discharge", "discharging_capacity_ah": 1e-4, **given},
        rest, {"step_type": "charge", "charging_capacity_ah": 1e-4, **given},
    ]  # fmt: skip
    found = analyse_dcir(record(steps, [], samples=rows), {}).table
    assert found["net charge / mAh"] == pytest.approx((0.5, 0.4))
    assert found["net charge / %"] == pytest.approx((50.0, 40.0))
    counted = replace(rows, charging_ah=np.full(3, 9e-4), discharging_ah=np.full(3, 2e-4))
    steps = [rest | {"last_record": 2}, steps[2]]
    assert analyse_dcir(record(steps, [], samples=counted), {}).table["net charge / %"] == pytest.approx((70.0,))


def test_tells_nothing_after_the_end_of_the_pulse(record):
    found = pulse(record, 10.0, -1e-3)
    assert np.isfinite(found.table["resistance at 10 s / ohm"][0])
    assert np.isnan(found.table["resistance at 30 s / ohm"][0])
    assert not any("30 s" in figure.name for figure in found.figures)


def test_rows_too_far_apart_are_said(record):
    assert "too far apart" in pulse(record, 30.0, -1e-3, spacing=2.0).flags[0]


def test_a_long_step_is_no_pulse(record):
    assert pulse(record, 61.0, -1e-3).flags[0].startswith("no pulse of at most 60 s after a rest: rest: 1 h")
    assert pulse(record, 61.0, -1e-3, options={"longest": "90.0"}).figures[0].value == 1.0


def test_tells_the_resistance_at_the_times_that_are_asked_for(record, value):
    found = pulse(record, 30.0, -1e-3, options={"at": "2,18"})
    for delay in (2.0, 18.0):
        wanted = OHMIC + TRANSFER * (1 - np.exp(-delay / TAU))
        assert value(found, f"median resistance at {delay:g} s") == pytest.approx(wanted, rel=1e-5)
    assert "resistance at 10 s / ohm" not in found.table


def test_pulses_with_no_rest_before_them_are_counted(record, value):
    time = np.arange(0, 10.005, 0.01)
    samples = Batch(time, circuit(time, -1e-3), np.full(len(time), -1e-3))
    drive = {"step_type": "discharge", "step_time_second": 10.0, "first_record": 0, "last_record": len(time) - 1}
    rest = {"step_type": "rest", "last_voltage_volt": REST, "step_time_second": 3600.0}
    long = drive | {"step_time_second": 1080.0}
    found = analyse_dcir(record([rest, drive, long, drive], [], samples=samples), {})
    assert value(found, "pulses") == 1
    assert "1 of 2 pulses left out: no rest stands before them" in found.flags

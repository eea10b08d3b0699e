"""Rests, leakage and self-discharge of cells whose truth is put in."""

import numpy as np
import pytest

from labctl.analysis.standing import analyse_leakage, analyse_open_circuit, analyse_self_discharge
from labctl.errors import ProtocolError
from labctl.plan.step import CellFigures
from labctl.protocol.analyses import read_options
from labctl.sample import Batch

CELL = CellFigures(
    "test", "full", area=1e-4, nominal=3.6, retention="discharge", efficiency="discharge/charge"
)  # 1 cm2, 1 mAh


def one_step(record, verb, hours, voltage, current):
    time = np.linspace(0.0, 3600.0 * hours, 2001)
    samples = Batch(time, voltage(time), current(time))
    step = {"step_count": 1, "step_type": verb, "step_time_second": time[-1], "last_record": 2000}
    return record([step], [], CELL, samples)


def test_the_drift_of_a_rest_is_its_slope_and_a_jump_is_told(record, value):
    def moving(time):
        return 3.7 - 2e-3 * time / 3600.0 - np.where(time > 4 * 3600.0, 0.02, 0.0)

    found = analyse_open_circuit(one_step(record, "rest", 10.0, moving, np.zeros_like), {})
    assert value(found, "drift") == pytest.approx(-2.0, rel=1e-6)  # mV/h
    assert value(found, "change over the rest") == pytest.approx(-40.0)
    assert found.flags == ("step 1: the voltage jumped by 20 mV after 4 h at rest",)


@pytest.mark.parametrize(
    ("hours", "tail", "words"), [(48.0, 2.0, []), (10.0, 0.5, ["hold for 20 h"]), (24.0, 8.0, ["still falls"])]
)
def test_what_remains_of_a_current_is_leakage_where_it_is_steady(record, value, hours, tail, words):
    def held(time):
        return 1e-7 + 1e-4 * np.exp(-time / 3600.0 / tail)

    found = analyse_leakage(one_step(record, "hold", hours, lambda time: np.full_like(time, 4.1), held), {})
    assert [word in flag for word, flag in zip(words, found.flags, strict=True)] == [True] * len(words)
    assert value(found, "time held") == pytest.approx(hours)
    if not words:
        assert value(found, "leakage current") == pytest.approx(0.1, rel=1e-6)  # uA
        assert value(found, "leakage current density") == pytest.approx(0.1, rel=1e-6)  # uA/cm2


def test_the_time_at_the_end_of_a_hold_that_is_averaged_may_be_given(record, value):
    """A current that falls from 10 uA to none in 10 h: 0.05 uA in the mean of its last 6 min, 5 of all."""

    def falling(time):
        return 1e-5 * (1.0 - time / 36000.0)

    run = one_step(record, "hold", 10.0, lambda time: np.full_like(time, 4.1), falling)
    assert value(analyse_leakage(run, {}), "leakage current") == pytest.approx(0.5)
    assert value(analyse_leakage(run, {"last": "360.0"}), "leakage current") == pytest.approx(0.05)
    whole = analyse_leakage(run, {"last": "72000.0"})
    assert value(whole, "leakage current") == pytest.approx(5.0)
    assert any("less than `last`" in flag for flag in whole.flags)
    assert not any("less than `last`" in flag for flag in analyse_leakage(run, {"last": "36000.0"}).flags)


def test_last_is_a_time_of_a_hold_and_a_number_of_cycles_of_a_rate():
    assert read_options("leakage", {"last": "1 h"}) == {"last": "3600.0"}
    assert read_options("rate", {"last": "5"}) == {"last": "5"}
    with pytest.raises(ProtocolError, match=r"unit\.bare"):
        read_options("leakage", {"last": "5"})


def stored(record, before, after, days=14.0, reference="true"):
    """Two cycles, the second with a rest before its discharge."""
    verbs = ["charge", "discharge", "charge", "rest", "discharge"]
    steps = [
        {"step_count": n, "step_type": verb, "cycle_count": 1 if n < 3 else 2, "step_time_second": days * 86400.0 if verb == "rest" else 3600.0,
         "first_voltage_volt": 4.10, "last_voltage_volt": 4.03}
        for n, verb in enumerate(verbs, 1)
    ]  # fmt: skip
    cycles = [
        {"cycle_count": n, "kind": kind, "charging_capacity_ah": 1e-3, "discharging_capacity_ah": charge}
        for n, kind, charge in ((1, reference, before), (2, "true", after))
    ]
    return analyse_self_discharge(record(steps, cycles, CELL), {})


def test_what_a_stored_cell_lost_is_told_whole_and_a_day(record, value):
    found = stored(record, 1.0e-3, 0.93e-3)
    assert value(found, "self-discharge") == pytest.approx(7.0)
    assert value(found, "self-discharge, daily") == pytest.approx(0.5)
    assert value(found, "capacity lost") == pytest.approx(70.0)  # uAh/cm2
    assert value(found, "voltage lost, daily") == pytest.approx(5.0)  # mV
    assert found.flags == ()


def test_a_cell_that_gives_more_after_storage_is_flagged(record):
    assert "more came out after storage" in stored(record, 1.0e-3, 1.01e-3).flags[0]


def test_storage_needs_a_cycle_without_and_a_rest(record):
    with pytest.raises(ValueError, match="after a rest of 1 h or more of the charged cell"):
        stored(record, 1e-3, 1e-3, days=0.01)


@pytest.mark.parametrize("owner", [2, 0])
def test_where_cycles_begin_with_the_discharge_storage_lies_before_one_or_between_two(record, value, owner):
    """Lithium-sulfur, zinc and sodium cells: what was stored was charged by the cycle before."""
    verbs = ["discharge", "charge", "rest", "discharge", "charge"]
    steps = [
        {"step_count": n, "step_type": verb, "cycle_count": (1, 1, owner, 2, 2)[n - 1], "step_time_second": 259200.0 if verb == "rest" else 3600.0,
         "first_voltage_volt": 2.40, "last_voltage_volt": 2.37}
        for n, verb in enumerate(verbs, 1)
    ]  # fmt: skip
    cycles = [
        {"cycle_count": n, "kind": "true", "charging_capacity_ah": 1e-3, "discharging_capacity_ah": charge}
        for n, charge in ((1, 1.0e-3), (2, 0.9e-3))
    ]
    found = analyse_self_discharge(record(steps, cycles, CELL), {})
    assert value(found, "self-discharge") == pytest.approx(10.0)
    assert value(found, "voltage lost, daily") == pytest.approx(10.0)
    assert found.flags == ()

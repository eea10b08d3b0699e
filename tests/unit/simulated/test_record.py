from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.driver import RecordRule
from labctl_drivers.simulated.record import Last, stretch


class Relaxation:
    """100 mV that settle within seconds, and a slow drift."""

    def __init__(self, end):
        self.end = end

    def rows(self, times):
        voltage = 3.0 + 0.1 * (1.0 - np.exp(-times / 2.0)) + 1e-5 * times
        one = np.ones_like(times)
        return SimpleNamespace(
            voltage=voltage, current=one, temperature=298.0 * one, charging=times, discharging=0.0 * one
        )


def recorded(end, rules, most=4096):
    last, times, voltages = None, [], []
    while True:
        found = stretch(Relaxation(end), 0.0, last, rules, most)
        times.extend(found.time.tolist())
        voltages.extend(found.voltage.tolist())
        if len(found):
            last = Last(times[-1], voltages[-1], 1.0)
        if found.complete:
            return np.array(times), np.array(voltages)


def test_rows_lie_at_multiples_and_at_both_ends():
    times, _ = recorded(35.0, [RecordRule(every=10.0)])
    assert times.tolist() == [0.0, 10.0, 20.0, 30.0, 35.0]


def test_a_step_of_no_length_is_one_row():
    assert recorded(0.0, [RecordRule(every=10.0, voltage=1e-3)])[0].tolist() == [0.0]
    assert recorded(0.0, [RecordRule(every=10.0)])[0].tolist() == [0.0]


def test_the_voltage_never_moves_much_more_than_asked():
    times, voltages = recorded(3605.0, [RecordRule(every=10.0, voltage=2e-3)])
    assert np.abs(np.diff(voltages)).max() < 2.2e-3
    assert np.diff(times).max() <= 10.0 + 1e-9
    assert np.isin(np.arange(0.0, 3601.0, 10.0), times).all()


def test_rules_follow_each_other_in_step_time():
    times, _ = recorded(60.0, [RecordRule(every=1.0, until=10.0), RecordRule(every=10.0)])
    assert times.tolist() == [*range(11), 20, 30, 40, 50, 60]


def test_a_rule_that_asks_nothing_writes_the_ends_and_is_seen_now_and_then():
    times, _ = recorded(10_000.0, [RecordRule()])
    assert times[0] == 0.0
    assert times[-1] == 10_000.0
    assert len(times) < 6


@given(most=st.integers(1, 50), every=st.floats(0.5, 100.0), end=st.floats(0.01, 2000.0))
def test_cutting_into_stretches_changes_no_row(most, every, end):
    rules = [RecordRule(every=every)]
    assert np.array_equal(recorded(end, rules, most)[0], recorded(end, rules)[0])


@given(most=st.integers(1, 50), end=st.floats(0.01, 500.0))
def test_times_rise_whatever_the_cutting(most, end):
    times, _ = recorded(end, [RecordRule(every=7.0, voltage=1e-3)], most)
    assert (np.diff(times) > 0).all()
    assert times[-1] == pytest.approx(end)

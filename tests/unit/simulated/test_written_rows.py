from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.driver import RecordRule
from labctl_drivers.simulated.energy import CountedEnergy, energies
from labctl_drivers.simulated.written_rows import LastWritten, stretch


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
            last = LastWritten(times[-1], voltages[-1], 1.0)
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


class Knee:
    """A slow voltage with a steep end, as of a discharge: bent within whatever grid it is looked at."""

    end = 3600.0

    def rows(self, times):
        voltage = 3.8 - 0.1 * times / 3600.0 - 0.8 * np.exp((times - 3600.0) / 40.0)
        one = np.ones_like(times)
        return SimpleNamespace(
            voltage=voltage, current=-one, temperature=298.0 * one, charging=0.0 * one, discharging=times
        )


def test_dv_rule_is_kept_where_the_voltage_is_bent():
    """Once up to 40 % more than the rule asked lay between two rows."""
    found = stretch(Knee(), 0.0, None, [RecordRule(every=3600.0, voltage=5e-3)], 4096)
    assert np.abs(np.diff(found.voltage)).max() <= 5e-3 * 1.02 + 1e-9
    assert (np.diff(found.time) > 0).all()
    assert len(found) < 1.5 * (0.9 / 5e-3)


@pytest.mark.parametrize("every", [1.0, 60.0, 600.0, 3600.0])
def test_energy_hangs_on_no_record_rule(every):
    counted, last, since = CountedEnergy(), None, 0.0
    while True:
        rows = stretch(Knee(), 0.0, last, [RecordRule(every=every)], 1000)
        put_in, taken_out = energies(Knee(), 0.0, rows, since, counted)
        assert not put_in.any()
        last, since = LastWritten(rows.time[-1], rows.voltage[-1], -1.0), rows.time[-1]
        counted = CountedEnergy(rows.charging[-1], rows.discharging[-1], put_in[-1], taken_out[-1])
        if rows.complete:
            break
    exact = 3.8 * 3600.0 - 0.05 * 3600.0 - 0.8 * 40.0 * (1.0 - np.exp(-90.0))
    assert counted.taken_out == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("every", [1.0, 10.0, 30.0])
def test_energy_of_a_pulse_with_its_transient(every):
    """100 mV that settle within seconds at the begin of half a minute."""
    rows = stretch(Relaxation(30.0), 0.0, None, [RecordRule(every=every)], 1000)
    put_in, _ = energies(Relaxation(30.0), 0.0, rows, 0.0, CountedEnergy())
    exact = 3.1 * 30.0 - 0.1 * 2.0 * (1.0 - np.exp(-15.0)) + 0.5e-5 * 900.0
    assert put_in[-1] == pytest.approx(exact, rel=1e-4)

"""The capacitor of a datasheet: what it gives and takes, its resistance, what leaks, where it begins."""

import numpy as np
import pytest

from labctl_simulators.assembly.review import Wanted, held_by, review_cell
from labctl_simulators.cell.drive import AtOpenCircuit, Current, Stop, Voltage
from labctl_simulators.models import load_model

FARADS, OHM, LEAKING = 350.0, 3.2e-3, 0.30e-3  # datasheet 1017105.4 of Maxwell Technologies, BCAP0350


@pytest.fixture(scope="module")
def cell():
    return load_model("bcap0350")


def test_a_constant_current_tells_capacitance_and_resistance(cell):
    charge = cell.segment(cell.initial(), Current(35.0), 100.0, [Stop("voltage", True, 2.7, 1)])
    rows = charge.rows(np.array([1e-3, 1.0, charge.end]))
    assert charge.stop == 1
    assert rows.voltage[0] == pytest.approx(35.0 * OHM, rel=0.01)
    assert 35.0 * (rows.time[2] - rows.time[1]) / (rows.voltage[2] - rows.voltage[1]) == pytest.approx(FARADS, rel=1e-3)


def test_a_hold_leaks_and_a_rest_falls_with_the_time_constant_of_both(cell):
    held = cell.segment(cell.initial(soc=1.0), Voltage(2.7), 72 * 3600.0)
    assert held.rows(np.array([held.end])).current[0] == pytest.approx(LEAKING, rel=1e-3)
    day = 86400.0
    rest = cell.segment(held.state(held.end), AtOpenCircuit(), day)
    assert rest.rows(np.array([day])).voltage[0] == pytest.approx(2.7 * np.exp(-day * LEAKING / 2.7 / FARADS), rel=1e-3)


def test_its_spectrum_is_that_of_a_resistance_and_a_capacitance(cell):
    (found,) = cell.impedance(cell.initial(), [0.1])
    assert found == pytest.approx(OHM + 1.0 / (2j * np.pi * 0.1 * FARADS), rel=1e-3)


def test_it_begins_at_a_state_of_charge_within_its_window(cell):
    assert cell.voltage(cell.initial()) == 0.0
    assert cell.voltage(cell.initial(soc=0.5)) == pytest.approx(1.35)
    assert cell.charge_at(2.0) == pytest.approx(2.0 / 2.7)
    assert held_by(cell) == pytest.approx(FARADS * 2.7)


def test_it_is_held_against_the_cell_file():
    assert not review_cell(Wanted("bcap0350", kind="capacitor", nominal=945.0, begin=(None, 2.0, None)))
    (remark,) = review_cell(Wanted("bcap0350", kind="capacitor", nominal=94.5))
    assert remark.warning
    assert [one.key for one in review_cell(Wanted("bcap0350", kind="blocking"))] == ["model"]
    assert [one.key for one in review_cell(Wanted("phl-blocking", kind="capacitor"))] == ["model"]
    assert [one.key for one in review_cell(Wanted("bcap0350", begin=(None, None, 100.0)))] == ["state"]

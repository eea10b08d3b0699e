"""Blocking cells: spectra against closed forms, leakage, temperature, bend."""

from dataclasses import replace

import numpy as np
import pytest

from labctl_simulators.cell import AtOpenCircuit, CellModel, Current, Voltage
from labctl_simulators.cell.chemistry.arrhenius import Arrhenius
from labctl_simulators.cell.chemistry.bend import BendResponse
from labctl_simulators.cell.chemistry.blocking import (
    Blocking,
    BlockingParameters,
    Boundary,
    constant_phase,
    depressed_arc,
)

PLAIN = BlockingParameters(
    name="plain",
    area=1e-4,
    thickness=5e-5,
    conductivity=Arrhenius((0.05,), activation=2e4),
    contact=0.2,
    electronic=Arrhenius((1e-7,)),
    boundary=Boundary(Arrhenius((2e-3,), activation=-4e4), 2 * np.pi * 1e3, 0.85),
)


def made(**changes) -> CellModel:
    return CellModel(Blocking(replace(PLAIN, **changes)))


@pytest.mark.parametrize("alpha", [0.5, 0.63, 0.8, 0.9, 0.97, 0.999999, 1.0 - 2.0**-53, 1.0])
def test_constant_phase_element_is_one(alpha):
    s = 2j * np.pi * np.geomspace(1e-4, 1e7, 300)
    error = np.abs(constant_phase(alpha).transfer(s) * s**alpha - 1.0)
    assert error.max() < 1e-3


@pytest.mark.parametrize("alpha", [0.5, 0.63, 0.8, 0.9, 0.97, 0.999999, 1.0 - 2.0**-53, 1.0])
def test_depressed_arc_is_one(alpha):
    s = 1j * np.geomspace(1e-8, 1e8, 300)
    error = np.abs(depressed_arc(alpha).transfer(s) - 1.0 / (1.0 + s**alpha))
    assert error.max() < 2e-3
    assert depressed_arc(alpha).transfer(np.array([1e-12 + 0j]))[0].real == pytest.approx(1.0, abs=1e-4)


def test_poles_are_passive():
    for poles in (constant_phase(0.9), depressed_arc(0.7)):
        assert poles.rate.min() > 0.0
        assert poles.residue.min() > 0.0
        assert poles.feed >= 0.0


def test_direct_current_is_electronic_only():
    segment = made().segment(made().initial(), Voltage(0.4), 36000.0)
    assert segment.rows([36000.0]).current[0] == pytest.approx(0.4 * 1e-7 * 1e-4 / 5e-5, rel=0.01)
    blocked = made(electronic=None)
    late = blocked.segment(blocked.initial(), Voltage(0.4), 36000.0).rows([36000.0]).current[0]
    assert 0.0 < late < 2e-9


def test_charge_on_the_plates_leaks_away():
    cell = made()
    charged = cell.segment(cell.initial(), Current(1e-6), 10.0)
    top = float(charged.rows([10.0]).voltage[0])
    resting = cell.segment(charged.state(10.0), AtOpenCircuit(), 3600.0).rows([1.0, 3600.0]).voltage
    assert 0.0 < resting[1] < resting[0] < top


def test_arcs_lie_where_the_numbers_say():
    cell = made(electronic=None)
    impedance = cell.impedance(cell.initial(), np.array([1e6, 1e3, 1.0])) / 1.0
    bulk, boundary = 5e-5 / 0.05 / 1e-4, 2e-3 / 1e-4
    assert impedance[0].real == pytest.approx(bulk + 0.1, rel=0.03)
    middle = boundary / (1.0 + 1j**0.85) + bulk + 0.1 + (2j * np.pi * 1e3) ** -0.9 / 0.2e-4
    assert impedance[1] == pytest.approx(middle, rel=1e-4)
    assert impedance[2].real > bulk + boundary


def test_temperature_moves_bulk_and_boundary_apart():
    cell = made()
    state = cell.initial()
    warm = state.at(temperature=330.0)
    assert cell.impedance(warm, np.array([1e6]))[0].real < cell.impedance(state, np.array([1e6]))[0].real
    continued = cell.segment(
        cell.segment(state, Current(1e-7), 5.0).state(5.0).at(temperature=330.0), AtOpenCircuit(), 1.0
    )
    assert np.all(np.isfinite(continued.rows([0.0, 1.0]).voltage))


def test_bend_takes_area_and_adds_contact():
    cell = made(bend=BendResponse(most=180.0, contact=4.0, area=0.2), boundary=None)
    state = cell.initial()
    flat, bent = (cell.impedance(at, np.array([1e5]))[0].real for at in (state, state.at(angle=180.0)))
    assert bent == pytest.approx((flat - 0.1) / 0.8 + 0.1 + 4.0, rel=1e-4)
    with pytest.raises(ValueError, match="bend angle"):
        cell.segment(state.at(angle=181.0), AtOpenCircuit(), 1.0)


def test_cells_of_a_batch_at_their_own_temperatures_agree_with_segments():
    cell = made(electronic=None)
    states = [cell.initial().at(temperature=kelvin) for kelvin in (290.0, 300.0, 320.0)]
    batch = cell.batch(states)
    for _ in range(5):
        batch.step(1e-6, 2.0)
    exact = [float(cell.segment(state, Current(1e-6), 10.0).rows([10.0]).voltage[0]) for state in states]
    assert batch.voltage.tolist() == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: replace(PLAIN, leads=0.0), "leads above 0"),
        (lambda: replace(PLAIN, alpha=0.3), "exponent"),
        (lambda: Boundary(Arrhenius((1.0,)), 0.0), "frequency above 0"),
        (lambda: Boundary(Arrhenius((1.0,)), 1.0, 1.2), "exponent"),
        (lambda: made().segment(made().initial().at(temperature=200.0), AtOpenCircuit(), 1.0), "temperature in"),
        (lambda: made().initial(soc=2.0), "state of charge"),
    ],
)
def test_numbers_outside_their_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()

"""The diffusion coefficient against the analytic solution of planar diffusion with an impermeable back."""

import numpy as np
import pytest

from labctl.analysis.gitt import analyse_gitt
from labctl.plan.step import CellFigures
from labctl.sample import Batch

LENGTH, D, CHARGE, SLOPE, OHMIC = 300e-9, 1e-16, 3.6, 0.4, 20.0  # m, m2/s, C, V per unit of stoichiometry, ohm
TAU = LENGTH**2 / D
MODES = np.arange(1, 400) ** 2 * np.pi**2


def surface(time: np.ndarray, current: float) -> np.ndarray:
    """Surface stoichiometry after `time` of constant flux from a uniform film (Carslaw and Jaeger, 3.8)."""
    t = np.clip(time, 0, None)[:, None] / TAU
    transient = 1 / 3 - 2 * (np.exp(-MODES * t) / MODES).sum(axis=1)
    return np.where(time > 0, current / CHARGE * (np.clip(time, 0, None) + TAU * transient), 0.0)


def titration(record, pulse: float, current: float = 1e-3):
    """One pulse between two rests, rows dense in the pulse."""
    first = np.linspace(-100, 0, 11)
    during = np.concatenate([[0.0], np.geomspace(pulse * 1e-4, pulse, 400)])
    after = pulse + np.linspace(0, 30 * TAU, 300)
    time = np.concatenate([first, during, after])
    level = surface(time, current) - surface(time - pulse, current)
    on = np.concatenate([np.zeros(11), np.full(401, current), np.zeros(300)])
    samples = Batch(time, 3.5 + SLOPE * level + OHMIC * on, on)
    steps = [
        {"step_type": "rest", "last_voltage_volt": 3.5, "first_record": 0, "last_record": 10},
        {"step_type": "charge", "first_record": 11, "last_record": 411},
        {"step_type": "rest", "last_voltage_volt": samples.voltage[-1], "first_record": 412, "last_record": 711},
    ]
    cell = CellFigures("film", "half_cathode", film_thickness=LENGTH, retention="discharge")
    return analyse_gitt(record(steps, [], cell, samples), {})


@pytest.mark.parametrize(("part", "tolerance"), [(0.01, 0.01), (0.1, 0.02), (1.0, 0.05)])
def test_recovers_the_diffusion_coefficient(record, part, tolerance):
    found = titration(record, part * TAU)
    assert found.table["D / cm2/s"][0] == pytest.approx(1e4 * D, rel=tolerance)


def test_tells_the_ohmic_resistance(record):
    assert titration(record, 0.01 * TAU).table["resistance / ohm"][0] == pytest.approx(OHMIC, rel=0.02)


def test_flags_a_voltage_that_is_bent_against_the_square_root_of_time(record):
    time = np.linspace(0.0, 600.0, 601)
    samples = Batch(
        np.concatenate([[-1.0, 0.0], time, 600.0 + time]),
        np.concatenate([[2.6, 2.6], 2.6 + 1e-3 + 1e-6 * time**2, np.full(601, 2.96)]),
        np.concatenate([[0.0, 0.0], np.full(601, 1e-3), np.zeros(601)]),
    )
    steps = [
        {"step_type": "rest", "last_voltage_volt": 2.6, "first_record": 0, "last_record": 1},
        {"step_type": "charge", "first_record": 2, "last_record": 602},
        {"step_type": "rest", "last_voltage_volt": 2.96, "first_record": 603, "last_record": 1203},
    ]
    cell = CellFigures("film", "half_cathode", film_thickness=LENGTH, retention="discharge")
    found = analyse_gitt(record(steps, [], cell, samples), {})
    assert "not linear" in found.table["flags"][0]
    assert found.table["resistance / ohm"][0] == pytest.approx(1.0)


def test_flags_a_pulse_that_is_long_against_diffusion(record):
    assert "long pulse" in titration(record, 1.0 * TAU).table["flags"][0]
    assert titration(record, 0.01 * TAU).table["flags"][0] == ""


def test_says_that_a_length_is_needed(record):
    steps = [{"step_type": "rest"}]
    assert analyse_gitt(record(steps, []), {}).flags[0].startswith("no pulse between two rests: ")

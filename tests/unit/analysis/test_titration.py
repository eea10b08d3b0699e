"""Diffusion coefficients of steps of voltage and of pauses against the analytic answers of a film."""

import numpy as np
import pytest

from labctl.analysis.titration import analyse_interruption, analyse_pitt
from labctl.plan.step import CellFigures
from labctl.sample import Batch
from tests.unit.analysis.test_gitt import LENGTH, OHMIC, SLOPE, TAU, D, surface

FILM = CellFigures("film", "half_cathode", film_thickness=LENGTH, retention="discharge")
BARE = CellFigures("no film", "half_cathode", retention="discharge")
ODD = (np.arange(400) + 0.5) ** 2 * np.pi**2


def steps_of_voltage(record, cell=FILM, *, rows=400, noise=0.0, options=None):
    """Two steps of voltage on a film with a closed back (Wen et al., eq. 8), each until next to nothing flows."""
    time = np.concatenate([[0.0], np.geomspace(1e-3 * TAU, 2.0 * TAU, rows)])
    current = 1e-3 * np.exp(-ODD * np.maximum(time, 1e-4 * TAU)[:, None] / TAU).sum(axis=1)
    current *= 1.0 + noise * np.random.default_rng(1).standard_normal(len(time))
    count = len(time)
    samples = Batch(
        np.concatenate([time, time[-1] + time]), np.repeat([3.5, 3.52], count), np.concatenate([current, current])
    )
    steps = [
        {"step_count": n + 1, "step_type": "hold", "first_record": n * count, "last_record": (n + 1) * count - 1}
        for n in range(2)
    ]
    return analyse_pitt(record(steps, [], cell, samples), options or {})


def test_a_step_of_voltage_tells_the_diffusion_coefficient(record, value):
    found = steps_of_voltage(record)
    assert value(found, "median diffusion coefficient") == pytest.approx(1e4 * D, rel=0.03)
    assert found.flags == ()


def test_without_a_length_there_is_a_time_and_a_flag(record, value):
    found = steps_of_voltage(record, BARE)
    assert value(found, "median decay time") == pytest.approx(4 * TAU / np.pi**2, rel=0.03)
    assert "no length" in found.flags[0]
    assert not any("diffusion" in each.name for each in found.figures)
    assert value(steps_of_voltage(record, BARE, options={"length": repr(LENGTH)}), "median diffusion coefficient") > 0


def test_a_current_that_is_no_exponential_is_flagged(record):
    assert any("is bent" in flag for flag in steps_of_voltage(record, noise=0.5).flags)
    assert any("fewer than 10 rows" in flag for flag in steps_of_voltage(record, rows=12).flags)


def interrupted(record, *, pauses=4, noise=0.0, on=600.0, off=10.0):
    """A constant current with pauses, by superposition of its steps; the film's back is closed."""
    current, times, volts, amps, steps = 1e-3, [], [], [], []
    switches = []
    for n in range(pauses):
        begin = n * (on + off)
        switches += [(begin, current), (begin + on, -current)]
        for verb, time, flows in (
            ("charge", begin + np.linspace(0.0, on, 20), current),
            ("rest", begin + on + np.arange(0.0, off + 0.01, 0.1), 0.0),
        ):
            level = sum(surface(time - at, step) for at, step in switches)
            first = sum(map(len, times))
            steps.append(
                {"step_count": len(steps) + 1, "step_type": verb, "first_record": first, "last_record": first + len(time) - 1,
                 "step_time_second": time[-1] - time[0]}
            )  # fmt: skip
            times.append(time)
            volts.append(3.5 + SLOPE * level + OHMIC * flows)
            amps.append(np.full(len(time), flows))
    voltage = np.concatenate(volts)
    voltage = voltage + noise * np.random.default_rng(2).standard_normal(len(voltage))
    samples = Batch(np.concatenate(times), voltage, np.concatenate(amps))
    return analyse_interruption(record(steps, [], FILM, samples), {})


def test_a_pause_tells_resistance_and_diffusion_coefficient(record, value):
    found = interrupted(record)
    assert value(found, "median resistance, charge") == pytest.approx(OHMIC, rel=0.02)
    assert value(found, "median diffusion coefficient, charge") == pytest.approx(1e4 * D, rel=0.05)
    assert found.flags == ()


def test_noise_leaves_the_resistance_and_takes_the_diffusion_coefficient(record, value):
    found = interrupted(record, noise=2e-3)
    assert value(found, "median resistance, charge") == pytest.approx(OHMIC, rel=0.2)
    assert any("not known to 25 %, nor is D; the resistance is" in flag for flag in found.flags)


def test_two_pauses_are_too_few(record):
    with pytest.raises(ValueError, match="three pauses"):
        interrupted(record, pauses=2)

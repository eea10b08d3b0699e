"""The answer in time to a sine is the impedance, for every chemistry of this folder."""

import numpy as np
import pytest

from labctl_simulators.models import load_model

STEPS = 2400  # a period: a staircase, sampled in the middle of its steps


@pytest.mark.parametrize("frequency", [1e-3, 1e-2, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("name", ["phlt-symmetric", "na-bare", "phlt-blocking", "pvhlp-blocking"])
def test_sine_in_time_gives_the_impedance(name, frequency):
    cell = load_model(name)
    state = cell.initial()
    stepper = cell.stepper(state)
    amplitude, dt, periods = 1e-9, 1.0 / frequency / STEPS, 6
    voltage = []
    for k in range(periods * STEPS):
        current = amplitude * np.sin(2 * np.pi * (k + 0.5) / STEPS)
        voltage.append(stepper.step(float(current), dt / 2))
        stepper.step(float(current), dt / 2)
    phase = 2 * np.pi * (np.arange(periods * STEPS) + 0.5) / STEPS
    late = slice(2 * STEPS, None)
    drift = np.linspace(-1.0, 1.0, periods * STEPS)
    slow = np.polynomial.chebyshev.chebvander(drift, 6)  # what the start leaves behind
    basis = np.column_stack([np.sin(phase), np.cos(phase), slow])[late]
    found = np.linalg.lstsq(basis, np.array(voltage)[late], rcond=None)[0] / amplitude
    expected = cell.impedance(state, np.array([frequency]))[0]
    assert abs(found[0] + 1j * found[1] - expected) / abs(expected) < 1e-3

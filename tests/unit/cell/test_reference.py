"""Held against stored curves of PyBaMM's single-particle model, 300 shells, tolerances 1e-8 (benchmarks/reference)."""

import numpy as np
import pytest

from benchmarks.reference.comparison import NOMINAL, RATES, curves, cycle, discharge, pulses, with_salt
from labctl_simulators.models import load_model


@pytest.mark.parametrize(("name", "rate"), [(name, rate) for name, rates in RATES.items() for rate in rates])
def test_constant_current_within_a_tenth_of_a_millivolt(name, rate):
    compared = discharge(load_model(name), name, rate)
    assert len(compared.times) > 0.9 * len(curves()[f"{name}_spm_{rate}_time"])
    assert compared.largest < 1e-4
    assert abs(compared.end - compared.reference_end) < 0.05


def test_pulses_within_a_tenth_of_a_millivolt():
    assert pulses(load_model("marquis2019")).largest < 1e-4


def test_a_cycle_with_a_held_voltage():
    nominal = NOMINAL["marquis2019"]
    for index, part in enumerate(cycle(load_model("marquis2019"))):
        margin = 0.05 if index < 2 else 1e-3 * part.reference_end
        assert part.end == pytest.approx(part.reference_end, abs=margin)
        assert part.largest < 1e-4
        current = curves()[f"marquis2019_cycle_{index}_current"][1 : 1 + len(part.current)]
        assert np.abs(part.current - current).max() < 2e-3 * nominal


@pytest.mark.parametrize(("rate", "rms"), [(0.1, 1e-4), (1.0, 0.5e-3), (2.0, 1.5e-3), (3.0, 2.5e-3)])
def test_electrolyte_modes_follow_the_model_with_electrolyte(rate, rms):
    assert discharge(with_salt(), "marquis2019", rate, "spme").rms < rms

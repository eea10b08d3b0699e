from fractions import Fraction
from math import factorial

import numpy as np
import pytest

from labctl_simulators.cell.solve.element import DEGREE, moments, response
from labctl_simulators.models import load_model


def exact(y, k):
    """The moment's power series in rational numbers: all digits of what floats lose."""
    y = Fraction(y)
    return float(sum((-y) ** j * Fraction(factorial(k), factorial(k + 1 + j)) for j in range(int(6 * y) + 60)))


@pytest.mark.parametrize("y", [0.0, 1e-12, 1e-3, 0.3, 1.0, 1.9, 2.0, 2.1, 5.0, 11.0, 30.0, 44.9, 45.1, 80.0])
def test_moments_are_those_of_exact_arithmetic(y):
    found = moments(np.array([y]), DEGREE + 1)[:, 0]
    assert found.tolist() == pytest.approx([exact(y, k) for k in range(DEGREE + 1)], rel=3e-13)


def test_moments_of_a_very_fast_pole_are_its_lag():
    assert moments(np.array([1e9]), 2)[:, 0].tolist() == pytest.approx([1e-9, 1e-9], rel=1e-8)


def test_a_constant_current_leaves_what_a_pole_holds():
    memory = load_model("marquis2019").physics(load_model("marquis2019").initial()).memory
    decay, left = response(memory, 30.0, np.array([30.0, *[0.0] * DEGREE]))
    assert decay == pytest.approx(np.exp(-memory.rate * 30.0), abs=1e-19)
    assert left == pytest.approx(-np.expm1(-memory.rate * 30.0) / memory.rate, rel=1e-14)

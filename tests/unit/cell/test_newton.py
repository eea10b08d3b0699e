import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl_simulators.cell.solve.newton import derivative, inverted, newton


def problem(size, bend, seed):
    chance = np.random.default_rng(seed)
    matrix = np.eye(size) + 0.3 * chance.standard_normal((size, size)) / size
    wanted = chance.uniform(-1.0, 1.0, size)

    def residual(x):
        return matrix @ (x + bend * x**3) - matrix @ (wanted + bend * wanted**3)

    def matrix_at(x):
        return matrix * (1.0 + 3.0 * bend * x**2)

    return residual, matrix_at, wanted


@given(size=st.integers(1, 12), bend=st.floats(0.0, 0.5), seed=st.integers(0, 10**6))
def test_values_are_found_and_their_inverse_serves_the_next_like_problem(size, bend, seed):
    residual, matrix_at, wanted = problem(size, bend, seed)
    values, inverse = newton(residual, matrix_at, np.zeros(size), None, 1e-12)
    assert values == pytest.approx(wanted, abs=1e-10)
    asked = []
    again, _ = newton(residual, lambda x: asked.append(x) or matrix_at(x), values + 1e-6, inverse, 1e-12)
    assert again == pytest.approx(wanted, abs=1e-10)
    assert len(asked) <= 1


def test_there_is_no_answer_outside_the_range_from_a_matrix_without_inverse_or_without_a_root():
    residual, matrix_at, _ = problem(3, 0.1, 1)
    assert newton(lambda _: None, matrix_at, np.zeros(3), None, 1e-12) is None
    assert newton(residual, lambda _: np.zeros((3, 3)), np.zeros(3), None, 1e-12) is None
    assert newton(lambda x: x * np.nan, matrix_at, np.zeros(3), None, 1e-12) is None
    assert newton(lambda x: x**2 + 1.0, lambda x: np.diag(2.0 * x), np.ones(2), None, 1e-12) is None
    assert inverted(np.zeros((2, 2))) is None


def test_a_derivative_adds_up_rows_and_what_is_direct():
    slope, answer, direct = np.array([[1.0, 2.0], [3.0, 4.0]]), np.arange(8.0).reshape(2, 2, 2), np.array([0.5, 0.25])
    expected = (slope[:, :, None] * answer).sum(axis=0) + np.diag(direct)
    assert derivative(slope, answer, direct).tolist() == expected.tolist()

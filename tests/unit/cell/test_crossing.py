import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl_simulators.cell.solve.crossing import inverse, polished, root

shapes = st.sampled_from(
    [
        lambda x: x + 0.2 * x**3,
        lambda x: math.expm1(2.0 * x),
        lambda x: math.asinh(40.0 * x),
        math.tanh,
        lambda x: x + 0.05 * math.sin(9.0 * x),
    ]
)


def counted(function):
    seen = []

    def asked(x):
        seen.append(x)
        return function(x)

    return asked, seen


@given(shape=shapes, where=st.floats(0.05, 0.95), scale=st.floats(1e-3, 5.0), falling=st.booleans())
def test_a_crossing_is_found_to_rounding(shape, where, scale, falling):
    def function(x):
        return (-scale if falling else scale) * shape(x - where)

    asked, seen = counted(function)
    found = root(asked, 0.0, 1.0, function(0.0), function(1.0))
    assert abs(function(found)) <= 1e-12 * max(1.0, scale)
    assert len(seen) < 30


@given(shape=shapes, where=st.floats(0.05, 0.95), off=st.floats(-1e-3, 1e-3), steep=st.floats(0.7, 1.4))
def test_a_close_guess_is_polished_to_the_same_place(shape, where, off, steep):
    def function(x):
        return shape(x - where)

    slope = steep * (function(where + 1e-7) - function(where - 1e-7)) / 2e-7
    asked, seen = counted(function)
    found = polished(asked, where + off, slope, 0.0, 1.0)
    assert found is not None
    assert found[0] == pytest.approx(where, abs=1e-12)
    assert len(seen) <= 7
    assert abs(function(root(function, 0.0, 1.0, function(0.0), function(1.0)))) < 1e-12


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: x - 0.5, -1.0),  # away from it
        (lambda x: math.atan(40.0 * (x - 0.5)), 1e-3),  # out of the bracket
        (lambda x: math.copysign(math.sqrt(abs(x - 0.5)), x - 0.5), 1.0),  # to and fro
    ],
)
def test_a_guess_that_leads_nowhere_is_given_up(function, slope):
    assert polished(function, 0.7, slope, 0.0, 1.0) is None


def test_inverse_interpolation_is_exact_for_what_it_stands_for():
    def time(value):
        return 2.0 + 3.0 * value + 0.1 * value**2 - 0.01 * value**3

    values = [-0.4, -0.1, 0.3, 0.9]
    assert inverse([time(value) for value in values], values) == pytest.approx(2.0, rel=1e-14)
    assert math.isnan(inverse([0.0, 1.0, 2.0], [-1.0, 1.0, 0.5]))
    assert math.isnan(inverse([0.0], [1.0]))

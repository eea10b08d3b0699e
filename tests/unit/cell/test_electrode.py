import numpy as np
import pytest

from labctl_simulators.cell.chemistry.electrode import Arc, Electrode, Metal, constant_diffusivity
from labctl_simulators.cell.chemistry.ocp import from_function, from_table, from_terms


@pytest.mark.parametrize("diffusivity", [lambda x: 1e-14, [1e-14, 2e-14], "1e-14", True])
def test_a_diffusivity_that_is_no_number_is_refused(diffusivity):
    with pytest.raises(ValueError, match="wanted one number for the diffusivity"):
        constant_diffusivity(diffusivity)


@pytest.mark.parametrize("diffusivity", [0.0, -1e-14, float("nan"), float("inf")])
def test_a_diffusivity_outside_its_range_is_refused(diffusivity):
    with pytest.raises(ValueError, match="above 0"):
        constant_diffusivity(diffusivity)


def test_electrodes_out_of_range_are_refused():
    flat = from_terms(1.0, -0.1)
    with pytest.raises(ValueError, match="capacity"):
        Electrode("film", -1.0, 1.0, 1.0, flat, 0.1, 0.9)
    with pytest.raises(ValueError, match="stoichiometry"):
        Electrode("film", 1.0, 1.0, 1.0, flat, 0.0, 0.9)
    with pytest.raises(ValueError, match="exchange"):
        Metal(0.0)
    with pytest.raises(ValueError, match="resistance"):
        Arc(0.0, 1.0)


def test_terms_are_tabulated_to_a_tenth_of_a_microvolt():
    steps = ((-0.0147, 0.5, 0.034), (-0.02167, 0.494, 0.0056))
    potential = from_terms(0.194, -0.2, ((1.5, -120.0),), steps)
    x = np.linspace(0.001, 0.999, 20011)
    exact = 0.194 - 0.2 * x + 1.5 * np.exp(-120.0 * x) + sum(a * np.tanh((x - c) / w) for a, c, w in steps)
    assert np.abs(potential(x) - exact).max() < 1e-7


def test_the_slope_of_a_table_is_continuous():
    c = from_terms(1.0, -0.2, (), ((0.03, 0.5, 0.01),)).coefficients
    assert np.abs(c[:-1, 1] + 2.0 * c[:-1, 2] - c[1:, 1]).max() < 1e-12
    assert np.abs(c[:-1].sum(axis=1) - c[1:, 0]).max() < 1e-12


def test_points_are_met_and_stay_monotone():
    x, u = (0.0, 0.1, 0.5, 0.9, 1.0), (3.6, 3.45, 3.42, 3.40, 2.8)
    potential = from_table(x, u)
    assert np.allclose(potential(np.array(x[1:-1])), u[1:-1], atol=1e-5)
    assert np.all(np.diff(potential(np.linspace(0.01, 0.99, 5000))) <= 1e-9)


def test_tables_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="ascending"):
        from_table((0.0, 0.0), (1.0, 2.0))
    with pytest.raises(ValueError, match="finite"):
        from_function(lambda x: np.full_like(x, np.nan))


def test_the_wall_is_met_by_every_limit():
    potential = from_terms(3.0)
    assert potential(np.array([1e-9]))[0] > 20.0
    assert potential(np.array([1.0 - 1e-9]))[0] < -15.0

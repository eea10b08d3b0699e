import numpy as np
import pytest

from labctl_simulators.cell.chemistry import pole_fit, poles, transfer

EXACT = {"sphere": transfer.sphere, "film": transfer.film, "open_end": transfer.open_end}
GAIN = {"sphere": 1 / 5, "film": 1 / 3, "open_end": 1.0}
ERROR = {"sphere": 4e-4, "film": 6e-4, "open_end": 9e-4}


@pytest.mark.parametrize("kind", EXACT)
def test_diffusion_tables_follow_the_exact_transfer_function(kind):
    s = 1j * np.geomspace(1e-4, 1e6, 3000)
    assert np.abs(poles.diffusion(kind).transfer(s) / EXACT[kind](s) - 1.0).max() < ERROR[kind]


@pytest.mark.parametrize("kind", EXACT)
def test_diffusion_tables_keep_the_gain_at_rest_exactly_and_are_passive(kind):
    table = poles.diffusion(kind)
    assert np.sum(table.residue / table.rate) + table.feed == pytest.approx(GAIN[kind], rel=1e-11)
    assert (table.residue > 0.0).all()
    assert (table.rate > 0.0).all()
    assert table.feed > 0.0


@pytest.mark.parametrize("kind", EXACT)
def test_the_script_makes_the_shipped_diffusion_tables(kind):
    rate, residue, feed = pole_fit.fit_diffusion(kind, 12, 1e6)
    table = poles.diffusion(kind)
    s = 1j * np.geomspace(1e-2, 1e6, 500)
    made = poles.Poles(rate, residue, feed, table.integrator)
    assert np.abs(made.transfer(s) / table.transfer(s) - 1.0).max() < 1e-5


@pytest.mark.parametrize("alpha", [0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
def test_distributed_elements_follow_the_exact_impedance_over_ten_decades(alpha):
    s = 1j * np.geomspace(1e-5, 1e5, 999)
    assert np.abs(poles.zarc(alpha).transfer(s) / transfer.zarc(s, alpha) - 1.0).max() < 4e-3
    assert np.abs(poles.zarc(alpha).transfer(s) - transfer.zarc(s, alpha)).max() < 6e-4
    assert np.abs(poles.cpe(alpha).transfer(s) / transfer.cpe(s, alpha) - 1.0).max() < 2e-3


def test_an_exponent_between_the_tables_is_fitted():
    s = 1j * np.geomspace(1e-5, 1e5, 299)
    assert np.abs(poles.zarc(0.83).transfer(s) / transfer.zarc(s, 0.83) - 1.0).max() < 2e-3


def test_exponent_one_is_exact():
    s = 1j * np.geomspace(1e-3, 1e3, 9)
    assert np.allclose(poles.zarc(1.0).transfer(s), 1.0 / (1.0 + s), rtol=1e-14)
    assert np.allclose(poles.cpe(1.0).transfer(s), 1.0 / s, rtol=1e-14)


@pytest.mark.parametrize("alpha", [0.49, 1.01, float("nan")])
def test_an_exponent_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match="exponent"):
        poles.zarc(alpha)


def test_exact_functions_agree_with_their_series_at_small_s():
    for exact, integrator, gain in (
        (transfer.sphere, 3.0, 0.2),
        (transfer.film, 1.0, 1 / 3),
        (transfer.open_end, 0, 1),
    ):
        s = np.array([1e-5j, 9e-3j, 1.1e-2j])
        assert np.allclose(exact(s) - integrator / s, gain, atol=1e-2)
        assert np.all(np.isfinite(exact(np.array([1e12j]))))

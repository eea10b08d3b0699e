import numpy as np

from labctl_drivers.simulated.noise import normal, quantised


def test_noise_depends_on_the_row_alone_and_not_on_how_rows_are_read():
    whole = normal(3, 1, 100, 50)
    assert np.array_equal(whole, np.concatenate([normal(3, 1, 100, 20), normal(3, 1, 120, 30)]))
    assert not np.array_equal(whole, normal(4, 1, 100, 50))
    assert not np.array_equal(whole, normal(3, 2, 100, 50))


def test_noise_is_normal():
    noise = normal(0, 0, 0, 100_000)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1.0) < 0.01
    assert abs((np.abs(noise) < 1.0).mean() - 0.6827) < 0.01


def test_resolution_rounds_to_its_multiples():
    assert np.allclose(quantised(np.array([1.2345, -0.0004]), 1e-3), [1.234, 0.0])
    assert quantised(np.array([1.2345]), 0.0)[0] == 1.2345

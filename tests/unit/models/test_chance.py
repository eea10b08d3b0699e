"""Randomness as a function."""

import numpy as np

from labctl_simulators.cell.chance import normal, uniform, uniforms


def test_arrays_are_the_scalars_to_the_bit():
    counters = np.arange(1000)
    assert uniforms(12345, 3, counters).tolist() == [uniform(12345, 3, int(k)) for k in counters]
    assert uniforms(0, 0, [0.0, 7.0]).tolist() == [uniform(0, 0, 0), uniform(0, 0, 7)]


def test_numbers_are_spread_evenly_and_independently():
    one, two = uniforms(1, 1, np.arange(20000)), uniforms(1, 2, np.arange(20000))
    assert abs(one.mean() - 0.5) < 0.01
    assert abs(np.histogram(one, 20, (0.0, 1.0))[0] - 1000).max() < 150
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
    assert 0.0 < one.min() < one.max() < 1.0


def test_normal_numbers_are_normal():
    numbers = np.array([normal(seed, 1, 0) for seed in range(4000)])
    assert abs(numbers.mean()) < 0.06
    assert abs(numbers.std() - 1.0) < 0.05

"""Replicates: what is known comes out again, and the interval holds the truth as often as it says."""

import numpy as np
import pytest

from labctl.analysis.replicates import by_cycle, replicated, statistics
from labctl.analysis.run_record import Analysis, Figure


def test_mean_deviation_and_number_of_what_each_run_found():
    runs = [[Analysis("capacity", (Figure("first", value, "mAh"),))] for value in (9.0, 10.0, 11.0)]
    runs.append([Analysis("capacity", (Figure("first", float("nan"), "mAh"),))])
    (found,) = replicated(runs)
    assert (found.name, found.unit, found.count) == ("capacity: first", "mAh", 3)
    assert (found.mean, found.deviation) == pytest.approx((10.0, 1.0))
    assert found.interval == pytest.approx(4.302653 / 3**0.5)  # t of 2 degrees of freedom


def test_of_one_run_there_is_no_spread():
    alone = statistics("a: b", "V", np.array([1.0]))
    assert alone.count == 1
    assert np.isnan(alone.deviation)
    assert np.isnan(alone.interval)


def test_the_interval_holds_the_truth_in_95_of_100_cases():
    rng = np.random.default_rng(5)
    held_inside = 0
    for _ in range(1000):
        sample = statistics("a: b", "V", rng.normal(3.0, 0.2, 5))
        held_inside += abs(sample.mean - 3.0) <= sample.interval
    assert 930 <= held_inside <= 970


def test_cycles_that_some_runs_lack_count_where_they_are():
    one = (np.array([1.0, 2.0, 3.0]), np.array([10.0, 9.0, 8.0]))
    other = (np.array([1.0, 2.0]), np.array([12.0, 11.0]))
    cycles, mean, deviation, count = by_cycle([one, other])
    assert cycles.tolist() == [1, 2, 3]
    assert mean.tolist() == [11, 10, 8]
    assert deviation[:2] == pytest.approx(2**0.5)
    assert np.isnan(deviation[2])
    assert count.tolist() == [2, 2, 1]

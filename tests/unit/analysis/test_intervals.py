"""95 % intervals hold the truth in 93 to 97 % of 1000 noisy cases and are at most twice as wide as they must be."""

import pytest

from tests.unit.analysis.intervals import LINES, of_circuit


@pytest.mark.parametrize("make", LINES, ids=lambda make: make.__name__)
def test_intervals_of_lines_and_means(make):
    assert not [each for each in make(1000) if not each.kept]


def test_intervals_of_a_circuit():
    """`make intervals` does so for nine circuits."""
    assert not [each for each in of_circuit("R0-p(R1,CPE1)", 1000) if not each.kept]

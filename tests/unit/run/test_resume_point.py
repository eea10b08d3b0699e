import math

import pytest

from labctl.errors import StoreDamaged
from labctl.run.resume_point import ResumePoint, outage

NOON = 1_790_000_000.0
MARK = ResumePoint(begun=10.0, time=100.0, boot="a", monotonic=500.0, unix=NOON)


def test_a_bookmark_reads_back_with_its_source():
    mark = ResumePoint(
        1.5, 0.1, 0.2, "boot", 3, ((0, 0), (1, 7)), (("max", 2.5),), 100.25, 5.0, NOON, b'{"cell":[1.5,2.25]}'
    )
    assert ResumePoint.from_json(mark.to_json()) == mark
    assert ResumePoint.from_json(None) == ResumePoint()
    assert ResumePoint.from_json(MARK.to_json()).source is None


def test_something_else_is_refused():
    with pytest.raises(StoreDamaged):
        ResumePoint.from_json(b'{"begin": 1}')


def test_within_one_boot_the_wall_clock_does_not_matter():
    assert outage(MARK, "a", 530.0, NOON - 1e6)[0] == 30.0
    assert outage(MARK, "a", 530.0, NOON + 1e8, speed=10.0)[0] == 300.0


def test_across_boots_the_wall_clock_counts():
    assert outage(MARK, "b", 3.0, NOON + 90.0)[0] == 90.0


@pytest.mark.parametrize("unix", [NOON - 1.0, 0.0])
def test_a_wall_clock_that_went_back_is_an_outage_longer_than_any_window(unix):
    length, why = outage(MARK, "b", 3.0, unix)
    assert length == math.inf
    assert "wall clock" in why


def test_a_wall_clock_that_was_never_set_tells_nothing():
    assert outage(ResumePoint(unix=10.0), "b", 3.0, 1_000.0)[0] == math.inf

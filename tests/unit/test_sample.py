"""A batch is columns; parts of it are views."""

import numpy as np

from labctl.sample import Batch, Quality, Snapshot


def batch() -> Batch:
    time = np.arange(5.0)
    return Batch(time, time + 3.0, time * 0.1, time * 1e-3, time * 0.0, time + 20.0,
                 np.array([0, 0, 1, 2, 0], np.uint8), 2, {"ambient_temperature_celsius": time + 25.0})  # fmt: skip


def test_rows_of_a_part_are_views_of_every_column():
    whole = batch()
    part = whole.rows(1, 4)
    assert (len(whole), len(part)) == (5, 3)
    assert part.voltage.tolist() == [4.0, 5.0, 6.0]
    assert part.quality.tolist() == [Quality.GOOD, Quality.SUSPECT, Quality.BAD]
    assert part.auxiliary["ambient_temperature_celsius"].tolist() == [26.0, 27.0, 28.0]
    assert part.step == 2
    assert np.shares_memory(part.charging_ah, whole.charging_ah)


def test_what_was_not_measured_stays_absent():
    bare = Batch(np.arange(3.0), np.zeros(3), np.zeros(3)).rows(1)
    assert (bare.charging_ah, bare.temperature_celsius, bare.quality) == (None, None, None)
    assert dict(bare.auxiliary) == {}
    assert len(bare) == 2


def test_a_snapshot_is_one_instant_of_many_channels():
    snapshot = Snapshot(("1", "2"), np.array([3.0, 3.1]), np.array([0.0, 0.1]))
    assert snapshot.time is None
    assert snapshot.temperature_celsius is None

"""Long histories: no row is lost to the eye at any zoom, and the cache may be taken away."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.store.matrix import CURRENT, RECORD, TEMPERATURE, TIME, VOLTAGE, WIDTH
from labctl.store.pyramid import FAN, RAW, Pyramid, buckets_of, drawn, merged

ROWS = 3 * FAN * FAN + 1234 + RAW


def made(rows=ROWS, seed=1):
    random = np.random.default_rng(seed)
    matrix = np.full((rows, WIDTH), np.nan)
    matrix[:, RECORD] = np.arange(rows)
    matrix[:, TIME] = np.cumsum(random.uniform(0.5, 1.5, rows))
    matrix[:, VOLTAGE] = 3.7 + 0.1 * np.sin(matrix[:, TIME] / 500)
    matrix[:, CURRENT] = 1e-3
    return matrix


class Stored:
    """A journal's rows."""

    def __init__(self, matrix):
        self.matrix = matrix
        self.read = 0

    def matrices(self, _run, first=0, last=None, page=20_000, only=()):
        part = self.matrix[first : (len(self.matrix) if last is None else last + 1)]
        self.read += len(part)
        for begin in range(0, len(part), page):
            yield part[begin : begin + page]


SPIKED = made()
SPIKES = np.arange(777, ROWS, 9973)
SPIKED[SPIKES, VOLTAGE] = 9.0
STORE = Stored(SPIKED)


@pytest.fixture(scope="module")
def pyramid():
    opened = Pyramid(None)
    assert list(opened.extend(STORE, 1, "u", ROWS))[-1] == 1.0
    yield opened
    opened.close()


@settings(max_examples=60)
@given(begin=st.floats(0, 0.999), length=st.floats(1e-5, 1), width=st.integers(50, 2000))
def test_every_spike_is_seen_at_every_zoom(pyramid, begin, length, width):
    total = SPIKED[-1, TIME]
    span = begin * total, min(total, (begin + length) * total)
    view = pyramid.view(STORE, 1, "u", span, width)
    times, values = view.columns.get("voltage", (np.empty(0), np.empty(0)))
    inside = [at for at in SPIKES if span[0] <= SPIKED[at, TIME] <= span[1]]
    if view.exact or len(inside) <= width // 4:
        shown = set(np.round(times[values > 8], 6))
        assert {round(SPIKED[at, TIME], 6) for at in inside} <= shown
    else:
        assert not inside or values.max() > 8
    assert len(times) <= 5 * width + 2 * FAN
    assert np.all(np.diff(times) >= 0)


@pytest.mark.parametrize("part", [1.0, 0.5, 0.2])
def test_a_view_has_as_many_points_as_a_screen_has_columns(pyramid, part):
    for width in (300, 1000):
        times, _ = pyramid.view(STORE, 1, "u", (0, part * SPIKED[-1, TIME]), width).columns["voltage"]
        assert width / 2 <= len(times) <= 5 * width


def test_a_view_reads_no_more_rows_than_it_may(pyramid):
    STORE.read = 0
    pyramid.view(STORE, 1, "u", (0, SPIKED[-1, TIME]), 1000)
    assert STORE.read <= FAN
    STORE.read = 0
    view = pyramid.view(STORE, 1, "u", (1000, 1500), 1000)
    assert view.exact
    assert STORE.read <= RAW + 3 * FAN


def test_buckets_of_buckets_are_the_buckets_of_more_rows():
    matrix = made(FAN * FAN)
    assert np.array_equal(merged(buckets_of(matrix, FAN)), buckets_of(matrix, FAN * FAN), equal_nan=True)


def test_a_column_that_was_never_measured_is_absent_and_holes_stay_holes():
    matrix = made(4 * FAN)
    matrix[FAN : 2 * FAN, VOLTAGE] = np.nan
    curves = drawn(buckets_of(matrix, FAN))
    assert set(curves) == {"voltage", "current"}
    assert np.isnan(curves["voltage"][1][2:4]).all()
    matrix[:, TEMPERATURE] = 25.0
    assert "temperature" in drawn(buckets_of(matrix, FAN))


def test_a_full_disk_makes_views_slower_and_none_wrong(tmp_path):
    whole = Pyramid(None)
    list(whole.extend(STORE, 1, "u", ROWS))
    wanted = whole.view(STORE, 1, "u", (0, 1e9), 500).columns["voltage"][1]
    whole.close()
    full = Pyramid(tmp_path / "views.db")
    full._base.execute("PRAGMA max_page_count = 3")  # what SQLite says of a disk without room
    list(full.extend(STORE, 1, "u", ROWS))
    assert np.array_equal(full.view(STORE, 1, "u", (0, 1e9), 500).columns["voltage"][1], wanted)
    full.close()


def test_the_cache_may_be_taken_away_and_comes_back(tmp_path):
    file = tmp_path / "views.db"
    first = Pyramid(file)
    list(first.extend(STORE, 1, "u", ROWS))
    file.unlink()
    before = first.view(STORE, 1, "u", (0, 1e9), 500).columns["voltage"][1]
    first.close()
    file.write_bytes(b"half a page of nothing" * 300)
    second = Pyramid(file)
    list(second.extend(STORE, 1, "u", ROWS))
    assert np.array_equal(second.view(STORE, 1, "u", (0, 1e9), 500).columns["voltage"][1], before)
    second.close()
    third, reads = Pyramid(file), SimpleNamespace(matrices=None)
    assert list(third.extend(reads, 1, "u", ROWS // FAN * FAN)) == [], "it is read back, not made anew"
    third.close()

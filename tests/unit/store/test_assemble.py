"""Quiet rows are stored as the rows of entries would be, however they were cut; a hole between them is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import InternalError
from labctl.store.assemble import Position, assemble
from labctl.store.entry import Entry, QuietRows, RunRanges
from labctl.store.matrix import ATTEMPT, RECORD, RUN, TIME, WIDTH, batch_of

POSITIONS = {run_id: Position(record=7, step=2) for run_id in (3, 5)}


def quiet(first, count):
    """Return as many rows of runs 3 and 5 from a record on."""
    values = np.zeros((2 * count, WIDTH))
    values[:, RUN] = np.repeat([3, 5], count)
    values[:, RECORD] = np.tile(np.arange(first, first + count), 2)
    return QuietRows(values, [3, 5], [first, first], [count, 2 * count], [2, 2])


def test_quiet_rows_in_pieces_are_those_of_one_piece():
    whole, cut = assemble([quiet(7, 5)], POSITIONS, 1), assemble([quiet(7, 2), quiet(9, 3)], POSITIONS, 1)
    assert np.array_equal(whole.rows, cut.rows)
    assert whole.quiet_parts == [(run_id, 7, 11, digest) for run_id, _, _, digest in whole.quiet_parts]
    assert whole.covered == cut.covered
    assert whole.positions == cut.positions == {run_id: Position(record=12, step=2) for run_id in (3, 5)}


@pytest.mark.parametrize("items", [[quiet(8, 2)], [quiet(7, 2), quiet(10, 2)], [quiet(7, 2), quiet(7, 2)]])
def test_a_hole_between_quiet_rows_is_refused(items):
    with pytest.raises(InternalError, match="do not follow"):
        assemble(items, POSITIONS, 1)


RUNS = range(1, 9)
OFFERED = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from(RUNS), min_size=1, unique=True), st.integers(1, 3)), max_size=6
)


def parts(done):
    """Return what a commit holds of each run, quiet or not, in the order of the runs."""
    quiet = [(RunRanges(run_id, (first, last)), digest) for run_id, first, last, digest in done.quiet_parts]
    return sorted([*done.parts, *quiet])


@given(offered=OFFERED, seed=st.integers(0, 99))
def test_quiet_rows_are_stored_as_entries_of_the_same_rows_would_be(offered, seed):
    """Whatever else a commit holds: quiet rows of other runs, of the same in other pieces, rows that matter before or after."""
    random, next_record = np.random.default_rng(seed), dict.fromkeys(RUNS, 7)
    columns, entries = [], []
    for matters, runs, count in offered:
        rows = []
        for run_id in sorted(runs):
            piece = random.random((count, WIDTH))
            piece[:, RUN], piece[:, ATTEMPT] = run_id, 1
            piece[:, RECORD] = np.arange(next_record[run_id], next_record[run_id] + count)
            piece[:, TIME] = piece[:, RECORD]
            piece[:, 9] = 0.0  # good
            rows.append(piece)
            entry = Entry(
                run_id,
                batch_of(piece, 2),
                next_record[run_id],
                1,
                checkpoint=b"{}" if matters else None,
                quiet=not matters,
            )
            entries.append(entry)
            if matters:
                columns.append(entry)
            next_record[run_id] += count
        if not matters:
            firsts = [int(piece[0, RECORD]) for piece in rows]
            ends = [count * number for number in range(1, len(rows) + 1)]
            columns.append(QuietRows(np.concatenate(rows), sorted(runs), firsts, ends, [2] * len(rows)))
    positions = {run_id: Position(record=7, step=2) for run_id in RUNS}
    given_columns, given_entries = assemble(columns, positions, 1), assemble(entries, positions, 1)
    assert np.array_equal(given_columns.rows, given_entries.rows)
    assert parts(given_columns) == parts(given_entries)
    for name in ("covered", "positions", "checkpoints", "inputs", "events"):
        assert getattr(given_columns, name) == getattr(given_entries, name), name

"""Quiet rows of a run in several pieces are one piece; a hole between them is refused."""

import numpy as np
import pytest

from labctl.errors import InternalError
from labctl.store.assemble import Position, assemble
from labctl.store.entry import QuietRows
from labctl.store.matrix import RECORD, RUN, WIDTH

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
    assert whole.parts == cut.parts
    assert whole.positions == cut.positions == {run_id: Position(record=12, step=2) for run_id in (3, 5)}


@pytest.mark.parametrize("items", [[quiet(8, 2)], [quiet(7, 2), quiet(10, 2)], [quiet(7, 2), quiet(7, 2)]])
def test_a_hole_between_quiet_rows_is_refused(items):
    with pytest.raises(InternalError, match="do not follow"):
        assemble(items, POSITIONS, 1)

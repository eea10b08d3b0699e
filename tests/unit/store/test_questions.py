import gc
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from labctl.errors import StoreError
from labctl.store.journal import Journal
from labctl.store.questions import Questions
from labctl.store.reader import Reader
from labctl.store.verify import verify


@pytest.fixture
def folder(tmp_path):
    with Journal.open(tmp_path / "data"):
        pass
    return tmp_path / "data"


def test_rows_are_tuples_with_the_names_of_their_columns(folder):
    with Reader(folder) as reader:
        (row,) = reader.query("SELECT :one AS one, 'a' AS text, count(*) FROM runs", one=1)
    assert row == (1, "a", 0)
    assert (row.one, row.text) == (1, "a")
    assert row._asdict() == {"one": 1, "text": "a", "_2": 0}


def test_a_question_after_the_end_opens_the_file_again(folder):
    questions = Questions(folder / "journal.db")
    for _ in range(2):
        assert questions.rows("SELECT 1 AS one", {})[0].one == 1
        questions.close()
        questions.close()


def test_what_sqlite_says_is_an_error_of_ours(folder):
    with Reader(folder) as reader:
        with pytest.raises(StoreError, match="no such table: absent"):
            reader.query("SELECT * FROM absent")
        with reader.snapshot(), pytest.raises(StoreError, match="no such table: absent"):
            reader.tuples("SELECT * FROM absent")
        assert reader.tuples("SELECT 1, 2") == [(1, 2)]


def test_a_snapshot_sees_nothing_newer(folder):
    with Journal.open(folder) as journal, Reader(folder) as reader:
        with reader.snapshot():
            assert reader.query("SELECT count(*) FROM channels")[0][0] == 0
            journal.put_channels({"A1": {}})
            assert reader.query("SELECT count(*) FROM channels")[0][0] == 0
        assert reader.query("SELECT count(*) FROM channels")[0][0] == 1


def test_a_verification_leaves_the_collector_as_it_was(folder):
    before = gc.get_threshold()
    assert verify(folder).whole
    assert gc.get_threshold() == before


def test_columns_that_lack_a_value_here_and_there_are_read_as_they_are(folder):
    rows = [(1, at, 1, float(at), None if at == 5 else 3.5, 1e-3, 0.0, 0.0, 25.0, 0, None, 1.0) for at in range(10)]
    with closing(sqlite3.connect(folder / "journal.db")) as base, base:
        base.executemany(f"INSERT INTO samples VALUES ({', '.join('?' * 12)})", rows)
    wanted = np.array([[np.nan if value is None else value for value in row] for row in rows])
    with Reader(folder) as reader:
        (found,) = reader.matrices(1)
        (some,) = reader.matrices(1, 6, 9, only=(1, 4))
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.array_equal(some[:, [0, 1, 4]], wanted[6:, [0, 1, 4]])

"""A journal of labctl 0.1 is read, upgraded, verified and replayed; its old commits keep the digests that they have.

`journals/first.db.xz` was written by labctl 0.1.0: a run of two cycles and a spectrum that is done, and one that was running
when its daemon was killed, paused and resumed once.
"""

import lzma
import sqlite3
from pathlib import Path

import pytest

from labctl.run.replay import replay
from labctl.store.hash_chain import VERSION
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.schema import SAMPLE_COLUMNS, SCHEMA_VERSION
from labctl.store.verify import verify
from tests.unit.store.making import new_run

PACKED = Path(__file__).parent / "journals" / "first.db.xz"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    file = tmp_path / "first.db"
    file.write_bytes(lzma.decompress(PACKED.read_bytes()))
    return file


def asked(file: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_it_is_read_verified_and_replayed_as_it_is(first: Path) -> None:
    before = first.read_bytes()
    done = verify(first)
    assert (done.commits, done.runs, done.rows, done.findings) == (164, 2, 245, ())
    with Reader(first) as reader:
        assert [run.activity for run in reader.runs()] == ["done", "running"]
        assert {row.version for row in reader.query("SELECT version FROM commits")} == {1}
        assert reader.query("SELECT count(*) FROM v_samples")[0][0] == 245
        for run_id in (1, 2):
            assert replay(reader, run_id).equal
    assert first.read_bytes() == before, "who only reads changes nothing"
    assert asked(first, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_it_is_upgraded_and_goes_on(first: Path) -> None:
    chains = asked(first, "SELECT commit_id, chain FROM commits ORDER BY 1")
    with Journal.open(first) as journal:
        assert journal.commit_id == 164
        journal.finish_run(2, "stopped", "by hand")
        journal.create_run(new_run("c2"))
    assert asked(first, "SELECT version_num FROM alembic_version") == [(SCHEMA_VERSION,)]
    assert asked(first, "SELECT commit_id, chain FROM commits WHERE commit_id <= 164 ORDER BY 1") == chains
    assert asked(first, "SELECT DISTINCT version FROM commits WHERE commit_id > 164") == [(VERSION,)]
    done = verify(first)
    assert (done.commits, done.runs, done.rows, done.findings) == (166, 3, 245, ())
    with Reader(first) as reader:
        assert replay(reader, 1).equal
        assert reader.query("SELECT count(*) FROM v_samples")[0][0] == 245


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (
            "UPDATE samples SET voltage_volt = voltage_volt + 1e-15 WHERE run_id = 1 AND record_index = 7",
            "run 1, commit",
        ),
        ("UPDATE commits SET version = 2 WHERE commit_id = 9", "commit 9"),
        ("UPDATE runs SET cell = 'B' WHERE run_id = 2", "run 2, commit"),
    ],
)
def test_a_change_of_its_old_commits_is_found_after_the_upgrade(first: Path, change: str, where: str) -> None:
    Journal.open(first).close()
    connection = sqlite3.connect(first)
    assert connection.execute(change).rowcount
    connection.commit()
    connection.close()
    assert where in "\n".join(map(str, verify(first).findings))


def test_new_columns_of_samples_stand_after_those_that_old_digests_cover() -> None:
    assert SAMPLE_COLUMNS[:10] == (
        "run_id", "record_index", "attempt_id", "test_time_second", "voltage_volt", "current_ampere",
        "charging_capacity_ah", "discharging_capacity_ah", "surface_temperature_celsius", "quality",
    )  # fmt: skip

"""Whatever is changed behind the journal's back is found."""

import sqlite3
from pathlib import Path

import pytest

from labctl.engine.input import Gap
from labctl.errors import OrderRefused, StoreDamaged, UsageError
from labctl.store.archive import archive
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.unit.store.making import batch, entries, new_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Journal.open(tmp_path) as journal:
        for name in ("a", "b"):
            run_id = journal.create_run(new_run(name))
            for entry in entries(run_id, batch(300, temperature=True, bad=True), 30):
                journal.commit([entry])
            extra = batch(5, seed=3)
            extra = type(extra)(extra.time + 1e4, extra.voltage, extra.current, extra.charging_ah + 1, extra.discharging_ah + 1,
                                auxiliary={"x": extra.time})  # fmt: skip
            journal.commit([Entry(run_id, extra, 300, 2, input=Gap(1, 2, "x"))])
        journal.finish_run(2, "done")
    return tmp_path


def test_a_whole_journal_has_no_findings(folder: Path) -> None:
    seen: list[int] = []
    found = verify(folder, progress=lambda done, last: seen.append(done * 1000 + last))
    assert found.whole
    assert (found.commits, found.runs, found.rows) == (27, 2, 610)
    assert seen == [27_027]
    assert verify(folder, 1).rows == 305


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (
            "UPDATE samples SET voltage_volt = voltage_volt + 1e-15 WHERE run_id = 1 AND record_index = 77",
            "run 1, commit 5",
        ),
        ("UPDATE samples SET voltage_volt = 3.7 WHERE run_id = 1 AND voltage_volt IS NULL", "run 1, commit 3"),
        ("UPDATE samples SET quality = 1 WHERE run_id = 2 AND record_index = 0", "run 2, commit 16"),
        ("UPDATE samples SET attempt_id = 9 WHERE run_id = 2 AND record_index = 299", "run 2, commit 25"),
        ("DELETE FROM samples WHERE run_id = 1 AND record_index = 304", "run 1, commit 13"),
        ("DELETE FROM samples WHERE run_id = 1 AND record_index = 100", "run 1, commit 6"),
        ("UPDATE samples SET charging_capacity_ah = 9 WHERE run_id = 1 AND record_index = 8", "charging counter falls"),
        (
            "INSERT INTO samples SELECT run_id, 305, attempt_id, 2e4, 1, 1, 2, 2, 1, 0 FROM samples WHERE run_id = 1 AND record_index = 0",
            "run 1: 1 rows belong to no commit",
        ),
        ("UPDATE auxiliary SET value = value * 2 WHERE run_id = 1 AND record_index = 301", "run 1, commit 13"),
        ("UPDATE events SET data = '{}' WHERE run_id = 2 AND seq = 4", "run 2, commit 18"),
        ("DELETE FROM events WHERE run_id = 2 AND seq = 4", "numbered without a hole"),
        ("UPDATE inputs SET data = replace(data, '\"end\":2', '\"end\":3')", "run 1, commit 13"),
        ("UPDATE commits SET unix_time_second = 0 WHERE commit_id = 9", "commit 9: the chain of digests is broken"),
        ("UPDATE commit_runs SET last_record = last_record - 1 WHERE commit_id = 9", "commit 9: the chain of digests"),
        ("DELETE FROM commits WHERE commit_id = 9", "commit 9: is missing"),
        ("UPDATE runs SET channel = 'c' WHERE run_id = 1", "run 1, commit 1"),
        ("UPDATE plans SET hash = 'x' WHERE run_id = 2", "run 2, commit 14"),
        ("UPDATE checkpoints SET record_index = 400 WHERE run_id = 1", "checkpoint stands at record 400"),
    ],
)
def test_a_change_is_found(folder: Path, change: str, where: str) -> None:
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    assert connection.execute(change).rowcount
    connection.close()
    found = verify(folder)
    assert not found.whole
    assert where in "\n".join(map(str, found.findings))


def test_a_text_that_is_not_what_was_hashed_is_found(folder: Path) -> None:
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("UPDATE protocols SET text = 'steps: []'")
    connection.close()
    assert "protocols, made.yaml: the text is not the one that was stored" in map(str, verify(folder).findings)


def test_a_plan_that_is_not_what_was_hashed_is_found(folder: Path) -> None:
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("UPDATE plans SET plan = '{}' WHERE run_id = 1")
    connection.close()
    assert "plan" in "\n".join(map(str, verify(folder).findings))


def test_a_copy_in_postgresql_is_not_verified() -> None:
    with pytest.raises(UsageError, match="has no digests"):
        verify("postgresql://labctl@127.0.0.1:1/none")


# --- archives ---------------------------------------------------------------------------------------------------------


def test_an_archived_run_is_read_back_by_the_same_commands(folder: Path) -> None:
    with Reader(folder) as reader:
        before = [matrix.tobytes() for matrix in reader.matrices(2)]
        cut = [(rows.first_record, rows.attempt_id, sorted(rows.batch.auxiliary)) for rows in reader.batches(2)]
        run = reader.run(2)
    size = (folder / "journal.db").stat().st_size
    with Journal.open(folder) as journal:
        with pytest.raises(OrderRefused, match="has not ended"):
            archive(journal, 1, folder / "old")
        file = archive(journal, 2, folder / "old")
        with pytest.raises(OrderRefused, match="archived already"):
            archive(journal, 2, folder / "old")
    assert (folder / "journal.db").stat().st_size < size
    with Reader(folder) as reader:
        assert [matrix.tobytes() for matrix in reader.matrices(2)] == before
        assert [(rows.first_record, rows.attempt_id, sorted(rows.batch.auxiliary)) for rows in reader.batches(2)] == cut
        assert len(reader.rows(2, 10, 12)) == 3
        assert reader.run(2) == run
    assert verify(folder).whole
    file.write_bytes(file.read_bytes()[:-400])
    assert "is not readable" in "\n".join(map(str, verify(folder).findings))
    file.unlink()
    assert "is not there" in "\n".join(map(str, verify(folder).findings))
    with Reader(folder) as reader, pytest.raises(StoreDamaged, match="is not there"):
        reader.rows(2)

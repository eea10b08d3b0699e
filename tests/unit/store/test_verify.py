"""Whatever is changed behind the journal's back is found."""

import sqlite3
import threading
from pathlib import Path

import pytest

from labctl.engine.input import Gap
from labctl.errors import OrderRefused, StoreDamaged, UsageError
from labctl.store import digest_check
from labctl.store.archive import archive
from labctl.store.commit_window import CommitWindow
from labctl.store.entry import Entry
from labctl.store.generation import GENERATIONS, Generation, text_of
from labctl.store.hash_chain import (
    BIRTH,
    PART_BYTES,
    VERSION,
    birth,
    digest_of,
    first_chain,
    next_chain,
    part_digest,
    part_text,
)
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
            "INSERT INTO samples SELECT run_id, 305, attempt_id, 2e4, 1, 1, 2, 2, 1, 0, 8, 8 FROM samples WHERE run_id = 1 AND record_index = 0",
            "run 1: 1 rows belong to no commit",
        ),
        ("UPDATE auxiliary SET value = value * 2 WHERE run_id = 1 AND record_index = 301", "run 1, commit 13"),
        ("UPDATE events SET data = '{}' WHERE run_id = 2 AND seq = 4", "run 2, commit 18"),
        ("DELETE FROM events WHERE run_id = 2 AND seq = 4", "numbered without a hole"),
        ("UPDATE inputs SET data = replace(data, '\"end\":2', '\"end\":3')", "run 1, commit 13"),
        ("UPDATE commits SET unix_time_second = 0 WHERE commit_id = 9", "commit 9: the chain of digests is broken"),
        ("UPDATE commit_runs SET last_record = last_record - 1 WHERE commit_id = 9", "commit 9: the chain of digests"),
        ("UPDATE commit_runs SET last_record = NULL WHERE commit_id = 9", "commit 9: the chain of digests"),
        ("UPDATE commit_runs SET last_record = 'many' WHERE commit_id = 9", "commit 9: the chain of digests"),
        ("UPDATE commit_runs SET last_input = 7 WHERE commit_id = 9", "commit 9: the chain of digests"),
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


# --- what no commit put there -----------------------------------------------------------------------------------------

EVENT = "INSERT INTO events SELECT run_id, max(seq) + 1, record_index, test_time_second, '{}', '{}' FROM events WHERE run_id = 1"
FROM_ELSEWHERE = "INSERT INTO steps (run_id, step_count) VALUES (99, 1)"
VIEW = "CREATE VIEW v_samples AS SELECT run_id, record_index, test_time_second, voltage_volt * 1.01 AS voltage_volt FROM samples"
TRIGGER = """
CREATE TRIGGER t AFTER INSERT ON samples BEGIN
  UPDATE samples SET voltage_volt = 1 WHERE run_id = new.run_id AND record_index = new.record_index; END"""
TEXT = f"UPDATE {{}} SET text = 'steps: []', hash = '{digest_of('steps: []')}'"
VERIFY_MISSED = {
    "a note appended": ([EVENT.format("note", "{}")], "run 1: 1 events belong to no commit"),
    "an order appended": ([EVENT.format("order", '{"verb":"stop"}')], "run 1: 1 events belong to no commit"),
    "an input appended": (
        ["INSERT INTO inputs SELECT run_id, max(seq) + 1, record_index, kind, data FROM inputs WHERE run_id = 1"],
        "run 1: 1 inputs belong to no commit",
    ),
    "a second plan": (
        ["INSERT INTO plans SELECT run_id, 2, plan, hash FROM plans WHERE run_id = 1"],
        "run 1: 1 plan versions belong to no commit",
    ),
    "a protocol's text replaced with its own hash": ([TEXT.format("protocols")], "the text made.yaml with the digest"),
    "a protocol's text deleted": (["DELETE FROM protocols"], "the text made.yaml with the digest"),
    "a cell file replaced with its own hash": ([TEXT.format("cells")], "the text cell-1 with the digest"),
    "a cell file deleted": (["DELETE FROM cells"], "the text cell-1 with the digest"),
    "a text that no run was made from": (["INSERT INTO cells VALUES ('ab', 'x', 'y')"], "cells, x: "),
    "a protocol renamed": (["UPDATE protocols SET name = 'other.yaml'"], "protocols, other.yaml: wanted made.yaml"),
    "an auxiliary value beyond": (
        ["INSERT INTO auxiliary VALUES (1, 100000, 'pressure', 3.0)"],
        "run 1: 1 auxiliary values belong to no commit",
    ),
    "rows of no run": ([FROM_ELSEWHERE], "steps: has rows of run 99, which there is not"),
    "a run of no commit": (
        ["UPDATE runs SET created_commit_id = 3 WHERE run_id = 2"],
        "run 2: is of no commit",
    ),
    "a view replaced": (["DROP VIEW v_samples", VIEW], "view v_samples: is not the one that labctl made"),
    "a view taken away": (["DROP VIEW v_samples"], "view v_samples: is missing"),
    "a trigger": ([TRIGGER], "trigger t: is none of labctl's"),
    "a generation added": (
        ["INSERT INTO journal SELECT 2, uuid, machine, 3, unix_time_second, origin, detail FROM journal"],
        "commit 4: the chain of digests is broken",
    ),
    "the last commits cut off": (
        [
            "DELETE FROM commits WHERE commit_id = 27", "DELETE FROM commit_runs WHERE commit_id = 27",
            "DELETE FROM events WHERE run_id = 2 AND kind = 'run_ended'",
            "UPDATE runs SET activity = 'preparing', end_reason = NULL, end_why = NULL, ended_unix_time_second = NULL",
        ],
        "head: commit 27 had been acknowledged and is missing at the journal's end",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VERIFY_MISSED)
def test_verify_missed(folder: Path, name: str) -> None:
    changes, where = VERIFY_MISSED[name]
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    for change in changes:
        assert connection.execute(change).rowcount
    connection.close()
    assert where in "\n".join(map(str, verify(folder).findings))


def test_a_chain_that_was_made_anew_is_told_by_the_head_and_by_an_anchor(folder: Path) -> None:
    before = verify(folder).head
    assert before is not None
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("UPDATE samples SET voltage_volt = 3.7 WHERE run_id = 1 AND record_index = 5")
    make_chain_anew(connection, folder)
    connection.close()
    assert [each.where for each in verify(folder).findings] == ["head"]
    (folder / "head").unlink()
    done = verify(folder)
    assert done.whole, "a chain without an anchor proves nothing against whoever computes it anew"
    assert any("cannot be told" in note for note in done.notes)
    assert [each.where for each in verify(folder, anchor=before.digest).findings] == ["anchor"]


def make_chain_anew(connection: sqlite3.Connection, folder: Path) -> None:
    """Do what somebody does who has the source: every digest and the whole chain again."""
    with Reader(folder) as reader:
        generations = [Generation(*row) for row in reader.query(GENERATIONS)]
        chain = first_chain(generations[0].uuid)
        born = {(row.created_commit_id, row.run_id): row for row in reader.query(digest_check._BORN, after=0)}
        for commit_id, unix_time, under_way in reader.query(
            "SELECT commit_id, unix_time_second, under_way FROM commits ORDER BY 1"
        ):
            parts = []
            for stored in reader.query(digest_check._PARTS, first=commit_id, last=commit_id):
                part = digest_check._sealed(stored, VERSION).part
                window = CommitWindow(reader, part.run_id, [stored])
                row = born.get((commit_id, part.run_id))
                text = "" if row is None else birth([getattr(row, name) for name in BIRTH[VERSION]], row.plan, row.hash)
                content = (
                    window.auxiliary_of(part.records),
                    window.inputs_of(part.inputs),
                    window.events_of(part.events),
                )
                digest = part_digest(window.rows_of(part.records), *content, text)
                parts.append((part, digest + stored.digest[PART_BYTES:]))
            known = text_of([each for each in generations if each.began_commit_id < commit_id])
            covered = b"".join(part_text(*ranges) + digest for ranges, digest in parts)
            chain = next_chain(chain, commit_id, unix_time, covered, generations=known, under_way=under_way)
            connection.execute("UPDATE commits SET chain = ? WHERE commit_id = ?", (chain, commit_id))
            for part, digest in parts:
                where = (digest, commit_id, part.run_id)
                connection.execute("UPDATE commit_runs SET digest = ? WHERE commit_id = ? AND run_id = ?", where)


def test_what_is_newer_than_an_anchor_is_read_alone(folder: Path) -> None:
    first = verify(folder)
    assert first.head is not None
    with Journal.open(folder) as journal:
        run_id = journal.create_run(new_run("c"))
        for entry in entries(run_id, batch(50), 10):
            journal.commit([entry])
    done = verify(folder, since=first.head.digest[:20])
    assert done.whole
    assert (done.runs, done.rows, done.commits) == (1, 50, 34)
    assert any("commits 1 to 27 were taken as they were" in note for note in done.notes)
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("UPDATE samples SET voltage_volt = 1 WHERE run_id = 3 AND record_index = 7")
    connection.close()
    assert not verify(folder, since=first.head.digest).whole
    with pytest.raises(UsageError, match="16 to 64 hexadecimal digits"):
        verify(folder, since="yesterday")
    assert not verify(folder, since="0" * 64).whole


def test_verify_live(folder: Path) -> None:
    """Beside a writer that goes on, at every moment of which a question may fall, the journal is whole."""
    done = threading.Event()
    with Journal.open(folder) as journal:
        run_ids = [journal.create_run(new_run(f"c{number}")) for number in range(3)]

        def write() -> None:
            for pieces in zip(*(entries(run_id, batch(4000, seed=run_id), 5) for run_id in run_ids), strict=True):
                journal.commit(pieces)
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        looks = 0
        while not done.is_set() or not looks:
            assert verify(folder).findings == ()
            looks += 1
        thread.join()
    assert looks > 1


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

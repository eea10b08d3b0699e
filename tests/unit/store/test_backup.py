"""A backup of a live journal: whole, equal up to its commit, and opened as what it is."""

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.errors import OrderRefused, StoreDamaged, StoreError, UsageError
from labctl.store.archive import archive, archive_old, take_back
from labctl.store.backup import backup
from labctl.store.head import Head
from labctl.store.journal import Journal
from labctl.store.location import HEAD
from labctl.store.reader import Reader
from labctl.store.schema import metadata
from labctl.store.verify import verify
from tests.unit.store.making import batch, entries, new_run


def filled(folder: Path, runs: int = 2) -> None:
    with Journal.open(folder) as journal:
        for number in range(runs):
            run_id = journal.create_run(new_run(f"c{number}"))
            for entry in entries(run_id, batch(200, seed=number, temperature=True), 20):
                journal.commit([entry])
        journal.finish_run(1, "done")


def content(file: Path, upto: int) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of a journal that belong to its commits up to a number, generations and cursors apart."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    found = {}
    for table in metadata.sorted_tables:
        if table.name in {"journal", "cursors", "orders", "queue", "channels"}:
            continue
        where = f" WHERE commit_id <= {upto}" if table.name in {"commits", "commit_runs"} else ""
        order = ", ".join(column.name for column in table.primary_key)
        found[table.name] = connection.execute(f"SELECT * FROM {table.name}{where} ORDER BY {order}").fetchall()
    connection.close()
    return found


def test_a_backup_is_equal_and_whole(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    made = backup(tmp_path / "data", tmp_path / "copy")
    assert made.head is not None
    assert (made.runs, made.head.commit_id, made.archives) == (2, 25, ())
    assert content(tmp_path / "copy" / "journal.db", 25) == content(tmp_path / "data" / "journal.db", 25)
    assert verify(tmp_path / "copy", anchor=verify(tmp_path / "data").head.digest).whole  # type: ignore[union-attr]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_a_backup_of_a_live_journal_is_restored_and_equal(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "data") as journal:
        run_ids = [journal.create_run(new_run(f"c{number}")) for number in range(3)]
        stop = threading.Event()

        def write() -> None:
            for pieces in zip(*(entries(run_id, batch(20_000, seed=run_id), 5) for run_id in run_ids), strict=True):
                journal.commit(pieces)
                if stop.is_set():
                    return

        thread = threading.Thread(target=write)
        thread.start()
        heads = []
        for number in range(3):
            made = backup(tmp_path / "data", tmp_path / f"copy{number}")
            assert made.head is not None
            heads.append(made.head)
        stop.set()
        thread.join()
    assert heads[0].commit_id < heads[-1].commit_id
    for number, head in enumerate(heads):
        assert verify(tmp_path / "data", anchor=head.digest).whole, "the journal went on from what the backup holds"
        with Reader(tmp_path / f"copy{number}") as copy, Reader(tmp_path / "data") as data:
            for run_id in run_ids:
                rows = copy.run(run_id).rows
                for mine, theirs in zip(copy.matrices(run_id), data.matrices(run_id, 0, rows - 1), strict=True):
                    assert mine.tobytes() == theirs.tobytes()


def test_a_restored_copy_knows_that_it_is_one(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    backup(tmp_path / "data", tmp_path / "copy")
    with Journal.open(tmp_path / "copy") as journal:
        assert journal.restored
        assert journal.cut == (2,), "a run that was active may have ended since"
        assert f"a backup of {tmp_path / 'data' / 'journal.db'}, as of commit 25" in journal.cut_why
        assert journal.opening.missing is None
        assert [each.origin for each in journal.generations] == ["made", "copy", "restored"]
    with Journal.open(tmp_path / "copy") as journal:
        assert (journal.restored, journal.cut) == (False, (2,)), "it asks until it was taken up"
        journal.create_run(new_run("c9"))
    assert verify(tmp_path / "copy").whole


def test_a_backup_put_over_a_newer_journal_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    backup(tmp_path / "data", tmp_path / "copy")
    with Journal.open(tmp_path / "data") as journal:
        journal.create_run(new_run("c9"))
    shutil.copy(tmp_path / "copy" / "journal.db", tmp_path / "data" / "journal.db")
    with Journal.open(tmp_path / "data") as journal:
        assert journal.opening.missing is not None
        assert str(journal.opening.missing) == "commit 26 had been acknowledged and is missing at the journal's end"


def test_a_copy_that_is_taken_over_goes_on_as_one_that_was_moved(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    with Journal.open(tmp_path / "data", copied=True) as journal:
        assert (journal.moved, journal.generations[-1].origin) == (True, "moved")
    with Journal.open(tmp_path / "data") as journal:
        assert (journal.moved, journal.cut) == (False, (2,)), "what was active asks until it was taken up"
        assert "another machine or folder" in journal.cut_why


def test_a_backup_has_a_head_and_no_log(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    backup(tmp_path / "data", tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [HEAD, "journal.db"]
    record = Head.read(tmp_path / "copy" / HEAD).record
    assert record is not None
    assert (record.commit_id, record.generation) == (25, 2)


def test_what_cannot_be_backed_up_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match="wanted an empty folder, or none"):
        backup(tmp_path / "data", tmp_path / "full")
    with pytest.raises(StoreError, match="wanted a journal, found none"):
        backup(tmp_path / "nowhere", tmp_path / "copy")
    with pytest.raises(UsageError, match="PostgreSQL's own tools"):
        backup("postgresql://nobody@127.0.0.1:1/none", tmp_path / "copy")


def test_a_damaged_journal_makes_no_backup(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    connection = sqlite3.connect(tmp_path / "data" / "journal.db")
    connection.execute("UPDATE samples SET voltage_volt = 1 WHERE record_index = 7")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="the backup is not whole, and neither is"):
        backup(tmp_path / "data", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"], "nothing is left of it"


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path / "data")
    assert main(["backup", str(tmp_path / "copy"), "--db", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'copy'}: 2 runs, whole\nhead: commit 25, ")


# --- archives come back -----------------------------------------------------------------------------------------------


def test_archived_rows_come_back_to_the_bit(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    before = content(tmp_path / "data" / "journal.db", 25)
    with Journal.open(tmp_path / "data") as journal:
        with pytest.raises(OrderRefused, match="is not archived"):
            take_back(journal, 1)
        file = archive(journal, 1, tmp_path / "old")
        assert content(tmp_path / "data" / "journal.db", 25) != before
        assert take_back(journal, 1) == file
    assert content(tmp_path / "data" / "journal.db", 25) == before
    assert verify(tmp_path / "data").whole


def test_an_archive_that_was_changed_does_not_come_back(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    with Journal.open(tmp_path / "data") as journal:
        file = archive(journal, 1, tmp_path / "old")
        file.write_bytes(file.read_bytes() + b"x")
        with pytest.raises(StoreDamaged, match="not what was written; nothing was changed"):
            take_back(journal, 1)
        assert journal.generation == 1


def test_an_archive_is_found_beside_a_journal_that_was_moved(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    with Journal.open(tmp_path / "data") as journal:
        file = archive(journal, 1, tmp_path / "old")
    (tmp_path / "data" / "archive").mkdir()
    shutil.move(file, tmp_path / "data" / "archive" / file.name)
    assert verify(tmp_path / "data").whole
    with Reader(tmp_path / "data") as reader:
        assert len(reader.rows(1)) == 200


def test_the_command_archives_and_takes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path / "data")
    where = ["--db", str(tmp_path / "data")]
    assert main(["archive", "1", str(tmp_path / "old"), *where]) == 0
    assert main(["archive", "1", "--back", *where]) == 0
    assert "its rows are in the journal again" in capsys.readouterr().out
    assert main(["archive", "1", *where]) == 2
    assert main(["archive", "2", str(tmp_path / "old"), *where]) == 1
    assert "has not ended" in capsys.readouterr().err


def test_all_runs_that_ended_long_ago_are_archived_and_begun_again_only_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path / "data")  # the second run has not ended
    with Reader(tmp_path / "data") as reader:
        ended = reader.run(1).ended_unix_time
    with Journal.open(tmp_path / "data") as journal:
        assert list(archive_old(journal, ended, tmp_path / "old")) == []
        (file,) = archive_old(journal, ended + 1.0, tmp_path / "old")
        assert list(archive_old(journal, ended + 1.0, tmp_path / "old")) == []
        assert take_back(journal, 1) == file
    words = ["archive", str(tmp_path / "old"), "--older-than", "90 d", "--db", str(tmp_path / "data")]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{file}: the rows of a run, which must stay there\n"
    assert verify(tmp_path / "data").whole

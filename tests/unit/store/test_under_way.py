"""Orders and waiting runs are under the chain: what anybody else did to them is found, and stays found.

`journals/second.db.xz` is of the schema before: two runs, one of them done, three orders and a run that waits.
"""

import lzma
import sqlite3
from pathlib import Path

import pytest

from labctl.errors import StoreError
from labctl.store import insert_rows
from labctl.store.entry import OrderRecord, Queued
from labctl.store.hash_chain import VERSION
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.unit.store.making import new_run

PACKED = Path(__file__).parent / "journals" / "second.db.xz"
ALTERED = ": is not what commits left there: rows were changed, added or taken out"


def order(number: int, **more: object) -> OrderRecord:
    return OrderRecord("c1", "note", f"N{number}", '{"text":"seen"}', '{"activity":"running"}', **more)


def waiting(number: int) -> Queued:
    return Queued("c1", new_run("c1", uuid=f"6e8a720b-3edb-41ba-907e-b19d6aa5d80{number}"), None, 1.7e9, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("c1", order=order(0)))
        journal.ordered.put(order(1))
        for number in range(3):
            journal.ordered.enqueue(waiting(number))
    return tmp_path


def change(file: Path, *lines: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    for line in lines:
        assert connection.execute(line).rowcount
    connection.close()


def found(where: Path) -> str:
    return "\n".join(map(str, verify(where).findings))


def test_whatever_labctl_does_to_them_leaves_the_journal_whole(folder: Path) -> None:
    assert verify(folder).whole
    with Journal.open(folder) as journal:
        last, *others = (each.new.uuid for each in reversed(journal.ordered.queue()))
        journal.ordered.arrange([last, *others], order(2))
        assert verify(folder).whole, "beside the daemon, too"
        journal.ordered.release("c1", 7)
        journal.ordered.put(order(1))
        journal.ordered.drop(order(1))
        journal.ordered.dequeue(last, order(3))
        journal.ordered.enqueue(waiting(2))
        assert verify(folder).whole
        journal.finish_run(1, "done")
        journal.create_run(new_run("c1", uuid=others[0], order=order(4)))
        for each in journal.ordered.queue():
            journal.ordered.dequeue(each.new.uuid)
        journal.finish_run(2, "done")
    assert verify(folder).whole
    with Journal.open(folder, now=lambda: 4e9) as journal:
        journal.ordered.put(order(5))
        with Reader(folder) as reader:
            assert reader.query("SELECT order_id FROM orders") == [("N5",)]
    assert verify(folder).whole, "what is forgotten after a day is missed by nobody"


@pytest.mark.parametrize(
    ("line", "table"),
    [
        ("UPDATE orders SET reply = '{}' WHERE order_id = 'N1'", "orders"),
        ("UPDATE orders SET unix_time_second = unix_time_second + 1 WHERE order_id = 'N0'", "orders"),
        ("DELETE FROM orders WHERE order_id = 'N1'", "orders"),
        ("INSERT INTO orders VALUES ('c1', 'N7', 'stop', 1, 1.7e9, '{}', '{}')", "orders"),
        ("UPDATE queue SET position = 9 WHERE position = 1", "queue"),
        ("UPDATE queue SET data = replace(data, 'cell-1', 'cell-2') WHERE position = 2", "queue"),
        ("DELETE FROM queue WHERE position = 3", "queue"),
    ],
)
def test_an_altered_order_is_found_and_stays_found(folder: Path, line: str, table: str) -> None:
    anchor = verify(folder).head
    assert anchor is not None
    change(folder / "journal.db", line)
    assert table + ALTERED in found(folder)
    with Journal.open(folder) as journal:
        for each in journal.ordered.queue():
            journal.ordered.dequeue(each.new.uuid, order(8))
        journal.finish_run(1, "done")
    with Journal.open(folder, now=lambda: 4e9) as journal:
        journal.ordered.put(order(9))
    assert table + ALTERED in found(folder), "what was altered is altered, whatever was written since"
    assert not verify(folder, since=anchor.digest).whole


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("UPDATE under_way SET sum = zeroblob(2048) WHERE name = 'orders'", "under_way: the sums of orders"),
        ("UPDATE under_way SET commit_id = commit_id - 1", "under_way: the sums of orders"),
        ("DELETE FROM under_way", "under_way: the sums of orders"),
        ("UPDATE commits SET under_way = NULL WHERE commit_id = 5", "commit 5: the chain of digests is broken"),
    ],
)
def test_sums_that_are_not_those_of_the_commits_are_found(folder: Path, line: str, words: str) -> None:
    change(folder / "journal.db", line)
    assert words in found(folder)


def test_sums_that_were_taken_away_with_an_order_are_missed_for_ever(folder: Path) -> None:
    change(folder / "journal.db", "DELETE FROM under_way", "DELETE FROM orders WHERE order_id = 'N1'")
    with Journal.open(folder) as journal:
        journal.ordered.put(order(2))
    assert "orders" + ALTERED in found(folder)


def test_an_order_that_could_not_be_stored_leaves_no_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(folder) as journal:
        monkeypatch.setattr(insert_rows, "FORGET_ORDERS", "DELETE FROM nowhere WHERE 1 < ?")
        with pytest.raises(StoreError, match="no such table: nowhere"):
            journal.ordered.arrange([waiting(2).new.uuid], order(2))
        monkeypatch.undo()
        journal.ordered.put(order(3))
    assert verify(folder).whole


def test_a_journal_of_before_is_verified_as_it_is_and_covered_from_its_next_commit_on(tmp_path: Path) -> None:
    file = tmp_path / "second.db"
    file.write_bytes(lzma.decompress(PACKED.read_bytes()))
    done = verify(file)
    assert (done.commits, done.runs, done.rows, done.findings) == (13, 2, 120, ())
    with Journal.open(file) as journal:
        assert [each.new.uuid for each in journal.ordered.queue()] == ["6e8a720b-3edb-41ba-907e-b19d6aa5d804"]
        journal.finish_run(2, "stopped", "by hand")
    done = verify(file)
    assert (done.commits, done.runs, done.findings) == (14, 2, ())
    with Reader(file) as reader:
        assert reader.query("SELECT version, count(*) FROM commits GROUP BY 1") == [(2, 13), (VERSION, 1)]
    change(file, "UPDATE orders SET reply = '{}' WHERE order_id = 'start-c1'")
    assert "orders" + ALTERED in found(file)


def test_what_waits_in_a_restored_journal_is_taken_out_by_a_commit(folder: Path) -> None:
    older = (folder / "journal.db").read_bytes()
    with Journal.open(folder) as journal:
        journal.ordered.put(order(1))
    (folder / "journal.db").write_bytes(older)
    with Journal.open(folder) as journal:
        assert journal.unqueued == ("c1",)
    assert "queue" not in found(folder)
    assert "under_way" not in found(folder)

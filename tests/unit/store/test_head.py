"""The head is known twice: what a journal lost is noticed when it is opened, and nothing else is."""

import asyncio
import lzma
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.engine.input import Gap
from labctl.errors import StoreError
from labctl.store import head as head_module
from labctl.store import head_roster as roster_module
from labctl.store import writer as writer_module
from labctl.store.entry import Entry, OrderRecord
from labctl.store.head import PAGE, Head, HeadRecord, shortfall
from labctl.store.head_roster import ActiveRun, HeadRoster, Output
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl.store.writer import Writer
from tests.unit.store.making import batch, entries, new_run

UUID = "a88063ed-634b-4f4b-b471-496f2f04704f"


def record(commit: int, byte: int = 7) -> HeadRecord:
    return HeadRecord(UUID, 1, commit, bytes([byte]) * 32)


def write_rows(journal: Journal, run_id: int, first: int, count: int) -> None:
    rows = batch(first + count, seed=run_id).rows(first, first + count)
    for entry in entries(run_id, rows, 10, first):
        journal.commit([entry])


def killed(source: Path, into: Path) -> Path:
    """Return a copy of a journal's folder as a daemon that was killed leaves it."""
    shutil.copytree(source, into, ignore=shutil.ignore_patterns("lock", "*-shm"))
    return into


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_head_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "head"
    head = Head.read(path)
    assert (head.record, head.roster) == (None, HeadRoster())
    runs = (ActiveRun("u1", "c1", "made µ", "cell-1"),)
    for commit in range(1, 6):
        head.follow(record(commit), runs if commit == 2 else None)
    head.claim("SN 1", "2")
    again = Head.read(path)
    assert again.record == record(5)
    assert again.roster == HeadRoster(runs, frozenset({Output("SN 1", "2")}))
    assert again.ours("SN 1", "2")
    assert not again.ours("SN 1", "1")
    head.release("SN 1", "2")
    assert Head.read(path).roster.outputs == frozenset()
    head.close()


def active(number: int) -> ActiveRun:
    return ActiveRun(f"{number:08d}-b471-496f-bf04-704f2f04704f", f"c{number}", "made", "cell")


def test_a_start_writes_as_much_whatever_runs_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = roster_module.write_at
    monkeypatch.setattr(
        roster_module, "write_at", lambda file, text, at: (written.append(len(text)), write(file, text, at))
    )
    head = Head.read(tmp_path / "head")
    runs: tuple[ActiveRun, ...] = ()
    for number in range(5000):
        runs = (*runs, active(number))
        head.follow(record(number), runs)
    assert Head.read(tmp_path / "head").roster == HeadRoster(runs)
    assert sum(written) < 5000 * 3 * written[1]
    assert sorted(written)[2500] == pytest.approx(written[1], abs=10)
    head.close()


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["begin", "end", "on", "off", "fail"]), st.integers(0, 4)), max_size=60),
    cut=st.integers(0, 200),
)
def test_a_roster_is_read_back_whole_after_any_changes_and_a_torn_one_leaves_the_one_before(
    steps: list[tuple[str, int]], cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(roster_module, "WORTH", 400)  # new lists often
        path = Path(folder) / "head"
        head = Head.read(path)
        head.follow(record(1))
        commit, doubtful = 1, [head.roster]
        for verb, number in steps:
            commit += 1
            runs, outputs = head.roster.runs, head.roster.outputs
            match verb:
                case "begin" if active(number) not in runs:
                    head.follow(record(commit), (*runs, active(number)))
                case "end":
                    head.follow(record(commit), tuple(run for run in runs if run != active(number)))
                case "on":
                    head.claim("SN", str(number))
                case "off":
                    head.release("SN", str(number))
                case "fail":
                    doubtful.append(HeadRoster((*runs, active(number + 10)), head.roster.outputs))
                    failing = pytest.MonkeyPatch()
                    failing.setattr(head_module, "_sync", fails)
                    with pytest.raises(StoreError):
                        head.follow(record(commit), doubtful[-1].runs)
                    failing.undo()
                    continue
            if (head.roster.runs, head.roster.outputs) != (runs, outputs):
                doubtful = [head.roster]  # what failed before may not come back any more
            assert Head.read(path).roster in doubtful
        torn: list[tuple[bytes, int]] = []
        patched.setattr(roster_module, "write_at", lambda _, text, at: torn.append((text, at)))
        known = head.roster
        head.claim("torn", "1")
        head.close()
        with path.open("r+b") as file:
            file.seek(torn[0][1])
            file.write(torn[0][0][: min(cut, len(torn[0][0]) - 1)])
        assert Head.read(path).roster in (known, *doubtful)


@pytest.mark.parametrize("newest", [0, 1])
def test_a_roster_of_before_is_read_and_goes_on(tmp_path: Path, newest: int) -> None:
    """Until labctl 0.2 a place held a list alone, and was a mebibyte long."""
    path = tmp_path / "head"
    head = Head.read(path)
    head.follow(record(1))
    head.close()
    with path.open("r+b") as file:
        for place in (0, 1):
            number = 7 + (place == newest)
            runs = (active(number),)
            file.seek(2 * PAGE + place * (1 << 20))
            file.write(roster_module._list_bytes(number, HeadRoster(runs)))
    head = Head.read(path)
    assert head.roster.runs == (active(8),)
    for number in range(20, 30):
        head.follow(record(number), (*head.roster.runs, active(number)))
        assert Head.read(path).roster == head.roster
    head.close()


@pytest.mark.parametrize("torn", [0, 1, 12, 60, 99, 111])
def test_a_torn_record_leaves_the_one_before(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "head"
    head = Head.read(path)
    head.follow(record(1))
    head.follow(record(2))
    head.close()
    with path.open("r+b") as file:  # the power goes while the third is written over the first
        newer = head_module._record_bytes(3, record(3, 9))
        file.seek(PAGE)
        file.write(newer[:torn])
    assert Head.read(path).record == record(2)


def test_a_second_attempt_goes_over_the_torn_record_and_never_over_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "head"
    head = Head.read(path)
    head.follow(record(1))

    with monkeypatch.context() as failing:
        failing.setattr(head_module, "_sync", fails)
        for _ in range(2):
            with pytest.raises(StoreError, match=r"the disk failed under .*head"):
                head.follow(record(2))
    assert head.record == record(1)
    content = path.read_bytes()
    whole = [head_module._record(content[place * PAGE : (place + 1) * PAGE]) for place in range(2)]
    assert (1, record(1)) in whole
    head.follow(record(2))
    assert Head.read(path).record == record(2)
    head.close()


def test_a_full_disk_is_named_and_does_not_say_that_nothing_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Head.read(tmp_path / "head")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(head_module, "_sync", full)
    with pytest.raises(StoreError, match=r"head: No space left") as raised:
        head.follow(record(1))
    assert type(raised.value) is StoreError


def test_neither_record_whole_is_no_head(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.write_bytes(os.urandom(3 * PAGE))
    assert Head.read(path).record is None


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "journal", "last", "chain", "kind"),
    [
        (None, UUID, 7, None, None),
        (record(0), None, 0, None, None),
        (record(7), UUID, 7, b"\7" * 32, None),
        (record(7), UUID, 8, b"\7" * 32, None),  # the power went between the two syncs
        (record(7), UUID, 6, None, "lost"),
        (record(7), UUID, 9, b"\1" * 32, "changed"),
        (record(7), "another", 9, None, "other"),
        (record(7), None, 0, None, "absent"),
    ],
)
def test_what_is_missing(
    known: HeadRecord | None, journal: str | None, last: int, chain: bytes | None, kind: str | None
) -> None:
    missing = shortfall(known, journal, last, chain)
    assert (None if missing is None else missing.kind) == kind
    assert missing is None or str(missing.known.commit_id) in str(missing)


def test_a_head_follows_every_commit_and_the_runs_that_have_not_ended(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
        journal.create_run(new_run("b"))
        write_rows(journal, 1, 0, 30)
        journal.head.claim("SN 1", "1")
        journal.finish_run(2, "done")
        head = Head.read(tmp_path / "head")
        assert head.record == HeadRecord(journal.uuid, 1, journal.commit_id, journal._chain)
        assert [run.channel for run in head.roster.runs] == ["a"]
        assert head.ours("SN 1", "1")
    with Journal.open(tmp_path) as journal:
        assert journal.opening.missing is None
        assert journal.head.ours("SN 1", "1"), "outputs outlive the process"
        journal.head.release("SN 1", "1")
    assert not Head.read(tmp_path / "head").ours("SN 1", "1")


def test_a_head_one_commit_behind_is_normal(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
        before = (tmp_path / "head").read_bytes()
        write_rows(journal, 1, 0, 1)
    (tmp_path / "head").write_bytes(before)
    with Journal.open(tmp_path) as journal:
        assert (journal.opening.missing, journal.generation, journal.cut) == (None, 1, ())


def test_wal_flip_silent(tmp_path: Path) -> None:
    """One flipped bit in the log of a killed daemon: all runs and rows after it are missing, and that is noticed."""
    with Journal.open(tmp_path / "data") as journal:
        for channel in ("c1", "c2"):
            journal.create_run(new_run(channel))
        for first in range(0, 200, 10):
            for run_id in (1, 2):
                write_rows(journal, run_id, first, 10)
        journal.create_run(new_run("c3"))
        acknowledged = journal.commit_id
        folder = killed(tmp_path / "data", tmp_path / "killed")
    log = folder / "journal.db-wal"
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)

    findings = "\n".join(map(str, verify(folder).findings))
    assert f"to {acknowledged} had been acknowledged and are missing" in findings

    with Journal.open(folder) as journal:
        missing = journal.opening.missing
        assert missing is not None
        assert (missing.kind, missing.known.commit_id, missing.last) == ("lost", acknowledged, journal.commit_id)
        assert journal.opening.kept is not None
        assert (journal.opening.kept / "journal.db-wal").read_bytes() == bytes(content), (
            "what can still be read is kept"
        )
        assert journal.generation == 2
        assert journal.cut == (1, 2), "they may lack rows, and do not go on by themselves"
        generation = journal.generations[-1]
        assert generation.origin == "shortened"
        assert [each[1] for each in generation.known["runs"]] == ["c1", "c2", "c3"]
        with Reader(folder) as reader:
            lost = reader.losses()
        assert [(each.began_commit_id, [run.channel for run in each.runs]) for each in lost] == [(missing.last, ["c3"])]
    with Journal.open(folder) as journal:
        assert journal.opening.missing is None, "it is said once at an opening, and stays in the table"
        assert journal.cut == (1, 2)
        journal.commit([Entry(1, input=Gap(0.0, 1.0, "lost"))])
    with Journal.open(folder) as journal:
        assert journal.cut == (2,), "a run that was taken up is whole from there on"
    findings = "\n".join(map(str, verify(folder).findings))
    assert f"to {acknowledged} had been acknowledged and are missing" in findings, "and is never forgotten"


def test_an_order_that_belongs_to_no_run_is_missed_like_rows(tmp_path: Path) -> None:
    """A stop that took a run out of the queue, say: it was answered, so its loss is noticed."""
    with Journal.open(tmp_path / "data") as journal:
        journal.create_run(new_run("c1"))
        folder = killed(tmp_path / "data", tmp_path / "killed")
        journal.ordered.put(OrderRecord("c2", "stop", "S", "{}", "{}"))
        assert [each.verb for each in journal.ordered.orders("c2", "S")] == ["stop"]
        acknowledged = journal.commit_id
        (folder / "head").write_bytes((tmp_path / "data" / "head").read_bytes())
    assert not verify(tmp_path / "data").findings
    assert f"commit {acknowledged} had been acknowledged and is missing" in "\n".join(map(str, verify(folder).findings))
    with Journal.open(folder) as journal:
        assert journal.opening.missing is not None
        assert journal.opening.missing.kind == "lost"


@pytest.mark.parametrize("which", ["older copy", "other journal", "none", "older copy that went on"])
def test_another_journal_than_the_one_that_was_acknowledged_is_noticed(tmp_path: Path, which: str) -> None:
    folder = tmp_path / "data"
    with Journal.open(folder) as journal:
        journal.create_run(new_run("a"))
    shutil.copy(folder / "journal.db", tmp_path / "older.db")
    with Journal.open(folder) as journal:
        write_rows(journal, 1, 0, 50)
        acknowledged = journal.commit_id
    match which:
        case "older copy":
            shutil.copy(tmp_path / "older.db", folder / "journal.db")
        case "older copy that went on":
            with Journal.open(tmp_path / "older.db") as journal:
                write_rows(journal, 1, 0, 100)
            shutil.copy(tmp_path / "older.db", folder / "journal.db")
        case "other journal":
            with Journal.open(tmp_path / "other.db") as journal:
                journal.create_run(new_run("z"))
            shutil.copy(tmp_path / "other.db", folder / "journal.db")
        case "none":
            (folder / "journal.db").unlink()
    with Journal.open(folder) as journal:
        missing = journal.opening.missing
        assert missing is not None
        kinds = {"older copy": "lost", "older copy that went on": "changed", "other journal": "other", "none": "absent"}
        assert missing.kind == kinds[which]
        assert str(acknowledged) in str(missing)
        assert journal.generations[-1].origin == "shortened"
    with Journal.open(folder) as journal:
        assert journal.opening.missing is None
    assert not verify(folder).whole


def test_a_shortfall_whose_head_was_not_yet_written_is_said_again_and_noted_once(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
    shutil.copy(tmp_path / "journal.db", tmp_path / "older.db")
    with Journal.open(tmp_path) as journal:
        write_rows(journal, 1, 0, 50)
    ahead = (tmp_path / "head").read_bytes()
    shutil.move(tmp_path / "older.db", tmp_path / "journal.db")
    for _ in range(2):
        (tmp_path / "head").write_bytes(ahead)  # the power went after the generation was noted
        with Journal.open(tmp_path) as journal:
            assert journal.opening.missing is not None
            assert [each.origin for each in journal.generations] == ["made", "shortened"]


def test_a_head_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
    (tmp_path / "head").unlink()
    with Journal.open(tmp_path) as journal:
        assert journal.opening.headless
    with Journal.open(tmp_path) as journal:
        assert not journal.opening.headless


def test_a_journal_of_before_heads_gets_one_without_a_word(tmp_path: Path) -> None:
    packed = Path(__file__).parent / "journals" / "first.db.xz"
    (tmp_path / "journal.db").write_bytes(lzma.decompress(packed.read_bytes()))
    with Journal.open(tmp_path) as journal:
        assert (journal.opening.missing, journal.opening.headless) == (None, False)
        assert journal.head.record is not None
        assert journal.head.record.commit_id == 164


def test_a_single_file_has_no_head(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "dry.db") as journal:
        journal.create_run(new_run("a"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dry.db"]


# --- generations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO journal SELECT generation + 1, uuid, 'other', began_commit_id, unix_time_second, origin, detail FROM journal",
        "UPDATE journal SET machine = 'other'",
        "UPDATE journal SET origin = 'moved'",
    ],
)
def test_the_generations_are_under_the_chain(tmp_path: Path, change: str) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute(change)
    connection.commit()
    connection.close()
    assert not verify(tmp_path).whole


def test_a_disk_that_fails_under_the_head_is_no_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        before = journal.head.record
        with monkeypatch.context() as failing:
            failing.setattr(head_module, "_sync", fails)
            with pytest.raises(StoreError, match="head"):
                write_rows(journal, run_id, 0, 1)
            assert journal.head.record == before
            with pytest.raises(StoreError, match="head"):
                journal.create_run(new_run("b"))
        journal.acknowledge()
        assert journal.head.record is not None
        assert journal.head.record.commit_id == journal.commit_id
        with Reader(tmp_path) as reader:
            refused = reader.run(2)
        assert (refused.active, refused.end_reason) == (False, "failed"), (
            "what was refused does not begin after a restart"
        )
    assert verify(tmp_path).whole


async def test_a_writer_tells_of_a_commit_when_its_head_has_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "RETRY", 0.001)
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        writer = Writer(journal, asyncio.get_running_loop(), rows=10, age=1e6)
        told: list[int] = []
        writer.on_commit(lambda done: told.extend(entry.first_record for entry in done.entries if entry.rows))
        with monkeypatch.context() as failing:
            failing.setattr(head_module, "_sync", fails)
            rows = list(entries(run_id, batch(50), 10))
            writer.offer_all(rows[:3])
            with pytest.raises(StoreError, match="head"):
                await writer.flush()
            assert told == []
            assert writer.stalled > 0
            writer.offer_all(rows[3:])
            with pytest.raises(StoreError, match="head"):
                await writer.flush()
        await writer.flush()
        assert told == [0, 10, 20, 30, 40], "each once, in order"
        await writer.close()
    assert verify(tmp_path).whole


def fails(_: int) -> None:
    raise OSError(5, "Input/output error")

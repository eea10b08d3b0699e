"""The journal: runs, commits, chain, cursors, orders, and the lock on its folder."""

import contextlib
import multiprocessing
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labctl.driver import Points
from labctl.engine.input import Began, Event, Gap, InstrumentFault, Order, Result, SpectrumPart, StepEnded
from labctl.errors import InternalError, OrderRefused, StoreBusy, StoreDamaged, StoreError, UsageError
from labctl.store.assemble import request_of
from labctl.store.entry import Entry, OrderRecord, Queued
from labctl.store.journal import Journal
from labctl.store.location import Lock, place
from labctl.store.reader import Reader
from labctl.store.write_connection import WriteConnection
from tests.unit.store.making import attempt, batch, entries, new_run


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def reader(journal: Journal) -> Iterator[Reader]:
    with Reader(journal.place.file) as opened:
        yield opened


def test_a_run_has_its_plan_texts_and_place(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a", by="me", options={"seed": 3}))
    run = reader.run(run_id)
    assert (run.channel, run.protocol, run.cell, run.by, run.options) == ("a", "made", "cell-1", "me", {"seed": 3})
    assert (run.rows, run.activity, run.active) == (0, "preparing", True)
    assert reader.plan(run_id) == b'{"name":"made"}'
    assert reader.find(run.uuid[:8]) == run
    assert reader.find(str(run_id)) == run
    assert reader.query("SELECT text FROM protocols")[0][0] == "labctl: 1\n"
    assert reader.query("SELECT name FROM cells")[0][0] == "cell-1"


def test_a_uuid_that_begins_with_digits_alone_is_no_number(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    with contextlib.closing(sqlite3.connect(journal.place.file)) as other, other:
        other.execute("UPDATE runs SET uuid = '51014045-0000-4000-8000-000000000000'")
    assert reader.find("51014045").run_id == run_id


def test_a_channel_has_one_active_run(journal: Journal, reader: Reader) -> None:
    first = journal.create_run(new_run("a"))
    with pytest.raises(OrderRefused, match=r"channel a is taken by run 1 \(made\)"):
        journal.create_run(new_run("a"))
    journal.create_run(new_run("b"))
    journal.create_run(new_run(None))
    journal.create_run(new_run(None))
    journal.finish_run(first, "stopped", "by hand")
    second = journal.create_run(new_run("a"))
    assert [run.run_id for run in reader.runs(active=True)] == [2, 3, 4, second]
    assert (reader.run(first).end_reason, reader.run(first).end_why) == ("stopped", "by hand")


def test_a_refused_run_leaves_nothing_and_the_chain_goes_on(journal: Journal, reader: Reader) -> None:
    journal.create_run(new_run("a"))
    before = reader.query("SELECT count(*) FROM plans")[0][0], journal.commit_id
    with pytest.raises(OrderRefused):
        journal.create_run(new_run("a"))
    assert (reader.query("SELECT count(*) FROM plans")[0][0], journal.commit_id) == before
    assert journal.create_run(new_run("b")) == 2


def test_rows_events_inputs_and_checkpoint_come_back(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    made = batch(10, temperature=True)
    state = Entry(
        run_id,
        made,
        0,
        7,
        events=(attempt(7), Event("note", 9, 5.0, {"text": "hallo"})),
        checkpoint=b"{}",
        source=b"[]",
    )
    journal.commit([state])
    journal.commit([Entry(run_id, input=Gap(1.0, 2.0, "power"), checkpoint=b'{"a":1}')])
    found = reader.rows(run_id)
    for name in ("time", "voltage", "current", "charging_ah", "discharging_ah", "temperature_celsius"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert found.quality is None
    assert [stored.event for stored in reader.events(run_id)] == list(state.events)
    assert [(stored.record_index, stored.input) for stored in reader.inputs(run_id)] == [(9, Gap(1.0, 2.0, "power"))]
    checkpoint = reader.checkpoint(run_id)
    assert checkpoint is not None
    assert (checkpoint.state, checkpoint.source, checkpoint.record_index, checkpoint.commit_id) == (
        b'{"a":1}',
        b"[]",
        9,
        3,
    )


@pytest.mark.parametrize(
    "given",
    [
        Began(3, 1.25, {"current": 1e-3}), StepEnded(3, 1, 0.1 + 0.2, None, "own"), Gap(1, 2, "x", attempt_goes_on=True),
        Order("note", "id-1", "me", 'µ "Ω"'), Result("ccd", 1 / 3, 4), InstrumentFault("gone", safe=False),
        Began(3, np.float64(1.5), {"voltage": np.float64(2.5)}),
    ],
)  # fmt: skip
def test_an_input_comes_back_equal(journal: Journal, reader: Reader, given: object) -> None:
    run_id = journal.create_run(new_run("a"))
    journal.commit([Entry(run_id, input=given)])
    assert reader.inputs(run_id)[0].input == given


def test_the_points_of_a_spectrum_are_numbered_through(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    points = Points(*(np.arange(3.0) + number for number in range(6)))
    journal.commit(
        [Entry(run_id, events=(attempt(4), Event("spectrum_began", -1, 1.0, {"spectrum": 1, "step_count": 4})))]
    )
    journal.commit([Entry(run_id, input=SpectrumPart(4, points)), Entry(run_id, input=SpectrumPart(4, points))])
    journal.commit(
        [Entry(run_id, events=(Event("spectrum_ended", -1, 9.0, {"spectrum": 1, "points": 6, "complete": True}),))]
    )
    view = reader.query("SELECT spectrum, point, frequency_hertz, step_id FROM v_spectrum_points ORDER BY point")
    assert [tuple(row) for row in view] == [(1, number, 1.0 + number % 3, 1) for number in range(6)]
    spectrum = reader.query(
        "SELECT attempt_id, begin_test_time_second, end_test_time_second, points, complete FROM spectra"
    )
    assert tuple(spectrum[0]) == (4, 1.0, 9.0, 6, 1)
    back = reader.inputs(run_id)[0].input
    assert isinstance(back, SpectrumPart)
    np.testing.assert_array_equal(back.points.imaginary, points.imaginary)


def test_tables_follow_from_events(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    began = Event(
        "step_began",
        -1,
        0.0,
        {
            "step_count": 1,
            "step_id": 2,
            "step_type": "charge",
            "step_name": "up",
            "cycle_count": 1,
            "begin_test_time_second": 0.0,
        },
    )
    ended = Event(
        "step_ended",
        5,
        9.0,
        {
            "step_count": 1,
            "end_reason": "to",
            "last_voltage_volt": np.float64(4.2),
            "overshoot": float("nan"),
            "end_test_time_second": 9.0,
        },
    )
    cycle = Event(
        "cycle_ended", 5, 9.0, {"cycle_count": 1, "kind": "true", "coulombic_efficiency": 0.99, "retention": None}
    )
    result = Event("result", 5, 9.0, {"name": "ccd", "value": 1.5, "unit": "mA/cm2", "cycle_count": 1})
    state = Event("activity", 5, 9.0, {"activity": "waiting", "why": "asks", "unblock": "labctl confirm a"})
    journal.commit([Entry(run_id, events=(began,))])
    journal.commit([Entry(run_id, events=(ended, cycle, result, state))])
    step = reader.query("SELECT * FROM steps")[0]
    assert (step.step_id, step.step_name, step.end_reason, step.last_voltage_volt, step.overshoot) == (
        2,
        "up",
        "to",
        4.2,
        None,
    )
    assert reader.query("SELECT coulombic_efficiency, retention FROM cycles")[0] == (0.99, None)
    assert reader.query("SELECT value, unit FROM results")[0] == (1.5, "mA/cm2")
    run = reader.run(run_id)
    assert (run.activity, run.why, run.unblock) == ("waiting", "asks", "labctl confirm a")


def test_the_end_of_a_run_is_an_event(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    journal.commit(
        [Entry(run_id, batch(5), 0, 1, events=(Event("run_ended", 4, 12.5, {"reason": "tripped", "why": "voltage"}),))]
    )
    run = reader.run(run_id)
    assert (run.active, run.end_reason, run.end_why, run.activity) == (False, "tripped", "voltage", "tripped")
    assert run.ended_unix_time == 1.7e9 + 12.5


def test_rows_that_do_not_follow_are_our_defect(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    journal.commit([Entry(run_id, batch(5), 0, 1)])
    for first in (4, 6):
        with pytest.raises(InternalError, match=f"wanted record 5, found {first}"):
            journal.commit([Entry(run_id, batch(5), first, 1)])
    assert journal.commit([Entry(run_id, batch(5), 5, 1)]) == 3
    assert reader.run(run_id).rows == 10


def test_rows_must_be_metered_and_their_counters_finite(journal: Journal) -> None:
    run_id = journal.create_run(new_run("a"))
    made = batch(3)
    with pytest.raises(InternalError, match="no charge counters"):
        journal.commit([Entry(run_id, replace(made, charging_ah=None), 0, 1)])
    with pytest.raises(InternalError, match="not finite"):
        journal.commit([Entry(run_id, replace(made, discharging_ah=np.array([0, np.nan, 0])), 0, 1)])
    with pytest.raises(StoreError, match="none with the number 99"):
        journal.commit([Entry(99, made, 0, 1)])


def test_the_step_of_a_program_comes_back_with_its_rows(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    for number, step in enumerate((0, 0, 2, 1, 1, 0)):
        journal.commit([Entry(run_id, replace(batch(4), step=step), number * 4, 1)])
    found = [(rows.first_record, len(rows.batch), rows.batch.step) for rows in reader.batches(run_id)]
    assert found == [(0, 8, 0), (8, 4, 2), (12, 8, 1), (20, 4, 0)]
    assert [rows.batch.step for rows in reader.batches(run_id, 9, 12)] == [2, 1]
    assert reader.inputs(run_id) == []


def test_batches_are_cut_at_attempts(journal: Journal, reader: Reader) -> None:
    run_id = journal.create_run(new_run("a"))
    journal.commit([Entry(run_id, batch(3), 0, 1), Entry(run_id, batch(2), 3, 2), Entry(run_id, batch(2), 5, 2)])
    assert [(rows.first_record, rows.last_record, rows.attempt_id) for rows in reader.batches(run_id)] == [
        (0, 2, 1),
        (3, 6, 2),
    ]


def test_a_reader_follows_by_cursor(journal: Journal, reader: Reader) -> None:
    one, two = journal.create_run(new_run("a")), journal.create_run(new_run("b"))
    for run_id in (one, two, one):
        first = reader.run(run_id).rows
        journal.commit([*entries(run_id, batch(6), 3, first)])
    changes = reader.after(2, rows=True)
    assert changes.commit_id == journal.commit_id == 5
    assert [(part.run_id, part.records, part.events) for part in changes.parts] == [
        (one, (0, 11), (1, 5)),
        (two, (0, 5), (1, 3)),
    ]
    assert sum(len(rows.batch) for rows in changes.rows[one]) == 12
    assert [stored.seq for stored in changes.events[one]] == [1, 2, 3, 4, 5]
    assert not reader.after(5)
    assert reader.after(0, most=1).commit_id == 1
    assert [reader.after(at, most=1).commit_id for at in range(5)] == [1, 2, 3, 4, 5]


def test_a_journal_goes_on_where_it_stood(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        journal.commit([*entries(run_id, batch(6), 3)])
        uuid, generation = journal.uuid, journal.generation
    with Journal.open(tmp_path) as journal:
        assert (journal.uuid, journal.generation, journal.moved) == (uuid, generation, False)
        journal.commit([Entry(run_id, replace(batch(4), step=1), 6, 2, events=(Event("note", 9, 1.0),))])
        assert journal.commit_id == 3
    with Reader(tmp_path) as reader:
        assert [stored.seq for stored in reader.events(run_id)] == [1, 2, 3, 4]
        assert reader.run(run_id).rows == 10


def test_a_journal_on_another_machine_is_another_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
        uuid = journal.uuid
    monkeypatch.setattr("labctl.store.journal.machine", lambda: "another")
    with Journal.open(tmp_path) as journal:
        assert (journal.uuid, journal.generation, journal.moved) == (uuid, 2, True)
    with Journal.open(tmp_path) as journal:
        assert (journal.generation, journal.moved) == (2, False)


def test_cursors_are_durable_with_the_next_commit_or_at_the_end(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        assert journal.cursor("mqtt") == 0
        journal.set_cursor("mqtt", 1)
        assert journal.cursor("mqtt") == 1
        journal.create_run(new_run("a"))
        with Reader(tmp_path) as reader:
            assert reader.cursor("mqtt") == 1
        journal.set_cursor("mqtt", 7)
    with Journal.open(tmp_path) as journal:
        assert journal.cursor("mqtt") == 7


def test_an_order_is_known_for_a_day_and_for_its_run_s_life(tmp_path: Path) -> None:
    now = [1000.0]
    with Journal.open(tmp_path, now=lambda: now[0]) as journal:
        stop, start = OrderRecord("a", "stop", "id", "{}"), OrderRecord("a", "start", "id", "{}", '{"run":"x"}')
        journal.ordered.put(stop)
        run_id = journal.create_run(replace(new_run("a"), order=start, uuid="mine"))
        known = {stop, replace(start, run_id=run_id)}
        assert set(journal.ordered.orders("a", "id")) == known
        assert journal.ordered.orders("b", "id") == ()
        now[0] += 86399
        assert set(journal.ordered.orders("a", "id")) == known
        now[0] += 2
        assert set(journal.ordered.orders("a", "id")) == {replace(start, run_id=run_id)}
        journal.finish_run(run_id, "stopped")
        assert journal.ordered.orders("a", "id") == ()
        journal.ordered.put(OrderRecord("a", "stop", "other", "{}"))
        with Reader(tmp_path) as reader:
            assert reader.run(run_id).uuid == "mine"
            assert reader.query("SELECT count(*) FROM orders")[0][0] == 1


def test_a_queue_is_kept_in_its_order_until_its_runs_begin(tmp_path: Path) -> None:
    def waiting(channel: str, name: str, begin: float | None) -> Queued:
        new = replace(new_run(channel), uuid=name, order=OrderRecord(channel, "start", name, "{}", "{}"))
        return Queued(channel, new, begin, 5.0, 3)

    with Journal.open(tmp_path) as journal:
        queued = [waiting("b", "1", None), waiting("a", "2", 7.5), waiting("a", "3", None)]
        for each in queued:
            journal.ordered.enqueue(each)
    with Journal.open(tmp_path) as journal:
        stored = queued
        assert journal.ordered.queue() == (stored[1], stored[2], stored[0])
        assert journal.ordered.orders("a", "2")[0].reply == "{}"
        journal.create_run(stored[1].new)
        journal.ordered.dequeue("1", OrderRecord("b", "stop", "x", "{}"))
        assert [each.new.uuid for each in journal.ordered.queue()] == ["3"]
        assert journal.ordered.orders("b", "x")


def test_an_order_and_its_effect_are_one_transaction(journal: Journal) -> None:
    run_id = journal.create_run(new_run("a"))
    order = Order("confirm", "7", "me", "30 degrees")
    for obeyed in (False, True):
        event = Event("order", -1, 0.0, {"verb": "confirm", "id": "7", "obeyed": obeyed})
        journal.commit([Entry(run_id, input=order, events=(event,))])
        known = journal.ordered.orders("a", "7")
        assert bool(known) is obeyed
    assert known == (OrderRecord("a", "confirm", "7", request_of(order), None, run_id),)
    journal.ordered.drop(known[0])
    assert journal.ordered.orders("a", "7") == ()


def test_a_channel_s_description_is_kept(journal: Journal, reader: Reader) -> None:
    journal.put_channels({"a": {"make": "x"}})
    journal.put_channels({"a": {"make": "y"}})
    assert [tuple(row) for row in reader.query("SELECT channel, data FROM channels")] == [("a", '{"make":"y"}')]


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_database_is_as_the_promises_need_it(journal: Journal) -> None:
    connection = sqlite3.connect(journal.place.file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()
    assert journal._file.cursor.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_folder_is_its_owner_s_alone_and_has_a_reserve(journal: Journal) -> None:
    assert stat.S_IMODE(journal.place.folder.stat().st_mode) == 0o700
    assert journal.place.reserve is not None
    found = journal.place.reserve.stat()
    assert found.st_blocks * 512 >= found.st_size >= 4 * 1024 * 1024


def hold(
    folder: str, ready: "multiprocessing.connection.Connection", done: "multiprocessing.connection.Connection"
) -> None:
    with Journal.open(folder):
        ready.send(os.getpid())
        done.recv()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[multiprocessing.Process]:
    context = multiprocessing.get_context("spawn")
    (said, say), (wait, self_end) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    process = context.Process(target=hold, args=(str(tmp_path), say, wait))
    process.start()
    assert said.poll(60)
    said.recv()
    yield process
    if process.is_alive():
        self_end.send(None)
    process.join(30)


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path, other: multiprocessing.Process) -> None:
    with pytest.raises(StoreBusy, match=rf"journal\.db is in use by process {other.pid} on "):
        Journal.open(tmp_path)


def test_the_lock_is_free_when_its_owner_is_killed(tmp_path: Path, other: multiprocessing.Process) -> None:
    other.kill()
    other.join(30)
    Journal.open(tmp_path).close()


def test_readers_read_while_somebody_writes(tmp_path: Path, other: multiprocessing.Process) -> None:
    with Reader(tmp_path) as reader:
        assert reader.runs() == []


def test_a_single_file_has_its_lock_beside_it_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with Journal.open(f"sqlite:///{file}") as journal:
        assert (tmp_path / "x.db.lock").is_file()
        with pytest.raises(StoreBusy):
            Journal.open(file)
        journal.create_run(new_run())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.db"]
    with Reader(f"sqlite:///{file}") as reader:
        assert len(reader.runs()) == 1


def test_other_databases_and_missing_journals_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wanted a data folder or sqlite:///FILE"):
        Journal.open("postgresql://x/y")
    with pytest.raises(UsageError, match=r"a file run\.db for the journal, found '.*run\.xlsx'"):
        Journal.open(tmp_path / "run.xlsx")
    with pytest.raises(StoreError, match="wanted a journal, found none"):
        Journal.open(tmp_path / "none", create=False)
    with pytest.raises(StoreError, match="wanted a journal, found none"):
        Reader(tmp_path)
    with pytest.raises(StoreError, match=r"wanted a folder for x\.db"):
        Journal.open(tmp_path / "none" / "x.db")
    with Journal.open(tmp_path), Reader(tmp_path) as reader:
        for name in ("7", "beef"):
            with pytest.raises(UsageError, match="labctl runs"):
                reader.find(name)


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [0, 1, 4, 9, 20])
def test_a_damaged_journal_is_set_aside_and_never_overwritten(tmp_path: Path, page: int) -> None:
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        journal.commit([Entry(run_id, batch(1000), 0, 1)])
    file = tmp_path / "journal.db"
    content = bytearray(file.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    file.write_bytes(content)
    (tmp_path / "journal.db-wal").write_bytes(b"x" * 100)  # its last writer did not close it
    with Journal.open(tmp_path) as journal:
        assert journal.opening.set_aside is not None
        assert (journal.opening.set_aside / "journal.db").read_bytes() == bytes(content)
        assert journal.commit_id == 0
        journal.create_run(new_run("a"))


def test_a_damaged_single_file_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_bytes(b"my diary " * 1000)
    with pytest.raises(StoreDamaged, match="not a whole journal"):
        Journal.open(file)
    assert file.read_bytes() == b"my diary " * 1000


def test_reopening_tells_whether_the_last_commit_is_in_the_file(journal: Journal) -> None:
    run_id = journal.create_run(new_run("a"))
    assert journal.reopen() is False
    known = journal._commit_id, journal._chain
    journal.commit([Entry(run_id, batch(3), 0, 1)])
    journal._commit_id, journal._chain = known  # as if the answer to COMMIT had been an error
    assert journal.reopen() is True
    assert journal.commit([Entry(run_id, batch(3), 3, 1)]) == 3
    known = journal._commit_id, journal._chain
    journal.create_run(new_run("b"))
    journal._commit_id, journal._chain = known
    journal._attempted = (4, b"another")
    assert journal.reopen() is False  # something else is there: it is taken up, and nothing is written twice
    assert journal.commit([Entry(run_id, batch(3), 6, 1)]) == 5
    journal._commit_id = 9
    with pytest.raises(StoreDamaged, match="wanted commit 9, found 5"):
        journal.reopen()


def test_cache_and_log_grow_with_the_runs_and_stay_so_when_the_file_is_opened_again(tmp_path: Path) -> None:
    def room() -> list[int]:
        names = ("cache_size", "wal_autocheckpoint", "journal_size_limit")
        return [abs(file.driver.execute(f"PRAGMA {name}").fetchone()[0]) for name in names]

    file = WriteConnection(place(tmp_path / "journal.db"))
    few = room()
    file.make_room_for(1000)
    assert room() == few
    file.make_room_for(10_000)
    many = room()
    assert [more / less for more, less in zip(many, few, strict=True)] == pytest.approx([many[1] / few[1]] * 3)
    assert many[1] > 10_000
    file.close()
    file.open()
    assert room() == many
    file.close()


def test_a_journal_whose_making_was_cut_off_is_made_again(tmp_path: Path) -> None:
    half = sqlite3.connect(tmp_path / "half.db", isolation_level=None)
    half.execute("PRAGMA cache_size = 1")
    half.execute("PRAGMA cache_spill = 1")
    half.execute("CREATE TABLE a (b)")
    half.execute("BEGIN")
    half.execute("DELETE FROM a")
    half.executemany(
        "INSERT INTO a VALUES (?)", [(bytes(3000),)] * 50
    )  # more than memory may hold: the file is written
    for suffix in ("", "-journal"):
        (tmp_path / f"journal.db{suffix}").write_bytes((tmp_path / f"half.db{suffix}").read_bytes())
    half.close()
    connection = sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.close()
    with Journal.open(tmp_path) as journal:
        assert journal.opening.set_aside is None
        assert journal.create_run(new_run("a")) == 1


def test_a_lock_whose_owner_cannot_be_written_down_is_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        lock = Lock(tmp_path / "lock", "the journal")
    with pytest.raises(StoreBusy, match="in use by another process"):
        Lock(tmp_path / "lock", "the journal")
    lock.release()

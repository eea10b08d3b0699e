"""The journal in a real PostgreSQL: each row once, through kills of the server and commits that nobody answered."""

import asyncio
import contextlib
import queue
import random
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
import pytest

from labctl.driver import Points
from labctl.engine.input import Event, Gap, SpectrumPart
from labctl.errors import SinkError
from labctl.publish.postgres import Postgres, follow
from labctl.store.entry import Entry, OrderRecord
from labctl.store.journal import Journal
from labctl.store.matrix import WIDTH
from labctl.store.reader import Reader
from labctl.store.schema import metadata
from labctl.store.verify import verify
from tests.services_postgresql import Postgresql, postgresql, postgresql_server  # noqa: F401
from tests.unit.store.making import attempt, batch, entries, new_run

pytestmark = pytest.mark.postgresql
COPIED = (
    "attempts",
    "steps",
    "cycles",
    "spectra",
    "spectrum_points",
    "events",
    "inputs",
    "results",
    "auxiliary",
    "plans",
)


def filled(folder: Path, runs: int = 3, rows: int = 500) -> Journal:
    journal = Journal.open(folder)
    for number in range(runs):
        run_id = journal.create_run(new_run(f"ch{number}", options={"seed": number}))
        made = batch(rows, seed=number, temperature=number == 1, bad=number == 2)
        for entry in entries(run_id, made, 37):
            journal.commit([entry])
        journal.ordered.put(OrderRecord(f"ch{number}", "stop", "S", "{}", "{}"))  # a commit that belongs to no run
    return journal


def same(folder: Path, url: str) -> None:
    """Compare the journal with its copy, row by row, to the bit."""
    with Reader(folder) as here, Reader(url) as there:
        copies = {run.uuid: run for run in there.runs()}
        assert set(copies) == {run.uuid for run in here.runs()}
        for run in here.runs():
            copy = copies[run.uuid]
            mine = np.concatenate([np.empty((0, WIDTH)), *here.matrices(run.run_id)])
            other = np.concatenate([np.empty((0, WIDTH)), *there.matrices(copy.run_id)])
            assert mine[:, 1:].tobytes() == other[:, 1:].tobytes()
            for table in COPIED:
                order = ", ".join(column.name for column in metadata.tables[table].primary_key)
                names = ", ".join(column.name for column in metadata.tables[table].columns if column.name != "run_id")
                sql = f"SELECT {names} FROM {table} WHERE run_id = :run ORDER BY {order}"
                assert [*map(tuple, here.query(sql, run=run.run_id))] == [
                    *map(tuple, there.query(sql, run=copy.run_id))
                ]
            for name in ("channel", "activity", "ended_unix_time", "end_reason", "options", "began_unix_time", "rows"):
                assert getattr(run, name) == getattr(copy, name)


def test_everything_arrives_once(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    with filled(tmp_path) as journal, Postgres(tmp_path, postgresql) as sink:
        assert sink.carry_all() == journal.commit_id
        assert sink.carry() == 0
        same(tmp_path, postgresql)


def test_what_comes_later_follows(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    with filled(tmp_path) as journal, Postgres(tmp_path, postgresql) as sink:
        sink.carry_all()
        first = journal.finish_run(1, "done")
        again = journal.create_run(new_run("ch0", resumed_from=1))
        journal.commit([Entry(again, batch(5), 0, 1, input=Gap(0.0, 3.5, "power"), events=(attempt(1),))])
        points = Points(*(np.arange(4.0) + 1 for _ in range(6)))
        journal.commit([Entry(again, events=(Event("spectrum_began", 4, 9.0, {"spectrum": 1, "step_count": 1}),))])
        journal.commit([Entry(again, input=SpectrumPart(1, points))])
        journal.commit(
            [
                Entry(
                    again,
                    events=(Event("result", 4, 9.0, {"name": "ccd", "value": 0.5, "unit": "", "cycle_count": 3}),),
                )
            ]
        )
        assert sink.carry_all() == journal.commit_id - first + 1
        same(tmp_path, postgresql)
        with Reader(postgresql) as there:
            view = there.query("SELECT spectrum, frequency_hertz, step_id FROM v_spectrum_points ORDER BY point")
            assert [tuple(row) for row in view] == [(1, 1.0 + number, 1) for number in range(4)]
            resumed = there.query("SELECT r.uuid, o.uuid FROM runs r JOIN runs o ON o.run_id = r.resumed_from")
            assert len(resumed) == 1


def test_two_journals_share_a_database(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    for name in ("one", "two"):
        with filled(tmp_path / name, runs=2, rows=40), Postgres(tmp_path / name, postgresql) as sink:
            sink.carry_all()
    with Reader(postgresql) as there:
        assert len(there.runs()) == 4
        assert there.query("SELECT count(*) FROM v_samples")[0][0] == 160


def test_the_view_is_the_same(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    with filled(tmp_path, runs=1, rows=50), Postgres(tmp_path, postgresql) as sink:
        sink.carry_all()
    sql = "SELECT record_index, unix_time_second, step_time_second, net_capacity_ah, step_type, cycle_charging_capacity_ah FROM v_samples ORDER BY 1"
    with Reader(tmp_path) as here, Reader(postgresql) as there:
        assert [*map(tuple, here.query(sql))] == [*map(tuple, there.query(sql))]


def test_a_server_that_is_away_is_an_error_that_may_be_tried_again(tmp_path: Path) -> None:
    with filled(tmp_path, runs=1, rows=5), Postgres(tmp_path, "postgresql://labctl:secret@127.0.0.1:1/none") as sink:
        with pytest.raises(SinkError, match=r"PostgreSQL at .*127\.0\.0\.1:1/none") as caught:
            sink.carry()
        assert caught.value.retry
        assert "secret" not in str(caught.value)


def test_a_url_of_another_database_is_refused(tmp_path: Path) -> None:
    with (
        filled(tmp_path, runs=1, rows=5),
        pytest.raises(SinkError, match=r"wanted a postgresql:// URL, found mysql://"),
    ):
        Postgres(tmp_path, "mysql://x/y")


def test_two_sinks_of_one_journal_carry_each_row_once(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    with filled(tmp_path) as journal, Postgres(tmp_path, postgresql) as one, Postgres(tmp_path, postgresql) as other:
        one.carry(100)
        other.carry(100)
        with pytest.raises(SinkError, match="cursor is no longer ours"):
            one.carry(100)
        one.carry_all()
        assert one.position == journal.commit_id
        same(tmp_path, postgresql)


def test_kills_and_restarts_of_the_server(tmp_path: Path, postgresql_server: Postgresql, seed: int) -> None:  # noqa: F811
    choose = random.Random(seed)
    url = postgresql_server.url(postgresql_server.database())
    carried: queue.Queue[int] = queue.Queue()
    failures = []

    def carry(sink: Postgres, upto: int) -> None:
        while sink.position < upto:
            try:
                carried.put(sink.carry(50))
            except SinkError as error:
                failures.append(error)
        carried.put(-1)

    with filled(tmp_path, runs=4, rows=6000) as journal, Postgres(tmp_path, url) as sink:
        thread = threading.Thread(target=carry, args=(sink, journal.commit_id))
        thread.start()
        kills = 0
        while kills < 4:
            for _ in range(choose.randrange(2, 60)):
                if carried.get(timeout=60) < 0:
                    break
            else:
                postgresql_server.kill()
                postgresql_server.start()
                kills += 1
                continue
            break
        thread.join(120)
        assert not thread.is_alive()
        assert kills
        assert failures
        same(tmp_path, url)


class Severing:
    """A proxy that lets the `which`-th COMMIT through, swallows its answer and cuts the line."""

    def __init__(self, port: int, which: int):
        self.server, self.port_behind, self.left = socket.create_server(("127.0.0.1", 0)), port, which
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            behind = socket.create_connection(("127.0.0.1", self.port_behind))
            cut = threading.Event()
            threading.Thread(target=self.back, args=(behind, client, cut), daemon=True).start()
            threading.Thread(target=self.forth, args=(client, behind, cut), daemon=True).start()

    def forth(self, client: socket.socket, behind: socket.socket, cut: threading.Event) -> None:
        while data := self.received(client):
            if b"COMMIT" in data:
                self.left -= 1
                if self.left == 0:
                    cut.set()
            behind.sendall(data)
        self.end(behind)

    def back(self, behind: socket.socket, client: socket.socket, cut: threading.Event) -> None:
        while data := self.received(behind):
            if cut.is_set():
                break
            client.sendall(data)
        self.end(client)
        self.end(behind)

    @staticmethod
    def received(line: socket.socket) -> bytes:
        try:
            return line.recv(65536)
        except OSError:
            return b""

    @staticmethod
    def end(line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()


@pytest.mark.parametrize("which", [2, 3, 5])
def test_a_commit_that_nobody_answered_is_not_carried_again(
    tmp_path: Path,
    postgresql_server: Postgresql,  # noqa: F811
    which: int,
) -> None:
    database = postgresql_server.database()
    proxy = Severing(postgresql_server.port, which)
    url, direct = postgresql_server.url(database, proxy.port), postgresql_server.url(database)
    with filled(tmp_path) as journal, Postgres(tmp_path, url) as sink:
        errors = 0
        while sink.position < journal.commit_id:
            try:
                sink.carry(100)
            except SinkError:
                errors += 1
        assert errors == 1
        same(tmp_path, direct)
    proxy.server.close()


def test_an_unfinished_transaction_leaves_nothing(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    with filled(tmp_path, runs=1, rows=50) as journal, Postgres(tmp_path, postgresql) as sink:
        sink.carry_all()
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute("ALTER TABLE events ADD CONSTRAINT no CHECK (kind <> 'mark')")
        for entry in entries(1, batch(10), 10, first=50):
            journal.commit([entry, Entry(1, events=(Event("mark", 59, 1.0),))])
        with pytest.raises(SinkError, match="violates check constraint"):
            sink.carry()
        with psycopg.connect(postgresql, autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM samples").fetchone() == (50,)
            connection.execute("ALTER TABLE events DROP CONSTRAINT no")
        sink.carry_all()
        same(tmp_path, postgresql)


async def test_following_says_when_the_server_goes_and_is_back(
    tmp_path: Path,
    postgresql_server: Postgresql,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("labctl.publish.postgres.PATIENCE", (0.05, 0.05))
    url = postgresql_server.url(postgresql_server.database())
    wake, news = asyncio.Event(), asyncio.Event()
    said: list[SinkError | None] = []

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await news.wait()
                news.clear()

    with filled(tmp_path, runs=1, rows=50) as journal, Postgres(tmp_path, url) as sink:
        task = asyncio.create_task(follow(sink, wake, lambda error: (said.append(error), news.set())))
        await until(lambda: sink.position == journal.commit_id)
        postgresql_server.kill()
        journal.commit([*entries(1, batch(60).rows(50), 10, first=50)])
        wake.set()
        await until(lambda: len(said) == 1)
        assert isinstance(said[0], SinkError)
        postgresql_server.start()
        await until(lambda: sink.position == journal.commit_id)
        assert said[1:] == [None]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        same(tmp_path, url)


# --- an older journal beside a newer copy -----------------------------------------------------------------------------


def rows_of(url: str) -> dict[str, int]:
    with Reader(url) as there:
        return {run.uuid: run.rows for run in there.runs()}


@pytest.mark.parametrize(
    "kept", ["the head, too", "the journal alone", "the journal alone, which went on before it was asked"]
)
def test_postgres_restore_stall(tmp_path: Path, postgresql: str, kept: str) -> None:  # noqa: F811
    """Yesterday's journal beside today's copy: it is noticed, nothing of either is lost, and what follows arrives."""
    folder, yesterday = tmp_path / "data", tmp_path / "yesterday"
    with filled(folder, runs=1, rows=200) as journal, Postgres(folder, postgresql) as sink:
        sink.carry_all()
    shutil.copytree(folder, yesterday)
    with Journal.open(folder) as journal, Postgres(folder, postgresql) as sink:
        for entry in entries(1, batch(300).rows(200), 20, 200):
            journal.commit([entry])
        journal.finish_run(1, "done")
        lost = journal.create_run(new_run("ch1"))
        for entry in entries(lost, batch(50, seed=7), 25):
            journal.commit([entry])
        today = journal.commit_id
        sink.carry_all()
        with Reader(folder) as reader:
            first, second = (reader.run(number).uuid for number in (1, 2))
    before = rows_of(postgresql)
    assert before == {first: 300, second: 50}

    shutil.copy(yesterday / "journal.db", folder / "journal.db")
    if kept == "the head, too":
        shutil.copy(yesterday / "head", folder / "head")
    with Journal.open(folder) as journal:
        if "went on" in kept:
            shutil.copy(yesterday / "head", folder / "head")
            for entry in entries(1, batch(3000, seed=9).rows(200), 20, 200):
                journal.commit([entry])
            assert journal.commit_id > today
        with Postgres(folder, postgresql) as sink:
            sink.carry_all()
            assert sink.ahead is not None
            assert f"commits up to {today}" in str(sink.ahead)
            journal.shorten(sink.ahead.copied, str(sink.ahead))
            generations = len(journal.generations)
            sink.ahead = None
            sink.begin_again()
            journal.finish_run(1, "done")
            third = journal.create_run(new_run("ch1"))
            for entry in entries(third, batch(60, seed=8), 25):
                journal.commit([entry])
            sink.carry_all()
            assert sink.ahead is None, "it is noticed once"
            assert len(journal.generations) == generations
            with Reader(folder) as reader:
                uuid = reader.run(third).uuid
    after = rows_of(postgresql)
    assert after[f"{first} lost 1"] == 300, "what only the copy had is kept"
    assert after[second] == 50
    assert after[uuid] == 60
    with Reader(folder) as here, Reader(postgresql) as there:
        assert after[first] == here.run(1).rows
        assert {run.uuid: run.end_reason for run in there.runs()} == {
            f"{first} lost 1": "lost", second: "lost", first: "done", uuid: None,
        }  # fmt: skip
        copies = {run.uuid: run.run_id for run in there.runs()}
        for run in here.runs():
            mine = np.concatenate([*here.matrices(run.run_id)])
            other = np.concatenate([*there.matrices(copies[run.uuid])])
            assert mine[:, 1:].tobytes() == other[:, 1:].tobytes()
        assert [loss.began_commit_id > 0 for loss in here.losses()] == [True]
    assert not verify(folder).whole, "an older journal lacks what had been acknowledged"


def test_postgres_restore_stall_beside_a_journal_that_goes_on(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    """What is committed while the copy and the older journal meet again comes after that, once."""
    folder, yesterday = tmp_path / "data", tmp_path / "yesterday"
    with filled(folder, runs=1, rows=200), Postgres(folder, postgresql) as sink:
        sink.carry_all()
    shutil.copytree(folder, yesterday)
    with Journal.open(folder) as journal, Postgres(folder, postgresql) as sink:
        journal.finish_run(1, "done")
        sink.carry_all()
    for name in ("journal.db", "head"):
        shutil.copy(yesterday / name, folder / name)
    with Journal.open(folder) as journal, Postgres(folder, postgresql) as sink:
        asked, more = sink._reader.last_commit, list(entries(1, batch(300).rows(200), 20, 200))

        def last_commit() -> int:
            upto = asked()
            if more:
                journal.commit([more.pop(0)])
            return upto

        sink._reader.last_commit = last_commit  # type: ignore[method-assign]
        sink.carry_all()
        assert sink.ahead is not None
        for entry in more:
            journal.commit([entry])
        sink.carry_all()
        assert len(more) < 5
    with Reader(folder) as here, Reader(postgresql) as there:
        copies = {run.uuid: run.run_id for run in there.runs()}
        mine = np.concatenate([*here.matrices(1)])
        other = np.concatenate([*there.matrices(copies[here.run(1).uuid])])
        assert len(mine) == 300
        assert mine[:, 1:].tobytes() == other[:, 1:].tobytes()


def test_a_commit_between_two_questions_is_carried(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    """The copy asks for what there is of rows, and how far commits go: what comes between the two is of the next turn."""
    with filled(tmp_path, runs=1, rows=200) as journal, Postgres(tmp_path, postgresql) as sink:
        sink.carry_all()
        asked, more = sink._reader.parts_after, list(entries(1, batch(300).rows(200), 20, 200))

        def parts_after(commit: int, most: int):
            parts = asked(commit, most)
            if more:
                journal.commit([more.pop(0)])
            return parts

        sink._reader.parts_after = parts_after  # type: ignore[method-assign]
        while more:
            sink.carry_all()
        sink.carry_all()
        same(tmp_path, postgresql)


def test_postgres_run_ids(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    """Run numbers there follow each other, however many batches of rows a run has."""
    with filled(tmp_path, runs=3, rows=400) as journal, Postgres(tmp_path, postgresql) as sink:
        while sink.carry(most=30):
            pass
        journal.create_run(new_run("ch9"))
        sink.carry_all()
    with Reader(postgresql) as there:
        assert [run.run_id for run in there.runs()] == [1, 2, 3, 4]

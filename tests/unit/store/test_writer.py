"""The writer thread: when it commits, who waits, and what happens when it cannot."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from labctl.errors import InternalError, OrderRefused, StoreBusy, StoreError, StoreFull
from labctl.store.committed import Committed, Trouble
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl.store.writer import WAITING, Writer
from tests.unit.store.making import batch, entries, new_run


class Heard:
    """Everything a writer says, and waiting for it."""

    def __init__(self, writer: Writer):
        self.commits: list[Committed] = []
        self.troubles: list[Trouble] = []
        self.news = asyncio.Event()
        writer.on_commit(self.commit)
        writer.on_trouble(self.trouble)

    def commit(self, done: Committed) -> None:
        self.commits.append(done)
        self.news.set()

    def trouble(self, trouble: Trouble) -> None:
        self.troubles.append(trouble)
        self.news.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await self.news.wait()
                self.news.clear()

    @property
    def rows(self) -> list[int]:
        return [sum(entry.rows for entry in done.entries) for done in self.commits]


@asynccontextmanager
async def writing(folder: Path, **options: object) -> AsyncIterator[tuple[Writer, Heard]]:
    with Journal.open(folder) as journal:
        journal.create_run(new_run("a"))
        writer = Writer(journal, asyncio.get_running_loop(), **options)
        try:
            yield writer, Heard(writer)
        finally:
            await writer.close()


def offer(writer: Writer, count: int, first: int = 0, cut: int = 100) -> None:
    for entry in entries(1, batch(first + count).rows(first), cut, first):
        writer.offer(entry)


def stored(folder: Path) -> int:
    with Reader(folder) as reader:
        return reader.run(1).rows


async def test_a_source_that_has_said_all_for_now_starts_a_commit(tmp_path: Path) -> None:
    async with writing(tmp_path, age=1e6) as (writer, heard):
        writer.hurry()  # with nothing there it is nothing
        offer(writer, 9)
        writer.hurry()
        await heard.until(lambda: heard.commits)
        assert heard.rows == [9]


async def test_a_thousand_rows_start_a_commit(tmp_path: Path) -> None:
    async with writing(tmp_path, age=1e6) as (writer, heard):
        offer(writer, 900)
        assert heard.commits == []
        offer(writer, 100, 900)
        await heard.until(lambda: heard.commits)
        assert heard.rows == [1000]
        assert writer.waiting == 0
        assert stored(tmp_path) == 1000


async def test_age_starts_a_commit(tmp_path: Path) -> None:
    async with writing(tmp_path, age=0.001) as (writer, heard):
        offer(writer, 5)
        await heard.until(lambda: sum(heard.rows) == 5)


async def test_a_flush_makes_all_that_was_offered_durable(tmp_path: Path) -> None:
    async with writing(tmp_path, age=1e6) as (writer, heard):
        offer(writer, 5)
        commit_id = await writer.flush()
        assert commit_id == heard.commits[-1].commit_id
        assert stored(tmp_path) == 5
        assert await writer.flush() == commit_id


async def test_those_who_flush_together_share_a_commit(tmp_path: Path) -> None:
    async with writing(tmp_path, age=1e6) as (writer, heard):
        offer(writer, 5)
        with writer._changed:  # while a commit runs
            waiting = [asyncio.ensure_future(writer.flush()) for _ in range(20)]
            await asyncio.wait(waiting, timeout=0)  # all of them have asked
        assert len(set(await asyncio.gather(*waiting))) == 1
        assert len(heard.commits) == 1


async def test_the_order_of_offers_is_kept(tmp_path: Path) -> None:
    async with writing(tmp_path, rows=7) as (writer, heard):
        offer(writer, 3000, cut=11)
        await writer.flush()
        records = [entry.first_record for done in heard.commits for entry in done.entries if entry.batch is not None]
        assert records == sorted(records)
        assert sum(heard.rows) == 3000
    assert verify(tmp_path).whole


async def test_a_source_waits_for_room(tmp_path: Path) -> None:
    async with writing(tmp_path, age=1e6, rows=10**9) as (writer, _):
        await writer.room()
        offer(writer, WAITING, cut=5000)
        waiting = asyncio.ensure_future(writer.room())
        await asyncio.wait({waiting}, timeout=0)
        assert not waiting.done()
        await writer.flush()
        async with asyncio.timeout(60):
            await waiting


async def test_closing_writes_what_waits_and_nothing_may_follow(tmp_path: Path) -> None:
    async with writing(tmp_path, age=1e6) as (writer, _):
        offer(writer, 5)
        await writer.close()
        assert stored(tmp_path) == 5
        with pytest.raises(InternalError, match="has ended"):
            offer(writer, 5, 5)
        with pytest.raises(InternalError, match="has ended"):
            await writer.flush()


async def test_a_call_runs_on_the_writer_s_thread(tmp_path: Path) -> None:
    async with writing(tmp_path) as (writer, _):
        assert await writer.call(writer.journal.create_run, new_run("b")) == 2
        with pytest.raises(OrderRefused):
            await writer.call(writer.journal.create_run, new_run("b"))


async def test_a_defect_ends_the_writer_and_is_told_to_all(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
        writer = Writer(journal, asyncio.get_running_loop())
        heard = Heard(writer)
        writer.offer(Entry(1, batch(5), 77, 1))
        with pytest.raises(InternalError, match="wanted record 0, found 77"):
            await writer.flush()
        await heard.until(lambda: heard.troubles)
        assert isinstance(heard.troubles[0].error, InternalError)
        with pytest.raises(StoreError, match="5 rows were not written"):
            await writer.close()


# --- when it cannot ---------------------------------------------------------------------------------------------------


async def test_a_locked_file_makes_rows_wait_and_loses_none(tmp_path: Path) -> None:
    async with writing(tmp_path, age=0.01) as (writer, heard):
        other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        offer(writer, 5)
        with pytest.raises(StoreBusy, match="another program holds a lock"):
            await writer.flush()
        assert isinstance(heard.troubles[0].error, StoreBusy)
        assert writer.stalled > 0
        offer(writer, 5, 5)
        other.execute("ROLLBACK")
        other.close()
        await heard.until(lambda: heard.troubles[-1].error is None)
        await writer.flush()
        assert writer.stalled == 0
        assert stored(tmp_path) == 10
    assert verify(tmp_path).whole


@contextmanager
def no_more_than(journal: Journal, pages: int) -> Iterator[None]:
    """Let the database grow by so many pages: SQLite says SQLITE_FULL beyond, as it does on a full disk."""

    def run(pragma: str) -> sqlite3.Cursor:
        with journal._file.mutex:
            return journal._file.cursor.execute(pragma)

    limit = run("PRAGMA page_count").fetchone()[0] + pages
    before = run("PRAGMA max_page_count").fetchone()[0]
    run(f"PRAGMA max_page_count = {limit}")
    try:
        yield
    finally:
        run(f"PRAGMA max_page_count = {before}")


async def test_a_full_disk_is_told_and_gets_well_by_itself(tmp_path: Path) -> None:
    async with writing(tmp_path, age=0.01) as (writer, heard):
        with no_more_than(writer.journal, 2):
            offer(writer, 2000)
            with pytest.raises(StoreFull, match="the disk is full: no room for new rows"):
                await writer.flush()
            assert isinstance(heard.troubles[0].error, StoreFull)
            assert not writer.journal.reserve.held
        await heard.until(lambda: heard.troubles[-1].error is None)
        assert writer.journal.reserve.held
        await writer.flush()
        assert stored(tmp_path) == 2000
    assert verify(tmp_path).whole


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Make writes beyond a size fail in the kernel, which SQLite reports as an I/O error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_failing_disk_is_told_and_the_journal_is_opened_again(tmp_path: Path) -> None:
    async with writing(tmp_path, age=0.01) as (writer, heard):
        offer(writer, 500)
        await writer.flush()
        with files_no_larger_than(100_000):
            offer(writer, 3000, 500)
            with pytest.raises(StoreError, match="the disk failed under") as caught:
                await writer.flush()
            assert caught.value.retry
        await heard.until(lambda: heard.troubles and heard.troubles[-1].error is None)
        await writer.flush()
        assert stored(tmp_path) == 3500
    assert verify(tmp_path).whole

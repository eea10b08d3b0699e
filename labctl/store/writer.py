"""The writer thread: takes what waits and commits it, by size, by age or on demand, and says when it cannot.

Commit rule: a commit takes everything that waits; it starts when 1000 rows wait, when the oldest entry has waited 100 ms, when
a source has said all for now, or when somebody asks for a flush; those who ask while one runs share the next. A row counts when
it is committed, not when it is offered: `room` is where a source waits.
"""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from labctl.errors import InternalError, LabctlError, StoreError, StoreFull
from labctl.store.committed import Committed, Trouble, first_of
from labctl.store.entry import Item
from labctl.store.journal import Journal

T = TypeVar("T")

ROWS = 1000  # waiting rows that start a commit
AGE = 0.1  # seconds after which the oldest entry is committed
MOST_ROWS = 10_000  # rows of one commit
WAITING = 50_000  # rows that may wait before `room` makes a source wait: 5 s of ten thousand channels, while a disk serves others
RETRY = 0.5  # seconds between two attempts while the disk is full, busy or failing


@dataclass(frozen=True, slots=True)
class _Landed:
    """A commit that is in the journal, and who waits for it."""

    commit_id: int
    entries: tuple[Item, ...]
    flushes: Sequence["asyncio.Future[int]"]


class Writer:
    """One thread that commits what is offered from an event loop.

    Everything but the thread itself belongs to the loop: `offer`, `flush`, `room`, and the listeners are called there.
    """

    def __init__(
        self,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        *,
        rows: int = ROWS,
        age: float = AGE,
        at_checkpoints: bool = False,
    ) -> None:
        """Start the thread.

        Args:
            journal: Open for writing; from now on committed to by this writer only.
            loop: Where callbacks run.
            rows: Waiting rows that start a commit.
            age: Seconds after which the oldest entry is committed.
            at_checkpoints: A commit ends at an entry with a checkpoint: rows and the state after them are never cut apart.
        """
        self.journal = journal
        self._loop = loop
        self._rows_wanted, self._age, self._at_checkpoints = rows, age, at_checkpoints
        self._changed = threading.Condition()
        self._entries: list[Item] = []
        self._rows = 0
        self._doubtful: tuple[Item, ...] = ()  # of a commit whose outcome nobody knows, since the disk failed
        self._oldest = 0.0
        self._hurried = False
        self._flushes: list[asyncio.Future[int]] = []
        self._promised: list[asyncio.Future[int]] = []  # of the commit that runs
        self._rooms: list[asyncio.Future[None]] = []
        self._calls: list[Callable[[], None]] = []
        self._closing = False
        self._failed_since: float | None = None
        self._sealed: list[_Landed] = []  # in the journal, and not yet in its head: nobody has been told
        self._following: Future[None] | None = None  # of the head, beside the next commit
        self._heads = ThreadPoolExecutor(1, "journal head")
        self._on_commit: list[Callable[[Committed], None]] = []
        self._on_trouble: list[Callable[[Trouble], None]] = []
        self._thread = threading.Thread(target=self._run, name="journal writer", daemon=True)
        self._thread.start()

    # --- on the loop --------------------------------------------------------------------------------------------------

    def offer(self, entry: Item) -> None:
        """Hand over an entry; it is durable when a commit with it is announced."""
        self.offer_all((entry,))

    def offer_all(self, entries: Sequence[Item]) -> None:
        """Hand over entries in order."""
        rows = sum(entry.rows for entry in entries)
        with self._changed:
            if self._closing:
                raise InternalError("an entry was offered to a writer that has ended")
            before, self._rows = self._rows, self._rows + rows
            if not self._entries:
                self._oldest = time.monotonic()
            if not self._entries or before < self._rows_wanted <= self._rows:
                self._changed.notify()
            self._entries += entries

    def hurry(self) -> None:
        """Let a commit take what waits, whatever its age: a source has said all for now, and its next tick should be its own."""
        with self._changed:
            if self._entries and not self._hurried:
                self._hurried = True
                self._changed.notify()

    async def flush(self) -> int:
        """Wait until everything offered so far is durable, and return the last commit.

        Raises:
            StoreError: It could not be written; it still waits and is tried again.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        with self._changed:
            if not self._thread.is_alive():
                raise InternalError("the journal's writer has ended")
            self._flushes.append(future)
            self._changed.notify()
        return await future

    async def room(self) -> None:
        """Wait until less than `WAITING` rows wait to be committed."""
        while True:
            with self._changed:
                if self._rows < WAITING or not self._thread.is_alive():
                    return
                future: asyncio.Future[None] = self._loop.create_future()
                self._rooms.append(future)
            await future

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """Call a method of the journal on the writer's thread, so that no disk delays the loop."""
        future: asyncio.Future[T] = self._loop.create_future()

        def run() -> None:
            try:
                found = function(*args)
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
                self._tell(_fail, [future], error)
            else:
                self._tell(_settle, [future], found)

        with self._changed:
            if not self._thread.is_alive():
                raise InternalError("the journal's writer has ended")
            self._calls.append(run)
            self._changed.notify()
        return await future

    def on_commit(self, listener: Callable[[Committed], None]) -> None:
        """Call a listener on the loop after every commit."""
        self._on_commit.append(listener)

    def on_trouble(self, listener: Callable[[Trouble], None]) -> None:
        """Call a listener on the loop when the journal cannot be written, and when it can again."""
        self._on_trouble.append(listener)

    @property
    def waiting(self) -> int:
        """Return the number of rows that are offered and not yet durable."""
        return self._rows

    @property
    def stalled(self) -> float:
        """Return for how many seconds the journal could not be written, 0 while it can."""
        since = self._failed_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def cpu(self) -> float:
        """Return how many seconds of CPU the thread has spent so far, NaN where the system does not tell."""
        if not hasattr(time, "pthread_getcpuclockid") or self._thread.ident is None:
            return math.nan
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    async def close(self) -> None:
        """Commit what waits, if it can be, and end the thread; the journal stays open.

        Raises:
            StoreError: What waited could not be written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # what the thread said last
        if self._entries:
            raise StoreError(f"{self._rows} rows were not written to {self.journal.place.file}")

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
            self._fail_flushes(InternalError("the journal's writer has ended"))
            self._heads.shutdown()
        except Exception as error:  # noqa: BLE001 - told to everybody who waits and to the listeners; nothing is lost by silence
            self._died(error)

    def _turn(self) -> bool:
        """Wait for something to do and do it; false when that was the last.

        While the head follows one commit, the next is written: two syncs a commit cost little more than one.
        """
        with self._changed:
            while not self._due():
                self._changed.wait(self._patience())
            calls, self._calls = self._calls, []
            self._hurried = False
            entries = self._doubtful  # and nothing else; a flush waits for what comes after it, too
            # the head must catch up before more is written
            behind = bool(self._sealed) and self._failed_since is not None
            if not entries and not behind:
                self._promised, self._flushes = self._flushes, []
                entries = self._front(all_of_it=bool(self._promised) or self._closing)
            closing = self._closing
        if calls:
            self._follow_to_the_end()
        for call in calls:
            call()
        written = self._commit(entries) if entries else (bool(self._sealed) or self._well())
        if written:
            self._written(entries)
        following = self._follow(more=written and self._saturated())
        return not closing or (written and following and bool(self._entries))

    def _saturated(self) -> bool:
        """Tell whether the next commit is due already."""
        with self._changed:
            return not self._calls and not self._closing and self._rows >= self._rows_wanted

    def _follow(self, *, more: bool) -> bool:
        """Let the head follow to the last commit, beside the next one if there is `more`; tell whether it is not behind."""
        if not self._followed():
            return False
        if not self._sealed:
            return True
        self._following = self._heads.submit(self.journal.head.follow, *self.journal.unacknowledged())
        return True if more else self._followed()

    def _follow_to_the_end(self) -> None:
        """Let the head catch up before anything else is asked of the journal; what goes wrong is told to those who wait."""
        if self._followed() and self._sealed:
            self._follow(more=False)

    def _followed(self) -> bool:
        """Wait for the head, and tell of the commits that it has reached."""
        following, self._following = self._following, None
        if following is None:
            return True
        try:
            following.result()
        except StoreError as error:
            self._note_trouble(error)
            flushes = [flush for sealed in self._sealed for flush in sealed.flushes]
            self._sealed = [_Landed(each.commit_id, each.entries, ()) for each in self._sealed]
            self._tell(_fail, flushes, error)
            self._fail_flushes(error)
            return False
        reached = self.journal.head.record
        while self._sealed and reached is not None and self._sealed[0].commit_id <= reached.commit_id:
            sealed = self._sealed.pop(0)
            self._tell(self._announce, Committed(sealed.commit_id, sealed.entries), sealed.flushes)
        self._well()
        return True

    def _due(self) -> bool:
        if self._closing or self._flushes or self._calls or self._following is not None:
            return True
        if self._failed_since is None and (self._hurried or self._rows >= self._rows_wanted):
            return True
        patience = self._patience()
        return patience is not None and patience <= 0.0

    def _patience(self) -> float | None:
        """Return the seconds until the next attempt without being asked, None for never."""
        if self._failed_since is not None:
            return self._oldest + RETRY - time.monotonic()
        return self._oldest + self._age - time.monotonic() if self._entries else None

    def _front(self, *, all_of_it: bool) -> tuple[Item, ...]:
        if all_of_it or self._rows <= MOST_ROWS:
            return tuple(self._entries)
        return first_of(self._entries, MOST_ROWS, at_checkpoints=self._at_checkpoints)

    def _commit(self, entries: Sequence[Item]) -> bool:
        """Commit, on the reserve's room if the disk is full; tell whether the entries are durable."""
        try:
            if self._doubtful and self.journal.reopen():
                self._doubtful = ()
                return True  # the disk failed, but not before it had them
            self._doubtful = ()
            self.journal.seal(entries)
        except StoreFull as error:
            return self._commit_on_reserve(entries, error)
        except StoreError as error:
            self._trouble(error)
            if type(error) is StoreError:  # neither busy nor damaged: the disk failed, and nobody knows what it has
                self._doubtful = tuple(entries)
            return False
        return True

    def _commit_on_reserve(self, entries: Sequence[Item], error: StoreFull) -> bool:
        given = self.journal.reserve.release()
        self._note_trouble(error)
        try:
            if given:
                self.journal.seal(entries)
                return True
        except StoreFull:
            pass
        self._fail_flushes(error)
        return False

    def _trouble(self, error: StoreError) -> None:
        self._note_trouble(error)
        self._fail_flushes(error)

    def _note_trouble(self, error: StoreError) -> None:
        if self._failed_since is None:
            self._failed_since = time.monotonic()
        self._oldest = time.monotonic()  # the next attempt counts from here
        self._tell(self._announce_trouble, Trouble(error))

    def _fail_flushes(self, error: LabctlError) -> None:
        with self._changed:
            flushes = [*self._promised, *self._flushes]
            self._promised, self._flushes = [], []
        self._tell(_fail, flushes, error)

    def _well(self) -> bool:
        """Note that the journal can be written, once the reserve is held again; return that nothing waits."""
        if self._failed_since is None:
            return True
        if self.journal.place.reserve is None or self.journal.reserve.renew():
            self._failed_since = None
            self._tell(self._announce_trouble, Trouble(None))
        else:
            self._oldest = time.monotonic()
        return True

    def _written(self, entries: tuple[Item, ...]) -> None:
        rooms: list[asyncio.Future[None]] = []
        with self._changed:
            del self._entries[: len(entries)]
            self._rows -= sum(entry.rows for entry in entries)
            self._oldest = time.monotonic()
            if self._rows < WAITING:
                rooms, self._rooms = self._rooms, []
            flushes, self._promised = self._promised, []
            self._sealed.append(_Landed(self.journal.commit_id, entries, flushes))
        if rooms:  # to tell nobody would wake the loop up all the same
            self._tell(_settle, rooms, None)

    def _died(self, error: Exception) -> None:
        told = error if isinstance(error, LabctlError) else InternalError(f"the journal's writer failed: {error!r}")
        with self._changed:
            self._closing = True
            waiting = [
                *self._promised,
                *self._flushes,
                *self._rooms,
                *(each for done in self._sealed for each in done.flushes),
            ]
        self._tell(_fail, waiting, told)
        self._tell(self._announce_trouble, Trouble(told))

    def _announce(self, done: Committed, flushes: Sequence["asyncio.Future[int]"]) -> None:
        _settle(flushes, done.commit_id)
        if done.entries:
            for listener in self._on_commit:
                listener(done)

    def _announce_trouble(self, trouble: Trouble) -> None:
        for listener in self._on_trouble:
            listener(trouble)

    def _tell(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(function, *args)


def _settle(futures: "Sequence[asyncio.Future[T]]", value: T) -> None:
    for future in futures:
        if not future.done():
            future.set_result(value)


def _fail(futures: "Sequence[asyncio.Future[T]]", error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)

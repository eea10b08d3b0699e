"""The journal: one writer of one file. A commit is one transaction with a full sync, sealed into a chain of digests."""

import contextlib
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from labctl.engine.input import Event
from labctl.errors import StoreDamaged, StoreError
from labctl.store import insert_rows, schema
from labctl.store.archived import Archived
from labctl.store.assemble import Assembled, Position, assemble
from labctl.store.codec import to_json
from labctl.store.connect import explain, told
from labctl.store.entry import Entry, Item, NewRun, RunRanges, runs_of
from labctl.store.generation import (
    NO_RUNS,
    Change,
    Generation,
    active_after,
    active_runs,
    adopted,
    begin_and_adopt,
    begin_generation,
    copied_further,
    cut_runs,
    cut_why,
    generations,
    lacks_end,
    text_of,
)
from labctl.store.hash_chain import VERSION, first_chain, next_chain, part_digest
from labctl.store.head import HeadRecord
from labctl.store.head_roster import ActiveRun
from labctl.store.integrity import Opening, look_before_opening, next_generation
from labctl.store.location import JournalLocation, Lock, Reserve, machine, place, prepare
from labctl.store.new_run import birth_of, run_row, store_run, taken
from labctl.store.order_store import Ordered
from labctl.store.position import find_position
from labctl.store.write_connection import WriteConnection


class Journal:
    """The one writer. Every method may be called from any thread; each is one transaction.

    Attributes:
        place: Its files.
        uuid: Identity of the journal.
        opening: What was there before it was opened: set aside, missing, kept.
        moved: The file was found on another machine than the one that wrote it: its active runs are the other machine's.
        restored: It was opened from a backup for the first time.
        cut: Numbers of active runs that may lack rows, inputs or their end, since the journal lost commits or is an older copy, and
            that were not taken up since.
        unqueued: Channels whose waiting runs were taken out of the queue, since they may have begun in what is not known.
        reserve: Room to be given back when the disk is full.
        ordered: Orders that took effect, and runs that wait for their turn.
        archived: Runs whose rows lie in a file.
        head: The last commit and the outputs that may be on, a second time; of a data folder only.
    """

    def __init__(
        self, location: JournalLocation, lock: Lock, opening: Opening, *, now: Callable[[], float] = time.time
    ) -> None:
        """Take over an opened place; use `Journal.open`."""
        self.place = location
        self.opening, self.head = opening, opening.head
        self.reserve = Reserve(location.reserve)
        self._lock_file, self._now = lock, now
        self._file = WriteConnection(location)
        self.ordered = Ordered(self._apart, self._file.reading, now)
        self.archived = Archived(self._file.transaction, self._file.reading)
        self._positions: dict[int, Position] = {}
        self._cursors: dict[str, int] = {}
        self.moved = self.restored = self._in_doubt = False
        self.cut: tuple[int, ...] = ()
        self.unqueued: tuple[str, ...] = ()
        self.uuid = ""
        self._generations: list[Generation] = []
        self._commit_id, self._chain, self._attempted = 0, b"", (0, b"")
        self._runs: Mapping[int, ActiveRun] = {}

    @classmethod
    def open(
        cls, where: Path | str, *, create: bool = True, now: Callable[[], float] = time.time, copied: bool = False
    ) -> Self:
        """Open a journal for writing.

        Args:
            where: A data folder or a single file, see `store.place`.
            create: Make it if there is none.
            now: UTC label for commits, s.
            copied: It is a copy of one that may still be written, and goes on from here as one that was moved.

        Raises:
            StoreBusy: Another process writes it; the message names it.
            StoreDamaged: A single file is no whole journal (a damaged one in a data folder is set aside instead).
            StoreError: There is none and `create` is false, or it is newer than this labctl.
            UsageError: `where` names another kind of database.
        """
        location = place(where)
        if not create and not location.file.is_file():
            raise StoreError(f"wanted a journal, found none: {location.file}")
        prepare(location)
        lock = Lock(location.lock, f"the journal {location.file}")
        try:
            journal = cls(location, lock, look_before_opening(location), now=now)
            journal._identify(copied=copied)
        except BaseException:
            lock.release()
            raise
        return journal

    def _identify(self, *, copied: bool) -> None:
        """Say which journal this is, begin a new generation where its history is not simply what was acknowledged, and its head.

        A head is there before anything says that one is kept, so that only a head that was taken away is missed.
        """
        with told(self.place.file):
            known, last = generations(self._file.cursor), self._last_commit()
            self._runs = active_runs(self._file.cursor)
        here = machine()
        self.uuid = known[0].uuid if known else str(uuid.uuid4())
        self._commit_id, self._chain = last or (0, first_chain(self.uuid))
        self.moved = bool(known) and (known[-1].machine != here or copied)
        self.restored = bool(known) and known[-1].origin == "copy"
        first = Generation(1, self.uuid, here, self._commit_id, self._now())
        fresh = next_generation(known, self.opening, first, moved=self.moved)
        self._generations = adopted([*known, fresh] if fresh is not None else known)
        if self.opening.missing is None:
            self.acknowledge()
        if fresh is not None or any(each.origin is None for each in known):
            self._begin(fresh)
        with told(self.place.file):
            self._generations = generations(self._file.cursor)
            self.cut = cut_runs(self._file.cursor, self._generations)
        self.acknowledge()

    def _begin(self, fresh: Generation | None) -> None:
        """Store a new generation; what waits in a journal that lacks its end may have begun, and is taken out by a commit."""

        def change(cursor: sqlite3.Cursor) -> None:
            self.unqueued = begin_and_adopt(cursor, fresh)

        if lacks_end(fresh) and self.ordered.waits():
            self._seal(assemble([], {}, self._commit_id + 1), change)
        else:
            with self._file.transaction() as cursor:
                change(cursor)

    @property
    def remade(self) -> tuple[str, ...]:
        """Return the tables of what is under way that were gone and were made anew: what was in them is not known."""
        return self._file.remade

    @property
    def generation(self) -> int:
        """Return the number of the generation that is written."""
        return self._generations[-1].generation

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Return all generations of the journal, the first one first."""
        return tuple(self._generations)

    def shorten(self, commit_id: int, text: str) -> None:
        """Begin a new generation where commits up to a number are known elsewhere and are not here, unless that was noted."""
        with self._file.mutex:
            now = (self._commit_id, self._now(), machine())
            if (fresh := copied_further(self._generations, commit_id, now, text)) is not None:
                with self._file.transaction() as cursor:
                    begin_generation(cursor, fresh)
                self._generations.append(fresh)
                self.acknowledge()

    @property
    def cut_why(self) -> str:
        """Return why the runs in `cut` may lack something, "" where nothing does."""
        return cut_why(self._generations)

    def now(self) -> float:
        """Return the label that a commit would have now, UTC in s."""
        return self._now()

    def _last_commit(self) -> tuple[int, bytes] | None:
        row: tuple[int, bytes] | None = self._file.cursor.execute(
            "SELECT commit_id, chain FROM commits ORDER BY commit_id DESC LIMIT 1"
        ).fetchone()
        return row

    @property
    def commit_id(self) -> int:
        """Return the last commit."""
        return self._commit_id

    # --- rows ---------------------------------------------------------------------------------------------------------

    def commit(self, entries: Sequence[Item]) -> int:
        """Make entries durable, all or none, let the head follow, and return the number of the commit.

        Raises:
            StoreError: As `seal` and `acknowledge`.
        """
        with self._file.mutex:
            commit_id = self.seal(entries)
            self.acknowledge()
            return commit_id

    def acknowledge(self) -> None:
        """Let the head follow to the last commit; before that nobody may be told of it.

        Raises:
            StoreError: The disk failed under the head; try again.
        """
        self.head.follow(*self.unacknowledged())

    def unacknowledged(self) -> tuple[HeadRecord, tuple[ActiveRun, ...]]:
        """Return the head as it must become, for whoever lets it follow beside the next commit."""
        with self._file.mutex:
            return HeadRecord(self.uuid, self.generation, self._commit_id, self._chain), tuple(self._runs.values())

    def seal(self, entries: Sequence[Item]) -> int:
        """Make entries durable, all or none, and return the number of the commit; `acknowledge` must follow.

        Args:
            entries: In order; those of one run follow each other without a hole in their records.

        Raises:
            StoreFull: No room; nothing was stored, try again later.
            StoreBusy: Somebody holds a lock on the file.
            StoreError: The disk failed; call `reopen` before the next one.
            InternalError: Rows do not follow the last ones of their run, or are not finite where they must be.
        """
        with self._file.mutex:
            self._settle()
            for run_id in runs_of(entries):
                if run_id not in self._positions:
                    self._positions[run_id] = self._position(run_id)
            return self._seal(assemble(entries, self._positions, self._commit_id + 1))

    def _seal(self, done: Assembled, more: Change | None = None, born: Mapping[int, ActiveRun] = NO_RUNS) -> int:
        """Write what was assembled, and `more`; `born` are the runs that are active from then on."""
        commit_id, now, runs = self._commit_id + 1, self._now(), active_after(self._runs, born, done.standing)
        cursors = dict(self._cursors)
        try:
            with self._file.transaction() as cursor:
                insert_rows.write(cursor, done, now)
                if more is not None:
                    more(cursor)
                under_way = self._file.under_way.seal(cursor, commit_id)
                parts, known = b"".join(done.covered), text_of(self._generations)
                chain = next_chain(self._chain, commit_id, now, parts, generations=known, under_way=under_way)
                self._attempted = commit_id, chain
                cursor.execute(insert_rows.insert(schema.commits), (commit_id, now, chain, VERSION, under_way))
                insert_rows.insert_parts(cursor, commit_id, done)
                cursor.executemany(insert_rows.CURSOR, cursors.items())
        except StoreError as error:
            self._in_doubt = type(error) is StoreError  # neither full nor busy: nobody knows what the disk has
            raise
        self._commit_id, self._chain, self._runs = commit_id, chain, runs
        self._file.make_room_for(len(runs))
        self._positions.update(done.positions)
        self._cursors = {reader: at for reader, at in self._cursors.items() if cursors.get(reader) != at}
        return commit_id

    def _apart(self, change: Change) -> None:
        """Make a change durable that belongs to no run, as a commit without rows: the head follows it, so that its loss is noticed.

        Raises:
            StoreError: As `commit`; nobody may be told of it.
        """
        with self._file.mutex:
            self._settle()
            try:
                self._seal(assemble([], {}, self._commit_id + 1), change)
            except StoreError:
                if not self._in_doubt or not self.reopen():  # else it is stored: the disk failed after that
                    raise
            self.acknowledge()

    def _settle(self) -> None:
        """Find out what the disk has of a commit whose outcome nobody knows."""
        if self._in_doubt:
            self.reopen()

    def _position(self, run_id: int) -> Position:
        with told(self.place.file):
            return find_position(self._file.cursor, run_id, self.place.file)

    def reopen(self) -> bool:
        """Close and open the file again after the disk failed, and tell whether the commit that failed is in it after all.

        Raises:
            StoreDamaged: What is stored is not what was acknowledged.
        """
        with self._file.mutex:
            self._file.close()
            self._file.open()
            with told(self.place.file):
                last_commit = self._last_commit() or (0, first_chain(self.uuid))
                self._runs = active_runs(self._file.cursor)
            known = (self._commit_id, self._chain)
            if last_commit[0] < known[0] or (last_commit[0] == known[0] and last_commit[1] != known[1]):
                raise StoreDamaged(
                    f"{self.place.file} lost what it had acknowledged: wanted commit {known[0]}, found {last_commit[0]}"
                )
            self._positions.clear()
            self._commit_id, self._chain = last_commit
            self._in_doubt = False
            return last_commit[0] > known[0] and last_commit == self._attempted

    # --- runs ---------------------------------------------------------------------------------------------------------

    def create_run(self, new: NewRun) -> int:
        """Store a run with its plan and texts before its first row, and return its number.

        Raises:
            OrderRefused: The channel has a run that has not ended.
            StoreError: It could not be stored; nothing of it is there.
        """
        with self._file.mutex:
            self._settle()
            run_id = int(self._file.cursor.execute("SELECT COALESCE(max(run_id), 0) + 1 FROM runs").fetchone()[0])
            row = run_row(run_id, new, self.uuid, self._commit_id + 1)
            done = assemble([], {}, self._commit_id + 1)
            done.add_part(RunRanges(run_id), part_digest(done.rows, [], [], [], birth_of(row, new)))
            try:
                born = ActiveRun(str(row["uuid"]), new.channel or "", new.protocol, new.cell)
                self._seal(done, lambda cursor: store_run(cursor, row, new, self._now()), {run_id: born})
            except sqlite3.IntegrityError as error:
                raise taken(self._file.cursor, new.channel) or explain(error, self.place.file) from error
            except StoreError:
                if not self._in_doubt or not self.reopen():  # else it is stored: the disk failed after that
                    raise
            self._positions[run_id] = Position()
            self._acknowledge_run(run_id)
            return run_id

    def _acknowledge_run(self, run_id: int) -> None:
        """Let the head follow to a new run, or end it: what is refused must not begin after the next start of the daemon."""
        try:
            self.acknowledge()
        except StoreError as error:
            with contextlib.suppress(StoreError):
                self.finish_run(run_id, "failed", f"it never began: {error}")
            raise

    def finish_run(self, run_id: int, reason: str, why: str = "") -> int:
        """End a run from outside the engine, at the time of its last row, and free its channel."""
        with self._file.mutex:
            record = self._positions.setdefault(run_id, self._position(run_id)).record - 1
            row = self._file.cursor.execute(
                "SELECT test_time_second FROM samples WHERE run_id = ? AND record_index = ?", (run_id, record)
            ).fetchone()
            event = Event("run_ended", record, row[0] if row else 0.0, {"reason": reason, "why": why})
            return self.commit([Entry(run_id, events=(event,))])

    def put_channels(self, channels: Mapping[str, Mapping[str, object]]) -> None:
        """Store what the channels of the station are, in place of those of before."""
        with self._file.transaction() as cursor:
            cursor.execute("DELETE FROM channels")
            insert_rows.insert_all(cursor, schema.channels, [(name, to_json(data)) for name, data in channels.items()])

    # --- cursors ----------------------------------------------------------------------------------------------------

    def set_cursor(self, reader: str, commit_id: int) -> None:
        """Note how far a reader has come; durable with the next commit, or at `close`."""
        with self._file.mutex:
            self._cursors[reader] = commit_id

    def cursor(self, reader: str) -> int:
        """Return how far a reader has come, 0 at first."""
        with self._file.mutex, told(self.place.file):
            if reader in self._cursors:
                return self._cursors[reader]
            row = self._file.cursor.execute("SELECT commit_id FROM cursors WHERE reader = ?", (reader,)).fetchone()
            return int(row[0]) if row else 0

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is noted, fold the log into the file and let go of the lock; safe to repeat."""
        with self._file.mutex:
            if self._cursors:
                with contextlib.suppress(StoreError), self._file.transaction() as cursor:
                    cursor.executemany(insert_rows.CURSOR, self._cursors.items())
                    self._cursors = {}
            self._file.close()
            self.head.close()
            self._lock_file.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

"""The journal: one writer of one file. A commit is one transaction with a full sync, sealed into a chain of digests."""

import contextlib
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Self

import orjson

from labctl.engine.input import Event
from labctl.errors import InternalError, OrderRefused, StoreDamaged, StoreError
from labctl.store import migrate, schema, statement
from labctl.store.assemble import Assembled, Position, assemble
from labctl.store.codec import to_json
from labctl.store.connect import explain, told, writer_engine
from labctl.store.entry import Entry, NewRun, Part
from labctl.store.place import Lock, Place, Reserve, machine, place, prepare, sync_folder
from labctl.store.seal import BIRTH, birth, digest_of, first_chain, next_chain, part_digest
from labctl.store.start import set_aside_if_damaged

ORDERS_KEPT = 24 * 3600.0  # seconds within which an order with the same id is the same order


class Journal:
    """The one writer. Every method may be called from any thread; each is one transaction.

    Attributes:
        place: Its files.
        uuid: Identity of the journal.
        generation: Raised when the file is found on another machine than the one that wrote it.
        moved: It was, at this opening: its active runs are the other machine's.
        set_aside: Where a damaged journal was moved at this opening, or None.
        reserve: Room to be given back when the disk is full.
    """

    def __init__(self, found: Place, lock: Lock, *, now: Callable[[], float] = time.time) -> None:
        """Take over an opened place; use `Journal.open`."""
        self.place = found
        self.set_aside: Path | None = None
        self.reserve = Reserve(found.reserve)
        self._lock_file = lock
        self._now = now
        self._mutex = threading.RLock()
        self._positions: dict[int, Position] = {}
        self._cursors: dict[str, int] = {}
        self.moved = False
        self.uuid, self.generation = "", 0
        self._commit_id, self._chain = 0, b""
        self._attempted = 0, b""

    @classmethod
    def open(cls, where: Path | str, *, create: bool = True, now: Callable[[], float] = time.time) -> Self:
        """Open a journal for writing.

        Args:
            where: A data folder or a single file, see `store.place`.
            create: Make it if there is none.
            now: UTC label for commits, s.

        Raises:
            StoreBusy: Another process writes it; the message names it.
            StoreDamaged: A single file is no whole journal (a damaged one in a data folder is set aside instead).
            StoreError: There is none and `create` is false, or it is newer than this labctl.
            UsageError: `where` names another kind of database.
        """
        found = place(where)
        if not create and not found.file.is_file():
            raise StoreError(f"wanted a journal, found none: {found.file}")
        prepare(found)
        lock = Lock(found.lock, f"the journal {found.file}")
        try:
            journal = cls(found, lock, now=now)
            journal.set_aside = set_aside_if_damaged(found)
            journal._connect()
            journal._identify()
        except BaseException:
            lock.release()
            raise
        return journal

    def _connect(self) -> None:
        fresh = not self.place.file.is_file()
        self._engine = writer_engine(self.place.file)
        with told(self.place.file):
            self._pooled = self._engine.raw_connection()
            driver = self._pooled.driver_connection
            if not isinstance(driver, sqlite3.Connection):
                raise InternalError(f"wanted a connection of sqlite3, found {type(driver).__name__}")
            self._connection = driver
            self._cursor = driver.cursor()
            migrate.bring_up_to_date(self._engine, self.place.file)
        if fresh:
            sync_folder(self.place.folder)

    def _identify(self) -> None:
        with told(self.place.file):
            found = self._cursor.execute(
                "SELECT uuid, generation, machine FROM journal ORDER BY generation DESC LIMIT 1"
            ).fetchone()
            last = self._last_commit()
        here = machine()
        self.uuid, self.generation = (found[0], found[1]) if found else (str(uuid.uuid4()), 0)
        self._commit_id, self._chain = last or (0, first_chain(self.uuid))
        self.moved = found is not None and found[2] != here
        if found is None or self.moved:
            self.generation += 1
            row = (self.generation, self.uuid, here, self._commit_id, self._now())
            with self._transaction() as cursor:
                statement.insert_all(cursor, schema.journal, [row])

    def _last_commit(self) -> tuple[int, bytes] | None:
        found: tuple[int, bytes] | None = self._cursor.execute(
            "SELECT commit_id, chain FROM commits ORDER BY commit_id DESC LIMIT 1"
        ).fetchone()
        return found

    @property
    def commit_id(self) -> int:
        """Return the last commit."""
        return self._commit_id

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._mutex:
            cursor = self._cursor
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.IntegrityError):
                    raise
                if isinstance(error, sqlite3.Error):
                    raise explain(error, self.place.file) from error
                raise

    # --- rows ---------------------------------------------------------------------------------------------------------

    def commit(self, entries: Sequence[Entry]) -> int:
        """Make entries durable, all or none, and return the number of the commit.

        Args:
            entries: In order; those of one run follow each other without a hole in their records.

        Raises:
            StoreFull: No room; nothing was stored, try again later.
            StoreBusy: Somebody holds a lock on the file.
            StoreError: The disk failed; call `reopen` before the next one.
            InternalError: Rows do not follow the last ones of their run, or are not finite where they must be.
        """
        with self._mutex:
            for entry in entries:
                if entry.run_id not in self._positions:
                    self._positions[entry.run_id] = self._find_position(entry.run_id)
            done = assemble(entries, self._positions, self._commit_id + 1)
            return self._seal(done)

    def _seal(self, done: Assembled, more: Callable[[sqlite3.Cursor], None] | None = None) -> int:
        commit_id, now = self._commit_id + 1, self._now()
        chain = next_chain(self._chain, commit_id, now, done.parts)
        self._attempted = commit_id, chain
        cursors = dict(self._cursors)
        with self._transaction() as cursor:
            statement.write(cursor, done)
            if more is not None:
                more(cursor)
            cursor.execute(statement.insert(schema.commits), (commit_id, now, chain))
            statement.insert_all(cursor, schema.commit_runs, statement.ranges(commit_id, done))
            cursor.executemany(statement.CURSOR, cursors.items())
        self._commit_id, self._chain = commit_id, chain
        self._positions.update(done.positions)
        self._cursors = {reader: at for reader, at in self._cursors.items() if cursors.get(reader) != at}
        return commit_id

    def _find_position(self, run_id: int) -> Position:
        with told(self.place.file):
            one = self._cursor.execute
            if one("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone() is None:
                raise StoreError(f"wanted a run of {self.place.file}, found none with the number {run_id}")
            record, event, number, attempt = one(
                "SELECT (SELECT max(record_index) FROM samples WHERE run_id = :run), "
                "(SELECT max(seq) FROM events WHERE run_id = :run), (SELECT max(seq) FROM inputs WHERE run_id = :run), "
                "(SELECT max(attempt_id) FROM attempts WHERE run_id = :run)",
                {"run": run_id},
            ).fetchone()
            archived = one("SELECT last_record FROM archives WHERE run_id = ?", (run_id,)).fetchone()
            step = one(
                "SELECT data FROM inputs WHERE run_id = ? AND kind = 'program_step' ORDER BY seq DESC LIMIT 1",
                (run_id,),
            ).fetchone()
            points = one(
                "SELECT attempt_id, max(point) + 1 FROM spectrum_points WHERE run_id = ? GROUP BY 1", (run_id,)
            ).fetchall()
        if record is None and archived is not None:
            record = archived[0]
        return Position(
            record=0 if record is None else record + 1,
            event=(event or 0) + 1,
            input=(number or 0) + 1,
            step=orjson.loads(step[0])["step"] if step else 0,
            attempt=attempt or 0,
            points=dict(points),
        )

    def reopen(self) -> bool:
        """Close and open the file again after the disk failed, and tell whether the commit that failed is in it after all.

        Raises:
            StoreDamaged: What is stored is not what was acknowledged.
        """
        with self._mutex:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._engine.dispose()
            self._connect()
            with told(self.place.file):
                found = self._last_commit() or (0, first_chain(self.uuid))
            known = (self._commit_id, self._chain)
            if found[0] < known[0] or (found[0] == known[0] and found[1] != known[1]):
                raise StoreDamaged(
                    f"{self.place.file} lost what it had acknowledged: wanted commit {known[0]}, found {found[0]}"
                )
            self._positions.clear()
            self._commit_id, self._chain = found
            return found[0] > known[0] and found == self._attempted

    # --- runs ---------------------------------------------------------------------------------------------------------

    def create_run(self, new: NewRun) -> int:
        """Store a run with its plan and texts before its first row, and return its number.

        Raises:
            OrderRefused: The channel has a run that has not ended.
        """
        with self._mutex:
            run_id = int(self._cursor.execute("SELECT COALESCE(max(run_id), 0) + 1 FROM runs").fetchone()[0])
            row = self._run_row(run_id, new)
            done = assemble([], {}, self._commit_id + 1)
            given = dict(zip(schema.runs.columns.keys(), row, strict=True))
            born = birth([given[name] for name in BIRTH], new.plan.decode(), new.plan_hash)
            done.parts.append((Part(run_id), part_digest(done.rows, [], [], [], born)))
            texts = [(digest_of(each.text), each.name, each.text) for each in new.protocols]

            def store(cursor: sqlite3.Cursor) -> None:
                statement.insert_all(cursor, schema.runs, [row])
                statement.insert_all(cursor, schema.plans, [(run_id, 1, new.plan.decode(), new.plan_hash)])
                cursor.executemany(statement.insert(schema.protocols, ignore=True), texts)
                if new.cell_file is not None:
                    cell = (digest_of(new.cell_file.text), new.cell or new.cell_file.name, new.cell_file.text)
                    cursor.execute(statement.insert(schema.cells, ignore=True), cell)

            try:
                self._seal(done, store)
            except sqlite3.IntegrityError as error:
                raise self._taken(new.channel, error) from error
            self._positions[run_id] = Position()
            return run_id

    def _run_row(self, run_id: int, new: NewRun) -> tuple[object, ...]:
        given: Mapping[str, object] = {
            "run_id": run_id,
            "uuid": str(uuid.uuid4()),
            "journal": self.uuid,
            "channel": new.channel,
            "protocol": new.protocol,
            "cell": new.cell,
            "protocol_hash": digest_of(new.protocols[0].text) if new.protocols else None,
            "cell_hash": digest_of(new.cell_file.text) if new.cell_file else None,
            "activity": "preparing",
            "why": "",
            "unblock": "",
            "began_unix_time_second": new.began_unix_time,
            "started_by": new.by,
            "resumed_from": new.resumed_from,
            "options": to_json(new.options),
            "software": f"labctl {version('labctl')}",
            "created_commit_id": self._commit_id + 1,
        }
        return tuple(given.get(column.name) for column in schema.runs.columns)

    def _taken(self, channel: str | None, error: sqlite3.IntegrityError) -> Exception:
        found = self._cursor.execute(
            "SELECT run_id, protocol FROM runs WHERE channel = ? AND ended_unix_time_second IS NULL", (channel,)
        ).fetchone()
        if found is None:
            return explain(error, self.place.file)
        return OrderRefused(
            f"channel {channel} is taken by run {found[0]} ({found[1]}); `labctl stop {channel}` ends it"
        )

    def finish_run(self, run_id: int, reason: str, why: str = "") -> int:
        """End a run from outside the engine, at the time of its last row, and free its channel."""
        with self._mutex:
            record = self._positions.setdefault(run_id, self._find_position(run_id)).record - 1
            row = self._cursor.execute(
                "SELECT test_time_second FROM samples WHERE run_id = ? AND record_index = ?", (run_id, record)
            ).fetchone()
            event = Event("run_ended", record, row[0] if row else 0.0, {"reason": reason, "why": why})
            return self.commit([Entry(run_id, events=(event,))])

    def forget_rows(self, archived: tuple[int, str, str, int, float]) -> None:
        """Delete the samples of a run that lie in a file now, and give their room back; `archived` is a row of `archives`."""
        with self._transaction() as cursor:
            statement.insert_all(cursor, schema.archives, [archived])
            cursor.execute("DELETE FROM samples WHERE run_id = ?", archived[:1])
        with self._mutex, told(self.place.file):
            self._cursor.execute("PRAGMA incremental_vacuum").fetchall()

    def put_channel(self, channel: str, data: Mapping[str, object]) -> None:
        """Store what a channel of the station is."""
        with self._transaction() as cursor:
            cursor.execute("INSERT OR REPLACE INTO channels (channel, data) VALUES (?, ?)", (channel, to_json(data)))

    # --- orders and cursors -------------------------------------------------------------------------------------------

    def order(self, order_id: str) -> tuple[str, str | None] | None:
        """Return request and reply, JSON, of an order that was given within a day, or None."""
        with self._mutex, told(self.place.file):
            found: tuple[str, str | None] | None = self._cursor.execute(
                "SELECT request, reply FROM orders WHERE order_id = ? AND unix_time_second >= ?",
                (order_id, self._now() - ORDERS_KEPT),
            ).fetchone()
            return found

    def put_order(self, order_id: str, request: str, reply: str | None = None) -> None:
        """Store an order, or its reply; orders older than a day are forgotten."""
        now = self._now()
        with self._transaction() as cursor:
            cursor.execute("DELETE FROM orders WHERE unix_time_second < ?", (now - ORDERS_KEPT,))
            cursor.execute(
                "INSERT INTO orders (order_id, unix_time_second, request, reply) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (order_id) DO UPDATE SET reply = excluded.reply",
                (order_id, now, request, reply),
            )

    def set_cursor(self, reader: str, commit_id: int) -> None:
        """Note how far a reader has come; durable with the next commit, or at `close`."""
        with self._mutex:
            self._cursors[reader] = commit_id

    def cursor(self, reader: str) -> int:
        """Return how far a reader has come, 0 at first."""
        with self._mutex, told(self.place.file):
            if reader in self._cursors:
                return self._cursors[reader]
            found = self._cursor.execute("SELECT commit_id FROM cursors WHERE reader = ?", (reader,)).fetchone()
            return int(found[0]) if found else 0

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is noted, fold the log into the file and let go of the lock; safe to repeat."""
        with self._mutex:
            if self._cursors:
                with contextlib.suppress(StoreError), self._transaction() as cursor:
                    cursor.executemany(statement.CURSOR, self._cursors.items())
                    self._cursors = {}
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._engine.dispose()
            self._lock_file.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

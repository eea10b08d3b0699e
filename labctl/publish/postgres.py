"""Carries the journal over to PostgreSQL by cursor: each row arrives once, through restarts and commits nobody answered.

The cursor is a row in PostgreSQL, moved in the transaction that carries the rows. After any failure the connection is given
up and the cursor is read again: either the transaction is there with its cursor, or neither is.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from sqlalchemy import Engine, Table, create_engine
from sqlalchemy.exc import SQLAlchemyError

from labctl.errors import SinkError, StoreError
from labctl.publish.diverged import Ahead, diverged
from labctl.publish.pg_binary import HEADER, TRAILER, tuples
from labctl.sample import Floats
from labctl.store import migrate, schema
from labctl.store.connect import postgresql_url
from labctl.store.entry import RunRanges
from labctl.store.matrix import RUN
from labctl.store.projection import projected, upsert
from labctl.store.reader import Reader
from labctl.store.run_ranges import merge_ranges

PAGES = (500, 5000)  # rows read at once, the first and later ones: the server works on some while the next are read
ROWS = 50_000  # of one transaction, unless one commit has more
COMMITS = 500  # looked at for one transaction
SECONDS = 1.0  # between two looks when nobody wakes us
PATIENCE = (1.0, 30.0)  # seconds after the first and after many failures
_CONNECT = 5  # seconds for connecting


class Postgres:
    """One journal's way into one database. Blocking: it belongs on a thread of its own.

    Several journals may share a database: a run is its uuid there, and has a number of that database.

    Attributes:
        position: The last commit known to have arrived.
        ahead: The copy was found ahead of the journal since this was last set to None.
    """

    def __init__(self, journal: Path | str, url: str) -> None:
        """Prepare; nothing is connected yet.

        Args:
            journal: Data folder, file or URL of the journal.
            url: `postgresql://user@host/database`.

        Raises:
            SinkError: It is no PostgreSQL URL.
        """
        self._reader = Reader(journal)
        self._url = postgresql_url(url)
        self._engine: Engine | None = None
        self._connection: psycopg.Connection[Any] | None = None
        self._runs: dict[int, int] = {}  # number in the journal -> number there
        self._name = ""
        self.position = 0
        self.ahead: Ahead | None = None

    @property
    def place(self) -> str:
        """Return the URL without its password."""
        return self._url.render_as_string(hide_password=True)

    def carry(self, most: int = ROWS) -> int:
        """Carry over what comes next, in one transaction, and return how many commits that were; 0 for none left.

        Args:
            most: Rows of the transaction, unless one commit has more.

        Raises:
            SinkError: PostgreSQL is away or refuses; the same call later goes on where it stands.
        """
        with self._told():
            connection = self._connected()
            # asked first: a commit that comes between the two questions is of the next turn
            known = self._reader.upto(self.position, COMMITS)
            parts = self._reader.parts_after(self.position, COMMITS)
            # commits without rows hold an order that belongs to no run: there is nothing of them to be carried
            upto, taken = _front(parts, most) if parts else (known, [])
            if upto <= self.position:
                return 0
            with connection.transaction():
                self._move(connection, upto)
                for part in merge_ranges(taken):
                    self._part(connection, part)
            carried, self.position = upto - self.position, upto
            return carried

    def carry_all(self) -> int:
        """Carry over everything that is committed by now, and return how many commits that were."""
        total = 0
        while carried := self.carry():
            total += carried
        return total

    def begin_again(self) -> None:
        """Look for the cursor anew at the next turn: the journal has begun a new generation."""
        self._give_up()

    def close(self) -> None:
        """Disconnect; safe to repeat."""
        self._give_up()
        self._reader.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # --- connection ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, SQLAlchemyError) as error:
            self._give_up()
            raise SinkError(f"PostgreSQL at {self.place}: {str(error).strip().splitlines()[0]}") from error
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        self._connection, self._engine = None, None
        self._runs.clear()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is not None:
            return self._connection
        self._engine = create_engine(self._url, connect_args={"connect_timeout": _CONNECT})
        migrate.bring_up_to_date(self._engine, self.place)
        driver = self._engine.raw_connection().driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise SinkError(f"wanted a connection of psycopg, found {type(driver).__name__}", retry=False)
        driver.autocommit = True
        self._connection = driver
        self._name = self._begin(driver)
        return driver

    def _begin(self, connection: psycopg.Connection[Any]) -> str:
        """Find the cursor of this journal; a copied journal begins where its copy was made, if that is known there.

        A copy that has commits which this journal has not, or has otherwise, was fed from a newer one: see `publish.diverged`.
        """
        generations = self._reader.query("SELECT generation, uuid, began_commit_id FROM journal ORDER BY generation")
        position, ahead = 0, 0
        name = ""
        for generation, uuid, began in generations:
            name = f"journal {uuid} {generation}"
            ahead = max(ahead, position) if position > began else ahead
            fresh = connection.execute(
                "INSERT INTO cursors (reader, commit_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (name, min(position, began)),
            ).rowcount
            stored = connection.execute("SELECT commit_id, chain FROM cursors WHERE reader = %s", (name,)).fetchone()
            position = int(stored[0]) if stored else 0
            ahead = ahead if fresh else 0  # it was seen to when this generation's cursor was made
            if stored and not self._has(position, stored[1]):
                ahead = max(ahead, position)
        self.position = position
        if ahead:
            self._name = name
            self._meet_again(connection, str(generations[0][1]), ahead)
        return name

    def _has(self, commit: int, chain: bytes | None) -> bool:
        """Tell whether the journal has a commit with this chain; a copy of labctl 0.1 knows no chains."""
        if commit == 0:
            return True
        row = self._reader.query("SELECT chain FROM commits WHERE commit_id = :commit", commit=commit)
        return bool(row) and (chain is None or bytes(row[0][0]) == bytes(chain))

    def _meet_again(self, connection: psycopg.Connection[Any], journal: str, ahead: int) -> None:
        """Let journal and copy hold the same again, keeping what only the copy has, and note that the journal is the older one."""
        upto = self._reader.last_commit()
        with connection.transaction():
            for part in diverged(connection, self._reader, journal, upto):
                self._part(connection, part)
            connection.execute(
                "UPDATE cursors SET commit_id = %s, chain = %s WHERE reader = %s", (upto, self._chain(upto), self._name)
            )
        self.position, self.ahead = upto, Ahead(ahead, upto)

    def _chain(self, commit: int) -> bytes | None:
        row = self._reader.query("SELECT chain FROM commits WHERE commit_id = :commit", commit=commit)
        return bytes(row[0][0]) if row else None

    def _move(self, connection: psycopg.Connection[Any], upto: int) -> None:
        moved = connection.execute(
            "UPDATE cursors SET commit_id = %s, chain = %s WHERE reader = %s AND commit_id = %s",
            (upto, self._chain(upto), self._name, self.position),
        )
        if moved.rowcount != 1:
            raise SinkError(f"another labctl carries the same journal to {self.place}; its cursor is no longer ours")

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _part(self, connection: psycopg.Connection[Any], part: RunRanges) -> None:
        run_id = self._run(connection, part.run_id)
        if part.records is not None:
            self._samples(connection, part.run_id, run_id, part.records)
        if part.inputs is not None:
            self._spectra(connection, part.run_id, run_id, part.inputs)
            self._plans(connection, part.run_id, run_id)
            self._copy(connection, schema.inputs, part.run_id, run_id, part.inputs)
        if part.events is not None:
            self._copy(connection, schema.events, part.run_id, run_id, part.events)
            events = [stored.event for stored in self._reader.events(part.run_id, *part.events)]
            at = connection.execute("SELECT max(attempt_id) FROM attempts WHERE run_id = %s", (run_id,)).fetchone()
            for table, row in projected(run_id, (at and at[0]) or 0, events):
                connection.execute(upsert(table, lambda _: "%s"), row)

    def _samples(self, connection: psycopg.Connection[Any], mine: int, run_id: int, records: tuple[int, int]) -> None:
        columns = ", ".join(schema.SAMPLE_COLUMNS)
        with connection.cursor() as cursor, cursor.copy(f"COPY samples ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(HEADER)
            for rows in self._pages(mine, *records):
                rows[:, RUN] = run_id
                for block in tuples(rows):
                    copy.write(block)
            copy.write(TRAILER)
            values = self._reader.query(  # while the server takes what it has been sent
                "SELECT record_index, name, value FROM auxiliary WHERE run_id = :run "
                "AND record_index BETWEEN :first AND :last ORDER BY record_index, name",
                run=mine, first=records[0], last=records[1],
            )  # fmt: skip
        _insert(connection, schema.auxiliary, [(run_id, *row) for row in values])

    def _pages(self, mine: int, first: int, last: int) -> Iterator[Floats]:
        """Give rows, few at first, so that the server has work as soon as may be."""
        cut = min(last, first + PAGES[0] - 1)
        yield from self._reader.matrices(mine, first, cut, page=PAGES[0])
        if cut < last:
            yield from self._reader.matrices(mine, cut + 1, last, page=PAGES[1])

    def _copy(
        self, connection: psycopg.Connection[Any], table: Table, mine: int, run_id: int, numbers: tuple[int, int]
    ) -> None:
        names = [column.name for column in table.columns][1:]
        rows = self._reader.query(
            f"SELECT {', '.join(names)} FROM {table.name} "  # noqa: S608 - names are ours
            "WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq",
            run=mine, first=numbers[0], last=numbers[1],
        )  # fmt: skip
        _insert(connection, table, [(run_id, *row) for row in rows])

    def _spectra(self, connection: psycopg.Connection[Any], mine: int, run_id: int, inputs: tuple[int, int]) -> None:
        attempts = self._reader.query(
            "SELECT DISTINCT json_extract(data, '$.attempt') FROM inputs "
            "WHERE run_id = :run AND seq BETWEEN :first AND :last AND kind = 'SpectrumPart'",
            run=mine, first=inputs[0], last=inputs[1],
        )  # fmt: skip
        names = [column.name for column in schema.spectrum_points.columns][1:]
        for (attempt,) in attempts:
            points = self._reader.query(
                f"SELECT {', '.join(names)} FROM spectrum_points WHERE run_id = :run AND attempt_id = :attempt",  # noqa: S608
                run=mine,
                attempt=attempt,
            )
            _insert(connection, schema.spectrum_points, [(run_id, *row) for row in points])

    def _plans(self, connection: psycopg.Connection[Any], mine: int, run_id: int) -> None:
        """Bring the plans of a run that are not there yet: an order may have edited what it still had to do."""
        plans = self._reader.query("SELECT version, plan, hash FROM plans WHERE run_id = :run", run=mine)
        if len(plans) > 1:
            _insert(connection, schema.plans, [(run_id, *row) for row in plans])

    def _run(self, connection: psycopg.Connection[Any], mine: int) -> int:
        """Renew what stands of a run, with its plan and texts the first time, and return its number there."""
        names = [column.name for column in schema.runs.columns if column.name != "run_id"]
        row = self._reader.query(f"SELECT {', '.join(names)} FROM runs WHERE run_id = :run", run=mine)[0]  # noqa: S608
        values = dict(zip(names, row, strict=True))
        if values["resumed_from"] is not None:
            values["resumed_from"] = self._number(connection, values["resumed_from"])
        renewed = [name for name in names if name not in {"uuid", "journal"}]
        updated = connection.execute(
            f"UPDATE runs SET {', '.join(f'{name} = %s' for name in renewed)} WHERE uuid = %s RETURNING run_id",  # noqa: S608
            [*(values[name] for name in renewed), values["uuid"]],
        ).fetchone()
        if updated is None:  # an INSERT that may find the run there would use up a number each time
            updated = connection.execute(
                f"INSERT INTO runs ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) RETURNING run_id",  # noqa: S608
                list(values.values()),
            ).fetchone()
        run_id = int(updated[0]) if updated else 0
        if mine not in self._runs:
            self._texts(connection, mine, run_id)
            self._runs[mine] = run_id
        return run_id

    def _texts(self, connection: psycopg.Connection[Any], mine: int, run_id: int) -> None:
        query = self._reader.query
        plans = query("SELECT version, plan, hash FROM plans WHERE run_id = :run", run=mine)
        _insert(connection, schema.plans, [(run_id, *row) for row in plans])
        for table in (schema.protocols, schema.cells):
            _insert(connection, table, query(f"SELECT hash, name, text FROM {table.name}"))  # noqa: S608
        _insert(connection, schema.channels, query("SELECT channel, data FROM channels"))

    def _number(self, connection: psycopg.Connection[Any], mine: int) -> int | None:
        uuid = self._reader.run(mine).uuid
        known = connection.execute("SELECT run_id FROM runs WHERE uuid = %s", (uuid,)).fetchone()
        return int(known[0]) if known else None


def _front(parts: Sequence[tuple[int, RunRanges]], most: int) -> tuple[int, list[RunRanges]]:
    """Return the last commit of those that have at most so many rows together, and their parts."""
    taken: list[RunRanges] = []
    upto, rows = parts[0][0], 0
    for commit_id, part in parts:
        count = 0 if part.records is None else part.records[1] - part.records[0] + 1
        if commit_id != upto and rows + count > most:
            break
        upto, rows = commit_id, rows + count
        taken.append(part)
    return upto, taken


def _insert(connection: psycopg.Connection[Any], table: Table, rows: Sequence[Any]) -> None:
    if not rows:
        return
    names = [column.name for column in table.columns]
    marks = ", ".join(["%s"] * len(names))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
            [tuple(row) for row in rows],
        )


async def follow(
    sink: Postgres,
    wake: asyncio.Event,
    tell: Callable[[SinkError | None], None] = lambda _: None,
    on_ahead: Callable[[Ahead], Awaitable[None]] | None = None,
) -> None:
    """Carry over until cancelled: at once when woken, else once a second; later and later while PostgreSQL is away.

    Args:
        sink: Used by this task alone.
        wake: Set after commits; cleared here.
        tell: Called when PostgreSQL goes away, with the error, and when it is back, with None.
        on_ahead: Called when the copy was found to have commits that the journal has not.
    """
    failures = 0
    while True:
        wake.clear()
        try:
            carried = await asyncio.to_thread(sink.carry)
        except (SinkError, StoreError) as error:
            failures += 1
            if failures == 1:
                tell(error if isinstance(error, SinkError) else SinkError(str(error)))
            await asyncio.sleep(min(PATIENCE[1], PATIENCE[0] * 2 ** (failures - 1)))
            continue
        if failures:
            failures = 0
            tell(None)
        if sink.ahead is not None and on_ahead is not None:
            await on_ahead(sink.ahead)
            sink.ahead = None
            sink.begin_again()
        if not carried:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await wake.wait()

"""Reading: a connection of its own to a journal, or to its copy in PostgreSQL, that never keeps a transaction open."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson

from labctl.errors import StoreDamaged, StoreError, UsageError
from labctl.sample import Batch, Floats
from labctl.store import queries, schema
from labctl.store.checkpoint import with_last_row
from labctl.store.codec import event_from_json, input_from_json
from labctl.store.entry import Changes, Checkpoint, RunRanges, StoredEvent, StoredInput, StoredRows, StoredRun
from labctl.store.location import place
from labctl.store.loss import Loss
from labctl.store.matrix import ATTEMPT, CHARGING_WH, RECORD, RUN, WIDTH, batch_of
from labctl.store.parquet import read_rows
from labctl.store.questions import Questions
from labctl.store.run_ranges import end_of_records, merge_ranges, span_of, steps_of_records

UUID_BEGIN = 8  # characters by which a uuid is usually named; fewer digits are the number of a run
PAGE = 20_000  # rows a query: about 50 ms
EVERY = tuple(range(RECORD, WIDTH))  # columns that a row has of its own
_INFINITY = {"sqlite": "9e999", "postgresql": "'infinity'::float8"}  # stands for null on the way: none is stored
_OFTEN_NULL = "surface_temperature_celsius"
_NULLABLE = frozenset({"voltage_volt", "current_ampere", _OFTEN_NULL, "charging_energy_wh", "discharging_energy_wh"})


class Reader:
    """Questions to a store. Not for several threads at once: each opens its own."""

    def __init__(self, where: Path | str) -> None:
        """Open for reading.

        Args:
            where: A data folder, a journal's file or its sqlite URL, or a postgresql URL.

        Raises:
            StoreError: There is no journal.
        """
        remote = isinstance(where, str) and where.startswith("postgres")
        self.where: Path | str = where if remote else place(where).file
        if isinstance(self.where, Path) and not self.where.is_file():
            raise StoreError(f"wanted a journal, found none: {self.where}")
        self._questions = Questions(self.where)
        infinity = _INFINITY[self._questions.dialect]
        known = schema.SAMPLE_COLUMNS
        self._columns = [f"COALESCE({name}, {infinity})" if name in _NULLABLE else name for name in known]
        self._usual = [each if known[at] == _OFTEN_NULL else known[at] for at, each in enumerate(self._columns)]

    def close(self) -> None:
        """Close; safe to repeat."""
        self._questions.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def query(self, sql: str, **values: object) -> Sequence[Any]:
        """Return all rows of a query with named parameters (`:name`)."""
        return self._questions.rows(sql, values)

    def tuples(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query as plain tuples, which cost less where there are very many."""
        with self._questions.cursor(sql, values) as cursor:
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all questions of a block see the journal as it is at the first; for a moment, since its log grows meanwhile."""
        return self._questions.snapshot()

    # --- runs ---------------------------------------------------------------------------------------------------------

    def runs(self, *, active: bool = False, before: int | None = None, most: int | None = None) -> list[StoredRun]:
        """Return stored runs in the order of their numbers, with one question to the store however many there are.

        Args:
            active: Only those that have not ended.
            before: Only those with smaller numbers: the first number of a page leads to the page before it.
            most: At most so many, the newest of them; None for all.
        """
        conditions = (
            *(("r.ended_unix_time_second IS NULL",) if active else ()),
            *(("r.run_id < :before",) if before is not None else ()),
        )
        values = {
            **({"before": before} if before is not None else {}),
            **({"most": most} if most is not None else {}),
        }
        rows = self.query(queries.runs_where(" AND ".join(conditions), limited=most is not None), **values)
        return [self._run(row) for row in reversed(rows)]

    def last_runs(self) -> dict[str, StoredRun]:
        """Return the last run of every channel that has had one."""
        rows = self.query(queries.runs_where(queries.LAST_OF_CHANNELS))
        return {str(row.channel): self._run(row) for row in rows}

    def last_commit_of(self, run_id: int) -> int:
        """Return the last commit with something of a run, 0 where there is none."""
        rows = self.query(
            "SELECT commit_id FROM commit_runs WHERE run_id = :run ORDER BY commit_id DESC LIMIT 1", run=run_id
        )
        return int(rows[0][0]) if rows else 0

    def run(self, run_id: int) -> StoredRun:
        """Return one run.

        Raises:
            UsageError: There is none of that number.
        """
        runs = self.query(queries.runs_where("r.run_id = :run"), run=run_id)
        if not runs:
            raise UsageError(
                f"wanted a run of {self.where}, found none with the number {run_id}; `labctl runs` lists them"
            )
        return self._run(runs[0])

    def uuid_of(self, run_id: int) -> str:
        """Return the uuid of a run, of a damaged one too."""
        return str(self.query("SELECT uuid FROM runs WHERE run_id = :run", run=run_id)[0][0])

    def find(self, name: str) -> StoredRun:
        """Return the run that a person names: its number, or the beginning of its uuid, which may be all digits too.

        Raises:
            UsageError: None has that name, or several.
        """
        if name.isdecimal() and len(name) < UUID_BEGIN:
            return self.run(int(name))
        runs = self.query(queries.runs_where("r.uuid LIKE :prefix"), prefix=f"{name.replace('%', '')}%")
        if len(runs) != 1:
            count = "none" if not runs else str(len(runs))
            raise UsageError(f"wanted one run whose uuid begins with {name!r}, found {count}; `labctl runs` lists them")
        return self._run(runs[0])

    def _run(self, row: Any) -> StoredRun:
        options, damage = _options(row.run_id, row.options)
        if not isinstance(row.began_unix_time_second, float | int):
            damage = f"wanted the begin of run {row.run_id} as a number, found {row.began_unix_time_second!r}"
        return StoredRun(
            run_id=row.run_id, uuid=row.uuid, channel=row.channel, protocol=row.protocol, cell=row.cell,
            activity=row.activity, why=row.why, unblock=row.unblock,
            began_unix_time=row.began_unix_time_second, ended_unix_time=row.ended_unix_time_second,
            end_reason=row.end_reason, end_why=row.end_why, by=row.started_by, resumed_from=row.resumed_from,
            options=options, software=row.software,
            rows=0 if row.last_record is None else int(row.last_record) + 1, test_time=float(row.last_time or 0.0),
            damage=damage,
        )  # fmt: skip

    def archive_of(self, run_id: int) -> tuple[Path, int] | None:
        """Return the file that holds the rows of an archived run and its last record, or None.

        A file that is not where it was written is looked for in `archive` beside the journal, where a journal that was moved
        to another machine has it.
        """
        rows = self.query("SELECT file, last_record FROM archives WHERE run_id = :run", run=run_id)
        if not rows:
            return None
        file = Path(rows[0][0])
        if not file.is_file() and isinstance(self.where, Path):
            beside = self.where.parent / "archive" / file.name
            file = beside if beside.is_file() else file
        return file, rows[0][1]

    def plan(self, run_id: int, version: int = 1 << 30) -> bytes:
        """Return the newest plan of a run up to a version, JSON; 1 is the one with which it began.

        Raises:
            StoreDamaged: There is none.
        """
        rows = self.query(queries.PLAN, run=run_id, version=version)
        if not rows:
            raise StoreDamaged(f"wanted the plan of run {run_id}, found none in {self.where}")
        return str(rows[0][0]).encode()

    def checkpoint(self, run_id: int) -> Checkpoint | None:
        """Return the engine's state after the last row of a run, or None before the first.

        Rows that came after the state was written changed nothing but its sums: those stand in the last of them.

        Raises:
            StoreDamaged: The state does not read back.
        """
        with nullcontext() if self._questions.held else self.snapshot():
            stored = self.stored_checkpoint(run_id)
            row = None if stored is None else self._row_after(run_id, stored.record_index)
        return stored if stored is None or row is None else with_last_row(stored, row)

    def stored_checkpoint(self, run_id: int) -> Checkpoint | None:
        """Return the engine's state as it was written last, perhaps some rows ago."""
        rows = self.query("SELECT * FROM checkpoints WHERE run_id = :run", run=run_id)
        if not rows:
            return None
        row = rows[0]
        source = None if row.source is None else _bytes(row.source)
        return Checkpoint(run_id, row.commit_id, row.record_index, _bytes(row.state), source)

    def _row_after(self, run_id: int, record: int) -> Floats | None:
        """Return the last row of a run if it is later than a record."""
        last = self.query(queries.LAST_RECORD, run=run_id)[0][0]
        if last is None or last <= record:
            return None
        row: Floats = next(self.matrices(run_id, last, last))[0]
        return row

    def cursor(self, reader: str) -> int:
        """Return how far a reader has come, 0 at first."""
        rows = self.query("SELECT commit_id FROM cursors WHERE reader = :reader", reader=reader)
        return int(rows[0][0]) if rows else 0

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows(self, run_id: int, first: int = 0, last: int | None = None) -> Batch:
        """Return rows of a run as one batch, both ends included; all by default."""
        return batch_of(np.concatenate([*self.matrices(run_id, first, last), np.empty((0, WIDTH))]))

    def matrices(
        self, run_id: int, first: int = 0, last: int | None = None, page: int = PAGE, only: Sequence[int] = EVERY
    ) -> Iterator[Floats]:
        """Give rows as matrices of `store.matrix`, at most `page` rows each; columns that are not among `only` may be NaN."""
        end = (1 << 53) if last is None else last
        archived = self.archive_of(run_id)
        if archived is not None:
            yield from read_rows(archived[0], first, end, page)
            return
        while first <= end:
            cells = self._cells(only, {"run": run_id, "first": first, "last": min(end, first + page - 1)})
            if not len(cells):
                return
            matrix = np.full((len(cells) // len(only), WIDTH), np.nan)
            matrix[:, RUN], matrix[:, only] = run_id, cells.reshape(-1, len(only))
            matrix[np.isinf(matrix)] = np.nan
            yield matrix
            first += page

    def _cells(self, only: Sequence[int], span: Mapping[str, int]) -> Floats:
        """Return columns of rows one after the other, infinity where there is none; most lack no more than a temperature."""
        try:
            with self._questions.cursor(queries.samples_of([self._usual[at] for at in only]), span) as cursor:
                return np.fromiter(chain.from_iterable(cursor), np.float64)
        except TypeError:  # at the first null
            with self._questions.cursor(queries.samples_of([self._columns[at] for at in only]), span) as cursor:
                return np.fromiter(chain.from_iterable(cursor), np.float64)

    def batches(self, run_id: int, first: int = 0, last: int | None = None) -> Iterator[StoredRows]:
        """Give rows page by page with their auxiliary columns, each batch of one attempt and step, all with energies or none."""
        steps = self._steps(run_id)
        for matrix in self.matrices(run_id, first, last):
            records = matrix[:, RECORD].astype(np.int64)
            step = steps_of_records(steps, records)
            counted = np.isnan(matrix[:, CHARGING_WH])  # an upgrade in the middle of an attempt: energies from then on
            changes = np.flatnonzero((np.diff(matrix[:, ATTEMPT]) != 0) | (np.diff(step) != 0) | np.diff(counted)) + 1
            for begin, end in zip([0, *changes.tolist()], [*changes.tolist(), len(matrix)], strict=True):
                part = matrix[begin:end]
                low, high = int(records[begin]), int(records[end - 1])
                batch = batch_of(part, int(step[begin]))
                yield StoredRows(run_id, low, int(part[0, ATTEMPT]), self._with_auxiliary(run_id, low, high, batch))

    def _steps(self, run_id: int) -> list[tuple[int, int]]:
        rows = self.query(
            "SELECT record_index, data FROM inputs WHERE run_id = :run AND kind = 'program_step' ORDER BY seq",
            run=run_id,
        )
        return [(row[0] + 1, orjson.loads(row[1])["step"]) for row in rows]

    def auxiliary(self, run_id: int, first: int, last: int) -> dict[str, Floats]:
        """Return the auxiliary columns of a range of rows by name, NaN where a row has none."""
        rows = self.query(
            "SELECT name, record_index, value FROM auxiliary WHERE run_id = :run AND record_index >= :first "
            "AND record_index <= :last",
            run=run_id, first=first, last=last,
        )  # fmt: skip
        columns: dict[str, Floats] = defaultdict(lambda: np.full(last - first + 1, np.nan))
        for name, record, value in rows:
            columns[name][record - first] = value
        return dict(columns)

    def _with_auxiliary(self, run_id: int, first: int, last: int, batch: Batch) -> Batch:
        columns = self.auxiliary(run_id, first, last)
        if not columns:
            return batch
        return Batch(
            batch.time, batch.voltage, batch.current, batch.charging_ah, batch.discharging_ah,
            batch.temperature_celsius, batch.quality, batch.step, columns, batch.charging_wh, batch.discharging_wh,
        )  # fmt: skip

    # --- events and inputs --------------------------------------------------------------------------------------------

    def events(self, run_id: int, first: int = 1, last: int | None = None) -> list[StoredEvent]:
        """Return events of a run by their numbers, both ends included; all by default."""
        rows = self.query(
            "SELECT seq, kind, record_index, test_time_second, data FROM events "
            "WHERE run_id = :run AND seq >= :first AND seq <= :last ORDER BY seq",
            run=run_id, first=first, last=end_of_records(last),
        )  # fmt: skip
        return [StoredEvent(run_id, row[0], event_from_json(*row[1:])) for row in rows]

    def inputs(self, run_id: int, first: int = 1, last: int | None = None) -> list[StoredInput]:
        """Return inputs other than rows by their numbers, both ends included; all by default."""
        rows = self.query(
            "SELECT seq, record_index, kind, data FROM inputs "
            "WHERE run_id = :run AND seq >= :first AND seq <= :last AND kind <> 'program_step' ORDER BY seq",
            run=run_id, first=first, last=end_of_records(last),
        )  # fmt: skip
        return [StoredInput(run_id, row[0], row[1], input_from_json(row[2], row[3])) for row in rows]

    def inputs_and_events(self, run_id: int) -> tuple[list[StoredInput], list[StoredEvent]]:
        """Return all inputs and all events of a run, each in order, as a replay wants them."""
        return self.inputs(run_id), self.events(run_id)

    # --- what is new --------------------------------------------------------------------------------------------------

    def last_commit(self) -> int:
        """Return the number of the last commit, 0 before the first."""
        return int(self.query("SELECT COALESCE(max(commit_id), 0) FROM commits")[0][0])

    def head(self) -> tuple[int, bytes] | None:
        """Return the last commit and the chain up to it, None before the first."""
        rows = self.query("SELECT commit_id, chain FROM commits ORDER BY commit_id DESC LIMIT 1")
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def losses(self) -> list[Loss]:
        """Return what the journal lost of what had been acknowledged, the first loss first."""
        known = {row[0] for row in self.query("SELECT uuid FROM runs")}
        rows = self.query("SELECT * FROM journal WHERE origin = 'shortened' ORDER BY generation")
        return [Loss.of(row, known) for row in rows]

    def after(self, commit_id: int, *, most: int = 100, rows: bool = False) -> Changes:
        """Return what was committed after a cursor.

        Args:
            commit_id: The cursor, 0 for everything.
            most: Commits to look at.
            rows: Bring the rows, too; otherwise their ranges stand in `parts`.
        """
        known = self.upto(commit_id, most)  # asked first: what comes between the two questions is of the next turn
        parts = self.parts_after(commit_id, most)
        if not parts:
            return Changes(known)
        merged = merge_ranges([part for _, part in parts])
        return Changes(
            commit_id=parts[-1][0],
            parts=merged,
            rows={
                part.run_id: tuple(self.batches(part.run_id, *part.records)) for part in merged if part.records and rows
            },
            events={part.run_id: tuple(self.events(part.run_id, *part.events)) for part in merged if part.events},
        )

    def parts_after(self, commit_id: int, most: int) -> list[tuple[int, RunRanges]]:
        """Return the parts of the next commits, at most so many, with the numbers of their commits."""
        rows = self.query(
            "SELECT commit_id, run_id, first_record, last_record, first_event, last_event, first_input, last_input "
            "FROM commit_runs WHERE commit_id > :after AND commit_id <= :upto ORDER BY commit_id, run_id",
            after=commit_id, upto=self.upto(commit_id, most),
        )  # fmt: skip
        ranges = [(row[0], row[1], span_of(*row[2:4]), span_of(*row[4:6]), span_of(*row[6:8])) for row in rows]
        return [(commit, RunRanges(*each)) for commit, *each in ranges]

    def upto(self, commit_id: int, most: int) -> int:
        """Return the last of the next commits after one, at most so many; itself where there are none."""
        rows = self.query(
            "SELECT max(commit_id) FROM (SELECT commit_id FROM commits WHERE commit_id > :after ORDER BY commit_id LIMIT :most) c",
            after=commit_id, most=most,
        )  # fmt: skip
        return int(rows[0][0] or commit_id)


def _options(run_id: int, stored: str) -> tuple[Mapping[str, object], str]:
    """Return the options of a run, and what is wrong with them: one damaged text keeps nobody from the other runs."""
    try:
        options = orjson.loads(stored)
    except (orjson.JSONDecodeError, TypeError) as error:
        return {}, f"wanted the options of run {run_id} as JSON, found {str(stored)[:60]!r}: {error}"
    if not isinstance(options, dict):
        return {}, f"wanted the options of run {run_id} as a JSON object, found {stored[:60]!r}"
    return options, ""


def _bytes(stored: bytes | str) -> bytes:
    """Return stored bytes; SQLite gives text where somebody put text."""
    return stored.encode() if isinstance(stored, str) else bytes(stored)

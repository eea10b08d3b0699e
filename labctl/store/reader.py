"""Reading: a connection of its own to a journal, or to its copy in PostgreSQL, that never keeps a transaction open."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import text

from labctl.errors import StoreDamaged, StoreError, UsageError
from labctl.sample import Batch, Floats
from labctl.store import schema
from labctl.store.codec import event_from_json, input_from_json
from labctl.store.connect import reader_engine, told
from labctl.store.entry import Changes, Checkpoint, Part, Rows, Run, StoredEvent, StoredInput
from labctl.store.matrix import ATTEMPT, RECORD, RUN, WIDTH, batch_of
from labctl.store.parquet import read_rows
from labctl.store.place import place

UUID_BEGIN = 8  # characters by which a uuid is usually named; fewer digits are the number of a run
PAGE = 20_000  # rows a query: about 50 ms
_INFINITY = {"sqlite": "9e999", "postgresql": "'infinity'::float8"}  # stands for null on the way: none is stored
_NULLABLE = frozenset({"voltage_volt", "current_ampere", "surface_temperature_celsius"})


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
        self._engine = reader_engine(self.where)
        infinity = _INFINITY[self._engine.dialect.name]
        columns = [f"COALESCE({name}, {infinity})" if name in _NULLABLE else name for name in schema.SAMPLE_COLUMNS[1:]]
        self._samples = (
            f"SELECT {', '.join(columns)} FROM samples "  # noqa: S608 - names are ours
            "WHERE run_id = :run AND record_index >= :first AND record_index <= :last ORDER BY record_index"
        )

    def close(self) -> None:
        """Close; safe to repeat."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def query(self, sql: str, **values: object) -> Sequence[Any]:
        """Return all rows of a query with named parameters (`:name`)."""
        with told(self.where), self._engine.connect() as connection:
            return connection.execute(text(sql), values).fetchall()

    # --- runs ---------------------------------------------------------------------------------------------------------

    def runs(self, *, active: bool = False) -> list[Run]:
        """Return the stored runs in the order of their numbers; `active`: those that have not ended."""
        where = " WHERE ended_unix_time_second IS NULL" if active else ""
        return [self._run(row) for row in self.query(f"SELECT * FROM runs{where} ORDER BY run_id")]  # noqa: S608

    def run(self, run_id: int) -> Run:
        """Return one run.

        Raises:
            UsageError: There is none of that number.
        """
        found = self.query("SELECT * FROM runs WHERE run_id = :run", run=run_id)
        if not found:
            raise UsageError(
                f"wanted a run of {self.where}, found none with the number {run_id}; `labctl runs` lists them"
            )
        return self._run(found[0])

    def find(self, name: str) -> Run:
        """Return the run that a person names: its number, or the beginning of its uuid, which may be all digits too.

        Raises:
            UsageError: None has that name, or several.
        """
        if name.isdecimal() and len(name) < UUID_BEGIN:
            return self.run(int(name))
        found = self.query("SELECT * FROM runs WHERE uuid LIKE :prefix", prefix=f"{name.replace('%', '')}%")
        if len(found) != 1:
            count = "none" if not found else str(len(found))
            raise UsageError(f"wanted one run whose uuid begins with {name!r}, found {count}; `labctl runs` lists them")
        return self._run(found[0])

    def _run(self, row: Any) -> Run:
        last = self._last(row.run_id)
        return Run(
            run_id=row.run_id, uuid=row.uuid, channel=row.channel, protocol=row.protocol, cell=row.cell,
            activity=row.activity, why=row.why, unblock=row.unblock,
            began_unix_time=row.began_unix_time_second, ended_unix_time=row.ended_unix_time_second,
            end_reason=row.end_reason, end_why=row.end_why, by=row.started_by, resumed_from=row.resumed_from,
            options=_options(row.run_id, row.options), software=row.software, rows=last[0] + 1, test_time=last[1],
        )  # fmt: skip

    def _last(self, run_id: int) -> tuple[int, float]:
        found = self.query(
            "SELECT record_index, test_time_second FROM samples WHERE run_id = :run ORDER BY record_index DESC LIMIT 1",
            run=run_id,
        )
        if found:
            return found[0][0], found[0][1]
        found = self.query("SELECT last_record, test_time_second FROM archives WHERE run_id = :run", run=run_id)
        return (found[0][0], found[0][1]) if found else (-1, 0.0)

    def archive_of(self, run_id: int) -> tuple[Path, int] | None:
        """Return the file that holds the rows of an archived run and its last record, or None."""
        found = self.query("SELECT file, last_record FROM archives WHERE run_id = :run", run=run_id)
        return (Path(found[0][0]), found[0][1]) if found else None

    def plan(self, run_id: int) -> bytes:
        """Return the newest plan of a run, JSON.

        Raises:
            StoreDamaged: There is none.
        """
        found = self.query("SELECT plan FROM plans WHERE run_id = :run ORDER BY version DESC LIMIT 1", run=run_id)
        if not found:
            raise StoreDamaged(f"wanted the plan of run {run_id}, found none in {self.where}")
        return str(found[0][0]).encode()

    def checkpoint(self, run_id: int) -> Checkpoint | None:
        """Return the engine's last stored state of a run, or None before the first."""
        found = self.query("SELECT * FROM checkpoints WHERE run_id = :run", run=run_id)
        if not found:
            return None
        row = found[0]
        source = None if row.source is None else bytes(row.source)
        return Checkpoint(run_id, row.commit_id, row.record_index, bytes(row.state), source)

    def cursor(self, reader: str) -> int:
        """Return how far a reader has come, 0 at first."""
        found = self.query("SELECT commit_id FROM cursors WHERE reader = :reader", reader=reader)
        return int(found[0][0]) if found else 0

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows(self, run_id: int, first: int = 0, last: int | None = None) -> Batch:
        """Return rows of a run as one batch, both ends included; all by default."""
        return batch_of(np.concatenate([*self.matrices(run_id, first, last), np.empty((0, WIDTH))]))

    def matrices(self, run_id: int, first: int = 0, last: int | None = None, page: int = PAGE) -> Iterator[Floats]:
        """Give rows as matrices of `store.matrix`, at most `page` rows each."""
        end = (1 << 53) if last is None else last
        archived = self.archive_of(run_id)
        if archived is not None:
            yield from read_rows(archived[0], first, end, page)
            return
        while first <= end:
            with told(self.where), self._engine.connect() as connection:
                span = {"run": run_id, "first": first, "last": min(end, first + page - 1)}
                found = connection.execute(text(self._samples), span)
                cells = np.fromiter(chain.from_iterable(cast(Iterable[Any], found.cursor)), np.float64)
            if not len(cells):
                return
            matrix = np.empty((len(cells) // (WIDTH - 1), WIDTH))
            matrix[:, RUN], matrix[:, RECORD:] = run_id, cells.reshape(-1, WIDTH - 1)
            matrix[np.isinf(matrix)] = np.nan
            yield matrix
            first += page

    def batches(self, run_id: int, first: int = 0, last: int | None = None) -> Iterator[Rows]:
        """Give rows cut where the attempt or the step of its program changes, with their auxiliary columns, page by page."""
        steps = self._steps(run_id)
        for matrix in self.matrices(run_id, first, last):
            records = matrix[:, RECORD].astype(np.int64)
            step = _step_of(steps, records)
            changes = np.flatnonzero((np.diff(matrix[:, ATTEMPT]) != 0) | (np.diff(step) != 0)) + 1
            for begin, end in zip([0, *changes.tolist()], [*changes.tolist(), len(matrix)], strict=True):
                part = matrix[begin:end]
                low, high = int(records[begin]), int(records[end - 1])
                batch = batch_of(part, int(step[begin]))
                yield Rows(run_id, low, int(part[0, ATTEMPT]), self._with_auxiliary(run_id, low, high, batch))

    def _steps(self, run_id: int) -> list[tuple[int, int]]:
        found = self.query(
            "SELECT record_index, data FROM inputs WHERE run_id = :run AND kind = 'program_step' ORDER BY seq",
            run=run_id,
        )
        return [(row[0] + 1, orjson.loads(row[1])["step"]) for row in found]

    def auxiliary(self, run_id: int, first: int, last: int) -> dict[str, Floats]:
        """Return the auxiliary columns of a range of rows by name, NaN where a row has none."""
        found = self.query(
            "SELECT name, record_index, value FROM auxiliary WHERE run_id = :run AND record_index >= :first "
            "AND record_index <= :last",
            run=run_id, first=first, last=last,
        )  # fmt: skip
        columns: dict[str, Floats] = defaultdict(lambda: np.full(last - first + 1, np.nan))
        for name, record, value in found:
            columns[name][record - first] = value
        return dict(columns)

    def _with_auxiliary(self, run_id: int, first: int, last: int, batch: Batch) -> Batch:
        columns = self.auxiliary(run_id, first, last)
        if not columns:
            return batch
        return Batch(
            batch.time, batch.voltage, batch.current, batch.charging_ah, batch.discharging_ah,
            batch.temperature_celsius, batch.quality, batch.step, columns,
        )  # fmt: skip

    # --- events and inputs --------------------------------------------------------------------------------------------

    def events(self, run_id: int, first: int = 1, last: int | None = None) -> list[StoredEvent]:
        """Return events of a run by their numbers, both ends included; all by default."""
        found = self.query(
            "SELECT seq, kind, record_index, test_time_second, data FROM events "
            "WHERE run_id = :run AND seq >= :first AND seq <= :last ORDER BY seq",
            run=run_id, first=first, last=_end(last),
        )  # fmt: skip
        return [StoredEvent(run_id, row[0], event_from_json(*row[1:])) for row in found]

    def inputs(self, run_id: int, first: int = 1, last: int | None = None) -> list[StoredInput]:
        """Return inputs other than rows by their numbers, both ends included; all by default."""
        found = self.query(
            "SELECT seq, record_index, kind, data FROM inputs "
            "WHERE run_id = :run AND seq >= :first AND seq <= :last AND kind <> 'program_step' ORDER BY seq",
            run=run_id, first=first, last=_end(last),
        )  # fmt: skip
        return [StoredInput(run_id, row[0], row[1], input_from_json(row[2], row[3])) for row in found]

    def inputs_and_events(self, run_id: int) -> tuple[list[StoredInput], list[StoredEvent]]:
        """Return all inputs and all events of a run, each in order, as a replay wants them."""
        return self.inputs(run_id), self.events(run_id)

    # --- what is new --------------------------------------------------------------------------------------------------

    def last_commit(self) -> int:
        """Return the number of the last commit, 0 before the first."""
        return int(self.query("SELECT COALESCE(max(commit_id), 0) FROM commits")[0][0])

    def after(self, commit_id: int, *, most: int = 100, rows: bool = False) -> Changes:
        """Return what was committed after a cursor.

        Args:
            commit_id: The cursor, 0 for everything.
            most: Commits to look at.
            rows: Bring the rows, too; otherwise their ranges stand in `parts`.
        """
        parts = self.parts_after(commit_id, most)
        if not parts:
            return Changes(commit_id)
        merged = merge([part for _, part in parts])
        return Changes(
            commit_id=parts[-1][0],
            parts=merged,
            rows={
                part.run_id: tuple(self.batches(part.run_id, *part.records)) for part in merged if part.records and rows
            },
            events={part.run_id: tuple(self.events(part.run_id, *part.events)) for part in merged if part.events},
        )

    def parts_after(self, commit_id: int, most: int) -> list[tuple[int, Part]]:
        """Return the parts of the next commits, at most so many, with the numbers of their commits."""
        found = self.query(
            "SELECT commit_id, run_id, first_record, last_record, first_event, last_event, first_input, last_input "
            "FROM commit_runs WHERE commit_id > :after AND commit_id <= :upto ORDER BY commit_id, run_id",
            after=commit_id, upto=self._upto(commit_id, most),
        )  # fmt: skip
        return [
            (row[0], Part(row[1], span_of(row[2], row[3]), span_of(row[4], row[5]), span_of(row[6], row[7])))
            for row in found
        ]

    def _upto(self, commit_id: int, most: int) -> int:
        found = self.query(
            "SELECT max(commit_id) FROM (SELECT commit_id FROM commits WHERE commit_id > :after ORDER BY commit_id LIMIT :most) c",
            after=commit_id, most=most,
        )  # fmt: skip
        return int(found[0][0] or commit_id)


def merge(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return one part a run that covers all of its parts, in the order of the runs."""
    by_run: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        by_run[part.run_id].append(part)
    return tuple(
        Part(
            run_id,
            records=_cover([part.records for part in mine]),
            events=_cover([part.events for part in mine]),
            inputs=_cover([part.inputs for part in mine]),
        )
        for run_id, mine in sorted(by_run.items())
    )


def _cover(spans: Sequence[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [span for span in spans if span is not None]
    return (known[0][0], known[-1][1]) if known else None


def span_of(first: int | None, last: int | None) -> tuple[int, int] | None:
    """Return a range, or None where there is none."""
    return None if first is None or last is None else (first, last)


def _options(run_id: int, stored: str) -> Mapping[str, object]:
    try:
        found: Mapping[str, object] = orjson.loads(stored)
    except orjson.JSONDecodeError as error:
        raise StoreDamaged(f"wanted the options of run {run_id} as JSON, found {stored[:60]!r}: {error}") from error
    return found


def _end(last: int | None) -> int:
    return (1 << 31) - 1 if last is None else last


def _step_of(steps: Sequence[tuple[int, int]], records: NDArray[np.int64]) -> NDArray[np.int64]:
    starts = np.array([start for start, _ in steps], dtype=np.int64)
    values = np.array([0, *(step for _, step in steps)], dtype=np.int64)
    return values[np.searchsorted(starts, records, side="right")]

"""The digests of commits and the chain over them, computed again from what is stored.

Commits are read some thousand at a time, and of each run the rows, inputs and events of all of them at once: a journal of many
small commits is checked as quickly as one of few large ones.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from labctl.errors import LabctlError
from labctl.sample import Floats
from labctl.store.entry import RunRanges
from labctl.store.generation import GENERATIONS, Generation, text_of
from labctl.store.hash_chain import BIRTH, VERSION, birth, first_chain, next_chain, part_digest, rows_digest
from labctl.store.matrix import CHARGING, DISCHARGING, RECORD, TIME, WIDTH
from labctl.store.reader import Reader

PAGE = 1000  # commits a query
ROWS = 200_000  # rows of all runs that are held at once
Span = tuple[int, int]


Ends: TypeAlias = tuple[int, int, int]  # last record, event and input of a run
NOTHING: Ends = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not as it was written: where, and what was wanted and found."""

    where: str
    what: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """One run's part of a commit with its stored digest."""

    commit_id: int
    part: RunRanges
    digest: bytes
    version: int


@dataclass(slots=True)
class DigestCheck:
    """A walk over the commits.

    Attributes:
        reader: Of the journal.
        upto: The last commit to look at.
        run: Only this run's content is read; the chain is checked in any case.
        since: The commit after which to begin, and its chain, which somebody vouches for.
        progress: Called with the commit that was looked at and the last one.
        rows: Rows looked at.
        ends: The last record, event and input of each run that a commit names.
        looked: Runs that the commits looked at name.
    """

    reader: Reader
    upto: int
    run: int | None = None
    since: tuple[int, bytes] = (0, b"")
    progress: Callable[[int, int], None] = lambda _, __: None
    rows: int = 0
    ends: dict[int, Ends] = field(default_factory=dict)
    looked: set[int] = field(default_factory=set)
    _tail: dict[int, Floats] = field(default_factory=dict)
    _born: Mapping[tuple[int, int], Any] = field(default_factory=dict)

    def findings(self) -> Iterator[Mismatch]:
        """Walk, and give what is not as it was written."""
        generations = [Generation(*row) for row in self.reader.query(GENERATIONS)]
        before, chain = self.since
        if not before:
            chain = first_chain(generations[0].uuid)
        else:
            self.ends = {row[0]: (row[1], row[2], row[3]) for row in self.reader.query(_ENDS, upto=before)}
        self._born = {(row.created_commit_id, row.run_id): row for row in self.reader.query(_BORN, after=before)}
        wanted = before + 1
        while wanted <= self.upto:
            end = min(self.upto, wanted + PAGE - 1)
            page = self.reader.query(_COMMITS, first=wanted, last=end)
            if not page:
                yield Mismatch(f"commit {wanted}", f"is missing with all up to {self.upto}")
                return
            parts = self._parts(wanted, end)
            for row in page:
                if row.commit_id != wanted:
                    yield Mismatch(f"commit {wanted}", f"is missing; found {row.commit_id} next")
                if row.version not in BIRTH:
                    yield Mismatch(
                        f"commit {row.commit_id}", f"wanted digests of version 1 to {VERSION}, found {row.version}"
                    )
                    return
                mine = [(each.part, each.digest) for each in parts.get(row.commit_id, ())]
                known = text_of([each for each in generations if each.began_commit_id < row.commit_id])
                chain = next_chain(
                    chain, row.commit_id, row.unix_time_second, mine, generations=known, version=row.version
                )
                if chain != bytes(row.chain):
                    yield Mismatch(f"commit {row.commit_id}", _BROKEN)
                    chain = bytes(row.chain)
                wanted = row.commit_id + 1
            yield from self._contents([each for sealed in parts.values() for each in sealed])
            self.progress(wanted - 1, self.upto)

    def _parts(self, first: int, last: int) -> dict[int, list[Sealed]]:
        parts: dict[int, list[Sealed]] = defaultdict(list)
        for row in self.reader.query(_PARTS, first=first, last=last):
            part = RunRanges(row[1], _range(row[2], row[3]), _range(row[4], row[5]), _range(row[6], row[7]))
            parts[row[0]].append(Sealed(row[0], part, bytes(row[8]), row[9]))
        return parts

    def _contents(self, parts: Sequence[Sealed]) -> Iterator[Mismatch]:
        """Compare the content of parts, some thousand rows at once."""
        taken: list[Sealed] = []
        rows = 0
        for sealed in parts:
            if self.run not in {None, sealed.part.run_id}:
                continue
            self.looked.add(sealed.part.run_id)
            taken.append(sealed)
            rows += _count(sealed.part.records)
            if rows >= ROWS:
                yield from self._pieces(taken)
                taken, rows = [], 0
        yield from self._pieces(taken)

    def _pieces(self, parts: Sequence[Sealed]) -> Iterator[Mismatch]:
        by_run: dict[int, list[Sealed]] = defaultdict(list)
        for sealed in parts:
            by_run[sealed.part.run_id].append(sealed)
        for run_id, mine in by_run.items():
            try:
                window = _CommitWindow(self.reader, run_id, mine)
            except LabctlError as error:
                yield Mismatch(f"run {run_id}, commit {mine[0].commit_id}", str(error))
                continue
            yield from self._falling(run_id, window.rows)
            for sealed in mine:
                yield from self._part(sealed, window)

    def _part(self, sealed: Sealed, window: "_CommitWindow") -> Iterator[Mismatch]:
        part = sealed.part
        ends = self.ends.get(part.run_id, NOTHING)
        self.ends[part.run_id] = (
            _later(ends[0], part.records), _later(ends[1], part.events), _later(ends[2], part.inputs)
        )  # fmt: skip
        rows = window.rows_of(part.records)
        born = self._born.get((sealed.commit_id, part.run_id))
        if window.plain and born is None and part.events is None and part.inputs is None and part.records is not None:
            follows, whole = part.records[0] == ends[0] + 1, len(rows) == _count(part.records)
            if follows and whole and sealed.version == VERSION and rows_digest(rows) == sealed.digest:
                self.rows += len(rows)
                return
        place = f"run {part.run_id}, commit {sealed.commit_id}"
        if part.records is not None:
            first, last = part.records
            wanted = ends[0] + 1
            if first != wanted:
                yield Mismatch(place, f"records do not follow: wanted {wanted}, found {first}")
            if len(rows) != last - first + 1 or not (rows[:, RECORD] == np.arange(first, first + len(rows))).all():
                yield Mismatch(place, f"wanted records {first} to {last}, found {len(rows)} rows")
            self.rows += len(rows)
        text = (
            ""
            if born is None
            else birth([getattr(born, name) for name in BIRTH[sealed.version]], born.plan or "", born.hash)
        )
        content = window.auxiliary_of(part.records), window.inputs_of(part.inputs), window.events_of(part.events)
        if part_digest(rows, *content, text, version=sealed.version) != sealed.digest:
            what = f"records {part.records}, events {part.events} or inputs {part.inputs}"
            of_run = "the run's plan, channel, names, texts, options or begin"
            yield Mismatch(place, f"{what if born is None else of_run} were changed")

    def _falling(self, run_id: int, rows: Floats) -> Iterator[Mismatch]:
        """Find times and counters that fall; they never do."""
        if not len(rows):
            return
        before = self._tail.get(run_id)
        follow = rows if before is None else np.vstack([before, rows])
        self._tail[run_id] = rows[-1]
        for column, name in ((TIME, "time"), (CHARGING, "charging counter"), (DISCHARGING, "discharging counter")):
            fallen = np.flatnonzero(np.diff(follow[:, column]) < 0)
            if len(fallen):
                yield Mismatch(f"run {run_id}", f"the {name} falls before record {follow[fallen[0] + 1, RECORD]:.0f}")


class _CommitWindow:
    """What is stored of one run between the first and the last of some parts."""

    def __init__(self, reader: Reader, run_id: int, parts: Sequence[Sealed]) -> None:
        records = _cover([each.part.records for each in parts])
        self.rows = np.concatenate([*reader.matrices(run_id, *records), np.empty((0, WIDTH))])
        self._first = records[0]
        self._gapless = bool((self.rows[:, RECORD] == np.arange(records[0], records[0] + len(self.rows))).all())
        self._auxiliary = reader.query(_AUXILIARY, run=run_id, first=records[0], last=records[1])
        inputs, events = _cover([each.part.inputs for each in parts]), _cover([each.part.events for each in parts])
        self._inputs = reader.query(_INPUTS, run=run_id, first=inputs[0], last=inputs[1])
        self._events = reader.query(_EVENTS, run=run_id, first=events[0], last=events[1])

    @property
    def plain(self) -> bool:
        """Tell whether its rows are numbered without a hole and have no auxiliary values."""
        return self._gapless and not self._auxiliary

    def rows_of(self, span: Span | None) -> Floats:
        if span is None:
            return self.rows[:0]
        if self._gapless:
            return self.rows[max(span[0] - self._first, 0) : max(span[1] + 1 - self._first, 0)]
        begin, end = np.searchsorted(self.rows[:, RECORD], [span[0], span[1] + 1])
        return self.rows[begin:end]

    def auxiliary_of(self, span: Span | None) -> Sequence[Any]:
        return _slice(self._auxiliary, span)

    def inputs_of(self, span: Span | None) -> Sequence[Any]:
        return _slice(self._inputs, span)

    def events_of(self, span: Span | None) -> Sequence[Any]:
        return _slice(self._events, span)


def _slice(rows: Sequence[Any], span: Span | None) -> Sequence[Any]:
    """Return the rows whose number, their second column, lies in a range; they come in its order."""
    if span is None:
        return ()
    return rows[bisect_left(rows, span[0], key=_number) : bisect_right(rows, span[1], key=_number)]


def _number(row: Any) -> int:
    return int(row[1])


def _cover(spans: Sequence[Span | None]) -> Span:
    known = [span for span in spans if span is not None]
    return (min(span[0] for span in known), max(span[1] for span in known)) if known else (0, -1)


def _later(end: int, span: Span | None) -> int:
    return end if span is None else max(end, span[1])


def _count(span: Span | None) -> int:
    return 0 if span is None else span[1] - span[0] + 1


def _range(first: int | None, last: int | None) -> Span | None:
    """Return a range as the chain has it; -1 stands for a half that somebody took away or put there."""
    return (-1 if first is None else first, -1 if last is None else last) if (first, last) != (None, None) else None


_BROKEN = "the chain of digests is broken: this or an earlier commit was changed"
_COMMITS = """
SELECT commit_id, unix_time_second, chain, version FROM commits WHERE commit_id BETWEEN :first AND :last ORDER BY 1"""
_BORN = f"""
SELECT r.created_commit_id, r.run_id, {", ".join(f"r.{name}" for name in BIRTH[VERSION])}, p.plan, p.hash
FROM runs r LEFT JOIN plans p ON p.run_id = r.run_id AND p.version = 1
WHERE r.created_commit_id > :after"""  # noqa: S608 - names are ours
_PARTS = """
SELECT r.commit_id, r.run_id, first_record, last_record, first_event, last_event, first_input, last_input, digest, version
FROM commit_runs r JOIN commits c ON c.commit_id = r.commit_id
WHERE r.commit_id BETWEEN :first AND :last ORDER BY r.commit_id, r.run_id"""
_ENDS = """
SELECT run_id, COALESCE(max(last_record), -1), COALESCE(max(last_event), -1), COALESCE(max(last_input), -1)
FROM commit_runs WHERE commit_id <= :upto GROUP BY 1"""
_AUXILIARY = """
SELECT run_id, record_index, name, value FROM auxiliary
WHERE run_id = :run AND record_index BETWEEN :first AND :last ORDER BY record_index, name"""
_INPUTS = """
SELECT run_id, seq, record_index, kind, data FROM inputs
WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq"""
_EVENTS = """
SELECT run_id, seq, record_index, test_time_second, kind, data FROM events
WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq"""

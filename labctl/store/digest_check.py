"""The digests of commits and the chain over them, computed again from what is stored.

Commits are read some thousand at a time, and of each run the rows, inputs and events of all of them at once: a journal of many
small commits is checked as quickly as one of few large ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeAlias

import numpy as np

from labctl.errors import LabctlError
from labctl.sample import Floats
from labctl.store.commit_window import CommitWindow, Span, all_none, grouped, span_of
from labctl.store.entry import RunRanges
from labctl.store.generation import GENERATIONS, Generation, text_of
from labctl.store.hash_chain import (
    BIRTH,
    PART_BYTES,
    ROW_COLUMNS,
    VERSION,
    Covered,
    birth,
    digest_of_bytes,
    digests_of_bytes,
    first_chain,
    next_chain,
    part_digest,
)
from labctl.store.last_ranges import ends_at
from labctl.store.matrix import CHARGING, DISCHARGING, RECORD, TIME, WIDTH
from labctl.store.reader import Reader

PAGE, LARGEST = 1000, 20_000  # commits a query, the first time and at most
PARTS = 50_000  # of runs that the commits of a query should have
ROWS = 200_000  # rows of a run that are held at once
_ROW_BYTES = 8 * WIDTH
_NO_MORE = [None] * 4  # no events and no inputs

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
        under_way: The last of them that changed orders or waiting runs, 0 where none did.
        checkpoints: What they cover of the checkpoint of each run.
    """

    reader: Reader
    upto: int
    run: int | None = None
    since: tuple[int, bytes] = (0, b"")
    progress: Callable[[int, int], None] = lambda _, __: None
    rows: int = 0
    ends: dict[int, Ends] = field(default_factory=dict)
    looked: set[int] = field(default_factory=set)
    under_way: int = 0
    checkpoints: dict[int, Covered | None] = field(default_factory=dict)
    _tail: dict[int, Floats] = field(default_factory=dict)
    _born: Mapping[tuple[int, int], Any] = field(default_factory=dict)
    _births: Mapping[int, int] = field(default_factory=dict)
    _auxiliary: dict[int, bool] = field(default_factory=dict)
    _versions: Mapping[int, int] = field(default_factory=dict)
    _covers_all: bool = False  # by those, every column of a row
    _generations: Sequence[Generation] = ()
    _chain: bytes = b""
    _wanted: int = 0

    def findings(self) -> Iterator[Mismatch]:
        """Walk, and give what is not as it was written."""
        self._generations = [Generation(*row) for row in self.reader.query(GENERATIONS)]
        before, self._chain = self.since
        if not before:
            self._chain = first_chain(self._generations[0].uuid)
        else:
            named = [row[0] for row in self.reader.query(_NAMED, after=before, upto=self.upto)]
            self.ends = ends_at(self.reader, before, named)
        self._born = {(row.created_commit_id, row.run_id): row for row in self.reader.query(_BORN, after=before)}
        self._births = {run_id: commit_id for commit_id, run_id in self._born}
        self._wanted, size = before + 1, PAGE
        while self._wanted <= self.upto:
            span = {"first": self._wanted, "last": min(self.upto, self._wanted + size - 1)}
            page, parts = self.reader.tuples(_COMMITS, **span), self.reader.tuples(_PARTS, **span)
            if not page:
                yield Mismatch(f"commit {self._wanted}", f"is missing with all up to {self.upto}")
                return
            size = min(LARGEST, max(PAGE, size * PARTS // (len(parts) + 1)))
            self._versions = {commit_id: version for commit_id, _, _, version, _ in page}
            there = set(self._versions.values())
            self._covers_all = all(ROW_COLUMNS.get(version) == WIDTH for version in there)
            if len(page) <= span["last"] - span["first"]:
                parts = [part for part in parts if part[0] in self._versions]
            by_commit, by_run = grouped(parts)
            known = page if there <= BIRTH.keys() else list(takewhile(lambda row: row[3] in BIRTH, page))
            yield from self._chained(known, by_commit)
            if len(known) < len(page):
                commit_id, _, _, version, _ = page[len(known)]
                yield Mismatch(f"commit {commit_id}", f"wanted digests of version 1 to {VERSION}, found {version}")
                return
            yield from self._contents(by_run)
            self.progress(self._wanted - 1, self.upto)

    def _chained(self, page: Sequence[tuple[Any, ...]], by_commit: Mapping[int, Sequence[bytes]]) -> Iterator[Mismatch]:
        """Compute the chain over some commits, and give where it is broken, or has a hole."""
        known, wanted, chain = "", self._wanted, self._chain
        until = wanted  # before which commit `known` is what it covers of generations
        for commit_id, unix_time, stored, version, under_way in page:
            if commit_id != wanted:
                yield Mismatch(f"commit {wanted}", f"is missing; found {commit_id} next")
            if commit_id >= until:
                known = text_of([each for each in self._generations if each.began_commit_id < commit_id])
                later = (each.began_commit_id for each in self._generations if each.began_commit_id >= commit_id)
                until = min(later, default=self.upto) + 1
            content = b"".join(by_commit.get(commit_id, ()))
            chain = next_chain(
                chain, commit_id, unix_time, content, generations=known, under_way=under_way, version=version
            )
            if chain != stored:
                yield Mismatch(f"commit {commit_id}", _BROKEN)
                chain = bytes(stored)
            wanted = commit_id + 1
            if under_way is not None:
                self.under_way = commit_id
        self._wanted, self._chain = wanted, chain

    def _contents(self, by_run: Mapping[int, Sequence[Any]]) -> Iterator[Mismatch]:
        """Compare the content of parts, some thousand rows of a run at once."""
        for run_id, parts in by_run.items():
            if self.run not in {None, run_id}:
                continue
            self.looked.add(run_id)
            for piece in _pieces(parts):
                try:
                    window = CommitWindow(self.reader, run_id, piece, auxiliary=self._has_auxiliary(run_id))
                except LabctlError as error:
                    yield Mismatch(f"run {run_id}, commit {piece[0][0]}", str(error))
                    continue
                yield from self._falling(run_id, window.rows)
                if self._only_rows(run_id, window):
                    continue
                for at in self._noted(run_id, window, piece):
                    yield from self._part(_sealed(piece[at], self._versions[piece[at][0]]), window)

    def _has_auxiliary(self, run_id: int) -> bool:
        if run_id not in self._auxiliary:
            self._auxiliary[run_id] = bool(self.reader.query(_WITH, run=run_id)[0][0])
        return self._auxiliary[run_id]

    def _only_rows(self, run_id: int, window: "CommitWindow") -> bool:
        """Take parts that are all rows which follow each other and are as they were written, as nearly all are: a hash each.

        Returns:
            False where anything else is among them: then nothing was taken.
        """
        commits, _, _, _, *more, digests = window.columns
        record, born = self.ends.get(run_id, NOTHING)[0], self._births.get(run_id)
        begins, stops = window.begins, window.stops
        numbers = {begins.dtype.kind, stops.dtype.kind} == {"i"} and all(map(all_none, more))
        is_born = born is not None and commits[0] <= born <= commits[-1]
        if not (window.plain and numbers and self._covers_all) or is_born:
            return False
        follows = begins[0] == record + 1 and (begins[1:] == stops[:-1] + 1).all() and (stops >= begins).all()
        if not follows or begins[0] < window.first or stops[-1] - window.first >= len(window.rows):
            return False
        known = window.rows.data.cast("B")
        froms, tos = ((each - window.first) * _ROW_BYTES for each in (begins, stops + 1))
        made = digests_of_bytes(known, froms.tolist(), tos.tolist())
        with_checkpoints = max(map(len, digests)) > PART_BYTES
        if made != ([each[:PART_BYTES] for each in digests] if with_checkpoints else list(digests)):
            return False
        if with_checkpoints:
            self.checkpoints[run_id] = Covered.by(zip(commits, digests, strict=True), self.checkpoints.get(run_id))
        self.rows += int(stops[-1]) - record
        self.ends[run_id] = (int(stops[-1]), *self.ends.get(run_id, NOTHING)[1:])
        return True

    def _noted(self, run_id: int, window: "CommitWindow", parts: Sequence[Any]) -> Iterator[int]:
        """Give the places of the parts that are more than rows which follow the ones before and are as they were written.

        Those, which are nearly all, are looked at here: a hash each.
        """
        record, *others = self.ends.get(run_id, NOTHING)
        born = self._births.get(run_id)
        known = window.rows.data.cast("B") if window.plain and len(window.rows) else memoryview(b"")
        for at, (commit_id, _, first, last, *more, digest) in enumerate(parts):
            if len(digest) > PART_BYTES:
                self.checkpoints[run_id] = Covered.by([(commit_id, digest)], self.checkpoints.get(run_id))
            if (
                first == record + 1
                and more == _NO_MORE
                and commit_id != born
                and ROW_COLUMNS[self._versions[commit_id]] == WIDTH
            ):
                begin = (first - window.first) * _ROW_BYTES
                end = begin + (_count((first, last)) if isinstance(last, int) else 0) * _ROW_BYTES
                if 0 <= begin < end <= len(known) and digest_of_bytes(known[begin:end]) == digest[:PART_BYTES]:
                    self.rows += last - record
                    record = last
                    continue
            self.ends[run_id] = (record, others[0], others[1])
            yield at
            record, *others = self.ends[run_id]
        self.ends[run_id] = (record, others[0], others[1])

    def _part(self, sealed: Sealed, window: "CommitWindow") -> Iterator[Mismatch]:
        part = sealed.part
        ends = self.ends.get(part.run_id, NOTHING)
        self.ends[part.run_id] = (
            _later(ends[0], part.records), _later(ends[1], part.events), _later(ends[2], part.inputs)
        )  # fmt: skip
        rows = window.rows_of(part.records)
        born = self._born.get((sealed.commit_id, part.run_id))
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
        if part_digest(rows, *content, text, version=sealed.version) != sealed.digest[:PART_BYTES]:
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


def part_is_whole(reader: Reader, run_id: int, commit_id: int) -> bool:
    """Tell whether what one commit after the first holds of a run is as its digest has it; the chain is not looked at."""
    parts = reader.query(_ONE_PART, run=run_id, commit=commit_id)
    sealed, window = _sealed(parts[0], parts[0].version), CommitWindow(reader, run_id, parts)
    part = sealed.part
    content = window.auxiliary_of(part.records), window.inputs_of(part.inputs), window.events_of(part.events)
    made = part_digest(window.rows_of(part.records), *content, version=sealed.version)
    return made == sealed.digest[:PART_BYTES]


def _pieces(parts: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut the parts of a run so that not too many rows are held at once."""
    first, last = parts[0][2], parts[-1][3]
    if isinstance(first, int) and isinstance(last, int) and last - first < ROWS:
        yield parts
        return
    begin = rows = 0
    for at, part in enumerate(parts, 1):
        rows += _count(span_of(part[2], part[3]))
        if rows >= ROWS:
            yield parts[begin:at]
            begin, rows = at, 0
    yield from [parts[begin:]] if begin < len(parts) else []


def _sealed(part: Any, version: int) -> Sealed:
    ranges = span_of(part[2], part[3]), span_of(part[4], part[5]), span_of(part[6], part[7])
    return Sealed(part[0], RunRanges(part[1], *ranges), bytes(part[8]), version)


def _later(end: int, span: Span | None) -> int:
    return end if span is None else max(end, span[1])


def _count(span: Span | None) -> int:
    return 0 if span is None else span[1] - span[0] + 1


_BROKEN = "the chain of digests is broken: this or an earlier commit was changed"
_COMMITS = """
SELECT commit_id, unix_time_second, chain, version, under_way FROM commits WHERE commit_id BETWEEN :first AND :last ORDER BY 1"""
_BORN = f"""
SELECT r.created_commit_id, r.run_id, {", ".join(f"r.{name}" for name in BIRTH[VERSION])}, p.plan, p.hash
FROM runs r LEFT JOIN plans p ON p.run_id = r.run_id AND p.version = 1
WHERE r.created_commit_id > :after"""  # noqa: S608 - names are ours
_RANGES = (
    "SELECT r.commit_id, r.run_id, first_record, last_record, first_event, last_event, first_input, last_input, digest"
)
_PARTS = f"{_RANGES} FROM commit_runs r WHERE r.commit_id BETWEEN :first AND :last ORDER BY r.commit_id, r.run_id"
_ONE_PART = f"""{_RANGES}, version
FROM commit_runs r JOIN commits c ON c.commit_id = r.commit_id WHERE r.commit_id = :commit AND r.run_id = :run"""
_NAMED = "SELECT DISTINCT run_id FROM commit_runs WHERE commit_id > :after AND commit_id <= :upto"
_WITH = "SELECT EXISTS (SELECT 1 FROM auxiliary WHERE run_id = :run)"

"""Is what is stored what was written? Digests and chain are computed again, and what belongs together is compared."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from labctl.errors import LabctlError, UsageError
from labctl.sample import Floats
from labctl.store.derived import derived_differences
from labctl.store.entry import Part
from labctl.store.matrix import CHARGING, DISCHARGING, RECORD, TIME, WIDTH
from labctl.store.reader import Reader
from labctl.store.seal import BIRTH, birth, digest_of, first_chain, next_chain, part_digest

PAGE = 1000  # commits a query


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: where, and what was wanted and found."""

    where: str
    what: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    commits: int
    runs: int
    rows: int
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.findings


def verify(where: Path | str, run: int | None = None, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Compare a journal, or one run of it, with its digests.

    Args:
        where: A data folder, a journal's file or its URL.
        run: Only this run's rows; the chain of commits is checked in either case.
        progress: Called with the commit that was looked at and the last one.

    Raises:
        StoreError: There is no journal.
        UsageError: It is a copy in PostgreSQL.
    """
    with Reader(where) as reader:
        if not isinstance(reader.where, Path):
            raise UsageError("a copy in PostgreSQL has no digests; verify the journal that it came from")
        upto = reader.last_commit()
        findings = [*_pages(reader)]
        looked = _Looked()
        findings += _commits(reader, upto, run, looked, progress or _quiet)
        findings += _texts(reader)
        known = [row[0] for row in reader.query("SELECT run_id FROM runs ORDER BY 1")]
        runs = [each for each in known if run in {None, each}]
        for run_id in runs:
            findings += _run(reader, run_id, looked)
        return Verified(upto, len(runs), looked.rows, tuple(findings))


class _Looked:
    """What the walk over the commits saw: how many rows, and where each run's rows must end."""

    def __init__(self) -> None:
        self.rows = 0
        self.last: dict[int, int] = {}
        self.tail: dict[int, Floats] = {}  # last row of each run


def _quiet(_: int, __: int) -> None: ...


def _pages(reader: Reader) -> Iterator[Finding]:
    answers = [str(row[0]) for row in reader.query("PRAGMA quick_check(10)")]
    if answers != ["ok"]:
        yield from (Finding(str(reader.where), answer) for answer in answers)


def _commits(
    reader: Reader, upto: int, run: int | None, looked: _Looked, progress: Callable[[int, int], None]
) -> Iterator[Finding]:
    uuid = str(reader.query("SELECT uuid FROM journal ORDER BY generation LIMIT 1")[0][0])
    chain, wanted = first_chain(uuid), 1
    born = {row[0]: row for row in reader.query(_BORN)}
    while wanted <= upto:
        page = reader.query(_COMMITS, first=wanted, last=min(upto, wanted + PAGE - 1))
        parts = _parts(reader, wanted, min(upto, wanted + PAGE - 1))
        for commit_id, unix_time, stored in page:
            if commit_id != wanted:
                yield Finding(f"commit {wanted}", f"is missing; found {commit_id} next")
            mine = parts.get(commit_id, [])
            chain = next_chain(chain, commit_id, unix_time, mine)
            if chain != bytes(stored):
                yield Finding(
                    f"commit {commit_id}", "the chain of digests is broken: this or an earlier commit was changed"
                )
                chain = bytes(stored)
            for part, digest in mine:
                if run in {None, part.run_id}:
                    yield from _part(reader, commit_id, part, digest, looked, born)
            wanted = commit_id + 1
        if not page:
            yield Finding(f"commit {wanted}", f"is missing with all up to {upto}")
            return
        progress(wanted - 1, upto)


_COMMITS = "SELECT commit_id, unix_time_second, chain FROM commits WHERE commit_id BETWEEN :first AND :last ORDER BY 1"
_BORN = f"""
SELECT r.created_commit_id || ' ' || r.run_id, {", ".join(f"r.{name}" for name in BIRTH)}, p.plan, p.hash
FROM runs r LEFT JOIN plans p ON p.run_id = r.run_id AND p.version = 1"""  # noqa: S608 - names are ours
_PARTS = """
SELECT commit_id, run_id, first_record, last_record, first_event, last_event, first_input, last_input, digest
FROM commit_runs WHERE commit_id BETWEEN :first AND :last ORDER BY commit_id, run_id"""


def _parts(reader: Reader, first: int, last: int) -> dict[int, list[tuple[Part, bytes]]]:
    found: dict[int, list[tuple[Part, bytes]]] = {}
    for row in reader.query(_PARTS, first=first, last=last):
        part = Part(row[1], _range(row[2], row[3]), _range(row[4], row[5]), _range(row[6], row[7]))
        found.setdefault(row[0], []).append((part, bytes(row[8])))
    return found


def _range(first: int | None, last: int | None) -> tuple[int, int] | None:
    """Return a range as the chain has it; -1 stands for a half that somebody took away or put there."""
    return (-1 if first is None else first, -1 if last is None else last) if (first, last) != (None, None) else None


def _part(
    reader: Reader, commit_id: int, part: Part, digest: bytes, looked: _Looked, born: dict[str, Any]
) -> Iterator[Finding]:
    place = f"run {part.run_id}, commit {commit_id}"
    rows = np.empty((0, WIDTH))
    auxiliary: Sequence[Any] = ()
    if part.records is not None:
        first, last = part.records
        try:
            rows = np.concatenate([*reader.matrices(part.run_id, first, last), rows])
        except LabctlError as error:
            yield Finding(place, str(error))
            return
        auxiliary = reader.query(_AUXILIARY, run=part.run_id, first=first, last=last)
        wanted = looked.last.get(part.run_id, -1) + 1
        if first != wanted:
            yield Finding(place, f"records do not follow: wanted {wanted}, found {first}")
        if len(rows) != last - first + 1 or not (rows[:, RECORD] == np.arange(first, first + len(rows))).all():
            yield Finding(place, f"wanted records {first} to {last}, found {len(rows)} rows")
        yield from _falling(place, rows, looked.tail.get(part.run_id))
        if len(rows):
            looked.tail[part.run_id] = rows[-1]
        looked.rows += len(rows)
        looked.last[part.run_id] = last
    inputs = reader.query(_INPUTS, run=part.run_id, first=(part.inputs or _NONE)[0], last=(part.inputs or _NONE)[1])
    events = reader.query(_EVENTS, run=part.run_id, first=(part.events or _NONE)[0], last=(part.events or _NONE)[1])
    made = born.get(f"{commit_id} {part.run_id}")
    text = birth(made[1:-2], made[-2] or "", made[-1]) if made is not None else ""
    if part_digest(np.ascontiguousarray(rows), auxiliary, inputs, events, text) != digest:
        what = f"records {part.records}, events {part.events} or inputs {part.inputs}"
        yield Finding(
            place,
            f"{what} were changed" if made is None else "the run's plan, channel, names, options or begin were changed",
        )


def _falling(place: str, rows: Floats, before: Floats | None) -> Iterator[Finding]:
    """Find times and counters that fall; they never do."""
    follow = rows if before is None else np.vstack([before, rows])
    for column, name in ((TIME, "time"), (CHARGING, "charging counter"), (DISCHARGING, "discharging counter")):
        fallen = np.flatnonzero(np.diff(follow[:, column]) < 0)
        if len(fallen):
            yield Finding(place, f"the {name} falls before record {follow[fallen[0] + 1, RECORD]:.0f}")


_NONE = (0, -1)
_AUXILIARY = """
SELECT run_id, record_index, name, value FROM auxiliary
WHERE run_id = :run AND record_index BETWEEN :first AND :last ORDER BY record_index, name"""
_INPUTS = """
SELECT run_id, seq, record_index, kind, data FROM inputs
WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq"""
_EVENTS = """
SELECT run_id, seq, record_index, test_time_second, kind, data FROM events
WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq"""


def _texts(reader: Reader) -> Iterator[Finding]:
    for table in ("protocols", "cells"):
        for stored, name, text in reader.query(f"SELECT hash, name, text FROM {table}"):  # noqa: S608 - names are ours
            if digest_of(text) != stored:
                yield Finding(f"{table}, {name}", "the text is not the one that was stored")


def _run(reader: Reader, run_id: int, looked: _Looked) -> Iterator[Finding]:
    """Compare a run with what the digests do not cover: rows beyond the last commit, what follows from events, checkpoint."""
    place = f"run {run_id}"
    last = looked.last.get(run_id, -1)
    beyond = reader.query(
        "SELECT count(*) FROM samples WHERE run_id = :run AND (record_index > :last OR record_index < 0)",
        run=run_id,
        last=last,
    )[0][0]
    if beyond:
        yield Finding(place, f"{beyond} rows belong to no commit")
    checkpoint = reader.checkpoint(run_id)
    if checkpoint is not None and checkpoint.record_index > last:
        yield Finding(place, f"the checkpoint stands at record {checkpoint.record_index}, the last row is {last}")
    tail = looked.tail.get(run_id)
    yield from (Finding(place, words) for words in derived_differences(reader, run_id, tail))
    for table, numbers in (("events", _EVENT_NUMBERS), ("inputs", _INPUT_NUMBERS)):
        found = [row[0] for row in reader.query(numbers, run=run_id)]
        if found and (found[0] != 1 or any(after != before + 1 for before, after in pairwise(found))):
            yield Finding(place, f"{table} are not numbered without a hole")


_EVENT_NUMBERS = "SELECT seq FROM events WHERE run_id = :run ORDER BY 1"
_INPUT_NUMBERS = "SELECT seq FROM inputs WHERE run_id = :run ORDER BY 1"

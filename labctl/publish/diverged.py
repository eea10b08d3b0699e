"""A copy in PostgreSQL that is ahead of its journal: an older journal was put back, and went on by itself.

What only the copy has is kept. A run of which it knows more than the journal, or something else, stays there under the uuid
`<uuid> lost <number>`, ended as `lost`; the run as the journal has it is carried over whole beside it. A run that only the copy
knows is ended as `lost`. Nothing is deleted, and nothing of the journal is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from labctl.store.entry import RunRanges
from labctl.store.reader import Reader
from labctl.store.run_ranges import span_of

WHY = "the journal lost what came after; this is what its copy has of it"
_THERE = "SELECT run_id, uuid, ended_unix_time_second FROM runs WHERE journal = %s AND uuid NOT LIKE %s ORDER BY run_id"
_COUNTS_THERE = """
SELECT (SELECT count(*) FROM samples WHERE run_id = %(run)s), (SELECT count(*) FROM events WHERE run_id = %(run)s),
  (SELECT count(*) FROM inputs WHERE run_id = %(run)s)"""
_SPANS = """
SELECT min(first_record), max(last_record), min(first_event), max(last_event), min(first_input), max(last_input)
FROM commit_runs WHERE run_id = :run AND commit_id <= :upto"""
_LOST = """
UPDATE runs SET uuid = %(uuid)s, activity = 'failed', end_reason = 'lost', end_why = %(why)s,
  ended_unix_time_second = COALESCE(ended_unix_time_second, began_unix_time_second
    + COALESCE((SELECT max(test_time_second) FROM samples WHERE run_id = %(run)s), 0))
WHERE run_id = %(run)s"""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The copy had commits up to `copied` when the journal had them up to `journal`."""

    copied: int
    journal: int

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"the copy in PostgreSQL holds commits up to {self.copied} that this journal, at {self.journal}, has not or has "
            "otherwise: an older journal was put back; what only the copy has is kept there, its runs ended as `lost`"
        )


def diverged(connection: psycopg.Connection[Any], reader: Reader, journal: str, upto: int) -> Iterator[RunRanges]:
    """Set aside what the copy has beyond the journal, and give what of the journal must be carried over whole.

    Args:
        connection: To the copy, within a transaction.
        reader: Of the journal.
        journal: Its uuid.
        upto: Its commit up to which both hold the same afterwards: it may go on meanwhile, and that is carried over later.
    """
    here = {run.uuid: run for run in reader.runs()}
    there = connection.execute(_THERE, (journal, "% lost %")).fetchall()
    same: set[str] = set()
    for run_id, uuid, ended in there:
        run = here.get(uuid)
        if (
            run is not None
            and run.ended_unix_time == ended is not None
            and _counts(connection, run_id) == _sizes(reader, run.run_id, upto)
        ):
            same.add(uuid)
            continue
        name = uuid if run is None else _free_name(connection, uuid)
        if run is not None or ended is None:
            connection.execute(_LOST, {"uuid": name, "why": WHY, "run": run_id})
    for run in here.values():
        if run.uuid not in same:
            spans = reader.query(_SPANS, run=run.run_id, upto=upto)[0]
            yield RunRanges(run.run_id, span_of(*spans[0:2]), span_of(*spans[2:4]), span_of(*spans[4:6]))


def _counts(connection: psycopg.Connection[Any], run_id: int) -> tuple[int, ...]:
    return tuple(connection.execute(_COUNTS_THERE, {"run": run_id}).fetchone() or ())


def _sizes(reader: Reader, run_id: int, upto: int) -> tuple[int, ...]:
    spans = reader.query(_SPANS, run=run_id, upto=upto)[0]
    return tuple(0 if first is None else last - first + 1 for first, last in zip(spans[::2], spans[1::2], strict=True))


def _free_name(connection: psycopg.Connection[Any], uuid: str) -> str:
    row = connection.execute("SELECT count(*) FROM runs WHERE uuid LIKE %s", (f"{uuid} lost %",)).fetchone()
    return f"{uuid} lost {(int(row[0]) if row else 0) + 1}"

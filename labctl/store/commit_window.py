"""What is stored of one run between some commits, read at once and cut into what each of them holds."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from labctl.sample import Floats
from labctl.store.hash_chain import ROWS_TEXT, part_text
from labctl.store.matrix import RECORD, WIDTH
from labctl.store.reader import Reader

Span: TypeAlias = tuple[int, int]


class CommitWindow:
    """What is stored of one run between the first and the last of some parts.

    Attributes:
        columns: Of the parts.
        begins: The first records of them, whole numbers where all have one.
        stops: The last.
        rows: Of the run, as in `store.matrix`.
        first: The number of the first of them.
    """

    def __init__(self, reader: Reader, run_id: int, parts: Sequence[Any], *, auxiliary: bool = True) -> None:
        """Read what `parts` of a run name; `auxiliary`: it has such values at all."""
        self.columns = list(zip(*parts, strict=True))[:9]
        self.begins, self.stops = (np.array(self.columns[at]) for at in (2, 3))
        numbers = self.begins.dtype.kind == self.stops.dtype.kind == "i"
        records = (int(self.begins.min()), int(self.stops.max())) if numbers else _cover(*self.columns[2:4])
        events, inputs = _cover(*self.columns[4:6]), _cover(*self.columns[6:8])
        self.rows = np.concatenate([*reader.matrices(run_id, *records), np.empty((0, WIDTH))])
        self.first = records[0]
        self._gapless = bool((self.rows[:, RECORD] == np.arange(records[0], records[0] + len(self.rows))).all())
        wanted = ((_AUXILIARY, records, auxiliary), (_INPUTS, inputs, True), (_EVENTS, events, True))
        self._auxiliary, self._inputs, self._events = (
            reader.query(sql, run=run_id, first=span[0], last=span[1]) if asked and span[1] >= span[0] else ()
            for sql, span, asked in wanted
        )

    @property
    def plain(self) -> bool:
        """Tell whether its rows are numbered without a hole and have no auxiliary values."""
        return self._gapless and not self._auxiliary

    def rows_of(self, span: Span | None) -> Floats:
        """Return the rows of a range."""
        if span is None:
            return self.rows[:0]
        if self._gapless:
            return self.rows[max(span[0] - self.first, 0) : max(span[1] + 1 - self.first, 0)]
        begin, end = np.searchsorted(self.rows[:, RECORD], [span[0], span[1] + 1])
        return self.rows[begin:end]

    def auxiliary_of(self, span: Span | None) -> Sequence[Any]:
        """Return the auxiliary values of a range."""
        return _slice(self._auxiliary, span)

    def inputs_of(self, span: Span | None) -> Sequence[Any]:
        """Return the inputs of a range."""
        return _slice(self._inputs, span)

    def events_of(self, span: Span | None) -> Sequence[Any]:
        """Return the events of a range."""
        return _slice(self._events, span)


def _slice(rows: Sequence[Any], span: Span | None) -> Sequence[Any]:
    """Return the rows whose number, their second column, lies in a range; they come in its order."""
    if span is None:
        return ()
    return rows[bisect_left(rows, span[0], key=_number) : bisect_right(rows, span[1], key=_number)]


def _number(row: Any) -> int:
    return int(row[1])


def _cover(firsts: Sequence[Any], lasts: Sequence[Any]) -> Span:
    """Return what ranges cover, whose ends these are; most are none."""
    if all_none(firsts) and all_none(lasts):
        return 0, -1
    low, high = ([end for end in ends if isinstance(end, int)] for ends in (firsts, lasts))
    return (min(low), max(high)) if low and high else (0, -1)


def all_none(ends: Sequence[object]) -> bool:
    """Tell whether nothing is among these."""
    return ends.count(None) == len(ends)


def grouped(parts: Sequence[tuple[Any, ...]]) -> tuple[dict[int, list[bytes]], dict[int, list[Any]]]:
    """Return what the chain covers of each commit's parts, and the parts of each run."""
    by_commit: dict[int, list[bytes]] = defaultdict(list)
    by_run: dict[int, list[Any]] = defaultdict(list)
    for part in parts:
        commit_id, run_id, first, last, event, last_event, given, last_given, digest = part
        if event is last_event is given is last_given is None and type(first) is type(last) is int:
            text = ROWS_TEXT % (run_id, first, last)
        else:
            text = part_text(run_id, range_of(first, last), range_of(event, last_event), range_of(given, last_given))
        by_commit[commit_id].append(text + digest)
        by_run[run_id].append(part)
    return by_commit, by_run


def range_of(first: int | None, last: int | None) -> Span | None:
    """Return a range as the chain has it; -1 stands for a half that somebody took away or put there."""
    return (-1 if first is None else first, -1 if last is None else last) if (first, last) != (None, None) else None


def span_of(first: object, last: object) -> Span | None:
    """Return a range to look at: what somebody put there and is no number stands for none, as a half that is missing."""
    return range_of(*(each if each is None or isinstance(each, int) else -1 for each in (first, last)))


_AUXILIARY = """
SELECT run_id, record_index, name, value FROM auxiliary
WHERE run_id = :run AND record_index BETWEEN :first AND :last ORDER BY record_index, name"""
_INPUTS = """
SELECT run_id, seq, record_index, kind, data FROM inputs
WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq"""
_EVENTS = """
SELECT run_id, seq, record_index, test_time_second, kind, data FROM events
WHERE run_id = :run AND seq BETWEEN :first AND :last ORDER BY seq"""

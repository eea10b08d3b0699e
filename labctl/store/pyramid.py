"""Long histories at any zoom: least and greatest value of every 64 rows, of every 4096, of every 262 144, kept in a deletable file.

A view of a run that has more rows than a screen has columns is drawn from the level that suits it, so that a spike of one row is
seen however far one has zoomed out. Buckets hold rows by their numbers: they are only ever added, and map to ranges of the primary
key of `samples`. The file is a cache: it may be deleted at any moment, which costs time and nothing else.
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from labctl.sample import Floats
from labctl.store.matrix import CURRENT, RECORD, TEMPERATURE, TIME, VOLTAGE, WIDTH
from labctl.store.reader import Reader

FAN: Final = 64  # rows of a bucket of the first level, and buckets of each level in one of the next
LEVELS: Final = (FAN, FAN**2, FAN**3)  # rows a bucket
BLOCK: Final = 512  # buckets that are stored as one value
RAW: Final = 16_384  # rows up to which a view reads the rows themselves
PAGE: Final = 65_536  # rows that are read at a time while buckets are made: 1024 buckets
COLUMNS: Final = ("voltage", "current", "temperature")
_SOURCES: Final = (VOLTAGE, CURRENT, TEMPERATURE)
_READ: Final = (RECORD, TIME, *_SOURCES)  # columns of the rows: reading all of them takes twice as long
# of a bucket: first and last time, then of each column the time and value of its least and of its greatest
_WIDTH: Final = 2 + 4 * len(COLUMNS)
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS blocks (
  run TEXT NOT NULL, level INTEGER NOT NULL, block INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (run, level, block)) WITHOUT ROWID;
"""

Curve: TypeAlias = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class View:
    """Part of a run as it is drawn: of each column times (s) and values, NaN where nobody was measuring.

    Attributes:
        columns: By name; a column that was never measured is absent.
        rows: Rows that the part has.
        exact: Every row is there.
    """

    columns: dict[str, Curve]
    rows: int
    exact: bool


def buckets_of(matrix: Floats, rows: int) -> Floats:
    """Return the buckets of a matrix of rows of `store.matrix`, the last one of fewer rows where they do not divide."""
    starts = np.arange(0, len(matrix), rows)
    ends = np.minimum(starts + rows, len(matrix)) - 1
    made = np.empty((len(starts), _WIDTH))
    made[:, 0], made[:, 1] = matrix[starts, TIME], matrix[ends, TIME]
    for at, source in enumerate(_SOURCES):
        values = matrix[:, source]
        for side, (reduce, worst) in enumerate(((np.minimum, np.inf), (np.maximum, -np.inf))):
            clean = np.where(np.isfinite(values), values, worst)
            best = reduce.reduceat(clean, starts)
            hits = clean == np.repeat(best, ends - starts + 1)
            first = np.maximum.reduceat(np.where(hits, -np.arange(len(clean)), -len(clean)), starts)
            made[:, 2 + 4 * at + 2 * side] = matrix[-first, TIME]
            made[:, 3 + 4 * at + 2 * side] = np.where(np.isfinite(best), best, np.nan)
    return made


def merged(buckets: Floats, fan: int = FAN) -> Floats:
    """Return buckets of the next level from those of one."""
    starts = np.arange(0, len(buckets), fan)
    ends = np.minimum(starts + fan, len(buckets)) - 1
    made = np.empty((len(starts), _WIDTH))
    made[:, 0], made[:, 1] = buckets[starts, 0], buckets[ends, 1]
    for at in range(len(COLUMNS)):
        for side, (reduce, worst) in enumerate(((np.minimum, np.inf), (np.maximum, -np.inf))):
            place = 2 + 4 * at + 2 * side
            clean = np.where(np.isfinite(buckets[:, place + 1]), buckets[:, place + 1], worst)
            best = reduce.reduceat(clean, starts)
            hits = clean == np.repeat(best, ends - starts + 1)
            first = np.maximum.reduceat(np.where(hits, -np.arange(len(clean)), -len(clean)), starts)
            made[:, place] = buckets[-first, place]
            made[:, place + 1] = np.where(np.isfinite(best), best, np.nan)
    return made


def drawn(buckets: Floats) -> dict[str, Curve]:
    """Return the curves of buckets: of each its least and its greatest value in the order in which they came."""
    curves: dict[str, Curve] = {}
    for at, name in enumerate(COLUMNS):
        times, values = buckets[:, 2 + 4 * at : 6 + 4 * at : 2], buckets[:, 3 + 4 * at : 6 + 4 * at : 2]
        if not np.isfinite(values).any():
            continue
        order = np.argsort(times, axis=1, kind="stable")
        curves[name] = (
            np.take_along_axis(times, order, 1).ravel(),
            np.take_along_axis(values, order, 1).ravel(),
        )
    return curves


class Pyramid:
    """The levels of the runs of one store, in a file that may be deleted."""

    def __init__(self, file: Path | None) -> None:
        """Open the file, made where there is none; None keeps everything in memory."""
        self._file = file
        self._lock = threading.Lock()
        self._base = self._opened()
        self._levels: dict[str, list[Floats]] = {}

    def _opened(self) -> sqlite3.Connection:
        name = ":memory:" if self._file is None else str(self._file)
        try:
            base = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
            base.execute("PRAGMA journal_mode = OFF")
            base.execute("PRAGMA synchronous = OFF")
            base.executescript(_TABLES)
        except sqlite3.Error:
            if self._file is None or not self._file.is_file():
                return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._file.unlink()  # half a cache after a power cut is none
            return self._opened()
        return base

    def close(self) -> None:
        """Close; safe to repeat."""
        with self._lock:
            self._base.close()

    def extend(self, reader: Reader, run_id: int, uuid: str, rows: int) -> Iterator[float]:
        """Make what is missing of a run's buckets, page by page, and give after each how much is there, 0 to 1."""
        whole = rows // FAN
        while (there := len(self._of(uuid)[0])) < whole:
            first = there * FAN
            last = min(whole * FAN, first + PAGE) - 1
            pages = list(reader.matrices(run_id, first, last, PAGE, _READ))
            if not pages or pages[0][0, RECORD] != first:
                return
            matrix = np.concatenate(pages)
            self._add(uuid, buckets_of(matrix[: len(matrix) // FAN * FAN], FAN))
            yield min(1.0, len(self._of(uuid)[0]) / whole)

    def _of(self, uuid: str) -> list[Floats]:
        if uuid not in self._levels:
            blocks = []
            try:
                rows = self._base.execute(
                    "SELECT data FROM blocks WHERE run = ? AND level = 1 ORDER BY block", (uuid,)
                ).fetchall()
                blocks = [np.frombuffer(zlib.decompress(row[0]), dtype=np.float64).reshape(-1, _WIDTH) for row in rows]
            except (sqlite3.Error, ValueError, zlib.error):
                blocks = []
            self._levels[uuid] = [np.concatenate([np.empty((0, _WIDTH)), *blocks])]
            while len(self._levels) > 32:
                self._levels.pop(next(iter(self._levels)))
        return self._levels[uuid]

    def _add(self, uuid: str, fresh: Floats) -> None:
        with self._lock:
            before = self._of(uuid)[0]
            base = np.concatenate([before, fresh])
            self._levels[uuid] = [base]
            first = len(before) // BLOCK
            blocks = [
                (uuid, 1, block, zlib.compress(base[block * BLOCK : (block + 1) * BLOCK].tobytes(), 1))
                for block in range(first, (len(base) - 1) // BLOCK + 1)
            ]
            try:
                self._base.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)", blocks)
            except sqlite3.Error:
                return  # the file was taken away, or the disk is full: it is a cache

    # --- views ---

    def view(self, reader: Reader, run_id: int, uuid: str, span: tuple[float, float], width: int) -> View:
        """Return a part of a run, from a run time to another (s), in about so many points a column.

        Where fewer rows than `RAW` lie in it, all of them are looked at; else buckets of the level that suits. Rows that came
        after the last whole bucket are read as they are.
        """
        levels = self._of(uuid)
        while len(levels) < len(LEVELS):  # those above the first are made when somebody looks
            levels.append(merged(levels[-1]))
        covered = len(levels[0]) * FAN
        first, last = _rows_within(levels[0], span, covered)
        tail = _matrix(reader, run_id, covered, 1 << 53)
        if last - first <= RAW:
            inside = [_matrix(reader, run_id, first, last - 1)] if last > first else []
            matrix = np.concatenate([*inside, tail])
            matrix = matrix[(matrix[:, TIME] >= span[0]) & (matrix[:, TIME] <= span[1])]
            return _raw_view(matrix, width)
        level = max(at for at in range(len(LEVELS)) if at == 0 or (last - first) // LEVELS[at] >= width // 2)
        chosen = levels[level][first // LEVELS[level] : -(-last // LEVELS[level])]
        chosen = _thinned(chosen, width)
        if len(tail) and tail[0, TIME] <= span[1]:
            chosen = np.concatenate([chosen, buckets_of(tail[tail[:, TIME] <= span[1]], FAN)])
        return View(drawn(chosen), last - first + len(tail), exact=False)


def _thinned(buckets: Floats, width: int) -> Floats:
    """Return buckets merged until there are about as many as a screen has columns."""
    fan = max(1, len(buckets) // max(width // 2, 1))
    return merged(buckets, fan) if fan > 1 else buckets


def _rows_within(buckets: Floats, span: tuple[float, float], covered: int) -> tuple[int, int]:
    """Return the first row of the buckets that a span of run time touches, and the row after their last."""
    first = int(np.searchsorted(buckets[:, 1], span[0], side="left"))
    last = int(np.searchsorted(buckets[:, 0], span[1], side="right"))
    return min(first * FAN, covered), min(last * FAN, covered)


def _matrix(reader: Reader, run_id: int, first: int, last: int) -> Floats:
    pages = list(reader.matrices(run_id, first, last, only=_READ))
    return np.concatenate(pages) if pages else np.empty((0, WIDTH))


def _raw_view(matrix: Floats, width: int) -> View:
    if len(matrix) <= 2 * width:
        curves = {
            name: (matrix[:, TIME], matrix[:, source])
            for name, source in zip(COLUMNS, _SOURCES, strict=True)
            if np.isfinite(matrix[:, source]).any()
        }
        return View(curves, len(matrix), exact=True)
    return View(drawn(buckets_of(matrix, -(-len(matrix) // width))), len(matrix), exact=False)

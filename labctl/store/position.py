"""Where a stored run stands: what the next row, event and input of it are numbered."""

import sqlite3
from pathlib import Path

import orjson

from labctl.errors import StoreError
from labctl.store.assemble import Position

_LAST = """
SELECT (SELECT max(record_index) FROM samples WHERE run_id = :run), (SELECT max(seq) FROM events WHERE run_id = :run),
  (SELECT max(seq) FROM inputs WHERE run_id = :run), (SELECT max(attempt_id) FROM attempts WHERE run_id = :run)"""
_STEP = "SELECT data FROM inputs WHERE run_id = ? AND kind = 'program_step' ORDER BY seq DESC LIMIT 1"
_POINTS = "SELECT attempt_id, max(point) + 1 FROM spectrum_points WHERE run_id = ? GROUP BY 1"


def find_position(cursor: sqlite3.Cursor, run_id: int, file: Path) -> Position:
    """Return the position after what is stored of a run.

    Raises:
        StoreError: There is no such run; `file` is named.
    """
    one = cursor.execute
    if one("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone() is None:
        raise StoreError(f"wanted a run of {file}, found none with the number {run_id}")
    record, event, number, attempt = one(_LAST, {"run": run_id}).fetchone()
    archived = one("SELECT last_record FROM archives WHERE run_id = ?", (run_id,)).fetchone()
    step = one(_STEP, (run_id,)).fetchone()
    points = one(_POINTS, (run_id,)).fetchall()
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

"""What the journal alone tells of channels: the newest rows of runs that go on, and the last ones of those that have ended."""

from dataclasses import dataclass
from typing import Any, Final

from labctl.plan.codec import plan_from_json
from labctl.plan.index import index
from labctl.store import queries
from labctl.store.reader import Reader

Row = dict[str, Any]
PAGE: Final = 500  # commits that are looked at together
LIVE: Final = frozenset({"preparing", "running", "paused", "waiting", "safe", "unknown"})
_PAIR: Final = ("run", "record")


@dataclass(frozen=True, slots=True)
class News:
    """What a look at the journal gave: the cursor after it, the newest row of each channel, and whether something happened."""

    cursor: int
    rows: list[tuple[str, Row]]
    eventful: bool


def news_after(reader: Reader, cursor: int, runs: dict[int, str]) -> News:
    """Look at what was committed after a cursor; `runs` are the channels of runs, and learns new ones."""
    last, eventful = reader.last_commit(), False
    touched: dict[int, int] = {}
    while cursor < last and (parts := reader.parts_after(cursor, PAGE)):
        touched |= {part.run_id: part.records[1] for _, part in parts if part.records}
        eventful |= any(part.events for _, part in parts)
        cursor = parts[-1][0]
    rows = [(_channel_of(reader, runs, int(row["run_id"])), row) for row in newest_rows(reader, list(touched.items()))]
    return News(max(cursor, last), rows, eventful)


def _channel_of(reader: Reader, runs: dict[int, str], run_id: int) -> str:
    if run_id not in runs:
        runs[run_id] = str(reader.query(queries.CHANNEL_OF, run=run_id)[0][0])
    return runs[run_id]


def newest_rows(reader: Reader, wanted: list[tuple[int, int]]) -> list[Row]:
    """Return a row of each of several runs, by run and record; as many runs in one question as there may be."""
    few, many = queries.ROWS_AT_ONCE
    found: list[Row] = []
    for first in range(0, len(wanted), many):
        part = wanted[first : first + many]
        size = few if len(part) <= few else many
        part += [part[-1]] * (size - len(part))  # the same text for each number of them
        named = {f"{key}{at}": value for at, pair in enumerate(part) for key, value in zip(_PAIR, pair, strict=True)}
        rows = {row.run_id: row for row in reader.query(queries.rows_of(size), **named)}
        found += [row._asdict() for row in rows.values()]
    return found


def row_of_run(reader: Reader, run: Any, label: float | None) -> Row:
    """Return what the journal alone knows of a channel: its last run, and the last row and step of that."""
    row: Row = {
        "activity": run.activity if run.active else (run.end_reason or "done"),
        "why": run.why if run.active else (run.end_why or ""), "unblock": "",
        "run": run.uuid, "run_id": run.run_id, "protocol": run.protocol, "cell": run.cell,
    }  # fmt: skip
    if row["activity"] not in {*LIVE, "done", "tripped", "failed", "idle"}:
        row["activity"] = "done"
    row |= last_row(reader, run)
    if not run.active:
        return row
    attempt = reader.query(queries.LAST_ATTEMPT, run=run.run_id)
    if attempt:
        lines = index(plan_from_json(reader.plan(run.run_id))).lines
        line = lines.get(attempt[0].step_id or 0)
        row |= {
            "step_id": attempt[0].step_id, "step_count": attempt[0].step_count, "step_type": attempt[0].step_type,
            "step_name": line.name if line else "",
        }  # fmt: skip
    return row if label is None else {**row, "measured": label}


def last_row(reader: Reader, run: Any) -> Row:
    """Return the last row of a run, in which cycle it is, and when it was measured by the run's own clock.

    Of a run without rows: when it began or ended, alone.
    """
    last = reader.query(queries.ROW, run=run.run_id, record=run.rows - 1)
    if not last:
        return {"measured": run.began_unix_time if run.active else run.ended_unix_time}
    attempt = reader.query(queries.LAST_ATTEMPT, run=run.run_id)
    cycle = {"cycle_count": attempt[0].cycle_count} if attempt else {}
    return {**last[0]._asdict(), **cycle, "measured": run.began_unix_time + run.test_time}

"""What a file of rows cannot say, for the JSON beside it: protocol, plan, cell, channel, software, labels, results, events."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson

from labctl.store.entry import StoredRun
from labctl.store.reader import Reader

_PROTOCOL = "SELECT text, hash FROM protocols WHERE hash = (SELECT protocol_hash FROM runs WHERE run_id = :run)"
_CELL = "SELECT text, hash FROM cells WHERE hash = (SELECT cell_hash FROM runs WHERE run_id = :run)"
_RESULTS = "SELECT name, cycle_count, value, unit FROM results WHERE run_id = :run ORDER BY name, cycle_count"


def metadata(reader: Reader, run: StoredRun, kind: str) -> Mapping[str, object]:
    """Return the metadata of a run, of which `kind` names the file's format; times are ISO 8601 in UTC."""
    return {
        "format": kind,
        "software": run.software,
        "run": run.uuid,
        "journal": _journal(reader),
        "channel": run.channel,
        "operator": run.by,
        "started": _iso(run.began_unix_time),
        "ended": _iso(run.ended_unix_time),
        "end_reason": run.end_reason,
        "end_why": run.end_why,
        "rows": run.rows,
        "options": run.options,
        "protocol": {"name": run.protocol, **_text(reader, _PROTOCOL, run)},
        "cell": {"name": run.cell, **_text(reader, _CELL, run)},
        "plan": orjson.loads(reader.plan(run.run_id)),
        "results": [
            {"name": row.name, "cycle_count": row.cycle_count, "value": row.value, "unit": row.unit}
            for row in reader.query(_RESULTS, run=run.run_id)
        ],
        "events": [
            {"kind": event.kind, "test_time_second": event.time, "record_index": event.record_index, **event.data}
            for event in (stored.event for stored in reader.events(run.run_id))
        ],
    }


def _journal(reader: Reader) -> dict[str, object]:
    """Return which journal the run is in, and the head of its chain: `labctl verify --anchor` proves by it what stood then."""
    if not isinstance(reader.where, Path):
        return {}  # a copy in PostgreSQL has no chain
    head = reader.head()
    uuid = reader.query("SELECT uuid FROM journal ORDER BY generation LIMIT 1")[0][0]
    return {"uuid": uuid, **({} if head is None else {"commit": head[0], "digest": head[1].hex()})}


def _text(reader: Reader, sql: str, run: StoredRun) -> dict[str, str]:
    texts = reader.query(sql, run=run.run_id)
    return {"text": texts[0][0], "sha256": texts[0][1]} if texts else {}


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")

"""What a file of rows cannot say, for the JSON beside it: protocol, plan, cell, channel, software, labels, results, events."""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from labctl.store.entry import Run
from labctl.store.reader import Reader

_PROTOCOL = "SELECT text, hash FROM protocols WHERE hash = (SELECT protocol_hash FROM runs WHERE run_id = :run)"
_CELL = "SELECT text, hash FROM cells WHERE hash = (SELECT cell_hash FROM runs WHERE run_id = :run)"
_RESULTS = "SELECT name, cycle_count, value, unit FROM results WHERE run_id = :run ORDER BY name, cycle_count"


def metadata(reader: Reader, run: Run, kind: str) -> Mapping[str, object]:
    """Return the metadata of a run, of which `kind` names the file's format; times are ISO 8601 in UTC."""
    return {
        "format": kind,
        "software": run.software,
        "run": run.uuid,
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


def _text(reader: Reader, sql: str, run: Run) -> dict[str, str]:
    found = reader.query(sql, run=run.run_id)
    return {"text": found[0][0], "sha256": found[0][1]} if found else {}


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")

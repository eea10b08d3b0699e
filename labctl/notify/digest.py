"""The daily mail: what ended, what goes on, what is free, and the heads of both hash chains, kept where no forger reaches."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from labctl.inputs import printable
from labctl.quantity.units import display
from labctl.store import queries
from labctl.store.reader import Reader

LISTED: Final = 200  # runs or channels that are told one by one
FREE: Final = frozenset({"idle", "done", "tripped", "failed"})


def due_day(at: float | None, now: float, zone: tzinfo | None = None) -> str:
    """Return the day (ISO) whose mail is due at a moment (UTC, s), "" where none is wanted or it is too early in the day.

    Args:
        at: When it is due, s after local midnight; None for never.
        now: The moment.
        zone: Of the local clock.
    """
    if at is None:
        return ""
    local = datetime.fromtimestamp(now, zone)
    since = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second).total_seconds()
    return local.date().isoformat() if since >= at else ""


def digest_words(reader: Reader, rows: Sequence[Mapping[str, Any]], door: str, now: float) -> tuple[str, str]:
    """Return subject and text of the daily mail.

    Args:
        reader: Of the journal.
        rows: What the daemon says of each channel; none where it does not answer.
        door: Number and chain of the last entry of what was done at the door.
        now: UTC, s.
    """
    ended = reader.query(queries.ENDED_SINCE, since=now - 86400.0, most=LISTED)
    going = [row for row in rows if row.get("activity") not in FREE]
    free = [str(row["channel"]) for row in rows if row.get("activity") in FREE]
    subject = f"{len(ended)} ended, {len(going)} go on, {len(free)} channels are free"
    return subject, printable("\n".join(_lines(reader, ended, going, free, door)), lines=True) + "\n"


def _lines(
    reader: Reader, ended: Sequence[Any], going: Sequence[Mapping[str, Any]], free: Sequence[str], door: str
) -> Iterator[str]:
    yield f"ended in the last 24 h: {len(ended) or 'none'}"
    for run in ended:
        why = f", {run.end_why}" if run.end_why else ""
        yield f"  run {run.run_id} {run.protocol} on {run.cell}, {run.channel or 'no channel'}: {run.end_reason}{why}"
    yield f"going on: {len(going) or 'none'}"
    for row in going[:LISTED]:
        cycle = f", cycle {row['cycle_count']}" if row.get("cycle_count") else ""
        left = row.get("remaining_second")
        left_words = f", about {display(float(round(left)), 'duration')} left" if isinstance(left, int | float) else ""
        yield f"  {row['channel']} {row.get('activity')}: {row.get('protocol') or ''} on {row.get('cell') or ''}{cycle}{left_words}"
    yield f"free: {', '.join(free[:LISTED]) or 'none'}"
    yield ""
    for last in reader.query(queries.HEAD):
        yield f"head of the journal: commit {last.commit_id}, {bytes(last.chain).hex()}"
    yield f"head of the door's book: {door or 'nothing yet'}"
    yield "Keep this mail: books that are rewritten as a whole do not have these heads any more."

"""The state of a channel as it is published: retained on `ch/NAME/state`, told anew when something of it is news."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from labctl.publish.encode import iso, stamped

ALARMING: Final[Mapping[str, str]] = MappingProxyType(
    {"waiting": "warning", "unknown": "error", "tripped": "error", "failed": "error", "safe": "warning"}
)
"""Severity of the alarm of a channel that is so."""

NEWS: Final = (
    "activity", "why", "unblock", "run", "run_id", "protocol", "cell", "instrument", "cycle_count", "cycles_completed",
    "step_count", "step_id", "step_type", "step_name", "clock", "queue", "next",
)  # fmt: skip
"""Keys of a channel's status of which a change is told at once."""

IN_STATE: Final = (*NEWS, "began_unix_time_second", "progress", "remaining_second")


def news_of(status: Mapping[str, object]) -> tuple[object, ...]:
    """Return what of a channel's status is told at once when it changes: every per cent of progress, then `NEWS`."""
    progress = status.get("progress")
    per_cent = int(100 * progress) if isinstance(progress, float) and math.isfinite(progress) else 0
    return (per_cent, *map(status.get, NEWS))


def channel_state(label: float, since: float, status: Mapping[str, object]) -> bytes:
    """Return the payload of a channel's state.

    Args:
        label: UTC now, s.
        since: UTC since when the channel does what it does, s.
        status: The channel's flat object (`labctl.run.supervisor.Supervisor.looks`).
    """
    head = {"ch": status["channel"], "state": status.get("activity"), "since": iso(since)}
    return stamped(label, {**head, **{key: status.get(key) for key in IN_STATE if key != "activity"}})


def alarm_of(status: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the severity and the text of the alarm of a channel; None where it needs nobody."""
    activity = str(status.get("activity"))
    if activity not in ALARMING:
        return None
    text = f"channel {status['channel']} is {activity}"
    text += f": {status['why']}" if status.get("why") else ""
    text += f"; {status['unblock']}" if status.get("unblock") else ""
    return ALARMING[activity], text

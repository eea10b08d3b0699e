"""A message in words: a subject that says the most, lines that say what `labctl why` says, and what lets it go on."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from labctl.inputs import printable
from labctl.notify.grouping import ActiveAlarm, DueMessage
from labctl.quantity.units import display

LISTED = 40  # alarms of a message that are told one by one
LONGEST = 150  # characters of a subject


def subject(message: DueMessage, node: str) -> str:
    """Return the subject: one line without control characters, whatever names and texts hold."""
    words = _head(message)
    return printable(f"[{node}] {words}")[:LONGEST]


def _head(message: DueMessage) -> str:
    alarms = message.alarms
    prefix = {"again": "still: ", "escalated": "nobody answered: ", "morning": "since last night: "}.get(
        message.why, ""
    )
    if len(alarms) == 1:
        return f"{prefix}{alarms[0].subject} {alarms[0].kind}{f': {alarms[0].text}' if alarms[0].text else ''}"
    if alarms:
        kinds: dict[str, int] = {}
        for each in alarms:
            kinds[each.kind] = kinds.get(each.kind, 0) + 1
        return prefix + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    if message.over:
        return f"over: {', '.join(f'{each.subject} {each.kind}' for each in message.over[:5])}"
    return f"{message.passed} notices came and went in the quiet hours"


def body(message: DueMessage, node: str, link: str = "", zone: tzinfo | None = None) -> str:
    """Return the message whole, plain text."""
    return printable("\n".join(_lines(message, node, link, zone)), lines=True)


def _lines(message: DueMessage, node: str, link: str, zone: tzinfo | None) -> Iterator[str]:
    for each in message.alarms[:LISTED]:
        yield from _alarm(each, message.time, zone)
        yield ""
    if len(message.alarms) > LISTED:
        yield f"and {len(message.alarms) - LISTED} more: {', '.join(each.subject for each in message.alarms[LISTED:])}"
        yield ""
    for each in message.over[:LISTED]:
        yield f"over: {each.subject} is not {each.kind} any more, after {_length(message.time - each.since)}"
    if message.passed:
        yield f"{message.passed} more came and went in the quiet hours"
    if message.level == "page" and message.alarms:
        yield f"seen it? labctl ack {message.alarms[0].id}" + (
            "" if len(message.alarms) == 1 else ", or labctl ack --all"
        )
    if link:
        yield f"{link.rstrip('/')}/alarms"
    yield f"-- labctl on {node}"


def _alarm(alarm: ActiveAlarm, now: float, zone: tzinfo | None) -> Iterator[str]:
    when = datetime.fromtimestamp(alarm.since, zone).astimezone(zone)
    what = f", {alarm.what}" if alarm.what else ""
    yield f"{alarm.subject} {alarm.kind}{what}"
    if alarm.text:
        yield f"  {alarm.text}"
    yield f"  since {when:%Y-%m-%d %H:%M:%S %Z}, {_length(now - alarm.since)} ago"
    if alarm.unblock:
        yield f"  {alarm.unblock}"


def _length(seconds: float) -> str:
    return display(float(max(0, round(seconds))), "duration")

"""What the command line says of channels and orders, in plain sentences; the pictures are in `view`."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from labctl.control.client import DaemonClient
from labctl.errors import LabctlError, UsageError
from labctl.inputs import printable
from labctl.quantity.units import display
from labctl.run.channel import local_time

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Row = Mapping[str, Any]


def quantity(row: Row, key: str, kind: str) -> str:
    """Return a value of a row as people read it, or nothing."""
    value = row.get(key)
    return display(float(value), kind, 5) if isinstance(value, int | float) else ""


def step(row: Row) -> str:
    """Return where the run is: step of the plan, what it does, and its name."""
    if row.get("step_id") is None:
        return ""
    name = f" {row['step_name']}" if row.get("step_name") else ""
    return f"{row['step_id']} {row.get('step_type') or ''}{name}"


def time_left(row: Row) -> str:
    """Return the time left in two parts at most, or nothing where it is not known."""
    left = row.get("remaining_second")
    if not isinstance(left, int | float) or not 0 <= left < float("inf"):
        return ""
    return " ".join(display(round(left), "duration").split()[:4])


def plain(value: object) -> str:
    """Return a text that is shown as it is, on one line: its control characters are shown, not sent."""
    return "" if value is None else printable(str(value))


def as_json(value: object) -> None:
    """Print a JSON value as one line."""
    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
    sys.stdout.flush()


def chosen(rows: list[dict[str, Any]], channels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the channels named, all where none is.

    Raises:
        UsageError: There is no such channel.
    """
    known = [str(row["channel"]) for row in rows]
    for name in channels:
        if name not in known:
            raise UsageError(
                f"wanted a channel of this station, found {name!r}; there are {', '.join(known) or 'none'}"
            )
    return [row for row in rows if not channels or row["channel"] in channels]


def because(answer: Row) -> str:
    """Return in one line what a channel waits for and what unblocks it."""
    line = f"{answer['channel']}: {answer.get('why') or 'waits for nothing'}"
    return plain(f"{line}; {answer['unblock']}" if answer.get("unblock") else line)


def give(
    data: Path | None, verb: str, targets: Sequence[str], arguments: Mapping[str, object], *, json: bool = False
) -> None:
    """Give one order to each target, a channel or a run, and say what became of it.

    All are tried; the first refusal is raised when all have been asked, so that one bad name does not keep the others on.
    """
    refusal: LabctlError | None = None
    with DaemonClient(data) as daemon:
        for target in targets:
            key = "run" if UUID.fullmatch(target) else "channel"
            try:
                told(daemon.order(verb, {**arguments, key: target}), json=json)  # no target is left out
            except LabctlError as error:
                if refusal is not None:
                    print(refusal, file=sys.stderr)
                refusal = error
    if refusal is not None:
        raise refusal


def told(answer: Row, *, json: bool) -> None:
    """Print the answer to an order: one line for a person, or JSON."""
    if json:
        as_json(answer)
        return
    if "channel" not in answer and "text" in answer:
        print(plain(str(answer["text"])))
        return
    if "difference" in answer:
        edited(answer)
        return
    if "channels" in answer:
        for each in answer["channels"]:
            told(each, json=False)
        if not answer["channels"]:
            print("no channel has a run that it could act on")
        return
    line = f"{answer.get('channel', '')}: {answer.get('activity', 'ok')}"
    line += f", {answer['text']}" if answer.get("text") else ""
    line += f" (run {answer['run']})" if answer.get("run") else ""
    print(plain(line))


def queue(data: Path | None, channel: str, arguments: Mapping[str, object], *, json: bool = False) -> None:
    """Change what waits for a channel as is asked, and show it."""
    with DaemonClient(data) as daemon:
        answer = daemon.order("queue", {**arguments, "channel": channel})
    if json:
        as_json(answer)
        return
    if answer.get("waits"):
        print(plain(f"{channel}: queued {answer['name']}, run {answer['run']}; {answer['waits']}"))
        for warning in str(answer.get("warnings") or "").splitlines():
            print(plain(f"warning: {warning}"))
    elif answer.get("text"):
        print(plain(f"{channel}: {answer['text']}"))
    for each in answer["waiting"]:
        begin = each["begin_unix_time_second"]
        when = "" if begin is None else f" at {local_time(begin)}"
        held = ", held: labctl resume lets it go on" if each["held"] else ""
        by = f", by {each['by']}" if each["by"] else ""
        print(plain(f"  {each['place']}  {each['run'][:8]}  {each['protocol']} on {each['cell']}{when}{by}{held}"))
    if not answer["waiting"]:
        print(plain(f"{channel}: nothing waits; labctl queue {channel} FILE --cell CELL adds a run"))


def say_checked(answers: Sequence[Row], *, json: bool) -> None:
    """Print what starts that were only checked would take, with the warnings of their plans."""
    if json:
        as_json(answers)
        return
    for answer in answers:
        length = quantity(answer, "duration_second", "duration")
        print(plain(f"{answer['channel']}: {answer['name']}, takes about {length or 'nobody knows how long'}"))
        for warning in str(answer.get("warnings") or "").splitlines():
            print(plain(f"  warning: {warning}"))
    print(
        "it can be started" if len(answers) == 1 else f"{len(answers)} lines can be started",
        "; without --check it is",
        sep="",
    )


def edited(answer: Row) -> None:
    """Print how a plan changes, and how the run takes it."""
    for line in str(answer["difference"]).splitlines():
        print(plain(line))
    channel = answer["channel"]
    print(
        plain(f"{channel}: the run does this from now on")
        if answer["applied"]
        else plain(f"{channel}: nothing is changed yet; the same with --apply changes it")
    )


def started(answer: Row, *, json: bool) -> None:
    """Print the answer to a start: the run, what it will take, and the warnings of its plan."""
    if json:
        as_json(answer)
        return
    length = quantity(answer, "duration_second", "duration")
    done = f"queued {answer.get('name', '')}" if answer.get("waits") else f"started {answer.get('name', '')}"
    print(plain(f"{answer['channel']}: {done}, run {answer['run']}"))
    if answer.get("waits"):
        print(plain(f"{answer['waits']}; labctl stop {answer['run']} takes it out again"))
    if length and not answer.get("waits"):
        print(plain(f"takes about {length}; follow it with: labctl watch {answer['channel']}"))
    for warning in str(answer.get("warnings") or "").splitlines():
        print(plain(f"warning: {warning}"))

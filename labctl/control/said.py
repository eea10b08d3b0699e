"""What the command line says of channels and orders, in plain sentences; the pictures are in `view`."""

# ruff: noqa: T201 - this is what the command line prints
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from labctl.control.client import DaemonClient
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.units import display

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
    """Return a text that is shown as it is, on one line, whatever control characters it holds."""
    text = "" if value is None else str(value)
    return "".join(sign if sign.isprintable() else "·" for sign in text)


def as_json(found: object) -> None:
    """Print a JSON value as one line."""
    sys.stdout.write(orjson.dumps(found, default=str, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
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
    return f"{line}; {answer['unblock']}" if answer.get("unblock") else line


def parameters(texts: Sequence[str]) -> dict[str, str]:
    """Return the parameters given as NAME=VALUE.

    Raises:
        UsageError: One is not of that form, or is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()) or name.strip() in found:
            raise UsageError(
                f"--set: wanted NAME=VALUE once for each name, such as --set 'first=0.1 mA/cm2', found {text!r}"
            )
        found[name.strip()] = value.strip()
    return found


def give(data: Path | None, verb: str, targets: Sequence[str], *, text: str = "", json: bool = False) -> None:
    """Give one order to each target, a channel or an active run, and say what became of it.

    All are tried; the first refusal is raised when all have been asked, so that one bad name does not keep the others on.
    """
    refusal: LabctlError | None = None
    with DaemonClient(data) as daemon:
        for target in targets:
            key = "run" if UUID.fullmatch(target) else "channel"
            try:
                told(daemon.order(verb, {key: target, "text": text}), json=json)
            except LabctlError as error:
                if refusal is not None:
                    print(refusal, file=sys.stderr)
                refusal = error
    if refusal is not None:
        raise refusal


def begin(data: Path | None, verb: str, arguments: Mapping[str, object], *, follow: bool, json: bool) -> None:
    """Start a run, say what it will take, and follow it if that is wanted.

    Raises:
        OrderRefused: It was followed and did not end as done.
    """
    from labctl.control.view import followed  # noqa: PLC0415 - pictures only for those who look

    with DaemonClient(data) as daemon:
        answer = daemon.order(verb, arguments)
        started(answer, json=json)
        if not follow:
            return
        run, channel = str(answer["run"]), str(answer["channel"])
        if (state := followed(daemon, run, channel)) != "done":
            raise OrderRefused(f"{channel}: the run ended as {state}; labctl why {channel} says more")
        if not json:
            print(f"{channel}: done; labctl analyse {run[:8]}, or labctl report {run[:8]} -o run.html")


def told(answer: Row, *, json: bool) -> None:
    """Print the answer to an order: one line for a person, or JSON."""
    if json:
        as_json(answer)
        return
    line = f"{answer.get('channel', '')}: {answer.get('activity', 'ok')}"
    line += f", {answer['text']}" if answer.get("text") else ""
    line += f" (run {answer['run']})" if answer.get("run") else ""
    print(plain(line))


def started(answer: Row, *, json: bool) -> None:
    """Print the answer to a start: the run, what it will take, and the warnings of its plan."""
    if json:
        as_json(answer)
        return
    length = quantity(answer, "duration_second", "duration")
    print(plain(f"{answer['channel']}: started {answer.get('name', '')}, run {answer['run']}"))
    if length:
        print(plain(f"takes about {length}; follow it with: labctl watch {answer['channel']}"))
    for warning in str(answer.get("warnings") or "").splitlines():
        print(plain(f"warning: {warning}"))

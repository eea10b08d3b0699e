"""What is asked and who answers: requests are checked against the table of orders and handed to the supervisor.

Every face (HTTP, MQTT, command line) parses a request with `parse` and `check` and obeys it with `obey`, so that all of
them refuse the same things in the same words and are equally idempotent.
"""

import asyncio
import contextlib
import datetime as dt
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import orjson

from labctl.control.order_table import COMMON, KINDS, LONGEST_NAME, LONGEST_TEXT, ORDERS, SAFE_FIRST, Kind
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.inputs import near
from labctl.protocol.cell_correction import CORRECTABLE
from labctl.run.request import CorrectRequest, EditRequest, OrderReply, QueueRequest, StartRequest
from labctl.run.supervisor import Supervisor

EVERYWHERE = "*"  # in place of a channel: all of them, for what only makes safer
LARGEST = 4096  # bytes of a request
AT_A_TIME = 25  # channels that are told of before others have their turn: under a millisecond

Value: TypeAlias = str | int | float | Mapping[str, str]
Answer: TypeAlias = Mapping[str, object]

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """An order that has been checked: the verb, its arguments, the id that makes a repetition harmless, and who asks."""

    verb: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    id: str = ""
    by: str = ""

    def text(self, key: str) -> str:
        """Return an argument that is a text, "" if it was not given."""
        return str(self.arguments.get(key, ""))

    @property
    def target(self) -> str:
        """Return the channel that is meant, or the run where only that is named."""
        return self.text("channel") or self.text("run")

    @property
    def seen(self) -> dict[str, int]:
        """Return the step that was seen by who asks, as a keyword; none where nobody said."""
        return {"step_seen": int(str(self.arguments["step_seen"]))} if "step_seen" in self.arguments else {}


Obey: TypeAlias = Callable[[Supervisor, CheckedOrder], Awaitable[Answer]]


async def _order(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    if asked.text("channel") == EVERYWHERE:
        return await _everywhere(supervisor, asked)
    text = asked.text("reason") or asked.text("text")
    if asked.text("file"):
        text = f"{text} {await supervisor.attach(asked.text('file'))}"
    reply = await supervisor.order(
        asked.verb,
        asked.target,
        order_id=asked.id,
        by=asked.by,
        text=text,
        run=asked.text("run"),
        **asked.seen,
    )
    return reply.flat()


async def _everywhere(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    """Give an order that only makes safer to every channel that it can act on, all at once.

    Raises:
        OrderRefused: Some did not obey; every other one has.
        UsageError: It is another order, or names a run, too.
    """
    reason = asked.text("reason")
    if asked.text("run") or (asked.verb not in SAFE_FIRST and not (asked.verb == "resume" and reason)):
        raise UsageError(
            f"order {asked.verb}: wanted one channel, found {EVERYWHERE}, which is for stop and pause alone, "
            "and for resume with a reason"
        )
    names = supervisor.able_to(asked.verb, reason)
    each = (supervisor.order(asked.verb, name, order_id=asked.id, by=asked.by, text=reason) for name in names)
    outcomes = dict(zip(names, await asyncio.gather(*each, return_exceptions=True), strict=True))
    failed = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, BaseException)}
    for error in failed.values():
        if not isinstance(error, LabctlError):
            raise error
    if failed:
        words = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise OrderRefused(
            f"{len(names) - len(failed)} of {len(names)} channels obeyed {asked.verb}; {words}", retry=True
        )
    replies = [reply.flat() for reply in outcomes.values() if isinstance(reply, OrderReply)]
    return {"channel": EVERYWHERE, "channels": replies}


async def _start(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    values = asked.arguments.get("values", {})
    request = StartRequest(
        protocol=asked.text("protocol"),
        cell=asked.text("cell"),
        channel=asked.text("channel"),
        by=asked.by,
        id=asked.id,
        values=values if isinstance(values, Mapping) else {},
        at=float(str(asked.arguments["at"])) if "at" in asked.arguments else None,
        next=asked.arguments.get("next") is True,
        mass=asked.text("mass"),
        check=asked.arguments.get("check") is True,
    )
    return (await supervisor.start(request)).flat()


async def _resume(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    """Go on with a run that waits; with a step, begin a new run from an earlier one."""
    if "step" not in asked.arguments:
        return await _order(supervisor, asked)
    if asked.text("reason"):
        raise UsageError("order resume: wanted step, which begins a new run, or reason, found both")
    if "step_seen" in asked.arguments:
        raise UsageError("order resume: wanted step, which begins a new run, or step_seen, found both")
    if not asked.text("run"):
        raise UsageError("order resume: wanted the run to go on from beside step, found a channel only")
    request = StartRequest(
        resume=asked.text("run"),
        step=int(str(asked.arguments["step"])),
        channel=asked.text("channel"),
        by=asked.by,
        id=asked.id,
    )
    return (await supervisor.start(request)).flat()


async def _edit(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    values = asked.arguments.get("values", {})
    request = EditRequest(
        target=asked.target,
        protocol=asked.text("protocol"),
        values=values if isinstance(values, Mapping) else {},
        apply=asked.arguments.get("apply") is True,
        by=asked.by,
        id=asked.id,
        **asked.seen,
    )
    return (await supervisor.edit(request)).flat()


async def _correct(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    values = {key: asked.text(key) for key in CORRECTABLE if asked.text(key)}
    request = CorrectRequest(asked.text("run") or asked.target, values, asked.by, asked.id)
    return (await supervisor.correct(request)).flat()


async def _reload(supervisor: Supervisor, _asked: CheckedOrder) -> Answer:
    return {"text": await supervisor.reload()}


async def _queue(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    """Show what waits for a channel, after what was asked of it has been done."""
    values, place = asked.arguments.get("values", {}), asked.arguments.get("place")
    request = QueueRequest(
        channel=asked.text("channel"),
        protocol=asked.text("protocol"),
        cell=asked.text("cell"),
        values=values if isinstance(values, Mapping) else {},
        run=asked.text("run"),
        place=None if place is None else int(str(place)),
        remove=asked.arguments.get("remove") is True,
        by=asked.by,
        id=asked.id,
    )
    reply = await supervisor.queue(request)
    return {**reply.flat(), "waiting": [dict(each) for each in supervisor.waiting(request.channel)]}


async def _status(supervisor: Supervisor, _asked: CheckedOrder) -> Answer:
    alarms = [{"alarm": each.name, "severity": each.severity, "text": each.text} for each in supervisor.alarms]
    channels: list[object] = []
    for channel in supervisor.looks():
        channels.append(dict(channel))
        if len(channels) % AT_A_TIME == 0:
            await asyncio.sleep(0)  # instruments are read meanwhile
    return {"channels": channels, "alarms": alarms}


async def _why(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    why, unblock = supervisor.why(asked.text("channel"))
    return {"channel": asked.text("channel"), "why": why, "unblock": unblock}


async def _foreign(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    reply = await supervisor.foreign(asked.verb, asked.text("channel"), order_id=asked.id, by=asked.by)
    return reply.flat()


OBEYED: Mapping[str, Obey] = MappingProxyType(
    {
        **dict.fromkeys(("stop", "pause", "skip", "confirm", "note"), _order),
        **dict.fromkeys(("adopt", "release"), _foreign),
        "start": _start,
        "queue": _queue,
        "edit": _edit,
        "reload": _reload,
        "correct": _correct,
        "resume": _resume,
        "status": _status,
        "why": _why,
    }
)


def parse(payload: bytes, most: int = LARGEST) -> dict[str, object]:
    """Return the JSON object of a request.

    Raises:
        UsageError: It is too large, not JSON, or not an object.
    """
    if len(payload) > most:
        raise UsageError(f"wanted an order of at most {most} bytes, found {len(payload)}")
    try:
        tree = orjson.loads(payload or b"{}")
    except orjson.JSONDecodeError as error:
        raise UsageError(f"wanted an order as a JSON object, found {error}") from None
    if not isinstance(tree, dict):
        raise UsageError(f"wanted an order as a JSON object, found {type(tree).__name__}")
    return tree


def check(verb: str, request: Mapping[str, object]) -> CheckedOrder:
    """Return the order that a request means.

    Raises:
        UsageError: No such verb, an unknown or missing key, or a value that is not what its key wants.
    """
    order = ORDERS.get(verb)
    if order is None:
        raise UsageError(f"wanted an order, found {verb!r}{near(verb, ORDERS)}; there are {', '.join(ORDERS)}")
    known = {**order.keys, **COMMON}
    for key in request:
        if key not in known:
            raise UsageError(f"order {verb}: unknown key {key!r}{near(key, known)}; there are {', '.join(known)}")
    given = {key: _value(verb, key, known[key], value) for key, value in request.items() if value is not None}
    if missing := [key for key in order.required if key not in given]:
        raise UsageError(f"order {verb}: wanted {' and '.join(missing)}, found {', '.join(given) or 'nothing'}")
    if order.target == "run" and not (given.keys() & {"channel", "run"}):
        raise UsageError(f"order {verb}: wanted a channel or a run, found neither")
    arguments = {key: value for key, value in given.items() if key in order.keys}
    return CheckedOrder(verb, arguments, str(given.get("id", "")), str(given.get("by", "")))


async def obey(supervisor: Supervisor, asked: CheckedOrder) -> Answer:
    """Do what is asked and return the answer, a JSON object.

    Raises:
        LabctlError: The supervisor refuses; its message is for the person who asked.
    """
    return await OBEYED[asked.verb](supervisor, asked)


def _value(verb: str, key: str, kind: Kind, value: object) -> Value:
    match kind, value:
        case "name", str() if key == "reason" and (";" in value or ":" in value):
            raise UsageError(f"order {verb}: reason: wanted words without ; and :, found {value!r:.80}")
        case "name" | "file", str() if 0 < len(value) <= LONGEST_NAME and not CONTROL.search(value):
            return value
        case "text", str() if 0 < len(value) <= LONGEST_TEXT and "\0" not in value:
            return value
        case "step", int() if not isinstance(value, bool) and 0 <= value < 2**31:
            return value
        case "count", int() if not isinstance(value, bool) and 1 <= value < 2**31:
            return value
        case "flag", bool():
            return value
        case "time", _ if (moment := moment_of(value)) is not None:
            return moment
        case "values", Mapping() if all(isinstance(text, str) for pair in value.items() for text in pair):
            return {str(name): str(text) for name, text in value.items()}
    raise UsageError(f"order {verb}: {key}: wanted {KINDS[kind]}, found {value!r:.80}")


def moment_of(value: object) -> float | None:
    """Return a moment as seconds of Unix time: a number, or ISO-8601 with its zone; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        with contextlib.suppress(ValueError, OverflowError):
            moment = dt.datetime.fromisoformat(value)
            return None if moment.tzinfo is None else moment.timestamp()
    return None

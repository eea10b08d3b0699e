"""One table of orders: what may be asked, with which keys, and which method of the supervisor answers.

Every face (HTTP, MQTT, command line) parses a request with `parse` and `check` and obeys it with `obey`, so that all of
them refuse the same things in the same words and are equally idempotent.
"""

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

import orjson

from labctl.errors import UsageError
from labctl.run.request import StartRequest
from labctl.run.supervisor import Supervisor

LARGEST = 4096  # bytes of a request
LONGEST_TEXT = 2000  # characters of a note or an answer
LONGEST_NAME = 500  # characters of a name or path

Kind: TypeAlias = Literal["name", "text", "step", "values"]
Value: TypeAlias = str | int | Mapping[str, str]
Answer: TypeAlias = Mapping[str, object]

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
KINDS: Mapping[Kind, str] = {
    "name": f"a text of 1 to {LONGEST_NAME} characters on one line",
    "text": f"a text of 1 to {LONGEST_TEXT} characters",
    "step": "a step of the plan, a whole number from 0",
    "values": 'an object of texts such as {"first": "0.1 mA/cm2"}',
}


@dataclass(frozen=True, slots=True)
class Asked:
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
        """Return the channel or the run that is meant."""
        return self.text("channel") or self.text("run")


Obey: TypeAlias = Callable[[Supervisor, Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Order:
    """One line of the table.

    Attributes:
        about: What it does, for people.
        keys: Arguments and what each must be.
        required: Those that must be there.
        one_of: Exactly one of these must be there.
        stops: It can only make things safer; the first that a remote face may be trusted with.
        asks: It changes nothing.
        obey: What is done.
    """

    about: str
    obey: Obey
    keys: Mapping[str, Kind] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    stops: bool = False
    asks: bool = False


async def _order(supervisor: Supervisor, asked: Asked) -> Answer:
    reply = await supervisor.order(asked.verb, asked.target, order_id=asked.id, by=asked.by, text=asked.text("text"))
    return reply.flat()


async def _start(supervisor: Supervisor, asked: Asked) -> Answer:
    values = asked.arguments.get("values", {})
    request = StartRequest(
        protocol=asked.text("protocol"),
        cell=asked.text("cell"),
        channel=asked.text("channel"),
        by=asked.by,
        id=asked.id,
        values=values if isinstance(values, Mapping) else {},
    )
    return (await supervisor.start(request)).flat()


async def _resume(supervisor: Supervisor, asked: Asked) -> Answer:
    """Go on with a run that waits; with a step, begin a new run from an earlier one."""
    if "step" not in asked.arguments:
        return await _order(supervisor, asked)
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


async def _status(supervisor: Supervisor, _asked: Asked) -> Answer:
    return {"channels": [dict(channel) for channel in supervisor.status()]}


async def _why(supervisor: Supervisor, asked: Asked) -> Answer:
    why, unblock = supervisor.why(asked.text("channel"))
    return {"channel": asked.text("channel"), "why": why, "unblock": unblock}


WHERE: Mapping[str, Kind] = {"channel": "name", "run": "name"}
EITHER = ("channel", "run")
ORDERS: Mapping[str, Order] = MappingProxyType(
    {
        "stop": Order("end the run, output off", _order, WHERE, one_of=EITHER, stops=True),
        "pause": Order("output off, the step keeps what it has done", _order, WHERE, one_of=EITHER, stops=True),
        "start": Order(
            "start a protocol on a channel",
            _start,
            {"protocol": "name", "cell": "name", "channel": "name", "values": "values"},
            required=("protocol", "cell", "channel"),
        ),
        "resume": Order("go on, or with `step` begin a new run there", _resume, {**WHERE, "step": "step"}),
        "skip": Order("end the running step and go on with the next", _order, WHERE, one_of=EITHER),
        "confirm": Order("answer a prompt", _order, {**WHERE, "text": "text"}, one_of=EITHER),
        "note": Order("write a remark", _order, {**WHERE, "text": "text"}, required=("text",), one_of=EITHER),
        "status": Order("all channels", _status, asks=True),
        "why": Order("what a channel waits for", _why, {"channel": "name"}, required=("channel",), asks=True),
    }
)
COMMON: Mapping[str, Kind] = {"id": "name", "by": "name"}


def parse(payload: bytes) -> dict[str, object]:
    """Return the JSON object of a request.

    Raises:
        UsageError: It is too large, not JSON, or not an object.
    """
    if len(payload) > LARGEST:
        raise UsageError(f"wanted an order of at most {LARGEST} bytes, found {len(payload)}")
    try:
        found = orjson.loads(payload or b"{}")
    except orjson.JSONDecodeError as error:
        raise UsageError(f"wanted an order as a JSON object, found {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"wanted an order as a JSON object, found {type(found).__name__}")
    return found


def check(verb: str, request: Mapping[str, object]) -> Asked:
    """Return the order that a request means.

    Raises:
        UsageError: No such verb, an unknown or missing key, or a value that is not what its key wants.
    """
    order = ORDERS.get(verb)
    if order is None:
        raise UsageError(f"wanted an order, found {verb!r}{_near(verb, ORDERS)}; there are {', '.join(ORDERS)}")
    known = {**order.keys, **COMMON}
    for key in request:
        if key not in known:
            raise UsageError(f"order {verb}: unknown key {key!r}{_near(key, known)}; there are {', '.join(known)}")
    given = {key: _value(verb, key, known[key], value) for key, value in request.items() if value is not None}
    if missing := [key for key in order.required if key not in given]:
        raise UsageError(f"order {verb}: wanted {' and '.join(missing)}, found {', '.join(given) or 'nothing'}")
    if order.one_of and sum(key in given for key in order.one_of) != 1:
        found = " and ".join(key for key in order.one_of if key in given) or "neither"
        raise UsageError(f"order {verb}: wanted one of {' or '.join(order.one_of)}, found {found}")
    if verb == "resume" and not (given.keys() & {"channel", "run"}):
        raise UsageError("order resume: wanted a channel or a run, found neither")
    arguments = {key: value for key, value in given.items() if key in order.keys}
    return Asked(verb, arguments, str(given.get("id", "")), str(given.get("by", "")))


async def obey(supervisor: Supervisor, asked: Asked) -> Answer:
    """Do what is asked and return the answer, a JSON object.

    Raises:
        LabctlError: The supervisor refuses; its message is for the person who asked.
    """
    return await ORDERS[asked.verb].obey(supervisor, asked)


def _value(verb: str, key: str, kind: Kind, value: object) -> Value:
    match kind, value:
        case "name", str() if 0 < len(value) <= LONGEST_NAME and not CONTROL.search(value):
            return value
        case "text", str() if 0 < len(value) <= LONGEST_TEXT and "\0" not in value:
            return value
        case "step", int() if not isinstance(value, bool) and 0 <= value < 2**31:
            return value
        case "values", Mapping() if all(isinstance(text, str) for pair in value.items() for text in pair):
            return {str(name): str(text) for name, text in value.items()}
    raise UsageError(f"order {verb}: {key}: wanted {KINDS[kind]}, found {value!r:.80}")


def _near(word: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""

"""Orders over MQTT: off unless switched on, then stop and pause, then all; never retained, never late, never twice."""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal, TypeAlias

import orjson

from labctl import inputs
from labctl.control import dispatch
from labctl.control.allowed import allowed
from labctl.control.dispatch import CheckedOrder
from labctl.control.order_table import ORDERS
from labctl.control.signature import SIGNED, is_signed_by
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.run.supervisor import Supervisor
from labctl.store.people import Person

Trust: TypeAlias = Literal["off", "stop-only", "all", "signed"]
Tokens: TypeAlias = Callable[[str], tuple[str, Person] | None]  # by the begin of a digest: the digest, and whose it is
Post: TypeAlias = Callable[[str, bytes, bytes | None], None]  # topic, payload, MQTT 5 correlation data

YOUNGEST = 30.0  # s between `issued_at` and now, either way
AT_ONCE = 16  # orders that may be on their way
RATE = 20.0  # orders a second; stop and pause are not counted
LONGEST_TOPIC = 256  # bytes of a reply topic
ENVELOPE = ("issued_at", "expires_at", "reply_to")  # keys beside those of the order itself

LOG = logging.getLogger("labctl.control.mqtt")


class MqttFace:
    """Receives orders from MQTT, has them obeyed, and answers each twice: `accepted` or `rejected`, then `done`.

    Args:
        supervisor: Who obeys.
        trust: `off`, `stop-only` (stop and pause), `all`, or `signed`: all, but none that is not signed.
        prefix: Of this node's topics.
        post: Executor an answer to the publishing task; never blocks.
        label: The machine's UTC as seconds of Unix time, whatever the clock of the station: senders stamp with theirs.
        tokens: Finds the token that a signed order names.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        trust: Trust,
        prefix: str,
        post: Post,
        label: Callable[[], float] = time.time,
        tokens: Tokens = lambda _: None,
    ) -> None:
        self._tokens = tokens
        self._supervisor = supervisor
        self._trust = trust
        self._prefix = prefix
        self._post = post
        self._label = label
        self._tasks: set[asyncio.Task[None]] = set()
        self._free_at = 0.0
        self._rejected = 0
        self._complained = float("-inf")

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return () if self._trust == "off" else (f"{self._prefix}/cmd/+",)

    def receive(
        self, topic: str, payload: bytes, retained: bool, reply_to: str | None = None, correlation: bytes | None = None
    ) -> None:
        """Take a message of `filters`; answers follow through `post`."""
        if self._trust == "off":
            return
        verb = topic.removeprefix(f"{self._prefix}/cmd/")
        if retained:
            LOG.warning("ignored a retained order on %s: it would be given again at every connection", printable(topic))
            return
        if not payload:
            return  # somebody clears a retained order
        answers = _Answers(verb, self._post, correlation, self._label)
        try:
            answers.reply_to = self._reply_to(reply_to)
            asked = self._checked(verb, payload, answers)
        except LabctlError as error:
            self._complain(topic, error)
            answers.give("rejected", {"error": type(error).__name__, "why": str(error)})
            return
        LOG.info("order %s %s by %s, id %s", verb, printable(asked.target), printable(asked.by), printable(asked.id))
        self._spawn(self._obey(asked, answers))

    async def close(self) -> None:
        """Wait for the orders that are on their way; they are not cut short."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _checked(self, verb: str, payload: bytes, answers: "_Answers") -> CheckedOrder:
        request = dispatch.parse(payload)
        answers.id = request.get("id")
        answers.reply_to = self._reply_to(request.get("reply_to")) or answers.reply_to
        order = ORDERS.get(verb)
        if order is not None and self._trust == "stop-only" and order.who != "stop-only":
            stops = " and ".join(name for name, known in ORDERS.items() if known.who == "stop-only")
            raise OrderRefused(f"this station takes only {stops} over MQTT, found {verb} (mqtt: commands: all)")
        if order is not None and order.who == "here":
            raise OrderRefused(f"order {verb}: wanted it from a person at the machine: labctl {verb} CHANNEL")
        who = self._signer(verb, request)
        kept = {key: value for key, value in request.items() if key not in (*ENVELOPE, *SIGNED)}
        asked = dispatch.check(verb, kept)
        if not ORDERS[verb].safe_first and not asked.id:
            raise UsageError(f"order {verb}: wanted an id of its own, found none; the same id is never obeyed twice")
        self._in_time(verb, request)
        _inside(asked)
        self._not_too_many(verb)
        if who is None:
            return replace(
                asked, by=f"{asked.by or 'somebody'}/mqtt"
            )  # a broker does not say who: it is what was claimed
        if why := allowed(who, verb, asked.target):
            raise OrderRefused(why)
        return replace(asked, by=f"{who.name}/mqtt signed")

    def _signer(self, verb: str, request: Mapping[str, object]) -> Person | None:
        """Return who signed an order, None where nobody did."""
        if "sig" not in request:
            if self._trust == "signed":
                raise OrderRefused("this station takes only signed orders over MQTT (mqtt: commands: signed)")
            return None
        known = self._tokens(str(request.get("key", ""))[:64])
        if known is None or not is_signed_by(verb, request, known[0]):
            raise OrderRefused(f"order {verb}: wanted a signature that holds, of a token that is good, found another")
        if request.get("issued_at") is None:
            raise UsageError(f"order {verb}: wanted issued_at in a signed order, found none")
        return known[1]

    def _complain(self, topic: str, error: LabctlError) -> None:
        """Log a rejection; no more than one a second, so that a flood of bad orders cannot fill a disk."""
        now = time.monotonic()
        self._rejected += 1
        if now < self._complained + 1.0:
            return
        LOG.warning("rejected an order on %s: %s (%d so far)", printable(topic), printable(str(error)), self._rejected)
        self._complained = now

    def _in_time(self, verb: str, request: Mapping[str, object]) -> None:
        """Refuse what was on its way for too long: a start of yesterday is not meant today."""
        now = self._label()
        issued, expires = (_moment(verb, key, request.get(key)) for key in ("issued_at", "expires_at"))
        if issued is None and not ORDERS[verb].safe_first:
            raise UsageError(f"order {verb}: wanted issued_at (seconds of Unix time, or ISO-8601), found none")
        if issued is not None and not abs(now - issued) <= YOUNGEST:
            early = "old" if now > issued else "in the future"
            raise OrderRefused(
                f"order {verb}: wanted one issued within {YOUNGEST:g} s, found one {abs(now - issued):.0f} s {early}"
            )
        if expires is not None and not now <= expires:
            raise OrderRefused(f"order {verb}: expired {now - expires:.0f} s ago")

    def _reply_to(self, topic: object) -> str | None:
        """Return where to answer; never a topic of ours, or an order could be made to give another."""
        if topic is None:
            return None
        sound = isinstance(topic, str) and 0 < len(topic.encode()) <= LONGEST_TOPIC and topic.isprintable()
        if not isinstance(topic, str) or not sound or topic.startswith("$") or "+" in topic or "#" in topic:
            raise UsageError(f"wanted a topic of at most {LONGEST_TOPIC} bytes in reply_to, found {topic!r:.80}")
        if topic.startswith(f"{self._prefix}/") and not topic.startswith(f"{self._prefix}/reply/"):
            raise UsageError(
                f"wanted reply_to outside {self._prefix}/ or below {self._prefix}/reply/, found {topic!r:.80}"
            )
        return topic

    def _not_too_many(self, verb: str) -> None:
        if ORDERS[verb].safe_first:
            return
        now = time.monotonic()
        if len(self._tasks) >= AT_ONCE or self._free_at > now + 1.0:
            raise OrderRefused(
                f"order {verb}: wanted at most {RATE:g} orders a second, found more; try again", retry=True
            )
        self._free_at = max(self._free_at, now) + 1.0 / RATE

    async def _obey(self, asked: CheckedOrder, answers: "_Answers") -> None:
        answers.give("accepted", {})
        try:
            answer = await dispatch.obey(self._supervisor, asked)
        except LabctlError as error:
            LOG.warning("order %s %s refused: %s", asked.verb, printable(asked.target), printable(str(error)))
            answers.give("done", {"ok": False, "error": type(error).__name__, "why": str(error)})
        except Exception:
            LOG.exception("order %s failed", asked.verb)
            answers.give(
                "done", {"ok": False, "error": "InternalError", "why": "a defect of labctl; see the daemon's log"}
            )
        else:
            answers.give("done", {"ok": True, **answer})

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="mqtt-order")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Answers:
    """Where one order is answered."""

    def __init__(self, verb: str, post: Post, correlation: bytes | None, label: Callable[[], float]) -> None:
        self.id: object = None
        self.reply_to: str | None = None
        self._verb = verb
        self._post = post
        self._correlation = correlation
        self._label = label

    def give(self, word: Literal["accepted", "rejected", "done"], more: Mapping[str, object]) -> None:
        """Send one answer, if anybody wants it."""
        if self.reply_to is None:
            return
        now = self._label()
        time_of = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        identity = {"id": self.id} if isinstance(self.id, str) else {}
        fields = {"unix_time_second": now, "time": time_of, "verb": self._verb[:LONGEST_TOPIC], "answer": word}
        fields_given = {key: value for key, value in {**fields, **identity, **more}.items() if value is not None}
        payload = orjson.dumps(fields_given, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
        self._post(self.reply_to, payload, self._correlation)


def _moment(verb: str, key: str, value: object) -> float | None:
    if value is None:
        return None
    if (moment := dispatch.moment_of(value)) is not None:
        return moment
    raise UsageError(f"order {verb}: {key}: wanted seconds of Unix time or ISO-8601 with its zone, found {value!r:.80}")


def _inside(asked: CheckedOrder) -> None:
    """Refuse files outside the daemon's own folder: who may send an order may not thereby read its machine."""
    for key in (argument.name for argument in ORDERS[asked.verb].arguments if argument.kind == "file"):
        path = asked.text(key)
        windows = PureWindowsPath(path)
        if PurePosixPath(path).is_absolute() or windows.is_absolute() or windows.drive or ".." in windows.parts:
            raise UsageError(
                f"order {asked.verb}: {key}: wanted a path inside the daemon's folder over MQTT, found {path!r:.80}"
            )


def printable(text: str) -> str:
    """Return the begin of a text for the log."""
    return inputs.printable(text[:500])

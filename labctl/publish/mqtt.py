"""The MQTT reader: one task that publishes one message at a time, and comes back whenever the broker does."""

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from labctl.errors import BrokerError, StoreError
from labctl.publish.channel_state import alarm_of, channel_state, news_of
from labctl.publish.encode import encode, stamped
from labctl.publish.event_feed import Follower, Page
from labctl.publish.live import Newest, payload
from labctl.publish.outgoing import Fields, Outgoing
from labctl.publish.publisher import Message, Publisher
from labctl.publish.topic import Topics
from labctl.store.committed import Committed
from labctl.store.entry import Item
from labctl.store.reader import Reader

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # s between two attempts to connect
LOOK_EVERY = 1.0  # s between two looks at the states of all channels, longer if there are very many
LOOKING, LOOKING_AT_NEWS = 0.005, 0.03  # most of the time that looking may take, usually and when things happen
SAVE_EVERY = 1.0  # s between two cursors written
BREATH = 0.1  # s; samples that fall due within it go in one wake-up
STATE_AGAIN = (
    30.0  # s after which a state is published again for its progress and time left, longer if there are very many
)
STATES_AGAIN = 10.0  # a second, of all channels
AT_A_LOOK = 25  # channels
UNCHANGED = 0.05  # of a look at a channel, what it takes to see that nothing has changed
AT_A_STRETCH = 4  # messages that others wait for
COMPLAIN_EVERY = 10.0  # s between two lines of the log on forged messages
FAREWELL = 1.0  # s that delivering what is left may take at the end

LOG = logging.getLogger("labctl.mqtt")
Value = TypeVar("Value")


class Inbox(Protocol):
    """Who takes the orders that arrive."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def receive(
        self, topic: str, payload: bytes, retained: bool, reply_to: str | None = None, correlation: bytes | None = None
    ) -> None:
        """Take one message; never blocks."""


@dataclass(frozen=True, slots=True)
class MqttNode:
    """What the reader asks of the daemon.

    Attributes:
        topics: The tree of this node.
        info: Payload of `info`: version, host, channels.
        status: One flat object a channel (`labctl.run.supervisor.Supervisor.status`); a generator spreads the work.
        label: UTC as seconds of Unix time.
        save_cursor: Stores the commit up to which everything is delivered.
        changes: As `status`, with None for each channel of which no more than its last row has changed since it was seen last; what
            was seen is kept in the mapping that it is given (`labctl.run.supervisor.Supervisor.changes`).
    """

    topics: Topics
    info: Callable[[], Mapping[str, object]]
    status: Callable[[], Iterable[Mapping[str, object]]]
    label: Callable[[], float]
    save_cursor: Callable[[int], None] = lambda _commit: None
    changes: Callable[[MutableMapping[str, object]], Iterable[Mapping[str, object] | None]] | None = None


class MqttReader:
    """Publishes one node; see docs/reference/mqtt.md.

    Args:
        publisher: The client.
        node: Whom it speaks for.
        reader: Of the journal, used in the event loop alone; one for the threads that read pages is opened beside it.
        position: The stored cursor; events of later commits are published.
    """

    def __init__(self, publisher: Publisher, node: MqttNode, reader: Reader, position: int) -> None:
        self._publisher = publisher
        self._node = node
        self._topics = node.topics
        self._pages = Reader(reader.where)
        self._follower = Follower(self._pages, node.topics, position)
        self._page: Page | None = None
        self._outgoing = Outgoing(node.topics, payload)
        self._inbox: Inbox | None = None
        self._news = asyncio.Event()
        self._newest = Newest(reader)
        self._states: dict[str, tuple[tuple[object, ...], float, float]] = {}  # news, when told, UTC since when
        self._marks: dict[str, object] = {}  # of the channels, as they were seen last
        self._look_at = self._look_early = -math.inf
        self._behind = True
        self._rest_until = -math.inf
        self._page_began = -math.inf
        self._waking: asyncio.TimerHandle | None = None
        self._saved = position
        self._save_at = self._complain_at = -math.inf
        self._leaving: float | None = None
        self.connected = asyncio.Event()
        self.trouble = ""  # why there is no connection, for `status`

    # --- what others tell it ----------------------------------------------------------------------------------------

    def take_orders(self, inbox: Inbox) -> None:
        """Hand what arrives on the command topics to `inbox`; before `run`."""
        self._inbox = inbox

    def post(self, topic: str, payload: bytes, correlation: bytes | None = None) -> None:
        """Send an answer before anything else."""
        self._outgoing.post(Message(topic, payload, qos=1, correlation=correlation))
        self._news.set()

    def keep(self, topic: str, payload: bytes) -> None:
        """Keep a payload at the broker, now and after every connection; an empty one is cleared from there."""
        if payload:
            self._outgoing.retain(topic, payload)
        else:
            self._outgoing.post(Message(topic, b"", retain=True))
        self._news.set()

    def alarm(self, name: str, severity: str, text: str) -> None:
        """Raise an alarm, retained until `all_clear`."""
        fields = {"alarm": name, "severity": severity, "text": text}
        self._outgoing.retain(self._topics.alarm(name), stamped(self._node.label(), fields))
        self._news.set()

    def all_clear(self, name: str) -> None:
        """Take an alarm away."""
        self._outgoing.retain(self._topics.alarm(name), b"")
        self._news.set()

    def committed(self, done: Committed | Iterable[Item]) -> None:
        """Take note of what has become durable; a listener of `labctl.store.writer.Writer.on_commit`."""
        news = False
        for entry in done.entries if isinstance(done, Committed) else done:
            news = news or bool(entry.events)
            self._outgoing.show(self._newest.rows(entry))
        if news:
            self._behind = True
            self._look_at = min(self._look_at, max(self._look_early, asyncio.get_running_loop().time() + BREATH))
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(BREATH, self._woken)

    # --- the one task -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish until `close`d or cancelled; a broker that is away is waited for."""
        try:
            await self._run()
        finally:
            if self._waking is not None:
                self._waking.cancel()
            self._pages.close()

    async def _run(self) -> None:
        wait = FIRST_WAIT
        while self._leaving is None:
            try:
                async with self._publisher.session(self._will(), self._filters()):
                    LOG.info("connected to the MQTT broker")
                    wait, self.trouble = FIRST_WAIT, ""
                    self.connected.set()
                    await self._serve()
            except (BrokerError, StoreError) as error:
                if not self.trouble:
                    LOG.warning("%s; the journal keeps everything meanwhile", error)
                self.trouble = str(error)
            finally:
                self.connected.clear()
                await self._save(force=True)
            if self._leaving is None:
                await self._pause(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    def close(self) -> None:
        """Let `run` deliver what is left, say `offline`, and return; within a few seconds."""
        self._leaving = asyncio.get_running_loop().time() + FAREWELL
        self._news.set()

    def _will(self) -> Message:
        return Message(self._topics.state, encode({"state": "lost"}), qos=1, retain=True)

    def _filters(self) -> tuple[str, ...]:
        return (*self._topics.retained, *(self._inbox.filters if self._inbox else ()))

    async def _serve(self) -> None:
        await self._announce()
        listener = asyncio.create_task(self._listen(), name="mqtt-listener")
        listener.add_done_callback(lambda _task: self._news.set())
        try:
            running = 0
            while not self._finished():
                if listener.done():
                    listener.result()
                if not await self._publish_next():
                    await self._wait()
                elif (running := running + 1) % AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
            await self._say("offline")
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            if not listener.cancelled():
                listener.exception()

    async def _announce(self) -> None:
        """A new connection: all that is retained again, and what happened since the last one is history."""
        await _in_thread(self._follower.begin)
        self._page, self._behind = None, True
        self._look_at = self._rest_until = -math.inf
        now = self._node.label()
        self._outgoing.retain(self._topics.state, stamped(now, {"state": "ready"}))
        self._outgoing.retain(self._topics.info, stamped(now, self._info()))
        self._outgoing.again()

    def _info(self) -> Fields:
        """What anybody may know of the node; how to reach the broker they know, and the rest of it is not theirs."""
        told = {key: value for key, value in self._node.info().items() if not key.startswith("mqtt_")}
        names = [str(status["channel"]) for status in self._node.status()]
        return {"prefix": self._topics.prefix, "host": socket.gethostname(), **told, "channels": names}

    async def _say(self, state: str) -> None:
        payload = stamped(self._node.label(), {"state": state})
        self._outgoing.retain(self._topics.state, payload)
        await self._publisher.publish(Message(self._topics.state, payload, qos=1, retain=True))

    async def _publish_next(self) -> bool:
        """Publish what is most important now; return whether there was anything."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            await self._look(now)
        message = self._outgoing.next(now)
        if message is not None:
            await self._publisher.publish(message)
        elif (message := await self._event(now)) is not None and self._page is not None:
            await self._publisher.publish(message)
            await self._delivered(self._page)
        return message is not None

    async def _event(self, now: float) -> Message | None:
        """Return the next event of a run; history is read at half the speed at which it could be, so that now goes first."""
        if self._page is None and self._behind and now >= self._rest_until:
            self._behind, self._page_began = False, now  # what is committed from here on sets it again
            self._page = await _in_thread(self._follower.page)
            self._behind = self._behind or self._page is not None
        return self._page.messages[0] if self._page is not None else None

    async def _delivered(self, page: Page) -> None:
        page.messages.popleft()
        if page.messages:
            return
        self._page = None
        self._follower.position = page.upto
        now = asyncio.get_running_loop().time()
        if page.historical and self._leaving is None:
            self._rest_until = now + min(now - self._page_began, LONGEST_WAIT)
        await self._save(force=False)

    async def _save(self, *, force: bool) -> None:
        """Note how far everything is delivered; in a thread, since the journal may just be syncing its disk."""
        now = asyncio.get_running_loop().time()
        if self._follower.position != self._saved and (force or now >= self._save_at):
            self._saved = self._follower.position
            self._save_at = now + SAVE_EVERY
            await _in_thread(partial(self._node.save_cursor, self._saved))

    def _finished(self) -> bool:
        """Tell whether to leave: everything is said, or there is no more time for it."""
        if self._leaving is None:
            return False
        nothing_left = not self._behind and not self._outgoing.urgent
        return nothing_left or asyncio.get_running_loop().time() >= self._leaving

    async def _wait(self) -> None:
        """Wait for news, or until something is due; what falls due within a breath goes in one wake-up."""
        now = asyncio.get_running_loop().time()
        due = [self._look_at, self._outgoing.due(), self._rest_until if self._behind else None, self._leaving]
        moment = max(min(moment for moment in due if moment is not None), now + BREATH)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(moment):
                await self._news.wait()
        self._news.clear()

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt to connect, unless it is time to leave."""
        end = asyncio.get_running_loop().time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                while self._leaving is None:
                    await self._news.wait()
                    self._news.clear()

    async def _listen(self) -> None:
        """Take what arrives: orders, and what an earlier life of this node left behind."""
        while True:
            found = await self._publisher.received()
            if found.topic == self._topics.state and b'"lost"' in found.payload:
                self._assert_state(found.payload)
            elif found.topic.startswith(f"{self._topics.prefix}/cmd/"):
                if self._inbox is not None:
                    self._inbox.receive(found.topic, found.payload, found.retained, found.reply_to, found.correlation)
            elif found.payload and self._outgoing.left_behind(found.topic):
                self._outgoing.clear(found.topic)
                self._news.set()
            elif self._leaving is None and not found.retained and self._outgoing.forged(found.topic, found.payload):
                self._complain(found.topic)
                self._news.set()

    def _complain(self, topic: str) -> None:
        """Say that somebody else speaks for us: a forger, or a second daemon of our name."""
        now = asyncio.get_running_loop().time()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY
            LOG.warning("somebody else published on %s, which is ours; what is right is said again", topic)

    def _assert_state(self, payload: bytes) -> None:
        """Say again that we are here when the will of an earlier connection arrives after it."""
        if b'"lost"' in payload and self._leaving is None:
            self._outgoing.retain(self._topics.state, stamped(self._node.label(), {"state": "ready"}))
            self._news.set()

    # --- what is said of channels -----------------------------------------------------------------------------------

    async def _look(self, now: float) -> None:
        """Publish the states of channels that are news, and their alarms; a few at a time, so that no tick waits for a thousand."""
        loop = asyncio.get_running_loop()
        took, begun = 0.0, loop.time()
        self._look_at = math.inf  # news that come meanwhile bring it forward
        seen = 0.0
        for status in self._statuses(now):
            if status is not None:
                self._tell(status, now)
            seen += UNCHANGED if status is None else 1
            if seen >= AT_A_LOOK:
                seen, took = 0.0, took + loop.time() - begun
                await asyncio.sleep(0)
                begun = loop.time()
        took += loop.time() - begun
        self._look_at = min(self._look_at, loop.time() + min(max(LOOK_EVERY, took / LOOKING), STATE_AGAIN))
        self._look_early = loop.time() + min(max(BREATH, took / LOOKING_AT_NEWS), LOOK_EVERY)

    def _statuses(self, now: float) -> Iterable[Mapping[str, object] | None]:
        """Return the status of every channel, None of one of which there can be no news."""
        if self._node.changes is None:
            return self._node.status()
        long_ago = now - self._again()
        for channel in [channel for channel, (_, told_at, _) in self._states.items() if told_at <= long_ago]:
            self._marks.pop(channel, None)
        return self._node.changes(self._marks)

    def _again(self) -> float:
        """Return after how many s a state is published again."""
        return max(STATE_AGAIN, len(self._states) / STATES_AGAIN)

    def _tell(self, status: Mapping[str, object], now: float) -> None:
        channel, news = str(status["channel"]), news_of(status)
        before, told_at, since = self._states.get(channel, ((), -math.inf, 0.0))
        if news == before and now < told_at + self._again():
            return
        label = self._node.label()
        if news[1:3] != before[1:3]:
            since = label if news[1:2] != before[1:2] else since
            self._alarm_of(channel, status)
        self._states[channel] = (news, now, since)
        self._outgoing.state(channel, channel_state(label, since, status))

    def _alarm_of(self, channel: str, status: Mapping[str, object]) -> None:
        name, alarm = f"ch-{channel}", alarm_of(status)
        if alarm is None:
            self.all_clear(name)
        else:
            self.alarm(name, *alarm)

    def _woken(self) -> None:
        self._waking = None
        self._news.set()


async def _in_thread(work: Callable[[], Value]) -> Value:
    """Do blocking work in a thread; a cancellation waits for its end, so that nothing is closed under it."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise

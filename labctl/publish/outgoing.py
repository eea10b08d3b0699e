"""What goes out next: answers, then what is retained, then samples in their ration. Pure; time is handed in."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeAlias, TypeVar

from labctl.publish.publisher import Message
from labctl.publish.rate_limit import Ration
from labctl.publish.topic import Topics

Fields: TypeAlias = Mapping[str, object]
Sample = TypeVar("Sample")

SAMPLE_EVERY = 1.0  # s of one channel
SAMPLES_TOGETHER = 200.0  # a second, of all channels
LAST_EVERY = 10.0  # s of one channel
LAST_TOGETHER = 20.0  # a second
STATE_EVERY = 0.5  # s of one channel; the newest state is what counts
STATES_TOGETHER = 400.0  # a second: a thousand channels are told within 3 s of a return
ECHOES = 8  # newest messages of a topic that are known as our own when they come back
MOST_ANSWERS = 1000  # that may wait while the broker is away; the oldest go first


class Outgoing(Generic[Sample]):
    """Everything but the events of runs, which wait in the journal. Memory is bounded by the number of channels.

    Args:
        topics: Of the node.
        payload: Makes the message of a sample when its turn has come; most are replaced before.
    """

    def __init__(self, topics: Topics, payload: Callable[[Sample], bytes]) -> None:
        self._topics = topics
        self._payload = payload
        self._answers: deque[Message] = deque(maxlen=MOST_ANSWERS)
        self._retained: dict[str, bytes] = {}
        self._changed: dict[str, None] = {}
        self._states: dict[str, bytes] = {}
        self._sent: dict[str, deque[bytes]] = {}  # by topic: what may still come back to us as ours
        self._channel_of: dict[str, str] = {}  # by topic of its state
        self._samples: dict[str, Sample] = {}
        self._state_turns: Ration[bytes] = Ration(STATE_EVERY, STATES_TOGETHER, burst=200)
        self._sample_turns: Ration[None] = Ration(SAMPLE_EVERY, SAMPLES_TOGETHER)
        self._last_turns: Ration[None] = Ration(LAST_EVERY, LAST_TOGETHER)

    def post(self, message: Message) -> None:
        """Send a message once, before anything else; if too many wait, the oldest is dropped."""
        self._answers.append(message)

    def retain(self, topic: str, payload: bytes) -> None:
        """Keep a payload at the broker, now and after every connection; an empty one clears it."""
        if self._retained.get(topic, b"") == payload:
            return
        self._retained[topic] = payload
        self._changed[topic] = None

    def state(self, channel: str, payload: bytes) -> None:
        """Keep the state of a channel at the broker."""
        if channel not in self._states:
            self._channel_of[self._topics.channel_state(channel)] = channel
        self._states[channel] = payload
        self._state_turns.offer(channel, payload)

    def show(self, newest: Iterable[tuple[str, Sample]]) -> None:
        """Show the newest sample of each of some channels when it is its turn."""
        fresh = dict(newest)
        self._samples.update(fresh)
        self._sample_turns.offer_all(fresh, None)
        self._last_turns.offer_all(fresh, None)

    def again(self) -> None:
        """Begin anew on a new connection: what is retained is due, and so is what was seen last."""
        self._retained = {topic: payload for topic, payload in self._retained.items() if payload}
        self._changed = dict.fromkeys(self._retained)
        self._state_turns = Ration(STATE_EVERY, STATES_TOGETHER, burst=200)
        self._last_turns = Ration(LAST_EVERY, LAST_TOGETHER)
        for channel, payload in self._states.items():
            self._state_turns.offer(channel, payload)
        for channel in self._samples:
            self._last_turns.offer(channel, None)

    def left_behind(self, topic: str) -> bool:
        """Tell whether a retained topic of ours is none that we keep: an alarm or a channel of an earlier life."""
        parts = topic.removeprefix(f"{self._topics.prefix}/").split("/")
        match parts:
            case ["alarm", _]:
                return not self._retained.get(topic)
            case ["ch", _, "state" | "last"]:
                return f"{topic.rpartition('/')[0]}/state" not in self._channel_of
        return False

    def forged(self, topic: str, payload: bytes) -> bool:
        """Tell whether a message on a topic that we keep is none of ours, and if so say again what is right."""
        kept = self._retained.get(topic)
        channel = self._channel_of.get(topic)
        if kept is None and channel is None:
            return False
        if payload in self._sent.get(topic, ()):
            return False
        if channel is not None:
            self._state_turns.offer(channel, self._states[channel])
        else:
            self._changed[topic] = None
        return True

    def _noted(self, message: Message) -> Message:
        """Remember what is sent to a topic that we listen to."""
        self._sent.setdefault(message.topic, deque(maxlen=ECHOES)).append(message.payload)
        return message

    def clear(self, topic: str) -> None:
        """Clear at the broker what an earlier life of this node left behind: an alarm, or state and last of a channel."""
        base, _, kind = topic.rpartition("/")
        for name in (topic, f"{base}/last") if kind == "state" else (topic,):
            self._retained[name] = b""
            self._changed[name] = None

    @property
    def urgent(self) -> bool:
        """Tell whether something waits that must not be left unsaid."""
        return bool(self._answers or self._changed or len(self._state_turns))

    def next(self, now: float) -> Message | None:
        """Return what may go at `now` (s, never falling), the most important first, or None."""
        if self._answers:
            return self._answers.popleft()
        if self._changed:
            topic = next(iter(self._changed))
            del self._changed[topic]
            return self._noted(Message(topic, self._retained[topic], qos=1, retain=True))
        if (state := self._state_turns.take(now)) is not None:
            return self._noted(Message(self._topics.channel_state(state[0]), state[1], qos=1, retain=True))
        if (sample := self._sample_turns.take(now)) is not None:
            return Message(self._topics.sample(sample[0]), self._payload(self._samples[sample[0]]))
        if (last := self._last_turns.take(now)) is not None:
            return Message(self._topics.last(last[0]), self._payload(self._samples[last[0]]), retain=True)
        return None

    def due(self) -> float | None:
        """Return when `next` will have something again, or None while it depends on news."""
        if self._answers or self._changed:
            return float("-inf")
        turns = (self._state_turns.due(), self._sample_turns.due(), self._last_turns.due())
        return min((due for due in turns if due is not None), default=None)

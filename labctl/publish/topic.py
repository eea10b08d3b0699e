"""The topic tree: where each message of a node goes (docs/reference/mqtt.md)."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from labctl.errors import UsageError

SAFE = " -_.~:@!$&'()*,;="  # what of a name stays as it is inside one level; letters and digits anyway
LONGEST = 65_535  # bytes of a topic, MQTT 3.1.1 section 4.7.3


@lru_cache(4096)
def level(name: str) -> str:
    """Return a name as one level of a topic: separators, wildcards and control characters are percent-encoded."""
    return quote(str(name), safe=SAFE) or "%"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one node under its prefix, such as `labctl/1/bench-3`.

    Raises:
        UsageError: The prefix is empty, begins with `$` or a slash, or holds a wildcard.
    """

    prefix: str

    def __post_init__(self) -> None:
        """Refuse a prefix that a broker would refuse or keep for itself."""
        bad = [sign for sign in "+#\0" if sign in self.prefix]
        if not self.prefix or bad or self.prefix[0] in "$/" or self.prefix.endswith("/") or "//" in self.prefix:
            raise UsageError(f"wanted an MQTT prefix such as labctl/1/bench, without + # $, found {self.prefix!r}")
        if len(self.prefix.encode()) > 256:
            raise UsageError(f"wanted an MQTT prefix of at most 256 bytes, found {len(self.prefix.encode())}")

    @classmethod
    def of_node(cls, node: str) -> "Topics":
        """Return the default tree of a node: `labctl/1/<node>`."""
        return cls(f"labctl/1/{level(node)}")

    @property
    def state(self) -> str:
        """Retained: starting, ready, stopping, offline; the last will says lost."""
        return f"{self.prefix}/state"

    @property
    def info(self) -> str:
        """Retained: version, host, channels."""
        return f"{self.prefix}/info"

    @property
    def commands(self) -> str:
        """Filter of every command."""
        return f"{self.prefix}/cmd/+"

    @property
    def retained(self) -> tuple[str, ...]:
        """Filters by which a node finds what an earlier life of it left behind; `last` stands and falls with its state."""
        return (self.state, f"{self.prefix}/ch/+/state", f"{self.prefix}/alarm/+")

    def channel_state(self, channel: str) -> str:
        """Retained: what the channel does and why."""
        return f"{self.prefix}/ch/{level(channel)}/state"

    def last(self, channel: str) -> str:
        """Retained: a recent sample, so that a new subscriber sees something."""
        return f"{self.prefix}/ch/{level(channel)}/last"

    def sample(self, channel: str) -> str:
        """Live view of a channel."""
        return f"{self.prefix}/ch/{level(channel)}/sample"

    def alarm(self, name: str) -> str:
        """Retained while the alarm is active."""
        return f"{self.prefix}/alarm/{level(name)}"

    def event(self, run: str) -> str:
        """Whatever happens in a run, unless it is one of the next three."""
        return f"{self.prefix}/run/{level(run)}/event"

    def cycle(self, run: str) -> str:
        """Figures of a finished cycle."""
        return f"{self.prefix}/run/{level(run)}/cycle"

    def spectrum(self, run: str, number: int) -> str:
        """A finished impedance spectrum."""
        return f"{self.prefix}/run/{level(run)}/spectrum/{number}"

    def result(self, run: str, name: str) -> str:
        """A figure found by an analysis or by the engine."""
        return f"{self.prefix}/run/{level(run)}/result/{level(name)}"

    def command(self, verb: str) -> str:
        """Where an order is sent."""
        return f"{self.prefix}/cmd/{level(verb)}"

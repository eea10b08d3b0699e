"""What the shell must find again after a crash, beside the engine's state: stored with every checkpoint.

Where the running program began on the run's time, the counters there, the clocks at the last row, and the state of a
source that can be set back.
"""

from dataclasses import dataclass

import orjson

from labctl.errors import StoreDamaged


@dataclass(frozen=True, slots=True)
class Bookmark:
    """As of the last row of a run.

    Attributes:
        begun: Run time at which the running program began, s.
        charging: The run's counter at that time, Ah.
        discharging: The same in the other direction.
        boot: Which boot of the machine `monotonic` belongs to; "" where the system does not say.
        line: Of the plan, at which the run stood last; 0 at none.
        passes: (block, pass) around that line.
        references: Retention references then, C.
        time: Run time at which this was written, s.
        monotonic: Machine seconds since boot, not scaled.
        unix: UTC then, s.
        source: State of a source that can be set back, JSON; None of any other.
    """

    begun: float = 0.0
    charging: float = 0.0
    discharging: float = 0.0
    boot: str = ""
    line: int = 0
    passes: tuple[tuple[int, int], ...] = ()
    references: tuple[tuple[str, float], ...] = ()
    time: float = 0.0
    monotonic: float = 0.0
    unix: float = 0.0
    source: bytes | None = None

    def head(self) -> bytes:
        """Return as the begin of a JSON object what stands still between rows."""
        return orjson.dumps({name: getattr(self, name) for name in _STILL})[:-1]

    def to_json(self) -> bytes:
        """Return it as JSON; the source's own JSON is put in as it is."""
        return with_moment(self.head(), self.time, (self.monotonic, self.unix), self.source)

    @classmethod
    def from_json(cls, text: bytes | None) -> "Bookmark":
        """Read it back; None is a run that stored none.

        Raises:
            StoreDamaged: It is not one.
        """
        if text is None:
            return cls()
        try:
            found = orjson.loads(text)
            source = found.pop("source", None)
            found["passes"] = tuple((int(block), int(number)) for block, number in found["passes"])
            found["references"] = tuple((str(name), float(value)) for name, value in found["references"])
            return cls(**found, source=None if source is None else orjson.dumps(source))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreDamaged(f"wanted the bookmark of a run, found one that does not read back: {error}") from error


_STILL = ("begun", "charging", "discharging", "boot", "line", "passes", "references")


def with_moment(head: bytes, time: float, clocks: tuple[float, float], source: bytes | None) -> bytes:
    """Return a bookmark as JSON from its `head` and what moves with every row: run time, machine seconds and UTC, source."""
    moment = b',"time":%b,"monotonic":%b,"unix":%b' % tuple(map(orjson.dumps, (time, *clocks)))
    return head + moment + (b"}" if source is None else b',"source":' + source + b"}")


def outage(found: Bookmark, boot: str, monotonic: float, unix: float, speed: float = 1.0) -> tuple[float, str]:
    """Return how many run seconds passed since a bookmark, infinity if nobody can know, and how that was found.

    Within one boot the machine's own seconds count, whatever the wall clock did. Across boots only UTC is left: earlier than
    the bookmark, or plainly never set, it counts as an outage longer than any window.

    Args:
        found: The bookmark.
        boot: This boot.
        monotonic: Machine seconds since this boot.
        unix: UTC now, s.
        speed: Of the clock, run seconds in a machine second.
    """
    if found.boot and found.boot == boot:
        return max(0.0, monotonic - found.monotonic) * speed, "by the machine's own seconds"
    if unix < found.unix:
        return float("inf"), "the wall clock stands before the last stored time"
    if unix < PLAUSIBLE:
        return float("inf"), "the wall clock is not set"
    return (unix - found.unix) * speed, "by the wall clock, across a restart of the machine"


PLAUSIBLE = 1_700_000_000.0  # s of Unix time; no wall clock that is set stands before it

"""What the shell must find again after a crash, beside the engine's state: stored with every checkpoint.

Where the running program began on the run's time, the counters there, the clocks at the last row, and the state of a
source that can be set back.
"""

from dataclasses import dataclass, replace

import orjson

from labctl.engine.state_parts import Counters
from labctl.errors import StoreDamaged
from labctl.store.entry import Checkpoint


@dataclass(frozen=True, slots=True)
class Saved:
    """State of a source that can be set back, JSON, None of any other; and how many rows it has given since then."""

    state: bytes | None = None
    behind: int = 0


@dataclass(frozen=True, slots=True)
class ResumePoint:
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
        charging_wh: The run's counter of energy when the program began, Wh; None where none was kept, as before there was one.
        discharging_wh: The same in the other direction.
        behind: Rows that were stored after this was.
        serial: Of the instrument at which the run is, "" where it has none, and in a resume point of before.
        cut: Why nobody knows what came after it, so that a person must say how to go on; "" in every resume point that is stored.
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
    charging_wh: float | None = None
    discharging_wh: float | None = None
    serial: str = ""
    cut: str = ""
    behind: int = 0

    @property
    def saved(self) -> Saved:
        """Return the state of the source."""
        return Saved(self.source, self.behind)

    @property
    def counters(self) -> Counters:
        """Return the run's counters when the program began."""
        return Counters(self.charging, self.discharging, self.charging_wh, self.discharging_wh)

    def head(self) -> bytes:
        """Return as the begin of a JSON object what stands still between rows."""
        return orjson.dumps({name: getattr(self, name) for name in _STILL})[:-1]

    def to_json(self) -> bytes:
        """Return it as JSON; the source's own JSON is put in as it is."""
        return with_moment(self.head(), self.time, (self.monotonic, self.unix), self.source)

    @classmethod
    def of(cls, checkpoint: Checkpoint | None) -> "ResumePoint":
        """Return the one that was stored with a checkpoint, an empty one of none.

        Raises:
            StoreDamaged: It does not read back.
        """
        if checkpoint is None:
            return cls()
        return replace(cls.from_json(checkpoint.source), behind=checkpoint.behind)

    @classmethod
    def from_json(cls, text: bytes | None) -> "ResumePoint":
        """Read it back; None is a run that stored none.

        Raises:
            StoreDamaged: It is not one.
        """
        if text is None:
            return cls()
        try:
            tree = orjson.loads(text)
            source = tree.pop("source", None)
            tree["passes"] = tuple((int(block), int(number)) for block, number in tree["passes"])
            tree["references"] = tuple((str(name), float(value)) for name, value in tree["references"])
            return cls(**tree, source=None if source is None else orjson.dumps(source))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreDamaged(
                f"wanted the resume point of a run, found one that does not read back: {error}"
            ) from error


_STILL = (
    "begun", "charging", "discharging", "charging_wh", "discharging_wh", "boot", "line", "passes", "references", "serial",
)  # fmt: skip


def with_moment(head: bytes, time: float, clocks: tuple[float, float], source: bytes | None) -> bytes:
    """Return a resume point as JSON from its `head` and what moves with every row: run time, machine seconds and UTC, source."""
    moment = b',"time":%b,"monotonic":%b,"unix":%b' % tuple(map(orjson.dumps, (time, *clocks)))
    return head + moment + (b"}" if source is None else b',"source":' + source + b"}")


def outage(point: ResumePoint, boot: str, monotonic: float, unix: float, speed: float = 1.0) -> tuple[float, str]:
    """Return how many run seconds passed since a resume point, infinity if nobody can know, and how that was found.

    Within one boot the machine's own seconds count, whatever the wall clock did. Across boots only UTC is left: earlier than
    the resume point, or plainly never set, it counts as an outage longer than any window.

    Args:
        point: What was stored of the run with its last checkpoint.
        boot: This boot.
        monotonic: Machine seconds since this boot.
        unix: UTC now, s.
        speed: Of the clock, run seconds in a machine second.
    """
    if point.boot and point.boot == boot:
        return max(0.0, monotonic - point.monotonic) * speed, "by the machine's own seconds"
    if unix < point.unix:
        return float("inf"), "the wall clock stands before the last stored time"
    if unix < PLAUSIBLE:
        return float("inf"), "the wall clock is not set"
    return (unix - point.unix) * speed, "by the wall clock, across a restart of the machine"


PLAUSIBLE = 1_700_000_000.0  # s of Unix time; no wall clock that is set stands before it

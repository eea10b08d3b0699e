"""The clock that is handed in everywhere: real, scaled, or as fast as possible. Nothing else sleeps or asks for the time.

Three times are never mixed. *Run time* counts from the begin of a run on a clock's `now`. *Instrument time* counts from the
begin of one program. A *label* is UTC, for people and files; no duration is ever computed from labels where both ends lie in
one boot of the machine.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

NEVER_EARLIER = (
    1_700_000_000.0  # s of Unix time; a wall clock before it was never set since the machine was switched on
)
AT_ONCE = 1e-4  # s within which two readings of clocks count as one
READINGS = 20  # of both clocks at most, to find them at one moment
NEAR = 2e-3  # s before a moment at which the rest of the wait begins, see `_sleep_until`
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@runtime_checkable
class Clock(Protocol):
    """What a room may know of time.

    Attributes:
        fast: Waiting costs nothing: every channel that can run ahead by itself does so.
        speed: Seconds of it in a second of the machine.
    """

    fast: bool
    speed: float

    def now(self) -> float:
        """Return seconds from an arbitrary origin, never falling; where the system has it, suspend counts."""

    def label(self) -> float:
        """Return UTC as seconds of Unix time."""

    async def until(self, moment: float) -> None:
        """Wait until `now` has reached `moment`; at least once let others run."""


def monotonic() -> float:
    """Return seconds since boot, the time spent suspended included where the system can say (Linux), else monotonic time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot() -> str:
    """Return what identifies this boot of the machine, or "" where the system does not say.

    A difference of two `monotonic` times means something only if both were taken in one boot.
    """
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine's own clocks, whatever the station's: by them the length of an outage is known.

    Attributes:
        boot: Which boot this is; "" where the system does not say.
        monotonic: Seconds since boot, never falling within it.
        unix: UTC, s.
    """

    boot: str
    monotonic: Callable[[], float]
    unix: Callable[[], float]


def this_machine() -> Machine:
    """Return the clocks of the machine that this runs on."""
    return Machine(boot(), monotonic, time.time)


def one_moment(now: Callable[[], float], machine: Machine) -> tuple[float, float]:
    """Return what a clock and the machine's seconds since boot show at one moment, s each.

    Two clocks that are read one after the other differ by however long the process had to wait between: what is kept of the
    pair, as the run time at a machine second, would move with every reading of it on a busy machine.
    """
    best: tuple[float, float, float] | None = None
    for _ in range(READINGS):
        before = machine.monotonic()
        shown = now()
        apart = machine.monotonic() - before
        if best is None or apart < best[0]:
            best = apart, shown, before + 0.5 * apart
        if apart < AT_ONCE:
            break
    assert best is not None
    return best[1], best[2]


async def _sleep_until(left: Callable[[], float]) -> None:
    """Sleep until no second is left, in two parts, and again where the loop woke early.

    epoll waits for whole milliseconds, and CPython rounds up to them twice: of the waits, those of 9, 13, 18 ms and of every
    ninth other number last one more, as their product with 0.001 lies above it. The numbers below 9 are free of that.
    """
    await asyncio.sleep(max(0.0, left() - NEAR))
    while (rest := left()) > 0.0:  # noqa: ASYNC110 - this is the clock itself
        await asyncio.sleep(rest)


class RealClock:
    """The machine's own time."""

    fast = False
    speed = 1.0

    def now(self) -> float:
        """Return `monotonic`."""
        return monotonic()

    def label(self) -> float:
        """Return the machine's UTC."""
        return time.time()

    async def until(self, moment: float) -> None:
        """Sleep until `moment`."""
        await _sleep_until(lambda: moment - monotonic())


class ScaledClock:
    """A clock that runs `speed` times as fast as the machine's; its labels run with it from the moment it was made."""

    fast = False

    def __init__(self, speed: float) -> None:
        """Start at the machine's time.

        Raises:
            ValueError: If `speed` is not a positive finite number.
        """
        if not 0 < speed < float("inf"):
            raise ValueError(f"a clock wants a positive speed, found {speed}")
        self.speed = speed
        self._begin = monotonic()
        self._label = time.time()

    def now(self) -> float:
        """Return scaled seconds."""
        return self._begin + (monotonic() - self._begin) * self.speed

    def label(self) -> float:
        """Return scaled UTC."""
        return self._label + (monotonic() - self._begin) * self.speed

    async def until(self, moment: float) -> None:
        """Sleep for what is left, in the machine's seconds."""
        await _sleep_until(lambda: (moment - self.now()) / self.speed)


class VirtualClock:
    """A clock that only moves when it is told to; waiting on it moves it there at once."""

    fast = True
    speed = 1.0

    def __init__(self, now: float = 0.0, label: float = 0.0) -> None:
        """Stand at `now`, labelled `label` (s of Unix time)."""
        self._now = now
        self._offset = label - now

    def now(self) -> float:
        """Return where the clock stands."""
        return self._now

    def label(self) -> float:
        """Return UTC of where it stands."""
        return self._now + self._offset

    def advance(self, moment: float) -> None:
        """Move to `moment`, never back."""
        self._now = max(self._now, moment)

    async def until(self, moment: float) -> None:
        """Move to `moment` and let others run."""
        self.advance(moment)
        await asyncio.sleep(0)


class FastClock(RealClock):
    """The machine's time; simulated channels need not wait for it but run ahead on a virtual time of their own."""

    fast = True


def make_clock(speed: str | float) -> Clock:
    """Make the clock that a station file or the command line names: `real`, `fast`, or a factor such as 60.

    Raises:
        ValueError: If it is none of them.
    """
    match speed:
        case "real" | 1 | 1.0 | "1":
            return RealClock()
        case "fast":
            return FastClock()
        case _:
            return ScaledClock(float(speed))

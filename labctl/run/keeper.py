"""A course on an instrument that must be waited for: commands go out in their order, safe ones before anything is written."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from labctl.clock import boot, monotonic
from labctl.driver import Capabilities
from labctl.run.course import Course
from labctl.run.seat import Seat

BOOT = boot()


@dataclass(slots=True)
class Keeper:
    """A run at a line.

    Attributes:
        seat: The channel.
        course: Its run.
        capabilities: Of the channel.
        wall: UTC, s; of the machine, whatever the clock of the station.
        resting: No program runs: the instrument's own time counts from nothing.
        lost_at: Run time of the last row before the instrument was lost.
        flushed: Clock time at which quiet rows were folded last.
    """

    seat: Seat
    course: Course
    capabilities: Capabilities
    wall: Callable[[], float] = time.time
    resting: bool = True
    flushed: float = 0.0
    lost_at: float | None = None

    def __post_init__(self) -> None:
        """Store where the machine's clocks stand with every checkpoint."""
        self.course.save = self.save

    @property
    def at(self) -> str:
        """The channel of the instrument."""
        return self.seat.at

    def save(self, course: Course) -> bytes:
        """Return the bookmark as of now."""
        return course.mark(boot=BOOT, monotonic=monotonic(), unix=self.wall())

    def run_time(self, now: float) -> float:
        """Return the run time of a moment of the clock."""
        return now - self.seat.origin

"""A course on an instrument that must be waited for: commands go out in their order, safe ones before anything is written."""

from dataclasses import dataclass

from labctl.clock import Machine
from labctl.driver import Capabilities
from labctl.run.course import Course
from labctl.run.seat import Seat


@dataclass(slots=True)
class Keeper:
    """A run at a line.

    Attributes:
        seat: The channel.
        course: Its run.
        capabilities: Of the channel.
        machine: Its clocks, whatever the clock of the station.
        resting: No program runs: the instrument's own time counts from nothing.
        lost_at: Run time of the last row before the instrument was lost.
        flushed: Clock time at which quiet rows were folded last.
    """

    seat: Seat
    course: Course
    capabilities: Capabilities
    machine: Machine
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
        machine = self.machine
        return course.mark(boot=machine.boot, monotonic=machine.monotonic(), unix=machine.unix())

    def run_time(self, now: float) -> float:
        """Return the run time of a moment of the clock."""
        return now - self.seat.origin

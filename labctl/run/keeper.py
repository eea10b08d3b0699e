"""A course on an instrument that must be waited for: commands go out in their order, safe ones before anything is written."""

from dataclasses import dataclass

from labctl.clock import Machine
from labctl.driver import Capabilities, RecordRule
from labctl.plan.index import index
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
        heard: Clock time at which the instrument said something of it last.
        lost_at: Run time of the last row before the instrument was lost.
        flushed: Clock time at which quiet rows were folded last.
    """

    seat: Seat
    course: Course
    capabilities: Capabilities
    machine: Machine
    resting: bool = True
    flushed: float = 0.0
    heard: float = 0.0
    lost_at: float | None = None

    def __post_init__(self) -> None:
        """Store where the machine's clocks stand with every checkpoint."""
        self.course.save = self.save

    @property
    def at(self) -> str:
        """The channel of the instrument."""
        return self.seat.at

    @property
    def record(self) -> tuple[RecordRule, ...]:
        """The record rules of the step that is being done."""
        step = self.course.state.step
        return index(self.course.plan).lines[step.line].record if step else ()

    def runs(self, now: float) -> None:
        """Note that a program runs at a moment of the clock: its rows come from now on."""
        self.resting, self.heard = False, now

    def save(self, course: Course) -> bytes:
        """Return the bookmark as of now."""
        machine = self.machine
        return course.mark(boot=machine.boot, monotonic=machine.monotonic(), unix=machine.unix())

    def run_time(self, now: float) -> float:
        """Return the run time of a moment of the clock."""
        return now - self.seat.origin

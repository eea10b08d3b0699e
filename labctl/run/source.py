"""A source whose time is told to it: cells in the daemon, which can go back to the row that called for a command."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from labctl.driver import Program, ReadBack, Reading, Rewindable
from labctl.engine.input import Apply, Began, Mark, Off
from labctl.run.course import Course
from labctl.run.reading import take_said
from labctl.sample import Batch

ROWS = 4096  # of one read


@runtime_checkable
class Told(Rewindable, Protocol):
    """A rewindable source that needs no waiting for: verbs take no time but that which `advance` gives."""

    def insert(self, channel: str, cell: Mapping[str, object], seed: int = 0) -> None:
        """Put the cell of a run on a channel: `model`, `area` (m2), `active_mass` (kg)."""

    def begin(self, channel: str, program: Program) -> ReadBack:
        """Run a program from where the cell is, now."""

    def advance(self, channel: str, until: float, most: int = ROWS) -> Sequence[Reading]:
        """Return what there is up to `until` s after the program began, about `most` rows."""

    def off(self, channel: str) -> None:
        """Leave the cell at open circuit; the program's time runs on."""


class Rider:
    """A course on a told source: commands act at the instant of the row that called for them."""

    def __init__(self, course: Course, source: Told, channel: str) -> None:
        """Join them."""
        self.course = course
        self.source = source
        self.channel = channel
        self.settled = False
        course.save = self.save

    def save(self, course: Course) -> bytes:
        """Return the bookmark as of the last row."""
        return course.mark(self.source.save(self.channel))

    def obey(self) -> None:
        """Carry every command out."""
        course = self.course
        while course.commands:
            match course.commands.popleft():
                case Apply(role="cell") as apply:
                    read_back = self.source.begin(self.channel, apply.program)
                    course.take(Began(apply.attempt, course.state.last.time, read_back.values))
                case Apply(
                    program=program
                ):  # stage and chamber are the simulated channel's own; its cell rests meanwhile
                    self.source.begin(self.channel, program)
                    course.rebase()
                case Off():
                    self.source.off(self.channel)
                case Mark():
                    pass
                case other:
                    raise AssertionError(other)

    def forward(self, until: float = float("inf"), most: int = ROWS) -> int:
        """Read once up to run time `until`, fold and obey; return the number of readings, 0 when there is nothing more.

        `settled` tells whether that was all that there is up to then.
        """
        course = self.course
        readings = self.source.advance(self.channel, until - course.begun, most)
        self.settled = len(readings) <= 1
        for reading in readings:
            match reading:
                case Batch():
                    taken = course.take_rows(course.metered(reading))
                    if course.commands or course.finish or taken < len(reading):
                        if taken:
                            self.source.rewind(self.channel, float(reading.time[taken - 1]))
                        break
                    self.settled &= len(reading) < most
                case said:
                    self.settled = False
                    take_said(course, said)
            if course.commands or course.finish:
                break
        self.settled &= not course.commands
        self.obey()
        return len(readings)

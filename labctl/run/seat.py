"""A channel of the station: its parts by role, and the run on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labctl.driver import Bounds
from labctl.plan.index import index
from labctl.run.course import Course
from labctl.run.request import Flat
from labctl.settings import Part


@dataclass(frozen=True, slots=True)
class Card:
    """What people want to know of a run.

    Attributes:
        run_id: In the journal.
        uuid: Its identity across databases.
        protocol: Name.
        cell: Name.
        began: UTC label of run time 0, s.
        duration: Estimated, s of run time; None where nobody knows.
    """

    run_id: int
    uuid: str
    protocol: str
    cell: str
    began: float
    duration: float | None = None


@dataclass(slots=True)
class Seat:
    """A channel and the run on it.

    Attributes:
        name: In the station file.
        parts: By role: `cell`, `stage`, `chamber`, ...
        bounds: The channel's own limits.
        course: Of the run, None while idle.
        card: Of the run, or of the last one.
        origin: Clock time of run time 0.
        starting: A start is under way.
        unknown: Why nobody knows what the channel does, "" if somebody does.
        last: How the last run ended, in words.
    """

    name: str
    parts: Mapping[str, Part]
    bounds: Bounds = field(default_factory=Bounds)
    course: Course | None = None
    card: Card | None = None
    origin: float = 0.0
    starting: bool = False
    unknown: str = ""
    last: str = ""
    ended_as: str = "idle"

    @property
    def at(self) -> str:
        """The channel of the instrument at the cell."""
        return self.parts["cell"].at

    @property
    def activity(self) -> str:
        """The channel's state, one of the closed list."""
        if self.unknown:
            return "unknown"
        if self.starting:
            return "preparing"
        return self.ended_as if self.course is None else self.course.state.activity

    def look(self) -> dict[str, str | float | int | bool | None]:
        """Return what the channel does as a flat object."""
        course, card = self.course, self.card
        found: dict[str, str | float | int | bool | None] = {
            "channel": self.name,
            "activity": self.activity,
            "why": self.unknown or (self.last if course is None else course.state.why),
            "unblock": "" if course is None else self._unblock(course.state.unblock),
            "run": card.uuid if card else "",
            "run_id": card.run_id if card else None,
            "protocol": card.protocol if card else "",
            "cell": card.cell if card else "",
            "instrument": self.parts["cell"].instrument,
        }
        return found if course is None else {**found, **self._running(course)}

    def _unblock(self, command: str) -> str:
        return f"{command} {self.name}" if command else ""

    def _running(self, course: Course) -> Flat:
        state, card = course.state, self.card
        last, step = state.last, state.step
        line = index(course.plan).lines.get(step.line) if step else None
        duration = card.duration if card else None
        return {
            "step_id": step.line if step else None,
            "step_count": step.count if step else None,
            "step_type": line.verb if line else "",
            "step_name": (step.name or line.name) if step and line else "",
            "cycle_count": state.cycle.count,
            "test_time_second": last.time,
            "step_time_second": state.step_time(last.time),
            "voltage_volt": last.voltage,
            "current_ampere": last.current,
            "surface_temperature_celsius": last.temperature,
            "charging_capacity_ah": last.charging_ah,
            "discharging_capacity_ah": last.discharging_ah,
            "record_index": last.record,
            "began_unix_time_second": card.began if card else None,
            "progress": min(1.0, last.time / duration) if duration else None,
            "remaining_second": max(0.0, duration - last.time) if duration else None,
        }

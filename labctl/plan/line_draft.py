"""A line in the making: its settings and ends with where they were written, and how it is finished."""

from dataclasses import dataclass, field, replace

from labctl.driver import OPEN
from labctl.finding import Mark
from labctl.plan.context import CompileContext
from labctl.plan.envelope import overshoot_of
from labctl.plan.safety import check_line
from labctl.plan.scope import file_name, mark_of
from labctl.plan.step import (
    End,
    Line,
    Setting,
    TextByPass,
)
from labctl.plan.step_context import StepContext, ValueOrigin
from labctl.protocol.model import Given, Step, WrittenCondition
from labctl.protocol.step_model import (
    HoldStep,
    LinearSweep,
    ProfileStep,
    RestStep,
)


@dataclass(slots=True)
class LineDraft:
    """A line in the making, with where its settings and ends were written."""

    verb: str
    mode: str
    settings: dict[str, Setting] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)
    origins: dict[str | int | tuple[int, int, int], ValueOrigin] = field(default_factory=dict)

    def ended(self, end: End, origin: ValueOrigin) -> None:
        """Add an end that is short for a comparison."""
        self.origins[len(self.ends)] = origin
        self.ends.append(end)

    def ended_by(self, end: End, written: WrittenCondition) -> None:
        """Add an end that was written as a condition."""
        self.origins |= CompileContext.origins(written, len(self.ends))
        self.ends.append(end)


@dataclass(frozen=True, slots=True)
class StepDrafter:
    """What every step needs to become a line."""

    draft: CompileContext
    place: StepContext
    step: Step

    def line(self, part: LineDraft) -> Line:
        """Return the finished line, held against the envelope and the rules of safety."""
        name = self.draft.text(self.place, self.step.name)
        written = self.step.name if isinstance(self.step.name, str) else self.step.name.text
        line = Line(
            id=self.draft.next_line(),
            verb=part.verb,
            mode=part.mode,
            settings=part.settings,
            ends=tuple(part.ends),
            record=self.draft.recorded(self.place, self.step.record).record,
            bounds=self.place.envelope.bounds,
            name=written if isinstance(name, TextByPass) else name,
            options=part.options | ({"name": name} if isinstance(name, TextByPass) else {}),  # type: ignore[arg-type]
            where=f"{file_name(self.step.mark.file)}:{self.step.mark.line}",
        )
        if line.energises:
            line = replace(line, overshoot=overshoot_of(line.bounds.voltage, self.draft.hardware))
        self.draft.place("line", line.id, self.step.mark, part.origins)
        check_line(self.draft, self.place, line, part.origins, self.step.mark)
        return line

    def until(self, part: LineDraft, verb: RestStep | HoldStep | LinearSweep | ProfileStep) -> LineDraft:
        """Add the ends that `until` and `for` state."""
        if verb.until is not None:
            part.ended_by(self.draft.end(self.place, "until", verb.until), verb.until)
        if not isinstance(verb, LinearSweep) and verb.for_ is not None:
            part.ended(self.draft.end_of_time(self.place, verb.for_), self.origin(verb.for_))
        return part

    def most_unsaid(self) -> float | None:
        """Return what a held voltage may draw where nothing is said, A: what the current limits allow in both directions.

        Without it the first row of a hold away from the open circuit would trip the limits instead of being held back.
        """
        pair = self.place.envelope.bounds.current
        if pair is None or not self.place.said >= {"lowest current", "highest current"}:
            return None
        least = min(-pair[0], pair[1])
        return least if 0.0 < least < OPEN else None

    def mark(self, given: Given) -> Mark:
        """Return where a value stands."""
        return mark_of(given, self.step.mark)

    def origin(self, given: Given) -> ValueOrigin:
        """Return where a value stands, and as what."""
        return ValueOrigin(self.mark(given), given.text)

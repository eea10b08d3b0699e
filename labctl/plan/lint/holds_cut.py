"""A `for` of a whole charge that is over before its hold is."""

from collections.abc import Iterator, Mapping

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import mark_of, warning
from labctl.plan.number import values
from labctl.plan.step import Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display


def holds_cut(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    """Warn of a `for` of a whole charge that is no longer than what its `hold_for` alone takes."""
    for path, line in walk(plan.root):
        if not path[-1].fused or line.mode != "Potentiostatic":
            continue
        held, whole = (
            [value for end in ends if end.kind == "for" for value in values(end.condition.any_of[0][0].value)]  # type: ignore[arg-type]
            for ends in (line.ends, path[-1].ends)
        )
        if held and whole and min(whole) <= max(held):
            yield warning(
                "plan.time_first",
                f"`for` counts from the begin of the charge or discharge: its {display(min(whole), 'duration')} are over before "
                f"the {display(max(held), 'duration')} of hold_for",
                mark_of(line, places),
                "lengthen for by the time that it takes to come to the voltage",
            )

"""A `for` of a whole charge that is over before its hold is."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import mark_of, warning
from labctl.plan.number import known, values
from labctl.plan.step import Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

ALMOST: Final = 0.999  # of that time: a for of less is told of as one that comes before the voltage
LITTLE_MORE: Final = 1.1  # times the time that the whole capacity takes: what that leaves a hold is no hold


def holds_cut(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    """Warn of a `for` of a whole charge that is no longer than what its `hold_for` alone takes."""
    for path, line in walk(plan.root):
        if not path[-1].fused or line.mode != "Potentiostatic":
            continue
        held, whole = (
            [value for end in ends if end.kind == "for" for value in values(end.condition.any_of[0][0].value)]  # type: ignore[arg-type]
            for ends in (line.ends, path[-1].ends)
        )
        first, over = path[-1].children[0], bool(held and whole and min(whole) <= max(held))
        begin = _first_part(plan, first) if isinstance(first, Line) else math.inf
        if (
            isinstance(first, Line)
            and whole
            and not over
            and begin * ALMOST <= min(whole) <= begin * LITTLE_MORE < math.inf
        ):
            lasts, alone = display(min(whole), "duration"), display(begin, "duration")
            yield warning(
                "plan.time_first",
                f"wanted time for the hold of {first.verb}, found for: {lasts} for all of it, and its first part takes {alone}",
                mark_of(first, places),
                f"lengthen for to {display(2.0 * begin, 'duration')}, or end it by to: without a hold",
            )
        if over:
            yield warning(
                "plan.time_first",
                f"`for` counts from the begin of the charge or discharge: its {display(min(whole), 'duration')} are over before "
                f"the {display(max(held), 'duration')} of hold_for",
                mark_of(line, places),
                "lengthen for by the time that it takes to come to the voltage",
            )


def _first_part(plan: Plan, line: Line) -> float:
    """Return how long the nominal capacity takes at the current of a line, s; infinity where nobody knows."""
    currents = [abs(one) for one in known(line.settings.get("current"))]
    return plan.cell.nominal / min(currents) if plan.cell.nominal and currents and min(currents) else math.inf

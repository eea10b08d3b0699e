"""The steps of a plan as analyses will see them."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN
from labctl.plan.number import known
from labctl.plan.step import Block, Line, Plan

Told: TypeAlias = tuple[str, str]
"""What was wanted and what was found, and the hint."""

CYCLES: Final = frozenset({"true", "check", "formation"})


@dataclass(frozen=True)
class PlanSteps:
    """The steps of a plan as its analyses will see them."""

    plan: Plan

    @cached_property
    def lines(self) -> tuple[tuple[tuple[Block, ...], Line], ...]:
        """Return every line with the blocks around it."""
        return tuple(walk(self.plan.root))

    @cached_property
    def cycles(self) -> tuple[Block, ...]:
        """Return the blocks whose passes are cycles."""
        return tuple(block for block in blocks(self.plan.root) if block.cycle in CYCLES)

    @cached_property
    def counted(self) -> tuple[tuple[tuple[Block, ...], Line], ...]:
        """Return the charges and discharges, strips and platings in cycles that are no formation."""
        return tuple(
            (path, line)
            for path, line in self.lines
            if line.verb in DRIVEN and any(block.cycle in CYCLES - {"formation"} for block in path)
        )

    def of(self, *verbs: str) -> tuple[Line, ...]:
        """Return the lines of some verbs."""
        return tuple(line for _, line in self.lines if line.verb in verbs)


def lasts(line: Line) -> tuple[float, ...]:
    """Return how long a line lasts at most in its passes, s, by its time or by its capacity at constant current."""
    by_kind = {end.kind: known(end.condition.any_of[0][0].value) for end in line.ends}
    times, currents = by_kind.get("for", ()), [abs(one) for one in known(line.settings.get("current")) if one]
    charged = [charge / max(currents) for charge in by_kind.get("capacity", ()) if currents]
    return (min(max(times, default=math.inf), max(charged, default=math.inf)),) if times or charged else ()

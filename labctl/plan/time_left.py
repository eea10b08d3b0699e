"""How much of a plan is left from one of its steps on, and how long that is likely to take."""

from collections.abc import Mapping
from dataclasses import dataclass

from labctl.plan.amount import Amount
from labctl.plan.index import index
from labctl.plan.step import Plan


def share_left(plan: Plan, begin: int, passes: Mapping[int, int], line: int) -> float:
    """Return which share of the times that a line is done is still to come where another one is being done, that one included.

    Args:
        plan: Compiled.
        begin: The line that is being done; 0 before any.
        passes: By block around it, its pass, from 0.
        line: The line that is asked about.
    """
    if not begin:
        return 1.0
    places = index(plan)
    total, completed = 1, 0  # passes of what lies around both: all, and those that are over
    for one, other in zip(places.paths[begin], places.paths[line], strict=False):
        if one is not other:
            break
        total, completed = total * max(one.passes, 1), completed * max(one.passes, 1) + passes.get(one.id, 0)
    return (total - completed - (line < begin)) / total


@dataclass(frozen=True, slots=True, eq=False)
class TimeLeft:
    """What a plan is likely to take from any of its steps on.

    Attributes:
        plan: That is being done.
        whole: What it takes from where it begins, s.
        lines: What each line takes, and how often it is likely to be done, by id, as its estimate has them.
    """

    plan: Plan
    whole: float
    lines: Mapping[int, tuple[Amount, int]]

    def of(self, line: int) -> float:
        """Return what a line is likely to take once, s."""
        return self.lines[line][0].likely if line in self.lines else 0.0

    def before(self, line: int, passes: Mapping[int, int]) -> float:
        """Return the seconds that are left as a line begins, that line included.

        Args:
            line: That is about to be done; 0 for the first.
            passes: By block around it, its pass, from 0.
        """
        if not line:
            return self.whole
        shares = {one: share_left(self.plan, line, passes, one) for one in self.lines}
        return sum(shares[one] * amount.likely * often for one, (amount, often) in self.lines.items())

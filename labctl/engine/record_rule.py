"""Record rules: which of the measured rows are due.

`every` counts on a grid from the begin of the step, so that jitter does not add up; a row may come a twentieth of it early, at
most 10 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labctl.driver import RecordRule
from labctl.sample import Floats

EARLY: Final = 0.05  # of `every`
JITTER: Final = 0.01  # s


@dataclass(frozen=True, slots=True)
class Rule:
    """A record rule with infinity where nothing is asked: s, V, A, and the step time at which it ends, s."""

    every: float
    voltage: float
    current: float
    until: float


def first_rule(rules: Sequence[RecordRule], step_time: float) -> Rule:
    """Return the rule that holds at a step time; the last one where none does, nothing without rules."""
    infinite = float("inf")
    chosen = next(
        (rule for rule in rules if rule.until is None or rule.until > step_time), rules[-1] if rules else None
    )
    if chosen is None:
        return Rule(infinite, infinite, infinite, infinite)
    ends = infinite if chosen.until is None or chosen.until <= step_time else chosen.until
    asked = (chosen.every, chosen.voltage, chosen.current)
    every, voltage, current = (infinite if value is None else value for value in asked)
    return Rule(every, voltage, current, ends)


def next_due(begun: Floats, every: Floats, time: Floats) -> Floats:
    """Return the run time from which the next row is due, after one at `time`."""
    finite = np.isfinite(every) & (every > 0.0)
    grid = np.where(finite, every, 1.0)
    early = np.minimum(EARLY * grid, JITTER)
    steps = np.floor((time - begun + early) / grid) + 1.0
    later = begun + steps * grid - early
    return np.where(finite, later, np.where(every > 0.0, np.inf, -np.inf))

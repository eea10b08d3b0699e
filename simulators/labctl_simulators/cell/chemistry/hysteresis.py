"""Hysteresis of an open-circuit potential: two branches a gap apart, and a state between them.

The cell's voltage is half the gap above the mean of both branches while it is charged and half below while it is
discharged. After a turn of the current it passes from one to the other with the charge that flows,

    h = s + (h0 - s) exp(-|q| / reach),    V = V_mean + h gap / 2

with s the direction of the current (1 charges) and h0 what h was at the turn: the one-state model of G. L. Plett (J. Power
Sources 134 (2004) 252). The charge since the turn is a row of the linear memory, so that every path follows it exactly.
"""

from collections.abc import Sequence
from math import exp
from typing import Any, Final, NamedTuple

import numpy as np

NAMES: Final = ("branch", "way")


class Hysteresis(NamedTuple):
    """Hold the hysteresis of one electrode of a cell.

    Attributes:
        gap: between the branches, V.
        reach: charge within which a cell passes from one to the other to 1 - 1/e, C.
    """

    gap: float
    reach: float

    def start(self) -> tuple[float, float]:
        """Return the slow states of a fresh cell: between the branches, and no current has flowed."""
        return 0.0, 0.0

    def turn(self, slow: Sequence[float], passed: float, direction: int) -> tuple[float, float]:
        """Return the slow states as the current turns, after `passed` times the reach since it last did."""
        branch, side = slow
        return side + (branch - side) * exp(-abs(passed)), float(direction)

    def shift(self, passed: Any, branch: Any, side: Any) -> Any:
        """Return what is added to the voltage of the mean potential, V."""
        return 0.5 * self.gap * (side + (branch - side) * np.exp(-np.abs(passed)))

    def shift_of(self, passed: float, branch: float, side: float) -> float:
        """Return the same of plain floats."""
        return 0.5 * self.gap * (side + (branch - side) * exp(-abs(passed)))

    def slope(self, passed: Any, branch: Any, side: Any) -> Any:
        """Return the derivative of `shift` by `passed`, V."""
        return -0.5 * self.gap * (branch - side) * np.exp(-np.abs(passed)) * np.sign(passed)

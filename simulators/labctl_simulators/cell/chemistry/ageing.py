"""What cycling does to a cell: capacity (which may first rise), resistance, and charge that is lost on the way.

All of it is accumulated while current flows and takes effect when the current turns (`Chemistry.turn`), so cutting a
half-cycle changes nothing. The clock is the cycle: one cycle is twice the capacity that the cell has at that rate and
age, so that a table of reported capacity against cycle number is followed at the rate at which it was reported. Where
curves at several rates are given, the damage done by a half-cycle is that of its own mean rate, between two curves by
linear interpolation in the logarithm of the rate; damage adds up.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from labctl_simulators.cell.chemistry import kinetics
from labctl_simulators.cell.chemistry.insertion_parameters import Effects

CALENDAR_NAMES: Final = ("shelf", "rested")
"""Further slow states of a cell that ages by itself: time at the temperature of its numbers, s, and the loss in effect."""
SLOW_NAMES: Final = ("cycles", "health", "effort", "pending", "active", "side", "turns")
_LEAST = 0.01  # of the fresh capacity: an exhausted cell is small, not absent
_WHOLE = 0.5  # of the fresh capacity: what a half-cycle must pass to count as one
_FIRST = 1.5  # half-cycles after which the first loss is over, so that it falls on the first or the second of all


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold how a cell ages when it is cycled at one rate.

    Attributes:
        current: A, the rate's magnitude, > 0.
        cycles: where the others are given, ascending from 0.
        capacity: C that one half-cycle passes at that rate; may rise.
        health: capacity of the host against the fresh one's; at high rates it falls less than what can be passed.
        effort: resistance against the fresh cell's, 1 at the begin.
    """

    current: float
    cycles: tuple[float, ...]
    capacity: tuple[float, ...]
    health: tuple[float, ...]
    effort: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: one of them is no physical curve.
        """
        if not self.current > 0.0:
            raise ValueError(f"wanted an ageing curve's current above 0, found {self.current}")
        if not len(self.cycles) == len(self.capacity) == len(self.health) == len(self.effort) >= 2:
            raise ValueError("wanted cycles, capacity, health and effort of one length, at least 2, in an ageing curve")
        if self.cycles[0] != 0.0 or any(b <= a for a, b in pairwise(self.cycles)):
            raise ValueError("wanted the cycles of an ageing curve ascending from 0")
        if min(*self.capacity, *self.health, *self.effort) <= 0.0:
            raise ValueError("wanted capacity, health and effort above 0 in an ageing curve")


@dataclass(frozen=True, slots=True)
class Ageing:
    """Hold how a cell ages, and advance the slow states that say so.

    The slow states are those of `SLOW_NAMES`: cycles done, capacity and resistance against fresh, throughput (C) and
    time under current (s) since the current last turned, the direction since then, and how many half-cycles are over
    (`turns`). One that passed less than half the fresh capacity counts as its share of that: a pulse uses up no first
    loss.

    Attributes:
        curves: by ascending rate; none: the cell does not age.
        wasteful: the direction (-1 or 1) in which a part of the charge does not arrive; 0: it always arrives.
        loss: that part, from the second half-cycle in that direction on.
        first_loss: that part in the first one; 1 - first_loss is the first cycle's efficiency.
        capacity: of the fresh cell, C, against which a half-cycle counts; 0: each counts as a whole.
        both: whether the negative host loses capacity as the positive does.
        negative: whether it is the negative host that the charge does not reach.
        calendar: share of the capacity that is lost in a second at rest or in use, growing with the root of time, s^-1/2.
        calendar_activation: of that, J/mol.
        temperature: at which it is given, K.
    """

    curves: tuple[Curve, ...] = ()
    wasteful: int = 0
    loss: float = 0.0
    first_loss: float = 0.0
    both: bool = False
    negative: bool = False
    capacity: float = 0.0
    calendar: float = 0.0
    calendar_activation: float = 0.0
    temperature: float = 298.15

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the slow states."""
        return SLOW_NAMES + CALENDAR_NAMES if self.calendar else SLOW_NAMES

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: a loss is no share, or the curves are not ascending.
        """
        if not (0.0 <= self.loss < 1.0 and 0.0 <= self.first_loss < 1.0):
            raise ValueError(f"wanted losses from 0 to below 1, found {self.loss} and {self.first_loss}")
        if any(b.current <= a.current for a, b in pairwise(self.curves)):
            raise ValueError("wanted ageing curves by ascending current")

    def start(self, seed: int) -> tuple[float, ...]:
        """Return the slow states of a fresh cell; nothing in them is random."""
        del seed
        return (0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, *((0.0, 0.0) if self.calendar else ()))

    def after(self, slow: tuple[float, ...], cycles: float) -> tuple[float, ...]:
        """Return the slow states of a fresh cell after so many cycles, at the lowest rate of which a curve is given.

        Raises:
            ValueError: no curve is given.
        """
        if not self.curves:
            raise ValueError(f"wanted a set with curves of its ageing for a cell after {cycles:g} cycles, found none")
        curve = self.curves[0]
        place = _place(curve.cycles, cycles)
        worn = (cycles, max(_at(curve.health, *place), _LEAST), max(_at(curve.effort, *place), _LEAST))
        return (*worn, *slow[3:6], 2.0 * cycles, *slow[7:])

    def effects(self, slow: Sequence[Any], temperature: Any) -> Effects:
        """Return what the slow states do; constant until the current turns."""
        del temperature
        health, share = slow[1], self._share(slow)
        if self.calendar:
            health = np.maximum(health - slow[8], _LEAST) if np.ndim(health) else max(health - slow[8], _LEAST)
        positive, negative = (1.0, share) if self.negative else (share, 1.0)
        return Effects(health, health if self.both else 1.0, positive, negative, slow[2])

    def advance(
        self, slow: Sequence[Any], time: Any, charge: Any, throughput: Any, temperature: Any
    ) -> tuple[Any, ...]:
        """Return the slow states `time` s and `throughput` C later; nothing takes effect yet."""
        del charge
        cycles, health, effort, pending, active, side, turns, *rest = slow
        if rest:
            pace = kinetics.arrhenius(2.0 * self.calendar_activation, temperature, self.temperature)
            rest[0] = rest[0] + time * pace
        return (cycles, health, effort, pending + throughput, active + time * (throughput > 0.0), side, turns, *rest)

    def turn(self, slow: Sequence[float], direction: int) -> tuple[float, ...]:
        """Return the slow states as the current turns to `direction`: the half-cycle that is over takes effect."""
        cycles, health, effort, pending, active, _, turns, *rest = slow
        if rest:
            rest[1] = self.calendar * math.sqrt(rest[0])
        if self.curves and pending > 0.0 and active > 0.0:
            cycles, health, effort = self._worn((cycles, health, effort), pending, pending / active)
        turns += min(1.0, pending / (_WHOLE * self.capacity)) if self.capacity > 0.0 else float(pending > 0.0)
        return (cycles, health, effort, 0.0, 0.0, float(direction), turns, *rest)

    def _share(self, slow: Sequence[Any]) -> Any:
        """Return the part of the charge that arrives in the electrode in the present direction."""
        side, turns = slow[5], slow[6]
        if self.wasteful == 0:
            return 1.0
        if isinstance(side, float):
            return 1.0 if side != self.wasteful else 1.0 - (self.first_loss if turns < _FIRST else self.loss)
        return 1.0 - np.where(side != self.wasteful, 0.0, np.where(turns < _FIRST, self.first_loss, self.loss))

    def _worn(self, now: tuple[float, float, float], passed: float, rate: float) -> tuple[float, float, float]:
        """Return cycles, health and effort after `passed` C at a mean of `rate` A."""
        cycles, health, effort = now
        parts = self._between(rate)
        each = sum([part * _at(curve.capacity, *_place(curve.cycles, cycles)) for part, curve in parts])
        after = cycles + passed / (2.0 * each)
        for part, curve in parts:
            begin, end = _place(curve.cycles, cycles), _place(curve.cycles, after)
            health += part * (_at(curve.health, *end) - _at(curve.health, *begin))
            effort += part * (_at(curve.effort, *end) - _at(curve.effort, *begin))
        return after, max(health, _LEAST), max(effort, _LEAST)

    def _between(self, rate: float) -> tuple[tuple[float, Curve], ...]:
        """Return the one or two curves that hold at `rate`, with their weights."""
        if rate < self.curves[0].current or len(self.curves) == 1:
            return ((1.0, self.curves[0]),)
        index = bisect_right([curve.current for curve in self.curves], rate)
        if index == len(self.curves):
            return ((1.0, self.curves[-1]),)
        below, above = self.curves[index - 1], self.curves[index]
        part = math.log(rate / below.current) / math.log(above.current / below.current)
        return ((1.0 - part, below), (part, above))


def _place(places: tuple[float, ...], place: float) -> tuple[int, float]:
    """Return the interval that holds `place`, the last one beyond the end, and where in it `place` lies."""
    index = min(bisect_right(places, place), len(places) - 1) or 1
    left = places[index - 1]
    return index, (place - left) / (places[index] - left)


def _at(values: tuple[float, ...], index: int, share: float) -> float:
    """Interpolate linearly; beyond the last place go on with the last slope, but never below a hundredth of the first."""
    before = values[index - 1]
    return max(before + (values[index] - before) * share, _LEAST * values[0])

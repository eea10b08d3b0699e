"""The solution of a held piece in arrays: current, charge and voltage at any time."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.chemistry import Array
from labctl_simulators.cell.element import DEGREE, MONOMIAL, NODES
from labctl_simulators.cell.terminal import Demand

LOOK: Final = np.linspace(0.0, 1.0, 2 * DEGREE + 1)
"""Places within an element at which events are looked for."""
_POWERS: Final = (LOOK[:, None] ** np.arange(DEGREE + 1)).T
_RISING: Final = np.arange(DEGREE + 1)
_SHARES: Final = 1.0 / np.arange(1, DEGREE + 2)


@dataclass(slots=True, eq=False, repr=False)
class Columns:
    """Hold the solution in arrays.

    Attributes:
        begins: s at which the elements begin, shape (E,).
        starts: the same as plain floats.
        lengths: s, shape (E,).
        inner: coefficients of the memory current in ascending powers of the place 0..1, shape (E, DEGREE + 1).
        outer: the same of the current at the terminals.
        passed: C passed until each element's begin, shape (E,).
        turns: times at which the terminal current changes its sign, ascending from 0.
        up: C charged until each turn.
        down: C discharged until each turn.
    """

    begins: Array
    starts: list[float]
    lengths: Array
    inner: Array
    outer: Array
    passed: Array
    turns: Array
    up: Array
    down: Array

    def course(self, time: float) -> Callable[[float], float]:
        """Return the terminal current (A) as a function of time, good within the element that holds `time`."""
        index = max(bisect_right(self.starts, time) - 1, 0)
        begin, length = self.starts[index], float(self.lengths[index])
        coefficients: list[float] = self.outer[index].tolist()
        coefficients.reverse()

        def current(at: float) -> float:
            place, value = (at - begin) / length, 0.0
            for coefficient in coefficients:
                value = value * place + coefficient
            return value

        return current

    def current_at(self, time: float) -> float:
        """Return the terminal current at one time, A."""
        return self.course(time)(time)

    def charge_at(self, time: float) -> tuple[float, float]:
        """Return C charged and C discharged until one time."""
        if len(self.turns) > 1:
            up, down = self.charges(np.array([time]))
            return float(up[0]), float(down[0])
        index = max(bisect_right(self.starts, time) - 1, 0)
        place = (time - self.starts[index]) / self.lengths[index]
        value = 0.0
        for coefficient in reversed((self.outer[index] * _SHARES).tolist()):
            value = value * place + coefficient
        net = float(self.passed[index] + value * place * self.lengths[index])
        return max(net, 0.0), max(-net, 0.0)

    @property
    def look(self) -> tuple[Array, Array]:
        """Return the times LOOK of each element, shape (E, places), and the terminal current there."""
        return self.begins[:, None] + self.lengths[:, None] * LOOK, self.outer @ _POWERS

    def currents(self, times: Array) -> Array:
        """Return the terminal current at `times`, A."""
        return self._polynomial(self.outer, *self._placed(times))

    def inners(self, times: Array) -> Array:
        """Return the memory current at `times`, A."""
        return self._polynomial(self.inner, *self._placed(times))

    def net(self, times: Array) -> Array:
        """Return the net charge until `times`, C."""
        index, place = self._placed(times)
        return np.asarray(
            self.passed[index] + self._polynomial(self.outer * _SHARES, index, place) * place * self.lengths[index]
        )

    def charges(self, times: Array) -> tuple[Array, Array]:
        """Return C charged and C discharged until `times`."""
        return self._parted(times, self.net(times))

    def read(self, times: Array) -> tuple[Array, Array, Array]:
        """Return terminal current (A), C charged and C discharged until `times`."""
        index, place = self._placed(times)
        net = self._polynomial(self.outer * _SHARES, index, place) * place * self.lengths[index] + self.passed[index]
        return self._polynomial(self.outer, index, place), *self._parted(times, net)

    def _parted(self, times: Array, net: Array) -> tuple[Array, Array]:
        if len(self.turns) == 1:
            return np.maximum(net, 0.0), np.maximum(-net, 0.0)
        since = np.searchsorted(self.turns, times, side="right") - 1
        more = net - (self.up - self.down)[since]
        return self.up[since] + np.maximum(more, 0.0), self.down[since] + np.maximum(-more, 0.0)

    def _placed(self, times: Array) -> tuple[NDArray[np.intp], Array]:
        index = np.maximum(np.searchsorted(self.begins, times, side="right") - 1, 0)
        return index, (times - self.begins[index]) / self.lengths[index]

    @staticmethod
    def _polynomial(coefficients: Array, index: NDArray[np.intp], place: Array) -> Array:
        return np.asarray(np.einsum("tk,tk->t", coefficients[index], place[:, None] ** _RISING))


def columns(begins: Array, lengths: Array, values: Array, demand: Demand) -> Columns:
    """Return the columns of node values (memory current), shape (E, DEGREE + 1)."""
    inner = values @ MONOMIAL.T
    outer = (
        inner if demand.leak == 0.0 else demand.current(values, begins[:, None] + lengths[:, None] * NODES) @ MONOMIAL.T
    )
    passed = np.zeros(len(begins))
    np.cumsum((lengths * (outer @ _SHARES))[:-1], out=passed[1:])
    zero = np.zeros(1)
    draft = Columns(begins, begins.tolist(), lengths, inner, outer, passed, zero, zero, zero)
    seen = outer @ _POWERS
    if seen.min() >= 0.0 or seen.max() <= 0.0:
        return draft
    return _turned(draft, np.flatnonzero((seen.max(axis=1) > 0.0) & (seen.min(axis=1) < 0.0)))


def _turned(draft: Columns, mixed: NDArray[np.intp]) -> Columns:
    """Return the columns with the times at which the current changes its sign."""
    turns = [0.0, *draft.begins.tolist()]
    for index in mixed:
        roots = np.roots(draft.outer[index][::-1])
        real = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
        turns += [float(draft.begins[index] + draft.lengths[index] * s) for s in real if 0.0 <= s <= 1.0]
    times = np.array(sorted(set(turns)))
    steps = np.diff(draft.net(times))
    up = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 0.0))])
    down = np.concatenate([[0.0], np.cumsum(np.maximum(-steps, 0.0))])
    return replace(draft, turns=times, up=up, down=down)

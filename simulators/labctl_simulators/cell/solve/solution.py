"""The solution of a held piece in arrays: current, charge and voltage at any time."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import comb
from typing import Final

import numpy as np

from labctl_simulators.cell.physics import Array
from labctl_simulators.cell.solve.demand import Demand
from labctl_simulators.cell.solve.element import DEGREE, MONOMIAL, NODES

LOOK: Final = np.linspace(0.0, 1.0, 2 * DEGREE + 1)
"""Places within an element at which events are looked for."""
_POWERS: Final = (LOOK[:, None] ** np.arange(DEGREE + 1)).T
_ASCENDING: Final = np.ascontiguousarray(MONOMIAL.T)
_RISING: Final = np.arange(DEGREE + 1.0)
SHARES: Final = 1.0 / np.arange(1, DEGREE + 2)
"""Coefficients in ascending powers -> the integral over 0..1."""
_SUMS: Final = np.vstack([np.ones(DEGREE + 1), SHARES])
_BERNSTEIN: Final = np.array([[comb(i, k) / comb(DEGREE, k) for i in range(DEGREE + 1)] for k in range(DEGREE + 1)])
"""Coefficients in ascending powers -> those of the Bernstein basis: a polynomial lies between the least and the largest."""


@dataclass(slots=True, eq=False, repr=False)
class Course:
    """Hold where the elements of a solution lie in time.

    Attributes:
        begins: s at which they begin, shape (E,).
        lengths: s, shape (E,).
        starts: the begins as plain floats.
        spans: the lengths as plain floats.
        look: the times LOOK of each element, shape (E, places).
    """

    begins: Array
    lengths: Array
    starts: list[float]
    spans: list[float]
    look: Array


def course(lengths: Sequence[float]) -> Course:
    """Return where elements of these lengths lie that follow each other from 0 s on."""
    starts = [0.0, *accumulate(lengths[:-1])]
    begins, sizes = np.array(starts), np.array(lengths)
    return Course(begins, sizes, starts, list(lengths), begins[:, None] + sizes[:, None] * LOOK)


@dataclass(slots=True, eq=False, repr=False)
class SolutionColumns:
    """Hold the solution in arrays.

    Attributes:
        course: where the elements lie.
        inner: coefficients of the memory current in ascending powers of the place 0..1, shape (E, DEGREE + 1).
        outer: the same of the current at the terminals.
        seen: the current at the terminals at the places LOOK, shape (E, places).
        passed: C passed until each element's begin, shape (E,).
        turns: times at which the terminal current changes its sign, ascending from 0.
        up: C charged until each turn.
        down: C discharged until each turn.
    """

    course: Course
    inner: Array
    outer: Array
    seen: Array
    passed: Array
    turns: Array
    up: Array
    down: Array

    def element(self, time: float) -> tuple[int, float]:
        """Return which element holds `time`, and how many s of it are over."""
        index = max(bisect_right(self.course.starts, time) - 1, 0)
        return index, time - self.course.starts[index]

    def until(self, time: float) -> tuple[int, float, Array]:
        """Return which element holds `time`, how many s of it are over, and the memory current in them.

        It is given by its coefficients in ascending powers of the share of those s that is over, times those s (C).
        """
        index, past = self.element(time)
        return index, past, self.inner[index] * (past * (past / self.course.spans[index]) ** _RISING)

    def current(self, time: float) -> Callable[[float], float]:
        """Return the terminal current (A) as a function of time, good within the element that holds `time`."""
        index, _ = self.element(time)
        begin, length = self.course.starts[index], self.course.spans[index]
        c0, c1, c2, c3, c4, c5, c6 = self.outer[index].tolist()

        def current(at: float) -> float:
            s = (at - begin) / length
            return c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * (c5 + s * c6)))))  # type: ignore[no-any-return]

        return current

    def charge_at(self, time: float) -> tuple[float, float]:
        """Return C charged and C discharged until one time."""
        if len(self.turns) > 1:
            up, down = self.charges(np.array([time]))
            return float(up[0]), float(down[0])
        index, past = self.element(time)
        place, share = past / self.course.spans[index], 0.0
        for coefficient in (self.outer[index] * SHARES).tolist()[::-1]:
            share = share * place + coefficient
        net = float(self.passed[index]) + share * past
        return max(net, 0.0), max(-net, 0.0)

    def currents(self, times: Array) -> Array:
        """Return the terminal current at `times`, A."""
        return self._sums(self.outer, times)[0]

    def inners(self, times: Array) -> Array:
        """Return the memory current at `times`, A."""
        return self._sums(self.inner, times)[0]

    def net(self, times: Array) -> Array:
        """Return the net charge until `times`, C."""
        return self._sums(self.outer, times)[1]

    def charges(self, times: Array) -> tuple[Array, Array]:
        """Return C charged and C discharged until `times`."""
        return self.read(times)[1:]

    def read(self, times: Array) -> tuple[Array, Array, Array]:
        """Return terminal current (A), C charged and C discharged until `times`."""
        current, net = self._sums(self.outer, times)
        return current, *self._parted(times, net)

    def _parted(self, times: Array, net: Array) -> tuple[Array, Array]:
        if len(self.turns) == 1:
            return np.maximum(net, 0.0), np.maximum(-net, 0.0)
        since = np.searchsorted(self.turns, times, side="right") - 1
        more = net - (self.up - self.down)[since]
        return self.up[since] + np.maximum(more, 0.0), self.down[since] + np.maximum(-more, 0.0)

    def _sums(self, coefficients: Array, times: Array) -> tuple[Array, Array]:
        """Return the current with these coefficients at `times`, A, and what of it has passed the terminals, C."""
        index = np.searchsorted(self.course.begins, times, side="right")
        index -= 1
        past = times - self.course.begins[index]
        terms = (past / self.course.lengths[index])[:, None] ** _RISING
        terms *= coefficients[index]
        current, passed = _SUMS.dot(terms.T)
        passed *= past
        passed += self.passed[index]
        return current, passed


def columns(course: Course, values: Array, demand: Demand) -> SolutionColumns:
    """Return the columns of node values (memory current), shape (E, DEGREE + 1)."""
    inner = outer = values.dot(_ASCENDING)
    if demand.leak != 0.0:
        times = course.begins[:, None] + course.lengths[:, None] * NODES
        outer = demand.current(values, times).dot(_ASCENDING)
    passed = np.zeros(len(inner))
    np.add.accumulate((course.lengths * outer.dot(SHARES))[:-1], out=passed[1:])
    seen = outer.dot(_POWERS)
    draft = SolutionColumns(course, inner, outer, seen, passed, _NOTHING, _NOTHING, _NOTHING)
    hull = outer.dot(_BERNSTEIN).ravel()
    return draft if hull[hull.argmin()] >= 0.0 or hull[hull.argmax()] <= 0.0 else _turned(draft)


_NOTHING: Final = np.zeros(1)


def _turned(draft: SolutionColumns) -> SolutionColumns:
    """Return the columns with the times at which the current changes its sign."""
    course, hull = draft.course, draft.outer.dot(_BERNSTEIN)
    turns = [0.0, *course.starts]
    for index in np.flatnonzero((hull.max(axis=1) > 0.0) & (hull.min(axis=1) < 0.0)):
        roots = np.roots(draft.outer[index][::-1])
        real = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
        turns += [course.starts[index] + course.spans[index] * float(s) for s in real if 0.0 <= s <= 1.0]
    times = np.array(sorted(set(turns)))
    steps = np.diff(draft.net(times))
    up = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 0.0))])
    down = np.concatenate([[0.0], np.cumsum(np.maximum(-steps, 0.0))])
    return replace(draft, turns=times, up=up, down=down)

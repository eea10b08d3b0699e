"""Open-circuit potentials as smooth tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.physics import WALL_WIDTH

Array = NDArray[np.float64]

INTERVALS: Final = 16384
WALL: Final = 20.0
"""V; U gains WALL (1 - x/WALL_WIDTH)² below WALL_WIDTH and loses the like above 1 - WALL_WIDTH: an empty or full surface is
met by every voltage limit before it is reached."""


class OpenCircuit(NamedTuple):
    """Hold U(x), x = stoichiometry 0..1, as a piecewise quadratic with a continuous slope.

    Attributes:
        coefficients: shape (INTERVALS, 3), ascending powers of the position 0..1 within an interval.
    """

    coefficients: Array

    def __call__(self, x: Any) -> Any:
        """Return U in V at stoichiometries inside 0..1."""
        if isinstance(x, float):
            line = min(max(int(x * INTERVALS), 0), INTERVALS - 1)
            inner = x * INTERVALS - line
            c0, c1, c2 = self.coefficients[line].tolist()
            return c0 + inner * (c1 + inner * c2)
        place = np.asarray(x, dtype=np.float64) * INTERVALS
        index = np.clip(place.astype(np.intp), 0, INTERVALS - 1)
        f = place - index
        c = self.coefficients[index]
        return np.asarray(c[..., 0] + f * (c[..., 1] + f * c[..., 2]))


class Lines(dict[int, tuple[float, float, float]]):
    """Hold the lines of a table as plain floats, each made as it is first looked at.

    Args:
        table: shape (INTERVALS, 3).
    """

    def __init__(self, table: Array) -> None:
        super().__init__()
        self.table = table

    def __missing__(self, index: int) -> tuple[float, float, float]:
        c0, c1, c2 = self.table[index].tolist()
        self[index] = line = (c0, c1, c2)
        return line


@dataclass(slots=True, eq=False, repr=False)
class Tables:
    """Hold the potentials of a cell's hosts as parts of its voltage: what they add, the positive's up, the negative's down.

    Attributes:
        columns: the three coefficients of all hosts one after the other, shape (3, hosts * INTERVALS).
        lines: the same for each host in plain floats.
    """

    columns: Array
    lines: tuple[Lines, ...]

    @staticmethod
    def of(coefficients: Sequence[Array]) -> "Tables":
        """Return the tables of one or two hosts, the positive first; coefficients as in `OpenCircuit`."""
        signed = [table * sign for table, sign in zip(coefficients, (1.0, -1.0), strict=False)]
        columns = np.ascontiguousarray(np.concatenate([table.T for table in signed], axis=1))
        return Tables(columns, tuple(Lines(table) for table in signed))


def from_function(function: Callable[[Array], Array], *, walled: bool = True) -> OpenCircuit:
    """Return the table of `function`, which is asked a little beyond 0..1 too; with walls at both ends unless told not.

    The slope is interpolated linearly and integrated; the sum is held to the function at every interval's begin to
    1e-7 V for features as narrow as 0.005.

    Raises:
        ValueError: the function is not finite there.
    """
    x = np.arange(-2, INTERVALS + 3) / INTERVALS
    smooth = np.array(function(x), dtype=np.float64)
    if not np.all(np.isfinite(smooth)):
        raise ValueError("wanted an open-circuit potential that is finite on 0..1, found one that is not")
    if walled:
        _wall(x, smooth)
    slope = (8.0 * (smooth[3:-1] - smooth[1:-3]) - smooth[4:] + smooth[:-4]) / 12.0
    start = smooth[2:-2]
    drift = start[1:] - start[:-1] - 0.5 * (slope[1:] + slope[:-1])
    slope[0] += drift[0]
    slope[1:-1] += 0.5 * (drift[1:] + drift[:-1])
    slope[-1] += drift[-1]
    table = np.empty((3, INTERVALS)).T  # a column is what is read at once
    table[:, 1] = slope[:-1]
    table[:, 2] = 0.5 * (slope[1:] - slope[:-1])
    table[0, 0] = start[0]
    table[1:, 0] = start[0] + np.cumsum(0.5 * (slope[1:-1] + slope[:-2]))
    return OpenCircuit(table)


def _wall(x: Array, smooth: Array) -> None:
    """Raise the walls at both ends."""
    smooth[x < WALL_WIDTH] += WALL * (1.0 - x[x < WALL_WIDTH] / WALL_WIDTH) ** 2
    smooth[x > 1.0 - WALL_WIDTH] -= WALL * (1.0 - (1.0 - x[x > 1.0 - WALL_WIDTH]) / WALL_WIDTH) ** 2


def from_terms(
    constant: float,
    linear: float = 0.0,
    exponentials: Sequence[tuple[float, float]] = (),
    steps: Sequence[tuple[float, float, float]] = (),
) -> OpenCircuit:
    """Return U = constant + linear x + sum a exp(r x) + sum a tanh((x - c) / w).

    Args:
        constant: V.
        linear: V.
        exponentials: (a in V, r) each.
        steps: (a in V, c, w) each.
    """

    def function(x: Array) -> Array:
        total = constant + linear * x
        for amplitude, rate in exponentials:
            total = total + amplitude * np.exp(rate * x)
        for amplitude, centre, width in steps:
            total = total + amplitude * np.tanh((x - centre) / width)
        return total

    return from_function(function)


def from_table(x: Sequence[float], u: Sequence[float], *, walled: bool = True) -> OpenCircuit:
    """Return the monotone cubic (Fritsch and Butland 1984) through measured points, straight beyond them.

    Raises:
        ValueError: fewer than two points, or x not ascending.
    """
    xs, us = np.asarray(x, dtype=np.float64), np.asarray(u, dtype=np.float64)
    if len(xs) < 2 or len(xs) != len(us) or np.any(np.diff(xs) <= 0.0):
        raise ValueError("wanted at least two points with ascending stoichiometry, found others")
    return from_function(lambda at: _monotone(xs, us, at), walled=walled)


def _monotone(x: Array, u: Array, at: Array) -> Array:
    h = np.diff(x)
    secant = np.diff(u) / h
    slope = np.concatenate([secant[:1], np.zeros(len(x) - 2), secant[-1:]])
    if len(x) > 2:
        before, after = secant[:-1], secant[1:]
        w1, w2 = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
        same = before * after > 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            slope[1:-1] = np.where(same, (w1 + w2) / (w1 / before + w2 / after), 0.0)
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    f = (at - x[k]) / h[k]
    a, b, left, right = slope[k] * h[k], slope[k + 1] * h[k], u[k], u[k + 1]
    cubic = left + f * (a + f * (3.0 * (right - left) - 2.0 * a - b + f * (2.0 * (left - right) + a + b)))
    below = u[0] + slope[0] * (at - x[0])
    above = u[-1] + slope[-1] * (at - x[-1])
    return np.where(at < x[0], below, np.where(at > x[-1], above, cubic))

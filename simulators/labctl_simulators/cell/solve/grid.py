"""Tables of times: exponentials on even grids and rungs of durations, kept with the memory."""

from dataclasses import dataclass
from math import ceil, floor, inf, isqrt, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.physics import Array, Memory

CHUNK: Final = 4096
KEPT: Final = 256
FEW: Final = 128
"""Times for which a whole table of exponentials is kept."""
OVER: Final = 45.0
"""exp(-OVER) is below rounding."""


@dataclass(slots=True, eq=False, repr=False)
class Grid:
    """Hold the tables of an even grid of times.

    Attributes:
        count: of the times that lie on it: all, or all but the last.
        rows: for each row which terms it takes (weights, ramp, offset, ramp), exp(-a (first + j k h)) with the columns
            (begin, 1, 1), and exp(-a i h) with the lines (1, 1, i h).
    """

    count: int
    rows: tuple[tuple[NDArray[np.intp], Array, Array], ...]


def even_grid(linear: Memory, times: Array) -> Grid | None:
    """Return the tables if the times are even (the last may be off), else None; kept with the memory."""
    small = len(times) <= CHUNK
    key = times.tobytes() if small else (float(times[0]), float(times[1]), float(times[-2]), len(times))
    known = linear.kept.get(key)
    if known is not None and small:
        return known or None
    count = len(times) - 1
    first, spacing = float(times[0]), float(times[-2] - times[0]) / (count - 1)
    even = first + spacing * np.arange(count + 1)
    even -= times
    if max(even[:-1].max(), -even[:-1].min()) > 4e-16 * times[-1]:
        linear.kept[key] = ()
        return None
    if known is None:
        count += abs(even[-1]) <= 4e-16 * times[-1]
        known = linear.kept[key] = Grid(count, _products(linear, first, spacing, count))
        if len(linear.kept) > KEPT:
            linear.kept.clear()
    return known


def _products(
    linear: Memory, first: float, spacing: float, count: int
) -> tuple[tuple[NDArray[np.intp], Array, Array], ...]:
    width = max(isqrt(count), 1)
    begins = first + spacing * width * np.arange(-(-count // width))
    inner = spacing * np.arange(width)
    coarse = np.exp(begins[:, None] * -linear.rate)
    fine = np.exp(-linear.rate[:, None] * inner)
    one, ones = np.ones((len(begins), 1)), np.ones(width)
    return tuple(
        (
            np.append(np.arange(linear.poles)[part], (linear.ramps + row, linear.poles + row, linear.ramps + row)),
            np.hstack([coarse[:, part], begins[:, None], one, one]),
            np.vstack([fine[part], ones, ones, inner]),
        )
        for row, part in enumerate(linear.parts)
    )


def terms_at(linear: Memory, times: Array) -> Array:
    """Return the values of the terms: exp(-a t), 1 for each row, t for each row; shape (n + 2 m, T)."""
    table = np.empty((linear.belongs.shape[1], len(times)))
    decaying = table[: linear.poles]
    np.multiply.outer(linear.rate, -times, out=decaying)
    np.maximum(decaying, -OVER, out=decaying)
    np.exp(decaying, out=decaying)
    table[linear.poles : linear.ramps] = 1.0
    table[linear.ramps :] = times
    return table


def few(linear: Memory, times: Array) -> Array:
    """Return the values of the terms at no more than FEW times; kept with the memory."""
    key = times.tobytes()
    known = linear.kept.get(key)
    if known is None:
        if len(linear.kept) > KEPT:
            linear.kept.clear()
        known = linear.kept[key] = terms_at(linear, times)
    return np.asarray(known)


def alive(linear: Memory, time: float) -> list[list[tuple[int, float]]]:
    """Return for each row the poles that are not over at `time`, with what they fall by; kept with the memory."""
    step = floor(log2(time)) if time > 0.0 else None
    known = linear.kept.get(("alive", step))
    if known is None:
        least = -OVER / 2.0**step if step is not None else -inf
        falls = list(enumerate(linear.falls))
        known = [[own for own in falls[part] if own[1] > least] for part in linear.parts]
        linear.kept["alive", step] = known
    return known


def rung(time: float) -> float:
    """Return a time at or above `time`, one of few, so that tables made for one serve for many."""
    return float(2.0 ** (ceil(log2(time) * 4.0) / 4.0)) if 0.0 < time < inf else time

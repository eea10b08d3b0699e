"""Tables of one time element: current a polynomial in time, memory exact.

On an element of length h the memory current is a polynomial of degree DEGREE through its values at the nodes. The
memory's answer to it is known in closed form, so that there is no time-stepping error in the memory at all; the only
error is that of representing the current.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from labctl_simulators.cell.chemistry import Array, Memory

DEGREE: Final = 6
NODES: Final = 0.5 - 0.5 * np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
"""Chebyshev-Lobatto points on 0..1."""
BETWEEN: Final = 0.5 * (NODES[1:] + NODES[:-1])
"""Where a solution is checked."""
MONOMIAL: Final = np.linalg.inv(np.vander(NODES, increasing=True))
"""Values at the nodes -> coefficients of ascending powers."""
_KEPT: Final = 400


def moments(y: Array, count: int) -> Array:
    """Return I_k = int_0^1 exp(-y (1 - s)) s^k ds for k < count, shape (count, *y.shape), y >= 0."""
    found = np.empty((count, *y.shape))
    small = y < 4.0
    near = np.where(small, y, 0.0)
    term = np.full(y.shape, 1.0 / count)
    total = term.copy()
    for j in range(1, 34):
        term = term * -near / (count + j)
        total += term
    found[count - 1] = total
    for k in range(count - 1, 0, -1):
        found[k - 1] = (1.0 - near * found[k]) / k
    far = np.where(small, 8.0, y)
    forward = -np.expm1(-far) / far
    for k in range(count):
        if k:
            forward = (1.0 - k * forward) / far
        found[k] = np.where(small, found[k], forward)
    return found


def responses(memory: Memory, h: float, places: Array) -> tuple[Array, Array]:
    """Return the memory at `places` (0..1) of an element of length h.

    Returns:
        decay: exp(-a h s), shape (places, n); values: x per unit node value, shape (places, n, DEGREE + 1).
    """
    y = np.multiply.outer(places * h, memory.rate)
    powers = places[None, :] ** (np.arange(DEGREE + 1)[:, None] + 1)
    weights = moments(y, DEGREE + 1) * (h * powers[:, :, None]) * memory.drive
    return np.exp(-y), np.einsum("kpn,kj->pnj", weights, MONOMIAL)


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """Hold the tables of an element of one length.

    Attributes:
        h: length, s.
        decay: exp(-a h s) at nodes 1.., then BETWEEN, shape (2 DEGREE, n).
        answer: surface values there per unit node value at unit gain, shape (m, 2 DEGREE, DEGREE + 1).
        end: memory at the element's end per unit node value, shape (n, DEGREE + 1).
    """

    h: float
    decay: Array
    answer: Array
    end: Array


def element(memory: Memory, h: float) -> Element:
    """Return the tables of an element of length h; kept with the memory."""
    key = ("element", h)
    known = memory.kept.get(key)
    if known is None:
        known = memory.kept[key] = _element(memory, h)
        if len(memory.kept) > _KEPT:
            memory.kept.clear()
    return known  # type: ignore[no-any-return]


def _element(memory: Memory, h: float) -> Element:
    places = np.concatenate([NODES[1:], BETWEEN])
    decay, values = responses(memory, h, places)
    answer = np.einsum("pnj,nm->mpj", values, memory.own)
    charge = charges(places) * h
    current = lagrange(places)
    answer += memory.integrator[:, None, None] * charge + memory.feed[:, None, None] * current
    return Element(h, decay, answer, values[DEGREE - 1])


def lagrange(places: Array) -> Array:
    """Return the current at `places` per unit node value, shape (places, DEGREE + 1)."""
    return np.asarray(places[:, None] ** np.arange(DEGREE + 1) @ MONOMIAL)


def charges(places: Array) -> Array:
    """Return the charge passed until `places` per unit node value and length, shape (places, DEGREE + 1)."""
    power = np.arange(1, DEGREE + 2)
    return np.asarray((places[:, None] ** power / power) @ MONOMIAL)


@lru_cache(maxsize=1)
def whole() -> Array:
    """Return the charge of a whole element of unit length per unit node value, shape (DEGREE + 1,)."""
    return charges(np.ones(1))[0]

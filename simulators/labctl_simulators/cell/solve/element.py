"""Tables of one time element: current a polynomial in time, memory exact.

On an element of length h the memory current is a polynomial of degree DEGREE through its values at the nodes. The
memory's answer to it is known in closed form, so that there is no time-stepping error in the memory at all; the only
error is that of representing the current.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import factorial, perm
from typing import Final

import numpy as np

from labctl_simulators.cell.physics import Array, Memory

DEGREE: Final = 6
NODES: Final = 0.5 - 0.5 * np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
"""Chebyshev-Lobatto points on 0..1."""
BETWEEN: Final = 0.5 * (NODES[1:] + NODES[:-1])
"""Where a solution is checked."""
MONOMIAL: Final = np.linalg.inv(np.vander(NODES, increasing=True))
"""Values at the nodes -> coefficients of ascending powers."""
MIDDLE: Final = BETWEEN[:, None] ** np.arange(DEGREE + 1) @ MONOMIAL
"""Values at the nodes -> values at BETWEEN."""
_ORDERS: Final = np.arange(1, DEGREE + 2)
_KEPT: Final = 400


def moments(y: Array, count: int) -> Array:
    """Return I_k = int_0^1 exp(-y (1 - s)) s^k ds for k < count <= DEGREE + 1, shape (count, *y.shape), y >= 0.

    Gauss's quadrature below 2; above, integration by parts, which loses three digits at most there.
    """
    shape, y = y.shape, y.ravel()
    fading = np.exp(_BACK * np.minimum(y, _OVER))
    over = np.maximum(y, 2.0) ** _FALLING
    beyond = _PARTS[:count].dot(over)
    over = _TAILS[:count] * over[:count]
    over *= fading[-1]
    beyond += over
    return np.asarray(np.where(y < 2.0, _GAUSS[:count].dot(fading[:-1]), beyond).reshape(count, *shape))


def _gauss(count: int) -> tuple[Array, Array]:
    """Return the nodes of Gauss's quadrature on 0..1, then 0, minus 1; and its weights times the powers of the nodes.

    From the eigenvalues of the Legendre polynomials' recurrence (G. H. Golub, J. H. Welsch, Math. Comp. 23 (1969) 221).
    """
    k = np.arange(1.0, count)
    beside = np.diag(k / np.sqrt(4.0 * k * k - 1.0), 1)
    abscissae, vectors = np.linalg.eigh(beside + beside.T)
    nodes = 0.5 * (abscissae + 1.0)
    return np.append(nodes - 1.0, -1.0)[:, None], vectors[0] ** 2 * nodes ** np.arange(DEGREE + 1)[:, None]


_OVER: Final = 45.0  # exp(-45) is below rounding; far beyond it numpy slows down
_BACK, _GAUSS = _gauss(12)
_FALLING: Final = -np.arange(1.0, DEGREE + 2.0)[:, None]
_PARTS: Final = np.array(
    [[(-1.0) ** j * perm(k, j) if j <= k else 0.0 for j in range(DEGREE + 1)] for k in range(DEGREE + 1)]
)
_TAILS: Final = np.array([[(-1.0) ** (k + 1) * factorial(k)] for k in range(DEGREE + 1)])


def responses(memory: Memory, h: float, places: Array) -> tuple[Array, Array]:
    """Return the memory at `places` (0..1) of an element of length h.

    Returns:
        decay: exp(-a h s), shape (places, n); values: x per unit node value, shape (places, n, DEGREE + 1).
    """
    y = np.multiply.outer(places * h, memory.rate)
    powers = places[None, :] ** _ORDERS[:, None]
    weights = moments(y, DEGREE + 1) * ((h * powers)[:, :, None] * memory.drive)
    return np.exp(-y), np.moveaxis(weights, 0, -1) @ MONOMIAL


def response(memory: Memory, time: float, coefficients: Array) -> tuple[Array, Array]:
    """Return exp(-a t) and the memory by unit drive, both (n,), that a polynomial current leaves after `time` s.

    As the moments, with the polynomial's coefficients drawn in first.

    Args:
        memory: the linear memory.
        time: s.
        coefficients: of the current times `time` in ascending powers of the share of `time` that is over, C, shape
            (DEGREE + 1,).
    """
    y = memory.rate * time
    fading = np.exp(_BACK * np.minimum(y, _OVER))
    over = np.maximum(y, 2.0) ** _FALLING
    beyond = coefficients.dot(_PARTS).dot(over)
    beyond += (coefficients * _TAILS[:, 0]).dot(over) * fading[-1]
    return fading[-1], np.where(y < 2.0, coefficients.dot(_GAUSS).dot(fading[:-1]), beyond)


@dataclass(slots=True, eq=False, repr=False)
class TimeElement:
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


def element(memory: Memory, h: float) -> TimeElement:
    """Return the tables of an element of length h; kept with the memory."""
    key = ("element", h)
    known = memory.kept.get(key)
    if known is None:
        known = memory.kept[key] = _element(memory, h)
        if len(memory.kept) > _KEPT:
            memory.kept.clear()
    return known


def _element(memory: Memory, h: float) -> TimeElement:
    places = np.concatenate([NODES[1:], BETWEEN])
    decay, values = responses(memory, h, places)
    answer = np.einsum("pnj,nm->mpj", values, memory.own)
    charge = charges(places) * h
    current = lagrange(places)
    answer += memory.integrator[:, None, None] * charge + memory.feed[:, None, None] * current
    return TimeElement(h, decay, answer, values[DEGREE - 1])


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
    return np.asarray(charges(np.ones(1))[0])

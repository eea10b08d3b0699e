"""Find where a residual vanishes, with few matrices: Newton's method with an inverse that is kept while it serves."""

from collections.abc import Callable
from math import inf, sqrt
from typing import Final

import numpy as np

from labctl_simulators.cell.physics import Array

CONTRACTION: Final = 0.03
"""A kept inverse that contracts less than this is made anew."""
ROUNDING: Final = 1e-10
"""A residual below this that does not contract is one of rounding."""
MOST: Final = 16


def newton(
    residual: Callable[[Array], Array | None],
    matrix_at: Callable[[Array], Array],
    values: Array,
    inverse: Array | None,
    solved: float,
) -> tuple[Array, Array | None] | None:
    """Return values whose residual vanishes, and the inverse of the matrix near them; None where none are found.

    The last step is not looked at where the contraction so far says what it leaves.

    Args:
        residual: of values; None where there is none.
        matrix_at: returns its matrix at the values that were looked at last.
        values: to begin with.
        inverse: that of a like problem; None: not known.
        solved: a residual (norm) below this has vanished.
    """
    before, size = inf, inf
    for _ in range(MOST):
        error = residual(values)
        size = inf if error is None else sqrt(error.dot(error))
        if error is None or not size < inf:
            return None
        if size <= solved or (size < ROUNDING and size > 0.2 * before):
            return values, inverse
        if inverse is None or size > CONTRACTION * before:
            inverse, before = inverted(matrix_at(values)), inf
            if inverse is None:
                return None
        values = values - inverse.dot(error)
        if size * size <= solved * before < inf:
            return values, inverse
        before = size
    return (values, inverse) if size < ROUNDING else None


def derivative(slope: Array, answer: Array, direct: Array) -> Array:
    """Return how the voltage at N places depends on N currents, shape (N, N).

    Args:
        slope: dV/dz at the places, shape (m, N).
        answer: of the surface values there to each current, shape (m, N, N).
        direct: dV/du there, shape (N,).
    """
    total = slope[0][:, None] * answer[0]
    for own, answers in zip(slope[1:], answer[1:], strict=True):
        total += own[:, None] * answers
    total.ravel()[:: len(total) + 1] += direct
    return np.asarray(total)


def inverted(matrix: Array) -> Array | None:
    """Return the inverse of a matrix; None where there is none."""
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return None

"""Find where a residual vanishes, with few matrices: Newton's method with a kept inverse that learns from each step."""

from collections.abc import Callable
from math import inf, sqrt
from typing import Final

import numpy as np

from labctl_simulators.cell.chemistry import Array

CONTRACTION: Final = 0.03
"""A kept inverse that contracts less than this is made anew."""
LEARN: Final = 0.01
"""One that contracts less than this is worth teaching."""
ROUNDING: Final = 1e-10
"""A residual below this that does not contract is one of rounding."""
MOST: Final = 16


def newton(
    residual: Callable[[Array], Array | None],
    inverse_at: Callable[[Array], Array | None],
    values: Array,
    inverse: Array | None,
    solved: float,
) -> tuple[Array, Array | None] | None:
    """Return values whose residual vanishes, and the inverse of the matrix near them; None where none are found.

    The last step is not looked at where the contraction so far says what it leaves.

    Args:
        residual: of values; None where there is none.
        inverse_at: returns the inverse of its matrix at the values that were looked at last, or None.
        values: to begin with.
        inverse: that of a like problem; None: not known.
        solved: a residual (norm) below this has vanished.
    """
    before, size, step = inf, inf, None
    for _ in range(MOST):
        error = residual(values)
        size = inf if error is None else sqrt(error.dot(error))
        if error is None or not size < inf:
            return None
        if size <= solved or (size < ROUNDING and size > 0.2 * before):
            return values, inverse
        if inverse is None or size > CONTRACTION * before:
            inverse, before, step = inverse_at(values), inf, None
            if inverse is None:
                return None
        more = inverse.dot(error)
        if step is not None and size > LEARN * before:
            inverse, more = _learnt(inverse, step, more)
        values = values - more
        if size * size <= solved * before < inf:
            return values, inverse
        step, before = more, size
    return (values, inverse) if size < ROUNDING else None


def derivative(slope: Array, answer: Array, direct: Array) -> Array:
    """Return how the voltage at N places depends on N currents, shape (N, N).

    Args:
        slope: dV/dz at the places, shape (m, N).
        answer: of the surface values there to each current, shape (m, N, N).
        direct: dV/du there, shape (N,).
    """
    found = slope[0][:, None] * answer[0]
    for own, answers in zip(slope[1:], answer[1:], strict=True):
        found += own[:, None] * answers
    found.ravel()[:: len(found) + 1] += direct
    return np.asarray(found)


def inverted(matrix: Array) -> Array | None:
    """Return the inverse of a matrix; None where there is none."""
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return None


def _learnt(inverse: Array, step: Array, more: Array) -> tuple[Array, Array]:
    """Return the inverse, and the next step, after `step` (subtracted) has left a residual that asks for `more`.

    C. G. Broyden's first method (Math. Comp. 19 (1965) 577): the inverse of the matrix that explains what was seen.
    """
    along = step.dot(inverse)
    share = more / step.dot(step - more)
    return inverse + share[:, None] * along, more + share * step.dot(more)

"""Confidence intervals of straight lines: 95 %, by Student's t of what the line leaves."""

from typing import Final, NamedTuple

import numpy as np

from labctl.sample import Floats

CONFIDENCE: Final = 0.95


class FittedLine(NamedTuple):
    """A least-squares line.

    Attributes:
        slope: Of it.
        intercept: Its height at 0.
        spread: Half the 95 % confidence interval of the slope; NaN of two points.
        fit: R2.
        height: Half the 95 % confidence interval of the intercept; NaN of two points.
        noise: Standard deviation of y about it; NaN of two points.
    """

    slope: float
    intercept: float
    spread: float
    fit: float
    height: float
    noise: float


def student(freedom: int) -> float:
    """Return how many standard errors half a 95 % confidence interval is; NaN without a degree of freedom."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)) if freedom > 0 else float("nan")


def line(x: Floats, y: Floats) -> FittedLine:
    """Return the least-squares line of y over x, errors in y alone, all of one size."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    dx, dy = x - x.mean(), y - y.mean()
    width, height = float(dx @ dx), float(dy @ dy)
    slope = float(dx @ dy) / width
    left = dy - slope * dx
    rest, freedom = float(left @ left), len(x) - 2
    spread = student(freedom) * np.sqrt(rest / max(freedom, 1) / width)
    return FittedLine(
        slope,
        float(y.mean() - slope * x.mean()),
        float(spread),
        1.0 - rest / height if height > 0 else 1.0,
        float(spread * np.sqrt(np.mean(x**2))),
        np.sqrt(rest / freedom) if freedom else float("nan"),
    )


class Mean(NamedTuple):
    """A mean with half its 95 % confidence interval; NaN of one value."""

    value: float
    spread: float


def mean(values: Floats) -> Mean:
    """Return the mean of values whose errors are independent and of one size."""
    values = np.asarray(values, dtype=float)
    freedom = len(values) - 1
    error = float(np.std(values, ddof=1)) / np.sqrt(len(values)) if freedom > 0 else float("nan")
    return Mean(float(np.mean(values)), float(student(freedom) * error))

"""The distribution of relaxation times of a spectrum: Tikhonov's regularisation with non-negative resistances."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from labctl.analysis.impedance.model import Complex, Real

PER_DECADE: Final = 10
BEYOND: Final = 0.5  # decades of time constants on either side of the measured ones
LAMBDAS: Final = np.geomspace(1e-3, 10.0, 25)
PENALTY: Final = 2.0
"""How often each degree of freedom counts: with 1 the distribution is rough, with side lobes (Kim and Gu, J. R. Stat. Soc. B 66
(2004) 337, for factors above 1)."""
LEAST_PEAK: Final = 0.02  # of the polarisation resistance: smaller maxima are ripples


@dataclass(frozen=True, slots=True)
class Peak:
    """A process: where its maximum is (s), and the resistance below it (ohm)."""

    time: float
    resistance: float


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A distribution of relaxation times.

    Attributes:
        time: Time constants, s, rising.
        density: Resistance per decade of time constant, ohm.
        ohmic: Series resistance, ohm.
        inductance: Series inductance, H.
        regularisation: The lambda that generalised cross-validation chose.
        peaks: From short to long times.
        residual: Largest residual over |Z|.
    """

    time: Real
    density: Real
    ohmic: float
    inductance: float
    regularisation: float
    peaks: tuple[Peak, ...]
    residual: float


def relaxation_times(
    frequency: Real, spectrum: Complex, regularisation: float | None = None, *, blocking: bool = False
) -> Relaxation:
    """Return the distribution of relaxation times.

    Z = R + jwL + sum of r_k/(1 + jw t_k), weighted by 1/|Z|, with r_k >= 0 and the curvature of r over log t penalised by lambda.
    Where no `regularisation` is given, lambda is the minimum of generalised cross-validation of the same problem without the
    sign (Golub, Heath and Wahba, Technometrics 21 (1979) 215), every degree of freedom counted twice. A
    branch that does not close shows as resistance at the longest times, unless `blocking` puts a capacitance in series.

    Source: Wan, Saccoccio, Chen and Ciucci, Electrochim. Acta 184 (2015) 483, for regularised distributions in general.

    Raises:
        ValueError: Fewer than six frequencies.
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

    if len(frequency) < 6:
        raise ValueError(
            f"wanted at least 6 frequencies for a distribution of relaxation times, found {len(frequency)}"
        )
    omega = 2.0 * np.pi * np.asarray(frequency, dtype=float)
    low, high = np.log10(1.0 / omega.max()) - BEYOND, np.log10(1.0 / omega.min()) + BEYOND
    times = np.logspace(low, high, int((high - low) * PER_DECADE) + 1)
    size = np.abs(spectrum)
    chain = 1.0 / (1.0 + 1j * omega[:, None] * times)
    series = [np.ones_like(omega), 1j * omega / omega.max(), -1j * omega.min() / omega][: 3 if blocking else 2]
    columns = np.column_stack([chain, *series])
    weighted = columns / size[:, None]
    matrix = np.concatenate([weighted.real, weighted.imag])
    wanted = np.concatenate([spectrum.real / size, spectrum.imag / size])
    scale = float(np.median(size))
    curvature = np.zeros((len(times), columns.shape[1]))
    curvature[:, : len(times)] = (
        np.diag(np.full(len(times), -2.0)) + np.eye(len(times), k=1) + np.eye(len(times), k=-1)
    ) / scale
    chosen = _cross_validated(matrix, wanted, curvature) if regularisation is None else regularisation
    whole = np.concatenate([matrix, np.sqrt(chosen) * curvature])
    unit = np.linalg.norm(whole, axis=0)
    solution = nnls(whole / unit, np.concatenate([wanted, np.zeros(len(times))]))[0] / unit
    left = wanted - matrix @ solution
    chain_values = solution[: len(times)]
    return Relaxation(
        times,
        chain_values * PER_DECADE,
        float(solution[len(times)]),
        float(solution[len(times) + 1] / omega.max()),
        float(chosen),
        _peaks(times, chain_values),
        float(np.max(np.abs(left))),
    )


def _cross_validated(matrix: Real, wanted: Real, curvature: Real) -> float:
    """Return the lambda with the least generalised cross-validation error of the linear problem.

    With the penalty's Cholesky factor the problem takes its standard form, whose filter factors one decomposition gives.
    """
    from scipy.linalg import solve_triangular  # noqa: PLC0415 - slow to import

    rough = curvature.T @ curvature
    factor = np.linalg.cholesky(rough + 1e-9 * np.trace(rough) / len(rough) * np.eye(len(rough)))
    left, singular, _ = np.linalg.svd(solve_triangular(factor, matrix.T, lower=True).T, full_matrices=False)
    projected = left.T @ wanted
    rest = float(wanted @ wanted - projected @ projected)
    kept = LAMBDAS[:, None] / (singular**2 + LAMBDAS[:, None])  # part of each component that stays a residual
    residual = np.sum((kept * projected) ** 2, axis=1) + rest
    freedom = len(wanted) - PENALTY * np.sum(1.0 - kept, axis=1)
    return float(LAMBDAS[np.argmin(np.where(freedom > 0, residual / freedom**2, np.inf))])


def _peaks(times: Real, resistances: Real) -> tuple[Peak, ...]:
    """Return the maxima of a distribution that count, each with all that lies nearer to it than the minimum beside it."""
    total = float(resistances.sum())
    inner = np.flatnonzero((resistances[1:-1] > resistances[:-2]) & (resistances[1:-1] >= resistances[2:])) + 1
    kept = [
        int(at) for at, area in zip(inner, _areas(resistances, inner), strict=True) if area >= LEAST_PEAK * total > 0
    ]
    areas = _areas(resistances, np.array(kept, dtype=int))
    return tuple(Peak(_vertex(np.log(times), resistances, at), area) for at, area in zip(kept, areas, strict=True))


def _areas(resistances: Real, tops: np.ndarray) -> list[float]:
    """Return the resistance around each of several maxima, divided at the minima between them."""
    inner = [int(a + np.argmin(resistances[a : b + 1])) for a, b in pairwise(tops)]
    return [float(resistances[begin:end].sum()) for begin, end in pairwise([0, *inner, len(resistances)])][: len(tops)]


def _vertex(place: Real, height: Real, at: int) -> float:
    """Return the time constant at the top of the parabola through a maximum and its neighbours."""
    below, top, above = height[at - 1], height[at], height[at + 1]
    curve = below - 2.0 * top + above
    shift = 0.5 * (below - above) / curve if curve else 0.0
    return float(np.exp(place[at] + shift * (place[at + 1] - place[at])))

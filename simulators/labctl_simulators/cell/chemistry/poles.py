"""Pole tables: transfer functions as sums of positive poles, from tables that `pole_fit` writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.chemistry import pole_tables

Array = NDArray[np.float64]
Diffusion = Literal["sphere", "film", "open_end"]


@dataclass(slots=True, eq=False, repr=False)
class Poles:
    """Hold G(s) = integrator/s + sum residue/(s + rate) + feed, all positive; s in units of the element's own time.

    Attributes:
        rate: poles, ascending, shape (n,).
        residue: residues, shape (n,).
        feed: value far above the last pole.
        integrator: residue at s = 0.
    """

    rate: Array
    residue: Array
    feed: float = 0.0
    integrator: float = 0.0

    def transfer(self, s: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return G(s), shape of `s`."""
        s = np.asarray(s, dtype=np.complex128)
        total = (self.residue / (s[..., None] + self.rate)).sum(axis=-1) + self.feed
        return np.asarray(total + self.integrator / s if self.integrator else total)


@lru_cache(maxsize=8)
def diffusion(kind: Diffusion) -> Poles:
    """Return surface value over flux: `sphere` (s in D/R²), `film` (blocked back) or `open_end` (both s in D/L²).

    Good to 1e-3 (sphere 4e-4, film 6e-4, open end 9e-4) up to |s| = 1e6.
    """
    rate, residue, feed, integrator = pole_tables.DIFFUSION[kind]
    return Poles(np.array(rate), np.array(residue), feed, integrator)


def _nearest(table: Mapping[float, tuple[tuple[float, ...], tuple[float, ...]]], alpha: float) -> tuple[Array, float]:
    near = min(table, key=lambda known: abs(known - alpha))
    return np.log(np.concatenate(table[near])), abs(near - alpha)


@lru_cache(maxsize=32)
def zarc(alpha: float) -> Poles:
    """Return R ‖ CPE with R = 1 (s in units of 1/(R Q)^(1/alpha)); ten decades about its own frequency.

    Args:
        alpha: exponent of the CPE, 0.5..1; one that is not tabulated (steps of 0.05) is fitted once.

    Raises:
        ValueError: `alpha` lies outside 0.5..1.
    """
    return _distributed("zarc", alpha)


@lru_cache(maxsize=32)
def cpe(alpha: float) -> Poles:
    """Return a constant phase element s^-alpha; ten decades about s = 1, exact 1/s for alpha = 1.

    Args:
        alpha: exponent, 0.5..1; one that is not tabulated (steps of 0.05) is fitted once.

    Raises:
        ValueError: `alpha` lies outside 0.5..1.
    """
    return _distributed("cpe", alpha)


def _distributed(kind: Literal["zarc", "cpe"], alpha: float) -> Poles:
    if not 0.5 <= alpha <= 1.0:
        raise ValueError(f"wanted an exponent of a constant phase element in 0.5..1, found {alpha}")
    if alpha == 1.0:
        return (
            Poles(np.ones(1), np.ones(1)) if kind == "zarc" else Poles(np.ones(0), np.ones(0), feed=0.0, integrator=1.0)
        )
    start, distance = _nearest(pole_tables.ZARC if kind == "zarc" else pole_tables.CPE, alpha)
    if distance > 1e-9:
        from labctl_simulators.cell.chemistry import pole_fit  # noqa: PLC0415  # only for exponents that no table holds

        fitted = pole_fit.fit_zarc if kind == "zarc" else pole_fit.fit_cpe
        start = fitted(alpha, len(start) // 2, start)
    n = len(start) // 2
    order = np.argsort(start[:n])
    return Poles(np.exp(start[:n])[order], np.exp(start[n:])[order])

"""Diffusion in a particle or a film whose diffusivity depends on the composition: the profile in smooth modes.

The profile is a sum of even polynomials of the radius, orthonormal in the volume, of which the first is the mean. With the
diffusivity frozen at a profile, the weak form of the diffusion equation (Galerkin) is a symmetric matrix between the
others, and its eigenvectors are poles of a linear memory as those of a constant diffusivity are:

    y' = -S y + p(1) x',  S = integral of d(x(r)) grad p grad p,  x' the rate of the mean

A state keeps each mode in the unit of the surface stoichiometry (y times p(1)), so that the surface is the sum of them all,
whatever the diffusivity; `PoleTurn` leads from there to the poles and back.
"""

from functools import lru_cache
from typing import Final, Literal, NamedTuple

import numpy as np

from labctl_simulators.cell.physics import Array

MODES: Final = 16
"""Of a profile; a constant diffusivity needs 12 poles for four digits at 1e-6 of the diffusion time."""
PLACES: Final = 48
"""At which a profile is looked at."""
FAINT: Final = 1e-7
"""Least share of a surface in a pole: one of the core alone is hidden behind a slow shell."""


class Modes(NamedTuple):
    """Hold the modes of one shape.

    Attributes:
        profile: stoichiometry at each place for one unit of each mode at the surface, shape (PLACES, MODES).
        slopes: derivatives by the radius of the orthonormal modes, times the root of each place's share of the
            volume, shape (PLACES, MODES).
        surface: the orthonormal modes at the surface, shape (MODES,).
    """

    profile: Array
    slopes: Array
    surface: Array


@lru_cache(maxsize=2)
def modes(shape: Literal["sphere", "film"]) -> Modes:
    """Return the modes of a shape; radius or depth are in units of the whole."""
    nodes, weights = np.polynomial.legendre.leggauss(PLACES)
    r = 0.5 * (nodes + 1.0)
    share = 0.5 * weights * (3.0 * r**2 if shape == "sphere" else 1.0)
    even = np.eye(2 * MODES + 2)[::2]  # P0, P2, P4, ...
    legendre = np.polynomial.legendre
    values, ends = legendre.legval(r, even.T), np.ones(len(even))
    steep = legendre.legval(r, legendre.legder(even.T))
    triangle = np.linalg.qr((np.sqrt(share) * values).T, mode="r")
    back = np.linalg.inv(triangle)
    surface = ends @ back
    sign = np.sign(surface)
    return Modes(
        (values.T @ back / surface)[:, 1:],
        np.sqrt(share)[:, None] * (steep.T @ back * sign)[:, 1:],
        (surface * sign)[1:],
    )


class PoleTurn(NamedTuple):
    """Hold the poles of a profile with a frozen diffusivity.

    Attributes:
        rate: 1/s, ascending, shape (MODES,).
        share: of each pole in the surface for a rise of the mean by 1, shape (MODES,).
        into: from the modes of a state to the poles, shape (MODES, MODES).
        back: from the poles to the modes.
    """

    rate: Array
    share: Array
    into: Array
    back: Array

    def later(self, kept: Array, pace: float, time: float) -> Array:
        """Return the modes of a state `time` s later.

        Args:
            kept: the modes now.
            pace: rate of the mean, 1/s.
            time: s.
        """
        fading = np.exp(-self.rate * time)
        return np.asarray(self.back @ (fading * (self.into @ kept) + (1.0 - fading) / self.rate * self.share * pace))


def turn(shape: Literal["sphere", "film"], diffusivity: Array, time: float) -> PoleTurn:
    """Return the poles where the diffusivity is frozen.

    Args:
        shape: of the body.
        diffusivity: at each place of its modes, against that which `time` belongs to, shape (PLACES,).
        time: of diffusion, s.
    """
    known = modes(shape)
    rate, vectors = np.linalg.eigh((known.slopes.T * diffusivity) @ known.slopes)
    there = vectors.T @ known.surface
    there = np.where(np.abs(there) < FAINT, FAINT, there)
    return PoleTurn(
        np.maximum(rate, 1e-12) / time,
        there * there,
        there[:, None] * vectors.T / known.surface,
        known.surface[:, None] * vectors / there,
    )

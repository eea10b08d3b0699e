"""Exact transfer functions of diffusion and distributed elements, s in units of the element's own time.

Sources: J. Crank, The Mathematics of Diffusion, 2nd ed., Oxford 1975, ch. 4 and 6 (sphere, film); A. Lasia,
Electrochemical Impedance Spectroscopy and its Applications, Springer 2014, ch. 4 and 8 (open diffusion, CPE, ZARC).
"""

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]

_SMALL = 1e-3
_LARGE = 40.0


def _coth(q: Complex) -> Complex:
    decay = np.exp(-2.0 * q)
    return np.asarray((1.0 + decay) / (1.0 - decay), dtype=np.complex128)


def sphere(s: Complex) -> Complex:
    """Return surface value over flux of a sphere, tanh q / (q - tanh q), q = sqrt s; s in units of D/R².

    Flux and value are dimensionless: the gradient at the surface is 1 and the radius is 1. The integrator 3/s is in it.
    """
    s = np.asarray(s, dtype=np.complex128)
    size = np.abs(s)
    some = bool(size.size and size.flat[size.argmin()] < 10.0 * _SMALL)
    near = size < 10.0 * _SMALL if some else None
    q = np.sqrt(np.where(near, 1.0, s)) if near is not None else np.sqrt(s)
    decay = np.exp(-2.0 * q)
    rest = 1.0 - decay
    decay += 1.0
    decay *= q
    decay -= rest
    exact = np.divide(rest, decay, out=rest)
    if near is None:
        return np.asarray(exact)
    series = 3.0 / s + 0.2 - s / 175.0 + 2.0 * s**2 / 7875.0 - 37.0 * s**3 / 3031875.0
    return np.where(near, series, exact)


def film(s: Complex) -> Complex:
    """Return surface value over flux of a film blocked at its back, coth q / q, q = sqrt s; s in units of D/L²."""
    s = np.asarray(s, dtype=np.complex128)
    q = np.sqrt(s)
    series = 1.0 / s + 1.0 / 3.0 - s / 45.0 + 2.0 * s**2 / 945.0
    with np.errstate(all="ignore"):
        exact = _coth(q) / q
    return np.where(np.abs(s) < _SMALL, series, exact)


def open_end(s: Complex) -> Complex:
    """Return surface value over flux of a layer held constant at its far end, tanh q / q; s in units of D/L²."""
    s = np.asarray(s, dtype=np.complex128)
    q = np.sqrt(s)
    with np.errstate(all="ignore"):
        exact = 1.0 / (q * _coth(q))
    return np.where(np.abs(s) < _SMALL, 1.0 - s / 3.0 + 2.0 * s**2 / 15.0, exact)


def zarc(s: Complex, alpha: float) -> Complex:
    """Return R ‖ CPE with R = 1, 1 / (1 + s^alpha); s in units of 1/(R Q)^(1/alpha)."""
    return np.asarray(1.0 / (1.0 + np.asarray(s, dtype=np.complex128) ** alpha))


def cpe(s: Complex, alpha: float) -> Complex:
    """Return a constant phase element with Q = 1, s^-alpha."""
    return np.asarray(np.asarray(s, dtype=np.complex128) ** -alpha)

"""The impedance of a circuit and its derivatives after the parameters."""

from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.protocol.circuit import Circuit, Element, Node, Parallel, Series

Complex: TypeAlias = NDArray[np.complex128]
Real: TypeAlias = NDArray[np.float64]


def impedance(circuit: Circuit, parameters: Real, frequency: Real) -> Complex:
    """Return the impedance of a circuit in ohm at frequencies in Hz."""
    return derivatives(circuit, parameters, frequency)[0]


def derivatives(circuit: Circuit, parameters: Real, frequency: Real) -> tuple[Complex, Complex]:
    """Return the impedance (frequencies) and its derivatives after the parameters (parameters x frequencies)."""
    slopes = np.zeros((len(parameters), len(frequency)), dtype=complex)
    jw = 2j * np.pi * np.asarray(frequency, dtype=float)
    return _of(circuit.root, parameters, jw, slopes), slopes


def _of(node: Node, parameters: Real, jw: Complex, slopes: Complex) -> Complex:
    match node:
        case Series(parts):
            return reduce(np.add, [_of(part, parameters, jw, slopes) for part in parts])
        case Parallel(parts):
            return _parallel(parts, parameters, jw, slopes)
        case Element(kind, _, first):
            return _element(kind, parameters[first:], jw, slopes[first:])


def _parallel(parts: tuple[Node, ...], parameters: Real, jw: Complex, slopes: Complex) -> Complex:
    """Return 1 / sum(1/Z); a part's derivatives count with (Z/Z_part)^2."""
    values = [_of(part, parameters, jw, slopes) for part in parts]
    whole: Complex = 1.0 / reduce(np.add, [1.0 / value for value in values])
    for part, value in zip(parts, values, strict=True):
        for at in _indices(part):
            slopes[at] *= (whole / value) ** 2
    return whole


def _indices(node: Node) -> list[int]:
    match node:
        case Element(kind, _, first):
            return list(range(first, first + (2 if kind in {"CPE", "Ws", "Wo", "G"} else 1)))
        case Series(parts) | Parallel(parts):
            return [at for part in parts for at in _indices(part)]


def _element(kind: str, values: Real, jw: Complex, slopes: Complex) -> Complex:
    """Return an element's impedance; write its derivatives into the first rows of `slopes`."""
    first = values[0]
    match kind:
        case "R":
            slopes[0] = 1.0
            return np.full(len(jw), first, dtype=complex)
        case "L":
            slopes[0] = jw
            return np.asarray(first * jw)
        case "C":
            whole: Complex = 1.0 / (first * jw)
            slopes[0] = -whole / first
            return whole
        case "CPE":
            whole = 1.0 / (first * jw ** values[1])
            slopes[0], slopes[1] = -whole / first, -whole * np.log(jw)
            return whole
        case "W":  # A (1 - j)/sqrt(w) = A sqrt(2)/sqrt(jw)
            slopes[0] = np.sqrt(2.0) / np.sqrt(jw)
            return np.asarray(first * slopes[0])
        case "G":
            root = np.sqrt(1.0 + jw * values[1])
            slopes[0], slopes[1] = 1.0 / root, -0.5 * first * jw / root**3
            return np.asarray(first / root)
    return _finite(kind, values, jw, slopes)


def _finite(kind: str, values: Real, jw: Complex, slopes: Complex) -> Complex:
    """Return the impedance of diffusion over a finite length, s = sqrt(jwt): R tanh(s)/s, or R coth(s)/s."""
    s = np.sqrt(jw * values[1])
    small = np.exp(-2.0 * s)
    tanh = (1.0 - small) / (1.0 + small)
    shape, slope = (tanh, 1.0 - tanh**2) if kind == "Ws" else (1.0 / tanh, 1.0 - 1.0 / tanh**2)
    slopes[0] = shape / s
    slopes[1] = values[0] * (slope / s - shape / s**2) * s / (2.0 * values[1])  # ds/dt = s/(2t)
    whole: Complex = values[0] * slopes[0]
    return whole

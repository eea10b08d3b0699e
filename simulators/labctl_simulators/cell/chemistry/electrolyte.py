"""Modes of the electrolyte: the single-particle model with electrolyte, linearised about the rest concentration.

S. G. Marquis et al., J. Electrochem. Soc. 166 (2019) A3693: salt diffuses through negative electrode, separator and
positive electrode, produced in one electrode and consumed in the other in proportion to the current. Linearised, it is
one more diagonal linear memory: eigenvectors of a finite-volume matrix, of which the slowest few are kept and the rest
is taken as immediate. What is read off is the mean relative excess of salt in each electrode.

Where the diffusivity depends on the concentration, the static map makes of that excess the mean logarithm of the
concentration which the same current keeps up at last (by Kirchhoff's transform, salt conserved): exact at rest and in the
steady state, and between them as good as the linear memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log1p
from typing import Any, Final

import numpy as np

from labctl_simulators.cell.chemistry import kinetics
from labctl_simulators.cell.physics import Array, Number

CELLS: Final = 20
MODES: Final = 6
DEPLETED: Final = -0.999
"""Relative excess of salt at which an electrode counts as without any."""
LEAST: Final = 0.03
"""Relative concentration below which the steady state of the salt is not followed."""
Bent = tuple[float, float, float, float, float]
"""Of one electrode: a, b, c of what is added to the logarithm, z^2 (a + z (b + z c)), and the excesses between which it holds."""
STRAIGHT: Final[Bent] = (0.0, 0.0, 0.0, 0.0, 0.0)
Block = tuple[Array, Array, int, float, Number]


@dataclass(slots=True, eq=False, repr=False)
class Layer:
    """Hold one layer of the cell.

    Attributes:
        thickness: m.
        porosity: volume fraction of electrolyte.
        bruggeman: exponent of the porosity in effective transport.
        conductivity: effective electronic conductivity, S/m; infinite in the separator.
    """

    thickness: float
    porosity: float
    bruggeman: float = 1.5
    conductivity: float = float("inf")

    @property
    def tortuosity(self) -> float:
        """Return the factor of effective transport."""
        return float(self.porosity**self.bruggeman)


@dataclass(slots=True, eq=False, repr=False)
class Electrolyte:
    """Hold the electrolyte of a full cell.

    Attributes:
        positive: layer.
        separator: layer.
        negative: layer.
        area: m2.
        concentration: at rest, mol/m3.
        diffusivity: of the salt at rest concentration, m2/s.
        conductivity: at rest concentration, S/m.
        transference: of the cation.
        diffusivity_activation: J/mol.
        conductivity_activation: J/mol.
        factor: thermodynamic, 1 + d ln f / d ln c.
        temperature: of the numbers, K.
        shape: diffusivity by relative concentration, against that at rest; None is constant.
    """

    positive: Layer
    separator: Layer
    negative: Layer
    area: float
    concentration: float
    diffusivity: float
    conductivity: float
    transference: float
    diffusivity_activation: float = 0.0
    conductivity_activation: float = 0.0
    factor: float = 1.0
    temperature: float = 298.15
    shape: Callable[[Array], Array] | None = None
    modes: tuple[Array, Array, Array, Array] = field(init=False)
    bent: tuple[Bent, Bent] = field(init=False)
    bent_columns: tuple[Array, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.modes = self._modes()
        self.bent = (STRAIGHT, STRAIGHT) if self.shape is None else self._bent(self.shape)
        self.bent_columns = tuple(np.array(pair)[:, None] for pair in zip(*self.bent, strict=True))

    def _layered(self, name: str) -> Array:
        """Return a number of the layers for each finite volume."""
        return np.concatenate(
            [np.full(CELLS, getattr(one, name)) for one in (self.negative, self.separator, self.positive)]
        )

    def _bent(self, shape: Callable[[Array], Array]) -> tuple[Bent, Bent]:
        """Return what a diffusivity that is not constant adds to the logarithms of positive and negative."""
        h, porosity, carry = self._layered("thickness") / CELLS, self._layered("porosity"), self._layered("tortuosity")
        share = porosity * h / (porosity * h).sum()
        flux = np.cumsum(np.repeat([-1.0, 0.0, 1.0], CELLS))[:-1]  # of a unit current, until scaled
        across = 0.5 * (h[1:] / carry[1:] + h[:-1] / carry[:-1])
        course = np.concatenate([[0.0], np.cumsum(-flux * across)])
        course -= share @ course  # Kirchhoff's potential of a constant diffusivity: salt is conserved
        ends = np.array([course[-CELLS:].mean(), course[:CELLS].mean()])
        grid = np.linspace(1e-3, 6.0, 1001)
        speed = np.maximum(shape(grid), 1e-3)
        potential = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(grid))])
        rest = float(np.interp(1.0, grid, potential))
        sizes = np.linspace(-1.2, 1.2, 25) / np.abs(course).max()
        level = np.full(len(sizes), rest)
        for _ in range(8):
            c = np.interp(level[:, None] + sizes[:, None] * course, potential, grid)
            level -= (c @ share - 1.0) / ((1.0 / np.interp(c, grid, speed)) @ share)
        c = np.interp(level[:, None] + sizes[:, None] * course, potential, grid)
        followed = (c.min(axis=1) > LEAST) & (np.abs(c @ share - 1.0) < 1e-6) & (c.max(axis=1) < 5.9)
        logs = np.log(c[followed])
        excess = sizes[followed]
        return (
            _fitted(excess * ends[0], logs[:, -CELLS:].mean(axis=1)),
            _fitted(excess * ends[1], logs[:, :CELLS].mean(axis=1)),
        )

    def logarithms(self, excess: Array) -> Array:
        """Return the mean logarithms of the relative concentration in positive and negative, of excesses (2, ...)."""
        excess = np.maximum(excess, DEPLETED)
        if self.shape is None:
            return np.asarray(np.log1p(excess))
        more = _added(excess.reshape(2, -1), self.bent_columns).reshape(excess.shape)
        return np.asarray(np.log1p(excess) + more)

    def logarithms_of(self, positive: float, negative: float) -> tuple[float, float]:
        """Return the same of plain floats."""
        one, other = self.bent
        positive, negative = max(positive, DEPLETED), max(negative, DEPLETED)
        if self.shape is None:
            return log1p(positive), log1p(negative)
        return log1p(positive) + float(_added(positive, one)), log1p(negative) + float(_added(negative, other))

    def steepness(self, excess: Array) -> Array:
        """Return the derivatives of `logarithms` by the excesses."""
        excess = np.maximum(excess, DEPLETED)
        plain = 1.0 / (1.0 + excess)
        if self.shape is None:
            return np.asarray(plain)
        more = [_rise(z, one) for z, one in zip(excess, self.bent, strict=True)]
        return np.asarray(plain + np.array(more))

    def _modes(self) -> tuple[Array, Array, Array, Array]:
        """Return rates (1/s), drives of positive and negative (1/C each), and what is immediate (1/A, both)."""
        layers = (self.negative, self.separator, self.positive)
        h = np.concatenate([np.full(CELLS, layer.thickness / CELLS) for layer in layers])
        room = h * np.concatenate([np.full(CELLS, layer.porosity) for layer in layers])
        carry = np.concatenate([np.full(CELLS, self.diffusivity * layer.tortuosity) for layer in layers])
        across = 1.0 / (0.5 * h[1:] / carry[1:] + 0.5 * h[:-1] / carry[:-1])
        stiff = np.zeros((len(h), len(h)))
        index = np.arange(len(h) - 1)
        stiff[index, index + 1] = stiff[index + 1, index] = -across
        np.fill_diagonal(stiff, -stiff.sum(axis=1))
        scale = np.sqrt(room)
        rates, vectors = np.linalg.eigh(stiff / np.multiply.outer(scale, scale))
        source = np.zeros(len(h))
        flow = (1.0 - self.transference) / (kinetics.FARADAY * self.area * self.concentration)
        source[:CELLS], source[-CELLS:] = -flow / CELLS, flow / CELLS
        amount = vectors.T @ (source / scale)
        read = vectors / scale[:, None]
        drives = [read[part].mean(axis=0) * amount for part in (slice(-CELLS, None), slice(0, CELLS))]
        kept, rest = slice(1, 1 + MODES), slice(1 + MODES, None)
        immediate = np.array([np.sum(drive[rest] / rates[rest]) for drive in drives])
        return rates[kept], drives[0][kept], drives[1][kept], immediate

    def blocks(self, temperature: Number, row: int) -> list[Block]:
        """Return poles, drives, row, integrator and feed of the rows of salt at positive and negative, from `row` on."""
        rates, positive, negative, immediate = self.modes
        speed = kinetics.arrhenius(self.diffusivity_activation, temperature, self.temperature)
        rate, one = np.multiply.outer(rates, speed), np.ones(np.shape(temperature))
        return [
            (rate, np.multiply.outer(drive, one), row + k, 0.0, immediate[k] / speed)
            for k, drive in enumerate((positive, negative))
        ]

    def ohmic(self, temperature: Number) -> Number:
        """Return the resistance of electrolyte and electrodes, ohm."""
        conductivity = self.conductivity * kinetics.arrhenius(
            self.conductivity_activation, temperature, self.temperature
        )
        ionic = sum(
            share * layer.thickness / layer.tortuosity
            for layer, share in ((self.positive, 1 / 3), (self.separator, 1.0), (self.negative, 1 / 3))
        )
        solid = sum(layer.thickness / layer.conductivity / 3.0 for layer in (self.positive, self.negative))
        return (ionic / conductivity + solid) / self.area

    def potential(self, positive: Any, negative: Any, thermal: Number) -> Any:
        """Return the concentration overpotential in V.

        Args:
            positive: logarithm of the mean concentration of salt in the positive electrode against that at rest.
            negative: the same in the negative.
            thermal: 2 R T / F, V.
        """
        return (1.0 - self.transference) * self.factor * thermal * (positive - negative)

    def slopes(self, thermal: Number) -> Array:
        """Return the derivatives of `potential` by the logarithms, V, shape (2, 1) or (2, N)."""
        one = np.ravel((1.0 - self.transference) * self.factor * thermal)
        return np.array([one, -one])


def _fitted(excess: Array, logarithm: Array) -> Bent:
    """Return what is added to log(1 + z) to give a logarithm; nothing where that would not rise with z."""
    inside = excess > -0.97
    z, more = excess[inside], logarithm[inside] - np.log1p(excess[inside])
    powers = z[:, None] ** np.arange(2, 5)
    a, b, c = np.linalg.lstsq(powers, more, rcond=None)[0].tolist()
    fit = (a, b, c, float(z.min()), float(z.max()))
    at = np.linspace(fit[3], fit[4], 50)
    return fit if (1.0 / (1.0 + at) + _rise(at, fit) > 0.0).all() else STRAIGHT


def _added(z: Any, bent: Bent | tuple[Array, ...]) -> Any:
    a, b, c, low, high = bent
    z = np.minimum(np.maximum(z, low), high)
    return z * z * (a + z * (b + z * c))


def _rise(z: Any, bent: Bent) -> Any:
    a, b, c, low, high = bent
    inside = (z >= low) & (z <= high)
    return np.where(inside, z * (2.0 * a + z * (3.0 * b + z * 4.0 * c)), 0.0)

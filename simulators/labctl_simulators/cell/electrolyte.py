"""Modes of the electrolyte: the single-particle model with electrolyte, linearised about the rest concentration.

S. G. Marquis et al., J. Electrochem. Soc. 166 (2019) A3693: salt diffuses through negative electrode, separator and
positive electrode, produced in one electrode and consumed in the other in proportion to the current. Linearised, it is
one more diagonal linear memory: eigenvectors of a finite-volume matrix, of which the slowest few are kept and the rest
is taken as immediate. What is read off is the mean relative excess of salt in each electrode.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from labctl_simulators.cell import kinetics
from labctl_simulators.cell.chemistry import Array, Number

CELLS: Final = 20
MODES: Final = 6
Block = tuple[Array, Array, int, float, Number]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
        temperature: of the numbers, K.
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
    temperature: float = 298.15
    modes: tuple[Array, Array, Array, Array] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "modes", self._modes())

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
            positive: mean relative excess of salt in the positive electrode.
            negative: the same in the negative.
            thermal: 2 R T / F, V.
        """
        return (1.0 - self.transference) * thermal * (np.log1p(positive) - np.log1p(negative))

"""The linear Kramers-Kronig test: can a spectrum be that of something linear, stable and causal?"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labctl.analysis.impedance.model import Complex, Real

MU: Final = 0.85
"""Below it the chain of elements begins to fit the noise (Schönleber et al., Electrochim. Acta 131 (2014) 20)."""

LEAST: Final = 3.0  # elements a decade


@dataclass(frozen=True, slots=True)
class Consistency:
    """What the test tells.

    Attributes:
        elements: Number of resistor-capacitor elements.
        mu: 1 - sum of negative / sum of positive resistances.
        real: Residuals of the real part over |Z|, one a frequency.
        imaginary: Residuals of the imaginary part over |Z|.
    """

    elements: int
    mu: float
    real: Real
    imaginary: Real

    @property
    def worst(self) -> float:
        """The largest residual over |Z|."""
        return float(max(np.max(np.abs(self.real)), np.max(np.abs(self.imaginary))))

    @property
    def rms(self) -> float:
        """The root mean square of the residuals over |Z|: noise alone leaves no more than its own."""
        return float(np.sqrt(np.mean(np.concatenate([self.real, self.imaginary]) ** 2)))


def kramers_kronig(frequency: Real, spectrum: Complex) -> Consistency:
    """Fit a spectrum by a chain of resistor-capacitor elements that cannot violate the relations, and tell what is left.

    Time constants are spaced evenly in the logarithm over the measured frequencies: three a decade, since a single sharp arc
    between fewer would look inconsistent, and one more until `mu` falls below 0.85 or there is one a frequency. A series
    resistance, inductance and capacitance go along.

    Source: Boukamp, J. Electrochem. Soc. 142 (1995) 1885; the number of elements by Schönleber, Klotz and Ivers-Tiffée,
    Electrochim. Acta 131 (2014) 20.

    Raises:
        ValueError: Fewer than six frequencies.
    """
    if len(frequency) < 6:
        raise ValueError(f"wanted at least 6 frequencies for a Kramers-Kronig test, found {len(frequency)}")
    decades = float(np.log10(frequency.max() / frequency.min()))
    least = min(len(frequency) - 2, max(3, round(LEAST * decades)))
    chain = _chain(frequency, spectrum, least)
    for elements in range(least + 1, len(frequency) + 1):
        if chain.mu <= MU:
            break
        chain = _chain(frequency, spectrum, elements)
    return chain


def _chain(frequency: Real, spectrum: Complex, elements: int) -> Consistency:
    omega = 2.0 * np.pi * frequency
    times = np.geomspace(1.0 / omega.max(), 1.0 / omega.min(), elements)
    columns = np.empty((len(omega), elements + 3), dtype=complex)
    columns[:, :elements] = 1.0 / (1.0 + 1j * omega[:, None] * times)
    columns[:, elements] = 1.0
    columns[:, elements + 1] = 1j * omega / omega.max()
    columns[:, elements + 2] = -1j * omega.min() / omega
    size = np.abs(spectrum)
    weighted = columns / size[:, None]
    matrix = np.concatenate([weighted.real, weighted.imag])
    wanted = np.concatenate([spectrum.real / size, spectrum.imag / size])
    solution = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    left = wanted - matrix @ solution
    chain = solution[:elements]
    positive = float(chain[chain >= 0].sum())
    mu = 1.0 - float(-chain[chain < 0].sum()) / positive if positive > 0 else 0.0
    return Consistency(elements, mu, left[: len(omega)], left[len(omega) :])

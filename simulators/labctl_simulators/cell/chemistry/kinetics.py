"""Arrhenius factors, exchange currents and their units."""

from math import exp
from typing import Any, Final

import numpy as np

FARADAY: Final = 96485.33212
"""C/mol (CODATA 2018, exact)."""
GAS: Final = 8.31446261815324
"""J/(mol K) (CODATA 2018, exact)."""


def thermal(temperature: Any) -> Any:
    """Return 2RT/F, V, at a temperature T, K."""
    return 2.0 * GAS * temperature / FARADAY


def arrhenius(activation: float, temperature: Any, reference: float) -> Any:
    """Return exp(E/R (1/T0 - 1/T)): above 1 where it is warmer than the reference; broadcasts.

    Args:
        activation: E, J/mol.
        temperature: T, K.
        reference: T0, K.
    """
    power = activation / GAS * (1.0 / reference - 1.0 / temperature)
    return exp(power) if isinstance(power, float) else np.exp(power)

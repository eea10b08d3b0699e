"""How a rate, a conductivity or a resistance depends on the temperature."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from labctl_simulators.cell.chemistry.kinetics import GAS


@dataclass(slots=True, eq=False, repr=False)
class Arrhenius:
    """Hold a positive number that is thermally activated, X(T) = X0 exp(-E/R (1/T - 1/T0)).

    With several measured temperatures ln X is linear in 1/T between them and goes on with the outermost slopes; that
    follows a curved (Vogel-Fulcher) plot without assuming its form.

    Attributes:
        values: X at `temperatures`, all > 0; SI of whatever it is.
        temperatures: K, ascending.
        activation: E in J/mol, used where there is one temperature only; negative for what falls with temperature.
    """

    values: tuple[float, ...]
    temperatures: tuple[float, ...] = (298.15,)
    activation: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: a value is not above 0, or the temperatures are not ascending.
        """
        if not self.values or len(self.values) != len(self.temperatures):
            raise ValueError(f"wanted one value a temperature, found {len(self.values)} and {len(self.temperatures)}")
        if not all(0.0 < value < math.inf for value in (*self.values, *self.temperatures)):
            raise ValueError(f"wanted values and temperatures above 0, found {self.values} at {self.temperatures}")
        if any(b <= a for a, b in pairwise(self.temperatures)):
            raise ValueError(f"wanted ascending temperatures, found {self.temperatures}")

    def __call__(self, temperature: Any) -> Any:
        """Return the value at `temperature` (K), a float or an array."""
        if isinstance(temperature, float):
            slope, value, at = self._piece(temperature)
            return value * math.exp(slope * (1.0 / temperature - 1.0 / at))
        flat = np.ravel(np.asarray(temperature, dtype=np.float64))
        return np.array([self(float(one)) for one in flat]).reshape(np.shape(temperature))

    def _piece(self, temperature: float) -> tuple[float, float, float]:
        """Return d ln X / d(1/T) in K around `temperature`, and a point on that line."""
        if len(self.values) == 1:
            return -self.activation / GAS, self.values[0], self.temperatures[0]
        last = len(self.values) - 1
        index = min(max(sum(known <= temperature for known in self.temperatures), 1), last)
        a, b = self.temperatures[index - 1], self.temperatures[index]
        slope = math.log(self.values[index] / self.values[index - 1]) / (1.0 / b - 1.0 / a)
        return slope, self.values[index], b

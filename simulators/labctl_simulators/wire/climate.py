"""The air of an emulated chamber, and the cells that lie in it.

Air goes to its set-point as a first-order lag, heating faster than cooling. A cell has the temperature of the air about it: what is
solved ahead for a cell is solved anew once the air has moved on.
"""

import math
from dataclasses import dataclass

from labctl_simulators.cell import CellModel, CellState

HEATING, COOLING = 120.0, 240.0  # s, time constants
ALIKE = 0.05  # K by which the air may move on before a cell is solved anew
LOOK = 30.0  # s between two looks at the air while nobody asks
ZERO_CELSIUS = 273.15


@dataclass(slots=True)
class Air:
    """The temperature in a chamber, degC, at time `at`, s, and its set-point; None leaves it as it is."""

    celsius: float = 23.0
    wanted: float | None = None
    at: float = 0.0

    def advance(self, now: float) -> float:
        """Return its temperature at `now`, s."""
        if self.wanted is None:
            return self.celsius
        lag = HEATING if self.wanted > self.celsius else COOLING
        return self.wanted + (self.celsius - self.wanted) * math.exp(-max(0.0, now - self.at) / lag)

    def go(self, celsius: float | None, now: float) -> None:
        """Go to a temperature from now on; None stays at what there is."""
        self.celsius, self.wanted, self.at = self.advance(now), celsius, now

    def moved(self, cell: CellModel, state: CellState, now: float) -> CellState | None:
        """Return a cell's state in this air at `now`, within what its numbers cover; None where it is as warm already."""
        low, high = cell.chemistry.valid
        kelvin = min(max(self.advance(now) + ZERO_CELSIUS, low), high)
        return None if abs(kelvin - state.temperature) <= ALIKE else state.at(temperature=kelvin)

"""The air of an emulated chamber: it goes to its set-point as a first-order lag, heating faster than cooling."""

import math
from dataclasses import dataclass

HEATING, COOLING = 120.0, 240.0  # s, time constants


@dataclass(slots=True)
class Air:
    """The temperature in a chamber, degC, and its set-point; None leaves it as it is."""

    celsius: float = 23.0
    wanted: float | None = None
    at: float = 0.0

    def advance(self, now: float) -> float:
        """Let it live until `now`, s, and return its temperature."""
        if self.wanted is not None:
            lag = HEATING if self.wanted > self.celsius else COOLING
            self.celsius = self.wanted + (self.celsius - self.wanted) * math.exp(-max(0.0, now - self.at) / lag)
        self.at = now
        return self.celsius

    def go(self, celsius: float, now: float) -> None:
        """Go to a temperature from now on."""
        self.advance(now)
        self.wanted = celsius

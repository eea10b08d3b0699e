"""What bending does to a flexible cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(slots=True, eq=False, repr=False)
class BendResponse:
    """Hold how a cell answers to its bend; every default is "not at all".

    The strain is taken as angle / 180° times `radius` / actual radius (thin-plate bending: strain ~ 1/radius), so the
    numbers below are those of a full fold at the reference radius. A flat cell (infinite radius, the default of a
    state) with an angle is taken to be at the reference radius.

    Attributes:
        most: largest angle in degrees that the parameters cover.
        radius: reference radius, m.
        least: smallest radius that the parameters cover, m.
        series: relative growth of the series resistance at a full fold.
        contact: resistance added at a full fold, ohm.
        area: relative loss of active area at a full fold, below 1.
    """

    most: float = 180.0
    radius: float = 5e-3
    least: float = 1e-3
    series: float = 0.0
    contact: float = 0.0
    area: float = 0.0

    def strain(self, angle: Any, radius: Any) -> Any:
        """Return the strain relative to a full fold at the reference radius; broadcasts.

        Raises:
            ValueError: the angle or the radius lies beyond the limits.
        """
        if isinstance(angle, float) and angle == 0.0:
            return 0.0
        angle, radius = np.abs(np.asarray(angle, dtype=float)), np.asarray(radius, dtype=float)
        if np.any(angle > self.most):
            raise ValueError(f"wanted a bend angle within {self.most} deg, found {float(np.max(angle))} deg")
        if np.any(radius < self.least):
            raise ValueError(f"wanted a bend radius of at least {self.least} m, found {float(np.min(radius))} m")
        relative = np.where(np.isinf(radius), 1.0, self.radius / radius)
        return angle / 180.0 * relative

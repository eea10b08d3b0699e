"""One piece of a segment: constant memory current, exact at every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labctl_simulators.cell.chemistry import Array, Memory, Physics
from labctl_simulators.cell.crossing import root

BLOCK: Final = 8192
SCAN: Final = 40


@dataclass(frozen=True, slots=True)
class Threshold:
    """Hold a voltage that ends a piece.

    Attributes:
        voltage: V.
        above: ends at or above it, else at or below.
        number: of the stop.
    """

    voltage: float
    above: bool
    number: int


@dataclass(frozen=True, slots=True)
class End:
    """Hold why a piece ends.

    Attributes:
        time: s since the piece began.
        stop: number of the stop, or None.
        collapse: in words, or None.
    """

    time: float
    stop: int | None = None
    collapse: str | None = None


def decay(rate: Array, times: Array) -> Array:
    """Return exp(-rate t), shape (T, n)."""
    table = np.multiply.outer(-times, rate)
    return np.exp(table, out=table)


class Constant:
    """Hold a piece at constant memory current `current` (A) from (memory, level) on."""

    __slots__ = ("current", "final", "level", "memory", "offset", "physics", "ramp", "start", "weight")

    def __init__(self, physics: Physics, memory: Array, level: Array, current: float) -> None:
        linear, gain = physics.memory, physics.gain
        self.physics, self.current = physics, current
        self.start, self.level = memory, level
        driven = gain * current
        self.final = driven[linear.row] * linear.drive / linear.rate
        weight = np.zeros((len(linear.rate), len(gain)))
        weight[np.arange(len(linear.rate)), linear.row] = memory - self.final
        self.weight = weight
        steady = np.zeros(len(gain))
        np.add.at(steady, linear.row, self.final)
        self.offset = level + steady + linear.feed * driven
        self.ramp = linear.integrator * driven
        self.memory = linear

    def surface(self, times: Array) -> Array:
        """Return the surface values, shape (m, T)."""
        z = (decay(self.memory.rate, times) @ self.weight).T
        z += self.offset[:, None]
        z += np.multiply.outer(self.ramp, times)
        return np.asarray(z)

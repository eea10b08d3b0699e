"""The static map of an insertion cell whose double layers act in the rows of steps.

As in a metal cell, a double layer is a linear filter of the current in front of its charge transfer: the current j that
transfers charge follows the current u with the time of a double layer beside its charge transfer at half filling and no
current. That is exactly R ‖ C for small signals there, and the definition of the model elsewhere; what diffuses is u, so
that charge is kept as without it. The impedance is that of the same filter.
"""

from collections.abc import Sequence
from math import asinh, exp, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.chemistry.electrode import EDGE
from labctl_simulators.cell.chemistry.insertion_physics import InsertionPhysics
from labctl_simulators.cell.physics import Array, Number


class LayeredPhysics(InsertionPhysics):
    """Hold an insertion cell at frozen conditions, with the currents that its double layers leave to the charge transfer."""

    def _roots(self, z: Array) -> Array:
        """Return exchange currents against twice those at half filling, shape (2, ...)."""
        x = z[: self.hosts]
        root = np.sqrt(x - x * x)
        if self.salt is not None:
            root = root * np.exp(0.5 * self.electrolyte.logarithms(z[self.salt :]))
        return root if self.hosts == 2 else np.concatenate((root, np.full(root.shape, 0.5)))

    def _flows(self, z: Array) -> tuple[Array, Array]:
        """Return the currents of charge transfer in units of twice the exchange currents, and what 1 A is in them."""
        first = self.chemistry.layer
        assert first is not None
        wide = (slice(None), *[None] * (z.ndim - 1)) if isinstance(self.kinetic[0], float) else slice(None)
        per = np.array(self.kinetic)[wide] / self._roots(z)
        return z[first : first + 2] * per, per

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        del time, charge
        v = self.potential_difference(z) + self.thermal * np.arcsinh(self._flows(z)[0]).sum(axis=0)
        v = v + self.ohmic * np.asarray(current)
        if self.arc is not None:
            v = v + z[self.arc]
        if self.lag is not None and self.hysteresis is not None:
            v = v + self.hysteresis.shift(z[self.lag], *self.branch)
        if self.salt is not None:
            v = v + self.electrolyte.potential(*self.electrolyte.logarithms(z[self.salt :]), self.thermal)
        if self.warmer is not None:
            v = v + self._entropic(z[: self.hosts], self.warmer)
        return np.asarray(v)

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        if self.warmer is not None:
            return super().slopes(z, current, time, charge)
        first, hosts = self.chemistry.layer, self.hosts
        assert first is not None
        resting, _ = super().slopes(
            z, 0.0 * np.asarray(current), time, charge
        )  # those of the potentials, arcs and salt
        flow, per = self._flows(z)
        flat = self.thermal / np.sqrt(1.0 + flow * flow)
        x, slope = z[:hosts], resting
        slope[:hosts] -= flat[:hosts] * flow[:hosts] * (0.5 - x) / (x - x * x)
        slope[first : first + 2] = flat * per
        if self.salt is not None:
            slope[self.salt :] -= 0.5 * flat * flow * self.electrolyte.steepness(z[self.salt :])
        return slope, np.zeros(z.shape[1:]) + self.ohmic

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        del time, charge
        first = self.chemistry.layer
        assert first is not None
        v, logs = self.potential_difference_of(z) + self.ohmic * current, (0.0, 0.0)
        if self.salt is not None:
            logs = self.electrolyte.logarithms_of(z[self.salt], z[self.salt + 1])
        for side in range(2):
            root = 0.5
            if side < self.hosts:
                x = min(max(z[side], EDGE), 1.0 - EDGE)
                root = sqrt(x - x * x) * exp(0.5 * logs[side])
            v += self.thermal * asinh(z[first + side] * self.kinetic[side] / root)
        if self.arc is not None:
            v += z[self.arc]
        if self.lag is not None and self.hysteresis is not None:
            v += self.hysteresis.shift_of(z[self.lag], *self.branch)
        if self.salt is not None:
            v += float(self.electrolyte.potential(*logs, self.thermal))
        return float(v)

    def impedance(self, z: Array, current: float, frequency: Array) -> NDArray[np.complex128]:
        """Return the impedance in ohm under a current that has flowed; see `Physics.impedance`."""
        first, settled = self.chemistry.layer, z.copy()
        assert first is not None
        settled[first : first + 2] = current
        return super().impedance(settled, current, frequency)

    def _layer_of(self, side: int) -> float:
        """Return the time of the filter of an interface, s."""
        return float(self.chemistry.time_of(self.chemistry.sides[side], self.conditions.temperature))

    def _shunted(self, faradaic: Any, transfer: Any, layer: Any, s: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the impedance of diffusion, and of charge transfer behind its filter, in a row."""
        return np.asarray(faradaic + transfer / (1.0 + s * layer))

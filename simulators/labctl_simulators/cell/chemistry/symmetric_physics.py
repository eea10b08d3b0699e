"""The physics of a metal cell at frozen conditions: voltage, impedance, growth and shorts."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from labctl_simulators.cell.chemistry.metal_cell import BARRIER, SHORT, SIDE, TURNS, MetalCell
from labctl_simulators.cell.chemistry.metal_parameters import RECOVERY
from labctl_simulators.cell.physics import Array, Conditions, Number, Physics

_EDGE: Final = 1e-4  # of the salt that is left when it counts as used up
_KEPT: Final = 256


class SymmetricPhysics(Physics):
    """Hold a metal cell at frozen conditions."""

    left: Number

    def __init__(self, chemistry: MetalCell, conditions: Conditions) -> None:
        p = chemistry.parameters
        self.chemistry: MetalCell = chemistry
        self.conditions, self.seed = conditions, _seed(conditions)
        self.warmth = chemistry.warmth(conditions.temperature)
        self.memory = self.warmth.memory
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        strain = p.bend.strain(conditions.angle, conditions.radius)
        self.active = 1.0 - p.bend.area * strain
        slow = conditions.slow
        self.short, self.barriers = slow[SHORT:BARRIER], slow[BARRIER:]
        self.area = p.area * self.active
        self.ohmic = self.warmth.bulk / self.area * (1.0 + p.bend.series * strain) + p.bend.contact * strain
        self.hard = p.shorts.hard(slow[SHORT], slow[SHORT + 1])
        if self.hard:
            self.left = p.shorts.resistance / (p.shorts.resistance + self.warmth.bulk)
        else:
            self.left = p.shorts.share(self.short, self.seed)
        through = p.shorts.resistance / (p.shorts.resistance + self.warmth.linear) if self.hard else 1.0
        self.gain = self._gain(through / self.active)
        self.nucleates, self.fresh = p.nucleation.height > 0.0, float(p.nucleation.begun(slow[TURNS] + 1.0))
        self.conc = 2.0 * self.warmth.thermal * (1.0 - p.salt.transference)

    def _gain(self, factor: float) -> Array:
        gain = np.full(self.chemistry.rows, factor)
        collector = self.chemistry.parameters.collector
        if collector is not None and self.conditions.slow[SIDE] < 0.0:
            gain[4] *= collector.efficiency
        return gain

    def _film(self, time: Number) -> Number:
        """Return the films' resistance in ohm m2 `time` s after the begin."""
        growth, hours = self.conditions.slow[:2]
        value = self.warmth.film * np.sqrt(1.0 + growth + 2.0 * self.warmth.growth * time)
        film = self.chemistry.parameters.film
        return value * np.interp(hours + time, film.hours, film.factors) if film.hours else value

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        del charge
        w, left = self.warmth, self.left
        up, down, j = 1.0 + z[0], 1.0 - z[0], z[2] / w.twice
        # both electrodes in one: asinh a + asinh b = asinh(a sqrt(1 + b^2) + b sqrt(1 + a^2))
        squared = j * j
        both = np.sqrt(down + squared)
        both += np.sqrt(up + squared)
        both *= j
        both /= np.sqrt(up * down)
        v = np.arcsinh(both)
        v *= w.thermal
        up /= down
        v += (0.5 * self.conc) * np.log(up)
        v += self._film(time) * z[1]
        if self.nucleates:
            v += self._nucleating(z[2]) * self._barrier(z[2], z[3])
        if len(z) == 5:
            v += self._collector(z[4])
        v += self.ohmic * np.asarray(current)
        if not isinstance(left, float) or left != 1.0:
            v *= left
        return np.asarray(v + self.chemistry.parameters.contact * current)

    def _barrier(self, density: Number, passed: Number) -> Number:
        """Return the barrier in V that the charge transfer (A/m2) meets, with its sign.

        It lags behind a current that has turned: until it has turned, too, it plates the electrode that was plated before.
        """
        slow, nucleation = self.conditions.slow, self.chemistry.parameters.nucleation
        present, other = nucleation.barriers(self.barriers, slow[TURNS], passed)
        way = slow[SIDE] + (slow[SIDE] == 0.0) * np.sign(
            density
        )  # that of a cell in which no current has flowed is open
        return np.where(density * way >= 0.0, way * present, -way * other)

    def _fading(self, density: Number, passed: Number) -> Number:
        """Return the derivative of `_barrier` by the charge that has passed, V m2/C."""
        slow, nucleation = self.conditions.slow, self.chemistry.parameters.nucleation
        present, other = nucleation.barriers(self.barriers, slow[TURNS], passed)
        coming = (other - nucleation.begun(slow[TURNS] + 1.0)) / RECOVERY
        steep = np.where(density * slow[SIDE] >= 0.0, present, -coming)
        return slow[SIDE] * steep * np.sign(passed) * (-1.0 / nucleation.charge)

    def _barrier_of(self, density: float, passed: float) -> float:
        """Return `_barrier` of plain floats."""
        slow, charge = self.conditions.slow, self.chemistry.parameters.nucleation.charge
        side = slow[SIDE] or math.copysign(1.0, density)
        since, (present, other) = -abs(passed) / charge, self.barriers
        if density * side >= 0.0:
            return float(side * present * math.exp(since))
        return float(-side * (self.fresh + (other - self.fresh) * math.exp(since / RECOVERY)))

    def _nucleating(self, density: Number) -> Number:
        """Return how far nucleation takes part, 0..1; it begins with the square of the current, so that no small signal sees it."""
        share = density * (1.0 / self.chemistry.parameters.nucleation.density)
        share = share * share
        return share / (1.0 + share)

    def _collector(self, plated: Number) -> Number:
        collector = self.chemistry.parameters.collector
        assert collector is not None
        return collector.bare * np.exp(np.maximum(plated, self.low[4]) * (-1.0 / collector.charge))

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        del current, charge
        w, left = self.warmth, self.left
        up, down, j = 1.0 + z[0], 1.0 - z[0], z[2] / w.twice
        one, two = 1.0 / np.sqrt(up + j * j), 1.0 / np.sqrt(down + j * j)
        slope = np.zeros(z.shape)
        slope[0] = 0.5 * w.thermal * j * (two / down - one / up) + self.conc / (up * down)
        slope[1] = self._film(time)
        slope[2] = w.thermal * (one + two) / w.twice
        if self.nucleates:
            nucleation = self.chemistry.parameters.nucleation
            share = z[2] / nucleation.density
            flat = 2.0 * share / nucleation.density / (1.0 + share * share) ** 2
            slope[2] += self._barrier(z[2], z[3]) * flat
            slope[3] = self._nucleating(z[2]) * self._fading(z[2], z[3])
        if len(z) == 5:
            collector = self.chemistry.parameters.collector
            assert collector is not None
            slope[4] = self._collector(z[4]) * (-1.0 / collector.charge)
        slope *= left
        return slope, np.zeros(np.shape(z[0])) + self.ohmic * left + self.chemistry.parameters.contact

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        w, p = self.warmth, self.chemistry.parameters
        growth = self.conditions.slow[0]
        del charge
        s, j = min(max(z[0], _EDGE - 1.0), 1.0 - _EDGE), z[2] / w.twice
        v = w.thermal * (math.asinh(j / math.sqrt(1.0 + s)) + math.asinh(j / math.sqrt(1.0 - s)))
        v += self.conc * math.atanh(s) + self.ohmic * current
        if p.film.hours:
            v += float(self._film(time)) * z[1]
        else:
            v += w.film * math.sqrt(1.0 + growth + 2.0 * w.growth * time) * z[1]
        if self.nucleates:
            share = (z[2] / p.nucleation.density) ** 2
            v += self._barrier_of(z[2], z[3]) * share / (1.0 + share)
        if len(z) == 5:
            v += float(self._collector(z[4]))
        return float(v * self.left + p.contact * current)

    def _wearing(self, density: float) -> float:
        """Return the growth of wear in 1/s at a current density in A/m2; kept with the cell."""
        key = (density, self.conditions.temperature, self.seed)
        kept = self.chemistry.speeds
        known = kept.get(key)
        if known is None:
            if len(kept) >= _KEPT:
                kept.clear()
            known = kept[key] = self.chemistry.parameters.shorts.speed(*key)
        return known

    def change(self, current: float) -> float:
        """Return after how many s at constant current something touches, burns away or turns hard."""
        density = float(f"{abs(current) / self.area:.13g}")
        return self.chemistry.parameters.shorts.until(self.short, density, self._wearing(density), self.seed)

    def slow(self, before: Sequence[Number], time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states later on; see `Physics.slow`."""
        del charge
        growth, hours, side, turns = before[:SHORT]
        # rounded: the same current in pieces of any length is the same current
        density = float(f"{throughput / self.area / time:.13g}") if time > 0.0 else 0.0
        short = self.chemistry.parameters.shorts.later(self.short, time, density, self._wearing(density), self.seed)
        return (growth + 2.0 * self.warmth.growth * time, hours + time, side, turns, *short, *before[BARRIER:])


def _seed(conditions: Conditions) -> int:
    """Return the seed of one cell."""
    assert isinstance(conditions.seed, int)
    return conditions.seed

"""Many metal cells in one call: the physics of `symmetric` with an array entry for each cell."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from labctl_simulators.cell.chemistry.metal_cell import BARRIER, SHORT, SIDE, MetalCell, Warmth
from labctl_simulators.cell.chemistry.metal_parameters import side_by_side
from labctl_simulators.cell.chemistry.symmetric_physics import SymmetricPhysics
from labctl_simulators.cell.physics import Array, Conditions, Number


class SymmetricBatch(SymmetricPhysics):
    """Hold N metal cells at frozen conditions; every number may be an array of shape (N,).

    A short that sets in within a step shows from the step's end on.
    """

    def __init__(self, chemistry: MetalCell, conditions: Conditions) -> None:
        p, slow = chemistry.parameters, conditions.slow
        self.chemistry, self.conditions = chemistry, conditions
        self.warmth = _warmth(chemistry, conditions.temperature)
        self.memory = self.warmth.memory
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        strain = p.bend.strain(conditions.angle, conditions.radius)
        self.active = 1.0 - p.bend.area * strain
        self.short, self.barriers = slow[SHORT:BARRIER], slow[BARRIER:]
        self.area = p.area * self.active
        self.ohmic = self.warmth.bulk / self.area * (1.0 + p.bend.series * strain) + p.bend.contact * strain
        shorted, resistance = p.shorts.hards(*slow[SHORT : SHORT + 2]), p.shorts.resistance
        self.left = np.where(shorted, resistance / (resistance + self.warmth.bulk), 1.0)
        through = np.where(shorted, resistance / (resistance + self.warmth.linear), 1.0)
        for cell in np.flatnonzero((slow[SHORT] >= 1.0) & ~shorted):
            self.left[cell] = p.shorts.share(tuple(float(value[cell]) for value in self.short), self._seeds()[cell])
        self.gain = np.tile(through / self.active, (chemistry.rows, 1))
        if p.collector is not None:
            self.gain[4] *= np.where(slow[SIDE] < 0.0, p.collector.efficiency, 1.0)
        self.nucleates = p.nucleation.height > 0.0
        self.conc = 2.0 * self.warmth.thermal * (1.0 - p.salt.transference)

    def _seeds(self) -> list[int]:
        seeds: Any = self.conditions.seed
        return list(seeds)

    def change(self, current: float) -> float:
        """Return infinity: a batch takes changes at the end of a step."""
        del current
        return float("inf")

    def slow(self, before: Sequence[Number], time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states later on; see `Physics.slow`."""
        del charge
        growth, hours, side, turns = before[:SHORT]
        with np.errstate(invalid="ignore", divide="ignore"):
            density = np.where(time > 0.0, throughput / self.area / time, 0.0)
        shorts = self._shorts(time, density)
        return (growth + 2.0 * self.warmth.growth * time, hours + time, side, turns, *shorts, *before[BARRIER:])

    def _shorts(self, time: Array, density: Array) -> tuple[Array, ...]:
        law, seeds = self.chemistry.parameters.shorts, self._seeds()
        wear, episodes, burnt, clock = self.short
        speed = law.speeds(density, self.conditions.temperature, seeds)
        grown = wear + speed * time
        later = np.array(
            [
                np.where((wear < 1.0) & (grown >= 1.0 - 1e-13), 1.0, grown),
                episodes,
                burnt,
                clock + np.where(density > 0.0, time, 0.0),
            ]
        )
        for cell in np.flatnonzero(wear >= 1.0):
            now = tuple(float(value[cell]) for value in self.short)
            at = float(np.broadcast_to(time, wear.shape)[cell])
            later[:, cell] = law.later(now, at, float(density[cell]), float(speed[cell]), seeds[cell])
        return tuple(later)


def _warmth(chemistry: MetalCell, temperature: Number) -> Warmth:
    """Return what depends on the temperature, stacked where that is an array."""
    if isinstance(temperature, float):
        return chemistry.warmth(temperature)
    each = [chemistry.warmth(float(one)) for one in temperature]
    numbers: dict[str, Any] = {
        field.name: np.array([getattr(one, field.name) for one in each]) for field in fields(Warmth)[1:]
    }
    return Warmth(side_by_side([one.memory for one in each]), **numbers)

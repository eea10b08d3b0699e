"""A metal cell before any condition is frozen: its memory, and what the temperature makes of it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from labctl_simulators.cell.chemistry import poles, shorts
from labctl_simulators.cell.chemistry.kinetics import FARADAY, GAS
from labctl_simulators.cell.chemistry.metal_parameters import MetalParameters
from labctl_simulators.cell.physics import Array, Chemistry, Memory

SLOW_NAMES: Final = ("growth", "hours", "side", "turns", *shorts.SLOW_NAMES, "barrier", "other")
SIDE, TURNS, SHORT, BARRIER = 2, 3, 4, 8  # places in SLOW_NAMES
_EDGE: Final = 1e-4  # of the salt that is left when it counts as used up


@dataclass(slots=True, eq=False, repr=False)
class Warmth:
    """Hold what depends on the temperature alone; areal numbers."""

    memory: Memory
    bulk: float
    film: float
    growth: float
    twice: float  # 2 j0, A/m2
    thermal: float  # 2RT/F, V
    linear: float  # whole resistance at small currents, ohm m2


class MetalCell(Chemistry):
    """Hold a metal cell of which everything is known that no condition changes.

    Args:
        parameters: the cell.
    """

    slow_names = SLOW_NAMES
    turning = True

    def __init__(self, parameters: MetalParameters) -> None:
        self.parameters = parameters
        self.name, self.temperature = parameters.name, parameters.temperature
        self.kind = "symmetric" if parameters.collector is None else "asymmetric"
        self.rows = 4 if parameters.collector is None else 5
        self._open = poles.diffusion("open_end")
        self.poles = len(self._open.rate) + 2
        self._warmth: dict[float, Warmth] = {}
        self.speeds: dict[Any, float] = {}
        self.low = np.full(self.rows, -np.inf)
        self.high = np.full(self.rows, np.inf)
        self.low[0], self.high[0] = _EDGE - 1.0, 1.0 - _EDGE
        used_up = "the salt is used up at the"
        self.words: tuple[tuple[str, str], ...] = (
            (f"{used_up} working electrode", f"{used_up} counter electrode"),
            *((("", ""),) * 3),
        )
        if parameters.collector is not None:
            self.low[4] = -3.0 * parameters.collector.charge
            self.words += (("the collector is stripped bare", ""),)

    def start(self, soc: float | None, seed: int) -> tuple[Array, tuple[float, ...]]:
        """Return level and slow states of a fresh cell; see `Chemistry.start`. A metal cell has no state of charge."""
        del seed
        if soc is not None and not 0.0 <= soc <= 1.0:
            raise ValueError(f"wanted a state of charge in 0..1, found {soc}")
        return np.zeros(self.rows), self.completed((0.0,) * BARRIER)

    def completed(self, slow: tuple[float, ...]) -> tuple[float, ...]:
        """Return slow states with those that were not kept before; see `Chemistry.completed`."""
        if len(slow) == len(SLOW_NAMES):
            return slow
        return (*slow[:BARRIER], *(float(self.parameters.nucleation.begun(slow[TURNS] + more)) for more in (0.0, 1.0)))

    def warmth(self, temperature: float) -> Warmth:
        """Return what depends on the temperature alone; kept."""
        known = self._warmth.get(temperature)
        if known is None:
            if len(self._warmth) > 64:
                self._warmth.clear()
            known = self._warmth[temperature] = self._warm(temperature)
        return known

    def _warm(self, temperature: float) -> Warmth:
        p = self.parameters
        if not p.lowest <= temperature <= p.highest:
            raise ValueError(f"wanted a temperature in {p.lowest}..{p.highest} K, found {temperature} K")
        salt, thermal = p.salt, 2.0 * GAS * temperature / FARADAY
        half, spread = salt.thickness / 2.0, salt.spread(temperature)
        film, exchange = float(p.film.resistance(temperature)), float(p.exchange(temperature))
        transfer = 0.5 * thermal / exchange
        own = half**2 / spread
        excess = (1.0 - salt.transference) * half / (FARADAY * spread * salt.concentration * p.area)
        filters = np.array([1.0 / (film * p.film.capacitance), 1.0 / (transfer * p.double_layer)])
        integrator = np.zeros(self.rows)
        integrator[3] = 1.0 / p.area
        if p.collector is not None:
            integrator[4] = -1.0 / p.area
        memory = Memory(
            rate=np.concatenate([self._open.rate / own, filters]),
            drive=np.concatenate([self._open.residue * (excess / own), filters / p.area]),
            row=np.array([0] * len(self._open.rate) + [1, 2], dtype=np.intp),
            integrator=integrator,
            feed=np.array([self._open.feed * excess] + [0.0] * (self.rows - 1)),
        )
        bulk = salt.thickness / float(salt.conductivity(temperature))
        growth = 0.0 if p.film.growth is None else float(p.film.growth(temperature))
        concentration = 2.0 * thermal * (1.0 - salt.transference) * excess * p.area
        linear = bulk + film + 2.0 * transfer + concentration
        return Warmth(memory, bulk, film, growth, 2.0 * exchange, thermal, linear)

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as the current turns: another electrode begins to be plated.

        Each keeps the barrier to nucleation that it has then, so that a turn moves no voltage.
        """
        barriers, turned = slow[BARRIER:], level.copy()
        turned[3] = 0.0
        if slow[SIDE]:
            present, other = self.parameters.nucleation.barriers(barriers, slow[TURNS], float(level[3]))
            barriers = (float(other), float(present))
        return (*slow[:SIDE], float(direction), slow[TURNS] + 1.0, *slow[SHORT:BARRIER], *barriers), turned

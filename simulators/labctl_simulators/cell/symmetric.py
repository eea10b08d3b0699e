"""Cells with metal on both sides, and metal against a bare collector.

Rows: relative excess of salt at the working electrode (that at the other one is its negative); current density that
crosses the surface films; current density of the charge transfer; charge density since the current turned; metal on
the collector (asymmetric cells only).

The double layers and the films' capacitances are linear filters of the current density in front of the resistances
they belong to: exactly R ‖ C for small signals, and a definition of the model for large ones. The voltage is

    V = R u + r_film j_film + 2RT/F (asinh(j / 2 j0 sqrt(1 + s)) + asinh(j / 2 j0 sqrt(1 - s)))
        + 2RT/F (1 - t+) ln((1 + s) / (1 - s)) + nucleation + bare collector

after J. Newman, K. E. Thomas-Alyea, Electrochemical Systems, 3rd ed., Wiley 2004, ch. 8 and 11 (kinetics, concentration
cell with transference); growth of the film L^2 = L0^2 + 2 k t as in E. Peled, J. Electrochem. Soc. 126 (1979) 2047.
Positive current strips the working electrode. What a short leaves of the voltage is in `shorts`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from labctl_simulators.cell import poles, shorts
from labctl_simulators.cell.chemistry import Array, Chemistry, Conditions, Memory, Number, Physics
from labctl_simulators.cell.kinetics import FARADAY, GAS
from labctl_simulators.cell.metal import Parameters

SLOW_NAMES: Final = ("growth", "hours", "side", "turns", *shorts.SLOW_NAMES)
SIDE, TURNS, SHORT = 2, 3, 4  # places in SLOW_NAMES
_EDGE: Final = 1e-4  # of the salt that is left when it counts as used up
_KEPT: Final = 256


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


class Symmetric(Chemistry):
    """Make the physics of a metal cell.

    Args:
        parameters: the cell.
    """

    slow_names = SLOW_NAMES

    def __init__(self, parameters: Parameters) -> None:
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
        return np.zeros(self.rows), (0.0,) * len(SLOW_NAMES)

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

    def prepare(self, conditions: Conditions) -> "SymmetricPhysics":
        """Return the physics at frozen conditions; see `Chemistry.prepare`."""
        if isinstance(conditions.slow[0], np.ndarray):
            from labctl_simulators.cell.metals import SymmetricBatch  # noqa: PLC0415 - it is a subclass of ours

            return SymmetricBatch(self, conditions)
        return SymmetricPhysics(self, conditions)

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as the current turns: another electrode begins to be plated."""
        turned = level.copy()
        turned[3] = 0.0
        return (*slow[:SIDE], float(direction), slow[TURNS] + 1.0, *slow[SHORT:]), turned


class SymmetricPhysics(Physics):
    """Hold a metal cell at frozen conditions."""

    left: Number
    spike: Number
    nucleates: bool

    def __init__(self, chemistry: Symmetric, conditions: Conditions) -> None:
        p = chemistry.parameters
        self.chemistry: Symmetric = chemistry
        self.conditions, self.seed = conditions, _seed(conditions)
        self.warmth = chemistry.warmth(conditions.temperature)
        self.memory = self.warmth.memory
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        strain = p.bend.strain(conditions.angle, conditions.radius)
        self.active = 1.0 - p.bend.area * strain
        slow = conditions.slow
        self.short = slow[SHORT:]
        self.area = p.area * self.active
        self.ohmic = self.warmth.bulk / self.area * (1.0 + p.bend.series * strain) + p.bend.contact * strain
        self.hard = p.shorts.hard(slow[SHORT], slow[SHORT + 1])
        if self.hard:
            self.left = p.shorts.resistance / (p.shorts.resistance + self.warmth.bulk)
        else:
            self.left = p.shorts.share(self.short, self.seed)
        through = p.shorts.resistance / (p.shorts.resistance + self.warmth.linear) if self.hard else 1.0
        self.gain = self._gain(through / self.active)
        self.spike = p.nucleation.height * (1.0 if slow[TURNS] <= 2.0 else p.nucleation.again)
        self.nucleates = self.spike > 0.0 and slow[SIDE] != 0.0
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

    def _spike(self, passed: Number) -> Number:
        """Return the height of the nucleation spike in V, `passed` C/m2 after the current turned."""
        charge = self.chemistry.parameters.nucleation.charge
        return self.conditions.slow[SIDE] * self.spike * np.exp(np.abs(passed) * (-1.0 / charge))

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
            v += self._nucleating(z[2]) * self._spike(z[3])
        if len(z) == 5:
            v += self._collector(z[4])
        v += self.ohmic * np.asarray(current)
        if not isinstance(left, float) or left != 1.0:
            v *= left
        return np.asarray(v + self.chemistry.parameters.contact * current)

    def _nucleating(self, density: Number) -> Number:
        """Return how far nucleation takes part, 0..1: only while the charge transfer goes in the present direction.

        It begins with the square of the current, so that no small signal sees it.
        """
        share = density * (self.conditions.slow[SIDE] / self.chemistry.parameters.nucleation.density)
        share = np.maximum(share, 0.0)
        share *= share
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
            inverse = self.conditions.slow[SIDE] / self.chemistry.parameters.nucleation.density
            share = np.maximum(z[2] * inverse, 0.0)
            flat = 2.0 * share * inverse / (1.0 + share * share) ** 2
            spike = self._spike(z[3])
            slope[2] += spike * flat
            slope[3] = (
                self._nucleating(z[2]) * spike * np.sign(z[3]) * (-1.0 / self.chemistry.parameters.nucleation.charge)
            )
        if len(z) == 5:
            collector = self.chemistry.parameters.collector
            assert collector is not None
            slope[4] = self._collector(z[4]) * (-1.0 / collector.charge)
        slope *= left
        return slope, np.zeros(np.shape(z[0])) + self.ohmic * left + self.chemistry.parameters.contact

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        w, p = self.warmth, self.chemistry.parameters
        growth, _, side = self.conditions.slow[:3]
        del charge
        s, j = min(max(z[0], _EDGE - 1.0), 1.0 - _EDGE), z[2] / w.twice
        v = w.thermal * (math.asinh(j / math.sqrt(1.0 + s)) + math.asinh(j / math.sqrt(1.0 - s)))
        v += self.conc * math.atanh(s) + self.ohmic * current
        if p.film.hours:
            v += float(self._film(time)) * z[1]
        else:
            v += w.film * math.sqrt(1.0 + growth + 2.0 * w.growth * time) * z[1]
        if self.spike and z[2] * side > 0.0:
            share = (z[2] / p.nucleation.density) ** 2
            v += side * self.spike * math.exp(-abs(z[3]) / p.nucleation.charge) * share / (1.0 + share)
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
        return (growth + 2.0 * self.warmth.growth * time, hours + time, side, turns, *short)


def _seed(conditions: Conditions) -> int:
    """Return the seed of one cell."""
    assert isinstance(conditions.seed, int)
    return conditions.seed

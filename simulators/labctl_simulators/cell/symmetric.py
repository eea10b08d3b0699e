"""Cells with metal on both sides, and metal against a bare collector.

Rows: relative excess of salt at the working electrode (that at the other one is its negative); current density that
crosses the surface films; current density of the charge transfer; metal on the collector (asymmetric cells only).

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

SLOW_NAMES: Final = ("growth", "hours", "since", "side", "turns", *shorts.SLOW_NAMES)
_SINCE, _SIDE, _TURNS, _SHORT = 2, 3, 4, 5  # places in SLOW_NAMES
_EDGE: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class _Warmth:
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
        self.rows = 3 if parameters.collector is None else 4
        self._open = poles.diffusion("open_end")
        self.poles = len(self._open.rate) + 2
        self._warmth: dict[float, _Warmth] = {}
        self.low = np.full(self.rows, -np.inf)
        self.high = np.full(self.rows, np.inf)
        self.low[0], self.high[0] = _EDGE - 1.0, 1.0 - _EDGE
        used_up = "the salt is used up at the"
        self.words: tuple[tuple[str, str], ...] = (
            (f"{used_up} working electrode", f"{used_up} counter electrode"),
            ("", ""),
            ("", ""),
        )
        if parameters.collector is not None:
            self.low[3] = -3.0 * parameters.collector.charge
            self.words += (("the collector is stripped bare", ""),)

    def start(self, soc: float | None, seed: int) -> tuple[Array, tuple[float, ...]]:
        """Return level and slow states of a fresh cell; see `Chemistry.start`. A metal cell has no state of charge."""
        del seed
        if soc is not None and not 0.0 <= soc <= 1.0:
            raise ValueError(f"wanted a state of charge in 0..1, found {soc}")
        return np.zeros(self.rows), (0.0,) * len(SLOW_NAMES)

    def warmth(self, temperature: float) -> _Warmth:
        """Return what depends on the temperature alone; kept."""
        known = self._warmth.get(temperature)
        if known is None:
            if len(self._warmth) > 64:
                self._warmth.clear()
            known = self._warmth[temperature] = self._warm(temperature)
        return known

    def _warm(self, temperature: float) -> _Warmth:
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
        if p.collector is not None:
            integrator[3] = -1.0 / p.area
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
        return _Warmth(memory, bulk, film, growth, 2.0 * exchange, thermal, linear)

    def prepare(self, conditions: Conditions) -> "SymmetricPhysics":
        """Return the physics at frozen conditions; see `Chemistry.prepare`."""
        return SymmetricPhysics(self, conditions)

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as the current turns: another electrode begins to be plated."""
        turns = slow[_TURNS] + 1.0
        return (*slow[:_SINCE], 0.0, float(direction), turns, *slow[_SHORT:]), level


class SymmetricPhysics(Physics):
    """Hold a metal cell at frozen conditions."""

    def __init__(self, chemistry: Symmetric, conditions: Conditions) -> None:
        p = chemistry.parameters
        self.chemistry, self.conditions = chemistry, conditions
        self.warmth = chemistry.warmth(conditions.temperature)
        self.memory = self.warmth.memory
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        strain = p.bend.strain(conditions.angle, conditions.radius)
        self.active = 1.0 - p.bend.area * strain
        slow = conditions.slow
        self.short = slow[_SHORT:]
        self.area = p.area * self.active
        self.ohmic = self.warmth.bulk / self.area * (1.0 + p.bend.series * strain) + p.bend.contact * strain
        self.hard = p.shorts.hard(slow[_SHORT], slow[_SHORT + 1])
        self.left = p.shorts.resistance / (p.shorts.resistance + self.warmth.bulk) if self.hard else 1.0
        self.open = slow[_SHORT] < 1.0 or self.hard
        through = p.shorts.resistance / (p.shorts.resistance + self.warmth.linear) if self.hard else 1.0
        self.gain = self._gain(through / self.active)
        self.spike = p.nucleation.height * (1.0 if slow[_TURNS] <= 2.0 else p.nucleation.again)
        self.conc = 2.0 * self.warmth.thermal * (1.0 - p.salt.transference)

    def _gain(self, factor: float) -> Array:
        gain = np.full(self.chemistry.rows, factor)
        collector = self.chemistry.parameters.collector
        if collector is not None and self.conditions.slow[_SIDE] < 0.0:
            gain[3] *= collector.efficiency
        return gain

    def _film(self, time: Number) -> Number:
        """Return the films' resistance in ohm m2 `time` s after the begin."""
        growth, hours = self.conditions.slow[:2]
        value = self.warmth.film * np.sqrt(1.0 + growth + 2.0 * self.warmth.growth * time)
        film = self.chemistry.parameters.film
        return value * np.interp(hours + time, film.hours, film.factors) if film.hours else value

    def _left(self, time: Number) -> Number:
        """Return what shorts leave of the voltage `time` s after the begin."""
        if self.open:
            return self.left
        seed: Any = self.conditions.seed
        return self.chemistry.parameters.shorts.share(self.short, time, seed)

    def _spike(self, charge: Number) -> Number:
        slow, nucleation = self.conditions.slow, self.chemistry.parameters.nucleation
        passed = slow[_SINCE] + np.abs(charge) / self.area
        return slow[_SIDE] * self.spike * np.exp(passed * (-1.0 / nucleation.charge))

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        w = self.warmth
        s, j = np.minimum(np.maximum(z[0], _EDGE - 1.0), 1.0 - _EDGE), z[2] / w.twice
        v = np.arcsinh(j / np.sqrt(1.0 + s))
        v += np.arcsinh(j / np.sqrt(1.0 - s))
        v *= w.thermal
        v += self.conc * np.arctanh(s)
        v += self._film(time) * z[1]
        side = self.conditions.slow[_SIDE]
        if self.spike and side:
            density = self.chemistry.parameters.nucleation.density
            v += self._spike(charge) * np.tanh(np.maximum(z[2] * (side / density), 0.0))
        if len(z) == 4:
            v += self._collector(z[3])
        v += self.ohmic * np.asarray(current)
        return np.asarray(v * self._left(time) + self.chemistry.parameters.contact * current)

    def _collector(self, plated: Number) -> Number:
        collector = self.chemistry.parameters.collector
        assert collector is not None
        return collector.bare * np.exp(np.maximum(plated, self.low[3]) * (-1.0 / collector.charge))

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        del current
        w, left = self.warmth, self._left(time)
        s, j = np.minimum(np.maximum(z[0], _EDGE - 1.0), 1.0 - _EDGE), z[2] / w.twice
        up, down = 1.0 + s, 1.0 - s
        one, two = 1.0 / np.sqrt(up + j * j), 1.0 / np.sqrt(down + j * j)
        slope = np.empty(z.shape)
        slope[0] = 0.5 * w.thermal * j * (two / down - one / up) + self.conc / (up * down)
        slope[1] = self._film(time)
        slope[2] = w.thermal * (one + two) / w.twice
        side = self.conditions.slow[_SIDE]
        if self.spike and side:
            density = self.chemistry.parameters.nucleation.density
            flat = 1.0 - np.tanh(np.maximum(z[2] * (side / density), 0.0)) ** 2
            slope[2] += self._spike(charge) * np.where(z[2] * side > 0.0, flat * side / density, 0.0)
        if len(z) == 4:
            collector = self.chemistry.parameters.collector
            assert collector is not None
            slope[3] = self._collector(z[3]) * (-1.0 / collector.charge)
        slope *= left
        return slope, np.zeros(np.shape(z[0])) + self.ohmic * left + self.chemistry.parameters.contact

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        w, p = self.warmth, self.chemistry.parameters
        growth, _, since, side = self.conditions.slow[:4]
        s, j = min(max(z[0], _EDGE - 1.0), 1.0 - _EDGE), z[2] / w.twice
        v = w.thermal * (math.asinh(j / math.sqrt(1.0 + s)) + math.asinh(j / math.sqrt(1.0 - s)))
        v += self.conc * math.atanh(s) + self.ohmic * current
        if p.film.hours:
            v += float(self._film(time)) * z[1]
        else:
            v += w.film * math.sqrt(1.0 + growth + 2.0 * w.growth * time) * z[1]
        if self.spike and z[2] * side > 0.0:
            passed = since + abs(charge) / self.area
            v += (
                side
                * self.spike
                * math.exp(-passed / p.nucleation.charge)
                * math.tanh(z[2] * side / p.nucleation.density)
            )
        if len(z) == 4:
            v += float(self._collector(z[3]))
        left = self.left if self.open else float(self._left(time))
        return float(v * left + p.contact * current)

    def change(self, current: float) -> float:
        """Return after how many s at constant current something touches, burns away or turns hard."""
        density = abs(current) / self.area
        seed: Any = self.conditions.seed
        return self.chemistry.parameters.shorts.until(self.short, density, self.conditions.temperature, seed)

    def slow(self, time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states later on; see `Physics.slow`."""
        del charge
        growth, hours, since, side, turns = self.conditions.slow[:_SHORT]
        passed = throughput / self.area
        density = passed / time if time > 0.0 else 0.0
        limit, seed = self.chemistry.parameters.shorts, self.conditions.seed
        short = limit.later(self.short, time, density, self.conditions.temperature, seed)  # type: ignore[arg-type]
        return (growth + 2.0 * self.warmth.growth * time, hours + time, since + passed, side, turns, *short)

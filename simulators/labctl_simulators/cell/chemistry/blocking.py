"""Cells with two blocking contacts, an electrolyte between plates that pass no ions; and capacitors, whose contacts hold charge.

Bulk (resistance and geometric capacitance), grain boundary (resistance and constant phase element) and contact
(constant phase element) in series, and beside them all the electronic conductance. One row: V over the ionic path.

Constant phase elements are sums of positive poles, from the integral over relaxation times taken by the trapezoidal rule
in the logarithm of the time; what lies beyond the outermost poles is a capacitance (so direct current is blocked
exactly) and a resistance. Relative error below 1e-3 from 0.1 mHz to 10 MHz; A. Lasia, Electrochemical Impedance
Spectroscopy and its Applications, Springer 2014, ch. 8.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.chemistry.arrhenius import Arrhenius
from labctl_simulators.cell.chemistry.bend import BendResponse
from labctl_simulators.cell.chemistry.metal_parameters import positive, side_by_side
from labctl_simulators.cell.chemistry.poles import Poles
from labctl_simulators.cell.physics import Array, Chemistry, Conditions, Memory, Number, Physics

_SLOWEST: Final = 1e-6  # 1/s; first and last pole of a contact
_FASTEST: Final = 1e10
_PER_DECADE: Final = 2
_NODES: Final = 25  # of a grain boundary
_RESOLVED: Final = 1e7  # 1/s; faster poles are resistances in time (below 1e-4 of the impedance up to 10 kHz)


@dataclass(frozen=True, slots=True)
class Boundary:
    """Hold the grain boundaries.

    Attributes:
        resistance: ohm m2.
        frequency: 1/s, where the arc's top lies at the temperature of the parameters (angular).
        alpha: exponent of its constant phase element, 0.5..1.
    """

    resistance: Arrhenius
    frequency: float
    alpha: float = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive("a grain boundary's frequency", self.frequency)
        _exponent(self.alpha)


@dataclass(frozen=True, slots=True)
class BlockingParameters:
    """Hold a blocking cell.

    Attributes:
        name: of the parameter set.
        area: m2.
        thickness: of the electrolyte, m.
        conductivity: ionic, of the bulk, S/m.
        geometric: capacitance of the bulk, F/m2.
        contact: of both contacts together, ohm-1 s^n / m2.
        alpha: exponent n of the contacts, 0.5..1.
        electronic: conductivity for electrons, S/m; None is none.
        boundary: grain boundaries, or None.
        leads: ohm, > 0.
        bend: answer to bending.
        temperature: of a fresh cell, K.
        lowest: smallest temperature that the numbers cover, K.
        highest: largest, K.
        highest_current: largest that they cover, A.
        window: of a capacitor, V: where it is empty, and where it is full; None of a blocking cell.
    """

    name: str
    area: float
    thickness: float
    conductivity: Arrhenius
    contact: float
    alpha: float = 0.9
    geometric: float = 1e-6
    electronic: Arrhenius | None = None
    boundary: Boundary | None = None
    leads: float = 0.1
    bend: BendResponse = field(default_factory=BendResponse)
    temperature: float = 298.15
    lowest: float = 230.0
    highest: float = 400.0
    highest_current: float = math.inf
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("area", "thickness", "contact", "geometric", "leads"):
            positive(f"a blocking cell's {name}", getattr(self, name))
        _exponent(self.alpha)


class Blocking(Chemistry):
    """Make the physics of a blocking cell.

    Args:
        parameters: the cell.
    """

    def __init__(self, parameters: BlockingParameters) -> None:
        self.parameters = parameters
        self.kind = "blocking" if parameters.window is None else "capacitor"
        self.name, self.temperature = parameters.name, parameters.temperature
        self._memories: dict[float, Memory] = {}
        self._slow = self._elements(parameters.temperature)[0] < _RESOLVED
        self.poles = int(self._slow.sum())
        self.low, self.high, self.words = np.full(1, -np.inf), np.full(1, np.inf), (("", ""),)

    def start(self, soc: float | None, seed: int) -> tuple[Array, tuple[float, ...]]:
        """Return the level of a cell; see `Chemistry.start`. A blocking cell is uncharged, a capacitor where `soc` is None."""
        del seed
        if soc is not None and not 0.0 <= soc <= 1.0:
            raise ValueError(f"wanted a state of charge in 0..1, found {soc}")
        if self.parameters.window is None or soc is None:
            return np.zeros(1), ()
        low, high = self.parameters.window
        return np.array([low + soc * (high - low)]), ()

    def memory(self, temperature: Number) -> Memory:
        """Return the linear memory; the same object for the same temperature."""
        if not isinstance(temperature, float):
            return side_by_side([self.memory(float(one)) for one in np.ravel(temperature)])
        known = self._memories.get(temperature)
        if known is None:
            if len(self._memories) > 64:
                self._memories.clear()
            known = self._memories[temperature] = self._memory(temperature)
        return known

    def _memory(self, temperature: float) -> Memory:
        p, slow = self.parameters, self._slow
        if not p.lowest <= temperature <= p.highest:
            raise ValueError(f"wanted a temperature in {p.lowest}..{p.highest} K, found {temperature} K")
        rate, drive = self._elements(temperature)
        contact, quantity = constant_phase(p.alpha), p.contact * p.area
        integrator = np.array([contact.integrator / quantity])
        feed = np.array([contact.feed / quantity + (drive[~slow] / rate[~slow]).sum()])
        return Memory(rate[slow], drive[slow], np.zeros(self.poles, dtype=np.intp), integrator, feed)

    def _elements(self, temperature: float) -> tuple[Array, Array]:
        """Return rates (1/s) and drives (V/C) of all poles."""
        p = self.parameters
        p = self.parameters
        capacitance = p.geometric * p.area
        bulk = p.thickness / (float(p.conductivity(temperature)) * p.area)
        contact, quantity = constant_phase(p.alpha), p.contact * p.area
        rates = [np.array([1.0 / (bulk * capacitance)]), contact.rate]
        drives = [np.array([1.0 / capacitance]), contact.residue / quantity]
        if p.boundary is not None:
            arc = depressed_arc(p.boundary.alpha)
            resistance = float(p.boundary.resistance(temperature))
            own = self.top(temperature)
            rates.append(arc.rate * own)
            drives.append(arc.residue * (own * resistance / p.area))
        return np.concatenate(rates), np.concatenate(drives)

    def top(self, temperature: float) -> float:
        """Return the angular frequency of the top of the grain boundary's arc, 1/s; its capacitance stays."""
        boundary = self.parameters.boundary
        assert boundary is not None
        fresh, now = boundary.resistance(self.parameters.temperature), boundary.resistance(temperature)
        return float(boundary.frequency * (fresh / now) ** (1.0 / boundary.alpha))

    def prepare(self, conditions: Conditions) -> "BlockingPhysics":
        """Return the physics at frozen conditions; see `Chemistry.prepare`."""
        return BlockingPhysics(self, conditions)


class BlockingPhysics(Physics):
    """Hold a blocking cell at frozen conditions."""

    static = True

    def __init__(self, chemistry: Blocking, conditions: Conditions) -> None:
        p = chemistry.parameters
        self.chemistry, self.conditions = chemistry, conditions
        self.memory = chemistry.memory(conditions.temperature)
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        strain = p.bend.strain(conditions.angle, conditions.radius)
        active = 1.0 - p.bend.area * strain
        self.gain = np.array([1.0 / active]) * np.ones(self.memory.feed.shape)
        self.ohmic = p.leads * (1.0 + p.bend.series * strain) + p.bend.contact * strain
        if p.electronic is not None:
            self.leak = p.electronic(conditions.temperature) * p.area * active / p.thickness

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        del time, charge
        return np.asarray(z[0] + self.ohmic * current)

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        del current, time, charge
        return np.ones(z.shape), np.zeros(z.shape[1:]) + self.ohmic

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        del time, charge
        return float(z[0] + self.ohmic * current)

    def impedance(self, z: Array, current: float, frequency: Array) -> NDArray[np.complex128]:
        """Return the impedance in ohm in closed form; see `Physics.impedance`."""
        del z, current
        p, at = self.chemistry.parameters, self.conditions.temperature
        s = 2j * np.pi * np.asarray(frequency, dtype=np.float64)
        areal = 1.0 / (p.conductivity(at) / p.thickness + s * p.geometric) + s**-p.alpha / p.contact
        if p.boundary is not None:
            resistance = p.boundary.resistance(at)
            areal += resistance / (1.0 + (s / self.chemistry.top(at)) ** p.boundary.alpha)
        ionic = areal * self.gain[0] / p.area + self.ohmic
        return np.asarray(1.0 / (1.0 / ionic + self.leak))

    def slow(self, before: Sequence[Number], time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return no slow states: a blocking cell does not age."""
        del before, time, charge, throughput
        return ()


@lru_cache(maxsize=32)
def constant_phase(alpha: float) -> Poles:
    """Return s^-alpha as poles, good from 1e-3 to 1e8 1/s.

    Args:
        alpha: exponent, 0.5..1.

    Raises:
        ValueError: `alpha` lies outside.
    """
    _exponent(alpha)
    if alpha == 1.0:
        return Poles(np.ones(0), np.ones(0), 0.0, 1.0)
    count = round(math.log10(_FASTEST / _SLOWEST) * _PER_DECADE)
    width = math.log(_FASTEST / _SLOWEST) / count
    rate = _SLOWEST * np.exp(width * (np.arange(count) + 0.5))
    share = math.sin((1.0 - alpha) * math.pi) / math.pi
    feed = share * _FASTEST**-alpha / alpha
    return Poles(rate, share * width * rate ** (1.0 - alpha), feed, share * _SLOWEST ** (1.0 - alpha) / (1.0 - alpha))


@lru_cache(maxsize=32)
def depressed_arc(alpha: float) -> Poles:
    """Return 1 / (1 + s^alpha) as poles; error below 2e-3 of the arc's width, none at zero frequency.

    The distribution of relaxation times of Cole and Cole (J. Chem. Phys. 9 (1941) 341), taken by the trapezoidal rule in
    v, where ln(time) = (1 - alpha) pi / alpha sinh v: dense about its peak, however narrow that is.

    Args:
        alpha: exponent, 0.5..1.

    Raises:
        ValueError: `alpha` lies outside.
    """
    _exponent(alpha)
    if alpha == 1.0:
        return Poles(np.ones(1), np.ones(1))
    peak = (1.0 - alpha) * math.pi
    scale = peak / alpha
    v, width = np.linspace(-math.asinh(36.0 / peak), math.asinh(36.0 / peak), _NODES, retstep=True)
    place = scale * np.sinh(v)
    # cosh a - cos b without its cancellation, as alpha comes near to 1
    spread = 2.0 * (np.sinh(0.5 * alpha * place) ** 2 + math.sin(0.5 * peak) ** 2)
    weight = scale * np.cosh(v) / spread * width
    rate = np.exp(-place)
    order = np.argsort(rate)
    return Poles(rate[order], (rate * weight / weight.sum())[order])


def _exponent(alpha: float) -> None:
    """Refuse an exponent outside 0.5..1.

    Raises:
        ValueError: so.
    """
    if not 0.5 <= alpha <= 1.0:
        raise ValueError(f"wanted an exponent of a constant phase element in 0.5..1, found {alpha}")

"""Insertion cells: single-particle full and half cells, planar thin-film cells, with optional electrolyte modes.

The single-particle model with constant diffusivity (D. Zhang, B. N. Popov, R. E. White, J. Electrochem. Soc. 147
(2000) 831): one representative particle (sphere) or one film for each insertion electrode, Butler-Volmer kinetics with
symmetry factor 1/2, an open-circuit potential of the surface stoichiometry, ohmic and arc resistances in series.

Rows: stoichiometry of the positive, then (full cells) of the negative; then, where present, volts over the arcs, then
the relative salt concentrations of the electrolyte.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import asinh, sqrt
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell import kinetics, poles
from labctl_simulators.cell.bend import Bend
from labctl_simulators.cell.chemistry import Array, Chemistry, Conditions, Memory, Number, Physics
from labctl_simulators.cell.ocp import INTERVALS, OpenCircuit

FARADAY: Final = kinetics.FARADAY
EDGE: Final = 1e-9
"""Stoichiometry at which a surface counts as empty or full (1 - EDGE)."""


@dataclass(frozen=True, slots=True)
class Electrode:
    """Hold one insertion electrode in numbers of the whole cell.

    Attributes:
        shape: `sphere` (particles) or `film` (planar, blocked at its back).
        capacity: charge between stoichiometry 0 and 1, C.
        time: diffusion time R²/D or L²/D at the reference temperature, s.
        exchange: exchange current at half filling, A; i0 = 2 exchange sqrt(x (1 - x)).
        potential: open-circuit potential against the reference metal.
        low: stoichiometry at state of charge 0.
        high: stoichiometry at state of charge 1.
        start: stoichiometry of a fresh cell; None takes `high`.
        time_activation: J/mol, of the diffusivity.
        exchange_activation: J/mol, of the exchange current.
        entropic: dU/dT, V/K.
        double_layer: capacitance of the whole interface, F; 0 is none.
    """

    shape: Literal["sphere", "film"]
    capacity: float
    time: float
    exchange: float
    potential: OpenCircuit
    low: float
    high: float
    start: float | None = None
    time_activation: float = 0.0
    exchange_activation: float = 0.0
    entropic: float = 0.0
    double_layer: float = 0.0

    def __post_init__(self) -> None:
        for name in ("capacity", "time", "exchange"):
            _positive(f"an electrode's {name}", getattr(self, name))
        for name in ("low", "high"):
            if not EDGE < getattr(self, name) < 1.0 - EDGE:
                raise ValueError(f"wanted a stoichiometry inside 0..1 for {name}, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Metal:
    """Hold a metal counter electrode.

    Attributes:
        exchange: exchange current of the whole electrode, A.
        exchange_activation: J/mol.
        double_layer: F; 0 is none.
    """

    exchange: float
    exchange_activation: float = 0.0
    double_layer: float = 0.0

    def __post_init__(self) -> None:
        _positive("a metal's exchange current", self.exchange)


@dataclass(frozen=True, slots=True)
class Arc:
    """Hold a resistance in parallel with a constant phase element, Z = R / (1 + R Q (i w)^alpha).

    Attributes:
        resistance: ohm.
        capacity: Q, F s^(alpha - 1).
        alpha: exponent, 0.5..1.
        activation: J/mol, of 1/R; R Q is taken to scale with R.
    """

    resistance: float
    capacity: float
    alpha: float = 1.0
    activation: float = 0.0

    def __post_init__(self) -> None:
        _positive("an arc's resistance", self.resistance)
        _positive("an arc's capacity", self.capacity)


@dataclass(frozen=True, slots=True)
class Effects:
    """Hold what ageing does to an insertion cell; the defaults are a fresh cell.

    Attributes:
        positive: fraction of the positive electrode's capacity that is left.
        negative: the same of the negative (ignored for metal).
        efficiency: fraction of the current that reaches the positive's host (the rest feeds a side reaction).
        negative_efficiency: the same of the negative.
        resistance: factor on the series resistance.
        exchange: factor on both exchange currents.
    """

    positive: Number = 1.0
    negative: Number = 1.0
    efficiency: Number = 1.0
    negative_efficiency: Number = 1.0
    resistance: Number = 1.0
    exchange: Number = 1.0


class Ageing(Protocol):
    """Say how a cell ages. `slow` is this part's own slow states; everything broadcasts."""

    names: tuple[str, ...]

    def start(self, seed: int) -> tuple[float, ...]:
        """Return the slow states of a fresh cell."""
        ...

    def effects(self, slow: tuple[Number, ...], temperature: Number) -> Effects:
        """Return what `slow` does; constant while the current keeps its direction (see `Chemistry.turn`)."""
        ...

    def advance(
        self, slow: tuple[Number, ...], time: Number, charge: Number, throughput: Number, temperature: Number
    ) -> tuple[Number, ...]:
        """Return the slow states `time` s, `charge` C (signed) and `throughput` C later."""
        ...

    def turn(self, slow: tuple[float, ...], direction: int) -> tuple[float, ...]:
        """Return the slow states as the current turns to `direction`."""
        ...


class Salt(Protocol):
    """Say what linear rows an electrolyte adds; see `electrolyte.Electrolyte`."""

    resistance: float

    def memory(self, temperature: float) -> tuple[Array, Array, NDArray[np.intp], Array]:
        """Return rate, drive, row (from 0) and feed of the two rows: mean relative salt excess at (p, n)."""
        ...


@dataclass(frozen=True, slots=True)
class Parameters:
    """Hold an insertion cell.

    Attributes:
        name: of the parameter set.
        kind: `full`, `half_cathode` or `half_anode`.
        positive: the electrode on the positive lead (of half cells: the working electrode).
        negative: an insertion electrode or a metal.
        resistance: series resistance, ohm.
        resistance_activation: J/mol, of 1/R.
        arcs: further linear elements in series.
        electrolyte: modes of the electrolyte; None is the plain single-particle model.
        bend: answer to bending.
        ageing: answer to use; None never ages.
        temperature: of the numbers, K.
        lowest: smallest temperature that they cover, K.
        highest: largest, K.
    """

    name: str
    kind: str
    positive: Electrode
    negative: Electrode | Metal
    resistance: float = 0.0
    resistance_activation: float = 0.0
    arcs: Sequence[Arc] = ()
    electrolyte: Any = None
    bend: Bend = field(default_factory=Bend)
    ageing: Ageing | None = None
    temperature: float = 298.15
    lowest: float = 230.0
    highest: float = 400.0

    def __post_init__(self) -> None:
        if not self.resistance >= 0.0:
            raise ValueError(f"wanted a series resistance of 0 ohm or more, found {self.resistance} ohm")


def porous(  # noqa: PLR0913  # the numbers of a porous electrode as papers print them
    *,
    area: float,
    thickness: float,
    active_fraction: float,
    radius: float,
    largest: float,
    diffusivity: float,
    rate_constant: float,
    salt: float,
    potential: OpenCircuit,
    low: float,
    high: float,
    start: float | None = None,
    diffusivity_activation: float = 0.0,
    rate_activation: float = 0.0,
    double_layer: float = 0.0,
) -> Electrode:
    """Return a porous electrode of spherical particles.

    Args:
        area: of the electrode, m2.
        thickness: m.
        active_fraction: volume fraction of active material.
        radius: of the particles, m.
        largest: concentration at stoichiometry 1, mol/m3.
        diffusivity: m2/s; a number. One that depends on concentration is refused: the model is linear in it.
        rate_constant: m of i0 = m sqrt(c_e) sqrt(c_s) sqrt(c_max - c_s), A/m2 (m3/mol)^1.5.
        salt: concentration of the electrolyte, mol/m3.
        potential: open-circuit potential.
        low: stoichiometry at state of charge 0.
        high: at state of charge 1.
        start: of a fresh cell.
        diffusivity_activation: J/mol.
        rate_activation: J/mol.
        double_layer: F/m2 of particle surface.

    Raises:
        ValueError: a number outside its physical range, or a diffusivity that is not one number.
    """
    constant_diffusivity(diffusivity)
    surface = 3.0 * active_fraction / radius * thickness * area
    return Electrode(
        shape="sphere",
        capacity=FARADAY * largest * active_fraction * thickness * area,
        time=radius**2 / diffusivity,
        exchange=surface * rate_constant * sqrt(salt) * largest * 0.5,
        potential=potential,
        low=low,
        high=high,
        start=start,
        time_activation=diffusivity_activation,
        exchange_activation=rate_activation,
        double_layer=double_layer * surface,
    )


def constant_diffusivity(diffusivity: object) -> float:
    """Return the diffusivity, m2/s.

    Raises:
        ValueError: it is not one positive number; a table or function of the concentration is never averaged silently.
    """
    if isinstance(diffusivity, bool) or not isinstance(diffusivity, int | float):
        raise ValueError(
            "wanted one number for the diffusivity in m2/s, found a function or table of the concentration: this "
            "model is exact for constant diffusivity only; give the value at the composition of interest"
        )
    _positive("a diffusivity", diffusivity)
    return float(diffusivity)


class Insertion(Chemistry):
    """Make the physics of an insertion cell.

    Args:
        parameters: the cell.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.name, self.kind, self.temperature = parameters.name, parameters.kind, parameters.temperature
        self.slow_names = parameters.ageing.names if parameters.ageing else ()
        negative = parameters.negative
        self.hosts = (parameters.positive, negative) if isinstance(negative, Electrode) else (parameters.positive,)
        self.signs = (-1.0, 1.0)[: len(self.hosts)]
        self._memories: dict[float, Memory] = {}
        memory = self.memory(parameters.temperature)
        self.poles, self.rows = len(memory.rate), len(memory.feed)
        tables = [host.potential.coefficients * sign for host, sign in zip(self.hosts, (1.0, -1.0), strict=False)]
        self.table = np.concatenate(tables)
        self.lists = [[tuple(line) for line in table.tolist()] for table in tables]
        self.low = np.full(self.rows, -np.inf)
        self.high = np.full(self.rows, np.inf)
        self.low[: len(self.hosts)], self.high[: len(self.hosts)] = EDGE, 1.0 - EDGE
        names = ("positive electrode", "negative electrode")
        words = [(f"the surface of the {name} is empty", f"the surface of the {name} is full") for name in names]
        self.words = tuple(words[: len(self.hosts)])
        if parameters.electrolyte is not None:
            self.low[self.rows - 2 :] = -0.999
        spare = ("the electrolyte has no salt left", "the electrolyte is saturated")
        self.words += (spare,) * (self.rows - len(self.hosts))

    def start(self, soc: float | None, seed: int) -> tuple[Array, tuple[float, ...]]:
        """Return level and slow states of a fresh cell at rest; see `Chemistry.start`."""
        if soc is not None and not 0.0 <= soc <= 1.0:
            raise ValueError(f"wanted a state of charge in 0..1, found {soc}")
        level = np.zeros(self.rows)
        for row, host in enumerate(self.hosts):
            fresh = host.high if host.start is None else host.start
            level[row] = fresh if soc is None else host.low + soc * (host.high - host.low)
        ageing = self.parameters.ageing
        return level, ageing.start(seed) if ageing else ()

    def memory(self, temperature: Number) -> Memory:
        """Return the linear memory at `temperature` K; the same object for the same temperature."""
        if isinstance(temperature, float):
            known = self._memories.get(temperature)
            if known is None:
                if len(self._memories) > 64:
                    self._memories.clear()
                known = self._memories[temperature] = self._memory(temperature)
            return known
        return self._memory(temperature)

    def _memory(self, temperature: Number) -> Memory:
        p, blocks, row = self.parameters, [], 0
        for host, sign in zip(self.hosts, self.signs, strict=True):
            speed = kinetics.arrhenius(host.time_activation, temperature, p.temperature) / host.time
            table = poles.diffusion(host.shape)
            share = sign / host.capacity / table.integrator
            rate, drive = np.multiply.outer(table.rate, speed), np.multiply.outer(table.residue * share, speed * 0 + 1)
            blocks.append((rate, drive, row, sign / host.capacity, table.feed * share / speed))
            row += 1
        blocks += self._arcs(temperature, row)
        row += bool(p.arcs)
        if p.electrolyte is not None:
            blocks += p.electrolyte.blocks(temperature, row)
        count = 1 + max(block[2] for block in blocks)
        integrator = np.zeros(count)
        feed = np.zeros((count, *np.shape(temperature)))
        for _, _, place, share, direct in blocks:
            integrator[place] += share
            feed[place] += direct
        owner = np.concatenate([np.full(len(block[0]), block[2], dtype=np.intp) for block in blocks])
        rates = np.concatenate([block[0] for block in blocks])
        return Memory(rates, np.concatenate([block[1] for block in blocks]), owner, integrator, feed)

    def _arcs(self, temperature: Number, row: int) -> list[tuple[Array, Array, int, float, Number]]:
        blocks = []
        for arc in self.parameters.arcs:
            factor = 1.0 / kinetics.arrhenius(arc.activation, temperature, self.parameters.temperature)
            own = (arc.resistance * factor * arc.capacity) ** (1.0 / arc.alpha)
            table = poles.zarc(arc.alpha)
            rate = np.multiply.outer(table.rate, 1.0 / own)
            drive = np.multiply.outer(table.residue, arc.resistance * factor / own)
            blocks.append((rate, drive, row, 0.0, table.feed * arc.resistance * factor))
        return blocks

    def prepare(self, conditions: Conditions) -> "InsertionPhysics":
        """Return the physics at frozen conditions; see `Chemistry.prepare`."""
        p = self.parameters
        low, high = np.min(conditions.temperature), np.max(conditions.temperature)
        if not (p.lowest <= low and high <= p.highest):
            raise ValueError(f"wanted a temperature in {p.lowest}..{p.highest} K, found {low} K")
        return InsertionPhysics(self, conditions)

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as the current turns; see `Chemistry.turn`."""
        ageing = self.parameters.ageing
        return (ageing.turn(slow, direction) if ageing else slow), level


_FRESH: Final = Effects()


class InsertionPhysics(Physics):
    """Hold an insertion cell at frozen conditions."""

    def __init__(self, chemistry: Insertion, conditions: Conditions) -> None:
        p, temperature = chemistry.parameters, conditions.temperature
        self.chemistry, self.conditions = chemistry, conditions
        self.memory = chemistry.memory(temperature)
        effects = p.ageing.effects(conditions.slow, temperature) if p.ageing else _FRESH
        strain = p.bend.strain(conditions.angle, conditions.radius)
        active = 1.0 - p.bend.area * strain
        self.gain = self._gain(effects, active)
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        self.hosts = len(chemistry.hosts)
        self.thermal = 2.0 * kinetics.GAS * temperature / FARADAY
        series = p.resistance / kinetics.arrhenius(p.resistance_activation, temperature, p.temperature)
        salt = p.electrolyte.ohmic(temperature) if p.electrolyte is not None else 0.0
        self.ohmic = series * effects.resistance * (1.0 + p.bend.series * strain) + p.bend.contact * strain + salt
        self.exchange = [
            host.exchange
            * effects.exchange
            * active
            * kinetics.arrhenius(host.exchange_activation, temperature, p.temperature)
            for host in (p.positive, p.negative)
        ]
        self.kinetic = [0.25 / exchange for exchange in self.exchange]
        column = np.array(np.broadcast_arrays(*self.kinetic)[: self.hosts])
        self.column = column if column.ndim > 1 else column[:, None]
        self.shift = sum(
            sign * host.entropic * (temperature - p.temperature)
            for host, sign in zip(chemistry.hosts, (1.0, -1.0), strict=False)
        )
        self.arc = self.hosts if p.arcs else None
        self.salt = chemistry.rows - 2 if p.electrolyte is not None else None

    def _gain(self, effects: Effects, active: Number) -> Array:
        ones = np.ones(self.memory.feed.shape)
        if effects is _FRESH and isinstance(active, float) and active == 1.0:
            return ones
        share = (effects.efficiency / effects.positive, effects.negative_efficiency / effects.negative)
        gain = np.stack([np.broadcast_to(value, np.broadcast(*share, active, 0.0).shape) for value in share])
        whole = np.ones((len(ones), *gain.shape[1:]))
        whole[: len(self.chemistry.hosts)] = gain[: len(self.chemistry.hosts)]
        return whole

    def _surface(self, z: Array) -> tuple[Array, Array, Array]:
        """Return stoichiometry (hosts, ...), table lines (hosts, ..., 3) and position within the interval."""
        x = z[: self.hosts]
        place = x * INTERVALS
        if self.hosts == 2:
            place[1] += INTERVALS
        index = place.astype(np.intp)
        return x, self.chemistry.table.take(index, axis=0, mode="clip"), place - index

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        del time, charge
        x, line, f = self._surface(z)
        v = line[..., 2] * f
        v += line[..., 1]
        v *= f
        v += line[..., 0]
        root = np.sqrt(x - x * x)
        if self.salt is not None:
            root *= np.sqrt(1.0 + z[self.salt : self.salt + self.hosts])
        eta = np.arcsinh((self.column * current if root.ndim > 1 else self.column[:, 0] * current) / root)
        eta *= self.thermal
        v += eta
        total = v[0] + v[1] if self.hosts == 2 else v[0]
        total += self._linear(z, current)
        return np.asarray(total)

    def _linear(self, z: Array, current: Number) -> Array:
        """Return what the kinetics of metal, ohmic drop, arcs and salt add, V."""
        v = self.ohmic * current + self.shift
        if self.hosts == 1:
            v = v + self.thermal * np.arcsinh(current * (2.0 * self.kinetic[1]))
        if self.arc is not None:
            v = v + z[self.arc]
        if self.salt is not None:
            v = v + self.chemistry.parameters.electrolyte.potential(z[self.salt], z[self.salt + 1], self.thermal)
        return np.asarray(v)

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        if self.salt is not None:
            return super().slopes(z, current, time, charge)
        x, line, f = self._surface(z)
        slope = np.zeros(z.shape)
        direct = np.zeros(np.shape(z[0])) + self.ohmic
        for row in range(self.hosts):
            a, filled = x[row], x[row] * (1.0 - x[row])
            curve = (line[row, ..., 1] + 2.0 * f[row] * line[row, ..., 2]) * INTERVALS
            k = self.kinetic[row] / np.sqrt(filled)
            flat = 1.0 / np.sqrt(1.0 + (k * current) ** 2)
            slope[row] = curve - self.thermal * flat * k * current * (0.5 - a) / filled
            direct += self.thermal * flat * k
        if self.hosts == 1:
            k = 2.0 * self.kinetic[1]
            direct += self.thermal * k / np.sqrt(1.0 + (k * current) ** 2)
        if self.arc is not None:
            slope[self.arc] = 1.0
        return slope, direct

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        del time, charge
        v = self.ohmic * current + self.shift
        for row in range(self.hosts):
            x = min(max(z[row], EDGE), 1.0 - EDGE)
            place = x * INTERVALS
            index = int(place)
            f = place - index
            c0, c1, c2 = self.chemistry.lists[row][index]
            root = sqrt(x - x * x)
            if self.salt is not None:
                root *= sqrt(1.0 + max(z[self.salt + row], -0.999))
            v += c0 + f * (c1 + f * c2) + self.thermal * asinh(current * self.kinetic[row] / root)
        if self.hosts == 1:
            v += self.thermal * asinh(current * (2.0 * self.kinetic[1]))
        if self.arc is not None:
            v += z[self.arc]
        if self.salt is not None:
            v += float(self.chemistry.parameters.electrolyte.potential(z[self.salt], z[self.salt + 1], self.thermal))
        return v

    def slow(self, time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states later on; see `Physics.slow`."""
        ageing, slow = self.chemistry.parameters.ageing, self.conditions.slow
        return ageing.advance(slow, time, charge, throughput, self.conditions.temperature) if ageing else slow


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < float("inf"):
        raise ValueError(f"wanted {name} above 0, found {value}")

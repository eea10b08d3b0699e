"""Insertion cells: single-particle full and half cells, planar thin-film cells, with optional electrolyte modes.

The single-particle model with constant diffusivity (D. Zhang, B. N. Popov, R. E. White, J. Electrochem. Soc. 147
(2000) 831): one representative particle (sphere) or one film for each insertion electrode, Butler-Volmer kinetics with
symmetry factor 1/2, an open-circuit potential of the surface stoichiometry, ohmic and arc resistances in series.

Rows: stoichiometry of the positive, then (full cells) of the negative; then, where present, volts over the arcs, then
the relative salt concentrations of the electrolyte.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl_simulators.cell import kinetics, poles
from labctl_simulators.cell.bend import Bend
from labctl_simulators.cell.chemistry import Array, Chemistry, Conditions, Memory, Number
from labctl_simulators.cell.electrode import EDGE, Arc, Electrode, Metal, constant_diffusivity, porous
from labctl_simulators.cell.ocp import INTERVALS, Lines
from labctl_simulators.cell.state import State
from labctl_simulators.cell.surface import Ageing, Effects, InsertionPhysics
from labctl_simulators.cell.surroundings import Surroundings, surroundings

if TYPE_CHECKING:
    from labctl_simulators.cell.electrolyte import Electrolyte

__all__ = [
    "EDGE",
    "Ageing",
    "Arc",
    "Effects",
    "Electrode",
    "Insertion",
    "Metal",
    "Parameters",
    "constant_diffusivity",
    "porous",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
    electrolyte: "Electrolyte | None" = None
    bend: Bend = field(default_factory=Bend)
    ageing: Ageing | None = None
    temperature: float = 298.15
    lowest: float = 230.0
    highest: float = 400.0

    def __post_init__(self) -> None:
        if not self.resistance >= 0.0:
            raise ValueError(f"wanted a series resistance of 0 ohm or more, found {self.resistance} ohm")


class Insertion(Chemistry):
    """Make the physics of an insertion cell.

    Args:
        parameters: the cell.
    """

    paced = False

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.name, self.kind, self.temperature = parameters.name, parameters.kind, parameters.temperature
        self.slow_names = parameters.ageing.names if parameters.ageing else ()
        negative = parameters.negative
        self.hosts = (parameters.positive, negative) if isinstance(negative, Electrode) else (parameters.positive,)
        self.signs = (-1.0, 1.0)[: len(self.hosts)]
        self._memories: dict[float, Memory] = {}
        self._surroundings: dict[tuple[float, float, float], Surroundings] = {}
        self.kept: dict[Any, Any] = {}
        memory = self.memory(parameters.temperature)
        self.poles, self.rows = len(memory.rate), len(memory.feed)
        self.plain = len(self.hosts) == 2 and not parameters.arcs and parameters.electrolyte is None
        tables = [host.potential.coefficients * sign for host, sign in zip(self.hosts, (1.0, -1.0), strict=False)]
        self.columns = tuple(np.ascontiguousarray(column) for column in np.concatenate(tables).T)
        self.shifts: Array = np.arange(float(len(self.hosts)))[:, None] * INTERVALS
        self.lists = [Lines(table) for table in tables]
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
        return InsertionPhysics(self, conditions)

    def frozen(self, state: State) -> tuple[float, ...]:
        """Return what ageing does, constant until the current turns; see `Chemistry.frozen`."""
        ageing = self.parameters.ageing
        return ageing.effects(state.slow, state.temperature) if ageing is not None else state.slow

    def surroundings(self, temperature: Number, angle: Number, radius: Number) -> Surroundings:
        """Return what depends on temperature and bend alone, kept for floats.

        Raises:
            ValueError: one of them is out of range.
        """
        key = (temperature, angle, radius)
        if not (isinstance(temperature, float) and isinstance(angle, float) and isinstance(radius, float)):
            self._check(float(np.min(temperature)), float(np.max(temperature)))
            return surroundings(self, *key)
        known = self._surroundings.get(key)
        if known is None:
            self._check(temperature, temperature)
            if len(self._surroundings) > 64:
                self._surroundings.clear()
            known = self._surroundings[key] = surroundings(self, *key)
        return known

    def _check(self, low: float, high: float) -> None:
        lowest, highest = self.parameters.lowest, self.parameters.highest
        if not (lowest <= low and high <= highest):
            wrong = high if lowest <= low else low
            raise ValueError(f"wanted a temperature in {lowest}..{highest} K, found {wrong} K")

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as the current turns; see `Chemistry.turn`."""
        ageing = self.parameters.ageing
        return (ageing.turn(slow, direction) if ageing else slow), level

"""An insertion cell before any condition is frozen: its memory, its tables, and what temperature and bend make of it."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl_simulators.cell.chemistry import kinetics, poles
from labctl_simulators.cell.chemistry.electrode import EDGE, Electrode, Metal
from labctl_simulators.cell.chemistry.electrolyte import DEPLETED
from labctl_simulators.cell.chemistry.hysteresis import NAMES
from labctl_simulators.cell.chemistry.insertion_parameters import InsertionParameters
from labctl_simulators.cell.chemistry.ocp import INTERVALS, OpenCircuit, Tables
from labctl_simulators.cell.chemistry.surroundings import Surroundings, gains
from labctl_simulators.cell.physics import Array, Chemistry, Memory, Number, Physics
from labctl_simulators.cell.state import CellState

if TYPE_CHECKING:
    from labctl_simulators.cell.chemistry.frozen_diffusion import Body

# Few cells have a diffusivity that depends on the composition, and start-up is a promise.
# ruff: noqa: PLC0415

_NO_ENTROPY: Array = np.zeros((INTERVALS, 3))


def _widened(block: Any, width: tuple[int, ...]) -> Array:
    """Return the numbers of poles for as many cells as others are for."""
    return np.asarray(block if block.shape[1:] == width else np.multiply.outer(block, np.ones(width)))


class InsertionCell(Chemistry):
    """Hold an insertion cell of which everything is known that no condition changes.

    Args:
        parameters: the cell.
    """

    paced = False

    def __init__(self, parameters: InsertionParameters) -> None:
        self.parameters = parameters
        self.name, self.kind, self.temperature = parameters.name, parameters.kind, parameters.temperature
        self.heat, self.valid = parameters.heat, (parameters.lowest, parameters.highest)
        self.aged = len(parameters.ageing.names) if parameters.ageing else 0
        self.slow_names = (parameters.ageing.names if parameters.ageing else ()) + (
            NAMES if parameters.hysteresis else ()
        )
        self.turning = bool(self.slow_names)
        self.lag: int | None = None  # row of the charge since the current turned, of a cell with hysteresis
        negative = parameters.negative
        self.hosts = (parameters.positive, negative) if isinstance(negative, Electrode) else (parameters.positive,)
        self.signs = (-1.0, 1.0)[: len(self.hosts)]
        self.sides = (parameters.positive, parameters.negative)
        salt = parameters.electrolyte
        activations = [abs(part.time_activation) for part in self.hosts]
        activations += [abs(arc.activation) for arc in parameters.arcs]
        activations += [abs(side.exchange_activation) for side in self.sides if parameters.layers]
        self.thermal_speed = max(*activations, salt.diffusivity_activation if salt else 0.0, 0.0) / kinetics.GAS
        self.layer: int | None = None  # first row of the currents that the double layers leave, of a cell with them
        self._memories: dict[float, Memory] = {}
        self._surroundings: dict[tuple[float, float, float], Surroundings] = {}
        self.kept: dict[Any, Any] = {}
        memory = self.memory(parameters.temperature)
        self.poles, self.rows = len(memory.rate), len(memory.feed)
        self.plain = self.rows == len(self.hosts) == 2
        self.tables = Tables.of([host.potential.coefficients for host in self.hosts])
        self.entropic = any(host.entropy is not None for host in self.hosts)
        self.shifts: Array = np.arange(float(len(self.hosts)))[:, None] * INTERVALS
        self.low = np.full(self.rows, -np.inf)
        self.high = np.full(self.rows, np.inf)
        self.low[: len(self.hosts)], self.high[: len(self.hosts)] = EDGE, 1.0 - EDGE
        names = ("positive electrode", "negative electrode")
        words = [(f"the surface of the {name} is empty", f"the surface of the {name} is full") for name in names]
        self.words = tuple(words[: len(self.hosts)])
        if parameters.electrolyte is not None:
            self.low[self.rows - 2 :] = DEPLETED
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
        ageing, hysteresis = self.parameters.ageing, self.parameters.hysteresis
        return level, (ageing.start(seed) if ageing else ()) + (hysteresis.start() if hysteresis else ())

    def cycled(self, slow: tuple[float, ...], cycles: float) -> tuple[float, ...]:
        """Return the slow states of a fresh cell after so many cycles; see `Chemistry.cycled`."""
        ageing, aged = self.parameters.ageing, self.aged
        if ageing is None:
            return super().cycled(slow, cycles)
        return (*ageing.after(slow[:aged], cycles), *slow[aged:])

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
            if host.speed is not None:
                from labctl_simulators.cell.chemistry.profile_modes import PLACES, turn

                plain = turn(host.shape, np.ones(PLACES), 1.0 / speed)
                blocks.append((plain.rate, plain.share * sign / host.capacity, row, sign / host.capacity, 0.0))
                row += 1
                continue
            table = poles.diffusion(host.shape)
            share = sign / host.capacity / table.integrator
            rate, drive = (
                np.multiply.outer(table.rate, speed),
                np.multiply.outer(table.residue, share * (speed * 0 + 1)),
            )
            blocks.append((rate, drive, row, sign / host.capacity, table.feed * share / speed))
            row += 1
        blocks += self._arcs(temperature, row)
        row += bool(p.arcs)
        if p.layers:
            self.layer = row
            blocks += self._layers(temperature, row)
            row += len(self.sides)
        if p.hysteresis is not None:
            none = np.zeros((0, *np.shape(temperature)))
            blocks.append((none, none, row, 1.0 / p.hysteresis.reach, 0.0))
            self.lag, row = row, row + 1
        if p.electrolyte is not None:
            blocks += p.electrolyte.blocks(temperature, row)
        count = 1 + max(block[2] for block in blocks)
        integrator = np.zeros((count, *np.shape(p.positive.capacity)))
        feed = np.zeros((count, *blocks[0][0].shape[1:]))
        for _, _, place, share, direct in blocks:
            integrator[place] += share
            feed[place] += direct
        owner = np.concatenate([np.full(len(block[0]), block[2], dtype=np.intp) for block in blocks])
        rates, drives = (np.concatenate([_widened(block[k], feed.shape[1:]) for block in blocks]) for k in (0, 1))
        return Memory(rates, drives, owner, integrator, feed)

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

    def time_of(self, side: Electrode | Metal, temperature: Number) -> Number:
        """Return the time of a double layer beside its charge transfer at half filling and no current, s."""
        exchange = side.exchange * kinetics.arrhenius(
            side.exchange_activation, temperature, self.parameters.temperature
        )
        return kinetics.thermal(temperature) / (2.0 * exchange) * side.double_layer

    def _layers(self, temperature: Number, row: int) -> list[tuple[Array, Array, int, float, Number]]:
        """Return the current that each double layer leaves its charge transfer: a filter of that at the terminals."""
        blocks: list[tuple[Array, Array, int, float, Number]] = []
        for at, side in enumerate(self.sides):
            own = self.time_of(side, temperature)
            if side.double_layer:
                rate = np.multiply.outer(np.ones(1), 1.0 / own)
                blocks.append((rate, rate, row + at, 0.0, 0.0))
            else:
                none = np.zeros((0, *np.shape(own)))
                blocks.append((none, none, row + at, 0.0, 1.0))
        return blocks

    def physics_of(self, state: CellState) -> Physics:
        """Return the physics at the conditions of `state`, at the temperature that it has now; see `Chemistry.physics_of`."""
        if self.heat is None or state.warmth is None:
            return super().physics_of(state)
        from labctl_simulators.cell.heat import still

        return still(self, state)

    def bodies(self, temperature: float) -> "tuple[Body, ...]":
        """Return the electrodes whose diffusivity depends on the stoichiometry, at `temperature` K; kept."""
        from labctl_simulators.cell.chemistry.frozen_diffusion import Body

        known: tuple[Body, ...] | None = self.kept.get(("bodies", temperature))
        if known is None:
            reference, parts = self.parameters.temperature, self.memory(temperature).parts
            known = self.kept["bodies", temperature] = tuple(
                Body(row, parts[row], host.shape, time, host.speed)
                for row, host in enumerate(self.hosts)
                if host.speed is not None
                for time in (host.time / kinetics.arrhenius(host.time_activation, temperature, reference),)
            )
        return known

    def frozen(self, state: CellState) -> tuple[float, ...]:
        """Return what ageing does, constant until the current turns; see `Chemistry.frozen`."""
        ageing, aged = self.parameters.ageing, self.aged
        if ageing is None:
            return state.slow
        return (*ageing.effects(state.slow[:aged], state.temperature), *state.slow[aged:])

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

    @cached_property
    def entropy(self) -> list[Array]:
        """Return the coefficients of dU/dT of each host, V/K; made as another temperature first asks for them."""
        return [_NO_ENTROPY if host.entropy is None else host.entropy().coefficients for host in self.hosts]

    def entropic_slope(self, z: Array) -> Array:
        """Return how the difference of the open-circuit potentials moves with temperature, V/K."""
        total = np.zeros(z.shape[1:])
        if self.entropic:
            for row, sign in zip(range(len(self.hosts)), (1.0, -1.0), strict=False):
                total = total + sign * OpenCircuit(self.entropy[row])(z[row])
        return np.asarray(total)

    def tables_at(self, temperature: Number) -> Tables:
        """Return the open-circuit potentials at `temperature` K; of several temperatures, at the parameters' own."""
        away = temperature - self.temperature
        if not self.entropic or not isinstance(away, float) or away == 0.0:
            return self.tables
        hosts = zip(self.hosts, self.entropy, strict=True)
        return Tables.of([host.potential.coefficients + away * entropy for host, entropy in hosts])

    def _check(self, low: float, high: float) -> None:
        lowest, highest = self.parameters.lowest, self.parameters.highest
        if not (lowest <= low and high <= highest):
            wrong = high if lowest <= low else low
            raise ValueError(f"wanted a temperature in {lowest}..{highest} K, found {wrong} K")

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as the current turns; see `Chemistry.turn`."""
        ageing, hysteresis, aged = self.parameters.ageing, self.parameters.hysteresis, self.aged
        worn = ageing.turn(slow[:aged], direction) if ageing else ()
        if hysteresis is None or self.lag is None:
            return worn, level
        fresh = level.copy()
        fresh[self.lag] = 0.0
        return (*worn, *hysteresis.turn(slow[aged:], float(level[self.lag]), direction)), fresh


def surroundings(chemistry: InsertionCell, temperature: Number, angle: Number, radius: Number) -> Surroundings:
    """Return what depends on temperature and bend alone.

    Raises:
        ValueError: the bend is beyond its limits.
    """
    p = chemistry.parameters
    strain = p.bend.strain(angle, radius)
    active = 1.0 - p.bend.area * strain
    memory = chemistry.memory(temperature)
    series = p.resistance / kinetics.arrhenius(p.resistance_activation, temperature, p.temperature)
    salt = p.layer / kinetics.arrhenius(p.layer_activation, temperature, p.temperature)
    if p.electrolyte is not None:
        salt = salt + p.electrolyte.ohmic(temperature)
    positive, negative = (
        host.exchange * active * kinetics.arrhenius(host.exchange_activation, temperature, p.temperature)
        for host in (p.positive, p.negative)
    )
    return Surroundings(
        memory=memory,
        active=active,
        gain=gains(len(memory.feed), len(chemistry.hosts), (1.0, 1.0), active),
        thermal=kinetics.thermal(temperature),
        series=series * (1.0 + p.bend.series * strain),
        added=p.bend.contact * strain + salt,
        exchange=(positive, negative),
        tables=chemistry.tables_at(temperature),
    )

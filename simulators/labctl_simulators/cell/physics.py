"""How a kind of cell plugs into the core.

A cell is diagonal linear memory + a static voltage map + slow states. With the memory current u (A, positive charges):

    x' = -rate x + drive gain[row] u         one x for each pole, each pole belongs to one row
    level' = integrator gain u               one level for each row
    z = level + (sum of the row's x) + feed gain u     the surface values, one for each row
    V = voltage(z, u, t, q)                  static; t s and q C since the piece began
    I = u + leak V                           current at the terminals

A kind of cell writes two classes:

`Chemistry` is made once from the parameters. It says how a fresh cell starts (`start`), names its slow states and
`prepare`s a `Physics` for given conditions.

`Physics` is everything at frozen conditions (temperature, bend, slow states): the linear memory, the static voltage map
and closed forms for what moves slowly. The core calls `prepare` at the begin of every segment and after every
`change`, unless what is `frozen` has come before, so it should be cheap (below 10 us): keep whatever depends on the
temperature alone in a dictionary, and let `Memory` objects be *the same object* for the same temperature, because
exponentials and solver matrices are kept with it.

Rules
- Everything broadcasts: `temperature`, `angle`, `radius` and the entries of `slow` are floats, or arrays of shape (N,)
  for a batch of N cells; z is of shape (rows, T) or (rows, N) and current, time and charge broadcast against (T,).
- `voltage` increases strictly with u at fixed z. The core calls it with `low <= z <= high` only and it must be finite
  there; `voltage_scalar` must clip by itself.
- A piece at constant u ends by itself where `change(u)` says (a short that sets in, a flickering short that opens);
  there `slow` is evaluated and the physics prepared anew. Closed forms must be semigroup-consistent: cutting a piece
  anywhere, evaluating `slow` there and going on gives the same voltages to 1e-12. What cannot be (fade of capacity,
  growth of resistance taken once a half-cycle) belongs in `Chemistry.turn`, which the core calls only when the current
  changes its direction, and which moves no voltage where it is `turning`: accumulate in `slow`, act in `turn`.
- Randomness: a pure function of (state.seed, a stream number, a counter kept in `slow`).
- A jump of temperature or bend leaves x and level as they are: state them in the unit of z, never in A.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.state import CellState

_KEPT: Final = 32
WALL_WIDTH: Final = 2.0**-12
"""Stoichiometry below which (and above 1 - WALL_WIDTH) the wall of an open-circuit potential stands."""

Array = NDArray[np.float64]
Number = Any
"""A float, or an array that broadcasts (see the rules above)."""


class Conditions(NamedTuple):
    """Hold what a piece of a segment is frozen at.

    Attributes:
        temperature: K.
        angle: bend angle, degrees.
        radius: bend radius, m.
        slow: slow states, in the order of `Chemistry.slow_names`.
        seed: of everything random.
    """

    temperature: Number
    angle: Number
    radius: Number
    slow: tuple[Number, ...]
    seed: int | Sequence[int]


TOUCH: Final = 1e-9
"""K; a temperature that is so near to a limit has met it."""


class Heat(NamedTuple):
    """Hold the thermal numbers of a cell.

    Attributes:
        capacity: J/K.
        transfer: W/K to the surroundings; 0 is adiabatic.
    """

    capacity: float
    transfer: float

    @property
    def rate(self) -> float:
        """Return the rate at which a difference to the surroundings fades, 1/s."""
        return self.transfer / self.capacity


@dataclass(slots=True, eq=False, repr=False)
class Memory:
    """Hold the linear memory of one cell at one temperature. n poles, m rows.

    At constant current a surface value is a sum of terms: weights that decay with the poles, an offset and a ramp. The
    n + 2 m terms of a piece are in this order: the weights, the offset of each row, the ramp of each row.

    Attributes:
        rate: 1/s, shape (n,), or (n, N) where the temperature is an array.
        drive: z-unit per C, shape as `rate`.
        row: which row each pole adds to, shape (n,), integers, ascending.
        integrator: z-unit per C, shape (m,); 0 where the row does not integrate.
        feed: z-unit per A, shape (m,) or (m, N).
        steady: drive / rate, made here.
        own: 1 where a pole belongs to a row, shape (n, m), made here.
        total: z-unit per A of all poles and the feed at rest, made here.
        parts: the poles of each row, made here.
        rates: the rates as plain floats (lists of them in a batch), made here.
        falls: their negatives, made here for one temperature.
        owner: the row of each weight and each offset, shape (n + m,), made here.
        poles: n, made here.
        ramps: n + m, made here.
        belongs: 1 where a term belongs to a row, shape (m, n + 2 m), made here.
        holds: 1 where a weight or an offset belongs to a row, shape (m, n + m), made here.
        driven: the terms of the steady answer to a unit of gain u, shape (m, n + 2 m), made here for one temperature.
        kept: tables that the core keeps with this memory.
    """

    rate: Array
    drive: Array
    row: NDArray[np.intp]
    integrator: Array
    feed: Array
    steady: Array = field(init=False)
    own: Array = field(init=False)
    total: Array = field(init=False)
    parts: tuple[slice, ...] = field(init=False)
    rates: list[Any] = field(init=False)
    falls: list[float] = field(init=False)
    owner: NDArray[np.intp] = field(init=False)
    poles: int = field(init=False)
    ramps: int = field(init=False)
    belongs: Array = field(init=False)
    holds: Array = field(init=False)
    driven: Array = field(init=False)
    kept: dict[Any, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        rows = len(self.feed)
        if np.any(np.diff(self.row) < 0) or not np.all(self.rate > 0.0):
            raise ValueError("wanted poles in ascending rows with rates above 0, found others")
        self.own = (self.row[:, None] == np.arange(rows)).astype(np.float64)
        self.steady = self.drive / self.rate
        self.total = self.own.T @ self.steady + self.feed
        self.rates = self.rate.tolist()
        ends = np.searchsorted(self.row, np.arange(rows + 1))
        self.parts = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        self.poles, self.ramps = len(self.rate), len(self.rate) + rows
        self.owner = np.append(self.row, np.arange(rows))
        self.holds = np.hstack([self.own.T, np.eye(rows)])
        self.belongs = np.hstack([self.holds, np.eye(rows)])
        if self.rate.ndim == 1:
            self.falls = (-self.rate).tolist()
            self.driven = self.belongs * np.concatenate((-self.steady, self.total, self.integrator))


class Physics(ABC):
    """Hold one cell at frozen conditions.

    Attributes:
        memory: linear memory; the same object for the same temperature.
        gain: factor on u for each row: floats (m,), or (m, N) in a batch (active area, capacity that is left).
        leak: conductance between the terminals, S.
        low: smallest physical value of each row, shape (m,).
        high: largest physical value of each row, shape (m,).
        words: for each row, what has happened below `low` and above `high`.
        static: whether the voltage depends on z and u alone, not on the time or the charge of the piece.
        heated: whether the temperature moves within a piece: its `temperatures` say how, and it may end by itself.
    """

    memory: Memory
    gain: Array
    leak: Number = 0.0
    low: Array
    high: Array
    words: tuple[tuple[str, str], ...]
    static: bool = False
    heated: bool = False

    @property
    def driven(self) -> Array:
        """Return the terms of the steady answer to 1 A, shape (n + 2 m,); kept."""
        known: Array | None = self.__dict__.get("_driven")
        if known is None:
            known = self.__dict__["_driven"] = np.asarray(self.gain.dot(self.memory.driven))
        return known

    @property
    def drive(self) -> Array:
        """Return what 1 C gives to each pole, z-unit, shape (n,); kept."""
        known: Array | None = self.__dict__.get("_drive")
        if known is None:
            known = self.__dict__["_drive"] = np.asarray(self.memory.drive * self.gain[self.memory.row])
        return known

    def bounds(self) -> tuple[list[float], list[float]]:
        """Return `low` and `high` as plain floats; kept with the memory."""
        known = self.memory.kept.get("bounds")
        if known is None or known[0] is not self.low or known[1] is not self.high:
            known = self.memory.kept["bounds"] = (self.low, self.high, self.low.tolist(), self.high.tolist())
        return known[2], known[3]

    def within(self, z: Array) -> bool:
        """Say whether all surface values, shape (m, T), are in their range."""
        lows, highs = self.bounds()
        flat = z.ravel()
        if max(lows) < flat[flat.argmin()] and flat[flat.argmax()] < min(highs):
            return True
        return bool(((z > self.low[:, None]) & (z < self.high[:, None])).all())

    @abstractmethod
    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V.

        Args:
            z: surface values, shape (m, ...).
            current: memory current u in A, broadcasts against z[0].
            time: s since the piece began.
            charge: signed C since the piece began.
        """

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz, shape of z, and dV/du in ohm. The base class takes differences."""
        return _differences(self, z, current, time, charge)

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V for plain floats; override for the fast stepper (below 1.5 us)."""
        return float(self.voltage(np.array(z), current, time, charge))

    def change(self, current: float) -> float:
        """Return after how many s at constant u the physics stops being valid; infinity: never."""
        del current
        return float("inf")

    def leaves(self, until: float) -> float:
        """Return when the physics stops being valid while a current is solved for, up to `until` s; infinity: not so soon."""
        del until
        return float("inf")

    def potential_difference(self, z: Array) -> Array:
        """Return the difference of the open-circuit potentials at surface values z, V; for cells that heat themselves."""
        raise NotImplementedError

    def potential_difference_of(self, z: Sequence[float]) -> float:
        """Return the same of plain floats."""
        raise NotImplementedError

    def temperatures(self, times: Array) -> Array:
        """Return the temperature of a heated cell at `times` (s since the piece began), K."""
        raise NotImplementedError

    def temperature(self, time: float) -> float:
        """Return the temperature of a heated cell at one time, K."""
        raise NotImplementedError

    def turned(self, memory: Array, *, back: bool = False) -> Array:  # noqa: ARG002 - few turn them
        """Return the poles of this physics from the memory of a state, or `back`; the same unless it says otherwise."""
        return memory

    def slow(self, before: Sequence[Number], time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states `time` s, `charge` C and `throughput` C after the piece began with `before`."""
        raise NotImplementedError

    def impedance(self, z: Array, current: float, frequency: Array) -> NDArray[np.complex128]:
        """Return the impedance in ohm about (z, current) at `frequency` (Hz).

        The base class sums the poles; chemistries with a double layer or a closed transfer function override it.
        """
        return _pole_impedance(self, z, current, frequency)


class Chemistry(ABC):
    """Make the physics of one kind of cell from its parameters.

    Attributes:
        name: of the parameter set.
        kind: `full`, `half_cathode`, `half_anode`, `asymmetric`, `symmetric` or `blocking`.
        slow_names: names of the slow states.
        poles: number of poles, fixed for the chemistry's life.
        temperature: K, that of the parameters.
        paced: whether the slow states depend on the course of the current within a piece: live cells then begin a piece
            at every change of current. False where they only add up: a piece begins where one sets in, ends or turns.
        turning: whether a piece whose current is solved for ends where it turns, since `turn` changes something.
        heat: thermal numbers of a cell that heats itself; None is one that has the temperature of its surroundings.
        valid: temperatures that the parameters cover, K.
        thermal_speed: largest activation energy of a rate of the memory over the gas constant, K.
        freezer: makes the physics of a piece from its state and drive, where the memory depends on the state itself.
    """

    name: str
    kind: str
    slow_names: tuple[str, ...] = ()
    poles: int
    temperature: float = 298.15
    paced: bool = True
    turning: bool = False
    heat: Heat | None = None
    valid: tuple[float, float] = (0.0, float("inf"))
    thermal_speed: float = 0.0
    freezer: Callable[[CellState, Any], Physics] | None = None

    @abstractmethod
    def start(self, soc: float | None, seed: int) -> tuple[Array, tuple[float, ...]]:
        """Return level (m,) and slow states of a cell at rest.

        Args:
            soc: state of charge, 0..1; None is the parameter set's own initial state.
            seed: of everything random.

        Raises:
            ValueError: `soc` lies outside 0..1.
        """

    def completed(self, slow: tuple[float, ...]) -> tuple[float, ...]:
        """Return the slow states of a stored cell, with those that were not kept then."""
        return slow

    def cycled(self, slow: tuple[float, ...], cycles: float) -> tuple[float, ...]:
        """Return the slow states of a fresh cell after so many cycles.

        Raises:
            ValueError: how it ages is not known.
        """
        del slow
        raise ValueError(
            f"wanted a set with curves of its ageing for a cell after {cycles:g} cycles, found {self.name}"
        )

    def physics_of(self, state: CellState) -> Physics:
        """Return the physics at the conditions of `state`, kept for as long as the same conditions come again.

        Raises:
            ValueError: a condition outside its physical range; see `prepare`.
        """
        key = (state.temperature, state.angle, state.radius, self.frozen(state), state.seed)
        kept: dict[Any, Physics] = self.__dict__.setdefault("_physics_kept", {})
        known = kept.get(key)
        if known is None:
            if len(kept) >= _KEPT:
                kept.clear()
            conditions = Conditions(state.temperature, state.angle, state.radius, state.slow, state.seed)
            known = kept[key] = self.prepare(conditions)
        return known

    def physics_at(self, state: CellState, kelvin: float) -> Physics:
        """Return the physics of a cell that keeps a temperature (K); see `physics_of`."""
        return self.physics_of(state._replace(temperature=kelvin, warmth=None))

    def memory(self, temperature: Number) -> Memory:
        """Return the linear memory at a temperature (K), for cells that heat themselves."""
        raise NotImplementedError

    def entropic_slope(self, z: Array) -> Array:
        """Return how the difference of the open-circuit potentials moves with temperature at surface values z, V/K."""
        raise NotImplementedError

    def frozen(self, state: CellState) -> tuple[float, ...]:
        """Return what of the slow states the physics depends on: others that share it share their physics."""
        return state.slow

    @abstractmethod
    def prepare(self, conditions: Conditions) -> Physics:
        """Return the physics at frozen conditions.

        Raises:
            ValueError: a condition outside its physical range (temperature, bend limit), in words.
        """

    def turn(self, slow: tuple[float, ...], level: Array, direction: int) -> tuple[tuple[float, ...], Array]:
        """Return slow states and level as a current of another sign begins: `direction` (-1 or 1)."""
        del direction
        return slow, level


def _differences(physics: Physics, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
    slopes = np.empty_like(z)
    for row in range(len(z)):
        step = 1e-6 * np.maximum(1e-3, np.abs(z[row]))
        above, below = z.copy(), z.copy()
        above[row] += step
        below[row] -= step
        difference = physics.voltage(above, current, time, charge) - physics.voltage(below, current, time, charge)
        slopes[row] = difference / (2.0 * step)
    step = 1e-6 * np.maximum(1e-9, np.abs(current))
    difference = physics.voltage(z, current + step, time, charge) - physics.voltage(z, current - step, time, charge)
    return slopes, difference / (2.0 * step)


def _pole_impedance(physics: Physics, z: Array, current: float, frequency: Array) -> NDArray[np.complex128]:
    memory = physics.memory
    s = 2j * np.pi * np.asarray(frequency, dtype=np.float64)
    slope, resistance = physics.slopes(z, current, 0.0, 0.0)
    weight = (slope * physics.gain)[memory.row] * memory.drive
    total = resistance + slope @ (memory.feed * physics.gain) + (slope @ (memory.integrator * physics.gain)) / s
    total = total + (weight / (s[:, None] + memory.rate)).sum(axis=1)
    return np.asarray(1.0 / (1.0 / total + physics.leak))

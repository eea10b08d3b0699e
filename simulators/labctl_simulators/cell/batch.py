"""Many cells of one kind, each under its own control, one numpy call a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl_simulators.cell.drive import check_step
from labctl_simulators.cell.heat import decays_of
from labctl_simulators.cell.physics import Array, Chemistry, Conditions, Physics
from labctl_simulators.cell.state import CellState, read_only

ROUNDS: Final = 40
SOLVED: Final = 2e-13


class Mode(IntEnum):
    """Say what is controlled: A, V, W, or a load in ohm. A rest is a current of 0 A."""

    CURRENT = 0
    VOLTAGE = 1
    POWER = 2
    LOAD = 3


WARMER: Final = 0.1
"""K by which a cell that heats itself may be warmer than the temperature of its numbers."""
_OVER: Final = 1e-20
"""A decay below this is over."""


@dataclass(slots=True, eq=False, repr=False)
class _StepTables:
    """Hold the tables of steps of one length; n poles, k of which are not over within a step.

    Attributes:
        dt: s.
        slow: those poles, shape (k,).
        quick: the others, shape (n - k,).
        decay: of the slow, shape (k, 1) or (k, N).
        gain: what an ampere adds in a step, z-unit, shape (n, 1) or (n, N).
        own: 1 where a slow pole belongs to a row, times `left` where that is one for all cells, shape (m, k).
        left: what is left after a step of what an ampere has added, shape (k, N); None: in `own`.
        slope: surface values at the end of a step per ampere, shape (m, 1) or (m, N).
    """

    dt: float
    slow: NDArray[np.intp]
    quick: NDArray[np.intp]
    decay: Array
    gain: Array
    own: Array
    left: Array | None
    slope: Array

    def kept(self, moving: Array) -> Array:
        """Return what the memory adds to the surface values at the end of a step at 0 A."""
        return np.asarray(self.own @ (moving if self.left is None else self.left * moving))


class CellBatch:
    """Advance N cells together; the current of a step is constant in each.

    Attributes:
        voltage: V at the end of the last step, shape (N,).
        current: A of the last step, shape (N,).
        collapsed: cells that could not follow the last step; they kept their state, at 0 A, shape (N,).
        time: s since the batch began.
    """

    def __init__(self, chemistry: Chemistry, states: Sequence[CellState]) -> None:
        if not states:
            raise ValueError("wanted at least one state, found none")
        self._chemistry, self._origins = chemistry, tuple(states)
        self._x = np.array([state.memory for state in states]).T.copy()
        self._moving: Array | None = None
        self._followed = np.zeros(0)  # the current of the last step, A; NaN: the quick poles are in `_x`
        self._level = np.array([state.level for state in states]).T.copy()
        self._kelvin = np.array([state.kelvin for state in states])
        self._heated = chemistry.heat is not None and all(state.warmth is not None for state in states)
        self._slow = np.array([state.slow for state in states]).T.reshape(-1, len(states))
        self._direction = np.array([state.direction for state in states])
        zero = np.zeros(len(states))
        self._net, self._gross = zero.copy(), zero.copy()
        self._since, self._charge, self._passed = zero.copy(), zero.copy(), zero.copy()
        self.current, self.collapsed, self.time = zero.copy(), np.zeros(len(states), dtype=bool), 0.0
        self._prepare()
        self.voltage = self._map(self._level + self._sums(self._x), zero, zero, zero)

    def __len__(self) -> int:
        return len(self._origins)

    def _prepare(self) -> None:
        """Take the physics of the present slow states; a new piece begins in every cell."""
        self._settle()
        origins = self._origins
        warmth, angle, radius = (
            _shared([getattr(state, name) for state in origins]) for name in ("temperature", "angle", "radius")
        )
        if self._heated:
            self._prepared = np.minimum(np.maximum(self._kelvin, self._chemistry.valid[0]), self._chemistry.valid[1])
            warmth = self._prepared.copy()
        seeds = [state.seed for state in origins]
        self._physics: Physics = self._chemistry.prepare(Conditions(warmth, angle, radius, tuple(self._slow), seeds))
        linear, count = self._physics.memory, len(origins)
        wide = (slice(None), None)
        self._rate = linear.rate if linear.rate.ndim > 1 else linear.rate[wide]
        gain = self._physics.gain if self._physics.gain.ndim > 1 else self._physics.gain[wide]
        feed = linear.feed if linear.feed.ndim > 1 else linear.feed[wide]
        whole = linear.integrator if linear.integrator.ndim > 1 else linear.integrator[wide]
        self._feed, self._integrator = feed * gain, whole * gain
        steady = linear.steady if linear.steady.ndim > 1 else linear.steady[wide]
        self._steady = steady * gain[linear.row]
        self._low, self._high = self._physics.low[wide], self._physics.high[wide]
        self._leak = np.broadcast_to(np.asarray(self._physics.leak, dtype=np.float64), (count,))
        self._leaking = bool(self._leak.any())
        self._own = np.ascontiguousarray(linear.own.T)
        self._none = np.zeros(count, dtype=bool)
        self._table: _StepTables | None = None
        for clock in (self._since, self._charge, self._passed):
            clock[:] = 0.0

    def _sums(self, x: Array) -> Array:
        return np.asarray(self._own @ x)

    def _map(self, z: Array, inner: Array, time: Array, charge: Array) -> Array:
        return self._physics.voltage(np.minimum(np.maximum(z, self._low), self._high), inner, time, charge)

    def _scaled(self, dt: float) -> tuple[_StepTables, Array]:
        """Return the tables of a step of `dt` s, and the memory in the unit that such steps are fast in.

        Between steps of one length the memory is kept in units of what an ampere adds in a step, so that a step is two
        operations in place; poles that are over within a step only follow the current.
        """
        table = self._table
        if table is None or table.dt != dt:
            self._settle()
            table = self._table = self._tabled(dt)
        if self._moving is None:
            self._moving = self._x[table.slow] / table.gain[table.slow]
            self._followed = np.full(len(self), np.nan)
        return table, self._moving

    def _tabled(self, dt: float) -> _StepTables:
        decay, gain = np.exp(-self._rate * dt), -np.expm1(-self._rate * dt) * self._steady
        slow = np.flatnonzero((decay > _OVER).any(axis=1))
        slope = self._own @ gain + self._integrator * dt + self._feed
        own, after = self._own[:, slow], (gain * decay)[slow]
        narrow = after.shape[1] == 1
        own, left = (own * after[:, 0], None) if narrow else (own, after)
        return _StepTables(dt, slow, np.delete(np.arange(len(decay)), slow), decay[slow], gain, own, left, slope)

    def _settle(self) -> None:
        """Bring the memory back into its own unit."""
        if self._moving is not None:
            self._x = self._memory(slice(None))
            self._moving = None

    def _memory(self, which: NDArray[np.bool_] | slice) -> Array:
        """Return the memory of some cells in its own unit, shape (n, cells)."""
        memory = self._x[:, which].copy()
        if self._moving is not None and self._table is not None:
            table, followed = self._table, self._followed[which]
            gain = table.gain if table.gain.shape[1] == 1 else table.gain[:, which]
            memory[table.slow] = self._moving[:, which] * gain[table.slow]
            memory[table.quick] = np.where(np.isnan(followed), memory[table.quick], followed * gain[table.quick])
        return memory

    def step(self, value: ArrayLike, dt: float, mode: ArrayLike = Mode.CURRENT, most: ArrayLike = np.inf) -> Array:
        """Control each cell for `dt` s; return the voltages in V at the end, shape (N,), never NaN.

        Args:
            value: what is controlled, in the unit of its mode; one for all or one each.
            dt: s.
            mode: one for all or one each.
            most: largest magnitude of a current that is not the controlled quantity, A.

        Raises:
            ValueError: a number that is not finite, or beyond every cell; a step that goes back in time.
        """
        shape = (len(self._origins),)
        value = np.asarray(value, dtype=np.float64)
        value = value if value.shape == shape else np.broadcast_to(value, shape)
        check_step(float(np.abs(value).max()), dt)
        simple = not self._leaking and (mode is Mode.CURRENT or not np.any(mode))
        control = (value, dt, mode, most)
        inner = value if simple else self._solved(*control)
        turned = self._none if (inner * self._direction).min() > 0.0 else self._turning(inner)
        if turned is not self._none and turned.any():
            self._turn(np.flatnonzero(turned), inner)
            if not simple and len(self._slow):
                inner = self._solved(*control)
        elif len(self._slow) and (self._chemistry.paced or ((inner == 0.0) != (self.current == 0.0)).any()):
            self._flush()
        return self._advance(inner, dt)

    def _turning(self, inner: Array) -> NDArray[np.bool_]:
        return np.asarray((np.sign(inner) != self._direction) & (inner != 0.0))

    def _solved(self, value: Array, dt: float, mode: ArrayLike, most: ArrayLike) -> Array:
        shape = value.shape
        most = np.broadcast_to(np.asarray(most, dtype=np.float64), shape)
        return self._solve(value, dt, np.broadcast_to(np.asarray(mode), shape), most)

    def _advance(self, inner: Array, dt: float) -> Array:
        if dt == 0.0:
            self._settle()
            z = self._level + self._sums(self._x) + self._feed * inner
            self.voltage, self.current = self._map(z, inner, self._since, self._charge), inner
            return self.voltage
        table, moving = self._scaled(dt)
        z = table.kept(moving)
        z += self._level
        z += table.slope * inner
        wrong = self._none
        if not self._inside(z):
            wrong = np.asarray(~((z > self._low) & (z < self._high)).all(axis=0))
            inner = np.where(wrong, 0.0, inner)
            z[:, wrong] = self._level[:, wrong] + self._own @ self._memory(wrong)
            before, followed = moving[:, wrong], self._followed[wrong]
        moving *= table.decay
        moving += inner
        self._followed = inner.copy()
        self._level += self._integrator * (inner * dt)
        self.collapsed = wrong
        if wrong is not self._none:
            moving[:, wrong], self._followed[wrong] = before, followed
        charge = inner * dt
        self._since += dt
        voltage = self._physics.voltage(z, inner, self._since, self._charge + charge)
        outer = inner
        if self._leaking:
            outer = inner + self._leak * voltage
            charge = outer * dt
        self._charge += charge
        self._net += charge
        warmed = self._heated and self._warm(z, inner, voltage, dt)
        charge = np.abs(charge)
        self._passed += charge
        self._gross += charge
        self.time += dt
        self.voltage, self.current = voltage, outer
        if warmed:
            self._flush()
        return voltage

    def _warm(self, z: Array, current: Array, voltage: Array, dt: float) -> bool:
        """Warm the cells by the heat at a step's end, and say whether they are so much warmer that their numbers change."""
        chemistry, potential = self._chemistry, self._physics.potential_difference(z)
        slope = chemistry.entropic_slope(z)
        power = current * (
            voltage - potential + chemistry.temperature * slope
        )  # the potential is that at the numbers' own
        if self._leaking:
            power += self._leak * voltage * voltage
        assert chemistry.heat is not None
        around = np.array([state.temperature for state in self._origins])
        fading, early, late = decays_of(chemistry.heat.rate, dt)
        self._kelvin = around + fading * (self._kelvin - around) + (early + late) * power / chemistry.heat.capacity
        return bool(np.abs(self._kelvin - self._prepared).max() > WARMER)

    def _inside(self, z: Array) -> bool:
        """Say whether every cell is in its range; NaN is not."""
        return bool((z.min(axis=1) > self._low[:, 0]).all() and (z.max(axis=1) < self._high[:, 0]).all())

    def _solve(self, value: Array, dt: float, mode: NDArray[np.int_], most: Array) -> Array:
        """Return the memory currents that meet the demand at the step's end, by safeguarded Newton steps."""
        base, slope = self._course(dt)
        time, charge = self._since + dt, self._charge
        leak = self._leak
        current = mode == Mode.CURRENT
        inner = np.where(current, value, self.current - leak * self.voltage)
        # a cell at 0 V gives no hint which way a power lies
        inner = np.where((mode == Mode.POWER) & (inner == 0.0), np.copysign(1e-9, value), inner)
        low, high = np.full(len(value), -1e300), np.full(len(value), 1e300)
        for _ in range(ROUNDS):
            z = np.minimum(np.maximum(base + slope * inner, self._low), self._high)
            voltage = self._physics.voltage(z, inner, time, charge + inner * dt)
            rise, direct = self._physics.slopes(z, inner, time, charge + inner * dt)
            total = (rise * slope).sum(axis=0) + direct
            error, change = self._demanded(value, mode, (voltage, inner, total))
            if np.abs(error).max() <= SOLVED:
                break
            high = np.where(error > 0.0, np.minimum(high, inner), high)
            low = np.where(error < 0.0, np.maximum(low, inner), low)
            new = inner - error / np.where(change != 0.0, change, np.inf)
            outside = (new <= low) | (new >= high)
            bracketed = (low > -1e300) & (high < 1e300)
            new = np.where(outside & bracketed, 0.5 * (low + high), new)
            if np.array_equal(new, inner):
                break
            inner = new
        outer = inner + leak * self._map(base + slope * inner, inner, time, charge)
        limited = ~current & (np.abs(outer) > most)
        if limited.any():
            inner = np.where(limited, np.copysign(most, outer), inner)
        return inner

    def _course(self, dt: float) -> tuple[Array, Array]:
        """Return the surface values at the end of a step at 0 A, and what an ampere adds to them."""
        if dt == 0.0:
            self._settle()
            return self._level + self._sums(self._x), self._feed
        table, moving = self._scaled(dt)
        return self._level + table.kept(moving), table.slope

    def _demanded(self, value: Array, mode: NDArray[np.int_], at: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        """Return the residuals in V (W over A for power) and their slopes by the memory current."""
        voltage, inner, total = at
        leak = self._leak
        outer = inner + leak * voltage
        error, change = np.zeros(len(value)), np.ones(len(value))
        for kind in np.unique(mode):
            chosen = mode == kind
            match Mode(int(kind)):
                case Mode.CURRENT:
                    demanded, slope = outer - value, 1.0 + leak * total
                case Mode.VOLTAGE:
                    demanded, slope = voltage - value, total
                case Mode.POWER:
                    size = np.maximum(np.abs(outer), 1e-12)
                    demanded = (voltage * outer - value) / size
                    slope = (total * outer + voltage * (1.0 + leak * total)) / size
                case Mode.LOAD:
                    demanded, slope = voltage + value * outer, total + value * (1.0 + leak * total)
            error = np.where(chosen, demanded, error)
            change = np.where(chosen, slope, change)
        return error, change

    def _turn(self, which: NDArray[np.intp], inner: Array) -> None:
        if len(self._slow):
            self._slow = self._slowed()
        for cell in which:
            direction = int(np.sign(inner[cell]))
            slow, level = self._chemistry.turn(tuple(self._slow[:, cell].tolist()), self._level[:, cell], direction)
            self._level[:, cell] = level
            if len(self._slow):
                self._slow[:, cell] = slow
            self._direction[cell] = direction
        if len(self._slow):
            self._prepare()

    def _flush(self) -> None:
        self._slow = self._slowed()
        self._prepare()

    def _slowed(self) -> Array:
        slow = self._physics.slow(tuple(self._slow), self._since, self._charge, self._passed)
        return np.array([np.broadcast_to(value, (len(self),)) for value in slow]).reshape(-1, len(self))

    def states(self) -> list[CellState]:
        """Return the cells' states now."""
        slow = self._slowed() if len(self._slow) else self._slow
        self._settle()
        return [
            CellState(
                memory=read_only(self._x[:, cell]),
                level=read_only(self._level[:, cell]),
                slow=tuple(slow[:, cell].tolist()),
                charge=float(origin.charge + self._net[cell]),
                throughput=float(origin.throughput + self._gross[cell]),
                age=origin.age + self.time,
                direction=int(self._direction[cell]),
                temperature=origin.temperature,
                angle=origin.angle,
                radius=origin.radius,
                seed=origin.seed,
                warmth=float(self._kelvin[cell] - origin.temperature) if self._heated else None,
            )
            for cell, origin in enumerate(self._origins)
        ]


def _shared(values: list[float]) -> float | Array:
    """Return one float where all agree, else an array."""
    return values[0] if all(value == values[0] for value in values) else np.array(values)

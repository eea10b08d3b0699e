"""One live cell in plain floats: a few microseconds a step."""

from collections.abc import Callable
from math import exp, expm1
from typing import Final

import numpy as np

from labctl_simulators.cell.drive import check_step
from labctl_simulators.cell.heat import NEAR, Still, Warmed, decays_of, still
from labctl_simulators.cell.physics import Chemistry, Conditions
from labctl_simulators.cell.solve.crossing import root
from labctl_simulators.cell.solve.element import moments
from labctl_simulators.cell.state import CellState, read_only

_KEPT = 64
MOST: Final = 10_000
"""Most changes of a cell (a short that flickers) within one step."""


class Stepper:
    """Advance one cell step by step; a step's current is constant, so steps of any length are exact.

    Attributes:
        voltage: V at the end of the last step, its current still flowing.
        current: A of the last step, at the terminals.
        time: s since the stepper began.
        collapse: why the last step could not be taken, in words; None where it could.
    """

    def __init__(self, chemistry: Chemistry, state: CellState) -> None:
        self._chemistry = chemistry
        self._origin = state
        self._kelvin = state.kelvin
        self._warmed: Warmed | None = None  # of a cell that heats itself
        self._x: list[float] = state.memory.tolist()
        self._level: list[float] = state.level.tolist()
        self._slow = state.slow
        self._direction = state.direction
        self.time, self.current, self._inward = 0.0, 0.0, 0.0
        self._net, self._gross = 0.0, 0.0
        self._since, self._charge, self._passed = 0.0, 0.0, 0.0
        self.collapse: str | None = None
        self._prepare()
        self.voltage = self._at_rest()

    def _prepare(self) -> None:
        """Take the physics of the present slow states; the piece begins now."""
        origin = self._origin
        if origin.warmth is None:
            self._physics = self._chemistry.prepare(
                Conditions(origin.temperature, origin.angle, origin.radius, self._slow, origin.seed)
            )
        else:
            self._warmed = still(self._chemistry, origin._replace(slow=self._slow), self._kelvin)
            self._physics = self._warmed
        linear, gain = self._physics.memory, self._physics.gain
        self._tables: dict[float, tuple[list[float], list[float]]] = {}
        self._parts = [(part.start, part.stop) for part in linear.parts]
        self._feed = (linear.feed * gain).tolist()
        self._integrator = (linear.integrator * gain).tolist()
        self._rate = linear.rate.tolist()
        self._steady = (linear.steady * gain[linear.row]).tolist()
        self._low, self._high = self._physics.low.tolist(), self._physics.high.tolist()
        self._leak = float(self._physics.leak)
        self._map = self._physics.voltage_scalar
        self._since = self._charge = self._passed = 0.0
        self._changes: tuple[float, float] | None = None

    def _at_rest(self) -> float:
        z = [level + sum(self._x[a:b]) for level, (a, b) in zip(self._level, self._parts, strict=True)]
        return self._map(z, 0.0, 0.0, 0.0)

    def _table(self, dt: float) -> tuple[list[float], list[float]]:
        known = self._tables.get(dt)
        if known is None:
            if len(self._tables) >= _KEPT:
                self._tables.clear()
            decay = [exp(-rate * dt) for rate in self._rate]
            gain = [-expm1(-rate * dt) * steady for rate, steady in zip(self._rate, self._steady, strict=True)]
            known = self._tables[dt] = decay, gain
        return known

    def step(self, current: float, dt: float) -> float:
        """Let `current` (A) flow for `dt` s; return the voltage in V at the end.

        A cell driven out of its range keeps its last state, and `collapse` says why.

        Raises:
            ValueError: a number that is not finite, or beyond every cell; a step that goes back in time.
        """
        self._asked(current, dt)
        if current != 0.0:  # as in `_turned`, without its call
            direction = 1 if current > 0.0 else -1
            if direction != self._direction:
                self._turn(direction)
        if self._slow and current != self.current and (self._chemistry.paced or current * self.current == 0.0):
            self._flush()
        if self._leak:
            return self._leaking(current, dt)
        for _ in range(MOST):
            limit = self._change(current)
            if dt <= limit - self._since:
                return self._advance(current, current, dt)
            part = max(limit - self._since, 0.0)
            self._advance(current, current, part)
            if self.collapse is not None:
                return self.voltage
            dt -= part
            self._flush()
        self.collapse = "the cell changes faster than can be followed"
        return self.voltage

    def _asked(self, value: float, dt: float) -> None:
        check_step(value, dt)
        self.collapse = None

    def ramp(self, current: float, dt: float) -> float:
        """Let the current go linearly to `current` (A) within `dt` s; return the voltage in V at the end.

        In a cell that leaks it is the memory's current that goes linearly.

        Raises:
            ValueError: a number that is not finite, or beyond every cell; a step that goes back in time.
        """
        self._asked(current, dt)
        self._turned(current)
        if self._slow and self._chemistry.paced:
            self._flush()
        linear, gain = self._physics.memory, self._physics.gain
        first, second = moments(linear.rate * dt, 2)
        driven = linear.drive * gain[linear.row] * dt
        memory = np.exp(-linear.rate * dt) * self._x + driven * (first - second) * self._inward
        weight = linear.integrator * gain * (0.5 * dt)
        level = np.array(self._level) + weight * self._inward
        late = driven * second
        base = (level + memory @ linear.own).tolist()
        slope = (weight + late @ linear.own + linear.feed * gain).tolist()
        charge = 0.5 * dt * (self.current + current)
        since, passed = self._since + dt, self._charge + charge

        def voltage(inner: float) -> float:
            return self._map([a + b * inner for a, b in zip(base, slope, strict=True)], inner, since, passed)

        inner = current
        if self._leak:
            solution = solve(lambda u: voltage(u) + (u - current) / self._leak, self._inward)
            inner = current if solution is None else solution
        warm = self._begin(self._inward), self._inward
        self._x, self._level = (memory + late * inner).tolist(), (level + weight * inner).tolist()
        self._net, self._charge = self._net + charge, passed
        self._gross, self._passed = self._gross + abs(charge), self._passed + abs(charge)
        self._since, self.time, self.current, self._inward = since, self.time + dt, current, inner
        self.voltage = voltage(inner)
        if self._warmed is not None:
            self._warm(warm, ([a + b * inner for a, b in zip(base, slope, strict=True)], inner), dt)
        return self.voltage

    def _change(self, current: float) -> float:
        if self._changes is None or self._changes[0] != current:
            self._changes = (current, self._physics.change(current))
        return self._changes[1]

    def _advance(self, inner: float, outer: float, dt: float) -> float:
        """Let memory current `inner` and terminal current `outer` flow for `dt` s."""
        known = self._tables.get(dt)
        decay, gain = known if known is not None else self._table(dt)
        x = [e * a + f * inner for e, a, f in zip(decay, self._x, gain, strict=True)]
        charge = inner * dt
        level = [a + w * charge for a, w in zip(self._level, self._integrator, strict=True)]
        z = [
            a + sum(x[first:last]) + d * inner
            for a, (first, last), d in zip(level, self._parts, self._feed, strict=True)
        ]
        for row, value in enumerate(z):
            if not self._low[row] < value < self._high[row]:
                self.collapse = self._physics.words[row][value >= self._high[row]]
                return self.voltage
        if self._warmed is not None:
            self._warm((self._begin(inner), inner), (z, inner), dt)
        self._x, self._level = x, level
        self._net += outer * dt
        self._gross += abs(outer) * dt
        self._since += dt
        self._charge += outer * dt
        self._passed += abs(outer) * dt
        self.time += dt
        self.current, self._inward = outer, inner
        self.voltage = self._map(z, inner, self._since, self._charge)
        return self.voltage

    def _begin(self, current: float) -> list[float]:
        """Return the surface values now, with a current flowing."""
        return [
            level + sum(self._x[first:last]) + feed * current
            for level, (first, last), feed in zip(self._level, self._parts, self._feed, strict=True)
        ]

    def _warm(self, begin: tuple[list[float], float], end: tuple[list[float], float], dt: float) -> None:
        """Warm the cell by the mean of the heat as a step begins and as it ends, each its surfaces and current."""
        warmed, heat = self._warmed, self._chemistry.heat
        assert warmed is not None
        assert heat is not None
        power = 0.5 * sum(warmed.heating_of(*side) for side in (begin, end)) if begin[1] or end[1] else 0.0
        around = self._origin.temperature
        fading, early, late = decays_of(heat.rate, dt)
        self._kelvin = around + fading * (self._kelvin - around) + (early + late) * power / heat.capacity
        low, high = warmed.ends
        if not low - NEAR <= self._kelvin <= high + NEAR:
            valid = self._chemistry.valid
            self._kelvin = min(max(self._kelvin, valid[0]), valid[1])
            self._flush()
        elif isinstance(warmed.course, Still):
            warmed.course.temperature = self._kelvin

    def hold(self, voltage: float, dt: float, most: float | None = None) -> float:
        """Let the constant current flow for `dt` s that ends the step at `voltage` (V); return it in A.

        This is a potentiostat that samples every `dt`; a shorter step follows the true current more closely.

        Args:
            voltage: V.
            dt: s.
            most: largest magnitude of the current, A.

        Raises:
            ValueError: a number that is not finite, or beyond every cell; a step that goes back in time.
        """
        self._asked(voltage, dt)
        inner = self._inner(dt, lambda _, v: v - voltage)
        if inner is None:
            self.collapse = f"no current brings the voltage to {voltage:.6g} V"
            return 0.0
        outer = inner + self._leak * voltage
        if most is not None and abs(outer) > most:
            outer = most if outer > 0.0 else -most
            self.step(outer, dt)
            return self.current
        if self._turned(outer):
            inner = self._inner(dt, lambda _, v: v - voltage)
        if self._slow and self._chemistry.paced:
            self._flush()
        self._advance(inner or 0.0, (inner or 0.0) + self._leak * voltage, dt)
        return self.current

    def _leaking(self, current: float, dt: float) -> float:
        inner = self._inner(dt, lambda u, v: v + (u - current) / self._leak)
        if inner is None:
            self.collapse = "no current meets the demand"
            return self.voltage
        return self._advance(inner, current, dt)

    def _inner(self, dt: float, demand: Callable[[float, float], float]) -> float | None:
        """Return the memory current, constant for `dt` s, that meets `demand` at the end, A."""
        decay, gain = self._table(dt)
        base, slope = [], []
        for row, (first, last) in enumerate(self._parts):
            kept = sum(e * a for e, a in zip(decay[first:last], self._x[first:last], strict=True))
            base.append(self._level[row] + kept)
            slope.append(self._integrator[row] * dt + sum(gain[first:last]) + self._feed[row])
        since, charge = self._since + dt, self._charge

        def residual(u: float) -> float:
            z = [a + b * u for a, b in zip(base, slope, strict=True)]
            return demand(u, self._map(z, u, since, charge + u * dt))

        return solve(residual, self.current)

    def _turned(self, current: float) -> bool:
        """Take the turn of a current that goes another way than the last one did, and say whether it does."""
        direction = int(current > 0.0) - int(current < 0.0)
        if direction in (0, self._direction):
            return False
        self._turn(direction)
        return True

    def _turn(self, direction: int) -> None:
        if self._slow:
            self._slow = tuple(map(float, self._physics.slow(self._slow, self._since, self._charge, self._passed)))
        slow, level = self._chemistry.turn(self._slow, np.array(self._level), direction)
        self._slow, self._level, self._direction = slow, level.tolist(), direction
        if self._slow:
            self._prepare()

    def _flush(self) -> None:
        self._slow = tuple(map(float, self._physics.slow(self._slow, self._since, self._charge, self._passed)))
        self._prepare()

    @property
    def kelvin(self) -> float:
        """Return the temperature of the cell now, K."""
        return self._kelvin

    @property
    def state(self) -> CellState:
        """Return the cell's state now."""
        origin = self._origin
        slow = self._physics.slow(self._slow, self._since, self._charge, self._passed) if self._slow else ()
        return CellState(
            memory=read_only(self._x),
            level=read_only(self._level),
            slow=tuple(map(float, slow)),
            charge=origin.charge + self._net,
            throughput=origin.throughput + self._gross,
            age=origin.age + self.time,
            direction=self._direction,
            temperature=origin.temperature,
            angle=origin.angle,
            radius=origin.radius,
            seed=origin.seed,
            warmth=None if self._warmed is None else self._kelvin - origin.temperature,
        )


def solve(residual: Callable[[float], float], guess: float) -> float | None:
    """Return where an increasing residual crosses zero, A; None where it does not."""
    a, fa = guess, residual(guess)
    if fa == 0.0:
        return a
    step = max(abs(guess) * 0.05, 1e-9)
    for _ in range(120):
        b = a - step if fa > 0.0 else a + step
        fb = residual(b)
        if fa * fb <= 0.0:
            return root(residual, a, b, fa, fb)
        a, fa = b, fb
        step *= 2.0
    return None

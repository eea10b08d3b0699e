"""A piece in which voltage, power, load or leaking current is held: the current is solved for.

The memory current is a continuous piecewise polynomial in time. Elements grow with the time since the drive began; each is
solved by Newton's method and cut where a check between its nodes fails. Their mesh depends on the drive and its begin only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log
from typing import Final

import numpy as np

from labctl_simulators.cell.drive import Drive, Power, Voltage, VoltageSweep
from labctl_simulators.cell.physics import WALL_WIDTH, Array, Physics
from labctl_simulators.cell.solve.crossing import root
from labctl_simulators.cell.solve.demand import Demand, sweep_time
from labctl_simulators.cell.solve.element import BETWEEN, DEGREE, MIDDLE, NODES, element, whole
from labctl_simulators.cell.solve.newton import derivative, newton
from labctl_simulators.cell.solve.solution import SolutionColumns
from labctl_simulators.cell.solve.warm_start import COLD, KnownSolution, Warm
from labctl_simulators.cell.solve.whole_hold import Mesh, mesh, resolved
from labctl_simulators.cell.state import CellState

SOLVED: Final = 1e-12
"""V; a residual below this ends Newton's method."""
ALONE: Final = 2e-14
"""V; the same of one element, so that all together are solved."""
CHECKED: Final = 5e-6
"""V; largest residual between the nodes."""
GROWTH: Final = 3.0
PATIENCE: Final = 250
"""Elements of a sweep after which CHECKED is given up step by step."""
PINNED: Final = 60
"""Elements after which a hold that has not got anywhere, or gets on slowly, is taken for one at the edge of the range."""
SOON: Final = 1e-5
"""Time that is nothing, in units of the slowest pole's."""
MOST: Final = 2000
"""Most elements of a held piece."""
WINDOW: Final = 0.02
"""V; most of a sweep in one element."""


class UnreachableDemand(Exception):  # noqa: N818  # a finding about the cell, turned into a collapse; never leaves the room
    """Say that no current meets the demand."""


@dataclass(slots=True, eq=False, repr=False)
class Point:
    """Hold the solution's front: time since the drive began, memory, level, memory current, charge."""

    time: float
    memory: Array
    level: Array
    current: float


class March:
    """Solve a piece under a demand from `origin` on, element by element or from a like one."""

    def __init__(self, physics: Physics, origin: CellState, drive: Drive, mesh: Sequence[float] = ()) -> None:
        self.physics, self.home, self.drive = physics, origin, drive
        poles = physics.turned(origin.memory)
        self.origin = origin if poles is origin.memory else origin._replace(memory=poles, warm=None)
        self.demand = Demand(drive, float(physics.leak))
        self._solved: KnownSolution | None = None
        self.tolerance = CHECKED
        self.lengths: list[float] = []
        self.values: list[Array] = []
        self.begins: list[float] = []
        self.starts: list[tuple[Array, Array]] = []
        self.failed: str | None = None
        self._columns: SolutionColumns | None = None
        self._passed = (0.0, 0.0, 0.0)
        self.planned = tuple(mesh)
        self.first = 0.0
        self.front = Point(0.0, poles, origin.level, 0.0)
        self.last = sweep_time(drive) if isinstance(drive, VoltageSweep) else np.inf
        self._switched: tuple[list[float], list[float]] | None = None
        self._table: Mesh | None = None
        self._values = self._begun = np.zeros(0)
        entry = self._entry()
        if entry is not None and self._known(entry):
            return
        try:
            self.first = self.front.current = self._begin(float(entry.values[0]) if entry else 0.0)
        except UnreachableDemand as error:
            self.failed = str(error)

    # --- solving -----------------------------------------------------------------------------------------------

    def _entry(self) -> KnownSolution | None:
        """Return a solution to start from."""
        if not isinstance(self.drive, Voltage) or self.demand.leak:
            return None
        for entry in (self.origin.warm or COLD).holds:
            lengths = entry.lengths[: len(self.planned)]
            if entry.voltage == self.drive.voltage and lengths == self.planned[: len(lengths)]:
                return entry
        return None

    def _known(self, entry: KnownSolution) -> bool:
        """Take over the solution of all elements at once, and say whether starting from `entry` leads to one."""
        self._begun = np.concatenate((self.origin.memory, self.origin.level))
        solution = resolved(self.physics, self._begun, entry, SOLVED, CHECKED)
        if solution is None:
            return False
        self._table = mesh(self.physics.memory, solution.lengths)
        self._solved, self._values = solution, solution.values
        self.lengths = list(solution.lengths)
        self.begins = list(self._table.course.starts)
        self.first = float(solution.values[0])
        return True

    def _catch_up(self) -> None:
        """Move the front to the end of a solution that was taken over."""
        if self._table is None or self.front.time > 0.0:
            return
        memory, level = self._start(len(self.lengths))
        self.values = list(self._values[self._table.places])
        self.front = Point(self.begins[-1] + self.lengths[-1], memory, level, float(self._values[-1]))
        self.tolerance = _tolerance(float(self.demand.residual(self._voltage0(0.0), 0.0, 0.0)))

    @property
    def warm(self) -> Warm:
        """Return what later solves can start from."""
        warm = self.origin.warm or COLD
        if not isinstance(self.drive, Voltage) or not self.lengths or self.demand.leak:
            return warm
        if self._solved is not None and len(self._solved.lengths) == len(self.lengths):
            return warm.held(self._solved)
        values = np.concatenate(([self.values[0][0]], *(value[1:] for value in self.values)))
        return warm.held(KnownSolution(self.drive.voltage, tuple(self.lengths), values))

    def _voltage0(self, current: float) -> float:
        if self._switched is None:
            linear, origin = self.physics.memory, self.origin
            rest = origin.level + origin.memory @ linear.own
            self._switched = (rest.tolist(), (linear.feed * self.physics.gain).tolist())
        z = [rest + feed * current for rest, feed in zip(*self._switched, strict=True)]
        return self.physics.voltage_scalar(z, current, 0.0, 0.0)

    def _begin(self, guess: float) -> float:
        """Return the memory current just after the drive began, A."""
        rest = self._voltage0(0.0)
        if isinstance(self.drive, Power):
            return self._begin_power(self.drive.power, rest)

        def residual(current: float) -> float:
            return float(self.demand.residual(self._voltage0(current), current, 0.0))

        at_rest = float(self.demand.residual(rest, 0.0, 0.0))
        self.tolerance = _tolerance(at_rest)
        if abs(at_rest) <= 1e-14:
            return 0.0
        step = abs(guess) * 1.02 if guess * at_rest < 0.0 else self._first_step()
        far, value = 0.0, at_rest
        for _ in range(90):
            near, before = far, value
            far = float(np.copysign(step, -at_rest))
            value = residual(far)
            if value * at_rest <= 0.0:
                return float(root(residual, near, far, before, value, guess))
            step *= 3.0
        raise UnreachableDemand(f"no current brings the voltage from {rest:.6g} V to what is demanded")

    def _first_step(self) -> float:
        step = 1e-9
        base = self._voltage0(0.0)
        while abs(self._voltage0(step) - base) < 1e-3 and step < 1e12:
            step *= 30.0
        return step

    def _begin_power(self, power: float, rest: float) -> float:
        if not rest > 0.0:
            raise UnreachableDemand(f"no power of {power:.6g} W from a cell at {rest:.6g} V")

        def residual(current: float) -> float:
            voltage = self._voltage0(current)
            return voltage * (current + self.demand.leak * voltage) - power

        near, before = 0.0, residual(0.0)
        if before == 0.0:
            return 0.0
        far = power / rest * 0.5
        for _ in range(200):
            value = residual(far)
            if value * before <= 0.0:
                current_at_power = root(residual, near, far, before, value)
                self.demand = Demand(self.drive, self.demand.leak, max(abs(current_at_power), 1e-300))
                return current_at_power
            if self._voltage0(far) <= 0.0:
                break
            near, before = far, value
            far *= 1.1
        raise UnreachableDemand(f"a power of {power:.6g} W is beyond what the cell can give")

    def extend(self) -> bool:
        """Solve one element more; False where the demand can be met no longer (`failed` says why) or is over."""
        self._catch_up()
        front, count = self.front, len(self.lengths)
        if self.failed or front.time >= self.last:
            return False
        if count >= PINNED and count % 20 == 0 and self._pinned():
            self.failed = self._reason()
            return False
        if count >= MOST:
            self.failed = "the demand swings faster than can be followed"
            return False
        if count < len(self.planned):
            length = self.planned[count]
            values, _ = self._solve(length)
            if values is not None:
                self._accept(length, values)
                return True
        length = self._proposal()
        while True:
            remaining = self.last - front.time
            length = remaining if length > remaining * (1.0 - 1e-9) else length
            values, error = self._solve(length)
            if values is not None and error <= self._allowed(count):
                self._accept(length, values)
                return True
            length /= GROWTH
            if length < max(1e-9, 1e-9 * front.time):
                self.failed = self._reason()
                return False

    def _pinned(self) -> bool:
        """Say whether a surface is stuck at the edge of its range: it got there at once, or a steady drive keeps it there."""
        physics, front = self.physics, self.front
        if len(self.lengths) == PINNED and front.time * physics.memory.rate.min(initial=np.inf) < SOON:
            return True
        if isinstance(self.drive, VoltageSweep):
            return False
        z = front.level + front.memory @ physics.memory.own + physics.memory.feed * physics.gain * front.current
        return bool(((z < physics.low + WALL_WIDTH) | (z > physics.high - WALL_WIDTH)).any())

    def _allowed(self, count: int) -> float:
        """Return the largest residual between the nodes of the next element, V.

        Demands far from open circuit, and courses that need very many elements, are followed less closely.
        """
        patience, step = (PATIENCE, 50) if isinstance(self.drive, VoltageSweep) else (PINNED, 20)
        return min(1e-2, self.tolerance * 10.0 ** (max(0, count - patience) // step))

    def _reason(self) -> str:
        z = self.front.level + self.front.memory @ self.physics.memory.own
        z = z + self.physics.memory.feed * self.physics.gain * self.front.current
        for row, value in enumerate(z):
            low, high = self.physics.low[row], self.physics.high[row]
            width = 1e-3 * (high - low) if np.isfinite(high - low) else 1e-3
            if value < low + width or value > high - width:
                return self.physics.words[row][bool(value > high - width)]
        return "the voltage collapses: what is demanded can be held no longer"

    def _proposal(self) -> float:
        """Return the length to try: a power of GROWTH, at most thrice the time since the drive began."""
        length = self._opening() if not self.lengths else min(GROWTH * self.lengths[-1], _ladder(3.0 * self.front.time))
        if isinstance(self.drive, VoltageSweep):
            length = min(length, _ladder(WINDOW / self.drive.rate))
        return length

    def _opening(self) -> float:
        """Return the first length: poles much faster than it must already follow the current."""
        physics, linear = self.physics, self.physics.memory
        driven = physics.gain * self.front.current
        z = self.origin.level + self.origin.memory @ linear.own + linear.feed * driven
        z = np.minimum(np.maximum(z, physics.low), physics.high)[:, None]
        slope, _ = physics.slopes(z, self.front.current, 0.0, 0.0)
        off = np.abs((self.origin.memory - driven[linear.row] * linear.steady) * slope[linear.row, 0])
        order = np.argsort(-linear.rate)
        lag = np.cumsum(off[order])
        moving = np.flatnonzero(lag > CHECKED)
        rate = linear.rate[order[moving[0]]] if len(moving) else linear.rate.min(initial=1.0)
        slowest = linear.rate.min(initial=1.0)
        return _ladder(min(0.3 / float(rate), 0.1 / float(slowest)))

    def _solve(self, length: float) -> tuple[Array | None, float]:
        """Return the node values of an element of `length` s and the largest residual between them, V."""
        front, physics, linear = self.front, self.physics, self.physics.memory
        table = element(linear, length)
        gain = physics.gain[:, None]
        free = (table.decay @ (linear.own * front.memory[:, None])).T + front.level[:, None]
        free = free + gain * (table.answer[:, :, 0] * front.current)
        answer = table.answer[:, :, 1:] * gain[:, :, None]
        now = front.time + NODES[1:] * length
        nodes, free_there = np.ascontiguousarray(answer[:, :DEGREE]), free[:, :DEGREE]
        flat = nodes.reshape(-1, DEGREE)
        z, voltage, outside = free_there, now, False

        def residual(unknown: Array) -> Array:
            nonlocal z, voltage, outside
            z = flat.dot(unknown).reshape(free_there.shape)
            z += free_there
            outside = not physics.within(z)
            if outside:
                z = np.minimum(np.maximum(z, physics.low[:, None]), physics.high[:, None])
            voltage = physics.voltage(z, unknown, now, 0.0)
            return np.asarray(self.demand.residual(voltage, unknown, now))

        solution = newton(
            residual,
            lambda unknown: self._matrix(z, voltage, unknown, nodes, now),
            self._guess(now),
            None,
            ALONE,
        )
        if solution is None or outside:
            return None, np.inf
        return np.append(front.current, solution[0]), self._between(length, free, answer, solution[0])

    def _guess(self, times: Array) -> Array:
        """Return the current at `times` if it goes on as it went, over the logarithm of time."""
        front = self.front
        if not self.values:
            return np.full(len(times), front.current)
        earlier = self.begins[-1] + self.lengths[-1] * float(NODES[-3])
        slope = (front.current - float(self.values[-1][-3])) / log(front.time / earlier)
        return front.current + slope * np.log(times / front.time)

    def _matrix(self, z: Array, voltage: Array, current: Array, answer: Array, times: Array) -> Array:
        """Return Newton's matrix."""
        slope, direct = self.physics.slopes(z, current, times, 0.0)
        by_voltage, by_current = self.demand.partial(voltage, current)
        matrix = derivative(slope, answer, direct)
        matrix *= np.reshape(by_voltage, (-1, 1))
        matrix.ravel()[:: DEGREE + 1] += by_current
        return matrix

    def _between(self, length: float, free: Array, answer: Array, unknown: Array) -> float:
        outside = slice(DEGREE, None)
        z = free[:, outside] + answer[:, outside] @ unknown
        current = MIDDLE.dot(np.append(self.front.current, unknown))
        now = self.front.time + BETWEEN * length
        if not self.physics.within(z):
            return np.inf
        error = self.demand.residual(self.physics.voltage(z, current, now, 0.0), current, now)
        return float(np.maximum.reduce(np.abs(error)))

    def _accept(self, length: float, values: Array) -> None:
        front, linear, gain = self.front, self.physics.memory, self.physics.gain
        table = element(linear, length)
        self.lengths.append(length)
        self.values.append(values)
        self.begins.append(front.time)
        self.starts.append((front.memory, front.level))
        memory = table.decay[DEGREE - 1] * front.memory + (table.end @ values) * gain[linear.row]
        level = front.level + linear.integrator * gain * (length * float(whole() @ values))
        self.front = Point(front.time + length, memory, level, float(values[-1]))
        self._columns = None

    def surfaces(self, index: int) -> tuple[Array, Array, float, float]:
        """Return surface values and memory current (A) at the nodes of an element but its first, its length and its begin."""
        memory, level = self._start(index)
        linear, gain = self.physics.memory, self.physics.gain
        known = self._table is not None and not self.values
        values = self._values[index * DEGREE : (index + 1) * DEGREE + 1] if known else self.values[index]
        table = element(linear, self.lengths[index])
        z = (table.decay[:DEGREE] @ (linear.own * memory[:, None])).T + level[:, None]
        z += gain[:, None] * (table.answer[:, :DEGREE] @ values)
        return z, values[1:], self.lengths[index], self.begins[index]

    def known_surfaces(self) -> tuple[Array, Array, Array, int] | None:
        """Return surface values, memory current (A) and times (s) at the nodes of a solution that was taken over whole.

        And of how many elements it is; None where it was not.
        """
        table, linear = self._table, self.physics.memory
        if table is None:
            return None
        free = (linear.holds * self._begun).dot(table.free)
        z = table.answer.dot(self._values).reshape(free.shape)
        z *= self.physics.gain[:, None]
        z += free
        count = len(self._values)
        return z[:, :count], self._values, table.times[:count], len(table.decays) - 1

    def _start(self, index: int) -> tuple[Array, Array]:
        """Return memory and level at the begin of an element."""
        if self._table is None:
            return self.starts[index]
        known = len(self._table.decays) - 1
        if index > known or (index == known and len(self.starts) > 0 and index < len(self.lengths)):
            return self.starts[index - known]
        linear = self.physics.memory
        state = self._table.driven[index].dot(self._values)
        state *= self.physics.gain[linear.owner]
        state += self._table.decays[index] * self._begun
        return state[: linear.poles], state[linear.poles :]


def _tolerance(away: float) -> float:
    """Return the largest residual between the nodes of a demand that is `away` (V) from open circuit, V."""
    return CHECKED * max(1.0, abs(away) / 0.5) ** 2


def _ladder(length: float) -> float:
    """Return the largest power of GROWTH (s) that is not above `length`."""
    return GROWTH ** floor(log(length) / log(GROWTH) + 1e-9)

"""A piece in which voltage, power, load or leaking current is held: the current is solved for.

The memory current is a continuous piecewise polynomial in time. Elements follow each other, growing with the time since
the drive began; each is solved by Newton's method, checked between its nodes, and cut into smaller ones where the check
fails. The mesh depends on the drive and the state it began in only, never on how long somebody wants to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from labctl_simulators.cell.chemistry import Array, Physics
from labctl_simulators.cell.crossing import root
from labctl_simulators.cell.drive import Drive, Power, Stop, Sweep
from labctl_simulators.cell.element import BETWEEN, DEGREE, MONOMIAL, NODES, charges, element, responses, whole
from labctl_simulators.cell.piece import End
from labctl_simulators.cell.state import Hold, State
from labctl_simulators.cell.terminal import Demand, sweep_time

SOLVED: Final = 1e-12
"""V; a residual below this ends Newton's method."""
CHECKED: Final = 5e-6
"""V; largest residual between the nodes."""
GROWTH: Final = 3.0
_LOOK: Final = np.linspace(0.0, 1.0, 2 * DEGREE + 1)
WINDOW: Final = 0.02
"""V; most of a sweep in one element."""


class Unreachable(Exception):  # noqa: N818  # a finding about the cell, turned into a collapse; never leaves the room
    """Say that no current meets the demand."""


@dataclass(slots=True)
class Point:
    """Hold the solution's front: time since the drive began, memory, level, memory current, charge."""

    time: float
    memory: Array
    level: Array
    current: float


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Hold the solution in arrays.

    Attributes:
        begins: s at which the elements begin, shape (E,).
        lengths: s, shape (E,).
        inner: coefficients of the memory current in ascending powers of the place 0..1, shape (E, DEGREE + 1).
        outer: the same of the current at the terminals.
        passed: C passed until each element's begin, shape (E,).
        turns: times at which the terminal current changes its sign, ascending from 0.
        up: C charged until each turn.
        down: C discharged until each turn.
    """

    begins: Array
    lengths: Array
    inner: Array
    outer: Array
    passed: Array
    turns: Array
    up: Array
    down: Array


class Held:
    """Hold a piece under a demand from `origin` on."""

    def __init__(self, physics: Physics, origin: State, drive: Drive, mesh: Sequence[float] = ()) -> None:
        self.physics, self.origin, self.drive = physics, origin, drive
        self.demand = Demand(drive, float(physics.leak))
        self.warm: Any = origin.warm
        self.lowest, self.highest = physics.low[:, None], physics.high[:, None]
        self.lengths: list[float] = []
        self.values: list[Array] = []
        self.starts: list[Point] = []
        self.failed: str | None = None
        self._columns: Columns | None = None
        self.planned = tuple(mesh)
        self.front = Point(0.0, origin.memory, origin.level, 0.0)
        self.last = sweep_time(drive) if isinstance(drive, Sweep) else np.inf
        try:
            self.front.current = self._begin()
        except Unreachable as error:
            self.failed = str(error)

    # --- solving -----------------------------------------------------------------------------------------------

    def _voltage0(self, current: float) -> float:
        physics = self.physics
        z = self.origin.level + self.origin.memory @ physics.memory.own + physics.memory.feed * physics.gain * current
        return physics.voltage_scalar(z.tolist(), current, 0.0, 0.0)

    def _begin(self) -> float:
        """Return the memory current just after the drive began, A."""
        rest = self._voltage0(0.0)
        if isinstance(self.drive, Power):
            return self._begin_power(self.drive.power, rest)

        def residual(current: float) -> float:
            return float(self.demand.residual(self._voltage0(current), current, 0.0))

        at_rest = residual(0.0)
        if abs(at_rest) <= 1e-14:
            return 0.0
        step = self._first_step()
        far, value = 0.0, at_rest
        for _ in range(80):
            near, before = far, value
            far = float(np.copysign(step, -at_rest))
            value = residual(far)
            if value * at_rest <= 0.0:
                return root(residual, near, far, before, value)
            step *= 3.0
        raise Unreachable(f"no current brings the voltage from {rest:.6g} V to what is demanded")

    def _first_step(self) -> float:
        step = 1e-12
        base = self._voltage0(0.0)
        while abs(self._voltage0(step) - base) < 1e-3 and step < 1e12:
            step *= 10.0
        return step

    def _begin_power(self, power: float, rest: float) -> float:
        if not rest > 0.0:
            raise Unreachable(f"no power of {power:.6g} W from a cell at {rest:.6g} V")

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
                found = root(residual, near, far, before, value)
                self.demand = Demand(self.drive, self.demand.leak, max(abs(found), 1e-300))
                return found
            if self._voltage0(far) <= 0.0:
                break
            near, before = far, value
            far *= 1.1
        raise Unreachable(f"a power of {power:.6g} W is beyond what the cell can give")

    def extend(self) -> bool:
        """Solve one element more; False where the demand can be met no longer (`failed` says why) or is over."""
        front, count = self.front, len(self.lengths)
        if self.failed or front.time >= self.last:
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
            if values is not None and error <= CHECKED:
                self._accept(length, values)
                return True
            length /= GROWTH
            if length < max(1e-9, 1e-9 * front.time):
                self.failed = self._reason()
                return False

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
        """Return the length to try: a power of GROWTH, at most twice the time since the drive began."""
        if not self.lengths:
            length = self._opening()
        else:
            length = min(GROWTH * self.lengths[-1], _ladder(2.0 * self.front.time))
        if isinstance(self.drive, Sweep):
            length = min(length, _ladder(WINDOW / self.drive.rate))
        return length

    def _opening(self) -> float:
        """Return the first length: poles much faster than it must already follow the current."""
        physics, linear = self.physics, self.physics.memory
        driven = physics.gain * self.front.current
        z = self.origin.level + self.origin.memory @ linear.own + linear.feed * driven
        slope, _ = physics.slopes(z[:, None], self.front.current, 0.0, 0.0)
        off = np.abs((self.origin.memory - driven[linear.row] * linear.steady) * slope[linear.row, 0])
        order = np.argsort(-linear.rate)
        lag = np.cumsum(off[order])
        moving = np.flatnonzero(lag > CHECKED)
        rate = linear.rate[order[moving[0]]] if len(moving) else linear.rate.min(initial=1.0)
        slowest = linear.rate.min(initial=1.0)
        return _ladder(min(0.3 / float(rate), 0.02 / float(slowest)))

    def _solve(self, length: float) -> tuple[Array | None, float]:
        """Return the node values of an element of `length` s and the largest residual between them, V."""
        front, physics, linear = self.front, self.physics, self.physics.memory
        table = element(linear, length)
        gain = physics.gain[:, None]
        free = (table.decay @ (linear.own * front.memory[:, None])).T + front.level[:, None]
        free = free + gain * (table.answer[:, :, 0] * front.current)
        answer = table.answer[:, :, 1:] * gain[:, :, None]
        places = np.concatenate([NODES[1:], BETWEEN]) * length
        now = front.time + places
        unknown = np.full(DEGREE, front.current)
        inside = slice(0, DEGREE)
        for _ in range(9):
            z = free[:, inside] + answer[:, inside] @ unknown
            outside = bool(((z <= self.lowest) | (z >= self.highest)).any())
            z = np.minimum(np.maximum(z, self.lowest), self.highest) if outside else z
            voltage = physics.voltage(z, unknown, now[inside], 0.0)
            error = self.demand.residual(voltage, unknown, now[inside])
            largest = float(np.abs(error).max())
            if not largest < 1e6:
                return None, np.inf
            if largest <= SOLVED:
                break
            slope, direct = physics.slopes(z, unknown, now[inside], 0.0)
            by_voltage, by_current = self.demand.partial(voltage, unknown)
            jacobian = np.einsum("mp,mpj->pj", slope, answer[:, inside])
            jacobian = np.reshape(by_voltage, (-1, 1)) * (jacobian + np.diag(direct)) + np.diag(
                by_current + 0.0 * unknown
            )
            try:
                move = np.linalg.solve(jacobian, error)
            except np.linalg.LinAlgError:
                return None, np.inf
            unknown = unknown - move
        else:
            if largest > 1e-10:
                return None, np.inf
        if outside:
            return None, np.inf
        return np.concatenate([[front.current], unknown]), self._between(length, free, answer, unknown)

    def _between(self, length: float, free: Array, answer: Array, unknown: Array) -> float:
        outside = slice(DEGREE, None)
        z = free[:, outside] + answer[:, outside] @ unknown
        current = (
            np.concatenate([[self.front.current], unknown]) @ (BETWEEN[:, None] ** np.arange(DEGREE + 1) @ MONOMIAL).T
        )
        now = self.front.time + BETWEEN * length
        if bool(((z <= self.lowest) | (z >= self.highest)).any()):
            return np.inf
        error = self.demand.residual(self.physics.voltage(z, current, now, 0.0), current, now)
        return float(np.abs(error).max())

    def _accept(self, length: float, values: Array) -> None:
        front, linear, gain = self.front, self.physics.memory, self.physics.gain
        table = element(linear, length)
        self.lengths.append(length)
        self.values.append(values)
        self.starts.append(front)
        memory = table.decay[DEGREE - 1] * front.memory + (table.end @ values) * gain[linear.row]
        level = front.level + linear.integrator * gain * (length * float(whole() @ values))
        self.front = Point(front.time + length, memory, level, float(values[-1]))
        self._columns = None

    # --- reading -----------------------------------------------------------------------------------------------

    def columns(self) -> Columns:
        """Return the solution so far in arrays."""
        if self._columns is None:
            begins = np.array([point.time for point in self.starts])
            lengths, values = np.array(self.lengths), np.array(self.values)
            outer = self.demand.current(values, begins[:, None] + lengths[:, None] * NODES) @ MONOMIAL.T
            each = lengths * (outer @ (1.0 / np.arange(1, DEGREE + 2)))
            passed = np.concatenate([[0.0], np.cumsum(each)[:-1]])
            zero = np.zeros(1)
            draft = Columns(begins, lengths, values @ MONOMIAL.T, outer, passed, zero, zero, zero)
            self._columns = _turned(draft)
        return self._columns

    def voltage(self, times: Array) -> Array:
        """Return the voltage in V at `times`, s since the drive began."""
        if not self.lengths:
            return np.full(len(times), self._voltage0(0.0))
        columns = self.columns()
        inner = _polynomial(columns, columns.inner, times)
        return np.asarray(self.demand.voltage(_polynomial(columns, columns.outer, times), inner, times))

    def currents(self, times: Array) -> Array:
        """Return the current at the terminals in A at `times`."""
        if not self.lengths:
            return np.zeros(len(times))
        columns = self.columns()
        return _polynomial(columns, columns.outer, times)

    def charges(self, times: Array) -> tuple[Array, Array]:
        """Return charging and discharging C passed since the drive began."""
        if not self.lengths:
            return np.zeros(len(times)), np.zeros(len(times))
        columns = self.columns()
        since = np.searchsorted(columns.turns, times, side="right") - 1
        more = _passed(columns, times) - (columns.up - columns.down)[since]
        return columns.up[since] + np.maximum(more, 0.0), columns.down[since] + np.maximum(-more, 0.0)

    def at(self, time: float) -> tuple[Array, Array, float, float]:
        """Return memory, level, charge (C) and throughput (C) `time` s after the drive began."""
        if not self.lengths:
            return self.origin.memory.copy(), self.origin.level.copy(), 0.0, 0.0
        columns, linear, gain = self.columns(), self.physics.memory, self.physics.gain
        index = max(int(np.searchsorted(columns.begins, time, side="right")) - 1, 0)
        point, length, values = self.starts[index], self.lengths[index], self.values[index]
        place = np.array([(time - point.time) / length])
        decay, answer = responses(linear, length, place)
        memory = decay[0] * point.memory + (answer[0] @ values) * gain[linear.row]
        level = point.level + linear.integrator * gain * (length * float(charges(place)[0] @ values))
        up, down = self.charges(np.array([time]))
        return memory, level, float(up[0] - down[0]), float(up[0] + down[0])

    def passed(self, time: float) -> tuple[float, float]:
        """Return C charged and C discharged until `time`."""
        up, down = self.charges(np.array([time]))
        return float(up[0]), float(down[0])

    def direction(self, time: float) -> int:
        """Return the sign of the current at `time`."""
        return int(np.sign(self.currents(np.array([time]))[0]))

    def hold(self, time: float) -> Hold:
        """Return what makes a later piece go on from `time` as if there were no cut."""
        return Hold(self.drive, time, self.origin, tuple(self.lengths))

    # --- ends --------------------------------------------------------------------------------------------------

    def end(self, stops: Sequence[Stop], skipped: float, limit: float) -> End:
        """Return where the piece ends, s since the drive began.

        Args:
            stops: time and charge count from `skipped` on.
            skipped: s since the drive began that are over already.
            limit: s since the drive began, at most.
        """
        index = 0
        while self.failed is None or index < len(self.lengths):
            if index == len(self.lengths) and not self.extend():
                break
            begin, until = self.starts[index].time, self.starts[index].time + self.lengths[index]
            if until > skipped or until >= limit:
                found = self._within(stops, max(begin, skipped), min(until, limit), skipped)
                if found is not None:
                    return found
            if until >= limit:
                return End(limit)
            index += 1
        if self.failed is not None:
            return End(max(self.front.time, skipped), None, self.failed)
        return End(min(limit, self.last))

    def _within(self, stops: Sequence[Stop], begin: float, until: float, skipped: float) -> End | None:
        if not stops:
            return None
        times = begin + (until - begin) * _LOOK
        best: End | None = None
        for stop in stops:
            margin = self._margin(stop, times, skipped)
            met = margin >= 0.0
            if not met.any():
                continue
            at = int(met.argmax())
            when = float(times[at]) if at == 0 else root(
                lambda t, stop=stop: float(self._margin(stop, np.array([t]), skipped)[0]),  # type: ignore[misc]
                float(times[at - 1]), float(times[at]), float(margin[at - 1]), float(margin[at]),
            )  # fmt: skip
            if best is None or when < best.time:
                best = End(when, stop.number)
        return best

    def _margin(self, stop: Stop, times: Array, skipped: float) -> Array:
        match stop.quantity:
            case "time":
                value = times - skipped
            case "voltage":
                value = self.voltage(times)
            case "current":
                value = np.abs(self.currents(times))
            case "power":
                value = np.abs(self.currents(times) * self.voltage(times))
            case "charge":
                up, down = self.charges(np.append(times, skipped))
                value = np.abs(up - down - (up[-1] - down[-1]))[:-1]
        return value - stop.value if stop.above else stop.value - value


def _polynomial(columns: Columns, coefficients: Array, times: Array) -> Array:
    index = np.maximum(np.searchsorted(columns.begins, times, side="right") - 1, 0)
    place = (times - columns.begins[index]) / columns.lengths[index]
    chosen = coefficients[index]
    value = chosen[:, DEGREE].copy()
    for power in range(DEGREE - 1, -1, -1):
        value *= place
        value += chosen[:, power]
    return value


def _passed(columns: Columns, times: Array) -> Array:
    """Return the net charge until `times`, C."""
    index = np.maximum(np.searchsorted(columns.begins, times, side="right") - 1, 0)
    place = (times - columns.begins[index]) / columns.lengths[index]
    chosen = columns.outer[index] / np.arange(1, DEGREE + 2)
    value = chosen[:, DEGREE].copy()
    for power in range(DEGREE - 1, -1, -1):
        value *= place
        value += chosen[:, power]
    return columns.passed[index] + value * place * columns.lengths[index]


def _turned(columns: Columns) -> Columns:
    """Return the columns with the times at which the current changes its sign."""
    turns = [0.0]
    nodes = columns.outer @ (_LOOK[:, None] ** np.arange(DEGREE + 1)).T
    for index in np.flatnonzero((nodes.max(axis=1) > 0.0) & (nodes.min(axis=1) < 0.0)):
        roots = np.roots(columns.outer[index][::-1])
        real = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
        turns += [float(columns.begins[index] + columns.lengths[index] * s) for s in real if 0.0 <= s <= 1.0]
    times = np.array(sorted(set(turns)))
    steps = np.diff(_passed(columns, times))
    up = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 0.0))])
    down = np.concatenate([[0.0], np.cumsum(np.maximum(-steps, 0.0))])
    return replace(columns, turns=times, up=up, down=down)


def _ladder(length: float) -> float:
    """Return the largest power of GROWTH (s) that is not above `length`."""
    return float(GROWTH ** np.floor(np.log(length) / np.log(GROWTH) + 1e-9))

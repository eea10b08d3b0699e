"""The temperature of a cell that heats itself, while a current flows, rests or is solved for.

A piece of a segment has one linear memory. It ends where the temperature has moved so far that another serves better, and
the next one goes on; where it ends depends on the state in which the drive began alone, never on how long somebody wants
to look, so that a cut changes nothing.
"""

from math import inf, log
from typing import Any, Final

import numpy as np

from labctl_simulators.cell.drive import AtOpenCircuit, Current, Drive
from labctl_simulators.cell.heat import (
    NEAR,
    SPEED,
    WIDEST,
    Tabled,
    Warmed,
    decays,
    ends_about,
    lattice,
    memory_near,
    pair_of,
)
from labctl_simulators.cell.physics import TOUCH, Array, Chemistry, Heat, Memory
from labctl_simulators.cell.solve.crossing import root
from labctl_simulators.cell.solve.element import NODES
from labctl_simulators.cell.solve.grid import terms_at
from labctl_simulators.cell.solve.held_piece import HeldPiece
from labctl_simulators.cell.state import CellState

STEPS: Final = 64.0
"""Pieces into which the charge that a cell can pass is cut, to sum up its heat."""
_EARLY: Final = 2.0 ** -np.arange(8.0, 0.0, -1.0)
_PLACES: Final = np.concatenate(([0.0], _EARLY, np.arange(1.0, STEPS + 2.0)))


def _room(chemistry: Chemistry, kelvin: float) -> tuple[float, float]:
    """Return the temperatures, K, that a piece beginning at `kelvin` is good for."""
    low, high = chemistry.valid
    most = chemistry.thermal_speed / kelvin**2  # relative change of the fastest changing rate, 1/K
    reach = WIDEST if most * WIDEST <= SPEED else SPEED / most
    return max(kelvin - reach, low), min(kelvin + reach, high)


def flowing(chemistry: Chemistry, state: CellState, current: float, elapsed: float = 0.0) -> Warmed:
    """Return the physics of a piece at constant current.

    Args:
        chemistry: of the cell.
        state: in which the current (or rest) began.
        current: A, positive charges.
        elapsed: s since then that are over as the piece begins.

    Raises:
        ValueError: the cell's numbers are not valid at its temperature.
    """
    heat, kelvin = chemistry.heat, state.kelvin
    assert heat is not None
    low, high = chemistry.valid
    if not low - TOUCH <= kelvin <= high + TOUCH:
        raise ValueError(f"wanted a temperature in {low:.6g}..{high:.6g} K, found {kelvin:.6g} K")
    course = Flow(heat, state.temperature, _room(chemistry, kelvin))
    near = least = most = kelvin
    if not current:
        course.begin(kelvin, 0.0)
        course.ended()
        least, most = course.span()
        near = 0.5 * (least + most)
    ends = ends_about(least, most, chemistry.temperature, chemistry.valid)
    warmed = Warmed(pair_of(chemistry, state, ends), ends, memory_near(chemistry, near), course, elapsed)
    if not current:
        return warmed
    course.flow(warmed, state, current)
    least, most = course.span()
    if (
        most - least > 1.0 or not ends[0] <= least <= most <= ends[1]
    ):  # now it is known where it goes: once more about that
        ends = ends_about(least, most, chemistry.temperature, chemistry.valid)
        memory = memory_near(chemistry, 0.5 * (least + most))
        warmed = Warmed(pair_of(chemistry, state, ends), ends, memory, course, elapsed)
        course.flow(warmed, state, current)
    return warmed


class Flow(Tabled):
    """Hold the course of the temperature at constant current, all of it known."""

    def __init__(self, heat: Heat, around: float, room: tuple[float, float]) -> None:
        super().__init__(heat, around, room)
        self.exit = inf

    def flow(self, warmed: Warmed, state: CellState, current: float) -> None:
        """Sum up the heat from a state on until a surface is empty or full."""
        linear = warmed.memory
        fullest = np.abs((linear.integrator * warmed.gain)[np.isfinite(warmed.high)]).max()
        step = 1.0 / (STEPS * abs(current) * float(fullest))
        times, table, tables = _tabled(linear, step, self.heat.rate)
        terms = warmed.driven * current
        terms[: linear.poles] += state.memory
        terms[linear.poles : linear.ramps] += state.level
        z = (linear.belongs * terms).dot(table)
        inside = ((z > warmed.low[:, None]) & (z < warmed.high[:, None])).all(axis=0)
        count = len(inside) if inside.all() else max(int(inside.argmin()), 1)
        z = z[:, :count]
        moments = np.zeros(count)
        cold, hot = (one.voltage(z, current, moments, 0.0) for one in (warmed.cold, warmed.hot))
        potential, slope = warmed.open_circuit(z)
        own = (current * (cold - potential + warmed.ends[0] * slope)).tolist()
        rise = (current * (hot - cold) / (warmed.ends[1] - warmed.ends[0])).tolist()
        self.begin(state.kelvin, own[0] + rise[0] * (state.kelvin - warmed.ends[0]))
        self.times = times[:count]
        self._sum(own, rise, warmed.ends[0], tables)
        self.ended()

    def _sum(self, own: list[float], rise: list[float], anchor: float, tables: tuple[list[float], ...]) -> None:
        """Go from node to node: the heat is own + rise (T - anchor), linear in time in between."""
        around, capacity = self.around, self.heat.capacity
        kelvin, power = self.kelvins[0], self.powers[0]
        for base, by, fading, early, late in zip(own[1:], rise[1:], *tables, strict=False):
            share = late / capacity
            free = around + fading * (kelvin - around) + early * power / capacity + share * (base - by * anchor)
            kelvin = free / (1.0 - share * by)
            power = base + by * (kelvin - anchor)
            self.kelvins.append(kelvin)
            self.powers.append(power)

    def ended(self) -> None:
        """Look where the course leaves its room."""
        low, high = self.room
        for index, kelvin in enumerate(self.kelvins):
            if not low < kelvin < high and (index or not self._inward(kelvin)):
                self.exit = self.met(index)
                return
        self.exit = self.times[-1] + self._tail()

    def _inward(self, kelvin: float) -> bool:
        """Say whether a course that begins on the edge of its room goes into it."""
        pace = self.powers[0] - self.heat.transfer * (kelvin - self.around)
        return pace <= 0.0 if kelvin >= self.room[1] else pace >= 0.0

    def met(self, index: int) -> float:
        """Return when the edge of the room is met that lies before node `index`, s."""
        if index == 0:
            return 0.0
        bound = self.room[self.kelvins[index] >= self.room[1]]
        before, after = self.times[index - 1], self.times[index]
        return root(
            lambda time: self.at_one(time) - bound,
            before,
            after,
            self.kelvins[index - 1] - bound,
            self.kelvins[index] - bound,
        )

    def _tail(self) -> float:
        """Return in how many s after the last node the room is left, at the last heat; infinity: never."""
        kelvin, power, rate = self.kelvins[-1], self.powers[-1], self.heat.rate
        pace = (power - self.heat.transfer * (kelvin - self.around)) / self.heat.capacity
        if pace == 0.0:
            return inf
        way = self.room[pace > 0.0] - kelvin
        if rate * way / pace >= 1.0:
            return inf
        return -log(1.0 - rate * way / pace) / rate if rate * abs(way / pace) > 1e-9 else way / pace

    def span(self) -> tuple[float, float]:
        """Return the lowest and the highest temperature within the room, K."""
        low, high = self.room
        kelvins = [kelvin for time, kelvin in zip(self.times, self.kelvins, strict=True) if time <= self.exit]
        if self.exit < inf:
            kelvins.append(self.at_one(self.exit))
        elif not self.powers[-1]:
            kelvins.append(self.around)
        return max(min(kelvins), low), min(max(kelvins), high)

    def leaves(self, until: float) -> float:
        """Return when the room is left; see `TemperatureCourse.leaves`."""
        return self.exit if self.exit <= until else inf


def _tabled(linear: Memory, step: float, rate: float) -> tuple[list[float], Array, tuple[list[float], ...]]:
    """Return the times of the nodes, the terms there, and what cooling makes of the spans between them; kept."""
    key = ("heat", step, rate)
    known: Any = linear.kept.get(key)
    if known is None:
        if len(linear.kept) > 400:
            linear.kept.clear()
        times = _PLACES * step
        spans = tuple(one.tolist() for one in decays(rate, np.diff(times)))
        known = linear.kept[key] = (times.tolist(), terms_at(linear, times), spans)
    return known  # type: ignore[no-any-return]


def holding(chemistry: Chemistry, state: CellState, drive: Drive) -> Warmed:
    """Return the physics of a piece in which the current is solved for; its course is that of a cell which stays as warm.

    Raises:
        ValueError: the cell's numbers are not valid at its temperature.
    """
    heat, kelvin, around = chemistry.heat, state.kelvin, state.temperature
    assert heat is not None
    room = _room(chemistry, kelvin)
    aim = min(max(around, room[0]), room[1])  # a cell that is held cools, as a rule
    ends = ends_about(min(kelvin, aim), max(kelvin, aim), chemistry.temperature, chemistry.valid)
    pair, near = pair_of(chemistry, state, ends), 0.5 * (kelvin + aim)
    low, high = chemistry.valid
    nearest = min(max(lattice(near, chemistry.temperature, NEAR), low), high)
    inner = HeldPiece(chemistry.physics_at(state, nearest), state, drive)
    course = SolvedFlow(heat, around, room, inner)
    warmed = Warmed(pair, ends, memory_near(chemistry, near), course)
    course.follow(warmed, state)
    return warmed


class SolvedFlow(Flow):
    """Hold the course of the temperature while the current is solved for, as far as it was asked for.

    The heat is that of the current which flows at a temperature that stays as it was at the begin; of a constant current
    beside which a cell discharges itself, the voltage is that of the temperature that it has.
    """

    def __init__(self, heat: Heat, around: float, room: tuple[float, float], inner: HeldPiece) -> None:
        super().__init__(heat, around, room)
        self._inner, self._index, self._done = inner, 0, False
        self._warmed: Warmed | None = None

    def follow(self, warmed: Warmed, state: CellState) -> None:
        """Begin in a state."""
        self._warmed = warmed
        linear, first = self._inner.physics.memory, self._inner.first
        z = state.level + state.memory @ linear.own + linear.feed * warmed.gain * first
        own, rise = self._heating(z[:, None], np.array([first]), np.zeros(1))
        self.begin(state.kelvin, own[0] + rise[0] * (state.kelvin - warmed.ends[0]))
        if not self.room[0] < state.kelvin < self.room[1] and not self._inward(state.kelvin):
            self.exit = 0.0

    def _heating(self, z: Array, current: Array, times: Array) -> tuple[list[float], list[float]]:
        """Return the heat at the nodes of an element at the cold end's temperature, W, and how it grows with that, W/K."""
        warmed = self._warmed
        assert warmed is not None
        z = np.minimum(np.maximum(z, warmed.low[:, None]), warmed.high[:, None])
        potential, slope = warmed.open_circuit(z)
        rise: Array | float = 0.0
        if isinstance(self._inner.drive, Current | AtOpenCircuit):  # of a cell that discharges itself: only V moves
            voltage, hot = (one.voltage(z, current, times, 0.0) for one in (warmed.cold, warmed.hot))
            rise = (hot - voltage) / (warmed.ends[1] - warmed.ends[0])
        elif self._inner.lengths:
            voltage = self._inner.voltage(times)
        else:
            voltage = np.full(len(times), self._inner.physics.voltage(z, current, 0.0, 0.0))
        leak = warmed.leak
        heat = current * (voltage - potential + warmed.ends[0] * slope) + leak * voltage * voltage
        return heat.tolist(), ((current + 2.0 * leak * voltage) * rise).tolist()

    def _reach(self, until: float) -> None:
        """Follow the current until a time, if it goes on so long."""
        inner = self._inner
        if not self._index and self.times[-1] < until and not self._done:
            known = inner.known_surfaces()
            if known is not None:
                z, current, times, self._index = known
                self._follow_nodes(z[:, 1:], current[1:], times)
        while self.times[-1] < until and not self._done:
            if self._index == len(inner.lengths) and not inner.extend():
                self._done = True
                break
            self._element(self._index)
            self._index += 1

    def _element(self, index: int) -> None:
        z, current, length, begin = self._inner.surfaces(index)
        self._follow_nodes(z, current, begin + NODES * length)

    def _follow_nodes(self, z: Array, current: Array, nodes: Array) -> None:
        """Go on through nodes, of which the first is where the course has come to."""
        times = nodes[1:]
        own, rise = self._heating(z, current, times)
        spans = decays(self.heat.rate, np.diff(nodes))
        assert self._warmed is not None
        known = len(self.kelvins)
        before = (self.kelvins, self.powers)
        self.kelvins, self.powers = [self.kelvins[-1]], [self.powers[-1]]
        self._sum([0.0, *own], [0.0, *rise], self._warmed.ends[0], tuple(one.tolist() for one in spans))
        self.times += times.tolist()
        self.kelvins, self.powers = before[0] + self.kelvins[1:], before[1] + self.powers[1:]
        self._arrays = None
        if self.exit == inf:
            low, high = self.room
            outside = [k for k in range(known, len(self.kelvins)) if not low < self.kelvins[k] < high]
            if outside:
                self.exit = self.met(outside[0])

    def at(self, times: Array) -> Array:
        """Return the temperature at several times; see `TemperatureCourse.at`."""
        times = np.asarray(times)
        self._reach(float(times.max(initial=0.0)))
        return super().at(times)

    def at_one(self, time: float) -> float:
        """Return the temperature at one time; see `TemperatureCourse.at_one`."""
        self._reach(time)
        return super().at_one(time)

    def leaves(self, until: float) -> float:
        """Return when the room is left; see `TemperatureCourse.leaves`."""
        if self.exit == inf and until < inf:
            self._reach(until)
        return self.exit if self.exit <= until else inf

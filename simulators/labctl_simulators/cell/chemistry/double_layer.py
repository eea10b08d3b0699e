"""One live insertion cell with its double layers: what the first instants after a change of current look like.

At each interface the current divides between the faradaic reaction, which alone feeds the memory, and the double layer:

    C dv/dt = I - u,    v = U(x) + kinetics(x, u)

The faradaic currents u are taken as linear in time over a step, so the memory stays exact; v is integrated by the
two-step backward difference formula (BDF2), which forgets what is faster than the step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.cell.chemistry.insertion_physics import InsertionPhysics, Interface
from labctl_simulators.cell.physics import Conditions
from labctl_simulators.cell.solve.element import moments
from labctl_simulators.cell.state import CellState
from labctl_simulators.cell.stepper import solve

_KEPT = 64


@dataclass(slots=True, eq=False, repr=False)
class Side:
    """Hold one interface's present: faradaic current (A), branch voltage (V) now and a step before."""

    interface: Interface
    current: float
    voltage: float
    before: float | None = None


class Layered:
    """Advance one insertion cell with its double layers.

    Attributes:
        voltage: V at the end of the last step.
        current: A at the end of the last step.
        time: s since the stepper began.
    """

    def __init__(self, chemistry: Insertion, state: CellState) -> None:
        if chemistry.parameters.electrolyte is not None:
            raise ValueError("wanted a cell without electrolyte modes for a stepper with double layers, found some")
        self._physics: InsertionPhysics = chemistry.prepare(
            Conditions(state.kelvin, state.angle, state.radius, state.slow, state.seed)
        )
        self._memory = self._physics.memory
        self._x, self._level = state.memory.copy(), state.level.copy()
        self._last = 0.0
        self._tables: dict[float, tuple[np.ndarray, ...]] = {}
        z = self._level + self._x @ self._memory.own
        self._sides = [
            Side(interface, 0.0, interface.branch(float(z[interface.row]) if interface.row is not None else 0.0, 0.0))
            for interface in self._physics.interfaces()
        ]
        self.time, self.current = 0.0, 0.0
        self.voltage = self._physics.voltage_scalar(z.tolist(), 0.0, 0.0, 0.0)

    def _table(self, dt: float) -> tuple[np.ndarray, ...]:
        """Return decay, what the current at the begin leaves, and what that at the end leaves, each (n,)."""
        known = self._tables.get(dt)
        if known is None:
            memory = self._memory
            first, second = moments(memory.rate * dt, 2)
            driven = memory.drive * self._physics.gain[memory.row] * dt
            known = (np.exp(-memory.rate * dt), driven * (first - second), driven * second)
            if len(self._tables) >= _KEPT:
                self._tables.clear()
            self._tables[dt] = known
        return known

    def step(self, current: float, dt: float) -> float:
        """Let `current` (A) flow for `dt` s; return the voltage in V at the end."""
        return self._advance(current, current, dt)

    def ramp(self, current: float, dt: float) -> float:
        """Let the current go linearly to `current` (A) within `dt` s; return the voltage in V at the end."""
        return self._advance(self.current, current, dt)

    def _advance(self, begin: float, end: float, dt: float) -> float:
        decay, early, late = self._table(dt)
        physics, memory = self._physics, self._memory
        kept = decay * self._x
        base = kept @ memory.own
        weight = memory.integrator * physics.gain * (0.5 * dt)
        slope = late @ memory.own + weight + memory.feed * physics.gain
        inner = np.array([begin, end])[:, None] * np.ones(len(self._level))
        for side in self._sides:
            row = side.interface.row
            if row is None:
                self._share(side, 0.0, 0.0, end, dt)
                continue
            start = side.current if side.interface.capacitance else begin
            poles = memory.parts[row]
            rest = float(self._level[row] + base[row] + (early[poles].sum() + weight[row]) * start)
            self._share(side, rest, float(slope[row]), end, dt)
            inner[0, row], inner[1, row] = start, side.current
        self._x = kept + early * inner[0, memory.row] + late * inner[1, memory.row]
        self._level = self._level + weight * (inner[0] + inner[1])
        self._last, self.current, self.time = dt, end, self.time + dt
        z = self._level + self._x @ memory.own + memory.feed * physics.gain * inner[1]
        self.voltage = sum(side.voltage for side in self._sides) + physics.series(z, end)
        return self.voltage

    def _share(self, side: Side, rest: float, slope: float, current: float, dt: float) -> None:
        """Divide the current at an interface: find the faradaic current at the step's end."""
        interface = side.interface
        if not interface.capacitance:
            side.current, side.before = current, side.voltage
            side.voltage = interface.branch(rest + slope * current, current)
            return
        if side.before is None:
            lead, past = 1.0, side.voltage
        else:
            ratio = dt / self._last
            lead = (1.0 + 2.0 * ratio) / (1.0 + ratio)
            past = (1.0 + ratio) * side.voltage - ratio**2 / (1.0 + ratio) * side.before
        pace = dt / interface.capacitance

        def residual(u: float) -> float:
            return lead * interface.branch(rest + slope * u, u) - past - pace * (current - u)

        faradaic = _secant(residual, side.current, current)
        side.current, side.before = faradaic, side.voltage
        side.voltage = interface.branch(rest + slope * faradaic, faradaic)


def _secant(residual: Callable[[float], float], near: float, other: float) -> float:
    """Return where an increasing residual crosses zero: secants, with bracketing where they fail."""
    a, fa = near, residual(near)
    b = other if other != near else near + max(1e-9, 1e-6 * abs(near))
    for _ in range(12):
        fb = residual(b)
        if abs(fb) <= 1e-15 or fb == fa:
            return b
        a, fa, b = b, fb, b - fb * (b - a) / (fb - fa)
        if abs(b - a) <= 1e-15 * max(abs(b), 1e-9):
            return b
    crossing = solve(residual, near)
    return near if crossing is None else crossing

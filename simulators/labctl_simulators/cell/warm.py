"""Solve a whole held voltage at once, starting from a like one solved before.

The elements' equations are put together into one system on a mesh that is known to serve. Newton's method keeps the
inverse of its matrix for as long as it contracts well (chord method), so that a hold much like the last one, as in
cycling, costs three or four evaluations of the voltage map.
"""

from dataclasses import dataclass

import numpy as np

from labctl_simulators.cell.chemistry import Array, Memory, Physics
from labctl_simulators.cell.element import BETWEEN, DEGREE, MONOMIAL, NODES, element, whole

_BETWEEN_NODES = BETWEEN[:, None] ** np.arange(DEGREE + 1) @ MONOMIAL


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Hold a solution to start from.

    Attributes:
        voltage: V that was held.
        lengths: of the elements, s.
        values: memory current at the nodes, A, shape (N + 1,), neighbours sharing theirs.
        inverse: of Newton's matrix near it, shape (N, N); None: not made yet.
        drift: by how much the values differed from those before, A; None: not known.
    """

    voltage: float
    lengths: tuple[float, ...]
    values: Array
    inverse: Array | None
    drift: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Hold the tables of several elements in a row; N nodes after the first.

    Attributes:
        times: of the N nodes, then of the N places between, s.
        decay: exp(-a t) there, shape (2 N, n).
        answer: surface values there per unit node value at unit gain, shape (m, 2 N, N + 1).
        current: the current there per unit node value, shape (2 N, N + 1).
        decays: exp(-a t) at the begin of each element and at the end, shape (E + 1, n).
        memory: memory there per unit node value at unit gain, shape (E + 1, n, N + 1).
        level: level there, shape (E + 1, m, N + 1).
    """

    times: Array
    decay: Array
    answer: Array
    current: Array
    decays: Array
    memory: Array
    level: Array


def mesh(linear: Memory, lengths: tuple[float, ...]) -> Mesh:
    """Return the tables of elements of these lengths; kept with the memory."""
    key = ("mesh", lengths)
    known = linear.kept.get(key)
    if known is None:
        if sum(1 for kept in linear.kept if kept[0] == "mesh") >= 4:
            linear.kept.clear()
        known = linear.kept[key] = _mesh(linear, lengths)
    return known


def _mesh(linear: Memory, lengths: tuple[float, ...]) -> Mesh:
    count, size, rows = len(lengths), len(linear.rate), len(linear.feed)
    nodes = count * DEGREE
    answer = np.zeros((rows, 2 * nodes, nodes + 1))
    memory, level = np.zeros((count + 1, size, nodes + 1)), np.zeros((count + 1, rows, nodes + 1))
    begins = np.concatenate([[0.0], np.cumsum(lengths)])
    for index, length in enumerate(lengths):
        table = element(linear, length)
        own = slice(index * DEGREE, (index + 1) * DEGREE + 1)
        for half in range(2):
            at = slice(half * nodes + index * DEGREE, half * nodes + (index + 1) * DEGREE)
            part = slice(half * DEGREE, (half + 1) * DEGREE)
            for row, poles in enumerate(linear.parts):
                answer[row, at] = table.decay[part, poles] @ memory[index, poles] + level[index, row]
                answer[row, at, own] += table.answer[row, part]
        memory[index + 1] = table.decay[DEGREE - 1][:, None] * memory[index]
        memory[index + 1, :, own] += table.end
        level[index + 1] = level[index]
        level[index + 1, :, own] += np.multiply.outer(linear.integrator * length, whole())
    places = [begins[:-1, None] + np.array(lengths)[:, None] * kind for kind in (NODES[1:], BETWEEN)]
    times = np.concatenate([place.ravel() for place in places])
    current = np.eye(nodes + 1)[1:]
    between = np.zeros((nodes, nodes + 1))
    for index in range(count):
        own = slice(index * DEGREE, (index + 1) * DEGREE)
        between[own, index * DEGREE : (index + 1) * DEGREE + 1] = _BETWEEN_NODES
    decay, decays = np.exp(times[:, None] * -linear.rate), np.exp(begins[:, None] * -linear.rate)
    return Mesh(times, decay, answer, np.vstack([current, between]), decays, memory, level)


@dataclass(slots=True)
class Attempt:
    """Solve one hold on a known mesh.

    Attributes:
        physics: of the piece.
        memory: at its begin.
        level: at its begin.
        entry: what to start from.
        solved: V; a residual below this ends Newton's method.
        checked: V; largest residual between the nodes.
    """

    physics: Physics
    memory: Array
    level: Array
    entry: Entry
    solved: float
    checked: float

    def solve(self, first: float) -> Entry | None:
        """Return the solution that begins with the memory current `first`, or None where the mesh does not serve."""
        physics, entry = self.physics, self.entry
        table, gain = mesh(physics.memory, entry.lengths), physics.gain
        count = len(entry.values) - 1
        free = (physics.memory.own * self.memory[:, None]).T @ table.decay.T + self.level[:, None]
        answer, scale = table.answer, gain[:, None]
        nodes, times, begin = answer[:, :count], table.times[:count], free[:, :count]
        values, inverse, before = entry.values.copy(), entry.inverse, np.inf
        if entry.drift is not None:
            values += entry.drift
        values[0] = first
        last, move = begin[0], values
        with np.errstate(all="ignore"):
            for _ in range(12):
                z = begin + scale * (nodes @ values)
                error = physics.voltage(z, values[1:], times, 0.0)
                error -= entry.voltage
                size = max(float(error.max()), -float(error.min()))
                if size <= self.solved or (size < 1e-11 and size > 0.2 * before):
                    break
                if not size < np.inf:
                    return None
                if inverse is None or size > 0.15 * before:
                    inverse = self._inverse(z, values[1:], scale[:, :, None] * nodes[:, :, 1:], times)
                elif before < np.inf:
                    inverse = _corrected(inverse, move, error - last)
                move = -(inverse @ error)
                values[1:] += move
                before, last = size, error
            else:
                return None
            z = free + scale * (answer @ values)
            error = physics.voltage(z, table.current @ values, table.times, 0.0)
        error -= entry.voltage
        if not max(float(error.max()), -float(error.min())) <= self.checked or not self._inside(z):
            return None
        return Entry(entry.voltage, entry.lengths, values, inverse, values - entry.values)

    def _inside(self, z: Array) -> bool:
        physics = self.physics
        return bool((z.min(axis=1) > physics.low).all() and (z.max(axis=1) < physics.high).all())

    def _inverse(self, z: Array, unknown: Array, nodes: Array, times: Array) -> Array:
        slope, direct = self.physics.slopes(z, unknown, times, 0.0)
        matrix = slope[0][:, None] * nodes[0]
        for row in range(1, len(slope)):
            matrix += slope[row][:, None] * nodes[row]
        matrix[np.arange(len(matrix)), np.arange(len(matrix))] += direct
        return np.linalg.inv(matrix)


def _corrected(inverse: Array, move: Array, change: Array) -> Array:
    """Return the inverse that takes `change` of the residuals to `move` (C. G. Broyden, Math. Comp. 19 (1965) 577)."""
    told = inverse @ change
    size = float(move @ told)
    return inverse + np.multiply.outer((move - told) / size, move @ inverse) if size else inverse


def elements(values: Array) -> Array:
    """Return node values by element, shape (E, DEGREE + 1), from those in a row, neighbours sharing theirs."""
    found = np.empty((len(values) // DEGREE, DEGREE + 1))
    found[:, :DEGREE] = values[:-1].reshape(-1, DEGREE)
    found[:, DEGREE] = values[DEGREE::DEGREE]
    return found

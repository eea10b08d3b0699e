"""How a whole held voltage is solved at once from a solution that is known.

The elements' equations are put together into one system on a mesh that is known to serve. Newton's method begins with
the course of the last solutions continued and with the last inverse, so that a hold much like the last ones, as in
cycling, costs a few evaluations of the voltage map.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.physics import Array, Memory, Physics
from labctl_simulators.cell.solve import grid
from labctl_simulators.cell.solve.element import BETWEEN, DEGREE, MIDDLE, NODES, element, whole
from labctl_simulators.cell.solve.newton import derivative, newton
from labctl_simulators.cell.solve.solution import Course, course
from labctl_simulators.cell.solve.warm_start import KnownSolution


@dataclass(slots=True, eq=False, repr=False)
class Mesh:
    """Hold the tables of several elements in a row; N + 1 nodes, the first at 0.

    Attributes:
        course: where the elements lie.
        places: which of the nodes are each element's, shape (E, DEGREE + 1).
        times: of the nodes, then of the N places between, s.
        free: exp(-a t) there, then 1 for each row, shape (n + m, 2 N + 1).
        answer: surface values there per unit node value at unit gain, row by row, shape (m (2 N + 1), N + 1).
        current: the current there per unit node value, shape (2 N + 1, N + 1).
        decays: exp(-a t) at the begin of each element and at the end, then 1 for each row, shape (E + 1, n + m).
        driven: memory, then level, there per unit node value at unit gain, shape (E + 1, n + m, N + 1).
    """

    course: Course
    places: NDArray[np.intp]
    times: Array
    free: Array
    answer: Array
    current: Array
    decays: Array
    driven: Array


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
    answer = np.zeros((rows, 2 * nodes + 1, nodes + 1))
    answer[:, 0, 0] = linear.feed
    current = np.eye(2 * nodes + 1, nodes + 1)
    driven = np.zeros((count + 1, size + rows, nodes + 1))
    memory, level = driven[:, :size], driven[:, size:]
    begins = np.concatenate([[0.0], np.cumsum(lengths)])
    for index, length in enumerate(lengths):
        table = element(linear, length)
        first = index * DEGREE
        own = slice(first, first + DEGREE + 1)
        current[nodes + 1 + first : nodes + 1 + first + DEGREE, own] = MIDDLE
        for half in range(2):
            at = slice(1 + half * nodes + first, 1 + half * nodes + first + DEGREE)
            part = slice(half * DEGREE, (half + 1) * DEGREE)
            for row, poles in enumerate(linear.parts):
                answer[row, at] = table.decay[part, poles] @ memory[index, poles] + level[index, row]
                answer[row, at, own] += table.answer[row, part]
        memory[index + 1] = table.decay[DEGREE - 1][:, None] * memory[index]
        memory[index + 1, :, own] += table.end
        level[index + 1] = level[index]
        level[index + 1, :, own] += np.multiply.outer(linear.integrator * length, whole())
    later = [begins[:-1, None] + np.array(lengths)[:, None] * kind for kind in (NODES[1:], BETWEEN)]
    times = np.concatenate([[0.0], *(part.ravel() for part in later)])
    free, decays = (grid.terms_at(linear, at)[: linear.ramps] for at in (times, begins))
    places = np.arange(count)[:, None] * DEGREE + np.arange(DEGREE + 1)
    return Mesh(course(lengths), places, times, free, answer.reshape(-1, nodes + 1), current, decays.T.copy(), driven)


def resolved(
    physics: Physics, begin: Array, entry: KnownSolution, solved: float, checked: float
) -> KnownSolution | None:
    """Solve a hold on the mesh of one before; None where it does not serve.

    Args:
        physics: of the piece.
        begin: memory, then level, at its begin, shape (n + m,).
        entry: what to start from.
        solved: V; a residual below this ends Newton's method.
        checked: V; largest residual between the nodes.
    """
    linear, gain = physics.memory, physics.gain[:, None]
    table = mesh(linear, entry.lengths)
    free = (linear.holds * begin).dot(table.free)
    guess = entry.next
    count = len(guess)
    z = error = free

    def residual(values: Array) -> Array | None:
        nonlocal z, error
        z = table.answer.dot(values).reshape(free.shape)
        z *= gain
        z += free
        if not physics.within(z):
            return None
        error = physics.voltage(z, table.current.dot(values), table.times, 0.0)
        error -= entry.voltage
        return error[:count]

    new_values = newton(
        residual, lambda values: _matrix(physics, z[:, :count], values, table), guess, entry.inverse, solved
    )
    if new_values is None:
        return None
    between = np.abs(error[count:])
    return entry.followed(*new_values) if between[between.argmax()] <= checked else None


def _matrix(physics: Physics, z: Array, values: Array, table: Mesh) -> Array:
    """Return Newton's matrix."""
    slope, direct = physics.slopes(z, values, table.times[: len(values)], 0.0)
    slope *= physics.gain[:, None]
    answer = table.answer.reshape(len(slope), -1, len(values))[:, : len(values)]
    return derivative(slope, answer, direct)

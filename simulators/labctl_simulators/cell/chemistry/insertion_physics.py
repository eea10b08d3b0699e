"""The static map of an insertion cell at frozen conditions, and its impedance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import asinh, exp, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.chemistry import kinetics, transfer
from labctl_simulators.cell.chemistry.electrode import EDGE
from labctl_simulators.cell.chemistry.insertion_cell import InsertionCell
from labctl_simulators.cell.chemistry.ocp import INTERVALS, OpenCircuit
from labctl_simulators.cell.chemistry.surroundings import gains
from labctl_simulators.cell.physics import Array, Conditions, Number, Physics

_INTERVALS: Final = float(INTERVALS)
_SPREAD: Final = 4096
"""Most numbers of a column that is kept."""
_KEPT: Final = 256


@dataclass(slots=True, eq=False, repr=False)
class Interface:
    """Hold one interface.

    Attributes:
        capacitance: of its double layer, F.
        row: of its surface stoichiometry; None for a metal.
        branch: its part of the cell's voltage (V) by stoichiometry and faradaic current (A).
    """

    capacitance: float
    row: int | None
    branch: Callable[[float, float], float]


class InsertionPhysics(Physics):
    """Hold an insertion cell at frozen conditions."""

    static = True

    def __init__(self, chemistry: InsertionCell, conditions: Conditions) -> None:
        p = chemistry.parameters
        around = chemistry.surroundings(conditions.temperature, conditions.angle, conditions.radius)
        self.chemistry, self.conditions = chemistry, conditions
        self.memory, self.thermal, self.tables = around.memory, around.thermal, around.tables
        self.low, self.high, self.words = chemistry.low, chemistry.high, chemistry.words
        self.hosts = len(chemistry.hosts)
        if p.ageing is None:
            self.gain, self.ohmic, (positive, negative) = around.gain, around.series + around.added, around.exchange
        else:
            effects = p.ageing.effects(conditions.slow[: chemistry.aged], conditions.temperature)
            share = (effects.efficiency / effects.positive, effects.negative_efficiency / effects.negative)
            self.gain = gains(chemistry.rows, self.hosts, share, around.active)
            self.ohmic = around.series * effects.resistance + around.added
            positive, negative = around.exchange
            positive, negative = positive * effects.exchange, negative * effects.exchange
        self.pair = self.kinetic = (0.25 / positive, 0.25 / negative)
        self.plain, self.whole = chemistry.plain, self.hosts == chemistry.rows
        self.spread: tuple[Array, Array] | None = None
        self.warmer = self._warmer()
        self.lossless = isinstance(self.ohmic, float) and self.ohmic == 0.0 and self.warmer is None
        self.first, self.second = self.tables.lines[0], self.tables.lines[-1]
        self.arc = self.hosts if p.arcs else None
        self.lag, self.hysteresis = chemistry.lag, p.hysteresis
        self.branch = conditions.slow[chemistry.aged :] if p.hysteresis is not None else ()
        self.leak = p.leak
        self.electrolyte: Any = p.electrolyte
        self.salt = chemistry.rows - 2 if p.electrolyte is not None else None

    def _warmer(self) -> Array | None:
        """Return how much warmer than their parameters the cells of a batch are, K; None where the tables know it."""
        chemistry, temperature = self.chemistry, self.conditions.temperature
        if not chemistry.entropic or isinstance(temperature, float):
            return None
        return np.asarray(temperature) - chemistry.temperature

    def _entropic(self, x: Array, warmer: Array) -> Array:
        """Return what the entropy of the hosts adds to the voltage of cells of several temperatures, V."""
        total = np.zeros(x.shape[1:])
        for row, sign in zip(range(self.hosts), (1.0, -1.0), strict=False):
            total = total + sign * OpenCircuit(self.chemistry.entropy[row])(x[row])
        return np.asarray(total * warmer)

    def _columns(self, x: Array, current: Number) -> tuple[Array, Array]:
        """Return columns for stoichiometries (hosts, ...): where each host's table begins, and the current by its kinetics.

        Those of one cell are spread to the shape of x and kept: numpy takes twice as long over arrays of two shapes.
        """
        plain = isinstance(current, float)
        if not isinstance(self.kinetic[0], float):  # of many cells, each with its own
            if self.spread is None or self.spread[0].shape != x.shape:
                column = _column(self.kinetic[: self.hosts])
                self.spread = (self.chemistry.shifts + np.zeros(x.shape), column)
            return self.spread[0], self.spread[1] * current
        if x.size > _SPREAD:
            return self.chemistry.shifts, _column(self.kinetic[: self.hosts]) * current
        kept, key = self.chemistry.kept, (x.shape, self.kinetic, current if plain else None)
        columns = kept.get(key)
        if columns is None:
            if len(kept) > _KEPT:
                kept.clear()
            narrow = self.chemistry.shifts, _column(self.kinetic[: self.hosts]) * (current if plain else 1.0)
            columns = kept[key] = tuple((one if x.ndim > 1 else one[:, 0]) + np.zeros(x.shape) for one in narrow)
        return columns if plain else (columns[0], columns[1] * current)

    def _place(self, x: Array, shifts: Array) -> tuple[NDArray[np.intp], Array]:
        """Return table index and position within the interval for stoichiometries (hosts, ...).

        A trial of a solver may lie outside; it is looked up at the edge, and fails by its roots.
        """
        place = x * _INTERVALS
        place += shifts
        whole = np.floor(place)
        place -= whole
        return whole.astype(np.intp), place

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        del time, charge
        x = z if self.whole else z[: self.hosts]
        shifts, flow = self._columns(x, current)
        index, f = self._place(x, shifts)
        parts = self.tables.columns.take(index, axis=1, mode="clip")
        v = parts[2]
        v *= f
        v += parts[1]
        v *= f
        v += parts[0]
        logs = None if self.salt is None else self.electrolyte.logarithms(z[self.salt :])
        if not (isinstance(current, float) and current == 0.0):
            v += self._overpotential(x, logs, flow)
        total = v[0]
        if self.hosts == 2:
            total += v[1]
        if not self.plain:
            total += self._linear(z, logs, current)
        elif not self.lossless:
            total += self.ohmic * current
        if self.warmer is not None:
            total += self._entropic(x, self.warmer)
        return total  # type: ignore[no-any-return]

    def potential_difference(self, z: Array) -> Array:
        """Return the difference of the open-circuit potentials, V; see `Physics.potential_difference`."""
        x = z if self.whole else z[: self.hosts]
        index, f = self._place(x, self.chemistry.shifts if x.ndim > 1 else self.chemistry.shifts[:, 0])
        c0, c1, c2 = self.tables.columns.take(index, axis=1, mode="clip")
        v = (c2 * f + c1) * f + c0
        return np.asarray(v.sum(axis=0))

    def potential_difference_of(self, z: Sequence[float]) -> float:
        """Return the same of plain floats; see `Physics.potential_difference_of`."""
        total = 0.0
        for row in range(self.hosts):
            place = min(max(z[row], EDGE), 1.0 - EDGE) * INTERVALS
            index = int(place)
            f = place - index
            c0, c1, c2 = self.tables.lines[row][index]
            total += c0 + f * (c1 + f * c2)
        return total

    def _overpotential(self, x: Array, logs: Array | None, flow: Array) -> Array:
        """Return the kinetics of the hosts, V, shape of x; `flow` is the current in units of the exchange current's.

        `logs` are the logarithms of the salt's concentration in both, where there is one.
        """
        root = x * x
        np.subtract(x, root, out=root)
        np.sqrt(root, out=root)
        if logs is not None:
            root *= np.exp(0.5 * logs)
        np.divide(flow, root, out=root)
        np.arcsinh(root, out=root)
        root *= self.thermal
        return root

    def _linear(self, z: Array, logs: Array | None, current: Number) -> Array:
        """Return what the kinetics of metal, ohmic drop, arcs and salt add, V."""
        v = self.ohmic * current
        if self.hosts == 1:
            v = v + self.thermal * np.arcsinh(current * (2.0 * self.kinetic[1]))
        if self.arc is not None:
            v = v + z[self.arc]
        if self.lag is not None and self.hysteresis is not None:
            v = v + self.hysteresis.shift(z[self.lag], *self.branch)
        if logs is not None:
            v = v + self.electrolyte.potential(logs[0], logs[1], self.thermal)
        return v  # type: ignore[no-any-return]

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        if self.warmer is not None:
            return super().slopes(z, current, time, charge)
        x = z if self.whole else z[: self.hosts]
        shifts, kinetic = self._columns(x, 1.0)
        index, f = self._place(x, shifts)
        c1, c2 = self.tables.columns[1:].take(index, axis=1, mode="clip")
        f *= 2.0
        f *= c2
        f += c1
        f *= _INTERVALS
        filled = x - x * x
        k = kinetic / np.sqrt(filled)
        if self.salt is not None:
            k /= np.exp(0.5 * self.electrolyte.logarithms(z[self.salt :]))
        flow = k * current
        flat = self.thermal / np.sqrt(1.0 + flow * flow)
        own = f - flat * flow * (0.5 - x) / filled
        direct = (flat * k).sum(axis=0) + self.ohmic
        slope = own if self.hosts == len(z) else np.concatenate((own, np.zeros((len(z) - self.hosts, *z.shape[1:]))))
        if self.hosts == 1:
            k = 2.0 * self.kinetic[1]
            direct += self.thermal * k / np.sqrt(1.0 + (k * current) ** 2)
        if self.arc is not None:
            slope[self.arc] = 1.0
        if self.lag is not None and self.hysteresis is not None:
            slope[self.lag] = self.hysteresis.slope(z[self.lag], *self.branch)
        if self.salt is not None:
            slope[self.salt :] = (
                self.electrolyte.slopes(self.thermal) - 0.5 * flat * flow
            ) * self.electrolyte.steepness(z[self.salt :])
        return slope, direct

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        del time, charge
        if self.plain:
            return self._voltage_plain(z, current)
        v, logs = self.ohmic * current, (0.0, 0.0)
        if self.salt is not None:
            logs = self.electrolyte.logarithms_of(z[self.salt], z[self.salt + 1])
        for row in range(self.hosts):
            x = min(max(z[row], EDGE), 1.0 - EDGE)
            place = x * INTERVALS
            index = int(place)
            f = place - index
            c0, c1, c2 = self.tables.lines[row][index]
            root = sqrt(x - x * x)
            if self.salt is not None:
                root *= exp(0.5 * logs[row])
            v += c0 + f * (c1 + f * c2) + self.thermal * asinh(current * self.kinetic[row] / root)
        if self.hosts == 1:
            v += self.thermal * asinh(current * (2.0 * self.kinetic[1]))
        if self.arc is not None:
            v += z[self.arc]
        if self.lag is not None and self.hysteresis is not None:
            v += self.hysteresis.shift_of(z[self.lag], *self.branch)
        if self.salt is not None:
            v += float(self.electrolyte.potential(*logs, self.thermal))
        return float(v)

    def _voltage_plain(self, z: Sequence[float], current: float) -> float:
        """Return the voltage of two hosts with nothing but an ohmic drop in series: the same, without loops."""
        x, y = z
        x = x if EDGE <= x <= 1.0 - EDGE else min(max(x, EDGE), 1.0 - EDGE)
        y = y if EDGE <= y <= 1.0 - EDGE else min(max(y, EDGE), 1.0 - EDGE)
        f, g = x * _INTERVALS, y * _INTERVALS
        i, j = int(f), int(g)
        f -= i
        g -= j
        a0, a1, a2 = self.first[i]
        b0, b1, b2 = self.second[j]
        k, m = self.pair
        eta = asinh(k * current / sqrt(x - x * x)) + asinh(m * current / sqrt(y - y * y))
        return float(a0 + f * (a1 + f * a2) + b0 + g * (b1 + g * b2) + self.thermal * eta + self.ohmic * current)

    def slow(self, before: Sequence[Number], time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states later on; see `Physics.slow`."""
        ageing, aged = self.chemistry.parameters.ageing, self.chemistry.aged
        if ageing is None:
            return tuple(before)
        worn = ageing.advance(tuple(before[:aged]), time, charge, throughput, self.conditions.temperature)
        return (*worn, *before[aged:])

    def impedance(self, z: Array, current: float, frequency: Array) -> NDArray[np.complex128]:
        """Return the impedance in ohm in closed form; see `Physics.impedance`.

        Each interface is its double layer in parallel with charge transfer and diffusion (Randles).
        """
        s = np.asarray(2j * np.pi * np.asarray(frequency, dtype=np.float64), dtype=np.complex128)
        parameters, temperature = self.chemistry.parameters, self.conditions.temperature
        slope: list[float] = (
            self.slopes(z[:, None], current, 0.0, 0.0)[0][:, 0].tolist()
            if self.salt is not None
            else self._steep(z, current)
        )
        total = np.full(s.shape, self.ohmic, dtype=np.complex128)
        if self.hosts == 2 and len({host.shape for host in self.chemistry.hosts}) == 1:
            total += self._branches((0, 1), (z, current, slope), s).sum(axis=0)
        else:
            for row in range(self.hosts):
                total += self._branches((row,), (z, current, slope), s)[0]
        if self.hosts == 1:
            k = 2.0 * self.kinetic[1]
            metal = self.thermal * k / sqrt(1.0 + (k * current) ** 2)
            total += self._shunted(0.0, metal, self._layer_of(1), s)
        for arc in parameters.arcs:
            factor = 1.0 / kinetics.arrhenius(arc.activation, temperature, parameters.temperature)
            own = (arc.resistance * factor * arc.capacity) ** (1.0 / arc.alpha)
            total += arc.resistance * factor * transfer.zarc(s * own, arc.alpha)
        return total + self._salt_impedance(slope, s) if self.salt is not None else total

    def _steep(self, z: Array, current: float) -> list[float]:
        """Return dV/dz of the hosts as plain floats."""
        slopes = []
        for row in range(self.hosts):
            x = float(z[row])
            index = int(x * INTERVALS)
            _, c1, c2 = self.tables.lines[row][index]
            curve = (c1 + 2.0 * (x * INTERVALS - index) * c2) * INTERVALS
            filled = x * (1.0 - x)
            k = self.kinetic[row] / sqrt(filled)
            flat = 1.0 / sqrt(1.0 + (k * current) ** 2)
            slopes.append(curve - self.thermal * flat * k * current * (0.5 - x) / filled)
        return slopes

    def _branches(
        self, rows: tuple[int, ...], at: tuple[Array, float, Sequence[float]], s: NDArray[np.complex128]
    ) -> NDArray[np.complex128]:
        """Return the impedances of hosts of one shape about (z, current, dV/dz), shape (rows, F)."""
        z, current, slope = at
        reference, temperature = self.chemistry.parameters.temperature, self.conditions.temperature
        numbers = []
        for row in rows:
            host = self.chemistry.hosts[row]
            own = host.time / kinetics.arrhenius(host.time_activation, temperature, reference)
            own /= 1.0 if host.speed is None else float(host.speed(z[row]))
            share = (-1.0, 1.0)[row] * self.gain[row] / host.capacity / (3.0 if host.shape == "sphere" else 1.0)
            transferred = self._transfer_resistance(row, z, current)
            numbers.append((own, slope[row] * share * own, transferred, self._layer_of(row)))
        times, weights, resistances, layers = np.array(numbers).T[:, :, None]
        faradaic: NDArray[np.complex128] = getattr(transfer, self.chemistry.hosts[rows[0]].shape)(s * times)
        faradaic *= weights
        return self._shunted(faradaic, resistances, layers, s)

    def _layer_of(self, side: int) -> float:
        """Return what `_shunted` asks of a double layer: its capacitance, F."""
        return self.chemistry.sides[side].double_layer

    def _shunted(self, faradaic: Any, transfer: Any, layer: Any, s: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the impedance of diffusion (`faradaic`) and charge transfer in a row, a double layer beside both."""
        faradaic = faradaic + transfer
        shunt = faradaic * (s * layer) + 1.0
        return np.asarray(np.divide(faradaic, shunt, out=shunt))

    def _transfer_resistance(self, row: int, z: Array, current: float) -> float:
        root = sqrt(z[row] * (1.0 - z[row]))
        if self.salt is not None:
            root *= exp(0.5 * self.electrolyte.logarithms_of(z[self.salt], z[self.salt + 1])[row])
        k = self.kinetic[row] / root
        return float(self.thermal * k / sqrt(1.0 + (k * current) ** 2))

    def _salt_impedance(self, slope: Sequence[float], s: NDArray[np.complex128]) -> NDArray[np.complex128]:
        total = np.zeros(s.shape, dtype=np.complex128)
        if self.salt is not None:
            for row in (self.salt, self.salt + 1):
                part = self.memory.parts[row]
                poles = (self.memory.drive[part] / (s[:, None] + self.memory.rate[part])).sum(axis=1)
                total += slope[row] * (poles + self.memory.feed[row])
        return total

    def interfaces(self) -> list[Interface]:
        """Return the interfaces, each with its double layer and its part of the cell's voltage."""
        parameters = self.chemistry.parameters
        sides = [
            Interface(host.double_layer, row, self._host_branch(row)) for row, host in enumerate(self.chemistry.hosts)
        ]
        if self.hosts == 1:
            kinetic, thermal = 2.0 * self.kinetic[1], self.thermal
            layer = parameters.negative.double_layer
            sides.append(Interface(layer, None, lambda _, u: float(thermal * asinh(u * kinetic))))
        return sides

    def _host_branch(self, row: int) -> Callable[[float, float], float]:
        lines, kinetic, thermal = self.tables.lines[row], self.kinetic[row], self.thermal

        def branch(x: float, u: float) -> float:
            x = min(max(x, EDGE), 1.0 - EDGE)
            index = int(x * INTERVALS)
            f = x * INTERVALS - index
            c0, c1, c2 = lines[index]
            return float(c0 + f * (c1 + f * c2) + thermal * asinh(u * kinetic / sqrt(x - x * x)))

        return branch

    def series(self, z: Array, current: float) -> float:
        """Return what is in series with the interfaces, V: ohmic drop, arcs and hysteresis."""
        more = float(z[self.arc]) if self.arc is not None else 0.0
        if self.lag is not None and self.hysteresis is not None:
            more += self.hysteresis.shift_of(float(z[self.lag]), *self.branch)
        return float(self.ohmic * current) + more


def _column(kinetic: tuple[Number, ...]) -> Array:
    """Return kinetic factors as a column, shape (hosts, 1), or (hosts, N) in a batch."""
    column = np.array(kinetic if isinstance(kinetic[0], float) else np.broadcast_arrays(*kinetic))
    return column if column.ndim > 1 else column[:, None]

"""The lumped thermal state of a cell: one temperature, heated by what flows and cooled by its surroundings.

    C dT/dt = I (V - U) + I T dU/dT + G V^2 - h (T - T0)

U is the difference of the open-circuit potentials at the particles' surfaces, so that the first term is what kinetics,
electrolyte and ohmic resistances turn into heat, and the second the reversible heat (D. Bernardi, E. Pawlikowski,
J. Newman, J. Electrochem. Soc. 132 (1985) 5, without heat of mixing). I is the current of the electrodes, positive where
it charges; G is the conductance by which the cell discharges itself.

While a cell warms, its voltages are taken as linear between two temperatures a little apart, and its linear memory is
that of a temperature near by; both are those of a lattice, so that their tables are made once.
"""

from collections.abc import Sequence
from math import ceil, exp, expm1, floor, inf
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.physics import TOUCH, Array, Chemistry, Heat, Memory, Number, Physics
from labctl_simulators.cell.state import CellState

BETWEEN: Final = 2.0
"""K between the temperatures of the lattice at which voltages are made."""
NEAR: Final = 0.5
"""K between those at which a memory is made."""
SPEED: Final = 0.08
"""By how much a memory's rates may change with the temperature before another memory takes over."""
WIDEST: Final = 5.0
"""K; the same where they do not change with it."""


class TemperatureCourse(Protocol):
    """Say what temperature a cell has, K, by the time since a piece began, s."""

    def at(self, times: Array) -> Array:
        """Return it at several times."""
        ...

    def at_one(self, time: float) -> float:
        """Return it at one time."""
        ...

    def leaves(self, until: float) -> float:
        """Return when it leaves the temperatures that the piece is good for, if it does so until `until`; else infinity."""
        ...


class Still:
    """Keep one temperature, or that which is set."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def at(self, times: Array) -> Array:
        """Return it at several times; see `TemperatureCourse.at`."""
        return np.full(np.shape(times), self.temperature)

    def at_one(self, time: float) -> float:
        """Return it at one time; see `TemperatureCourse.at_one`."""
        del time
        return self.temperature

    def leaves(self, until: float) -> float:
        """Return that it never leaves; see `TemperatureCourse.leaves`."""
        del until
        return inf


class Warmed(Physics):
    """Hold a cell of which the temperature moves: voltages linear between two temperatures, the memory that of one.

    Args:
        pair: the physics at two temperatures.
        ends: those temperatures, K.
        memory: the linear memory, of a temperature near by.
        course: of the temperature.
        offset: s of the course that are over as the piece begins.
    """

    heated = True

    def __init__(
        self,
        pair: tuple[Physics, Physics],
        ends: tuple[float, float],
        memory: Memory,
        course: TemperatureCourse,
        offset: float = 0.0,
    ) -> None:
        self.cold, self.hot = pair
        self.memory, self.gain, self.leak = memory, self.cold.gain, self.cold.leak
        self.low, self.high, self.words = self.cold.low, self.cold.high, self.cold.words
        self.course, self.offset = course, offset
        self.ends, self._span = ends, ends[1] - ends[0]
        self._seen: tuple[Any, Any] = (
            None,
            None,
        )  # times of which the voltages were read last, and the temperatures then

    def temperatures(self, times: Array) -> Array:
        """Return the temperature in K at `times` since the piece began."""
        seen, self._seen = self._seen, (None, None)
        return np.asarray(seen[1]) if seen[0] is times else self._at(times)

    def _at(self, times: Array) -> Array:
        return self.course.at(times + self.offset if self.offset else times)

    def temperature(self, time: float) -> float:
        """Return the temperature in K `time` s after the piece began."""
        return self.course.at_one(time + self.offset)

    def _weight(self, time: Number) -> Number:
        """Return how much of the way from the cold to the hot end the temperature is."""
        if isinstance(time, float):
            return (self.course.at_one(time + self.offset) - self.ends[0]) / self._span
        kelvins = self._at(time)
        self._seen = time, kelvins  # whoever reads the voltages of rows reads their temperatures next
        return (kelvins - self.ends[0]) / self._span

    def voltage(self, z: Array, current: Number, time: Number, charge: Number) -> Array:
        """Return the voltage in V; see `Physics.voltage`."""
        cold = self.cold.voltage(z, current, time, charge)
        hot = self.hot.voltage(z, current, time, charge)
        hot -= cold
        hot *= self._weight(time)
        cold += hot
        return cold

    def slopes(self, z: Array, current: Number, time: Number, charge: Number) -> tuple[Array, Array]:
        """Return dV/dz and dV/du; see `Physics.slopes`."""
        weight = self._weight(time)
        (cold, direct), (hot, other) = (one.slopes(z, current, time, charge) for one in (self.cold, self.hot))
        return cold + weight * (hot - cold), direct + weight * (other - direct)

    def voltage_scalar(self, z: Sequence[float], current: float, time: float, charge: float) -> float:
        """Return the voltage in V of plain floats; see `Physics.voltage_scalar`."""
        cold = self.cold.voltage_scalar(z, current, time, charge)
        hot = self.hot.voltage_scalar(z, current, time, charge)
        return cold + (self.course.at_one(time + self.offset) - self.ends[0]) / self._span * (hot - cold)

    def open_circuit(self, z: Array) -> tuple[Array, Array]:
        """Return the open-circuit voltage at the cold end's temperature, V, and its slope by temperature, V/K."""
        cold = self.cold.potential_difference(z)
        return cold, (self.hot.potential_difference(z) - cold) / self._span

    def heating(self, z: Array, current: Number, kelvin: Number, voltage: Number) -> Array:
        """Return the heat that is set free at surface values z and a temperature `kelvin`, W."""
        potential, slope = self.open_circuit(z)
        potential = potential + (kelvin - self.ends[0]) * slope
        return np.asarray(current * (voltage - potential + kelvin * slope) + self.leak * voltage * voltage)

    def heating_of(self, z: Sequence[float], current: float) -> float:
        """Return the heat that is set free at surface values z of plain floats, now, W."""
        kelvin = self.course.at_one(self.offset)
        potential = self.cold.potential_difference_of(z)
        slope = (self.hot.potential_difference_of(z) - potential) / self._span
        potential += (kelvin - self.ends[0]) * slope
        voltage = self.voltage_scalar(z, current, 0.0, 0.0)
        return current * (voltage - potential + kelvin * slope) + float(self.leak) * voltage * voltage

    def leaves(self, until: float) -> float:
        """Return when the physics stops being valid, if it does so until `until` s after the piece began."""
        return self.course.leaves(until + self.offset) - self.offset

    def slow(self, before: Sequence[Number], time: Number, charge: Number, throughput: Number) -> tuple[Number, ...]:
        """Return the slow states later on; see `Physics.slow`."""
        return self.cold.slow(before, time, charge, throughput)

    def impedance(self, z: Array, current: float, frequency: Array) -> NDArray[np.complex128]:
        """Return the impedance in ohm; see `Physics.impedance`."""
        cold, hot = (one.impedance(z, current, frequency) for one in (self.cold, self.hot))
        return np.asarray(cold + self._weight(0.0) * (hot - cold))


def lattice(kelvin: float, anchor: float, step: float) -> float:
    """Return the temperature of a lattice through `anchor` that is nearest to `kelvin`, K."""
    return anchor + step * round((kelvin - anchor) / step)


def ends_about(low: float, high: float, anchor: float, valid: tuple[float, float]) -> tuple[float, float]:
    """Return two temperatures of the lattice about low..high, within those for which a set is valid, K."""
    cold = anchor + BETWEEN * floor((low - anchor) / BETWEEN + 1e-9)
    hot = anchor + BETWEEN * ceil((high - anchor) / BETWEEN - 1e-9)
    hot = max(hot, cold + BETWEEN)
    cold, hot = max(cold, valid[0]), min(hot, valid[1])
    return (cold, hot) if hot - cold > 1e-3 else (valid[0], valid[1])


def still(chemistry: Chemistry, state: CellState, kelvin: float | None = None, near: float | None = None) -> Warmed:
    """Return the physics of a cell at the temperature that it has now.

    Args:
        chemistry: of the cell.
        state: of the cell.
        kelvin: the temperature, K; None: the state's.
        near: that of the memory, K; None: as near as the lattice allows.

    Raises:
        ValueError: it is not valid there.
    """
    kelvin = state.kelvin if kelvin is None else kelvin
    low, high = chemistry.valid
    if not low - TOUCH <= kelvin <= high + TOUCH:
        raise ValueError(f"wanted a temperature in {low:.6g}..{high:.6g} K, found {kelvin:.6g} K")
    ends = ends_about(kelvin, kelvin, chemistry.temperature, chemistry.valid)
    return Warmed(pair_of(chemistry, state, ends), ends, memory_near(chemistry, near or kelvin), Still(kelvin))


def pair_of(chemistry: Chemistry, state: CellState, ends: tuple[float, float]) -> tuple[Physics, Physics]:
    """Return the physics at two temperatures, K."""
    cold, hot = (chemistry.physics_at(state, kelvin) for kelvin in ends)
    return cold, hot


def memory_near(chemistry: Chemistry, kelvin: float) -> Memory:
    """Return a memory of about a temperature, K."""
    low, high = chemistry.valid
    return chemistry.memory(min(max(lattice(kelvin, chemistry.temperature, NEAR), low), high))


def decays(rate: float, spans: Array) -> tuple[Array, Array, Array]:
    """Return exp(-x), and what a source that is 1 at the begin, or at the end, of a span and 0 at the other leaves, s.

    x = rate times span. A source that is linear in between leaves the sum of both by their sizes.
    """
    x = rate * spans
    small = x < 1e-4
    safe = np.where(small, 1.0, x)
    one = np.where(small, 1.0 - 0.5 * x, -np.expm1(-safe) / safe)
    two = np.where(small, 0.5 - x / 6.0, (1.0 - one) / safe)
    return np.exp(-x), (one - two) * spans, two * spans


def decays_of(rate: float, span: float) -> tuple[float, float, float]:
    """Return the same of one span in plain floats."""
    x = rate * span
    if x < 1e-4:
        one, two = 1.0 - 0.5 * x, 0.5 - x / 6.0
    else:
        one = -expm1(-x) / x
        two = (1.0 - one) / x
    return exp(-x), (one - two) * span, two * span


class Tabled:
    """Hold a course through times at which the heat is known, linear in between; beyond the last it stays what it was.

    Args:
        heat: of the cell.
        around: temperature of the surroundings, K.
        room: temperatures that the piece is good for, K.
    """

    def __init__(self, heat: Heat, around: float, room: tuple[float, float]) -> None:
        self.heat, self.around, self.room = heat, around, room
        self.times: list[float] = [0.0]
        self.kelvins: list[float] = [around]
        self.powers: list[float] = [0.0]
        self._arrays: tuple[Any, ...] | None = None

    def begin(self, kelvin: float, power: float) -> None:
        """Take the begin."""
        self.kelvins, self.powers, self._arrays = [kelvin], [power], None

    def at(self, times: Array) -> Array:
        """Return the temperature at several times; see `TemperatureCourse.at`."""
        if self._arrays is None:
            slopes = np.diff(self.powers) / np.diff(self.times) if len(self.times) > 1 else np.zeros(0)
            self._arrays = (*map(np.array, (self.times, self.kelvins, self.powers)), np.append(slopes, 0.0))
        begins, kelvins, powers, slopes = self._arrays
        index = np.searchsorted(begins, times, side="right")
        index -= 1
        past = times - begins[index]
        fading, early, late = decays(self.heat.rate, past)
        begin, power = kelvins[index] - self.around, powers[index]
        return np.asarray(
            self.around + fading * begin + (early * power + late * (power + slopes[index] * past)) / self.heat.capacity
        )

    def at_one(self, time: float) -> float:
        """Return the temperature at one time; see `TemperatureCourse.at_one`."""
        times, powers = self.times, self.powers
        index = len(times) - 1
        while index and times[index] > time:
            index -= 1
        past, power = time - times[index], powers[index]
        slope = 0.0 if index + 1 == len(times) else (powers[index + 1] - power) / (times[index + 1] - times[index])
        fading, early, late = decays_of(self.heat.rate, past)
        warm = fading * (self.kelvins[index] - self.around)
        return self.around + warm + (early * power + late * (power + slope * past)) / self.heat.capacity

    def leaves(self, until: float) -> float:
        """Return that it never leaves; see `TemperatureCourse.leaves`."""
        del until
        return inf

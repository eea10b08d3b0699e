"""One piece of a segment at constant current: exact at every time, with its events located."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

import numpy as np

from labctl_simulators.cell.chemistry import Array, Physics
from labctl_simulators.cell.crossing import inverse, root
from labctl_simulators.cell.grid import CHUNK, FEW, KEPT, OVER, Grid, decays, even_grid, few, rung

SCAN: Final = 48
_SHAPE: Final = np.arange(1, SCAN + 1) / SCAN
_EARLY: Final = 24
_FRACTION: Final = np.arange(_EARLY) / _EARLY


@dataclass(slots=True, eq=False, repr=False)
class Threshold:
    """Hold a voltage that ends a piece.

    Attributes:
        voltage: V.
        above: True ends at or above it, False at or below.
        number: of the stop.
        magnitude: True compares |V|.
    """

    voltage: float
    above: bool
    number: int
    magnitude: bool = False


@dataclass(slots=True, eq=False, repr=False)
class End:
    """Hold why a piece ends.

    Attributes:
        time: s since the piece began.
        stop: number of the stop, or None.
        collapse: in words, or None.
    """

    time: float
    stop: int | None = None
    collapse: str | None = None


class Constant:
    """Hold a piece at constant current (A) from (memory, level) on; terminal and memory current are the same."""

    __slots__ = (
        "current",
        "level",
        "linear",
        "offset",
        "physics",
        "plain",
        "ramp",
        "safe",
        "spread",
        "start",
        "weight",
    )

    def __init__(self, physics: Physics, memory: Array, level: Array, current: float) -> None:
        linear = physics.memory
        self.physics, self.linear, self.current = physics, linear, current
        driven = physics.gain * current
        self.start, self.level = memory, level
        self.weight = memory - driven[linear.row] * linear.steady
        self.offset = level + driven * linear.total
        self.ramp = linear.integrator * driven
        self.plain: tuple[list[float], list[float], list[float]] | None = None
        self.spread: list[float] | None = None
        self.safe = False

    def surface(self, times: Array) -> Array:
        """Return the surface values at `times` (s since the piece began), shape (m, T)."""
        if len(times) <= FEW:
            return self._tabled(times, few(self.linear, times))
        grid = even_grid(self.linear, times)
        return self._even(grid, times) if grid is not None else self._scattered(times)

    def _tabled(self, times: Array, table: Array) -> Array:
        z = (self.linear.own * self.weight[:, None]).T @ table
        z += self.ramp[:, None] * times
        z += self.offset[:, None]
        return z

    def _scattered(self, times: Array) -> Array:
        z = self.ramp[:, None] * times
        z += self.offset[:, None]
        weight = (self.linear.own * self.weight[:, None]).T
        for first in range(0, len(times), CHUNK):
            z[:, first : first + CHUNK] += weight @ decays(self.linear, times[first : first + CHUNK])
        return z

    def _even(self, grid: Grid, times: Array) -> Array:
        """Return the surface values on an even grid: exp(-a (j + k) h) is a product, so each row is a matrix product.

        Three further columns carry the constant and the ramp.
        """
        z = np.empty((len(self.ramp), len(times)))
        for row, (part, coarse, fine) in enumerate(grid.rows):
            ramp = self.ramp[row]
            factor = np.concatenate((self.weight[part], (ramp, self.offset[row], ramp)))
            z[row, : grid.count] = ((coarse * factor) @ fine).ravel()[: grid.count]
        if grid.count < len(times):
            z[:, -1] = self._surface_at(float(times[-1]))
        return z

    def voltage(self, times: Array) -> Array:
        """Return the voltage in V at `times`."""
        z = self.surface(times)
        if not self.safe:  # a collapse lies on the very edge of the range
            np.minimum(np.maximum(z, self.physics.low[:, None], out=z), self.physics.high[:, None], out=z)
        return self.physics.voltage(z, self.current, times, self.current * times)

    def voltage_at(self, time: float) -> float:
        """Return the voltage in V at one time."""
        return self.physics.voltage_scalar(self._surface_at(time), self.current, time, self.current * time)

    def _surface_at(self, time: float) -> list[float]:
        weight, offset, ramp = self._plain()
        if time == 0.0:
            return [begin + sum(weight[part]) for begin, part in zip(offset, self.linear.parts, strict=True)]
        terms = [w * exp(-rate * time) for w, rate in zip(weight, self.linear.rates, strict=True)]
        return [
            begin + slope * time + sum(terms[part])
            for begin, slope, part in zip(offset, ramp, self.linear.parts, strict=True)
        ]

    def read(self, times: Array) -> tuple[Array, Array, Array, Array]:
        """Return voltage (V), current (A), and C charged and C discharged until `times`."""
        current = np.empty(len(times))
        current.fill(self.current)
        passed, none = times * abs(self.current), np.zeros(len(times))
        up, down = (passed, none) if self.current > 0.0 else (none, passed)
        return self.voltage(times), current, up, down

    def at(self, time: float) -> tuple[Array, Array, float, float]:
        """Return memory, level, charge (C) and throughput (C) `time` s after the piece began."""
        memory = self.start + self.weight * np.expm1(self.linear.rate * -time)
        charge = self.current * time
        return memory, self.level + self.ramp * time, charge, abs(charge)

    def passed(self, time: float) -> tuple[float, float]:
        """Return C charged and C discharged until `time`."""
        return max(self.current, 0.0) * time, max(-self.current, 0.0) * time

    def direction(self, time: float) -> int:
        """Return the sign of the current."""
        del time
        return (self.current > 0.0) - (self.current < 0.0)

    def end(self, thresholds: Sequence[Threshold], limit: float) -> End:
        """Return where the piece ends, at most `limit` s (may be infinite while current flows) after its begin."""
        inside = self.safe = self._inside(limit)
        if inside and not thresholds:
            return End(limit)
        if not inside:
            at_once = self._at_once(thresholds)
            if at_once is not None:
                return at_once
            exhausted = self._exhausted()
            limit = limit if limit <= exhausted else min(limit, rung(exhausted))
        if limit == np.inf:
            raise ValueError("wanted a duration or an end that must come, found neither")
        found = self._scan(thresholds, limit, inside)
        self.safe = found.collapse is None
        return found

    def _at_once(self, thresholds: Sequence[Threshold]) -> End | None:
        """Return the end of a piece that cannot even begin, or None."""
        physics, first = self.physics, self._surface_at(0.0)
        now = physics.voltage_scalar(first, self.current, 0.0, 0.0)
        for threshold in thresholds:
            if _margin(threshold, now) >= 0.0:
                return End(0.0, threshold.number)
        for row, (value, low, high) in enumerate(zip(first, *physics.bounds(), strict=True)):
            if not low < value < high:
                return End(0.0, None, physics.words[row][value >= high])
        return None

    def _inside(self, limit: float) -> bool:
        """Say whether no row can leave its range within `limit`, from the size of the decaying terms alone."""
        low, high = self.physics.bounds()
        spread = self._spread()
        _, offset, ramps = self._plain()
        for row, (begin, ramp) in enumerate(zip(offset, ramps, strict=True)):
            end = begin + ramp * limit if ramp else begin
            if not low[row] + spread[row] < min(begin, end) <= max(begin, end) < high[row] - spread[row]:
                return False
        return True

    def _spread(self) -> list[float]:
        if self.spread is None:
            sizes = [abs(weight) for weight in self._plain()[0]]
            self.spread = [sum(sizes[part]) for part in self.linear.parts]
        return self.spread

    def _exhausted(self) -> float:
        """Return the time by which an integrating row has surely left its range, s."""
        (low, high), most = self.physics.bounds(), float("inf")
        _, offset, ramps = self._plain()
        for row, (ramp, spread) in enumerate(zip(ramps, self._spread(), strict=True)):
            if ramp:
                room = (high if ramp > 0.0 else low)[row] - offset[row]
                reach = (room + (spread if ramp > 0.0 else -spread)) / ramp
                most = min(most, max(0.0, reach) * (1.0 + 1e-9) + 1e-12)
        return most

    def _plain(self) -> tuple[list[float], list[float], list[float]]:
        """Return weights, offsets and ramps as plain floats."""
        if self.plain is None:
            self.plain = (self.weight.tolist(), self.offset.tolist(), self.ramp.tolist())
        return self.plain

    def _scan(self, thresholds: Sequence[Threshold], limit: float, inside: bool) -> End:
        """Look for the first event on a grid that is even, and geometric at the begin; then locate it."""
        times, table = self._looked(limit)
        z = self._tabled(times, table)
        count = len(times) if inside else self._physical(z)
        seen = times[:count]
        voltage = self.physics.voltage(z[:, :count], self.current, seen, self.current * seen) if thresholds else seen
        end = self._first(thresholds, seen, voltage, End(limit))
        if end.stop is not None or count == len(times):
            return end
        collapse = self._collapse(times, z, count)
        joint = np.array([times[count - 1], collapse.time])
        last = np.array([voltage[-1], self.voltage_at(collapse.time)])
        return self._first(thresholds, joint, last, collapse)

    def _first(self, thresholds: Sequence[Threshold], times: Array, voltage: Array, end: End) -> End:
        for threshold in thresholds:
            found = self._located(threshold, times, voltage)
            if found is not None and (found < end.time or (found <= end.time and end.stop is None)):
                end = End(found, threshold.number)
        return end

    def _physical(self, z: Array) -> int:
        """Return how many scan points come before the first that is out of range."""
        outside = z <= self.physics.low[:, None]
        outside |= z >= self.physics.high[:, None]
        wrong = np.logical_or.reduce(outside, axis=0)
        first = int(wrong.argmax())
        return first if wrong[first] else len(wrong)

    def _looked(self, limit: float) -> tuple[Array, Array]:
        """Return the times of the scan and exp(-a t) there; kept with the memory."""
        kept = self.linear.kept
        known = kept.get(("scan", limit))
        if known is None:
            if len(kept) > KEPT:
                kept.clear()
            times = self._times(limit)
            known = kept["scan", limit] = (times, decays(self.linear, times))
        return known

    def _times(self, limit: float) -> Array:
        even = _SHAPE * limit
        least = 0.05 / max(self.linear.rates, default=1e-300)
        if least >= even[0]:
            return np.concatenate([[0.0], even])
        ratio = float(even[0]) / least
        times = np.empty(1 + _EARLY + SCAN)
        times[0] = 0.0
        times[1 : _EARLY + 1] = least * ratio**_FRACTION
        times[_EARLY + 1 :] = even
        return times

    def _collapse(self, times: Array, z: Array, at: int) -> End:
        """Return where the first row leaves its range, between scan points `at` - 1 and `at`."""
        physics = self.physics
        best = End(float(times[at]))
        for row in range(len(z)):
            above = bool(z[row, at] >= physics.high[row])
            if not above and z[row, at] > physics.low[row]:
                continue
            bound = float((physics.high if above else physics.low)[row])
            before, after = float(z[row, at - 1]) - bound, float(z[row, at]) - bound

            def beyond(time: float, row: int = row, bound: float = bound) -> float:
                return self._surface_at(time)[row] - bound

            when = root(beyond, float(times[at - 1]), float(times[at]), before, after)
            if when <= best.time:
                best = End(when, None, physics.words[row][above])
        return best

    def _located(self, threshold: Threshold, times: Array, voltage: Array) -> float | None:
        """Return when the voltage first meets the threshold, or None."""
        margin = _margins(threshold, voltage)
        met = margin >= 0.0
        at = int(met.argmax())
        if not met[at]:
            at = len(times)
        peak = self._peak(threshold, times[: at + 1], margin[: at + 1])
        if peak is not None:
            return peak
        if at == len(times):
            return None
        return float(times[at]) if at == 0 else self._root(threshold, times, margin, at)

    def _peak(self, threshold: Threshold, times: Array, margin: Array) -> float | None:
        """Look between scan points where the voltage nearly touches the threshold and turns away."""
        steps = margin[1:] - margin[:-1]
        if len(steps) < 2 or steps.min() > 0.0 or steps.max() < 0.0:
            return None
        before, middle, after = margin[:-2], margin[1:-1], margin[2:]
        high = (middle >= before) & (middle >= after) & (middle < 0.0)
        if not high.any():
            return None
        reach = middle + np.maximum(middle - before, middle - after)
        for place in np.flatnonzero(high & (reach >= 0.0)):
            fine = np.linspace(times[place], times[place + 2], 33)
            met = _margins(threshold, self.voltage(fine)) >= 0.0
            if met.any():
                return self._root(threshold, fine, _margins(threshold, self.voltage(fine)), int(met.argmax()))
        return None

    def _later(self, begin: float) -> Callable[[float], list[float]]:
        """Return the surface values as a function of a time after `begin`, without the poles that are over by then."""
        weight, offset, ramp = self._plain()
        rates = self.linear.rates
        alive = [
            [(w, -rate) for w, rate in zip(weight[part], rates[part], strict=True) if rate * begin < OVER]
            for part in self.linear.parts
        ]
        rows = list(zip(offset, ramp, alive, strict=True))

        def surface(time: float) -> list[float]:
            return [z + slope * time + sum([w * exp(rate * time) for w, rate in some]) for z, slope, some in rows]

        return surface

    def _root(self, threshold: Threshold, times: Array, margins: Array, at: int) -> float:
        """Return the crossing between points `at` - 1 and `at`, started by inverse interpolation."""
        before, after = float(times[at - 1]), float(times[at])
        surface = self._later(before)
        voltage, current = self.physics.voltage_scalar, self.current

        def margin(time: float) -> float:
            return _margin(threshold, voltage(surface(time), current, time, current * time))

        near = slice(max(at - 2, 0), at + 2)
        guess = inverse(times[near].tolist(), margins[near].tolist())
        return root(margin, before, after, float(margins[at - 1]), float(margins[at]), guess)


def _margin(threshold: Threshold, voltage: float) -> float:
    value = abs(voltage) if threshold.magnitude else voltage
    return value - threshold.voltage if threshold.above else threshold.voltage - value


def _margins(threshold: Threshold, voltage: Array) -> Array:
    value = np.abs(voltage) if threshold.magnitude else voltage
    return value - threshold.voltage if threshold.above else threshold.voltage - value

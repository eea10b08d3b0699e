"""One piece of a segment at constant current: exact at every time, with its events located."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf
from typing import Final

import numpy as np

from labctl_simulators.cell.physics import Array, Physics
from labctl_simulators.cell.solve.crossing import inverse, polished, root
from labctl_simulators.cell.solve.grid import CHUNK, FEW, KEPT, Grid, alive, even_grid, few, rung, terms_at
from labctl_simulators.cell.solve.warm_start import COLD, Warm
from labctl_simulators.cell.state import HoldOrigin

SCAN: Final = 48
FLAT: Final = 1e-12
"""V; smaller steps between scan points may be rounding."""
_SHAPE: Final = np.arange(1, SCAN + 1) / SCAN
_EARLY: Final = 24
_FRACTION: Final = np.arange(_EARLY) / _EARLY


@dataclass(slots=True, eq=False, repr=False)
class PieceThreshold:
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
class PieceEnd:
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

    __slots__ = ("begun", "current", "level", "linear", "physics", "plain", "rows", "safe", "start", "terms", "warm")

    def __init__(self, physics: Physics, memory: Array, level: Array, current: float, warm: Warm | None = None) -> None:
        linear = physics.memory
        self.physics, self.linear, self.current = physics, linear, current
        self.start, self.level = memory, level
        self.terms = terms = physics.driven * current if current else np.zeros(len(physics.driven))
        terms[: linear.poles] += memory
        terms[linear.poles : linear.ramps] += level
        self.rows: Array | None = None
        self.plain: list[float] | None = None
        self.safe = False
        self.warm = warm or COLD
        self.begun: HoldOrigin | None = None  # where the current of a cell that heats itself began

    def surface(self, times: Array) -> Array:
        """Return the surface values at `times` (s since the piece began), shape (m, T)."""
        if len(times) <= FEW:
            return self._tabled(few(self.linear, times))
        grid = even_grid(self.linear, times)
        return self._even(grid, times) if grid is not None else self._scattered(times)

    def _tabled(self, table: Array) -> Array:
        """Return the surface values where the terms have the values of `table`."""
        if self.rows is None:
            self.rows = self.linear.belongs * self.terms
        return np.asarray(self.rows.dot(table))

    def _scattered(self, times: Array) -> Array:
        chunks = [self._tabled(terms_at(self.linear, times[k : k + CHUNK])) for k in range(0, len(times), CHUNK)]
        return np.concatenate(chunks, axis=1)

    def _even(self, grid: Grid, times: Array) -> Array:
        """Return the surface values on an even grid: exp(-a (j + k) h) is a product, so each row is a matrix product."""
        z = np.empty((len(self.level), len(times)))
        for row, (own, coarse, fine) in enumerate(grid.rows):
            z[row, : grid.count] = (coarse * self.terms[own]).dot(fine).ravel()[: grid.count]
        if grid.count < len(times):
            z[:, -1] = self._surface_at(float(times[-1]))
        return z

    def voltage(self, times: Array) -> Array:
        """Return the voltage in V at `times`."""
        z = self.surface(times)
        if not self.safe:  # a collapse lies on the very edge of the range
            np.minimum(np.maximum(z, self.physics.low[:, None], out=z), self.physics.high[:, None], out=z)
        return self.physics.voltage(z, self.current, times, self._charge(times))

    def voltage_at(self, time: float) -> float:
        """Return the voltage in V at one time."""
        return self.physics.voltage_scalar(self._surface_at(time), self.current, time, self.current * time)

    def _surface_at(self, time: float) -> list[float]:
        linear, terms = self.linear, self._plain()
        offsets, ramps = terms[linear.poles : linear.ramps], terms[linear.ramps :]
        fading = [w * exp(fall * time) for w, fall in zip(terms, linear.falls, strict=False)] if time else terms
        return [
            offset + ramp * time + sum(fading[part])
            for offset, ramp, part in zip(offsets, ramps, linear.parts, strict=True)
        ]

    def read(self, times: Array) -> tuple[Array, Array, Array, Array]:
        """Return voltage (V), current (A), and C charged and C discharged until `times`."""
        count = len(times)
        if not self.current:
            return self.voltage(times), np.zeros(count), np.zeros(count), np.zeros(count)
        current = np.empty(count)
        current.fill(self.current)
        passed, none = times * abs(self.current), np.zeros(count)
        up, down = (passed, none) if self.current > 0.0 else (none, passed)
        return self.voltage(times), current, up, down

    def at(self, time: float) -> tuple[Array, Array, float, float]:
        """Return memory, level, charge (C) and throughput (C) `time` s after the piece began."""
        linear, terms = self.linear, self.terms
        memory = self.start + terms[: linear.poles] * np.expm1(linear.rate * -time)
        charge = self.current * time
        level = self.level + terms[linear.ramps :] * time if charge else self.level
        return memory, level, charge, abs(charge)

    def passed(self, time: float) -> tuple[float, float]:
        """Return C charged and C discharged until `time`."""
        return max(self.current, 0.0) * time, max(-self.current, 0.0) * time

    def hold(self, time: float) -> HoldOrigin | None:
        """Return what makes a later piece of a cell that heats itself go on from `time` as if there were no cut."""
        begun = self.begun
        return None if begun is None else HoldOrigin(begun.drive, begun.elapsed + time, begun.origin)

    def direction(self, time: float) -> int:
        """Return the sign of the current."""
        del time
        return (self.current > 0.0) - (self.current < 0.0)

    def end(self, thresholds: Sequence[PieceThreshold], limit: float) -> PieceEnd:
        """Return where the piece ends, at most `limit` s (may be infinite while current flows) after its begin."""
        self.safe = limit < inf and self._within(limit)
        inside, gone = (inf, inf) if self.safe else self._room()
        self.safe = self.safe or limit < inside or inside == inf
        if self.safe and not thresholds:
            return PieceEnd(limit)
        if inside <= 0.0:
            at_once = self._at_once(thresholds)
            if at_once is not None:
                return at_once
        if not self.safe and limit > gone:
            limit = min(limit, rung(gone))
        if limit == inf:
            raise ValueError("wanted a duration or an end that must come, found neither")
        piece_end = self._scan(thresholds, limit, inside)
        self.safe = piece_end.collapse is None
        return piece_end

    def _at_once(self, thresholds: Sequence[PieceThreshold]) -> PieceEnd | None:
        first = self._surface_at(0.0)
        now = self.physics.voltage_scalar(first, self.current, 0.0, 0.0)
        for threshold in thresholds:
            if _margin(threshold, now) >= 0.0:
                return PieceEnd(0.0, threshold.number)
        for row, (value, low, high) in enumerate(zip(first, *self.physics.bounds(), strict=True)):
            if not low < value < high:
                return PieceEnd(0.0, None, self.physics.words[row][value >= high])
        return None

    def _within(self, limit: float) -> bool:
        """Say at a glance that no row can leave its range within `limit`: from the size of all decaying terms together."""
        linear, terms = self.linear, self._plain()
        size = sum(map(abs, terms[: linear.poles]))
        offsets, ramps = terms[linear.poles : linear.ramps], terms[linear.ramps :]
        for offset, ramp, low, high in zip(offsets, ramps, *self.physics.bounds(), strict=True):
            least, most = low + size, high - size
            if not (least < offset < most and least < offset + ramp * limit < most):
                return False
        return True

    def _room(self) -> tuple[float, float]:
        """Return the time until which no row can leave its range, and the time by which one surely has, s.

        The decaying terms of a row are between the sum of its negative and that of its positive weights.
        """
        linear, terms = self.linear, self._plain()
        inside = gone = inf
        lows, highs = self.physics.bounds()
        for row, part in enumerate(linear.parts):
            offset, ramp, low, high = terms[linear.poles + row], terms[linear.ramps + row], lows[row], highs[row]
            weights = terms[part]
            middle, reach = offset + 0.5 * sum(weights), 0.5 * sum(map(abs, weights))
            most, least = middle + reach, middle - reach
            if ramp > 0.0:
                inside, gone = min(inside, (high - most) / ramp), min(gone, (high - least) / ramp)
            elif ramp < 0.0:
                inside, gone = min(inside, (low - least) / ramp), min(gone, (low - most) / ramp)
            if not low < least <= most < high:
                inside = 0.0
        return inside, max(gone, 0.0) * (1.0 + 1e-9) + 1e-12

    def _plain(self) -> list[float]:
        """Return the terms as plain floats."""
        if self.plain is None:
            self.plain = self.terms.tolist()
        return self.plain

    def _scan(self, thresholds: Sequence[PieceThreshold], limit: float, inside: float) -> PieceEnd:
        """Look for the first event on a grid that is even, and geometric at the begin; then locate it.

        Only where nothing is met while all rows surely are in their range is it asked where one leaves it.
        """
        times, table, moments = self._looked(limit)
        count = len(moments) if self.safe else bisect_left(moments, inside)
        if thresholds and count:
            seen, early, _ = self._looked(limit, count) if count < len(moments) else (times, table, moments)
            voltage = self.physics.voltage(self._tabled(early), self.current, seen, self._charge(seen))
            end = self._first(thresholds, seen, voltage, PieceEnd(limit))
            if end.stop is not None or count == len(moments):
                return end
        z = self._tabled(table)
        count = max(self._physical(z), 1)  # the begin was seen to be in range; a table may round it to the very edge
        last = PieceEnd(limit) if count == len(moments) else self._collapse(times, z, count)
        if not thresholds:
            return last
        seen = times[:count]
        voltage = self.physics.voltage(z[:, :count], self.current, seen, self._charge(seen))
        if last.time > seen[-1]:
            seen, voltage = np.append(seen, last.time), np.append(voltage, self.voltage_at(last.time))
        return self._first(thresholds, seen, voltage, last)

    def _charge(self, times: Array) -> Array | float:
        return 0.0 if self.physics.static else self.current * times

    def _first(self, thresholds: Sequence[PieceThreshold], times: Array, voltage: Array, end: PieceEnd) -> PieceEnd:
        for threshold in thresholds:
            when = self._located(threshold, times, voltage)
            if when is not None and (when < end.time or (when <= end.time and end.stop is None)):
                end = PieceEnd(when, threshold.number)
        return end

    def _physical(self, z: Array) -> int:
        """Return how many scan points come before the first that is out of range."""
        outside = z <= self.physics.low[:, None]
        outside |= z >= self.physics.high[:, None]
        wrong = np.logical_or.reduce(outside, axis=0)
        first = int(wrong.argmax())
        return first if wrong[first] else len(wrong)

    def _looked(self, limit: float, count: int | None = None) -> tuple[Array, Array, list[float]]:
        """Return the first `count` times of the scan, the values of the terms there, and the times as plain floats; kept."""
        kept, key = self.linear.kept, ("scan", limit, count)
        known = kept.get(key)
        if known is None:
            if len(kept) > KEPT:
                kept.clear()
            times = self._times(limit)[:count]
            known = kept[key] = (times, terms_at(self.linear, times), times.tolist())
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

    def _collapse(self, times: Array, z: Array, at: int) -> PieceEnd:
        """Return where the first row leaves its range, between scan points `at` - 1 and `at`."""
        physics = self.physics
        best = PieceEnd(float(times[at]))
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
                best = PieceEnd(when, None, physics.words[row][above])
        return best

    def _located(self, threshold: PieceThreshold, times: Array, voltage: Array) -> float | None:
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

    def _peak(self, threshold: PieceThreshold, times: Array, margin: Array) -> float | None:
        """Look between scan points where the voltage nearly touches the threshold and turns away."""
        steps = margin[1:] - margin[:-1]
        if len(steps) < 2:
            return None
        low, high = steps[steps.argmin()], steps[steps.argmax()]
        if low > -FLAT or high < FLAT:
            return None
        falling = margin[:-1][steps < 0.0]
        if falling[falling.argmax()] + max(high, -low) < 0.0:
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

    def _root(self, threshold: PieceThreshold, times: Array, margins: Array, at: int) -> float:
        """Return the crossing between points `at` - 1 and `at`, started where the like was met before.

        Else by inverse interpolation.
        """
        first = max(at - 2, 0)
        near, values = times[first : at + 2].tolist(), margins[first : at + 2].tolist()
        left = at - 1 - first
        (before, after), (low, high) = near[left : left + 2], values[left : left + 2]
        margin = self._later(threshold, before)
        slope = (high - low) / (after - before)
        known, crossing = self.warm.cutoffs.get((self.current, threshold.voltage)), None
        if known is not None and before < known.next < after:
            crossing = polished(margin, known.next, known.slope, before, after)
        if crossing is None:
            crossing = root(margin, before, after, low, high, inverse(near, values)), slope
        self.warm = self.warm.cut(self.current, threshold.voltage, *crossing)
        return crossing[0]

    def _later(self, threshold: PieceThreshold, begin: float) -> Callable[[float], float]:
        """Return the margin as a function of a time after `begin`, without the poles that are over by then."""
        linear, terms, current, voltage = self.linear, self._plain(), self.current, self.physics.voltage_scalar
        level, above, magnitude = threshold.voltage, threshold.above, threshold.magnitude
        offset, ramp = linear.poles, linear.ramps
        rows = [
            (terms[offset + row], terms[ramp + row], [(terms[pole], fall) for pole, fall in some])
            for row, some in enumerate(alive(linear, begin))
        ]

        def margin(time: float) -> float:
            z = [offset + ramp * time + sum([w * exp(fall * time) for w, fall in some]) for offset, ramp, some in rows]
            value = voltage(z, current, time, current * time)
            value = abs(value) if magnitude else value
            return value - level if above else level - value

        return margin


def _margin(threshold: PieceThreshold, voltage: float) -> float:
    value = abs(voltage) if threshold.magnitude else voltage
    return value - threshold.voltage if threshold.above else threshold.voltage - value


def _margins(threshold: PieceThreshold, voltage: Array) -> Array:
    value = np.abs(voltage) if threshold.magnitude else voltage
    return value - threshold.voltage if threshold.above else threshold.voltage - value

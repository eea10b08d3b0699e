"""A piece in which voltage, power, load or leaking current is held: reading it and finding its end."""

from collections.abc import Sequence
from math import inf

import numpy as np

from labctl_simulators.cell.drive import Stop, Voltage, VoltageSweep
from labctl_simulators.cell.physics import Array
from labctl_simulators.cell.solve.constant_piece import PieceEnd
from labctl_simulators.cell.solve.crossing import inverse, root
from labctl_simulators.cell.solve.element import response
from labctl_simulators.cell.solve.march import CHECKED, March
from labctl_simulators.cell.solve.solution import SHARES, SolutionColumns, columns, course
from labctl_simulators.cell.state import HoldOrigin


class HeldPiece(March):
    """Hold a piece under a demand from `origin` on; times are s since the drive began."""

    # --- reading -----------------------------------------------------------------------------------------------

    def columns(self) -> SolutionColumns:
        """Return the solution so far in arrays."""
        if self._columns is None:
            if self._table is None or self.starts:
                self._columns = columns(course(self.lengths), np.array(self.values), self.demand)
            else:
                self._columns = columns(self._table.course, self._values[self._table.places], self.demand)
        return self._columns

    def voltage(self, times: Array) -> Array:
        """Return the voltage in V at `times`, s since the drive began."""
        if not self.lengths:
            return np.full(len(times), self._voltage0(0.0))
        if isinstance(self.drive, Voltage):
            return np.full(len(times), self.drive.voltage)
        columns = self.columns()
        inner = columns.inners(times) if self.demand.leak else 0.0
        return np.asarray(self.demand.voltage(columns.currents(times), inner, times))

    def currents(self, times: Array) -> Array:
        """Return the current at the terminals in A at `times`."""
        return self.columns().currents(times) if self.lengths else np.zeros(len(times))

    def charges(self, times: Array) -> tuple[Array, Array]:
        """Return charging and discharging C passed since the drive began."""
        if not self.lengths:
            return np.zeros(len(times)), np.zeros(len(times))
        return self.columns().charges(times)

    def read(self, times: Array) -> tuple[Array, Array, Array, Array]:
        """Return voltage (V), current (A), and C charged and C discharged until `times`."""
        if not self.lengths or not isinstance(self.drive, Voltage):
            return self.voltage(times), self.currents(times), *self.charges(times)
        return self.voltage(times), *self.columns().read(times)

    def at(self, time: float) -> tuple[Array, Array, float, float]:
        """Return memory, level, charge (C) and throughput (C) `time` s after the drive began."""
        if not self.lengths:
            return self.origin.memory.copy(), self.origin.level.copy(), 0.0, 0.0
        columns, physics = self.columns(), self.physics
        index, past, coefficients = columns.until(time)
        memory, level = self._start(index)
        decay, driven = response(physics.memory, past, coefficients)
        memory = decay * memory
        memory += driven * physics.drive
        level = level + physics.driven[physics.memory.ramps :] * coefficients.dot(SHARES)
        up, down = self.passed(time)
        return memory, level, up - down, up + down

    def passed(self, time: float) -> tuple[float, float]:
        """Return C charged and C discharged until `time`."""
        if self._passed[0] != time:
            self._passed = (time, *(self.columns().charge_at(time) if self.lengths else (0.0, 0.0)))
        return self._passed[1:]

    def direction(self, time: float) -> int:
        """Return the sign of the current at `time`."""
        current = self.columns().current(time)(time) if self.lengths else 0.0
        return (current > 0.0) - (current < 0.0)

    def hold(self, time: float) -> HoldOrigin:
        """Return what makes a later piece go on from `time` as if there were no cut."""
        return HoldOrigin(self.drive, time, self.home, tuple(self.lengths))

    # --- ends --------------------------------------------------------------------------------------------------

    def end(self, stops: Sequence[Stop], skipped: float, limit: float) -> PieceEnd:
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
            until = self.begins[-1] + self.lengths[-1]
            limit = min(limit, self.physics.leaves(until))
            if stops and (until > skipped or until >= limit):
                piece_end = self._within(stops, index, skipped, min(until, limit))
                if piece_end is not None:
                    return piece_end
            if until >= limit:
                return PieceEnd(limit)
            index = len(self.lengths)
        if self.failed is not None:
            return PieceEnd(max(self.front.time, skipped), None, self.failed)
        return PieceEnd(min(limit, self.last))

    def turns(self, direction: int, skipped: float, until: float) -> float:
        """Return when a current first flows against `direction` (0: any), s since the drive began; infinity: not by `until`.

        What a voltage drives that is off by no more than a solution may be does not count. A cell that leaks is not looked at.
        """
        if not isinstance(self.drive, Voltage | VoltageSweep) or not self.lengths or self.demand.leak:
            return inf
        columns = self.columns()
        against = (columns.seen * -direction if direction else np.abs(columns.seen)).ravel()
        most = float(against[against.argmax()])
        risen = self._voltage0(1e-3 * most) - self._voltage0(0.0)
        if most <= 0.0 or risen <= 2e-3 * CHECKED:
            return inf
        least = 2e-3 * CHECKED * most / risen
        times = columns.course.look.ravel()
        met = np.flatnonzero((against > least) & (times > skipped))
        if not len(met) or met[0] == 0:
            return inf
        at = int(met[0])
        before, after = float(times[at - 1]), float(times[at])
        if before < after:
            current = columns.current(0.5 * (before + after))

            def beyond(time: float) -> float:
                return (current(time) * -direction if direction else abs(current(time))) - least

            after = root(beyond, before, after, float(against[at - 1]) - least, float(against[at]) - least)
        return max(after, skipped) if after < until else inf

    def _within(self, stops: Sequence[Stop], first: int, skipped: float, until: float) -> PieceEnd | None:
        """Look for the first stop from element `first` on."""
        columns = self.columns()
        times, currents = columns.course.look[first:].ravel(), columns.seen[first:].ravel()
        if times[0] < skipped or times[-1] > until:
            inside = (times > skipped) & (times < until)
            times = np.concatenate([[max(times[0], skipped)], times[inside], [until]])
            currents = columns.currents(times)
        best: PieceEnd | None = None
        for stop in stops:
            margin = self._margin(stop, times, currents, skipped)
            met = margin >= 0.0
            at = int(met.argmax())
            if not met[at]:
                continue
            near = slice(max(at - 2, 0), at + 2)
            when = self._located(stop, skipped, min(at, 2), times[near].tolist(), margin[near].tolist())
            if best is None or when < best.time:
                best = PieceEnd(when, stop.number)
        return best

    def _located(self, stop: Stop, skipped: float, at: int, times: list[float], margins: list[float]) -> float:
        """Return when a stop is met between points `at` - 1 and `at`."""
        if at == 0 or times[at - 1] == times[at]:
            return times[at]
        columns, before, after = self.columns(), times[at - 1], times[at]
        current, value, above = columns.current(0.5 * (before + after)), stop.value, stop.above

        def size(time: float) -> float:
            return abs(current(time)) - value if above else value - abs(current(time))

        def margin(time: float) -> float:
            times = np.array([time])
            return float(self._margin(stop, times, columns.currents(times), skipped)[0])

        if stop.quantity == "current":
            return root(size, before, after, margins[at - 1], margins[at])
        return root(margin, before, after, margins[at - 1], margins[at], inverse(times, margins))

    def _margin(self, stop: Stop, times: Array, currents: Array, skipped: float) -> Array:
        match stop.quantity:
            case "time":
                value = times - skipped
            case "voltage":
                value = self.voltage(times)
            case "current":
                value = np.abs(currents)
            case "power":
                value = np.abs(currents * self.voltage(times))
            case "charge":
                net = self.columns().net(np.append(times, skipped))
                value = np.abs(net[:-1] - net[-1])
        return value - stop.value if stop.above else stop.value - value

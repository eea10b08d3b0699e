"""Turn a drive into pieces: the segment path."""

from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from labctl_simulators.cell.drive import (
    LARGEST,
    AtOpenCircuit,
    Current,
    Drive,
    Load,
    Power,
    Stop,
    Voltage,
    VoltageSweep,
)
from labctl_simulators.cell.physics import TOUCH, Chemistry, Physics
from labctl_simulators.cell.solve.constant_piece import Constant, PieceEnd, PieceThreshold
from labctl_simulators.cell.solve.segment import PlacedPiece, Segment, state_in
from labctl_simulators.cell.state import CellState, HoldOrigin

if TYPE_CHECKING:
    from labctl_simulators.cell.solve.held_piece import HeldPiece

# What solves for a current is imported as the first one is solved for: start-up is a promise.
# ruff: noqa: PLC0415

Freezer = Callable[[CellState, Drive], Physics]
MOST: Final = 1_000_000
"""Most pieces of one segment at constant current."""
MOST_HELD: Final = 2000
"""Most pieces of one segment in which the current is solved for; a short that flickers for hours would need more."""
EXCESS: Final = 1.0 + 1e-6
"""What a hold may draw, in units of its limit, before the limit takes over: where it let go both are the same but for rounding."""


def impose(chemistry: Chemistry, state: CellState, drive: Drive, duration: float, stops: Sequence[Stop]) -> Segment:
    """Return the segment; see `Cell.segment`."""
    _check(drive, duration, stops)
    if isinstance(drive, VoltageSweep):
        from labctl_simulators.cell.solve.demand import sweep_time

        duration = min(duration, sweep_time(drive))
    work = _Work(chemistry, state, drive, duration, stops)
    work.run()
    return Segment(work.origin, drive, work.time, work.stop, work.collapse, tuple(work.parts))


class _Work:
    """Build the parts of one segment, one after the other."""

    def __init__(
        self, chemistry: Chemistry, state: CellState, drive: Drive, duration: float, stops: Sequence[Stop]
    ) -> None:
        self.chemistry, self.drive, self.duration, self.stops = chemistry, drive, duration, stops
        self.origin = state
        self.parts: list[PlacedPiece] = []
        self.time, self.up, self.down = 0.0, 0.0, 0.0
        self.stop: int | None = None
        self.collapse: str | None = None
        self.over = False
        self.changed = inf  # s, when the physics of the last held piece stopped being valid
        self.most: float | None = None  # A, of a hold that is not at its limit now
        self.wanted = 0.0  # A, what such a hold would draw where it came to its limit; 0 where nobody can say

    def run(self) -> None:
        state = self.origin
        match self.drive:
            case Current(current=current):
                current = float(current)
                self._steady(self._turned(state, current), current)
            case AtOpenCircuit() | Power(power=0.0):
                self._steady(state, 0.0)
            case Voltage(most=most) if most is not None:
                self._limited(state, self.drive, most)
            case _:
                self._hold(state)

    def _done(self, most: int) -> bool:
        """Say whether the segment is over; one of very many pieces ends in words rather than fill the memory."""
        if not self.over and len(self.parts) >= most:
            self.collapse, self.over = "the cell changes faster than can be followed", True
        return self.over

    def _turned(self, state: CellState, current: float) -> CellState:
        direction = int(current > 0.0) - int(current < 0.0)
        if direction in (0, state.direction):
            return state
        slow, level = self.chemistry.turn(state.slow, state.level, direction)
        turned = state.turned(slow, level, direction)
        if not self.parts:
            self.origin = turned
        return turned

    def _physics(self, state: CellState) -> Physics:
        return self.chemistry.physics_of(state)

    def _steady(self, state: CellState, current: float, extra: Sequence[Stop] = ()) -> CellState:
        """Add pieces at constant current until the segment is over, or `extra` is met."""
        while not self._done(MOST):
            if state.warmth is None:
                physics = self._physics(state)
                if physics.leak:
                    return self._leaking(state, current, extra)
                if self.chemistry.freezer is not None:
                    piece, change = self._frozen(state, current, self.chemistry.freezer)
                else:
                    piece = Constant(physics, state.memory, state.level, current, state.warm)
                    change = physics.change(current)
            else:
                piece, change = self._warming(state, current)
                if piece.physics.leak:
                    return self._leaking(state, current, extra)
            end = self._constant_end(piece, min(self.duration - self.time, change), extra)
            self._add(piece, state, end)
            if end.time < change and not (extra and end.stop == _REACHED):
                self.over = True
            if self.over or (change < inf and self._out_of_range()):
                break
            state = self._state()
            if extra and end.stop == _REACHED:
                break
            state = state.free()
        return state

    def _warming(self, state: CellState, current: float) -> tuple[Constant, float]:
        """Return a piece at constant current of a cell that heats itself, and how long its memory serves, s."""
        drive, hold = Current(current), state.hold
        if hold is None or hold.drive != drive:
            hold = HoldOrigin(drive, 0.0, state.free())
        from labctl_simulators.cell.solve.thermal import flowing

        course = flowing(self.chemistry, hold.origin, current, hold.elapsed)
        piece = Constant(course, state.memory, state.level, current, state.warm)
        piece.begun = hold
        return piece, max(course.leaves(inf), 0.0)

    def _frozen(self, state: CellState, current: float, freezer: Freezer) -> tuple[Constant, float]:
        """Return a piece at constant current with a frozen diffusivity, and how long that serves, s."""
        drive, hold = Current(current), state.hold
        if hold is None or hold.drive != drive:
            hold = HoldOrigin(drive, 0.0, state.free())
        physics = freezer(hold.origin, drive)
        piece = Constant(physics, physics.turned(state.memory), state.level, current, state.warm)
        piece.begun = hold
        return piece, max(physics.change(current) - hold.elapsed, 0.0)

    def _out_of_range(self) -> bool:
        """Say whether the cell has got too warm or too cold for its numbers; the segment ends there, in words."""
        if self.origin.warmth is None or self.over:
            return False
        kelvin, (low, high) = self._state().kelvin, self.chemistry.valid
        if low + TOUCH < kelvin < high - TOUCH:
            return False
        self.over = True
        self.collapse = (
            f"at {kelvin - 273.15:.4g} degC the cell leaves the temperatures for which its numbers are valid"
        )
        return True

    def _constant_end(self, piece: Constant, limit: float, extra: Sequence[Stop]) -> PieceEnd:
        if not extra and not self.stops:
            return piece.end((), limit)
        best, thresholds = PieceEnd(limit), []
        size = abs(piece.current)
        for stop in (*extra, *self.stops):
            match stop.quantity:
                case "voltage":
                    thresholds.append(PieceThreshold(stop.value, stop.above, stop.number))
                case "power" if size > 0.0:
                    thresholds.append(PieceThreshold(stop.value / size, stop.above, stop.number, magnitude=True))
                case _:
                    when = self._when(stop, size)
                    if when < best.time or (when == best.time and best.stop is None):
                        best = PieceEnd(when, stop.number)
        piece_end = piece.end(thresholds, best.time)
        return best if best.stop is not None and piece_end.time >= best.time and piece_end.stop is None else piece_end

    def _when(self, stop: Stop, size: float) -> float:
        """Return in how many s a stop on time, charge, current or power is met at constant current."""
        match stop.quantity:
            case "time":
                now, rate = self.time, 1.0
            case "charge":
                now, rate = abs(self.up - self.down), size
            case _:
                now, rate = size if stop.quantity == "current" else 0.0, 0.0
        if not stop.above:
            return 0.0 if now <= stop.value else inf
        if now >= stop.value:
            return 0.0
        return (stop.value - now) / rate if rate > 0.0 else inf

    def _limited(self, state: CellState, drive: Voltage, most: float) -> None:
        """Hold a voltage with a current limit: the limit's current wherever the cell would draw more, at any time."""
        hold = state.hold
        begun = state.warmth is not None or self.chemistry.freezer is not None
        if begun and hold and isinstance(hold.drive, Current) and abs(hold.drive.current) == most:
            self.wanted = hold.drive.current
            state = self._at_limit(state, drive, most)
        while not self._done(MOST_HELD):
            self.most = most
            beyond = self._hold(state)
            self.most = None
            if beyond is None or self.time >= self.duration:
                return
            state = self._at_limit(beyond, drive, most)
            if self.over:
                return

    def _at_limit(self, state: CellState, drive: Voltage, most: float) -> CellState:
        """Let the limit's current flow until it brings the voltage that is held."""
        if not self.wanted:
            rest = Constant(self._physics(state), state.memory, state.level, 0.0).voltage_at(0.0)
            self.wanted = drive.voltage - rest
        current = most if self.wanted > 0.0 else -most
        reached = Stop("voltage", current > 0.0, drive.voltage, _REACHED)
        return self._steady(self._turned(state, current), current, (reached,))

    def _hold(self, state: CellState) -> CellState | None:
        """Add held pieces, going on with the one that `state` is in where it is the same drive.

        Returns:
            The state from which on more than `most` would flow; None where the segment is over, or nothing is limited.
        """
        from labctl_simulators.cell.solve.held_piece import HeldPiece

        hold, skipped = state.hold, 0.0
        mesh: Sequence[float] = ()
        begin = state if hold is None else state.free()
        drive = self.drive
        if hold is not None and _continues(hold.drive, hold.elapsed, self.drive):
            begin, skipped, mesh, drive = hold.origin.warmed(state.warm), hold.elapsed, hold.mesh, hold.drive
        while not self._done(MOST_HELD):
            physics = self._solved_for(begin, drive)
            piece = HeldPiece(physics, begin, drive, mesh)
            if not skipped and self._begins_beyond(piece):
                return begin
            turned = self._turned(begin, piece.first) if not skipped else begin
            if turned is not begin:
                begin = turned
                physics = self._solved_for(begin, drive)
                piece = HeldPiece(physics, begin, drive, mesh)
            if self._held(piece, physics, skipped, begin.direction):
                return self._state().free() if self.most is not None and not self.over else None
            if self._out_of_range():
                return None
            before, begin, skipped, mesh = begin, self._state().free(), 0.0, ()
            if self.chemistry.turning:  # a turn just now takes effect as the next piece begins
                begin = begin._replace(direction=before.direction)
            drive = _shifted(drive, self.changed)
        return None

    def _solved_for(self, state: CellState, drive: Drive) -> Physics:
        """Return the physics of a piece in which the current is solved for."""
        if self.chemistry.freezer is not None:
            return self.chemistry.freezer(state, drive)
        if state.warmth is None:
            return self._physics(state)
        from labctl_simulators.cell.solve.thermal import holding

        return holding(self.chemistry, state, drive)

    def _begins_beyond(self, piece: "HeldPiece") -> bool:
        """Say whether a held piece begins with more than the limit's current, or with none that could be found."""
        if self.most is None:
            return False
        self.wanted = 0.0 if piece.failed is not None else float(piece.demand.current(piece.first, 0.0))
        return piece.failed is not None or abs(self.wanted) > self.most * EXCESS

    def _beyond(self, piece: "HeldPiece", skipped: float, end: PieceEnd) -> PieceEnd:
        """Return the end of a held piece where more than the limit's current would flow, or else `end`."""
        if self.most is None or not piece.lengths or float(np.abs(piece.columns().seen).max()) <= self.most * EXCESS:
            return end
        risen = piece.end([Stop("current", True, self.most * EXCESS, _REACHED)], skipped, end.time)
        if risen.stop != _REACHED or risen.time >= end.time:
            return end
        self.wanted = float(piece.currents(np.array([risen.time]))[0])
        return risen

    def _leaking(self, state: CellState, current: float, extra: Sequence[Stop]) -> CellState:
        """Hold a constant current as a voltage is held: what leaks depends on the voltage. Stop where `extra` is met."""
        drive, stops = self.drive, self.stops
        self.drive, self.stops = Current(current) if current else AtOpenCircuit(), (*stops, *extra)
        self._hold(state)
        after = self._state()
        if extra and not self.over:
            self.drive, self.stops = drive, stops
        return after

    def _held(self, piece: "HeldPiece", physics: Physics, skipped: float, direction: int) -> bool:
        """Add a held piece up to its end, and say whether the segment is over, or the limit's current reached."""
        change = physics.change(piece.first)
        limit = min(self.duration - self.time + skipped, change)
        stops = [self._shift(stop) for stop in self.stops]
        end = self._beyond(piece, skipped, piece.end(stops, skipped, limit))
        if physics.heated:
            change = physics.leaves(end.time)
        if self.chemistry.turning:
            turned = piece.turns(direction, skipped, end.time)
            if turned < end.time:
                end, change = PieceEnd(turned), turned
        self.changed = change
        passed = min(end.time - skipped, self.duration - self.time)  # of a long hold the difference is rounded
        self._add(piece, piece.origin, PieceEnd(passed, end.stop, end.collapse), skipped)
        reached = end.stop == _REACHED
        self.over = self.over or (end.time < change and not reached)
        return self.over or reached

    def _shift(self, stop: Stop) -> Stop:
        """Return a stop that counts from this piece on."""
        if stop.quantity == "time":
            return stop._replace(value=stop.value - self.time)
        return stop

    def _add(self, piece: "Constant | HeldPiece", state: CellState, end: PieceEnd, skipped: float = 0.0) -> None:
        self.parts.append(PlacedPiece(self.time, piece, state.slow, self.up, self.down, skipped))
        up, down = piece.passed(end.time + skipped)
        if skipped:
            before = piece.passed(skipped)
            up, down = up - before[0], down - before[1]
        self.up += up
        self.down += down
        self.time += end.time
        if end.collapse is not None or (end.stop is not None and end.stop != _REACHED):
            self.stop, self.collapse, self.over = end.stop, end.collapse, True
        elif self.time >= self.duration:
            self.over = True

    def _state(self) -> CellState:
        return state_in(self.origin, self.parts[-1], self.time)


_REACHED: Final = -(2**62)


def _continues(old: Drive, elapsed: float, new: Drive) -> bool:
    if isinstance(old, VoltageSweep) and isinstance(new, VoltageSweep):
        past = old.start + (elapsed * old.rate if old.end > old.start else -elapsed * old.rate)
        return old == new or ((old.end, old.rate) == (new.end, new.rate) and abs(past - new.start) <= 1e-9)
    return old == new


def _shifted(drive: Drive, time: float) -> Drive:
    """Return the drive that goes on `time` s later."""
    if isinstance(drive, VoltageSweep):
        way = 1.0 if drive.end > drive.start else -1.0
        return VoltageSweep(drive.start + way * drive.rate * time, drive.end, drive.rate)
    return drive


def _check(drive: Drive, duration: float, stops: Sequence[Stop]) -> None:
    """Refuse what has no physical meaning.

    Raises:
        ValueError: in words.
    """
    if not duration >= 0.0:
        raise ValueError(f"wanted a duration of 0 s or more, found {duration} s")
    _check_stops(stops)
    if type(drive) is not Current or not abs(drive.current) <= LARGEST:
        _check_drive(drive, duration, stops)


def _check_drive(drive: Drive, duration: float, stops: Sequence[Stop]) -> None:
    for number in drive.numbers():
        if number is not None and not abs(number) <= LARGEST:
            raise ValueError(f"wanted finite numbers up to {LARGEST:g} in a drive, found {drive}")
    match drive:
        case Load(resistance=resistance) if resistance <= 0.0:
            raise ValueError(f"wanted a load above 0 ohm, found {resistance} ohm")
        case VoltageSweep(rate=rate) if rate <= 0.0:
            raise ValueError(f"wanted a sweep rate above 0 V/s, found {rate} V/s")
        case Voltage(most=most) if most is not None and most <= 0.0:
            raise ValueError(f"wanted a current limit above 0 A, found {most} A")
        case AtOpenCircuit() if duration == inf and not stops:
            raise ValueError("wanted an end for a rest, found an infinite duration and no stop")
        case _:
            pass


def _check_stops(stops: Sequence[Stop]) -> None:
    for stop in stops:
        if not isfinite(stop.value):
            raise ValueError(f"wanted finite values in the stops, found {stop}")

"""Turn a drive into pieces: the segment path."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite
from typing import Final

from labctl_simulators.cell.chemistry import Chemistry, Physics
from labctl_simulators.cell.drive import LARGEST, Current, Drive, Load, Power, Rest, Stop, Sweep, Voltage
from labctl_simulators.cell.held import Held
from labctl_simulators.cell.piece import Constant, End, Threshold
from labctl_simulators.cell.segment import Part, Segment, state_in
from labctl_simulators.cell.state import State
from labctl_simulators.cell.terminal import sweep_time

MOST: Final = 1_000_000
"""Most pieces of one segment at constant current."""
MOST_HELD: Final = 2000
"""Most pieces of one segment in which the current is solved for; a short that flickers for hours would need more."""


def impose(chemistry: Chemistry, state: State, drive: Drive, duration: float, stops: Sequence[Stop]) -> Segment:
    """Return the segment; see `Cell.segment`."""
    _check(drive, duration, stops)
    if isinstance(drive, Sweep):
        duration = min(duration, sweep_time(drive))
    work = _Work(chemistry, state, drive, duration, stops)
    work.run()
    return Segment(work.origin, drive, work.time, work.stop, work.collapse, tuple(work.parts))


class _Work:
    """Build the parts of one segment, one after the other."""

    def __init__(
        self, chemistry: Chemistry, state: State, drive: Drive, duration: float, stops: Sequence[Stop]
    ) -> None:
        self.chemistry, self.drive, self.duration, self.stops = chemistry, drive, duration, stops
        self.origin = state
        self.parts: list[Part] = []
        self.time, self.up, self.down = 0.0, 0.0, 0.0
        self.stop: int | None = None
        self.collapse: str | None = None
        self.over = False

    def run(self) -> None:
        state = self.origin
        match self.drive:
            case Current(current=current):
                current = float(current)
                self._steady(self._turned(state, current), current)
            case Rest() | Power(power=0.0):
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

    def _turned(self, state: State, current: float) -> State:
        direction = int(current > 0.0) - int(current < 0.0)
        if direction in (0, state.direction):
            return state
        slow, level = self.chemistry.turn(state.slow, state.level, direction)
        turned = state.turned(slow, level, direction)
        if not self.parts:
            self.origin = turned
        return turned

    def _physics(self, state: State) -> Physics:
        return self.chemistry.physics_of(state)

    def _steady(self, state: State, current: float, extra: Sequence[Stop] = ()) -> State:
        """Add pieces at constant current until the segment is over, or `extra` is met."""
        while not self._done(MOST):
            physics = self._physics(state)
            if physics.leak:
                return self._leaking(state, current, extra)
            piece = Constant(physics, state.memory, state.level, current, state.warm)
            change = physics.change(current)
            end = self._constant_end(piece, min(self.duration - self.time, change), extra)
            self._add(piece, state, end)
            if end.time < change and not (extra and end.stop == _REACHED):
                self.over = True
            if self.over:
                break
            state = self._state()
            if extra and end.stop == _REACHED:
                break
        return state

    def _constant_end(self, piece: Constant, limit: float, extra: Sequence[Stop]) -> End:
        if not extra and not self.stops:
            return piece.end((), limit)
        best, thresholds = End(limit), []
        size = abs(piece.current)
        for stop in (*extra, *self.stops):
            match stop.quantity:
                case "voltage":
                    thresholds.append(Threshold(stop.value, stop.above, stop.number))
                case "power" if size > 0.0:
                    thresholds.append(Threshold(stop.value / size, stop.above, stop.number, magnitude=True))
                case _:
                    when = self._when(stop, size)
                    if when < best.time or (when == best.time and best.stop is None):
                        best = End(when, stop.number)
        found = piece.end(thresholds, best.time)
        return best if best.stop is not None and found.time >= best.time and found.stop is None else found

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

    def _limited(self, state: State, drive: Voltage, most: float) -> None:
        """Hold a voltage with a current limit: the limit's current first, where the cell would draw more."""
        if state.hold is not None and state.hold.drive == drive:
            self._hold(state)
            return
        physics = self._physics(state)
        probe = Held(physics, state, drive)
        draws = float(probe.demand.current(probe.first, 0.0)) if probe.failed is None else inf
        if abs(draws) <= most:
            self._hold(state)
            return
        rest = Constant(physics, state.memory, state.level, 0.0).voltage_at(0.0)
        current = most if drive.voltage > rest else -most
        reached = Stop("voltage", drive.voltage > rest, drive.voltage, _REACHED)
        after = self._steady(self._turned(state, current), current, (reached,))
        if not self.over and self.time < self.duration:
            self._hold(after)

    def _hold(self, state: State) -> None:
        """Add a held piece, going on with the one that `state` is in where it is the same drive."""
        hold, skipped = state.hold, 0.0
        mesh: Sequence[float] = ()
        begin = state if hold is None else state.free()
        drive = self.drive
        if hold is not None and _continues(hold.drive, hold.elapsed, self.drive):
            begin, skipped, mesh, drive = hold.origin.warmed(state.warm), hold.elapsed, hold.mesh, hold.drive
        while not self._done(MOST_HELD):
            physics = self._physics(begin)
            piece = Held(physics, begin, drive, mesh)
            turned = self._turned(begin, piece.first) if not skipped else begin
            if turned is not begin:
                begin = turned
                physics = self._physics(begin)
                piece = Held(physics, begin, drive, mesh)
            if self._held(piece, physics, skipped):
                return
            begin, skipped, mesh = self._state().free(), 0.0, ()
            drive = _shifted(drive, physics.change(piece.first))

    def _leaking(self, state: State, current: float, extra: Sequence[Stop]) -> State:
        """Hold a constant current as a voltage is held: what leaks depends on the voltage. Stop where `extra` is met."""
        drive, stops = self.drive, self.stops
        self.drive, self.stops = Current(current) if current else Rest(), (*stops, *extra)
        self._hold(state)
        after = self._state()
        if extra and not self.over:
            self.drive, self.stops = drive, stops
        return after

    def _held(self, piece: Held, physics: Physics, skipped: float) -> bool:
        change = physics.change(piece.first)
        limit = min(self.duration - self.time + skipped, change)
        stops = [self._shift(stop) for stop in self.stops]
        end = piece.end(stops, skipped, limit)
        passed = min(end.time - skipped, self.duration - self.time)  # of a long hold the difference is rounded
        self._add(piece, piece.origin, End(passed, end.stop, end.collapse), skipped)
        reached = end.stop == _REACHED
        self.over = self.over or (end.time < change and not reached)
        return self.over or reached

    def _shift(self, stop: Stop) -> Stop:
        """Return a stop that counts from this piece on."""
        if stop.quantity == "time":
            return stop._replace(value=stop.value - self.time)
        return stop

    def _add(self, piece: Constant | Held, state: State, end: End, skipped: float = 0.0) -> None:
        self.parts.append(Part(self.time, piece, state.slow, self.up, self.down, skipped))
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

    def _state(self) -> State:
        return state_in(self.origin, self.parts[-1], self.time)


_REACHED: Final = -(2**62)


def _continues(old: Drive, elapsed: float, new: Drive) -> bool:
    if isinstance(old, Sweep) and isinstance(new, Sweep):
        past = old.start + (elapsed * old.rate if old.end > old.start else -elapsed * old.rate)
        return old == new or ((old.end, old.rate) == (new.end, new.rate) and abs(past - new.start) <= 1e-9)
    return old == new


def _shifted(drive: Drive, time: float) -> Drive:
    """Return the drive that goes on `time` s later."""
    if isinstance(drive, Sweep):
        way = 1.0 if drive.end > drive.start else -1.0
        return replace(drive, start=drive.start + way * drive.rate * time)
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
    for name in drive.__slots__:
        number = getattr(drive, name)
        if number is not None and not abs(number) <= LARGEST:
            raise ValueError(f"wanted finite numbers up to {LARGEST:g} in a drive, found {drive}")
    match drive:
        case Load(resistance=resistance) if resistance <= 0.0:
            raise ValueError(f"wanted a load above 0 ohm, found {resistance} ohm")
        case Sweep(rate=rate) if rate <= 0.0:
            raise ValueError(f"wanted a sweep rate above 0 V/s, found {rate} V/s")
        case Voltage(most=most) if most is not None and most <= 0.0:
            raise ValueError(f"wanted a current limit above 0 A, found {most} A")
        case Rest() if duration == inf and not stops:
            raise ValueError("wanted an end for a rest, found an infinite duration and no stop")
        case _:
            pass


def _check_stops(stops: Sequence[Stop]) -> None:
    for stop in stops:
        if not isfinite(stop.value):
            raise ValueError(f"wanted finite values in the stops, found {stop}")

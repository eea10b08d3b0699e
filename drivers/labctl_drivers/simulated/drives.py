"""A program step as pieces of the cell's life: what drives it, for how long, under which outer conditions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from labctl import driver
from labctl.driver import Bounds, Mode, ProgramStep, Threshold
from labctl_simulators.cell import AtOpenCircuit, CellState, Current, Drive, Load, Power, Stop, Voltage, VoltageSweep

LONGEST = 3.2e7  # s, a year: what a piece lasts that nothing else ends; the next one goes on from there
STROKE = 1.0  # s that the simulated stage takes for one bend
RAMP = 1.0 / 30.0  # K/s of the simulated chamber
PER_POINT = 0.1  # s that a frequency takes at least, and
PERIODS = 3.0  # periods of it
ROUND = 180.0  # degrees of a bend that gives its radius alone: the cell lies around a rod
EDGE = -3  # number of the stop at which a profile is clipped
NOT_WAITED_FOR = 1e3  # K from a temperature that is near enough at once: a table of temperatures goes on by its times


@dataclass(frozen=True, slots=True)
class TimedDrive:
    """One piece: a drive for at most `duration` s, beginning with what changes outside (K, degrees, m; None leaves it)."""

    drive: Drive
    duration: float = LONGEST
    temperature: float | None = None
    angle: float | None = None
    radius: float | None = None

    def outside(self, state: CellState) -> CellState:
        """Return the cell under what changes outside as the piece begins."""
        if self.temperature is None and self.angle is None and self.radius is None:
            return state
        return state.at(temperature=self.temperature, angle=self.angle, radius=self.radius)


def words(step: ProgramStep, number: int) -> str:
    """Return an end of a step in words, "" where it has none of that number."""
    for end in step.ends:
        if end.number == number:
            return f"{end.quantity} {'above' if end.above else 'below'} {end.value:g}"
    return ""


def parts(mode: Mode, temperature: float) -> tuple[TimedDrive, ...]:
    """Return the pieces of a step in order; `temperature` is the cell's at its begin, K."""
    match mode:
        case driver.Profile():
            return tuple(_profile(mode))
        case driver.Spectrum():
            return (TimedDrive(_bias(mode), sum(durations(mode))),)
        case driver.Bend():
            angle = ROUND if mode.angle is None else math.degrees(mode.angle)
            radius = math.inf if mode.radius is None else mode.radius  # at the radius at which the model knows bends
            return TimedDrive(AtOpenCircuit(), STROKE * mode.times), TimedDrive(
                AtOpenCircuit(), STROKE, None, angle, radius
            )
        case driver.Chamber():
            return tuple(_ramp(mode, temperature))
        case _:
            return (TimedDrive(_simple(mode)),)


def _simple(mode: Mode) -> Drive:
    match mode:
        case driver.Galvanostatic(current):
            return Current(current)
        case driver.Potentiostatic(voltage, most):
            return Voltage(voltage, most)
        case driver.ConstantPower(power):
            return Power(power)
        case driver.ConstantLoad(resistance):
            return Load(resistance)
        case driver.Sweep(start, end, rate):
            return VoltageSweep(start, end, rate)
        case _:
            return AtOpenCircuit()


def _profile(mode: driver.Profile) -> Iterator[TimedDrive]:
    for value, begin, end in zip(mode.values, mode.times, mode.times[1:], strict=False):
        yield TimedDrive(_set_point(mode, value), end - begin)


def _set_point(mode: driver.Profile, value: float) -> Drive:
    match mode.quantity:
        case "current":
            return Current(value)
        case "power":
            return Power(value)
        case "voltage":
            return Voltage(value, mode.most)


def edges(mode: Mode, drive: Drive) -> list[Stop]:
    """Return the voltage at which a profile's set-point is held instead of going on beyond, if it drives towards one."""
    if not isinstance(mode, driver.Profile) or mode.clip is None:
        return []
    value = _asked(drive)
    return [Stop("voltage", above=value > 0.0, value=mode.clip[value > 0.0], number=EDGE)] if value else []


def _asked(drive: Drive) -> float:
    """Return the current or power that is asked for, A or W; 0 of any other drive."""
    return drive.current if isinstance(drive, Current) else drive.power if isinstance(drive, Power) else 0.0


def held_at(mode: driver.Profile, drive: Drive) -> Drive:
    """Return the hold of the edge towards which a set-point drives: it draws at most what the set-point asks for there."""
    value = _asked(drive)
    assert mode.clip is not None
    edge = mode.clip[value > 0.0]
    most = abs(value) if isinstance(drive, Current) else abs(value / edge) if edge else None
    return Voltage(edge, most)


def _bias(mode: driver.Spectrum) -> Drive:
    if mode.bias is None:
        return AtOpenCircuit()
    return Voltage(mode.bias) if mode.potentiostatic else Current(mode.bias)


def _ramp(mode: driver.Chamber, temperature: float) -> Iterator[TimedDrive]:
    way, left = mode.temperature - temperature, mode.soak
    waits = mode.within < NOT_WAITED_FOR
    for step in range(1, int(abs(way)) + 1):
        span = 1.0 / RAMP if waits else min(1.0 / RAMP, left)
        if span <= 0.0:
            return
        yield TimedDrive(AtOpenCircuit(), span, temperature + math.copysign(step, way))
        left -= 0.0 if waits else span
    if waits or left > 0.0:
        yield TimedDrive(AtOpenCircuit(), max(1.0, left) if waits else left, mode.temperature)


def durations(mode: driver.Spectrum) -> tuple[float, ...]:
    """Return how long each frequency of a spectrum takes, s."""
    return tuple(max(PER_POINT, PERIODS / frequency) for frequency in mode.frequencies)


def timed(step: ProgramStep) -> Threshold | None:
    """Return the earliest end by time, or None."""
    ends = [end for end in step.ends if end.quantity == "time" and end.above]
    return min(ends, key=lambda end: end.value, default=None)


def goes_on(part: TimedDrive, passed: float) -> bool:
    """Return whether a part that has lasted `passed` s was cut for its length alone, so that another piece goes on."""
    return part.duration == LONGEST and passed >= LONGEST * (1 - 1e-12)


def stops(step: ProgramStep, passed: float) -> list[Stop]:
    """Return the ends of a step that are not time, for a piece that begins when `passed` C have flowed, a magnitude."""
    return [
        Stop(end.quantity, end.above, end.value - (passed if end.quantity == "charge" else 0.0), end.number)
        for end in step.ends
        if end.quantity != "time"
    ]


def fences(bounds: Bounds, margin: float) -> list[Stop]:
    """Return where a limit is just broken by more than `margin` volts, numbered below zero: a row is wanted there."""
    if bounds.voltage is None:
        return []
    low, high = bounds.voltage
    limits = [Stop("voltage", above=True, value=high + margin, number=-1)] if math.isfinite(high) else []
    return limits + ([Stop("voltage", above=False, value=low - margin, number=-2)] if math.isfinite(low) else [])

"""A program step as pieces of the cell's life: what drives it, for how long, under which outer conditions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from labctl import driver
from labctl.driver import Bounds, Mode, ProgramStep, Threshold
from labctl_simulators.cell import Current, Drive, Load, Power, Rest, Stop, Sweep, Voltage

LONGEST = 3.2e7  # s, a year: what a piece lasts that nothing else ends
STROKE = 1.0  # s that the simulated stage takes for one bend
RAMP = 1.0 / 30.0  # K/s of the simulated chamber
PER_POINT = 0.1  # s that a frequency takes at least, and
PERIODS = 3.0  # periods of it


@dataclass(frozen=True, slots=True)
class Part:
    """One piece: a drive for at most `duration` s, beginning with what changes outside (K, degrees, m; None leaves it)."""

    drive: Drive
    duration: float = LONGEST
    temperature: float | None = None
    angle: float | None = None
    radius: float | None = None


def parts(mode: Mode, temperature: float) -> tuple[Part, ...]:
    """Return the pieces of a step in order; `temperature` is the cell's at its begin, K."""
    match mode:
        case driver.Profile():
            return tuple(_profile(mode))
        case driver.Spectrum():
            return (Part(_bias(mode), sum(durations(mode))),)
        case driver.Bend():
            angle = None if mode.angle is None else math.degrees(mode.angle)
            return Part(Rest(), STROKE * mode.times), Part(Rest(), STROKE, None, angle, mode.radius)
        case driver.Chamber():
            return tuple(_ramp(mode, temperature))
        case _:
            return (Part(_simple(mode)),)


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
            return Sweep(start, end, rate)
        case _:
            return Rest()


def _profile(mode: driver.Profile) -> Iterator[Part]:
    make = Current if mode.quantity == "current" else Power
    for value, begin, end in zip(mode.values, mode.times, mode.times[1:], strict=False):
        yield Part(make(value), end - begin)


def _bias(mode: driver.Spectrum) -> Drive:
    if mode.bias is None:
        return Rest()
    return Voltage(mode.bias) if mode.potentiostatic else Current(mode.bias)


def _ramp(mode: driver.Chamber, temperature: float) -> Iterator[Part]:
    way = mode.temperature - temperature
    for step in range(1, int(abs(way)) + 1):
        yield Part(Rest(), 1.0 / RAMP, temperature + math.copysign(step, way))
    yield Part(Rest(), max(1.0, mode.soak), mode.temperature)


def durations(mode: driver.Spectrum) -> tuple[float, ...]:
    """Return how long each frequency of a spectrum takes, s."""
    return tuple(max(PER_POINT, PERIODS / frequency) for frequency in mode.frequencies)


def timed(step: ProgramStep) -> Threshold | None:
    """Return the earliest end by time, or None."""
    ends = [end for end in step.ends if end.quantity == "time" and end.above]
    return min(ends, key=lambda end: end.value, default=None)


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
    found = [Stop("voltage", above=True, value=high + margin, number=-1)] if math.isfinite(high) else []
    return found + ([Stop("voltage", above=False, value=low - margin, number=-2)] if math.isfinite(low) else [])

"""Charge while nobody was reading: between bounds that follow from what was set, and never a number.

Between two good readings charge is exact. From the last one until the output was off for sure, or is read again, the current
was at most what the set-point and the limits allow; the instrument's own limits may have switched it off at any moment.
"""

from dataclasses import replace
from typing import Final

from labctl.driver import (
    Bounds,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Profile,
    Spectrum,
)
from labctl.engine.input import Gap
from labctl.engine.state import State
from labctl.engine.state_builder import StateBuilder
from labctl.plan.index import index
from labctl.plan.program import mode_for
from labctl.plan.step import Line, Plan

SECONDS_PER_HOUR: Final = 3600.0
AT_OPEN_CIRCUIT: Final = frozenset({"Rest", "Bend", "Chamber"})


def count_unseen(builder: StateBuilder, gap: Gap) -> tuple[float, float]:
    """Add the charge that may have passed in an outage to the run's interval; return its bounds beyond the counters, Ah.

    Args:
        builder: As it stood at the last reading.
        gap: The outage.
    """
    if gap.on_until is None:
        return 0.0, 0.0
    seconds = max(gap.on_until - builder.time, 0.0)
    most = seconds * most_current(builder) / SECONDS_PER_HOUR
    counted = _counted(builder, gap)
    low, high = (-counted if counted else 0.0), max(most - counted, 0.0)
    blind = builder.blind
    next_step = (
        builder.phase == "leaving" and builder.leaving is not None and not builder.leaving.probe and seconds > 0.0
    )
    if next_step and builder.leaving is not None and not builder.leaving.goes_on:
        blind = replace(blind, next_ah=blind.next_ah + high, next_second=blind.next_second + seconds)
    builder.blind = replace(blind, low_ah=blind.low_ah + low, high_ah=blind.high_ah + high)
    return low, high


def _counted(builder: StateBuilder, gap: Gap) -> float:
    """Return what the counters of a gap have gained over those of the last row, Ah."""
    last = builder.last
    charging = 0.0 if gap.charging_ah is None else max(gap.charging_ah - last.charging_ah, 0.0)
    discharging = 0.0 if gap.discharging_ah is None else max(gap.discharging_ah - last.discharging_ah, 0.0)
    return charging + discharging


def at_open_circuit(plan: Plan, state: State | StateBuilder) -> bool:
    """Tell whether the step that is being done passes no current: a rest, or a look at the open circuit before a step."""
    if state.phase != "running" or state.step is None:
        return False
    line = index(plan).lines[state.step.line]
    return state.step.probe or line.mode in AT_OPEN_CIRCUIT or not line.energises


def most_current(builder: StateBuilder) -> float:
    """Return the largest current that may have flowed since the last reading, A: of every line that may have been done."""
    numbers = {number for number in builder.held.lines if number} if builder.phase == "running" else set()
    if builder.step is not None and builder.step.resumed is not None and not builder.step.probe:
        numbers.add(builder.step.line)
    if builder.phase == "leaving" and builder.leaving is not None and not builder.leaving.probe and builder.line:
        numbers.add(builder.line)
    if builder.step is not None and builder.step.probe and builder.phase == "running":
        numbers = set()
    lines = [builder.index.lines[number] for number in sorted(numbers)]
    most = max((most_of(builder, line) for line in lines), default=0.0)
    return most + builder.plan.accuracy[1] if most else 0.0


def most_of(builder: StateBuilder, line: Line) -> float:
    """Return the largest current that a line may pass, A: by its set-point, within its limits."""
    if line.mode in AT_OPEN_CIRCUIT or not line.energises:
        return 0.0
    seen = abs(builder.last.current or 0.0)
    limit = _largest(line.bounds.current)
    asked = _asked(mode_for(line, builder.passes, builder.ocv), line.bounds)
    known = [each for each in (limit, asked) if each is not None]
    return max(min(known, default=seen), seen)


def _largest(within: tuple[float, float] | None) -> float | None:
    return None if within is None else max(abs(within[0]), abs(within[1]))


def _asked(mode: Mode, bounds: Bounds) -> float | None:
    """Return the largest current that a set-point asks for, A; None where only a limit bounds it."""
    low, high = bounds.voltage or (0.0, 0.0)
    match mode:
        case Galvanostatic(current):
            return abs(current)
        case Potentiostatic(_, most):
            return most
        case ConstantPower(power):
            return abs(power) / low if low > 0.0 else None
        case ConstantLoad(resistance):
            return max(abs(low), abs(high)) / resistance if high else None
        case Profile(_, values, "current"):
            return max(map(abs, values))
        case Profile(_, values, "power"):
            return max(map(abs, values)) / low if low > 0.0 else None
        case Profile(most=most):
            return most
        case Spectrum(_, amplitude, False, bias):
            return abs(bias or 0.0) + abs(amplitude)
    return None

"""Rows of which none can matter: strictly inside the watch, they change the sums and nothing else."""

from typing import Final

import numpy as np

from labctl.engine.input import Outcome
from labctl.engine.memory import Bad
from labctl.engine.prepared import INFINITE, prepared_of
from labctl.engine.state import State
from labctl.engine.sums import FEW, Lists, counters, few_summed, listed, summed
from labctl.engine.watch import FAR, Box, watch
from labctl.engine.work import Work, with_last
from labctl.plan.step import Plan
from labctl.sample import Batch

_SOUND: Final = Bad()


def take_quiet(plan: Plan, state: State, batch: Batch) -> Outcome | None:
    """Return the outcome of rows that all lie inside the watch, or None if a row may not or there is more to keep.

    The sums are all that such rows change.
    """
    step = state.step
    if state.bad != _SOUND or (step is not None and (step.first_voltage is None or step.outside != 0)):
        return None
    if not len(batch) or (batch.quality is not None and batch.quality.any()):
        return None
    if strayed(state, batch) or prepared_of(plan, state).sees_shorts:
        return None
    box = watch(plan, state)
    if len(batch) > FEW:
        if not inside(box, batch, state.last.time):
            return None
        return Outcome(with_last(state, summed(state.last, batch)), len(batch))
    columns = listed(batch)
    if not few_inside(box, columns, state.last.time):
        return None
    return Outcome(with_last(state, few_summed(state.last, columns)), len(batch))


def few_inside(box: Box, columns: Lists, after: float) -> bool:
    """Do what `inside` does, for so few rows that plain floats are quicker."""
    times, voltages, currents, charging, discharging, warm = columns
    # a sum with a NaN in it is one, and then no comparison of it is true: min and max alone may step over a NaN
    sound = abs(sum(times) + sum(voltages) + sum(currents) + sum(charging) + sum(discharging) + sum(warm)) < INFINITE
    return (
        sound
        and max(times) < box.deadline
        and min(times) >= after
        and box.voltage[0] < min(voltages)
        and max(voltages) < box.voltage[1]
        and box.current[0] < min(currents)
        and max(currents) < box.current[1]
        and max(charging) < box.charging_ah[1]
        and max(discharging) < box.discharging_ah[1]
        and (box.temperature[0] < min(warm) and max(warm) < box.temperature[1] if warm else _no_matter(box))
    )


def _no_matter(box: Box) -> bool:
    """Tell whether a box leaves temperature free."""
    return box.temperature == (-FAR, FAR)


def inside(box: Box, batch: Batch, after: float) -> bool:
    """Tell whether all rows lie strictly inside a box and none before a run time; what is not a number does not."""
    charging, discharging = counters(batch)
    least, most = np.minimum.reduce, np.maximum.reduce
    found = (
        most(batch.time) < box.deadline
        and least(batch.time) >= after
        and box.voltage[0] < least(batch.voltage)
        and most(batch.voltage) < box.voltage[1]
        and box.current[0] < least(batch.current)
        and most(batch.current) < box.current[1]
        and most(charging) < box.charging_ah[1]
        and most(discharging) < box.discharging_ah[1]
    )
    if not found or batch.temperature_celsius is None:
        return bool(found) and (batch.temperature_celsius is not None or _no_matter(box))
    low, high = box.temperature
    return bool(low < least(batch.temperature_celsius) and most(batch.temperature_celsius) < high)


def strayed(state: State | Work, batch: Batch) -> bool:
    """Tell whether rows are of another step than the one that the program should be at."""
    return state.phase == "running" and batch.step != state.held.at and len(state.held.lines) > 1

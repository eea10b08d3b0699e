"""Rows strictly inside the watch: they change the counters and nothing else, so they are taken without a fold."""

from typing import Final

import numpy as np

from labctl.engine.state import Outcome, State
from labctl.engine.state_builder import StateBuilder, with_last
from labctl.engine.state_parts import Bad
from labctl.engine.step_rules import INFINITE, prepared_of
from labctl.engine.sums import FEW, Lists, counters, few_summed, listed, summed
from labctl.engine.watch import FAR, Box, watch
from labctl.plan.step import Plan
from labctl.sample import Batch

_SOUND: Final = Bad()


def take_quiet(plan: Plan, state: State, batch: Batch) -> Outcome | None:
    """Return the outcome of rows that all lie inside the watch, or None if a row may not or there is more to keep.

    The sums are all that such rows change.
    """
    if not _only_sums(plan, state, batch):
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


def quiet_count(plan: Plan, state: State, batch: Batch) -> int:
    """Return how many rows, from the first on, `take_quiet` would take: they change nothing but the sums.

    The rows carry all counters, energies included, so that the sums after any of them are what stands in that row.
    """
    warm, put_in, taken_out = batch.temperature_celsius, batch.charging_wh, batch.discharging_wh
    if put_in is None or taken_out is None or batch.auxiliary or not _only_sums(plan, state, batch):
        return 0
    box = watch(plan, state)
    charging, discharging = counters(batch)
    quiet = (batch.time < box.deadline) & (batch.time >= state.last.time)
    for column, (low, high) in ((batch.voltage, box.voltage), (batch.current, box.current)):
        quiet &= (low < column) & (column < high)
    quiet &= (charging < box.charging_ah[1]) & (discharging < box.discharging_ah[1])
    quiet &= np.isfinite(charging + discharging + put_in + taken_out)
    if warm is not None:
        quiet &= (box.temperature[0] < warm) & (warm < box.temperature[1])
    elif not _no_matter(box):
        return 0
    return len(batch) if quiet.all() else int(quiet.argmin())


def quiet_box(plan: Plan, state: State, step: int) -> Box | None:
    """Return the box inside which good rows change nothing but the sums, None where each must be folded.

    They are at or after the last row, carry all counters, energies included, and no temperature.

    Args:
        plan: Of the run.
        state: Before them.
        step: Of the program that runs, to which they belong.
    """
    if not _counts_nothing(state) or _strays(state, step) or prepared_of(plan, state).sees_shorts:
        return None
    box = watch(plan, state)
    return box if _no_matter(box) else None


def _only_sums(plan: Plan, state: State, batch: Batch) -> bool:
    """Tell whether rows inside the watch change nothing but the sums."""
    if not len(batch) or (batch.quality is not None and batch.quality.any()) or not _counts_nothing(state):
        return False
    return not strayed(state, batch) and not prepared_of(plan, state).sees_shorts


def _counts_nothing(state: State) -> bool:
    """Tell whether no count of rows or moments goes on in a state."""
    step = state.step
    if (
        state.bad != _SOUND
        or state.over is not None
        or any(since is not None for since in state.dwells)
        or (step is not None and (step.first_voltage is None or step.outside != 0))
    ):
        return False
    # rows that come late are time of the open step
    return step is None or state.phase not in {"asking", "paused"} or not _acts_alone(state)


def _acts_alone(state: State) -> bool:
    """Tell whether the instrument runs and records by itself."""
    return state.capabilities.records and state.capabilities.energises


def few_inside(box: Box, columns: Lists, after: float) -> bool:
    """Tell the same as `inside`, for so few rows that plain floats are quicker than arrays."""
    times, voltages, currents, charging, discharging, warm, energies = columns
    # a sum with a NaN in it is one, and then no comparison of it is true: min and max alone may step over a NaN
    sound = (
        abs(sum(times) + sum(voltages) + sum(currents) + sum(charging) + sum(discharging) + sum(warm) + sum(energies))
        < INFINITE
    )
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
    strictly = (
        most(batch.time) < box.deadline
        and least(batch.time) >= after
        and box.voltage[0] < least(batch.voltage)
        and most(batch.voltage) < box.voltage[1]
        and box.current[0] < least(batch.current)
        and most(batch.current) < box.current[1]
        and most(charging) < box.charging_ah[1]
        and most(discharging) < box.discharging_ah[1]
    )
    if not strictly or batch.temperature_celsius is None:
        return bool(strictly) and (batch.temperature_celsius is not None or _no_matter(box))
    low, high = box.temperature
    return bool(low < least(batch.temperature_celsius) and most(batch.temperature_celsius) < high)


def strayed(state: State | StateBuilder, batch: Batch) -> bool:
    """Tell whether rows are of another step than the one that the program should be at."""
    return _strays(state, batch.step)


def _strays(state: State | StateBuilder, step: int) -> bool:
    return state.phase == "running" and step != state.held.at and len(state.held.lines) > 1

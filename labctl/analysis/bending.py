"""Capacity in each bending state."""

import itertools
from collections.abc import Mapping

import numpy as np

from labctl.analysis.capacity import counted, scales
from labctl.analysis.complete import DRIVEN, NO_CYCLE, cycles_left_out, galvanostatic_cycles
from labctl.analysis.complete import counted as numbered
from labctl.analysis.run_record import Analysis, Figure, Mask, RunRecord
from labctl.engine.cycle import NOTHING
from labctl.sample import Floats


def analyse_bending(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the mean capacity in every state in the order of the run, and the largest change against the first state.

    A state is an angle and a radius, whichever the stage or the person set; there is no settled standard, so both are kept, and
    what was not set is not known rather than 0. Only complete cycles count, and no first ones in which next to nothing passed.
    A cycle is of the state in which it was last driven: the bend that follows it keeps its number.

    Raises:
        ValueError: Nothing was bent.
    """
    del options
    steps = record.steps
    driven = np.isin(np.asarray(steps["step_type"], dtype=object), DRIVEN)
    cycle_of_step = np.where(driven, np.asarray(steps["cycle_count"], dtype=np.int64), -1)
    angle = np.asarray(steps["bend_angle_degree"], dtype=float)
    radius = np.asarray(steps["bend_radius_meter"], dtype=float)
    _, capacity = counted(record)
    taken = galvanostatic_cycles(record)
    out = cycles_left_out(record, taken)
    if empty := _empty_at_first(capacity, taken):
        numbers = np.asarray(record.cycles["cycle_count"], dtype=np.int64)[empty]
        taken[empty] = False
        out = (
            *out,
            f"{numbered('cycle', numbers.tolist())} left out: next to nothing passed, before a cell was charged once",
        )
    states: list[tuple[tuple[float, float], list[float]]] = []
    for at, cycle in enumerate(np.asarray(record.cycles["cycle_count"], dtype=np.int64)):
        mine = np.flatnonzero(cycle_of_step == cycle)
        if not len(mine) or not taken[at] or not np.isfinite(capacity[at]):
            continue
        state = (float(angle[mine[-1]]), float(radius[mine[-1]]))
        if not states or not np.array_equal(states[-1][0], state, equal_nan=True):
            states.append((state, []))
        states[-1][1].append(float(capacity[at]))
    if not np.isfinite(np.concatenate([angle, radius])).any():
        raise ValueError("a bending series needs states: bend: {angle: 90 deg} before each block of cycles")
    if not states:
        return Analysis("bending", flags=(NO_CYCLE, *out))
    unit, factor = list(scales(record.cell).items())[-1]
    means = np.array([np.mean(values) for _, values in states]) * factor
    change = 100 * (means / means[0] - 1) if means[0] else np.full(len(means), np.nan)
    given = {
        "angle / deg": tuple(state[0] for state, _ in states),
        "radius / mm": tuple(1e3 * state[1] for state, _ in states),
    }
    table: dict[str, tuple[float | int | str, ...]] = {
        **{name: column for name, column in given.items() if np.isfinite(column).any()},
        f"mean capacity / {unit}": tuple(means.tolist()),
        "change / %": tuple(change.tolist()),
        "cycles": tuple(len(values) for _, values in states),
    }
    worst = Figure("largest change of capacity", float(change[np.argmax(np.abs(change))]), "%")
    return Analysis("bending", (Figure("capacity, first state", float(means[0]), unit), worst), table, out)


def _empty_at_first(capacity: Floats, taken: Mask) -> list[int]:
    """Return the places of the first cycles that passed less than a hundredth of the largest, as of a cell assembled discharged."""
    places = [int(at) for at in np.flatnonzero(taken & np.isfinite(capacity))]
    largest = max((float(capacity[at]) for at in places), default=0.0)
    return list(itertools.takewhile(lambda at: float(capacity[at]) < NOTHING * largest, places))

"""The rate table: capacity at each current, and what comes back at the first one."""

from collections.abc import Mapping

import numpy as np

from labctl.analysis.capacity import FORMATION, counted, scales
from labctl.analysis.record import Analysis, Figure, Integers, Mask, Record
from labctl.sample import SECONDS_PER_HOUR, Floats

SAME = 0.02  # relative difference of mean currents that still counts as one rate


def analyse_rate(record: Record, options: Mapping[str, str]) -> Analysis:
    """Tell mean and standard deviation of the capacity at each rate, over the last `last` cycles of each (default 3).

    The rate of a cycle is the current of its counted half-cycle where it is constant: the charge of the step over its time.
    Recovery is the mean capacity of the last group over that of the first, where both have the same rate.
    """
    last = int(options.get("last", "3"))
    _, capacity = counted(record)
    currents = cycle_currents(record)
    wanted = np.asarray(record.cycles["kind"], dtype=object) != FORMATION
    count = np.asarray(record.cycles["cycle_count"], dtype=int)
    groups = grouped(currents, wanted & np.isfinite(currents) & np.isfinite(capacity))  # not the running cycle
    if not groups:
        return Analysis("rate", flags=("no cycle with a constant-current half-cycle",))
    unit, factor = (
        list(scales(record.cell).items())[-1]
        if not record.cell.active_mass
        else ("mAh/g", scales(record.cell)["mAh/g"])
    )
    rows = [(float(np.mean(currents[group])), capacity[group][-last:] * factor, group) for group in groups]
    table: dict[str, tuple[float | int | str, ...]] = {
        "current / mA": tuple(current * 1e3 for current, _, _ in rows),
        f"mean capacity / {unit}": tuple(float(np.mean(values)) for _, values, _ in rows),
        f"standard deviation / {unit}": tuple(
            float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for _, values, _ in rows
        ),
        "first cycle": tuple(int(count[group[0]]) for _, _, group in rows),
        "cycles": tuple(len(group) for _, _, group in rows),
    }
    if record.cell.nominal:
        one = record.cell.nominal / SECONDS_PER_HOUR
        table = {"rate / C": tuple(current / one for current, _, _ in rows), **table}
    return Analysis("rate", rate_figures(rows, unit), table)


def rate_figures(rows: list[tuple[float, Floats, Integers]], unit: str) -> tuple[Figure, ...]:
    """Return the capacity at the lowest and the highest current, and the recovery."""
    means = [(current, float(np.mean(values))) for current, values, _ in rows]
    lowest, highest = min(means), max(means)
    figures = [
        Figure("capacity at the lowest rate", lowest[1], unit),
        Figure("capacity at the highest rate", highest[1], unit),
    ]
    if len(means) > 1 and abs(means[-1][0] / means[0][0] - 1) < SAME:
        figures.append(Figure("recovery", 100 * means[-1][1] / means[0][1], "%"))
    return tuple(figures)


def cycle_currents(record: Record) -> Floats:
    """Return the mean current in A of the longest galvanostatic counted half-cycle of every cycle, NaN without one."""
    side = counted(record)[0]
    steps = record.steps
    step_cycle = np.asarray(steps["cycle_count"], dtype=int)
    charge = np.asarray(steps[f"{side}_capacity_ah"], dtype=float)
    seconds = np.asarray(steps["step_time_second"], dtype=float)
    verbs = np.asarray(steps["step_type"], dtype=object)
    galvanostatic = np.isin(verbs, ["charge", "discharge", "strip", "plate"]) & (charge > 0) & (seconds > 0)
    found = np.full(len(record.cycles["cycle_count"]), np.nan)
    for at, cycle in enumerate(np.asarray(record.cycles["cycle_count"], dtype=int)):
        mine = np.flatnonzero(galvanostatic & (step_cycle == cycle))
        if len(mine):
            best = mine[np.argmax(charge[mine])]
            found[at] = charge[best] * SECONDS_PER_HOUR / seconds[best]
    return found


def grouped(values: Floats, wanted: Mask) -> list[Integers]:
    """Return positions of runs of neighbouring wanted values that are equal within `SAME`."""
    groups: list[list[int]] = []
    for at in np.flatnonzero(wanted):
        if groups and groups[-1][-1] == at - 1 and abs(values[at] / values[groups[-1][0]] - 1) < SAME:
            groups[-1].append(int(at))
        else:
            groups.append([int(at)])
    return [np.array(group) for group in groups]

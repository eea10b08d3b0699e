"""The rate table: capacity at each current, and what comes back at the first one."""

from collections.abc import Mapping

import numpy as np

from labctl.analysis.capacity import FORMATION, counted, scales
from labctl.analysis.complete import DRIVEN, NO_CYCLE, cycles_left_out, galvanostatic_cycles
from labctl.analysis.digits import NOISE
from labctl.analysis.run_record import Analysis, Figure, Integers, Mask, RunRecord
from labctl.engine.cycle import SAME
from labctl.sample import SECONDS_PER_HOUR, Floats


def analyse_rate(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell mean and standard deviation of the capacity at each rate, over the last `last` complete cycles of each (default 3).

    The rate of a cycle is the current of its counted half-cycle where it is constant: the charge of the step over its time.
    Recovery is the mean capacity of the last group over that of the first, where both have the same rate.
    """
    last = int(options.get("last", "3"))
    _, capacity = counted(record)
    currents = cycle_currents(record)
    taken = galvanostatic_cycles(record)
    out = cycles_left_out(record, taken)
    wanted = taken & (np.asarray(record.cycles["kind"], dtype=object) != FORMATION)
    count = np.asarray(record.cycles["cycle_count"], dtype=int)
    groups = grouped(currents, wanted & np.isfinite(currents) & np.isfinite(capacity))
    if not groups:
        return Analysis("rate", flags=(NO_CYCLE, *out))
    unit, factor = (
        list(scales(record.cell).items())[-1]
        if not record.cell.active_mass
        else ("mAh/g", scales(record.cell)["mAh/g"])
    )
    rows = [(float(np.mean(currents[group])), capacity[group][-last:] * factor, group) for group in groups]
    table: dict[str, tuple[float | int | str, ...]] = {
        "current / mA": tuple(current * 1e3 for current, _, _ in rows),
        f"mean capacity / {unit}": tuple(float(np.mean(values)) for _, values, _ in rows),
        f"standard deviation / {unit}": tuple(deviation(values) for _, values, _ in rows),
        "first cycle": tuple(int(count[group[0]]) for _, _, group in rows),
        "cycles": tuple(len(group) for _, _, group in rows),
    }
    if record.cell.nominal:
        one = record.cell.nominal / SECONDS_PER_HOUR
        table = {"rate / C": tuple(current / one for current, _, _ in rows), **table}
    alone = () if len(rows) > 1 else ("all cycles are at one current: a rate test has several",)
    return Analysis("rate", rate_figures(rows, unit), table, (*alone, *out))


def deviation(values: Floats) -> float:
    """Return the standard deviation of some values, NaN of fewer than two; one of rounding alone is 0."""
    if len(values) < 2:
        return float("nan")
    spread = float(np.std(values, ddof=1))
    return spread if spread > NOISE * float(np.mean(np.abs(values))) else 0.0


def rate_figures(rows: list[tuple[float, Floats, Integers]], unit: str) -> tuple[Figure, ...]:
    """Return the capacity at the lowest and the highest current, each where it was done first, and the recovery."""
    means = [(current, float(np.mean(values))) for current, values, _ in rows]
    least, most = min(means)[0], max(means)[0]
    lowest = next(mean for mean in means if abs(mean[0] / least - 1) < SAME)
    highest = next(mean for mean in means if abs(mean[0] / most - 1) < SAME)
    figures = [
        Figure("capacity at the lowest rate", lowest[1], unit),
        Figure("capacity at the highest rate", highest[1], unit),
    ]
    if len(means) > 1 and abs(means[-1][0] / means[0][0] - 1) < SAME:
        figures.append(Figure("recovery", 100 * means[-1][1] / means[0][1], "%"))
    return tuple(figures)


def cycle_currents(record: RunRecord) -> Floats:
    """Return the current in A of the largest driven half-cycle that counts of every cycle, NaN where it was not constant.

    It was constant where the step's last current is its mean, charge over time, within `SAME`.
    """
    side = counted(record)[0]
    steps = record.steps
    step_cycle = np.asarray(steps["cycle_count"], dtype=int)
    charge = np.asarray(steps[f"{side}_capacity_ah"], dtype=float)
    seconds = np.asarray(steps["step_time_second"], dtype=float)
    verbs = np.asarray(steps["step_type"], dtype=object)
    galvanostatic = np.isin(verbs, DRIVEN) & (charge > 0) & (seconds > 0)
    best: dict[int, int] = {}
    for at in np.flatnonzero(galvanostatic).tolist():
        cycle = int(step_cycle[at])
        if cycle not in best or charge[at] > charge[best[cycle]]:
            best[cycle] = at
    currents = np.full(len(record.cycles["cycle_count"]), np.nan)
    unknown = np.full(len(charge), np.nan)  # runs that do not say are taken as they are
    last = np.abs(np.asarray(steps.get("last_current_ampere", unknown), dtype=float))
    for place, cycle in enumerate(np.asarray(record.cycles["cycle_count"], dtype=int).tolist()):
        if cycle in best:
            mean = charge[best[cycle]] * SECONDS_PER_HOUR / seconds[best[cycle]]
            constant = not abs(last[best[cycle]] / mean - 1) >= SAME
            currents[place] = mean if constant else np.nan
    return currents


def grouped(values: Floats, wanted: Mask) -> list[Integers]:
    """Return positions of runs of neighbouring wanted values that are equal within `SAME`."""
    groups: list[list[int]] = []
    for at in np.flatnonzero(wanted):
        if groups and groups[-1][-1] == at - 1 and abs(values[at] / values[groups[-1][0]] - 1) < SAME:
            groups[-1].append(int(at))
        else:
            groups.append([int(at)])
    return [np.array(group) for group in groups]

"""Capacity retention and cycle life: each cycle against a reference at its own rate, which is always named."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.capacity import FORMATION, counted
from labctl.analysis.complete import NO_CYCLE, cycles_left_out, galvanostatic_cycles
from labctl.analysis.complete import counted as numbered
from labctl.analysis.rate import cycle_currents
from labctl.analysis.run_record import Analysis, Column, Figure, Integers, Mask, RunRecord
from labctl.engine.cycle import NOTHING, SAME, SWEEPS
from labctl.sample import Floats

ALIKE: Final = 0.05  # by which cycles of one scan rate may differ in time
GAINED: Final = 105.0  # % of its reference above which a cycle says more of the reference than of itself
CONFIRMING: Final = 3  # cycles after the first below the limit, of which two confirm it


def analyse_retention(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell capacity retention, 100 Q_k / Q_reference, and the cycle life, over complete cycles at constant current.

    Options: `of` is `first` (the first cycle that is not formation, the default), `max`, or a cycle's number; `below` is the
    end of life in % (default 80). A cell has reached it at the first cycle that is below with at least two of the three
    that follow.

    Like is compared with like: `first` and `max` are those at the cycle's own current, and of a cycle's number only the cycles
    at its current count. A first cycle that passed less than a hundredth of a later one is no reference, and is left out. These
    are the rules by which the engine ends blocks and fills `cycles.retention` (`labctl.engine.cycle`). In a run that resumes
    another the reference is the earlier run's.
    """
    taken = galvanostatic_cycles(record)
    out = list(cycles_left_out(record, taken))
    chosen = taken & reference_cycles(record.cycles["kind"], taken) & np.isfinite(counted(record)[1])
    if not chosen.any():
        return Analysis("retention", flags=(NO_CYCLE, *out))
    out += _rates_of_sweeps(record, chosen)
    count = np.asarray(record.cycles["cycle_count"], dtype=int)[chosen]
    capacity, current = counted(record)[1][chosen], cycle_currents(record)[chosen]
    of = options.get("of", "first").removeprefix("cycle ")
    which = f"cycle {of}" if of.isdigit() else f"the {of} cycle"
    pool = Pool(*(np.concatenate(pair) for pair in zip(earlier(record), (count, capacity, current), strict=True)))
    base = np.array([reference(of, pool, *each) for each in zip(count, current, strict=True)], dtype=np.int64)
    alike = base >= 0
    alike[alike] &= pool.capacity[base[alike]] > 0
    if not alike.any():
        return Analysis("retention", flags=(f"no capacity to refer to in {which}", *out))
    empty = ~alike & (capacity < NOTHING * np.max(pool.capacity))
    if empty.any():
        out.append(
            f"{numbered('cycle', count[empty].tolist())} left out: next to nothing passed, which is no reference"
        )
    if not (alike | empty).all():
        out.append(f"{numbered('cycle', count[~alike & ~empty].tolist())} left out: at another current than {which}")
    retention = 100 * capacity[alike] / pool.capacity[base[alike]]
    below = float(options.get("below", "80").rstrip(" %"))
    return analysis_of(count[alike], retention, pool.number[base[alike]], "max" if of == "max" else "", below, out)


def _rates_of_sweeps(record: RunRecord, chosen: Mask) -> tuple[str, ...]:
    """Say where cycles of a `cv` lasted differently, as at several scan rates: they have no current to be told apart by."""
    begin, end = (np.asarray(record.cycles[f"{at}_test_time_second"], dtype=float)[chosen] for at in ("begin", "end"))
    swept = np.array([kind == SWEEPS for kind in record.cycles["kind"]], dtype=bool)[chosen]
    lasted = (end - begin)[swept]
    if not len(lasted) or np.ptp(lasted) <= ALIKE * np.max(lasted):
        return ()
    return ("cycles of a cv at several scan rates: what a faster one passes less is no loss, see b_value",)


def analysis_of(
    count: Integers, retention: Floats, bases: Integers, name: str, below: float, flags: list[str]
) -> Analysis:
    """Return the analysis of the retentions (%) of cycles by number, whose references are the cycles `bases`."""
    title = f"retention of {name or f'cycle {bases[-1]}'}"
    figures = [Figure(title, float(retention[-1]), "%", int(count[-1]))]
    if len(count) == 1 and count[0] == bases[0]:
        flags.append("one cycle alone is its own reference: retention needs two or more")
    flags += poor_reference(count, retention, bases)
    life = cycle_life(retention, below)
    if life is not None:
        figures.append(Figure("cycle life", float(count[life]), "cycles", int(count[life])))
    table: dict[str, tuple[float | int | str, ...]] = {"cycle": tuple(count.tolist())}
    if len(np.unique(bases)) > 1:
        table["reference cycle"] = tuple(bases.tolist())
        title = "retention"
        flags.append("several currents: each cycle is held against a reference at its own (`reference cycle`)")
    return Analysis("retention", tuple(figures), {**table, f"{title} / %": tuple(retention.tolist())}, tuple(flags))


def poor_reference(count: Integers, retention: Floats, bases: Integers) -> tuple[str, ...]:
    """Say of references that passed less than the cycles that are held against them, each with the largest of these."""
    told = []
    for base in np.unique(bases[retention > GAINED]).tolist():
        mine = np.flatnonzero(bases == base)
        at = int(mine[np.argmax(retention[mine])])
        told.append(
            f"the reference, cycle {base}, passed less than others, which came to {retention[at]:.1f} % of it in cycle "
            f"{count[at]}, as where it was done otherwise (without a hold, after another rate, before activation): "
            f"{{retention: {{of: max}}}} or {{retention: {{of: {count[at]}}}}} refers to another"
        )
    return tuple(told)


class Pool(NamedTuple):
    """What a reference is chosen from: cycles by number, their capacity in Ah and current in A (NaN for none, inf for any)."""

    number: Integers
    capacity: Floats
    current: Floats


def earlier(record: RunRecord) -> Pool:
    """Return the complete cycles of earlier runs that this one goes on from."""
    before = record.earlier
    if not before:
        return Pool(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    columns = (np.asarray(before[name], dtype=float) for name in ("capacity_ah", "current_ampere"))
    return Pool(np.asarray(before["cycle_count"], dtype=np.int64), *columns)


def reference_cycles(kinds: Column, among: Mask) -> Mask:
    """Return which cycles count: the `check` cycles where there are any, else all that are not formation."""
    checks = np.array([kind == "check" for kind in kinds], dtype=bool) & among
    return checks if checks.any() else np.array([kind != FORMATION for kind in kinds], dtype=bool) & among


def reference(of: str, pool: Pool, cycle: int, current: float) -> int:
    """Return where in the pool the reference of a cycle stands, -1 if there is none such."""
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (np.abs(pool.current / current - 1) < SAME) | np.isinf(pool.current)
    alike |= np.isnan(pool.current) & np.isnan(current)
    if of.isdigit():
        places = np.flatnonzero(alike & (pool.number == int(of)))
    elif of == "first":
        places = _first(pool, np.flatnonzero(alike))
        places = places[pool.number[places] <= cycle]
    else:
        places = np.flatnonzero(alike)
    if not len(places):
        return -1
    return int(places[np.argmax(pool.capacity[places])] if of == "max" else places[0])


def _first(pool: Pool, places: Integers) -> Integers:
    """Return the place of the first cycle, or of a later one beside which it passed next to nothing; none of none."""
    if not len(places):
        return places
    first, capacity = 0, pool.capacity[places]
    while len(later := np.flatnonzero(capacity[first] < NOTHING * capacity[first + 1 :])):
        first += 1 + int(later[0])
    return places[first : first + 1]


def cycle_life(retention: Floats, below: float) -> int | None:
    """Return the position of the first cycle below `below` % that two of the next three confirm, or None."""
    low = retention < below
    for at in np.flatnonzero(low):
        following = low[at + 1 : at + 1 + CONFIRMING]
        if following.sum() >= 2:
            return int(at)
    return None

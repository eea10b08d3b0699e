"""Efficiencies of cycles: what came out over what had been put in, of charge and of energy, and the voltage gap.

Charge is put in first and comes out afterwards. In a cycle that begins by putting in, both stand in the same cycle; in one that
begins by taking out, what it takes out had been put in by the cycle before, so that is its denominator, and the first cycle has
none. (Set against the putting in of its own cycle, such a cell shows more than 100 % as soon as it loses anything.)
"""

from dataclasses import dataclass

import numpy as np

from labctl.analysis.complete import complete_cycles
from labctl.analysis.run_record import Integers, Mask, RunRecord
from labctl.engine.cycle import BETWEEN, ONE_SIDED, begins_with
from labctl.plan.taken_first import takes_first
from labctl.sample import Floats


@dataclass(frozen=True, slots=True)
class Efficiencies:
    """Of every cycle, NaN where withheld or not known.

    Attributes:
        charge: Coulombic efficiency, a fraction.
        against: Number of the cycle whose charge is the denominator, 0 for none.
        own: The other pairing: both half-cycles of the same cycle.
        energy: Energy efficiency, paired as the charge is.
        gap: E/Q of charging less E/Q of discharging, V, paired as the charge is.
        one_sided: Where they are withheld, because the cycle did not end where it began.
    """

    charge: Floats
    against: Integers
    own: Floats
    energy: Floats
    gap: Floats
    one_sided: Mask


def efficiencies(record: RunRecord) -> Efficiencies:
    """Return the efficiencies of all cycles; of those that are not complete they are NaN."""
    cycles = record.cycles
    count = np.asarray(cycles["cycle_count"], dtype=np.int64)
    put, taken = (
        ("discharging", "charging") if record.cell.efficiency == "charge/discharge" else ("charging", "discharging")
    )
    ah = {side: number(record, f"{side}_capacity_ah") for side in (put, taken)}
    wh = {side: number(record, f"{side}_energy_wh") for side in (put, taken)}
    complete = complete_cycles(record)
    base = np.where(complete, np.arange(len(count)), -1)
    for at in np.flatnonzero(complete & taken_first(record, taken)).tolist():
        base[at] = at - 1 if at and complete[at - 1] and count[at - 1] == count[at] - 1 and joined(record, at) else -1
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(complete, ah[taken] / ah[put], np.nan)
        paired = np.where(base >= 0, ah[taken] / ah[put][base], np.nan)
        energy = np.where(base >= 0, wh[taken] / wh[put][base], np.nan)
        put_mean, taken_mean = wh[put][base] / ah[put][base], wh[taken] / ah[taken]
    gap = np.where(base >= 0, (put_mean - taken_mean) if put == "charging" else (taken_mean - put_mean), np.nan)
    one_sided: Mask = (paired > ONE_SIDED) | np.isinf(paired)
    own = np.where((own > ONE_SIDED) | np.isinf(own), np.nan, own)
    withheld = one_sided | ~np.isfinite(paired)
    hidden = [np.where(withheld | ~np.isfinite(values), np.nan, values) for values in (paired, energy, gap)]
    if record.cell.efficiency is None:
        hidden[0], own = np.full(len(count), np.nan), np.full(len(count), np.nan)
    if record.cell.efficiency != "discharge/charge":  # a half cell whose capacity counts on charge stores no energy
        hidden[1] = np.full(len(count), np.nan)
    against = np.where((base >= 0) & ~withheld, count[base] if len(count) else 0, 0)
    return Efficiencies(hidden[0], against, own, hidden[1], hidden[2], one_sided & complete)


def number(record: RunRecord, name: str) -> Floats:
    """Return a column of `cycles` as floats."""
    return np.asarray(record.cycles[name], dtype=float)


def taken_first(record: RunRecord, taken: str) -> Mask:
    """Return which cycles begin by taking out: by the order of their steps, or by the net charge at the ends of these.

    See `labctl.plan.taken_first.takes_first` and `labctl.engine.cycle.begins_with`.
    """
    steps = record.steps
    net = np.asarray(steps["charging_capacity_ah"], dtype=float) - np.asarray(
        steps["discharging_capacity_ah"], dtype=float
    )
    out = np.nan_to_num(net if taken == "charging" else -net)
    owner = np.asarray(steps["cycle_count"], dtype=np.int64)
    order = np.argsort(owner, kind="stable")
    numbers = np.asarray(record.cycles["cycle_count"], dtype=np.int64)
    edges = np.searchsorted(owner[order], np.stack((numbers, numbers + 1)))
    verbs = np.asarray(steps["step_type"], dtype=object)
    places = [order[begin:end] for begin, end in edges.T.tolist()]
    return np.array(
        [
            takes_first(verbs[at].tolist(), record.cell.efficiency) or begins_with(np.cumsum(out[at]).tolist()) > 0
            for at in places
        ],
        dtype=bool,
    )


def joined(record: RunRecord, at: int) -> bool:
    """Tell whether next to nothing passed between a cycle and the one before it."""
    cycles, steps = record.cycles, record.steps
    begins = np.asarray(steps["begin_test_time_second"], dtype=float)
    before = float(cycles["end_test_time_second"][at - 1])
    between = (begins >= before) & (begins < float(cycles["begin_test_time_second"][at]))
    between &= np.asarray(steps["cycle_count"], dtype=np.int64) == 0
    passed = np.nansum(np.asarray(steps["charging_capacity_ah"], dtype=float)[between])
    passed += np.nansum(np.asarray(steps["discharging_capacity_ah"], dtype=float)[between])
    return bool(passed <= BETWEEN * float(cycles["discharging_capacity_ah"][at]))

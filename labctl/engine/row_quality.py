"""The quality of measured rows: which are good, which cannot be believed."""

from typing import Final

import numpy as np

from labctl.engine.condition import Truth
from labctl.engine.sums import counters
from labctl.sample import Batch, Quality

BELIEVABLE: Final = 1e12  # bound of any column, SI: nothing in a battery laboratory is as large


def is_good(batch: Batch) -> Truth:
    """Return a flag a row: finite, not absurd, and not marked bad."""
    charging, discharging = counters(batch)
    good: Truth = np.abs(batch.voltage) < BELIEVABLE
    energies = batch.charging_wh, batch.discharging_wh
    for column in (batch.time, batch.current, charging, discharging, batch.temperature_celsius, *energies):
        if column is not None:
            good &= np.abs(column) < BELIEVABLE
    if batch.quality is not None:
        good &= batch.quality != Quality.BAD
    return good


def good_flags(batch: Batch) -> Truth | None:
    """Return a flag a row, or None if all are good; a sum of squares tells that at once, as nothing cancels in it."""
    warm = batch.temperature_celsius
    energies = (
        () if batch.charging_wh is None or batch.discharging_wh is None else (batch.charging_wh, batch.discharging_wh)
    )
    columns = (
        batch.time,
        batch.voltage,
        batch.current,
        *counters(batch),
        *energies,
        *(() if warm is None else (warm,)),
    )
    with np.errstate(over="ignore", invalid="ignore"):
        believable = all(float(column.dot(column)) < BELIEVABLE * BELIEVABLE for column in columns)
    if believable and (batch.quality is None or not batch.quality.any()):
        return None
    good = is_good(batch)
    return None if good.all() else good

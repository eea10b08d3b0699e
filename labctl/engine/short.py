"""Short circuits of symmetric and asymmetric cells, from the resistance at constant current.

A rectangular voltage trace is no proof of health, and a fixed threshold of voltage would call a good electrolyte shorted at
small currents: so a cell is compared with itself. With R = V / I in a galvanostatic step, once settled:

- `short`: for 10 s R is below 0.4 of the least that the last sound step in the same direction had, or below 0.3 of the
  greatest it had in this step;
- `short.soft`: for 10 s R is below 0.7 of the greatest it had in this step and below 0.8 of the least that the last sound step
  in the same direction had: a dip that comes back in every half-cycle is the cell's own.

A sound step is compared with only where its current was near: up to half of this one's for a short, within a quarter for a soft
one, since kinetics lower R as the current grows.

The thresholds are ours, after the rules of thumb in Counihan et al., Joule 2023, and Menkin et al., Faraday Discuss. 2024.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from labctl.engine.condition import Truth
from labctl.engine.memory import Short
from labctl.sample import Floats

SETTLED: Final = 10.0  # s of step time before R means anything
LEVEL: Final = 60.0  # s of step time before the greatest R is the step's and not a nucleation spike's
HOLD: Final = 10.0  # s
BELOW_FLOOR: Final = 0.4
BELOW_LEVEL: Final = 0.3
SOFT: Final = 0.7
SOFT_FLOOR: Final = 0.8
FARTHER: Final = 2.0  # times the current of the sound step: beyond, kinetics alone lower R
NEAR: Final = 1.25


def seen(
    short: Short, time: Floats, step_time: Floats, voltage: Floats, current: float
) -> tuple[Short, int | None, int | None]:
    """Return what is known after these rows, and the first row at which a soft short and a short are found.

    Args:
        short: What was known before them.
        time: Run time, s.
        step_time: Step time, s.
        voltage: V.
        current: The set-point, A, not zero.
    """
    resistance = voltage / current
    settled, level = step_time >= SETTLED, step_time >= LEVEL
    highs = np.maximum.accumulate(np.where(level, resistance, -np.inf))
    if short.high is not None:
        highs = np.maximum(highs, short.high)
    known = short.floors[int(current > 0.0)]
    floor = known[0] if known is not None and abs(current) <= FARTHER * abs(known[1]) else None
    near = known is not None and abs(known[1]) / NEAR <= abs(current) <= NEAR * abs(known[1])
    hard = level & (resistance < BELOW_LEVEL * highs) & (highs > 0.0)
    soft = np.zeros(len(time), bool)
    if floor is not None:
        hard |= settled & (resistance < BELOW_FLOOR * floor)
    if floor is not None and near:
        soft = level & (resistance < SOFT * highs) & (resistance < SOFT_FLOOR * floor)
    soft_since, soft_at = held(soft, time, short.soft_since, HOLD)
    hard_since, hard_at = held(hard, time, short.hard_since, HOLD)
    lows = resistance[settled]
    low = short.low
    if len(lows):
        least = float(lows.min())
        low = least if low is None else min(low, least)
    high = float(highs[-1]) if np.isfinite(highs[-1]) else None
    return replace(short, low=low, high=high, soft_since=soft_since, hard_since=hard_since), soft_at, hard_at


def held(flags: Truth, time: Floats, since: float | None, hold: float) -> tuple[float | None, int | None]:
    """Return since when a flag has been up without a break, and the first row at which that was for `hold` seconds.

    Args:
        flags: One a row.
        time: Of the rows, run time in s.
        since: Since when it was up at the row before the first; None if it was not.
        hold: s.
    """
    if not flags.any():
        return None, None
    begins = begin_of(flags, time, since)
    long = flags & (time - begins >= hold)
    at = int(long.argmax()) if long.any() else None
    return (float(begins[-1]) if flags[-1] else None), at


def begin_of(flags: Truth, time: Floats, since: float | None) -> Floats:
    """Return for each row since when the flag has been up without a break, s; meaningless where it is down."""
    broken = np.maximum.accumulate(np.where(flags, -1, np.arange(len(flags))))
    begins: Floats = time[np.minimum(broken + 1, len(time) - 1)]
    return begins if since is None else np.where(broken < 0, since, begins)


def carried_on(short: Short) -> Short:
    """Return what is known when a new step begins."""
    if short.low is None and short.high is None and short.soft_since is None and short.hard_since is None:
        return short
    return Short(short.floors, soft=short.soft, hard=short.hard)


def floored(short: Short, current: float, begun: float) -> Short:
    """Return what is known after a step at this current that began at run time `begun`: a sound one sets its floor."""
    sound = (short.hard is None or short.hard < begun) and short.hard_since is None
    if not sound or short.low is None or short.low <= 0.0:
        return short
    found = (short.low, abs(current))
    floors = (short.floors[0], found) if current > 0.0 else (found, short.floors[1])
    return replace(short, floors=floors)

"""Short circuits of symmetric and asymmetric cells, from the resistance at constant current.

A rectangular voltage trace is no proof of health, and a fixed threshold of voltage would call a good electrolyte shorted at
small currents: so a cell is compared with itself. With R = V / I in a galvanostatic step, once settled:

- `short`: for 10 s R is below 0.4 of the least that the last sound step in the same direction had, or below 0.3 of the
  greatest it had in this step;
- `short.soft`: for 10 s R is below 0.7 of the greatest it had in this step and below 0.8 of the least that the last sound step
  in the same direction had: a dip that comes back in every half-cycle is the cell's own.

A sound step is compared with only where its current was near: up to half of this one's for a short, within a quarter for a soft
one, since kinetics lower R as the current grows.

From the second edition of the language on like is compared with like: rows against a sound step, or against others of their step,
only within 2 K of temperature where one is measured; and a bend, another pressure or another set temperature of the chamber makes
the comparison begin anew. (A healthy solid electrolyte conducts four times as well at 45 degC as at 25 degC.)

The thresholds are ours, after the rules of thumb in Counihan et al., Joule 2023, and Menkin et al., Faraday Discuss. 2024.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from labctl.engine.condition import Truth
from labctl.engine.state_parts import Short
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
ALIKE: Final = 2.0  # K: a resistance changes by some tenth over it


def shorts_after(
    short: Short, time: Floats, step_time: Floats, voltage: Floats, current: float, celsius: Floats | None = None
) -> tuple[Short, int | None, int | None]:
    """Return what is known after these rows, and the first row at which a soft short and a short are found.

    Args:
        short: What was known before them.
        time: Run time, s.
        step_time: Step time, s.
        voltage: V.
        current: The set-point, A, not zero.
        celsius: Temperature, degC, where like is to be compared with like and one is measured.
    """
    resistance = voltage / current
    settled, level = step_time >= SETTLED, step_time >= LEVEL
    highs = np.maximum.accumulate(np.where(level, resistance, -np.inf))
    if short.high is not None:
        highs = np.maximum(highs, short.high)
    known = short.floors[int(current > 0.0)]
    floor = known[0] if known is not None and abs(current) <= FARTHER * abs(known[1]) else None
    near = known is not None and abs(known[1]) / NEAR <= abs(current) <= NEAR * abs(known[1])
    begun = short.celsius if short.celsius is not None or celsius is None else float(celsius[0])
    here = _alike(celsius, begun)
    there = _alike(celsius, known[2] if known is not None and len(known) > 2 else None)
    hard = level & (resistance < BELOW_LEVEL * highs) & (highs > 0.0) & here
    soft = np.zeros(len(time), bool)
    if floor is not None:
        hard |= settled & (resistance < BELOW_FLOOR * floor) & there
    if floor is not None and near:
        soft = level & (resistance < SOFT * highs) & (resistance < SOFT_FLOOR * floor) & here & there
    soft_since, soft_at = up_since(soft, time, short.soft_since, HOLD)
    hard_since, hard_at = up_since(hard, time, short.hard_since, HOLD)
    lows = resistance[settled]
    low = short.low
    if len(lows):
        least = float(lows.min())
        low = least if low is None else min(low, least)
    high = float(highs[-1]) if np.isfinite(highs[-1]) else None
    later = replace(short, low=low, high=high, soft_since=soft_since, hard_since=hard_since, celsius=begun)
    return later, soft_at, hard_at


def _alike(celsius: Floats | None, other: float | None) -> Truth | bool:
    """Return at which rows the temperature is near another one; where one of both is not known, everywhere."""
    if celsius is None or other is None:
        return True
    near: Truth = np.abs(celsius - other) <= ALIKE
    return near


def up_since(flags: Truth, time: Floats, since: float | None, hold: float) -> tuple[float | None, int | None]:
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
        return short if short.celsius is None else replace(short, celsius=None)
    return Short(short.floors, soft=short.soft, hard=short.hard, beside=short.beside)


def beside(short: Short, conditions: Mapping[str, float]) -> Short:
    """Return what is known under outer conditions: what was known under others is compared with no more."""
    now = tuple(sorted(conditions.items()))
    return short if now == short.beside else replace(short, floors=(None, None), beside=now)


def with_floor(short: Short, current: float, begun: float, celsius: float | None = None) -> Short:
    """Return what is known after a step at this current that began at run time `begun`: a sound one sets its floor.

    `celsius` is the temperature at its end, degC, where like is to be compared with like.
    """
    sound = (short.hard is None or short.hard < begun) and short.hard_since is None
    if not sound or short.low is None or short.low <= 0.0:
        return short
    floor = (short.low, abs(current)) if celsius is None else (short.low, abs(current), celsius)
    floors = (short.floors[0], floor) if current > 0.0 else (floor, short.floors[1])
    return replace(short, floors=floors)

"""Capacitance and series resistance of a capacitor, from what it gives and takes at constant current."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.complete import complete_steps, steps_left_out
from labctl.analysis.interval import line
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.plan.step import CellFigures

SWITCHED: Final = 0.1  # of a current: a smaller change at the begin of a step shows no resistance
FEWEST: Final = 5  # rows of a step
STEADY: Final = 0.02  # part by which a current may differ from its mean and still be constant
NAMED: Final = 5  # steps that a flag names
STRAIGHT: Final = 0.99  # R2 of voltage over time below which a curve is not that of a capacitor


class Ramp(NamedTuple):
    """A step at constant current: its place in `steps`, and what a straight line through it tells.

    Attributes:
        at: Its place.
        current: Mean, A.
        capacitance: F.
        resistance: Of the jump of the voltage at its begin, ohm; NaN where nothing stands before it, or the current did not change.
        straightness: R2 of the line.
    """

    at: int
    current: float
    capacitance: float
    resistance: float
    straightness: float


def capacitance_units(cell: CellFigures) -> dict[str, float]:
    """Return the units in which the capacitance of this cell can be told, with the factor from F."""
    units = {"F": 1.0}
    if cell.active_mass:
        units["F/g"] = 1.0 / (cell.active_mass * 1e3)
    if cell.area:
        units["mF/cm2"] = 1e3 / (cell.area * 1e4)
    return units


def read_ramp(record: RunRecord, at: int) -> Ramp | None:
    """Return what a step at constant current tells of a capacitor; None where it has too few rows or its current moves.

    C = I dt/dV by the line of least squares through voltage over time, so that the jump at its begin does not count. The jump is
    from the last voltage of the step before to that line at the begin, over the change of the current.
    """
    rows = record.step_rows(at)
    if len(rows.time) < FEWEST:
        return None
    current = float(np.mean(rows.current))
    if not current or np.max(np.abs(rows.current - current)) > STEADY * abs(current):
        return None
    drawn = line(rows.time, rows.voltage)
    if drawn.slope * current <= 0.0:
        return None
    begin = float(record.steps["begin_test_time_second"][at])
    resistance = float("nan")
    if at and len(before := record.step_rows(at - 1)):
        change = current - float(before.current[-1])
        if abs(change) > SWITCHED * abs(current):
            resistance = (drawn.intercept + drawn.slope * begin - float(before.voltage[-1])) / change
    return Ramp(at, current, current / drawn.slope, resistance, drawn.fit)


def analyse_capacitance(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell capacitance and equivalent series resistance of every complete charge and discharge at constant current.

    A curve that is not straight is flagged: its charge over its window depends on the window, and a capacity says more.

    Raises:
        ValueError: No charge or discharge at constant current has rows enough.
    """
    del options
    verbs = [str(verb) for verb in record.steps["step_type"]]
    complete = complete_steps(record)
    driven = [at for at, verb in enumerate(verbs) if verb in {"charge", "discharge"}]
    ramps = [ramp for at in driven if complete[at] and (ramp := read_ramp(record, at))]
    if not ramps:
        raise ValueError(
            f"a capacitance needs a charge or discharge at constant current with {FEWEST} rows or more: record: {{every: 0.1 s}}"
        )
    steps, units = record.steps, capacitance_units(record.cell)
    table: dict[str, tuple[float | int | str, ...]] = {
        "step": tuple(int(steps["step_count"][ramp.at]) for ramp in ramps),
        "cycle": tuple(int(steps["cycle_count"][ramp.at]) for ramp in ramps),
        "direction": tuple(verbs[ramp.at] for ramp in ramps),
        "current / mA": tuple(1e3 * ramp.current for ramp in ramps),
        **{
            f"capacitance / {unit}": tuple(ramp.capacitance * factor for ramp in ramps)
            for unit, factor in units.items()
        },
        "series resistance / ohm": tuple(ramp.resistance for ramp in ramps),
        "R2": tuple(ramp.straightness for ramp in ramps),
    }
    out = [ramp for ramp in ramps if ramp.current < 0] or ramps
    first, last = out[0], out[-1]
    word = verbs[last.at]
    figures = [
        Figure(f"capacitance of the last {word}", last.capacitance * factor, unit) for unit, factor in units.items()
    ]
    if np.isfinite(last.resistance):
        figures.append(Figure("equivalent series resistance", last.resistance, "ohm"))
    flags = []
    if len(out) > 1 and np.isclose(first.current, last.current, rtol=STEADY):
        figures.append(Figure(f"of that of the first {word}", 100.0 * last.capacitance / first.capacitance, "%"))
    elif len(out) > 1:
        flags.append(f"first and last {word} are not of one current: what is retained is not told")
    bent = [int(steps["step_count"][ramp.at]) for ramp in ramps if ramp.straightness < STRAIGHT]
    if bent:
        told = ", ".join(map(str, bent[:NAMED])) + (" and more" if len(bent) > NAMED else "")
        flags.append(
            f"voltage over time is not straight (R2 below {STRAIGHT:g}) in step {told}: tell its capacity instead"
        )
    cut = steps_left_out(record, [at for at in driven if not complete[at]])
    return Analysis("capacitance", tuple(figures), table, (*flags, *cut))

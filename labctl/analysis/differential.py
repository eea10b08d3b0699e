"""Differential capacity and voltage of half-cycles, and their peaks."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.complete import complete_steps, steps_left_out
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.analysis.voltammetry import SMOOTH
from labctl.sample import Batch, Floats

PLATEAU: Final = 0.1  # of the largest peak of dQ/dV: smaller ones are ripples
STEP: Final = 0.25  # of the mean dV/dQ, by which one of its peaks stands out
TINY: Final = 1e-12  # mAh
COLUMNS: Final = ("cycle", "direction", "peak / V", "dQ/dV / mAh/V", "step / mAh", "dV/dQ / V/mAh")


def analyse_differential(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell plateaus, the peaks of dQ/dV, and steps between them, the peaks of dV/dQ, of the first and last complete half-cycles.

    Q is interpolated on a grid of V, differences are taken over a window (option `window`, V, default 5 mV), which the figures
    name; dV/dQ is the inverse of the same, against the charge that had passed.

    Raises:
        ValueError: There is no charge or discharge of at least twenty rows.
    """
    window = float(options.get("window", SMOOTH))
    chosen: dict[str, list[int]] = {"charge": [], "discharge": []}
    complete, cut = complete_steps(record), []
    for at, verb in enumerate(record.steps["step_type"]):
        if str(verb) in chosen and not complete[at]:
            cut.append(at)
        elif str(verb) in chosen and int(record.steps["last_record"][at] - record.steps["first_record"][at]) >= 20:
            chosen[str(verb)].append(at)
    if not chosen["charge"] and not chosen["discharge"]:
        raise ValueError("dQ/dV needs a charge or discharge of at least twenty rows: record with dV: 5 mV or less")
    table: dict[str, list[float | int | str]] = {name: [] for name in COLUMNS}
    for verb, places in chosen.items():
        for at in dict.fromkeys([*places[:1], *places[-1:]]):
            curve = differential(record.step_rows(at), window)
            whose = (int(record.steps["cycle_count"][at]), verb)
            for row in (*_plateaus(curve), *_steps_between(curve)):
                values: tuple[float | int | str, ...] = (*whose, *row)
                for column, value in zip(table.values(), values, strict=True):
                    column.append(value)
    plateaus = float(np.isfinite(np.array(table["peak / V"], dtype=float)).sum())
    figures = (Figure("smoothing window", 1e3 * window, "mV"), Figure("peaks", plateaus, "peaks"))
    columns = {name: tuple(column) for name, column in table.items()}
    none = () if plateaus else ("no peak: no half-cycle crosses a plateau whole, or the window is wider than one",)
    return Analysis("differential", figures, columns, (*none, *steps_left_out(record, cut, "half-cycle of step")))


class DifferentialCurve(NamedTuple):
    """A differential curve of one half-cycle: voltages, V, dQ/dV there, mAh/V, and the charge that had passed, mAh."""

    voltage: Floats
    height: Floats
    charge: Floats


def differential(rows: Batch, window: float) -> DifferentialCurve:
    """Return dQ/dV of one galvanostatic half-cycle; differences over `window` V. Empty where it is too short for that."""
    charge = (
        np.concatenate([[0.0], np.cumsum(0.5 * np.abs(rows.current[1:] + rows.current[:-1]) * np.diff(rows.time))])
        / 3.6
    )
    rising = rows.voltage if rows.voltage[-1] > rows.voltage[0] else -rows.voltage
    monotone = np.maximum.accumulate(rising)
    kept = np.concatenate([[True], np.diff(monotone) > 0])
    if kept.sum() < 8 or monotone[-1] - monotone[0] <= 2 * window:
        return DifferentialCurve(np.array([]), np.array([]), np.array([]))
    count = int(min(4000, max(64, (monotone[-1] - monotone[0]) / window * 4)))
    grid = np.linspace(monotone[0] + window / 2, monotone[-1] - window / 2, count)
    above, below = (np.interp(grid + side * window / 2, monotone[kept], charge[kept]) for side in (1, -1))
    return DifferentialCurve(np.abs(grid), (above - below) / window, 0.5 * (above + below))


def inverse(curve: DifferentialCurve) -> Floats:
    """Return dV/dQ of a curve, V/mAh; NaN where nothing passed."""
    slope: Floats = np.divide(1.0, curve.height, out=np.full(len(curve.height), np.nan), where=curve.height > 0.0)
    return slope


def _plateaus(curve: DifferentialCurve) -> Iterator[tuple[float, float, float, float]]:
    """Give potential and height of the peaks of dQ/dV that stand out by a tenth of the largest."""
    if len(curve.height):
        for at in _peaks(curve.height, PLATEAU * float(curve.height.max())):
            yield float(curve.voltage[at]), float(curve.height[at]), np.nan, np.nan


def _steps_between(curve: DifferentialCurve) -> Iterator[tuple[float, float, float, float]]:
    """Give charge and height of the peaks of dV/dQ that stand out by a quarter of its mean: the ends rise without bound."""
    slope = inverse(curve)
    good = np.isfinite(slope)
    if good.any():
        mean = float(np.ptp(curve.voltage)) / max(float(np.ptp(curve.charge)), TINY)
        for at in _peaks(slope[good], STEP * mean):
            yield np.nan, np.nan, float(curve.charge[good][at]), float(slope[good][at])


def _peaks(height: Floats, prominence: float) -> list[int]:
    from scipy.signal import find_peaks  # noqa: PLC0415 - loaded only when peaks are asked for

    return [int(at) for at in find_peaks(height, prominence=prominence)[0]]

"""Differential capacity and voltage of half-cycles, and their peaks."""

from collections.abc import Mapping

import numpy as np

from labctl.analysis.complete import complete_steps, steps_left_out
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.analysis.voltammetry import SMOOTH
from labctl.sample import Batch, Floats


def analyse_differential(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the peaks of dQ/dV of the first and last complete charge and discharge.

    Q is interpolated on a grid of V, differences are taken over a window (option `window`, V, default 5 mV), which the figures
    name.

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
    table: dict[str, list[float | int | str]] = {"cycle": [], "direction": [], "peak / V": [], "dQ/dV / mAh/V": []}
    for verb, places in chosen.items():
        for at in dict.fromkeys([*places[:1], *places[-1:]]):
            for potential, height in _differential_peaks(record.step_rows(at), window):
                row: tuple[float | int | str, ...] = (int(record.steps["cycle_count"][at]), verb, potential, height)
                for column, value in zip(table.values(), row, strict=True):
                    column.append(value)
    figures = (Figure("smoothing window", 1e3 * window, "mV"), Figure("peaks", float(len(table["cycle"])), "peaks"))
    columns = {name: tuple(column) for name, column in table.items()}
    return Analysis("differential", figures, columns, steps_left_out(record, cut, "half-cycle of step"))


def differential(rows: Batch, window: float) -> tuple[Floats, Floats]:
    """Return voltages, V, and dQ/dV there, mAh/V, of one galvanostatic half-cycle; differences over `window` V."""
    charge = (
        np.concatenate([[0.0], np.cumsum(0.5 * np.abs(rows.current[1:] + rows.current[:-1]) * np.diff(rows.time))])
        / 3.6
    )
    rising = rows.voltage if rows.voltage[-1] > rows.voltage[0] else -rows.voltage
    monotone = np.maximum.accumulate(rising)
    kept = np.concatenate([[True], np.diff(monotone) > 0])
    if kept.sum() < 8 or monotone[-1] - monotone[0] <= 2 * window:
        return np.array([]), np.array([])
    count = int(min(4000, max(64, (monotone[-1] - monotone[0]) / window * 4)))
    grid = np.linspace(monotone[0] + window / 2, monotone[-1] - window / 2, count)
    above, below = (np.interp(grid + side * window / 2, monotone[kept], charge[kept]) for side in (1, -1))
    return np.abs(grid), (above - below) / window


def _differential_peaks(rows: Batch, window: float) -> list[tuple[float, float]]:
    """Return the peaks of dQ/dV that stand out by a tenth of the largest."""
    from scipy.signal import find_peaks  # noqa: PLC0415 - loaded only when peaks are asked for

    voltage, height = differential(rows, window)
    if not len(voltage):
        return []
    peaks, _ = find_peaks(height, prominence=0.1 * float(height.max()))
    return [(float(voltage[at]), float(height[at])) for at in peaks]

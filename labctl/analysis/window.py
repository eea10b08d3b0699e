"""The electrochemical stability window of a linear sweep: where the current density passes a threshold for good."""

from collections.abc import Mapping

import numpy as np

from labctl.analysis.complete import steps_left_out, swept
from labctl.analysis.run_record import Analysis, Figure, RunRecord, lacking
from labctl.analysis.symmetric import AREAL
from labctl.sample import Floats

THRESHOLD = 0.01  # mA/cm2
NO_SWEEP = "no lsv: a window is told from lsv: {from: ocv, to: 6 V, rate: 0.2 mV/s}"


def analyse_window(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the voltage of every `lsv` at which |j| passes a threshold and stays above it to the end of the sweep.

    There is no agreed threshold, so it is part of every figure's name. Options: `threshold` in mA/cm2, default 0.01. The
    voltage is taken straight between the last row below and the first above. A sweep that was cut short is left out, unless a
    limit of current did it.

    Raises:
        ValueError: The cell has no area.
    """
    if not record.cell.area:
        raise ValueError(lacking("a current density", "area"))
    threshold = float(options.get("threshold", THRESHOLD))
    every = [at for at, verb in enumerate(record.steps["step_type"]) if str(verb) == "lsv"]
    sweeps = [at for at in every if swept(record, at)]
    out = steps_left_out(record, [at for at in every if at not in sweeps], "sweep of step")
    if not sweeps:
        return Analysis("window", flags=("no complete lsv", *out) if every else (NO_SWEEP,))
    rows = [record.step_rows(at) for at in sweeps]
    onsets = [
        onset(batch.voltage, np.abs(batch.current) / record.cell.area * AREAL, threshold)
        if len(batch)
        else float("nan")
        for batch in rows
    ]
    table = {
        "sweep": tuple(range(1, len(sweeps) + 1)),
        "from / V": tuple(float(batch.voltage[0]) if len(batch) else float("nan") for batch in rows),
        "to / V": tuple(float(batch.voltage[-1]) if len(batch) else float("nan") for batch in rows),
        f"voltage at {threshold:g} mA/cm2 / V": tuple(onsets),
    }
    figures = tuple(
        Figure(f"voltage at {threshold:g} mA/cm2, sweep {number}", value, "V")
        for number, value in enumerate(onsets, 1)
        if np.isfinite(value)
    )
    figures += tuple(
        Figure(f"voltage reached below {threshold:g} mA/cm2, sweep {number}", float(batch.voltage[-1]), "V")
        for number, (value, batch) in enumerate(zip(onsets, rows, strict=True), 1)
        if len(batch) and abs(batch.current[-1]) / record.cell.area * AREAL < threshold
    )
    stable = sum(not np.isfinite(value) for value in onsets)
    note = f"{stable} of {len(onsets)} sweeps do not end above {threshold:g} mA/cm2"
    return Analysis("window", figures, table, (*((note,) if stable else ()), *out))


def onset(voltage: Floats, density: Floats, threshold: float) -> float:
    """Return the voltage at which a density passes a threshold for good, NaN where it ends below or never was below."""
    below = np.flatnonzero(density < threshold)
    if not len(below) or below[-1] == len(density) - 1:
        return float("nan")
    last = int(below[-1])
    part = (threshold - density[last]) / (density[last + 1] - density[last])
    return float(voltage[last] + part * (voltage[last + 1] - voltage[last]))

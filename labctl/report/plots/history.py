"""The run over its time: voltage, current and temperature."""

from typing import Final

import numpy as np
from matplotlib.figure import Figure

from labctl.analysis.run_record import RunRecord
from labctl.report.plots.style import WIDE, Drawn, envelope, styled
from labctl.sample import SECONDS_PER_HOUR, Batch

WHOLE: Final = 200_000  # rows of a run that is read whole; of longer ones steps are read, evenly
STEPS: Final = 400
ROWS: Final = 500  # of a step that is read


@styled
def history(record: RunRecord) -> Drawn:
    """Draw voltage and current against time, over the whole run."""
    rows, left_out = spread(record)
    good = np.isfinite(rows.voltage)
    hours = rows.time[good] / SECONDS_PER_HOUR
    largest = float(np.max(np.abs(rows.current[good]), initial=0.0))
    scale, unit = (1e6, "µA") if largest < 1e-3 else (1e3, "mA") if largest < 1.0 else (1.0, "A")
    figure = Figure(figsize=WIDE)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    upper.plot(*envelope(hours, rows.voltage[good]), linewidth=0.7)
    upper.set_ylabel("Voltage / V")
    lower.plot(*envelope(hours, scale * rows.current[good]), linewidth=0.7)
    lower.set_ylabel(f"Current / {unit}")
    lower.set_xlabel("Time / h")
    upper.margins(x=0.01)
    caption = "Voltage and current of the whole run; positive current charges."
    return Drawn("history", figure, caption + (f" {left_out}" if left_out else ""))


def spread(record: RunRecord) -> tuple[Batch, str]:
    """Return the rows of a run, of a long one those of steps spread evenly over it, and what was left out in words."""
    first, last = (np.asarray(record.steps[name], dtype=np.int64) for name in ("first_record", "last_record"))
    end = int(np.max(last, initial=-1))
    if end < WHOLE:
        return record.rows(0, end), ""
    there = np.flatnonzero(last >= first)
    chosen = there[np.unique(np.linspace(0, len(there) - 1, STEPS).astype(int))]
    parts = [record.rows(int(first[at]), min(int(last[at]), int(first[at]) + ROWS)) for at in chosen]
    parts = [part for part in parts if len(part)]
    rows = Batch(
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.voltage for part in parts]),
        np.concatenate([part.current for part in parts]),
    )
    return rows, f"Of {len(there)} steps {len(chosen)} are drawn, spread evenly."

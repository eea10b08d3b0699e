"""Slopes: the least-squares line through the rows of a window, the same bits however the rows are cut into batches.

Times and values are taken relative to the newest row, and every sum runs from the oldest row to the newest (`np.cumsum`), so a
slope depends on the rows of its window and on nothing else. A window holds at most one row for each 64th of its length, the
first that came in it, and its slope is asked at those rows: that bounds the state, and the deadline of the watch is the
begin of the next 64th. Rows further apart than that are all in it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.engine.condition import RowView
from labctl.engine.state_parts import Window
from labctl.sample import Floats

PARTS: Final = 64
FEWEST: Final = 2  # rows that make a line


def bins(window: Window, times: Floats, since: float) -> NDArray[np.int64]:
    """Return in which 64th of the window's length each row lies, counted from its begin."""
    return np.floor((times - since) * (PARTS / window.over)).astype(np.int64)


def entering(window: Window, times: Floats, since: float) -> NDArray[np.intp]:
    """Return the indices of the rows that join the window."""
    column = bins(window, times, since)
    earlier = np.concatenate(([window.bin], column[:-1]))
    return np.flatnonzero(column > earlier)


def column_of(window: Window, view: RowView) -> Floats | None:
    """Return what the window is of, signed."""
    match window.quantity:
        case "voltage":
            return view.voltage
        case "current":
            return view.current
        case "power":
            return view.voltage * view.current
    return view.temperature


def slopes(window: Window, view: RowView, since: float) -> tuple[Floats, Window]:
    """Return the slope per second at each row, NaN where it is not known, and the window after the last row."""
    per_second = np.full(len(view.time), np.nan)
    column = column_of(window, view)
    if column is None:
        return per_second, window
    joins = entering(window, view.time, since)
    if not len(joins):
        return per_second, window
    times = np.concatenate((window.times, view.time[joins]))
    values = np.concatenate((window.values, column[joins]))
    starts = np.searchsorted(times, view.time[joins] - window.over, side="left")
    stops = np.arange(len(window.times), len(times)) + 1
    lines = _lines(times, values, starts, stops)
    old = view.time[joins] - since >= window.over
    per_second[joins] = np.where(old, lines, np.nan)
    keep = int(starts[-1])
    last = int(bins(window, view.time[joins[-1:]], since)[0])
    return per_second, Window(
        window.quantity, window.over, tuple(times[keep:].tolist()), tuple(values[keep:].tolist()), last
    )


def _lines(times: Floats, values: Floats, starts: NDArray[np.intp], stops: NDArray[np.intp]) -> Floats:
    """Return the slope of the line through rows `starts` to `stops` (not included), one for each pair."""
    widest = int((stops - starts).max())
    at = starts[:, None] + np.arange(widest)[None, :]
    inside = at < stops[:, None]
    at = np.where(inside, at, stops[:, None] - 1)
    x = np.where(inside, times[at] - times[stops - 1][:, None], 0.0)
    y = np.where(inside, values[at] - values[stops - 1][:, None], 0.0)
    count = (stops - starts).astype(float)
    # cumsum adds from left to right; zeros behind the last row change nothing, whatever the width of the table
    sx, sy, sxx, sxy = (np.cumsum(each, axis=1)[:, -1] for each in (x, y, x * x, x * y))
    spread = count * sxx - sx * sx
    known = (spread > 0.0) & (count >= FEWEST)
    return np.where(known, (count * sxy - sx * sy) / np.where(known, spread, 1.0), np.nan)


def next_row(window: Window, since: float) -> float:
    """Return a run time before which no row joins the window; a microsecond early, for the rounding of `bins`."""
    return since + (window.bin + 1) * (window.over / PARTS) - 1e-6

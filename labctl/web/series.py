"""What charts are drawn from: parts of a run, cycles as voltage against charge, spectra; numbers as the journal has them."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final

import numpy as np
import orjson

from labctl.errors import UsageError
from labctl.report.run_data import spectra_of
from labctl.sample import Floats
from labctl.store import queries
from labctl.store.entry import StoredRun
from labctl.store.matrix import CHARGING, CURRENT, DISCHARGING, TIME, VOLTAGE
from labctl.store.pyramid import Pyramid, View
from labctl.store.reader import Reader

WIDTH: Final = 1000  # points a column where nobody says how many a screen has
WIDEST: Final = 4000
STEPS: Final = 400  # bands of steps that are drawn in one view
CURVE: Final = 600  # points of a half-cycle
BIN: Final = 0.005  # V: charge is summed over bins of this width for dQ/dV
MOST_CYCLE: Final = 200_000  # rows of a cycle that are read for a curve
SPECTRA: Final = 200
SPARKED_WITHIN: Final = 0.5  # s for what tiles are drawn from


def prepared(reader: Reader, pyramid: Pyramid, run: StoredRun, within: float = np.inf) -> float:
    """Make what views of a run are drawn from, for some seconds at most, and return how much of it is there, 0 to 1."""
    begin = perf_counter()
    for part in pyramid.extend(reader, run.run_id, run.uuid, run.rows):
        if perf_counter() - begin > within:
            return part
    return 1.0


def history(reader: Reader, pyramid: Pyramid, run: StoredRun, span: tuple[float, float], width: int) -> dict[str, Any]:
    """Return voltage, current and temperature of a part of a run that is `prepared`, with the steps that lie in it."""
    begin, end = max(0.0, span[0]), min(span[1], max(run.test_time, 1e-9))
    view = pyramid.view(reader, run.run_id, run.uuid, (begin, end), max(50, min(width, WIDEST)))
    steps = reader.query(queries.STEPS_WITHIN, run=run.run_id, begin=begin, end=end, most=STEPS + 1)
    bands = [
        {"count": row[0], "type": row[1], "name": row[2] or "", "begin": row[3], "end": row[4], "why": row[5] or ""}
        for row in reversed(steps)
    ]
    return {
        "begin": begin, "end": end, "rows": view.rows, "exact": view.exact, "last": run.rows - 1,
        "total": run.test_time, "columns": _columns(view), "steps": bands if len(bands) <= STEPS else [],
    }  # fmt: skip


def _columns(view: View) -> Mapping[str, Any]:
    return {
        name: {"t": np.round(times, 3), "y": values.astype(np.float32)}
        for name, (times, values) in view.columns.items()
    }


def rows_of_cycle(reader: Reader, run: StoredRun, cycle: int) -> Floats:
    """Return the rows of a cycle, of the one that goes on now, too.

    Raises:
        UsageError: The run has no such cycle.
    """
    ended = reader.query(queries.CYCLE_OF, run=run.run_id, cycle=cycle)
    first = ended[0].first_record if ended else None
    last = ended[0].last_record if ended else None
    if first is None:
        begun = reader.query(queries.CYCLE_BEGINS, run=run.run_id)
        first = next((row[0] + 1 for row in begun if orjson.loads(row[1]).get("cycle_count") == cycle), None)
    if first is None:
        raise UsageError(f"wanted a cycle of run {run.run_id}, found none with the number {cycle}")
    last = run.rows - 1 if last is None else last
    pages = list(reader.matrices(run.run_id, int(first), min(int(last), int(first) + MOST_CYCLE)))
    return np.concatenate(pages) if pages else np.empty((0, 12))


def cycle_curves(reader: Reader, run: StoredRun, cycle: int) -> dict[str, Any]:
    """Return voltage against charge (Ah, from the cycle's begin) of both half-cycles, and dQ/dV (Ah/V) of each."""
    rows = rows_of_cycle(reader, run, cycle)
    good = rows[np.isfinite(rows[:, VOLTAGE]) & np.isfinite(rows[:, CURRENT])]
    curves: dict[str, Any] = {"cycle": cycle, "bin": BIN}
    for name, counter, sign in (("charge", CHARGING, 1.0), ("discharge", DISCHARGING, -1.0)):
        half = good[sign * good[:, CURRENT] > 0]
        if len(half) < 2:
            continue
        charge = half[:, counter] - half[0, counter]
        kept = thinned(half[:, VOLTAGE], CURVE)
        voltage, slope = incremental(half[:, VOLTAGE], charge)
        curves[name] = {
            "q": charge[kept].astype(np.float32), "v": half[kept, VOLTAGE].astype(np.float32),
            "dv": voltage.astype(np.float32), "dqdv": slope.astype(np.float32),
            "time": float(half[-1, TIME] - half[0, TIME]),
        }  # fmt: skip
    return curves


def incremental(voltage: Floats, charge: Floats) -> tuple[Floats, Floats]:
    """Return dQ/dV in bins of `BIN` volts: the charge that passed in a bin over its width, without smoothing."""
    low, high = float(voltage.min()), float(voltage.max())
    bins = min(2000, max(1, int(np.ceil((high - low) / BIN))))
    edges = low + BIN * np.arange(bins + 1)
    places = np.clip(((voltage[1:] - low) / BIN).astype(np.int64), 0, bins - 1)
    passed = np.bincount(places, np.diff(charge), bins)
    return (edges[:-1] + edges[1:]) / 2, passed / BIN


def thinned(values: Floats, most: int) -> Any:
    """Return the numbers of the rows to draw: the least and the greatest of each of so many parts, first and last, in order."""
    if len(values) <= 2 * most:
        return np.arange(len(values))
    starts = np.linspace(0, len(values), most + 1).astype(np.int64)[:-1]
    parts = np.split(values, starts[1:])
    ends = [(start + int(part.argmin()), start + int(part.argmax())) for start, part in zip(starts, parts, strict=True)]
    return np.unique(np.concatenate([[0, len(values) - 1], np.array(ends).ravel()]))


def spectra(reader: Reader, run: StoredRun) -> list[dict[str, Any]]:
    """Return the newest complete spectra of a run."""
    return [
        {
            "number": each.number, "cycle": each.cycle, "begin": each.time, "f": each.frequency,
            "re": each.impedance.real, "im": each.impedance.imag,
        }
        for each in spectra_of(reader, run)[-SPECTRA:]
    ]  # fmt: skip


def cycles(reader: Reader, run: StoredRun) -> dict[str, list[Any]]:
    """Return the cycles of a run as columns, in the order of their numbers."""
    names = queries.columns_of(queries.CYCLES)
    rows = reader.query(queries.CYCLES, run=run.run_id)
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def sparks(reader: Reader, pyramid: Pyramid, runs: list[StoredRun], width: int = 120) -> dict[str, Any]:
    """Return for each run its voltage over its whole time, as few points as a tile has room for."""
    curves: dict[str, Any] = {}
    begin = perf_counter()
    for run in runs:
        left = SPARKED_WITHIN - (perf_counter() - begin)
        if left < 0 or prepared(reader, pyramid, run, left) < 1:
            continue  # the wall asks again
        view = pyramid.view(reader, run.run_id, run.uuid, (0.0, max(run.test_time, 1e-9)), width)
        if "voltage" in view.columns:
            times, values = view.columns["voltage"]
            curves[run.uuid] = {"t": np.round(times, 1), "y": values.astype(np.float32)}
    return curves

"""Figures of merit of sweeps: peaks, how currents grow with the scan rate, exchange and limiting current densities."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.complete import steps_left_out, swept
from labctl.analysis.interval import line
from labctl.analysis.run_record import Analysis, Figure, RunRecord, lacking
from labctl.analysis.symmetric import AREAL
from labctl.sample import Batch, Floats

TURN: Final = 1e-6  # V: less is no change of direction
GRID: Final = 200  # potentials of a capacitive split
SMOOTH: Final = 0.005  # V of the window of a dQ/dV
PROMINENT: Final = 0.05  # of the largest peak by which another stands out
SHIFT = 0.02  # V between the peaks of different scan rates above which a split into shares is doubtful


@dataclass(frozen=True, slots=True)
class Branch:
    """One direction of a sweep: +1 rising, -1 falling; its rate in V/s, and its rows."""

    cycle: int
    direction: int
    rate: float
    rows: Batch


def branches(record: RunRecord, *verbs: str) -> list[Branch]:
    """Return the rising and falling parts of every step of these verbs that was not cut short."""
    pieces = []
    for at, verb in enumerate(record.steps["step_type"]):
        if str(verb) not in verbs or not swept(record, at):
            continue
        rows = record.step_rows(at)
        for begin, end in _runs(rows.voltage):
            part = rows.rows(begin, end)
            rate = float((part.voltage[-1] - part.voltage[0]) / (part.time[-1] - part.time[0]))
            pieces.append(Branch(int(record.steps["cycle_count"][at]), 1 if rate > 0 else -1, abs(rate), part))
    return pieces


def cut_sweeps(record: RunRecord, *verbs: str) -> tuple[str, ...]:
    """Say which sweeps are left out since they were cut short, and why."""
    places = (at for at, verb in enumerate(record.steps["step_type"]) if str(verb) in verbs and not swept(record, at))
    return steps_left_out(record, places, "sweep of step")


def _runs(voltage: Floats) -> list[tuple[int, int]]:
    """Return begin and end of the stretches in which a voltage moves one way, of eight rows or more."""
    step = np.diff(voltage)
    moving = np.flatnonzero(np.abs(step) > TURN)
    if not len(moving):
        return []
    turns = moving[np.flatnonzero(np.diff(np.sign(step[moving]))) + 1]
    edges = [0, *turns.tolist(), len(voltage) - 1]
    return [(begin, end + 1) for begin, end in pairwise(edges) if end - begin >= 8]


def analyse_voltammetry(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell potential, current density and charge of every peak of every branch of a `cv`, and the separation of the largest.

    A peak is a maximum of the current in the branch's own direction, away from its ends, that stands out by 5 % of the largest;
    its charge is that of this sign between the minima beside it, without a base line. The separation of a cycle is that between
    the largest peaks of its rising and its falling branch.

    Raises:
        ValueError: There is no cv.
    """
    del options
    sweeps = branches(record, "cv")
    if not sweeps:
        raise ValueError("no cv of at least eight rows: record it with dV of a few mV")
    scale, unit = (AREAL / record.cell.area, "mA/cm2") if record.cell.area else (1e3, "mA")
    names = ("cycle", "direction", "rate / mV/s", "peak / V", f"current / {unit}", "charge / mAh", "rank")
    rows: list[tuple[float | int | str, ...]] = []
    flags = []
    for branch in sweeps:
        tops = peaks_of(branch)
        if not tops:
            flags.append(
                f"cycle {branch.cycle}, {_word(branch)}: the current is largest at an end of the sweep, no peak"
            )
            tops = [SweepPeak(np.nan, np.nan, _charge(branch, 0, len(branch.rows.time)))]
        rows += [
            (branch.cycle, _word(branch), 1e3 * branch.rate, top.potential, top.current * scale, top.charge, rank)
            for rank, top in enumerate(tops, 1)
        ]
    if {row[0] for row in rows if row[-1] == 2}:
        flags.append(
            "several peaks in a branch: the separation is that of the largest of each direction, which need not be of one couple"
        )
    flags += cut_sweeps(record, "cv")
    table = dict(zip(names, map(tuple, zip(*rows, strict=True)), strict=True))
    return Analysis("voltammetry", _peak_figures(table), table, tuple(flags))


class SweepPeak(NamedTuple):
    """A peak of a sweep: potential in V, current in A, charge in mAh."""

    potential: float
    current: float
    charge: float


def peaks_of(branch: Branch) -> list[SweepPeak]:
    """Return the peaks of a branch in its own direction, the largest first; none where the current is largest at an end.

    A flat or rounded shoulder is none, and neither is what stands out by less than `PROMINENT` of the largest.
    """
    from scipy.signal import find_peaks  # noqa: PLC0415 - slow to import

    if _peak(branch) is None:
        return []
    height = np.clip(branch.rows.current * branch.direction, 0.0, None)
    margin = max(2, len(height) // 50)
    places, _ = find_peaks(height, prominence=PROMINENT * float(height.max()))
    places = np.array([at for at in places if margin <= at < len(height) - margin], dtype=np.int64)
    if not len(places):
        places = np.array([_peak(branch)], dtype=np.int64)
    inner = [int(low + np.argmin(height[low : high + 1])) for low, high in pairwise(places)]
    edges = [0, *inner, len(height)]
    tops = [
        SweepPeak(float(branch.rows.voltage[at]), float(branch.rows.current[at]), _charge(branch, begin, end))
        for at, (begin, end) in zip(places, pairwise(edges), strict=True)
    ]
    return sorted(tops, key=lambda top: -abs(top.current))


def _charge(branch: Branch, begin: int, end: int) -> float:
    """Return the charge in the branch's own direction between two rows, mAh."""
    signed = np.clip(branch.rows.current[begin:end] * branch.direction, 0.0, None)
    return float(np.trapezoid(signed, branch.rows.time[begin:end])) / 3.6


def _word(branch: Branch) -> str:
    return "rising" if branch.direction > 0 else "falling"


def _peak(branch: Branch) -> int | None:
    """Return the row of the extreme in the branch's direction; None where that is one of its ends."""
    height = branch.rows.current * branch.direction
    at = int(np.argmax(height))
    margin = max(2, len(height) // 50)
    return at if margin <= at < len(height) - margin and height[at] > 0 else None


def _peak_figures(table: Mapping[str, tuple[float | int | str, ...]]) -> tuple[Figure, ...]:
    """Return the largest peaks' potentials of the last cycle with both, and their separation."""
    last: dict[str, float] = {}
    for direction, potential, rank in zip(table["direction"], table["peak / V"], table["rank"], strict=True):
        if rank == 1 and np.isfinite(float(potential)):
            last[str(direction)] = float(potential)
    figures = [Figure(f"peak potential, {direction}", value, "V") for direction, value in last.items()]
    if len(last) == 2:
        figures.append(Figure("peak separation", 1e3 * (last["rising"] - last["falling"]), "mV"))
    return tuple(figures)


def analyse_b_value(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell how currents grow with the scan rate: b of i = a v^b at the peaks, and the capacitive share k1 v of i = k1 v + k2 v^1/2.

    b is the slope of log |i| over log v of the largest peaks of each direction (0.5 diffusion, 1 capacitive). The share is that
    of k1 v in the charge of the fastest sweep's rising branch, k1 and k2 found at each potential that all sweeps cover.

    Source: Wang, Polleux, Lim and Dunn, J. Phys. Chem. C 111 (2007) 14925.

    Raises:
        ValueError: There are not two scan rates.
    """
    del options
    sweeps = branches(record, "cv", "lsv")
    rates = sorted({round(branch.rate, 9) for branch in sweeps})
    groups = _grouped(rates)
    if len(groups) < 2:
        raise ValueError(f"a b-value needs cv at two scan rates or more, found {len(groups)}")
    flags = (
        [f"{len(groups)} scan rates: with fewer than three neither b nor a share can be judged; measure a third"]
        if len(groups) < 3
        else []
    )
    table: dict[str, tuple[float | int | str, ...]] = {"rate / mV/s": tuple(1e3 * rate for rate in groups)}
    figures = []
    for direction, word in ((1, "rising"), (-1, "falling")):
        last = {rate: _last(sweeps, rate, direction) for rate in groups}
        heights = {
            rate: abs(_extreme(branch)) for rate, branch in last.items() if branch is not None and _extreme(branch)
        }
        table[f"peak current, {word} / mA"] = tuple(1e3 * heights.get(rate, np.nan) for rate in groups)
        if len(heights) >= 2:
            drawn = line(np.log(list(heights)), np.log(list(heights.values())))
            figures.append(Figure(f"b-value, {word}", drawn.slope, ""))
            figures.append(Figure(f"b-value, {word}, 95 % interval +-", drawn.spread, ""))
        shift = _shift([branch for branch in last.values() if branch is not None])
        if shift > SHIFT:
            flags.append(
                f"{word}: the largest peak moves by {1e3 * shift:.3g} mV between the scan rates: a share taken at each potential "
                "mixes the sides of peaks"
            )
        if 0 < len(heights) < len(groups):
            flags.append(
                f"{word}: a peak at {len(heights)} of {len(groups)} scan rates alone, the current being largest at an end elsewhere"
            )
    split = _split([branch for rate in groups if (branch := _last(sweeps, rate, 1)) is not None])
    if split is not None:
        grid, whole, capacitive = split
        part = float(np.trapezoid(np.abs(capacitive), grid)) / float(np.trapezoid(np.abs(whole), grid))
        figures.append(Figure("capacitive share at the fastest rate", 100.0 * part, "%"))
    return Analysis("b_value", tuple(figures), table, (*flags, *cut_sweeps(record, "cv", "lsv")))


def _grouped(rates: list[float]) -> list[float]:
    """Return scan rates that differ by more than 2 %."""
    groups: list[float] = []
    for rate in rates:
        if not groups or rate > 1.02 * groups[-1]:
            groups.append(rate)
    return groups


def _last(sweeps: list[Branch], rate: float, direction: int) -> Branch | None:
    alike = [each for each in sweeps if each.direction == direction and abs(each.rate / rate - 1.0) < 0.02]
    return alike[-1] if alike else None


def _shift(sweeps: list[Branch]) -> float:
    """Return by how much the largest peaks of several sweeps lie apart, V."""
    peaks = [float(branch.rows.voltage[at]) for branch in sweeps if (at := _peak(branch)) is not None]
    return max(peaks) - min(peaks) if peaks else 0.0


def _extreme(branch: Branch) -> float:
    at = _peak(branch)
    return 0.0 if at is None else float(branch.rows.current[at])


def capacitive_current(record: RunRecord) -> tuple[Floats, Floats, Floats] | None:
    """Return potentials, the current of the fastest rising branch and its part k1 v there, V and A; None of one rate."""
    sweeps = branches(record, "cv", "lsv")
    groups = _grouped(sorted({round(branch.rate, 9) for branch in sweeps}))
    return _split([branch for rate in groups if (branch := _last(sweeps, rate, 1)) is not None])


def _split(sweeps: list[Branch]) -> tuple[Floats, Floats, Floats] | None:
    """Return the grid that all sweeps cover, the fastest's current and its capacitive part; None where two do not overlap.

    The part is never of the other sign than the current, nor larger: what the square root would make of noise is cut.
    """
    if len(sweeps) < 2:
        return None
    low = max(float(branch.rows.voltage.min()) for branch in sweeps)
    high = min(float(branch.rows.voltage.max()) for branch in sweeps)
    grid = np.linspace(low, high, GRID)
    currents = np.array([np.interp(grid, branch.rows.voltage, branch.rows.current) for branch in sweeps])
    rates = np.array([branch.rate for branch in sweeps])
    (first, _), *_ = np.linalg.lstsq(
        np.column_stack([np.sqrt(rates), np.ones(len(rates))]), currents / np.sqrt(rates)[:, None], rcond=None
    )
    whole = currents[-1]
    if not np.abs(whole).any():
        return None
    return grid, whole, np.sign(whole) * np.clip(np.sign(whole) * first * rates[-1], 0.0, np.abs(whole))


def analyse_limiting_current(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the limiting current density of every slow sweep: the mean over the stretch where the current grows least.

    It is a plateau only where d(log j)/d(log E) falls below 0.1 there; else a lower bound, and flagged.

    Raises:
        ValueError: The cell has no area, or there is no sweep.
    """
    del options
    if not record.cell.area:
        raise ValueError(lacking("a current density", "area"))
    sweeps = branches(record, "lsv", "cv")
    if not sweeps:
        raise ValueError("no lsv of at least eight rows: sweep slowly from the open circuit")
    values, largest, flags = [], [], []
    for number, branch in enumerate(sweeps, 1):
        voltage, density = (
            np.abs(branch.rows.voltage - branch.rows.voltage[0]),
            np.abs(branch.rows.current) / record.cell.area * AREAL,
        )
        grid = np.linspace(0.1 * voltage.max(), voltage.max(), 60)
        smooth = np.interp(grid, voltage, density)
        slope = np.gradient(np.log(np.maximum(smooth, 1e-12)), np.log(grid))
        flattest = int(np.argmin(slope[5:-5])) + 5
        bare = bool(slope[flattest] > 0.1)
        values.append(float("nan") if bare else float(smooth[flattest]))
        largest.append(float(smooth.max()))
        if bare:
            flags.append(
                f"sweep {number}: no plateau; the limiting current density is at least {smooth.max():.3g} mA/cm2"
            )
    table = {
        "sweep": tuple(range(1, len(values) + 1)),
        "limiting current density / mA/cm2": tuple(values),
        "largest current density / mA/cm2": tuple(largest),
    }
    flags += cut_sweeps(record, "lsv", "cv")
    known = [value for value in values if np.isfinite(value)]
    told = ("limiting current density", max(known)) if known else ("limiting current density, at least", max(largest))
    return Analysis("limiting_current", (Figure(*told, "mA/cm2"),), table, tuple(flags))

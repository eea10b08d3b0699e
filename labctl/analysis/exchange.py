"""Exchange current densities of slow sweeps through the open circuit, by two methods that should agree."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.analysis.symmetric import AREAL
from labctl.analysis.voltammetry import Branch, branches, cut_sweeps
from labctl.sample import Floats

GAS: Final = 8.31446261815324  # J/mol/K
FARADAY: Final = 96485.33212  # C/mol
ROOM: Final = 298.15  # K, where no temperature was measured
LINEAR: Final = 0.01  # V around open circuit that micropolarisation takes
TAFEL: Final = (0.07, 0.25)  # V of overpotential that an extrapolation takes
ASTRAY: Final = 2e-4  # V rms that a symmetric charge transfer behind a resistance may leave
WORSE: Final = 3.0  # times as much as of the best side, if that is more
STEPS: Final = 50  # of a search, which takes about six


class HalfSweep(NamedTuple):
    """What one side of a sweep tells.

    Attributes:
        linear: Exchange current density by micropolarisation, mA/cm2; NaN where there are too few rows.
        tafel: The same by Tafel's line.
        resistance: Taken out before, in the unit of V over mA/cm2.
        astray: Rms of what a symmetric charge transfer behind that resistance leaves, V.
    """

    linear: float
    tafel: float
    resistance: float
    astray: float


def analyse_exchange_current(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the exchange current density of each side of every slow sweep by two methods that should agree.

    Micropolarisation: j0 = RT/(F dE/dj) within 10 mV of the open circuit.
    Tafel: log(|j|/(1 - exp(-F|E|/RT))) over E between 70 and 250 mV of overpotential, extrapolated to the open circuit; the
    denominator takes the backward reaction out (Allen and Hickling, Trans. Faraday Soc. 53 (1957) 1626).
    Two interfaces in series, as in a symmetric cell, share the overpotential; half of it counts for each then. What a resistance
    (electrolyte, interphases, contacts) takes of the voltage is no overpotential and is taken out of both: it is that of the
    least squares of E = 2RT/F asinh(j/2j0) + r j, a symmetric charge transfer behind a resistance. Sides of which that leaves
    more than 0.2 mV rms and three times what it leaves of the best, such as one in which metal nucleates, count in no mean.

    Raises:
        ValueError: The cell has no area, or there is no sweep.
    """
    del options
    if not record.cell.area:
        raise ValueError("an exchange current density needs the area of the cell: give `area` in the cell file")
    sweeps = branches(record, "lsv", "cv")
    if not sweeps:
        raise ValueError("no lsv or cv of at least eight rows: sweep slowly through the open circuit")
    share = 0.5 if record.cell.kind == "symmetric" else 1.0
    names = (
        "sweep",
        "side",
        "micropolarisation / mA/cm2",
        "Tafel / mA/cm2",
        "resistance / ohm cm2",
        "open circuit / V",
    )
    rows: list[tuple[float | int | str, ...]] = []
    halves: list[HalfSweep] = []
    for number, branch in enumerate(sweeps, 1):
        rest, density = _zero(branch.rows.voltage, branch.rows.current), branch.rows.current / record.cell.area * AREAL
        for side, sign in (("anodic", 1.0), ("cathodic", -1.0)):
            half = _half(branch, share, rest, sign * density)
            if half is None:
                continue
            rows.append((number, side, half.linear, half.tafel, 1e3 * half.resistance / share, rest))
            halves.append(half)
    most = max(ASTRAY, WORSE * min((half.astray for half in halves), default=0.0))
    kept = [half for half in halves if half.astray <= most]
    flags = [
        f"sweep {number}, {side}: {1e3 * half.astray:.2g} mV rms from a symmetric charge transfer behind a resistance, "
        "as where metal nucleates or the sweep is too fast: in no mean"
        for (number, side, *_), half in zip(rows, halves, strict=True)
        if half.astray > most
    ]
    figures = tuple(
        Figure(f"exchange current density, {name}", float(np.nanmean(values)), "mA/cm2")
        for name, values in (
            ("micropolarisation", [each.linear for each in kept]),
            ("Tafel", [each.tafel for each in kept]),
        )
        if np.any(np.isfinite(values))
    )
    if len(figures) == 2 and not 0.67 < figures[0].value / figures[1].value < 1.5:
        flags.append("the two methods differ by more than half: too fast, or no symmetric charge transfer")
    flags += cut_sweeps(record, "lsv", "cv")
    table = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    return Analysis("exchange_current", figures, table, tuple(flags))


def _half(branch: Branch, share: float, rest: float, density: Floats) -> HalfSweep | None:
    """Return what the side of a sweep tells on which `density` is above 0; None where there is next to nothing."""
    over = np.abs(share * (branch.rows.voltage - rest))
    mine = (density > 0.0) & (over <= TAFEL[1])
    if mine.sum() < 8:
        return None
    over, density = over[mine], density[mine]
    resistance, astray = _resistance(over, density)
    over = over - resistance * density
    return HalfSweep(_linear(over, density), _tafel(over, density), resistance, astray)


def _zero(voltage: Floats, current: Floats) -> float:
    """Return the voltage at which a current changes its sign; NaN where it does not."""
    change = np.flatnonzero(np.diff(np.sign(current)))
    if not len(change):
        return float("nan")
    at = int(change[0])
    part = current[at] / (current[at] - current[at + 1])
    return float(voltage[at] + part * (voltage[at + 1] - voltage[at]))


def _resistance(over: Floats, density: Floats) -> tuple[float, float]:
    """Return r of E = 2RT/F asinh(j/2j0) + r j by least squares, not below 0, and the rms of what is left, V."""
    unit = 2.0 * GAS * ROOM / FARADAY
    point, left = np.array([np.log(max(float(density.max()) / 10.0, 1e-12)), 0.0]), over
    for _ in range(STEPS):
        part = density / (2.0 * np.exp(point[0]))
        left = over - unit * np.arcsinh(part) - point[1] * density
        slopes = np.column_stack([-unit * part / np.sqrt(1.0 + part**2), density])
        step = np.linalg.lstsq(slopes, left, rcond=None)[0]
        point = np.array([point[0] + np.clip(step[0], -1.0, 1.0), max(point[1] + step[1], 0.0)])
        if abs(step[0]) < 1e-9:
            break
    return float(point[1]), float(np.sqrt(np.mean(left**2)))


def _linear(over: Floats, density: Floats) -> float:
    near = over <= LINEAR
    if near.sum() < 3:
        return float("nan")
    slope = float(over[near] @ density[near] / (over[near] @ over[near]))
    return slope * GAS * ROOM / FARADAY


def _tafel(over: Floats, density: Floats) -> float:
    straight = over >= TAFEL[0]
    if straight.sum() < 4:
        return float("nan")
    size = over[straight]
    forward = density[straight] / -np.expm1(-FARADAY * size / (GAS * ROOM))
    return float(np.exp(np.polyfit(size, np.log(forward), 1)[1]))

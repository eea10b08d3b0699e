"""Exchange current densities of slow sweeps through the open circuit, by two methods that should agree."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.digits import INTERVAL
from labctl.analysis.interval import Mean, student
from labctl.analysis.run_record import Analysis, Figure, RunRecord, lacking
from labctl.analysis.symmetric import AREAL
from labctl.analysis.voltammetry import branches, cut_sweeps
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
        linear: Exchange current density by micropolarisation, mA/cm2, with half its 95 % interval; NaN of too few rows.
        tafel: The same by Tafel's line.
        resistance: Taken out before, in the unit of V over mA/cm2.
        astray: Rms of what a symmetric charge transfer behind that resistance leaves, V.
    """

    linear: Mean
    tafel: Mean
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
        raise ValueError(lacking("an exchange current density", "area"))
    sweeps = branches(record, "lsv", "cv")
    if not sweeps:
        raise ValueError("no lsv or cv of at least eight rows: sweep slowly through the open circuit")
    share = 0.5 if record.cell.kind == "symmetric" else 1.0
    names = (
        "sweep",
        "side",
        "micropolarisation / mA/cm2",
        "micropolarisation +- / mA/cm2",
        "Tafel / mA/cm2",
        "Tafel +- / mA/cm2",
        "resistance / ohm cm2",
        "open circuit / V",
    )
    rows: list[tuple[float | int | str, ...]] = []
    halves: list[HalfSweep] = []
    told: list[str] = []
    for number, branch in enumerate(sweeps, 1):
        rest, density = _zero(branch.rows.voltage, branch.rows.current), branch.rows.current / record.cell.area * AREAL
        if not np.isfinite(rest.value):
            told.append(
                f"sweep {number} is left out: its current does not change its sign, so its open circuit is not known"
            )
        for side, sign in (("anodic", 1.0), ("cathodic", -1.0)):
            half = half_sweep(share * np.abs(branch.rows.voltage - rest.value), sign * density, rest.spread)
            if half is None:
                continue
            rows.append((number, side, *half.linear, *half.tafel, 1e3 * half.resistance / share, rest.value))
            halves.append(half)
    most = max(ASTRAY, WORSE * min((half.astray for half in halves), default=0.0))
    kept = [half for half in halves if half.astray <= most]
    flags = [
        f"sweep {number}, {side}: {1e3 * half.astray:.2g} mV rms from a symmetric charge transfer behind a resistance, "
        "as where metal nucleates or the sweep is too fast: in no mean"
        for (number, side, *_), half in zip(rows, halves, strict=True)
        if half.astray > most
    ]
    figures = [
        figure
        for name, values in (
            ("micropolarisation", [each.linear for each in kept]),
            ("Tafel", [each.tafel for each in kept]),
        )
        for figure in _averaged(f"exchange current density, {name}", values)
    ]
    if len(figures) == 4 and not 0.67 < figures[0].value / figures[2].value < 1.5:
        flags.append("the two methods differ by more than half: too fast, or no symmetric charge transfer")
    flags += [*told, *cut_sweeps(record, "lsv", "cv")]
    table = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    return Analysis("exchange_current", tuple(figures), table, tuple(flags))


def _averaged(name: str, values: list[Mean]) -> list[Figure]:
    """Return the mean of what several sides tell, and half its 95 % interval by theirs; nothing where none tells it."""
    known = [each for each in values if np.isfinite(each.value)]
    if not known:
        return []
    spread = math.hypot(*(each.spread for each in known)) / len(known)
    average = float(np.mean([each.value for each in known]))
    return [Figure(name, average, "mA/cm2"), Figure(f"{name}{INTERVAL}", spread, "mA/cm2")]


def half_sweep(over: Floats, density: Floats, crossing: float = 1.0) -> HalfSweep | None:
    """Return what the side of a sweep tells on which `density` is above 0; None where there is next to nothing.

    Intervals are those of errors in the voltage, of the size that the least squares leave, carried through to first order:
    through the resistance that is taken out, and through the open circuit, from which every overpotential is counted.

    Args:
        over: Overpotential of one interface, V.
        density: Current density, mA/cm2.
        crossing: Variance of the open circuit over that of one voltage.
    """
    mine = (density > 0.0) & (over <= TAFEL[1])
    if mine.sum() < 8:
        return None
    over, density = over[mine], density[mine]
    resistance, astray, pull = _resistance(over, density)
    over = over - resistance * density
    freedom = len(over) - 2
    error = student(freedom) * astray * np.sqrt(len(over) / freedom)

    def judged(value: float, slopes: Floats) -> Mean:
        moved = slopes - (slopes @ density) * pull
        return Mean(value, float(abs(value) * error * np.sqrt(moved @ moved + crossing * moved.sum() ** 2)))

    return HalfSweep(judged(*_linear(over, density)), judged(*_tafel(over, density)), resistance, astray)


def _zero(voltage: Floats, current: Floats) -> Mean:
    """Return the voltage at which a current changes its sign, with its variance over that of one row; NaN where it does not."""
    change = np.flatnonzero(np.diff(np.sign(current)))
    if not len(change):
        return Mean(float("nan"), float("nan"))
    at = int(change[0])
    part = current[at] / (current[at] - current[at + 1])
    return Mean(float(voltage[at] + part * (voltage[at + 1] - voltage[at])), float(part**2 + (1.0 - part) ** 2))


def _resistance(over: Floats, density: Floats) -> tuple[float, float, Floats]:
    """Return r of E = 2RT/F asinh(j/2j0) + r j by least squares, not below 0, the rms of what is left, V, and dr/dE of each row."""
    unit = 2.0 * GAS * ROOM / FARADAY
    point, left = np.array([np.log(max(float(density.max()) / 10.0, 1e-12)), 0.0]), over
    slopes = np.zeros((len(over), 2))
    for _ in range(STEPS):
        part = density / (2.0 * np.exp(point[0]))
        left = over - unit * np.arcsinh(part) - point[1] * density
        slopes = np.column_stack([-unit * part / np.sqrt(1.0 + part**2), density])
        step = np.linalg.lstsq(slopes, left, rcond=None)[0]
        point = np.array([point[0] + np.clip(step[0], -1.0, 1.0), max(point[1] + step[1], 0.0)])
        if abs(step[0]) < 1e-9:
            break
    pull = np.linalg.pinv(slopes)[1] if point[1] > 0.0 else np.zeros(len(over))
    return float(point[1]), float(np.sqrt(np.mean(left**2))), pull


def _linear(over: Floats, density: Floats) -> tuple[float, Floats]:
    """Return j0 of the line through the open circuit, and how its logarithm moves with each voltage, 1/V.

    The line is that of j over 2 RT/F sinh(F E/2RT), which for a symmetric charge transfer is straight beyond its beginning, too.
    """
    slopes = np.zeros(len(over))
    near = over <= LINEAR
    if near.sum() < 3:
        return float("nan"), slopes
    half = FARADAY / (2.0 * GAS * ROOM)
    x, j = np.sinh(half * over[near]) / half, density[near]
    square = float(x @ x)
    slope = float(x @ j) / square
    slopes[near] = (j - 2.0 * slope * x) / square / slope * np.cosh(half * over[near])
    return slope / (2.0 * half), slopes


def _tafel(over: Floats, density: Floats) -> tuple[float, Floats]:
    """Return j0 of Tafel's line, and how its logarithm moves with each voltage, 1/V."""
    slopes = np.zeros(len(over))
    straight = over >= TAFEL[0]
    if straight.sum() < 4:
        return float("nan"), slopes
    x, thermal = over[straight], FARADAY / (GAS * ROOM)
    back = -np.expm1(-thermal * x)
    y, bend = np.log(density[straight] / back), -thermal * (1.0 - back) / back
    dx, dy = x - x.mean(), y - y.mean()
    square = float(dx @ dx)
    slope = float(dx @ dy) / square
    turned = (dy + bend * dx - 2.0 * slope * dx) / square
    slopes[straight] = (bend - slope) / len(x) - x.mean() * turned
    return float(np.exp(y.mean() - slope * x.mean())), slopes

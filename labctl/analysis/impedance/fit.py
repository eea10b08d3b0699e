"""Complex non-linear least squares of a circuit, with confidence intervals; it finds its own beginning."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labctl.analysis.impedance.model import Complex, Real, derivatives
from labctl.analysis.impedance.relaxation import Peak, relaxation_times
from labctl.protocol.circuit import Circuit, Element, Node, Parallel, Series

SPREAD: Final = 3.0  # factor between beginnings that are tried where the first one does not lead far
GOOD: Final = 0.01  # rms residual over |Z| of a fit that needs no further beginning
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Fit:
    """A circuit fitted to a spectrum.

    Attributes:
        circuit: The circuit.
        values: Of its parameters, SI.
        low, high: Ends of their 95 % confidence intervals.
        residual: Root mean square of the residuals over |Z|.
        fitted: Impedance of the fit at the measured frequencies.
        flags: Why it should not be believed.
    """

    circuit: Circuit
    values: Real
    low: Real
    high: Real
    residual: float
    fitted: Complex
    flags: tuple[str, ...] = ()


def fit_circuit(circuit: Circuit, frequency: Real, spectrum: Complex, begin: Real | None = None) -> Fit:
    """Return the least squares of Z_measured - Z_circuit over |Z|, with 95 % confidence intervals.

    Parameters are positive, so their logarithms are searched (exponents of a CPE as they are); intervals are those of the
    linearised problem with Student's t of 2N - p degrees of freedom, taken in the logarithm, so that none crosses zero.
    Without `begin` the search begins at the peaks of the distribution of relaxation times.

    Source: Macdonald and Garber, J. Electrochem. Soc. 124 (1977) 1022.

    Raises:
        ValueError: More parameters than the spectrum has values for.
    """
    frequency, spectrum = np.asarray(frequency, dtype=float), np.asarray(spectrum, dtype=complex)
    if 2 * len(frequency) <= len(circuit.names):
        raise ValueError(
            f"wanted more than {len(circuit.names) // 2} frequencies for {circuit.text}, found {len(frequency)}"
        )
    best: tuple[float, Real, Real] | None = None
    for start in [begin] if begin is not None else beginnings(circuit, frequency, spectrum):
        rms, point, jacobian = _search(circuit, frequency, spectrum, start)
        if best is None or rms < best[0]:
            best = rms, point, jacobian
        if best[0] < GOOD:
            break
    assert best is not None
    return _judged(circuit, frequency, best)


def _logged(circuit: Circuit) -> np.ndarray:
    """Tell which parameters are searched by their logarithm: all but exponents."""
    return np.array([not name.endswith(".a") for name in circuit.names])


def _search(circuit: Circuit, frequency: Real, spectrum: Complex, begin: Real) -> tuple[float, Real, Real]:
    """Return (rms of the residuals, point of the search, Jacobian there)."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to import

    logged, size = _logged(circuit), np.abs(spectrum)

    def values(point: Real) -> Real:
        return np.where(logged, np.exp(np.clip(np.where(logged, point, 0.0), -80.0, 80.0)), point)

    def residuals(point: Real) -> Real:
        left = (derivatives(circuit, values(point), frequency)[0] - spectrum) / size
        return np.asarray(np.nan_to_num(np.concatenate([left.real, left.imag]), nan=1e6, posinf=1e6, neginf=-1e6))

    def slopes(point: Real) -> Real:
        at = values(point)
        rows = derivatives(circuit, at, frequency)[1] * np.where(logged, at, 1.0)[:, None] / size
        return np.asarray(
            np.nan_to_num(np.concatenate([rows.real, rows.imag], axis=1).T, nan=0.0, posinf=1e6, neginf=-1e6)
        )

    start = np.where(logged, np.log(np.where(logged, begin, 1.0)), begin)
    limits = {"xtol": 1e-10, "ftol": 1e-12, "max_nfev": 60 * len(start)}
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # a step far out overflows, and is taken back
        solution = least_squares(residuals, start, slopes, method="lm", **limits)
    return float(np.sqrt(np.mean(solution.fun**2))), solution.x, solution.jac


def _judged(circuit: Circuit, frequency: Real, best: tuple[float, Real, Real]) -> Fit:
    """Return the fit at the best point, with intervals from the linear problem there."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    rms, point, jacobian = best
    logged = _logged(circuit)
    freedom = 2 * len(frequency) - len(point)
    variance = rms**2 * 2 * len(frequency) / freedom
    unit = np.linalg.norm(jacobian, axis=0)
    unit[unit == 0] = 1.0
    singular = np.linalg.svd(jacobian / unit, compute_uv=False)
    covariance = np.linalg.pinv((jacobian / unit).T @ (jacobian / unit), rcond=1e-13, hermitian=True) * variance
    spread = stdtrit(freedom, 0.5 + CONFIDENCE / 2.0) * np.sqrt(np.maximum(np.diag(covariance), 0.0)) / unit
    values, low, high = (
        np.where(logged, np.exp(np.clip(side, -80.0, 80.0)), side) for side in (point, point - spread, point + spread)
    )
    flags = _flags(circuit, values, low, high, float(singular[-1] / singular[0]))
    if rms > 5 * GOOD:
        flags += (f"{circuit.text} leaves {100 * rms:.1f} % of |Z|: another circuit, or no steady state",)
    return Fit(circuit, values, low, high, rms, derivatives(circuit, values, frequency)[0], flags)


def _flags(circuit: Circuit, values: Real, low: Real, high: Real, condition: float) -> tuple[str, ...]:
    unsure = [
        name
        for name, value, below, above in zip(circuit.names, values, low, high, strict=True)
        if above - below > 2.0 * abs(value) or not np.isfinite(above - below)
    ]
    remarks = [f"not determined by this spectrum: {', '.join(unsure)}"] if unsure or condition < 1e-7 else []
    wrong = [
        name
        for name, value in zip(circuit.names, values, strict=True)
        if name.endswith(".a") and not 0.3 <= value <= 1.05
    ]
    return (*remarks, *(f"{name} is no exponent of a capacitive element" for name in wrong))


# --- where the search begins --------------------------------------------------------------------------------------------


def beginnings(circuit: Circuit, frequency: Real, spectrum: Complex) -> list[Real]:
    """Return points to begin at: arcs at the peaks of the distribution of relaxation times, then spread around."""
    arcs, tail = _parallels(circuit.root), _has_tail(circuit.root)
    drt = relaxation_times(frequency, spectrum, blocking=tail)
    peaks = _chosen(drt.peaks, len(arcs), tail, frequency)
    first = _begin(circuit, frequency, spectrum, drt.ohmic, peaks)
    if len(arcs) < 2:
        return [first, *(_moved(circuit, first, factor) for factor in (SPREAD, 1.0 / SPREAD))]
    others = [
        _begin(circuit, frequency, spectrum, drt.ohmic, order)
        for order in (peaks[::-1], _even(frequency, spectrum, len(arcs)))
    ]
    return [first, *others, _moved(circuit, first, SPREAD)]


def _moved(circuit: Circuit, begin: Real, factor: float) -> Real:
    """Return a beginning whose capacitive parameters are larger by a factor: every arc at another time constant."""
    larger = np.array([name.startswith(("C", "W")) and not name.endswith(".a") for name in circuit.names])
    return np.where(larger, begin * factor, begin)


def _parallels(node: Node) -> list[Parallel]:
    match node:
        case Parallel(parts):
            return [node, *(inner for part in parts for inner in _parallels(part))]
        case Series(parts):
            return [inner for part in parts for inner in _parallels(part)]
    return []


def _has_tail(node: Node) -> bool:
    match node:
        case Element(kind):
            return kind in {"W", "Wo", "Ws", "C", "CPE", "G"}
        case Series(parts):
            return any(_has_tail(part) for part in parts)
        case Parallel(parts):
            return all(_has_tail(part) for part in parts) or any(
                isinstance(part, Series) and _has_tail(part) for part in parts
            )


def _chosen(peaks: tuple[Peak, ...], wanted: int, tail: bool, frequency: Real) -> list[Peak]:
    """Return as many peaks as there are arcs, the largest; what lies beyond the lowest frequency belongs to a tail."""
    slowest = 0.5 / (2.0 * np.pi * frequency.min())
    inside = [peak for peak in peaks if not tail or peak.time < slowest] or list(peaks)
    kept = sorted(sorted(inside, key=lambda peak: -peak.resistance)[:wanted], key=lambda peak: peak.time)
    while kept and len(kept) < wanted:
        largest = max(kept, key=lambda peak: peak.resistance)
        at = kept.index(largest)
        half = Peak(largest.time / SPREAD, largest.resistance / 2), Peak(largest.time * SPREAD, largest.resistance / 2)
        kept = [*kept[:at], *half, *kept[at + 1 :]]
    return kept


def _even(frequency: Real, spectrum: Complex, count: int) -> list[Peak]:
    """Return arcs of one size spread evenly over the measured time constants."""
    times = np.geomspace(1.0 / (2 * np.pi * frequency.max()), 1.0 / (2 * np.pi * frequency.min()), count + 2)[1:-1]
    width = max(float(np.ptp(spectrum.real)), 1e-9)
    return [Peak(float(time), width / count) for time in times]


def _begin(circuit: Circuit, frequency: Real, spectrum: Complex, ohmic: float, peaks: list[Peak]) -> Real:
    """Return the parameters that arcs at these peaks, in order, would have."""
    slow = int(np.argmin(frequency))
    omega = 2.0 * np.pi * float(frequency[slow])
    tail = max(-float(spectrum[slow].imag), 1e-6 * abs(spectrum[slow]))
    values = np.ones(len(circuit.names))
    waiting = list(peaks) or [
        Peak(1.0 / np.sqrt(omega * 2 * np.pi * frequency.max()), max(float(np.ptp(spectrum.real)), 1e-9))
    ]
    series = max(ohmic, 0.1 * float(spectrum.real.min()), 1e-6 * abs(spectrum[slow]))
    _place(
        circuit.root,
        values,
        waiting,
        _FitEnds(series, tail, omega, 2 * np.pi * float(frequency.max()), abs(spectrum[slow])),
    )
    return values


@dataclass(frozen=True, slots=True)
class _FitEnds:
    """What the ends of a spectrum tell: series resistance, reactance at the lowest frequency (ohm), and both frequencies (1/s)."""

    series: float
    reactance: float
    slow: float
    fast: float
    size: float


def _place(node: Node, values: Real, waiting: list[Peak], ends: _FitEnds, peak: Peak | None = None) -> None:
    match node:
        case Series(parts):
            for part in parts:
                _place(part, values, waiting, ends, peak)
        case Parallel(parts):
            own = waiting.pop(0) if waiting else Peak(1.0 / np.sqrt(ends.slow * ends.fast), ends.series)
            for part in parts:
                _place(part, values, waiting, ends, own)
        case Element():
            _set(node, values, ends, peak)


def _set(element: Element, values: Real, ends: _FitEnds, peak: Peak | None) -> None:
    at = element.first
    arc = peak is not None
    resistance = peak.resistance if peak else ends.series
    time = peak.time if peak else 1.0 / ends.slow
    match element.kind:
        case "R":
            values[at] = resistance
        case "L":
            values[at] = 1e-3 * ends.series / ends.fast
        case "C":
            values[at] = time / resistance if arc else 1.0 / (ends.slow * ends.reactance)
        case "CPE":
            values[at + 1] = 0.9
            values[at] = time**0.9 / resistance if arc else 1.0 / (ends.slow**0.9 * ends.reactance)
        case "W":
            values[at] = ends.reactance * np.sqrt(ends.slow)
        case _:
            values[at], values[at + 1] = max(ends.reactance, 1e-3 * ends.size), 1.0 / ends.slow

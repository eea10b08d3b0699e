"""Figures of merit of impedance spectra: fits, conductivity, activation energy, transference number."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from labctl.analysis.arrhenius import EV_TO_KJ, Activation, Form, arrhenius
from labctl.analysis.complete import complete_holds
from labctl.analysis.digits import HALF, INTERVAL
from labctl.analysis.impedance.fit import Fit, fit_circuit
from labctl.analysis.impedance.kramers_kronig import kramers_kronig
from labctl.analysis.impedance.model import Complex, Real
from labctl.analysis.impedance.relaxation import relaxation_times
from labctl.analysis.interval import Mean, mean
from labctl.analysis.run_record import Analysis, Figure, RunRecord, SpectrumRecord, lacking
from labctl.errors import Misread
from labctl.protocol.circuit import RESISTANCE, Circuit, parse_circuit
from labctl.quantity.units import ZERO_CELSIUS

UNCLOSED: Final = 0.05  # of |Z| at the highest frequency
INCONSISTENT: Final = 0.01  # rms residual over |Z| of the Kramers-Kronig test
FEWEST: Final = 6  # frequencies
FORMS: Final[Mapping[str, Form]] = {"T/R": "ln T/R", "1/R": "ln 1/R"}
BOTH: Final[tuple[Form, Form]] = ("ln s", "ln sT")
INTERFACE: Final = "R0-p(R1,CPE1)"
TWO_ARCS: Final = "R0-p(R1,CPE1)-p(R2,CPE2)"
POOR: Final = 0.01  # rms residual of one arc, over |Z|, above which two are fitted


def analyse_impedance(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell of every spectrum its intercept, whether it is consistent, its processes, and the circuit that was asked for.

    The intercept is Re Z where the spectrum crosses the real axis at high frequency. Consistency is the linear Kramers-Kronig
    test; an rms residual of more than 1 % of |Z| is flagged. Processes are the peaks of the distribution of relaxation times.
    Options: `circuit`, whose parameters come with 95 % confidence intervals.

    Raises:
        ValueError: There is no spectrum, or the circuit is none.
    """
    spectra = _spectra(record)
    circuit = _circuit(options.get("circuit", ""))
    table: dict[str, list[float | int | str]] = {
        "spectrum": [each.number for each in spectra],
        "cycle": [each.cycle for each in spectra],
        "voltage / V": [each.voltage for each in spectra],
        "temperature / degC": [each.temperature for each in spectra],
        "intercept / ohm": [intercept(each.frequency, each.impedance) for each in spectra],
        "Kramers-Kronig residual / %": [],
        "peaks of relaxation times": [],
    }
    flags: list[str] = []
    for each in spectra:
        if unclosed(each.frequency, each.impedance):
            flags.append(
                f"spectrum {each.number} ends before the real axis: its intercept is an upper bound; begin at a higher frequency"
            )
        test = kramers_kronig(each.frequency, each.impedance)
        table["Kramers-Kronig residual / %"].append(100.0 * test.rms)
        if test.rms > INCONSISTENT:
            flags.append(
                f"spectrum {each.number} fails Kramers-Kronig by {100 * test.rms:.2g} %: not steady, or not linear; "
                "rest longer before it, or take a smaller amplitude"
            )
        peaks = relaxation_times(each.frequency, each.impedance).peaks
        table["peaks of relaxation times"].append(
            "; ".join(f"{peak.resistance:.3g} ohm at {peak.time:.2g} s" for peak in peaks)
        )
    if circuit is not None:
        flags += _add_fits(table, circuit, spectra)
    if not np.any(np.isfinite(np.array(table["temperature / degC"], dtype=float))):
        del table["temperature / degC"]
    return Analysis(
        "impedance", _headline(table, spectra), {name: tuple(column) for name, column in table.items()}, tuple(flags)
    )


def _add_fits(
    table: dict[str, list[float | int | str]], circuit: Circuit, spectra: Sequence[SpectrumRecord]
) -> list[str]:
    """Add two columns a parameter, value and half its interval; return what should not be believed."""
    fits = [fit_circuit(circuit, each.frequency, each.impedance) for each in spectra]
    for at, (name, unit) in enumerate(zip(circuit.names, circuit.units, strict=True)):
        label = f"{name} / {unit}" if unit else name
        table[label] = [float(fit.values[at]) for fit in fits]
        table[f"{name}{HALF} / {unit}" if unit else f"{name}{HALF}"] = [
            float(fit.high[at] - fit.low[at]) / 2.0 for fit in fits
        ]
    table["residual of the fit / %"] = [100.0 * fit.residual for fit in fits]
    return [f"spectrum {each.number}: {flag}" for each, fit in zip(spectra, fits, strict=True) for flag in fit.flags]


def _headline(
    table: Mapping[str, Sequence[float | int | str]], spectra: Sequence[SpectrumRecord]
) -> tuple[Figure, ...]:
    figures = [Figure("spectra", float(len(spectra)), "spectra")]
    ends = ((0, "first"), (-1, "last")) if len(spectra) > 1 else ((0, "first"),)
    for name in [column for column in table if column.endswith("/ ohm") and HALF not in column]:
        label = name.removesuffix(" / ohm")
        half = table.get(f"{label}{HALF} / ohm")
        for at, word in ends:
            cycle = spectra[at].cycle
            figures.append(Figure(f"{label}, {word}", float(table[name][at]), "ohm", cycle))
            if half is not None:
                figures.append(Figure(f"{label}, {word}{INTERVAL}", float(half[at]), "ohm", cycle))
    return tuple(figures)


def intercept(frequency: Real, spectrum: Complex) -> float:
    """Return Re Z where Im Z changes its sign at the highest frequency, straight between two points; ohm.

    Where it never does, the real part at the highest frequency: with a capacitive branch an upper bound.
    """
    order = np.argsort(frequency)[::-1]
    real, imaginary = spectrum.real[order], spectrum.imag[order]
    crossing = np.flatnonzero((imaginary[:-1] >= 0) & (imaginary[1:] < 0))
    if not len(crossing):
        return float(real[0])
    at = int(crossing[0])
    part = imaginary[at] / (imaginary[at] - imaginary[at + 1])
    return float(real[at] + part * (real[at + 1] - real[at]))


def unclosed(frequency: Real, spectrum: Complex) -> bool:
    """Tell whether a spectrum is still capacitive at its highest frequency by more than 5 % of |Z|."""
    top = spectrum[int(np.argmax(frequency))]
    return bool(-top.imag > UNCLOSED * abs(top))


def analyse_conductivity(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the ionic conductivity L/(R S) of every spectrum, and its activation energy where there are three temperatures.

    R is the high-frequency intercept, or the first resistance of a `circuit`. Activation energies are given in both usual
    forms, of ln s and of ln(s T), which differ by about kT.

    Raises:
        ValueError: The cell has no area or no electrolyte thickness, or there is no spectrum.
    """
    area, length = record.cell.area, record.cell.electrolyte_thickness
    if not area or not length:
        missing = "area" if not area else "electrolyte_thickness"
        raise ValueError(lacking("a conductivity", missing))
    spectra, circuit = _spectra(record), _circuit(options.get("circuit", ""))
    resistances, halves, flags = _resistances(spectra, circuit, _first_resistance(circuit))
    conductivity = length / (resistances * area) / 100.0  # S/cm
    spread = conductivity * halves / resistances
    temperature = np.array([each.temperature for each in spectra])
    table: dict[str, tuple[float | int | str, ...]] = {
        "spectrum": tuple(each.number for each in spectra),
        "temperature / degC": tuple(temperature.tolist()),
        "resistance / ohm": tuple(resistances.tolist()),
        "conductivity / S/cm": tuple(conductivity.tolist()),
    }
    figures = [Figure("conductivity, first", float(conductivity[0]), "S/cm")]
    if circuit is not None:
        table[f"resistance{HALF} / ohm"] = tuple(halves.tolist())
        table[f"conductivity{HALF} / S/cm"] = tuple(spread.tolist())
        figures.append(Figure(f"conductivity, first{INTERVAL}", float(spread[0]), "S/cm"))
    if len(np.unique(temperature[np.isfinite(temperature)])) >= 3:
        for form in BOTH:
            figures += _energy(arrhenius(temperature + ZERO_CELSIUS, conductivity, form))
    if circuit is None and not all(np.any(each.impedance.imag >= 0) for each in spectra):
        flags.append(
            "the spectrum does not reach the real axis: the resistance at its highest frequency is an upper bound"
        )
    return Analysis("conductivity", tuple(figures), table, tuple(flags))


def analyse_activation(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the activation energy of a resistance of a fitted circuit: of ln(T/R) by default, of ln(1/R) where `form` says so.

    Raises:
        ValueError: There are not three temperatures, no circuit is named, or it has no such element.
    """
    circuit = _circuit(options.get("circuit", INTERFACE))
    assert circuit is not None
    element = options.get("element", RESISTANCE)
    if element not in circuit.names:
        raise ValueError(
            f"wanted a resistance out of {', '.join(n for n in circuit.names if n[0] == 'R')}, found {element!r}"
        )
    spectra = _spectra(record)
    temperature = np.array([each.temperature for each in spectra]) + ZERO_CELSIUS
    if len(np.unique(temperature[np.isfinite(temperature)])) < 3:
        raise ValueError(
            "an activation energy needs spectra at three temperatures or more: set them by `temperature` steps"
        )
    resistances, halves, flags = _resistances(spectra, circuit, element)
    form = FORMS[options.get("form", "T/R")]
    table: dict[str, tuple[float | int | str, ...]] = {
        "spectrum": tuple(each.number for each in spectra),
        "temperature / degC": tuple((temperature - ZERO_CELSIUS).tolist()),
        f"{element} / ohm": tuple(resistances.tolist()),
        f"{element}{HALF} / ohm": tuple(halves.tolist()),
    }
    return Analysis("activation", tuple(_energy(arrhenius(temperature, resistances, form))), table, tuple(flags))


def analyse_transference(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the cation transference number by Bruce and Vincent: a spectrum, a small potential to steady state, a spectrum.

    t = I_s (dV - I_0 R_0) / (I_0 (dV - I_s R_s)), with the interface resistances R_0 before and R_s after: the summed arcs of the
    `circuit`, by default one arc or two. I_0 is dV over the whole resistance of the first spectrum, since a first row has the
    charging of the double layer in it, or comes too late; I_s is the mean of the last tenth of the hold.

    Source: Evans, Vincent and Bruce, Polymer 28 (1987) 2324.

    Raises:
        ValueError: There is no hold between two spectra.
    """
    spectra = _spectra(record)
    counts = record.steps["step_count"].astype(int).tolist()
    holds, cut = complete_holds(record)
    at = next(iter(holds), None)
    before = [each for each in spectra if at is not None and each.step < counts[at]]
    after = [each for each in spectra if at is not None and each.step > counts[at]]
    if at is None or not before or not after:
        raise ValueError("a transference number needs a spectrum, a hold at 10 to 20 mV, and a spectrum after it")
    rows = record.step_rows(at)
    text = options.get("circuit", "")
    begin, end = (_interface(text, each) for each in (before[-1], after[0]))
    applied = float(np.median(rows.voltage)) - before[-1].voltage
    steady = mean(rows.current[rows.time >= rows.time[0] + 0.9 * (rows.time[-1] - rows.time[0])])
    interface, later, bulk = _arcs(begin), _arcs(end), _resistance(begin, _first_resistance(begin.circuit))
    first = applied / (bulk.value + interface.value)
    number = transference_number(applied, steady, bulk, later)
    flags: list[str] = []
    if record.cell.kind != "symmetric":
        flags.append(
            f"the cell is {record.cell.kind}: the number is of an electrolyte between two electrodes of its metal"
        )
    half = rows.current[rows.time >= rows.time[0] + 0.8 * (rows.time[-1] - rows.time[0])]
    drift = abs(float(half[-1] - half[0])) / max(abs(steady.value), 1e-30)
    if drift > 0.01:
        flags.append(f"no steady state: the current still moved by {100 * drift:.1g} % in the last fifth of the hold")
    if abs(applied) > 0.03:
        flags.append(f"{1e3 * applied:.3g} mV is more than the linear theory takes")
    figures = (
        Figure("transference number", number.value, ""),
        Figure(f"transference number{INTERVAL}", number.spread, ""),
        Figure("applied voltage", 1e3 * applied, "mV"),
        Figure("initial current", 1e6 * first, "uA"),
        Figure("steady current", 1e6 * steady.value, "uA"),
        Figure("interface resistance, before", interface.value, "ohm"),
        Figure("interface resistance, after", later.value, "ohm"),
    )
    return Analysis("transference", figures, {}, (*flags, *begin.flags, *end.flags, *cut))


def transference_number(applied: float, steady: Mean, bulk: Mean, later: Mean) -> Mean:
    """Return Bruce and Vincent's number with half its 95 % interval.

    With I_0 = dV/(R_b + R_0) it is I_s R_b / (dV - I_s R_s): the interface before the hold falls out. The interval is that of the
    three, propagated to first order; the applied voltage is taken as it is.

    Args:
        applied: dV, V.
        steady: I_s, A.
        bulk: R_b of the electrolyte, before the hold, ohm.
        later: R_s of the interface, after it, ohm.
    """
    left = applied - steady.value * later.value
    number = steady.value * bulk.value / left
    parts = (
        steady.spread / steady.value * applied / left,
        bulk.spread / bulk.value,
        steady.value * later.spread / left,
    )
    return Mean(number, abs(number) * math.hypot(*parts))


def _interface(text: str, spectrum: SpectrumRecord) -> Fit:
    """Return the fit of the circuit that was asked for, else of one arc where that fits, and of two where it does not."""
    circuit = _circuit(text or INTERFACE)
    assert circuit is not None
    fit = fit_circuit(circuit, spectrum.frequency, spectrum.impedance)
    if text or fit.residual <= POOR:
        return fit
    two = fit_circuit(parse_circuit(TWO_ARCS), spectrum.frequency, spectrum.impedance)
    return two if two.residual < 0.5 * fit.residual else fit


def analyse_electronic(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the electronic conductivity I L/(U S) of every hold on a blocking cell, from the mean current of its last tenth.

    Raises:
        ValueError: The cell has no area or no electrolyte thickness, or nothing was held.
    """
    del options
    area, length = record.cell.area, record.cell.electrolyte_thickness
    if not area or not length:
        missing = "area" if not area else "electrolyte_thickness"
        raise ValueError(lacking("a conductivity", missing))
    conductivities, flags = [], []
    if record.cell.kind != "blocking":
        flags.append(
            f"the cell is {record.cell.kind}: what flows through electrodes that do not block is no electronic current"
        )
    holds, cut = complete_holds(record)
    for at in holds:
        rows = record.step_rows(at)
        late = rows.time >= rows.time[0] + 0.9 * (rows.time[-1] - rows.time[0])
        (current, spread), voltage = mean(rows.current[late]), float(np.mean(rows.voltage[late]))
        halves = np.array_split(rows.current[late], 2)
        if len(halves[1]) and abs(halves[0].mean() - halves[1].mean()) > 0.05 * abs(current):
            flags.append(f"step {int(record.steps['step_count'][at])}: the current is not steady yet; hold longer")
        factor = length / (voltage * area) / 100.0
        conductivities.append((voltage, current, current * factor, spread * abs(factor)))
    if not conductivities:
        raise ValueError(
            "an electronic conductivity needs a hold, for example hold: {voltage: 0.5 V, current: 1 mA, for: 10 h}"
        )
    voltages, currents, values, spreads = zip(*conductivities, strict=True)
    table = {
        "voltage / V": voltages,
        "current / nA": tuple(1e9 * c for c in currents),
        "conductivity / S/cm": values,
        "conductivity +- / S/cm": spreads,
    }
    figures = (
        Figure("electronic conductivity", values[-1], "S/cm"),
        Figure(f"electronic conductivity{INTERVAL}", spreads[-1], "S/cm"),
        Figure("current of the last hold", 1e9 * currents[-1], "nA"),
    )
    return Analysis("electronic", figures, table, (*flags, *cut))


# --- parts ----------------------------------------------------------------------------------------------------------------


def _spectra(record: RunRecord) -> list[SpectrumRecord]:
    spectra = [each for each in record.spectra() if len(each.frequency) >= FEWEST]
    if not spectra:
        raise ValueError(
            f"no complete spectrum of {FEWEST} frequencies or more: add eis: {{from: 1 MHz, to: 0.1 Hz, amplitude: 10 mV}}"
        )
    return spectra


def _circuit(text: str) -> Circuit | None:
    try:
        return parse_circuit(text) if text else None
    except Misread as error:
        caret = " " * error.offset + "^"
        raise ValueError(f"{error}\n  {text}\n  {caret}\n  hint: {error.hint}") from error


def _first_resistance(circuit: Circuit | None) -> str:
    names = [element.name for element in circuit.elements if element.kind == "R"] if circuit else [""]
    if not names:
        raise ValueError("wanted a circuit with a series resistance, for example R0-p(R1,CPE1)")
    return names[0]


def _resistances(
    spectra: Sequence[SpectrumRecord], circuit: Circuit | None, element: str
) -> tuple[Real, Real, list[str]]:
    """Return one resistance a spectrum, its intercept or an element of the circuit, half the interval of each, and doubts.

    An intercept has no interval: NaN.
    """
    if circuit is None:
        crossings = np.array([intercept(each.frequency, each.impedance) for each in spectra])
        return crossings, np.full(len(spectra), np.nan), []
    fits = [fit_circuit(circuit, each.frequency, each.impedance) for each in spectra]
    values, halves = np.array([_resistance(fit, element) for fit in fits]).T
    flags = [f"spectrum {each.number}: {flag}" for each, fit in zip(spectra, fits, strict=True) for flag in fit.flags]
    return values, halves, flags


def _resistance(fit: Fit, name: str) -> Mean:
    """Return a resistance of a fit with half its 95 % interval, ohm."""
    at = fit.circuit.names.index(name)
    return Mean(float(fit.values[at]), float(fit.high[at] - fit.low[at]) / 2.0)


def _arcs(fit: Fit) -> Mean:
    """Return the summed resistances of a fit but the first, which is the electrolyte's; their intervals as if independent."""
    names = [element.name for element in fit.circuit.elements if element.kind == "R"][1:]
    each = [_resistance(fit, name) for name in names]
    return Mean(sum(one.value for one in each), math.hypot(*(one.spread for one in each)))


def _energy(activation: Activation) -> list[Figure]:
    name = f"activation energy of {activation.form}"
    return [
        Figure(name, activation.energy, "eV"),
        Figure(f"{name}, 95 % interval +-", activation.spread, "eV"),
        Figure(f"{name}, molar", activation.energy * EV_TO_KJ, "kJ/mol"),
    ]

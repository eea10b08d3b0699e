"""Figures of impedance: Nyquist with fit, Bode, Kramers-Kronig residuals, relaxation times, Arrhenius, Bruce and Vincent."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from labctl.analysis.arrhenius import BOLTZMANN
from labctl.analysis.digits import INTERVAL, with_intervals
from labctl.analysis.impedance.fit import Fit, fit_circuit
from labctl.analysis.impedance.kramers_kronig import kramers_kronig
from labctl.analysis.impedance.relaxation import relaxation_times
from labctl.analysis.run_record import Analysis, RunRecord, SpectrumRecord
from labctl.protocol.circuit import parse_circuit
from labctl.quantity.units import ZERO_CELSIUS
from labctl.report.plots.style import (
    GREY,
    MARKERS,
    Drawn,
    axes_of,
    complex_plane,
    legend,
    printed,
    shades,
    styled,
    thinned,
)
from labctl.sample import SECONDS_PER_HOUR, Floats

MOST: Final = 8  # spectra of a figure
BLOCKING: Final = 3.0  # -Im over Re at the lowest frequency
ROOM: Final = 0.09  # of a spectrum's extent between two points that are named
DECADE: Final = 0.1  # decades by which a point may miss the decade that it is named by


def drawn_spectra(record: RunRecord) -> list[SpectrumRecord]:
    """Return the spectra that are drawn: all, or some spread evenly."""
    return thinned([each for each in record.spectra() if len(each.frequency) >= 6], MOST)


def spectrum_figures(record: RunRecord, options: Mapping[str, str]) -> list[Drawn]:
    """Return Nyquist, Bode, Kramers-Kronig residuals and relaxation times of a run's spectra."""
    spectra = drawn_spectra(record)
    if not spectra:
        return []
    fits: list[Fit] = []
    if circuit := options.get("circuit"):
        fits = [fit_circuit(parse_circuit(circuit), each.frequency, each.impedance) for each in spectra]
    figures = [nyquist(spectra, fits), bode(spectra, fits), residuals(spectra)]
    return figures if blocks(spectra[0]) else [*figures, distribution(spectra)]


def blocks(spectrum: SpectrumRecord) -> bool:
    """Tell whether a spectrum is that of a blocking cell: capacitive at low frequencies, without an arc to speak of."""
    low = spectrum.impedance[int(np.argmin(spectrum.frequency))]
    return bool(-low.imag > BLOCKING * low.real)


def named(spectra: Sequence[SpectrumRecord]) -> tuple[str, list[str]]:
    """Return what tells spectra apart, and each one's name: temperature, cycle, voltage, or their number."""
    for word, values, text in (
        ("temperature", [each.temperature for each in spectra], "{:g} °C"),
        ("after cycle", [float(each.cycle) for each in spectra], "{:g}"),
        ("voltage", [each.voltage for each in spectra], "{:.3f} V"),
    ):
        if np.isfinite(values).all() and len({text.format(value) for value in values}) == len(values) > 1:
            return word, [text.format(value) for value in values]
    return "spectrum", [f"{each.number}" for each in spectra]


@styled
def nyquist(spectra: Sequence[SpectrumRecord], fits: Sequence[Fit] = ()) -> Drawn:
    """Draw spectra in the complex plane, both axes alike, decades named on the largest, fits as lines."""
    figure, axes = axes_of((5.6, 4.4))
    word, names = named(spectra)
    for at, (each, shade) in enumerate(zip(spectra, shades(len(spectra)), strict=True)):
        values = each.impedance
        axes.plot(
            values.real,
            -values.imag,
            MARKERS[at % len(MARKERS)],
            color=shade,
            fillstyle="none",
            markersize=4,
            label=names[at],
        )
        if fits:
            order = np.argsort(each.frequency)
            axes.plot(fits[at].fitted.real[order], -fits[at].fitted.imag[order], "-", color=shade, linewidth=0.9)
    _name_decades(axes, spectra)
    complex_plane(axes, [each.impedance for each in spectra], crop=blocks(spectra[0]))
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.05 * (right - left))  # room for the name of the lowest decade
    legend(axes, len(spectra), word, loc="best")
    fitted = f" Lines: fit of {fits[0].circuit.text}." if fits else ""
    return Drawn(
        "nyquist",
        figure,
        f"Impedance in the complex plane, both axes alike; decades of the frequency are filled and named.{fitted}",
    )


def _name_decades(axes: Axes, spectra: Sequence[SpectrumRecord]) -> None:
    """Fill and name the points at whole decades of the spectrum that reaches furthest, as far as their names find room.

    A name stands right of its point: below where the curve rises towards lower frequencies, inside the arc, else above.
    """
    spectrum = max(spectra, key=lambda each: float(np.ptp(each.impedance.real) + np.ptp(each.impedance.imag)))
    order = np.argsort(spectrum.frequency)[::-1]
    place, values = np.log10(spectrum.frequency)[order], spectrum.impedance[order]
    room = ROOM * float(max(np.ptp(values.real), np.ptp(values.imag))) or 1.0
    rising = np.gradient(-values.imag) > 0.0
    last: complex | None = None
    for decade in range(int(np.floor(place.max())), int(np.ceil(place.min())) - 1, -1):
        at = int(np.argmin(np.abs(place - decade)))
        value = complex(values[at])
        if abs(place[at] - decade) > DECADE or (last is not None and abs(value - last) < room):
            continue
        last = value
        axes.plot([value.real], [-value.imag], "o", color="#000000", markersize=4.5, zorder=4)
        name = axes.annotate(
            _hertz(10.0**decade), (value.real, -value.imag), (6, -2) if rising[at] else (4, 4), textcoords="offset points",
            va="top" if rising[at] else "bottom", fontsize=7, annotation_clip=True, zorder=5,
        )  # fmt: skip
        name.set_path_effects([withStroke(linewidth=2.0, foreground="white")])


def _hertz(value: float) -> str:
    for unit, size in (("MHz", 1e6), ("kHz", 1e3), ("Hz", 1.0), ("mHz", 1e-3)):
        if value >= 0.999 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} Hz"


@styled
def bode(spectra: Sequence[SpectrumRecord], fits: Sequence[Fit] = ()) -> Drawn:
    """Draw magnitude and phase against frequency."""
    figure = Figure(figsize=(5.6, 4.4))
    upper, lower = figure.subplots(2, 1, sharex=True)
    word, names = named(spectra)
    for at, (each, shade) in enumerate(zip(spectra, shades(len(spectra)), strict=True)):
        style = {
            "marker": MARKERS[at % len(MARKERS)],
            "linestyle": "none",
            "color": shade,
            "fillstyle": "none",
            "markersize": 3.5,
        }
        upper.loglog(each.frequency, np.abs(each.impedance), label=names[at], **style)
        lower.semilogx(each.frequency, -np.degrees(np.angle(each.impedance)), **style)
        if fits:
            order = np.argsort(each.frequency)
            upper.loglog(each.frequency[order], np.abs(fits[at].fitted[order]), "-", color=shade, linewidth=0.8)
            lower.semilogx(
                each.frequency[order], -np.degrees(np.angle(fits[at].fitted[order])), "-", color=shade, linewidth=0.8
            )
    upper.set_ylabel("|Z| / Ω")
    lower.set_ylabel("−Phase / °")
    lower.set_xlabel("Frequency / Hz")
    legend(upper, len(spectra), word, ncols=1 + len(spectra) // 5)
    return Drawn("bode", figure, "Magnitude and phase of the impedance." + (" Lines: the fit." if fits else ""))


@styled
def residuals(spectra: Sequence[SpectrumRecord]) -> Drawn:
    """Draw what the Kramers-Kronig test leaves of the first and the last spectrum, of both parts."""
    figure, axes = axes_of()
    shown = [spectra[0], *spectra[1:][-1:]]
    for each, marker in zip(shown, ("o", "s"), strict=False):
        test = kramers_kronig(each.frequency, each.impedance)
        for part, fill, word in ((test.real, "full", "Re"), (test.imaginary, "none", "Im")):
            axes.semilogx(
                each.frequency,
                100 * part,
                marker,
                fillstyle=fill,
                color="#000000" if marker == "o" else "#d55e00",
                label=f"{word}, {each.number}",
            )
    axes.axhline(0.0, color=GREY, linewidth=0.7, linestyle="-")
    bound = max(1.2, 1.1 * float(np.max(np.abs(axes.get_ylim()))))
    axes.set_ylim(-bound, bound)
    axes.axhspan(-1.0, 1.0, color="0.93", zorder=0)
    axes.set_xlabel("Frequency / Hz")
    axes.set_ylabel("Residual / % of |Z|")
    legend(axes, 2 * len(shown), "part, spectrum", ncols=2)
    return Drawn("kramers-kronig", figure, "Residuals of the linear Kramers-Kronig test; shaded: 1 % of |Z|.")


@styled
def distribution(spectra: Sequence[SpectrumRecord]) -> Drawn:
    """Draw the distributions of relaxation times, their peaks marked."""
    figure, axes = axes_of()
    word, names = named(spectra)
    for each, shade, name in zip(spectra, shades(len(spectra)), names, strict=True):
        times = relaxation_times(each.frequency, each.impedance)
        axes.semilogx(times.time, times.density, "-", color=shade, label=name)
        for peak in times.peaks:
            height = float(times.density[np.argmin(np.abs(np.log(times.time / peak.time)))])
            axes.plot([peak.time], [1.02 * height], "v", color=shade, markersize=4)
    axes.set_xlabel("Relaxation time / s")
    axes.set_ylabel("Resistance per decade / Ω")
    axes.set_ylim(bottom=0)
    legend(axes, len(spectra), word)
    lambdas = relaxation_times(spectra[0].frequency, spectra[0].impedance).regularisation
    return Drawn(
        "relaxation", figure,
        f"Distribution of relaxation times, regularised by generalised cross-validation (λ = {lambdas:.2g} of the first); "
        "triangles: peaks.",
    )  # fmt: skip


@styled
def arrhenius_plot(analysis: Analysis) -> Drawn | None:
    """Draw a conductivity, or a resistance, against 1000/T with the line whose slope is the activation energy."""
    column = next((name for name in analysis.table if name.startswith("conductivity")), None)
    column = column or next((name for name in analysis.table if name.endswith("/ ohm")), None)
    texts = with_intervals([(each.name, each.value, each.unit) for each in analysis.figures])
    told = {each.name: text for each, text in zip(analysis.figures, texts, strict=True)}
    energies = [each for each in analysis.figures if each.unit == "eV" and not each.name.endswith(INTERVAL)]
    if column is None or not energies:
        return None
    kelvin = np.asarray(analysis.table["temperature / degC"], dtype=float) + ZERO_CELSIUS
    values = np.asarray(analysis.table[column], dtype=float)
    energy = energies[0]
    form = energy.name.removeprefix("activation energy of ").partition(",")[0]
    height = {"ln s": values, "ln sT": values * kelvin, "ln T/R": kelvin / values, "ln 1/R": 1.0 / values}[form]
    label = {"ln s": "σ / S cm⁻¹", "ln sT": "σT / S K cm⁻¹", "ln T/R": "T/R / K Ω⁻¹", "ln 1/R": "1/R / Ω⁻¹"}[form]
    figure, axes = axes_of()
    axes.semilogy(1e3 / kelvin, height, "o")
    line = -energy.value / BOLTZMANN / kelvin
    words = f"({told[energy.name]} ± {told[energy.name + INTERVAL]}) eV of {form.replace('s', 'σ')}"
    axes.semilogy(1e3 / kelvin, np.exp(line - line.mean() + np.log(height).mean()), "-", label=words)
    axes.set_xlabel("1000 K / T")
    axes.set_ylabel(label)
    upper = axes.secondary_xaxis("top", functions=(_celsius, _inverse_kelvin))  # type: ignore[arg-type]
    upper.set_xlabel("Temperature / °C", fontsize=8)
    axes.tick_params(which="both", top=False)
    legend(axes, 1)
    caption = (
        f"Arrhenius plot of {form.replace('s', 'σ')}, with the 95 % interval; the form is part of the energy's name."
    )
    return Drawn("arrhenius", figure, caption)


def _celsius(x: Floats) -> Floats:
    return np.asarray(1e3 / np.maximum(x, 1e-6) - ZERO_CELSIUS)


def _inverse_kelvin(x: Floats) -> Floats:
    return np.asarray(1e3 / np.maximum(x + ZERO_CELSIUS, 1e-6))


@styled
def bruce_vincent(record: RunRecord, analysis: Analysis) -> Drawn | None:
    """Draw the current of a hold against time, and the spectra before and after it."""
    verbs = [str(verb) for verb in record.steps["step_type"]]
    spectra = [each for each in record.spectra() if len(each.frequency) >= 6]
    if "hold" not in verbs or len(spectra) < 2:
        return None
    rows = record.step_rows(verbs.index("hold"))
    known = {each.name: each for each in analysis.figures}
    figure = Figure(figsize=(7.2, 3.4))
    left, right = figure.subplots(1, 2)
    hours = (rows.time - rows.time[0]) / SECONDS_PER_HOUR
    left.plot(hours, 1e6 * rows.current, linestyle="-")
    for name, style, word in (("initial current", ":", "I₀"), ("steady current", "--", "Iₛ")):
        if name in known:
            left.axhline(known[name].value, color=GREY, linestyle=style, label=f"{word} {known[name].value:.3g} µA")
    if "initial current" in known:  # the charging of the double layer would hide the rest
        left.set_ylim(0, 1.6 * abs(known["initial current"].value))
    left.set_xlabel("Time / h")
    left.set_ylabel(f"Current / {printed('uA')}")
    legend(left, 2)
    for each, marker, word in zip((spectra[0], spectra[-1]), ("o", "s"), ("before", "after"), strict=True):
        right.plot(each.impedance.real, -each.impedance.imag, marker, fillstyle="none", markersize=4, label=word)
    complex_plane(right, [spectra[0].impedance, spectra[-1].impedance])
    legend(right, 2)
    number = known.get("transference number")
    words = "" if number is None else f": t = {number.value:.3f}"
    return Drawn(
        "transference", figure, f"Current at a small constant voltage, and the impedance before and after it{words}."
    )

"""Draw the simulated cell against the stored reference curves."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.reference import comparison
from benchmarks.reference.comparison import LOW, NOMINAL, RATES
from labctl_simulators.cell import CellModel, Current, Stop
from labctl_simulators.models import load_model

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend is chosen

LABELLED = (
    ("1 kHz", 1e3, (10, 0)),
    ("100 Hz", 1e2, (10, 0)),
    ("10 Hz", 1e1, (10, 0)),
    ("1 Hz", 1e0, (-10, 0)),
    ("1 mHz", 1e-3, (10, 0)),
)
"""Points of the spectrum with their names, and where these stand."""


def write(folder: Path) -> list[Path]:
    """Write discharge curves, a cycle, pulses and a spectrum into `folder`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    cell = comparison.plain("marquis2019")
    pictures = {f"{name}-discharge": _discharges(comparison.plain(name), name) for name in RATES}
    pictures |= {
        "marquis2019-electrolyte": _discharges(load_model("marquis2019"), "marquis2019", "spme"),
        "marquis2019-cycle": _cycle(cell),
        "marquis2019-pulses": _pulses(cell),
        "marquis2019-spectrum": _spectrum(cell),
    }
    paths = []
    for name, figure in pictures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
        plt.close(figure)
    return paths


def _pair(title: str) -> tuple[plt.Figure, plt.Axes, plt.Axes]:
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, height_ratios=(2, 1), layout="constrained")
    above.set_title(title)
    above.set_ylabel("voltage / V")
    below.set_ylabel("difference / mV")
    below.axhline(0.0, color="0.7", lw=0.8)
    return figure, above, below


def _discharges(cell: CellModel, name: str, kind: str = "spm") -> plt.Figure:
    rates = RATES[name] if kind == "spm" else comparison.SALT_RATES[name]
    figure, above, below = _pair(f"{name}, discharge: lines ours, dots PyBaMM {'SPM' if kind == 'spm' else 'SPMe'}")
    for number, rate in enumerate(rates):
        stop = Stop("voltage", False, LOW[name])
        segment = cell.segment(cell.initial(), Current(-rate * NOMINAL[name]), np.inf, (stop,))
        compared = comparison.discharge(cell, name, rate, kind)
        fine, charge = np.linspace(0.0, segment.end, 800), rate * NOMINAL[name] / 3600.0
        above.plot(fine * charge, segment.rows(fine).voltage, f"C{number}", lw=1.2, label=f"{rate:g}C")
        above.plot(compared.times[::12] * charge, compared.reference[::12], f"C{number}o", ms=3)
        below.plot(compared.times * charge, 1e3 * compared.error, f"C{number}", lw=1)
    above.legend()
    below.set_xlabel("charge / Ah")
    return figure


def _cycle(cell: CellModel) -> plt.Figure:
    figure, above, below = _pair("marquis2019, discharge, charge, held voltage: lines ours, dots PyBaMM SPM")
    twin, begin = above.twinx(), 0.0
    for number, part in enumerate(comparison.cycle(cell)):
        hours = (begin + part.times) / 3600.0
        above.plot(hours, part.voltage, "C0", lw=1.2, label="voltage" if number == 0 else None)
        above.plot(hours[::12], part.reference[::12], "C0o", ms=3)
        twin.plot(hours, part.current, "C1", lw=1.2)
        below.plot(hours, 1e3 * part.error, "C0", lw=1)
        begin += part.end
    above.plot([], [], "C1", lw=1.2, label="current")
    above.legend(loc="lower right")
    twin.set_ylabel("current / A")
    below.set_xlabel("time / h")
    return figure


def _pulses(cell: CellModel) -> plt.Figure:
    figure, above, below = _pair("marquis2019, 25 pulses of C/10: line ours, dots PyBaMM SPM")
    compared = comparison.pulses(cell)
    hours = compared.times / 3600.0
    above.plot(hours, compared.voltage, "C0", lw=1)
    above.plot(hours[::20], compared.reference[::20], "C0o", ms=2.5)
    below.plot(hours, 1e3 * compared.error, "C0", lw=0.8)
    below.set_xlabel("time / h")
    return figure


def _spectrum(cell: CellModel) -> plt.Figure:
    """Return the closed form beside what a sine in the time domain gives."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    state = cell.initial(soc=0.5)
    spectrum = cell.impedance(state, np.geomspace(1e-3, 1e5, 300))
    axes.plot(1e3 * spectrum.real, -1e3 * spectrum.imag, lw=1.2, label="closed form")
    places = np.geomspace(1e-3, 1e4, 15)
    found = 1e3 * np.array([comparison.sine(cell, state, frequency) for frequency in places])
    axes.plot(found.real, -found.imag, "C0o", ms=4, label="sine in the time domain")
    for name, frequency, away in LABELLED:
        point = 1e3 * cell.impedance(state, [frequency])[0]
        side = "left" if away[0] > 0 else "right"
        axes.annotate(name, (point.real, -point.imag), away, textcoords="offset points", va="center", ha=side)
    axes.margins(x=0.12)
    axes.set_title("marquis2019 at half charge: impedance")
    axes.set_xlabel("Re Z / mΩ")
    axes.set_ylabel("-Im Z / mΩ")
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend()
    return figure

"""Draw the simulated cell against the stored reference curves."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

from labctl_simulators.cell import Cell, Current, Rest, Stop, Voltage
from labctl_simulators.models import load_model

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend is chosen

NOMINAL = {"marquis2019": 0.680616, "chen2020": 5.0}
LOW = {"marquis2019": 3.105, "chen2020": 2.5}
RATES = {"marquis2019": (0.1, 0.5, 1.0, 2.0, 3.0), "chen2020": (0.1, 0.5, 1.0, 2.0)}


def write(folder: Path) -> int:
    """Write discharge curves, a cycle, pulses and a spectrum into `folder`; return 0."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = np.load(Path(__file__).with_name("curves.npz"))
    for name in RATES:
        _save(_discharges(load_model(name), name, curves), folder / f"{name}-discharge.png")
    cell = load_model("marquis2019")
    _save(_cycle(cell, curves), folder / "marquis2019-cycle.png")
    _save(_pulses(cell, curves), folder / "marquis2019-pulses.png")
    _save(_spectrum(cell), folder / "marquis2019-spectrum.png")
    for path in sorted(folder.glob("*.png")):
        print(path)
    return 0


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _pair(title: str) -> tuple[plt.Figure, plt.Axes, plt.Axes]:
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, height_ratios=(2, 1))
    above.set_title(title)
    above.set_ylabel("voltage / V")
    below.set_ylabel("ours - reference / mV")
    return figure, above, below


def _discharges(cell: Cell, name: str, curves: np.lib.npyio.NpzFile) -> plt.Figure:
    figure, above, below = _pair(f"{name}: line ours, dots PyBaMM SPM (300 shells, 1e-8)")
    for rate in RATES[name]:
        stop = Stop("voltage", False, LOW[name])
        segment = cell.segment(cell.initial(), Current(-rate * NOMINAL[name]), np.inf, (stop,))
        times, voltage = curves[f"{name}_spm_{rate}_time"], curves[f"{name}_spm_{rate}_voltage"]
        inside = (times > 0.0) & (times <= segment.end)
        fine = np.linspace(0.0, segment.end, 800)
        charge = rate * NOMINAL[name] / 3600.0
        above.plot(fine * charge, segment.rows(fine).voltage, lw=1, label=f"{rate}C")
        above.plot(times[::12] * charge, voltage[::12], "k.", ms=2)
        below.plot(times[inside] * charge, 1e3 * (segment.rows(times[inside]).voltage - voltage[inside]), lw=1)
    above.legend()
    below.set_xlabel("charge / Ah")
    return figure


def _cycle(cell: Cell, curves: np.lib.npyio.NpzFile) -> plt.Figure:
    figure, above, below = _pair("marquis2019: discharge, charge, hold")
    twin, state, begin, nominal = above.twinx(), cell.initial(), 0.0, NOMINAL["marquis2019"]
    drives = (
        (Current(-nominal), Stop("voltage", False, 3.105)),
        (Current(nominal), Stop("voltage", True, 4.1)),
        (Voltage(4.1), Stop("current", False, nominal / 20)),
    )
    for index, (drive, stop) in enumerate(drives):
        segment = cell.segment(state, drive, np.inf, (stop,))
        times = curves[f"marquis2019_cycle_{index}_time"]
        inside = times <= segment.end
        rows = segment.rows(times[inside])
        above.plot(begin + rows.time, rows.voltage, "C0")
        twin.plot(begin + rows.time, rows.current, "C1")
        error = rows.voltage - curves[f"marquis2019_cycle_{index}_voltage"][inside]
        below.plot(begin + rows.time[1:], 1e3 * error[1:], "C0")
        state, begin = segment.state(segment.end), begin + segment.end
    twin.set_ylabel("current / A")
    below.set_xlabel("time / s")
    return figure


def _pulses(cell: Cell, curves: np.lib.npyio.NpzFile) -> plt.Figure:
    figure, above, below = _pair("marquis2019: 25 pulses of C/10")
    times, voltage = curves["marquis2019_gitt_time"], curves["marquis2019_gitt_voltage"]
    ours, state, begin = np.full(len(times), np.nan), cell.initial(), 0.0
    for _ in range(25):
        for drive, duration in ((Current(-NOMINAL["marquis2019"] / 10), 600.0), (Rest(), 3600.0)):
            segment = cell.segment(state, drive, duration)
            inside = (times > begin) & (times < begin + duration)
            ours[inside] = segment.rows(times[inside] - begin).voltage
            state, begin = segment.state(duration), begin + duration
    above.plot(times / 3600.0, ours, lw=1)
    above.plot(times[::10] / 3600.0, voltage[::10], "k.", ms=1)
    below.plot(times / 3600.0, 1e3 * (ours - voltage), lw=1)
    below.set_xlabel("time / h")
    return figure


def _spectrum(cell: Cell) -> plt.Figure:
    """Return the closed form beside what a sine in the time domain gives."""
    figure, axes = plt.subplots(figsize=(7, 4))
    state = cell.initial(soc=0.5)
    spectrum = cell.impedance(state, np.geomspace(1e-4, 1e5, 300))
    axes.plot(1e3 * spectrum.real, -1e3 * spectrum.imag, lw=1, label="closed form")
    found = np.array([_sine(cell, frequency) for frequency in np.geomspace(1e-3, 1e4, 15)])
    axes.plot(1e3 * found.real, -1e3 * found.imag, "k.", label="sine in the time domain")
    axes.set_xlabel("Re Z / mOhm")
    axes.set_ylabel("-Im Z / mOhm")
    axes.legend()
    return figure


def _sine(cell: Cell, frequency: float, samples: int = 200, periods: int = 12) -> complex:
    live = cell.layered(cell.initial(soc=0.5))
    wave = np.exp(-2j * np.pi * np.arange(1, samples + 1) / samples)
    current = -1e-4 * np.tile(wave.imag, periods)
    voltage = np.array([live.ramp(float(value), 1.0 / (frequency * samples)) for value in current])
    end = voltage[-samples - 1]
    drift = end + (voltage[-1] - end) * np.arange(1, samples + 1) / samples
    return complex((voltage[-samples:] - drift) @ wave / (current[-samples:] @ wave))

"""Plots of stored runs: Matplotlib figures with labels in the field's form (`Voltage / V`)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labctl.analysis.record import Analysis, Record
from labctl.sample import SECONDS_PER_HOUR, Floats

LABELLED = 12  # spectra whose numbers find room in a legend
POINTS = 4000  # of a curve that is drawn
STYLE: Mapping[str, Any] = {"linewidth": 0.9, "color": "#205f8f"}
MARKS: Mapping[str, Any] = {"marker": "o", "markersize": 3, "linewidth": 0.7, "color": "#205f8f"}


def envelope(time: Floats, values: Floats, most: int = POINTS) -> tuple[Floats, Floats]:
    """Return the lowest and highest of each of `most` / 2 stretches of rows, in order of time: no peak is lost."""
    if len(time) <= most:
        return time, values
    edges = np.linspace(0, len(time), most // 2 + 1).astype(np.int64)
    pairs = [(low + np.argmin(values[low:high]), low + np.argmax(values[low:high])) for low, high in pairwise(edges)]
    at = np.sort(np.array(pairs, dtype=np.int64), axis=1).ravel()
    return time[at], values[at]


def history(record: Record) -> Figure:
    """Draw voltage and current against time, over the whole run."""
    last = int(np.max(record.steps["last_record"], initial=-1))
    rows = record.rows(0, last)
    good = np.isfinite(rows.voltage)
    hours = rows.time[good] / SECONDS_PER_HOUR
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    upper.plot(*envelope(hours, rows.voltage[good]), **STYLE)
    upper.set_ylabel("Voltage / V")
    lower.plot(*envelope(hours, 1e3 * rows.current[good]), **STYLE)
    lower.set_ylabel("Current / mA")
    lower.set_xlabel("Time / h")
    return figure


def columns(analysis: Analysis, horizontal: str, vertical: Sequence[str]) -> Figure:
    """Draw columns of an analysis' table against one of them; a second one gets an axis of its own."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    x = np.asarray(analysis.table[horizontal], dtype=float)
    axes.plot(x, np.asarray(analysis.table[vertical[0]], dtype=float), **MARKS)
    axes.set_xlabel(title(horizontal))
    axes.set_ylabel(title(vertical[0]))
    for name in vertical[1:2]:
        twin = axes.twinx()
        twin.plot(x, np.asarray(analysis.table[name], dtype=float), **{**MARKS, "color": "#b4532a", "marker": "s"})
        twin.set_ylabel(title(name))
    return figure


def staircase(record: Record, analysis: Analysis) -> Figure:
    """Draw a critical current density test: voltage against time, the current density of each half-cycle beside it."""
    figure = history(record)
    figure.axes[0].set_title("; ".join(analysis.flags) or "no failure", fontsize=9)
    return figure


def titration(analysis: Analysis) -> Figure:
    """Draw the diffusion coefficient against the rested potential; flagged pulses are hollow."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes: Axes = figure.subplots()
    potential = np.asarray(analysis.table["rested potential / V"], dtype=float)
    coefficient = np.asarray(analysis.table["D / cm2/s"], dtype=float)
    clean = np.array([text == "" for text in analysis.table["flags"]])
    axes.semilogy(potential[clean], coefficient[clean], "o", color="#205f8f", label="clean")
    axes.semilogy(potential[~clean], coefficient[~clean], "o", mfc="none", color="#205f8f", label="flagged")
    axes.set_xlabel("Rested potential / V")
    axes.set_ylabel("D / cm2 s-1")
    axes.legend()
    return figure


def nyquist(spectra: Mapping[int, NDArray[np.complex128]]) -> Figure:
    """Draw impedance spectra in the complex plane, both axes alike, the first of them dark and the last light."""
    figure = Figure(figsize=(6.5, 5), layout="constrained")
    axes: Axes = figure.subplots()
    for at, (number, impedance) in enumerate(spectra.items()):
        shade = colormaps["viridis"](0.85 * at / max(len(spectra) - 1, 1))
        axes.plot(impedance.real, -impedance.imag, ".-", color=shade, linewidth=0.7, markersize=3, label=f"{number}")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("Re Z / ohm")
    axes.set_ylabel("-Im Z / ohm")
    if len(spectra) <= LABELLED:
        axes.legend(title="spectrum", fontsize=8)
    return figure


def staged(analysis: Analysis) -> Figure:
    """Draw a rate test as it is read: the mean capacity of each stage over its cycles, the rate written above."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes: Axes = figure.subplots()
    word, unit = ("rate / C", " C") if "rate / C" in analysis.table else ("current / mA", " mA")
    (mean,) = vertical(analysis)[:1]
    for rate, first, cycles, capacity in zip(
        *(analysis.table[name] for name in (word, "first cycle", "cycles", mean)), strict=True
    ):
        here = np.arange(int(first), int(first) + int(cycles))
        axes.plot(here, np.full(len(here), float(capacity)), **MARKS)
        axes.annotate(
            f"{rate:.3g}{unit}", (here.mean(), capacity), (0, 5), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_xlabel("Cycle")
    axes.set_ylabel(title(mean))
    axes.set_ylim(0, 1.1 * max(float(value) for value in analysis.table[mean]))
    return figure


def title(name: str) -> str:
    """Return a column's name with a capital."""
    return name[:1].upper() + name[1:]


def figures(record: Record, analyses: Sequence[Analysis]) -> dict[str, Figure]:
    """Return a figure for the run and one for each analysis that has something to draw."""
    found = {"history": history(record)} if len(record.steps["last_record"]) else {}
    for analysis in analyses:
        names = list(analysis.table)
        if not names or not len(next(iter(analysis.table.values()))):
            continue
        if analysis.name == "ccd":
            found["ccd"] = staircase(record, analysis)
        elif analysis.name == "gitt":
            found["gitt"] = titration(analysis)
        elif analysis.name == "rate":
            found["rate"] = staged(analysis)
        elif drawn := vertical(analysis):
            found[analysis.name] = columns(analysis, horizontal(analysis), drawn)
    return found


def horizontal(analysis: Analysis) -> str:
    """Return the column to draw against."""
    preferred = ("rested voltage / V", "rate / C", "current / mA", "time / h", "angle / deg", "cycle")
    return next((name for name in preferred if name in analysis.table), next(iter(analysis.table)))


def vertical(analysis: Analysis) -> list[str]:
    """Return the columns to draw: a capacity and an efficiency beside it, a resistance, an onset; never texts."""
    passed_over = {horizontal(analysis), "cycle", "cycles", "first cycle"}
    names = [
        name
        for name, column in analysis.table.items()
        if name not in passed_over and any(isinstance(value, float | int) and np.isfinite(value) for value in column)
    ]
    wanted = ("discharge capacity", "mean capacity", "resistance at", "voltage at")
    capacities = [name for name in names if any(word in name for word in wanted)]
    efficiency = [name for name in names if "efficiency" in name]
    return [*(capacities[-1:] or names[:1]), *efficiency]

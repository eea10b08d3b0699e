"""Figures of pulses: titration as a staircase, one pulse over the root of time, diffusion coefficients, resistances; long holds."""

import numpy as np

from labctl.analysis.digits import HALF
from labctl.analysis.gitt import WINDOW, pulse_places, read_pulse
from labctl.analysis.run_record import Analysis, RunRecord
from labctl.report.plots.history import spread
from labctl.report.plots.style import (
    GREY,
    MARKERS,
    Drawn,
    axes_of,
    envelope,
    legend,
    shades,
    styled,
    title,
    whole_numbers,
)
from labctl.sample import SECONDS_PER_HOUR


@styled
def staircase(record: RunRecord) -> Drawn:
    """Draw the voltage of a titration against time, the rested potentials marked."""
    rows, left_out = spread(record)
    good = np.isfinite(rows.voltage)
    figure, axes = axes_of((7.2, 3.6))
    axes.plot(*envelope(rows.time[good] / SECONDS_PER_HOUR, rows.voltage[good]), "-", linewidth=0.6, color="0.4")
    rests = [at + 1 for at in pulse_places(record)]
    ends = np.asarray(record.steps["end_test_time_second"], dtype=float)[rests] / SECONDS_PER_HOUR
    axes.plot(
        ends,
        np.asarray(record.steps["last_voltage_volt"], dtype=float)[rests],
        ".",
        color="#000000",
        markersize=3,
        label="rested",
    )
    axes.set_xlabel("Time / h")
    axes.set_ylabel("Voltage / V")
    axes.margins(x=0.01)
    legend(axes, 1)
    return Drawn("titration", figure, f"Voltage of the titration; points: rested potentials. {left_out}".rstrip())


@styled
def pulse(record: RunRecord) -> Drawn | None:
    """Draw one pulse from the middle of the titration over the root of time, with the line of its early window."""
    places = pulse_places(record)
    if not places:
        return None
    at = places[len(places) // 4]
    read, rows = read_pulse(record, at), record.step_rows(at)
    if read is None:
        return None
    root = np.sqrt(rows.time - rows.time[0])
    figure, axes = axes_of()
    inside = (root**2 >= WINDOW[0] * read.duration) & (root**2 <= WINDOW[1] * read.duration)
    axes.plot(root, rows.voltage, "o", fillstyle="none", color=GREY, label="pulse")
    axes.plot(root[inside], rows.voltage[inside], "o", color="#000000", label="window")
    axes.plot(
        root,
        read.intercept + read.slope * root,
        "--",
        color="#d55e00",
        label=f"slope {1e3 * read.slope:.3g} mV s⁻⁰·⁵, R² {read.fit:.4f}".replace("-", "−"),
    )
    axes.axhline(read.before, color=GREY, linestyle=":", label="rested before")
    axes.set_xlabel("√time / s⁰·⁵")
    axes.set_ylabel("Voltage / V")
    legend(axes, 4)
    return Drawn(
        "pulse",
        figure,
        f"One pulse; its slope is fitted from {100 * WINDOW[0]:g} to {100 * WINDOW[1]:g} % of its time.",
    )


@styled
def diffusion(analysis: Analysis) -> Drawn | None:
    """Draw the diffusion coefficient against the rested potential; flagged pulses are hollow."""
    potential, coefficient = (
        np.asarray(analysis.table[name], dtype=float) for name in ("rested potential / V", "D / cm2/s")
    )
    if not np.isfinite(coefficient).any():
        return None
    clean = np.array([text == "" for text in analysis.table["flags"]])
    direction = np.array(analysis.table["direction"])
    figure, axes = axes_of()
    for side, marker in zip(dict.fromkeys(direction.tolist()), MARKERS, strict=False):
        for good, fill in ((clean, "full"), (~clean, "none")):
            mine = (direction == side) & good & (coefficient > 0)
            if mine.any():
                word = side if fill == "full" else f"{side}, flagged"
                axes.semilogy(
                    potential[mine],
                    coefficient[mine],
                    marker,
                    fillstyle=fill,
                    color="#000000" if marker == "o" else "#0072b2",
                    label=word,
                )
    axes.set_xlabel("Rested potential / V")
    axes.set_ylabel("D / cm² s⁻¹")
    legend(axes, 4)
    return Drawn("gitt", figure, "Diffusion coefficient of each pulse; hollow: flagged, with the reason in the table.")


@styled
def resistances(analysis: Analysis) -> Drawn | None:
    """Draw the resistance of each pulse at its times."""
    names = [name for name in analysis.table if name.endswith("/ ohm") and HALF not in name]
    if not names:
        return None
    figure, axes = axes_of()
    at = np.arange(1, len(analysis.table[names[0]]) + 1)
    half = np.nan_to_num(np.asarray(analysis.table.get(f"resistance{HALF} / ohm", np.zeros(len(at))), dtype=float))
    for name, marker, shade in zip(names, MARKERS, shades(len(names)), strict=False):
        values = np.asarray(analysis.table[name], dtype=float)
        if np.isfinite(values).any():
            label = name.removesuffix(" / ohm").removeprefix("resistance ")
            axes.errorbar(at, values, half, fmt=marker, color=shade, capsize=2, elinewidth=0.7, label=label)
    axes.set_xlabel("Pulse")
    whole_numbers(axes)
    axes.set_ylabel("Resistance / Ω")
    axes.set_ylim(bottom=0)
    legend(axes, len(names))
    return Drawn("dcir", figure, "Resistance of each pulse, at its first row and later; bars: 95 % intervals.")


@styled
def holds(record: RunRecord, analysis: Analysis) -> Drawn | None:
    """Draw the current of each hold against time, and the plateau that a conductivity is told from."""
    places = [at for at, verb in enumerate(record.steps["step_type"]) if str(verb) == "hold"]
    if not places:
        return None
    figure, axes = axes_of()
    for number, (at, shade) in enumerate(zip(places, shades(len(places)), strict=True), 1):
        rows = record.step_rows(at)
        since = np.maximum(rows.time - rows.time[0], 1e-3)
        axes.loglog(since, 1e9 * np.maximum(np.abs(rows.current), 1e-15), "-", color=shade, label=f"hold {number}")
    column = np.asarray(analysis.table.get("current / nA", ()), dtype=float)
    if len(column):
        axes.axhline(float(abs(column[-1])), color="#d55e00", linestyle="--", label=f"{abs(float(column[-1])):.3g} nA")
    axes.set_xlabel(title("time / s"))
    axes.set_ylabel("|Current| / nA")
    legend(axes, len(places) + 1)
    return Drawn("electronic", figure, "Current at constant voltage; dashed: mean of the last tenth.")

"""Figures of stripping and plating: voltage with its envelope, polarisation, the staircase of a critical current, nucleation."""

from typing import Final

import numpy as np
from matplotlib.figure import Figure

from labctl.analysis.run_record import Analysis, RunRecord
from labctl.analysis.symmetric import failure, half_cycles
from labctl.report.plots.history import spread
from labctl.report.plots.style import GREY, WIDE, Drawn, axes_of, envelope, legend, styled
from labctl.sample import SECONDS_PER_HOUR

EARLY: Final = 4.0  # times the time of the tip that a nucleation zoom shows, at least
MARGIN: Final = 1.3  # of the ordinary voltage that an axis shows; a failure may be far beyond it


def failure_time(record: RunRecord) -> float | None:
    """Return the run time in h at which the half-cycle ended that failed; None without one."""
    halves = half_cycles(record)
    failed, _ = failure(halves, record)
    return None if failed is None else float(halves.end[failed]) / SECONDS_PER_HOUR


def shorted_times(record: RunRecord) -> list[float]:
    """Return when shorts were suspected, h: the ends of the cycles in which one was found."""
    cycles = {cycle for name, value, cycle in record.results if name.startswith("short") and value}
    numbers = np.asarray(record.cycles["cycle_count"], dtype=int)
    ends = np.asarray(record.cycles["end_test_time_second"], dtype=float)
    return [float(end) / SECONDS_PER_HOUR for number, end in zip(numbers, ends, strict=True) if int(number) in cycles]


@styled
def symmetric(record: RunRecord, analysis: Analysis) -> Drawn:
    """Draw voltage against time with its envelope, and the polarisation of each cycle below."""
    rows, left_out = spread(record)
    good = np.isfinite(rows.voltage)
    hours, voltage = rows.time[good] / SECONDS_PER_HOUR, 1e3 * rows.voltage[good]
    figure = Figure(figsize=WIDE)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    upper.plot(*envelope(hours, voltage), linewidth=0.4, color="0.35", linestyle="-")
    bound = MARGIN * float(np.quantile(np.abs(voltage), 0.99))
    upper.set_ylim(-bound, bound)
    upper.set_ylabel("Voltage / mV")
    times, values = (np.asarray(analysis.table[name], dtype=float) for name in ("time / h", "polarisation / mV"))
    for side in (1, -1):
        upper.plot(times, side * values, color="#d55e00", linewidth=1.2, linestyle="-")
    lower.plot(times, values, color="#d55e00", linestyle="-")
    lower.set_ylabel("Polar. / mV")
    lower.set_xlabel("Time / h")
    lower.set_ylim(0, 1.25 * float(np.nanmax(values, initial=1.0)))
    upper.margins(x=0.01)
    failed = failure_time(record)
    for axes in (upper, lower):
        for time in shorted_times(record)[:20]:
            axes.axvline(time, color=GREY, linewidth=0.8, linestyle=":")
        if failed is not None:
            axes.axvline(failed, color="#000000", linewidth=1.0, linestyle="--")
    if failed is not None:
        life = next((each.value for each in analysis.figures if each.name == "time"), float("nan"))
        upper.set_title(f"failure (dashed) after {life:.4g} h", loc="left")
    words = "Voltage (grey) and polarisation, half the difference of the voltages in the middle of a cycle's half-cycles (orange)."
    return Drawn("life", figure, f"{words} Dotted: a short was suspected. {left_out}".rstrip())


@styled
def staircase(record: RunRecord, analysis: Analysis) -> Drawn:
    """Draw a critical current density test: voltage and current density against time, a line where it failed."""
    rows, left_out = spread(record)
    good = np.isfinite(rows.voltage)
    hours = rows.time[good] / SECONDS_PER_HOUR
    area = record.cell.area or 1.0
    density = rows.current[good] / area / 10.0  # A/m2 to mA/cm2
    figure = Figure(figsize=WIDE)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    upper.plot(*envelope(hours, rows.voltage[good]), linewidth=0.7)
    upper.set_ylabel("Voltage / V")
    lower.plot(*envelope(hours, density), linewidth=0.7)
    lower.set_ylabel("j / mA cm⁻²")
    lower.set_xlabel("Time / h")
    upper.margins(x=0.01)
    halves = half_cycles(record)
    proofs = analysis.table.get("proves", ())
    failed = next((at for at, kind in enumerate(proofs) if kind in {"short", "voltage"}), None)
    if failed is not None:
        time = float(halves.begin[failed]) / SECONDS_PER_HOUR
        for axes in (upper, lower):
            axes.axvline(time, color="#d55e00", linewidth=1.2, linestyle="--")
        named = {each.name: each for each in analysis.figures}
        current = named["failing current density"].value
        upper.set_title(f"fails by {proofs[failed]} at {current:.3g} mA cm⁻² (dashed), {time:.3g} h", loc="left")
    else:
        upper.set_title("no failure up to the highest current density", loc="left")
    return Drawn(
        "ccd",
        figure,
        f"Voltage and current density; dashed where the half-cycle begins that failed. {left_out}".rstrip(),
    )


@styled
def nucleation(record: RunRecord, analysis: Analysis) -> Drawn | None:
    """Draw the beginning of the first plating: the tip and the plateau that it is measured against."""
    named = {each.name: each.value for each in analysis.figures}
    verbs = [str(verb) for verb in record.steps["step_type"]]
    wanted = {"plate"} if record.cell.kind == "asymmetric" else {"plate", "strip"}
    at = next((place for place, verb in enumerate(verbs) if verb in wanted), None)
    if at is None or "nucleation tip" not in named:
        return None
    rows = record.step_rows(at)
    over = 1e3 * (rows.voltage if verbs[at] == "strip" else -rows.voltage)
    minutes = (rows.time - rows.time[0]) / 60.0
    tip, plateau = named["nucleation tip"], named["plating plateau"]
    where = int(np.argmin(np.abs(over - tip)))
    shown = minutes <= max(EARLY * float(minutes[where]), 0.15 * float(minutes[-1]))
    figure, axes = axes_of()
    axes.plot(minutes[shown], -over[shown], linestyle="-")
    axes.axhline(-plateau, color=GREY, linewidth=0.9, linestyle="--", label=f"plateau {plateau:.3g} mV")
    axes.plot([minutes[where]], [-tip], "v", color="#d55e00", markersize=7, label=f"tip {tip:.3g} mV")
    x = float(minutes[shown][-1]) * 0.9
    axes.annotate("", (x, -plateau), (x, -tip), arrowprops={"arrowstyle": "<->", "linewidth": 0.8})
    axes.annotate(
        f"{tip - plateau:.3g} mV",
        (x, -(tip + plateau) / 2),
        (-5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )
    axes.set_xlabel("Time of plating / min")
    axes.set_ylabel("Voltage / mV")
    legend(axes, 2, loc="center right")
    return Drawn("nucleation", figure, "Beginning of the first plating; nucleation overpotential is tip less plateau.")

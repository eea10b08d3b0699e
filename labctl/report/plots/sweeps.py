"""Figures of sweeps: voltammograms of all rates, growth of the peaks, capacitive share, windows, Tafel lines, limiting currents."""

import numpy as np

from labctl.analysis.digits import INTERVAL, with_intervals
from labctl.analysis.run_record import Analysis, RunRecord
from labctl.analysis.symmetric import AREAL
from labctl.analysis.voltammetry import Branch, branches, capacitive_current, peaks_of
from labctl.report.plots.style import GREY, MARKERS, Drawn, axes_of, legend, printed, shades, styled


def density(record: RunRecord, branch: Branch) -> tuple[np.ndarray, str]:
    """Return the current of a branch in mA/cm2, in mA of a cell without an area, and the unit as it is printed."""
    area = record.cell.area
    return (branch.rows.current / area * AREAL, "mA cm⁻²") if area else (1e3 * branch.rows.current, "mA")


def milli_or_micro(values: np.ndarray) -> tuple[float, str]:
    """Return the factor and the unit in which currents in mA are printed: uA where none reaches 0.1 mA."""
    return (1e3, "µA") if float(np.nanmax(np.abs(values), initial=0.0)) < 0.1 else (1.0, "mA")


@styled
def voltammograms(record: RunRecord) -> Drawn | None:
    """Draw the last cycle of each scan rate, its peaks marked."""
    sweeps = branches(record, "cv")
    rates: dict[float, list[Branch]] = {}
    for branch in sweeps:
        known = next((rate for rate in rates if abs(branch.rate / rate - 1) < 0.02), branch.rate)
        rates.setdefault(known, []).append(branch)
    if not rates:
        return None
    figure, axes = axes_of()
    unit = ""
    for (rate, mine), shade in zip(sorted(rates.items()), shades(len(rates)), strict=True):
        label = f"{1e3 * rate:.3g}"
        for branch in [each for each in mine if each.cycle == mine[-1].cycle]:
            values, unit = density(record, branch)
            axes.plot(branch.rows.voltage, values, "-", color=shade, label=label)
            label = "_"
            for peak in peaks_of(branch):
                place = int(np.argmin(np.abs(branch.rows.voltage - peak.potential)))
                axes.plot([peak.potential], [values[place]], "v" if branch.direction > 0 else "^", color=shade)
    axes.axhline(0.0, color=GREY, linewidth=0.6, linestyle="-")
    axes.set_xlabel("Voltage / V")
    axes.set_ylabel(f"Current density / {unit}" if "cm" in unit else f"Current / {unit}")
    legend(axes, len(rates), "mV s⁻¹")
    return Drawn("voltammetry", figure, "Last cycle at each scan rate; triangles: peaks.")


@styled
def growth(analysis: Analysis) -> Drawn | None:
    """Draw the peak currents against the scan rate, both in logarithm: the slope is b."""
    rates = np.asarray(analysis.table["rate / mV/s"], dtype=float)
    figure, axes = axes_of()
    drawn = 0
    sides = ("rising", "falling")
    every = {side: np.asarray(analysis.table.get(f"peak current, {side} / mA", ()), dtype=float) for side in sides}
    scale, unit = milli_or_micro(np.concatenate(list(every.values())))
    for word, marker, fill in (("rising", "o", "full"), ("falling", "s", "none")):
        values = scale * every[word]
        good = np.isfinite(values) if len(values) else np.array([], dtype=bool)
        if good.sum() < 2:
            continue
        slope, height = np.polyfit(np.log(rates[good]), np.log(values[good]), 1)
        axes.loglog(
            rates[good], values[good], marker, fillstyle=fill, color="#000000", label=f"{word}: b = {slope:.2f}"
        )
        axes.loglog(rates[good], np.exp(height) * rates[good] ** slope, "-" if fill == "full" else "--", color=GREY)
        drawn += 1
    if not drawn:
        return None
    axes.set_xlabel("Scan rate / mV s⁻¹")
    axes.set_ylabel(f"Peak current / {unit}")
    legend(axes, drawn)
    return Drawn("b-value", figure, "Peak current against scan rate; the slope is b, 0.5 by diffusion, 1 capacitive.")


@styled
def share(record: RunRecord) -> Drawn | None:
    """Draw the fastest rising branch with its capacitive part shaded."""
    split = capacitive_current(record)
    if split is None:
        return None
    grid, whole, capacitive = (np.asarray(each, dtype=float) for each in split)
    figure, axes = axes_of()
    scale, unit = milli_or_micro(1e3 * whole)
    axes.plot(grid, 1e3 * scale * whole, "-", label="current")
    axes.fill_between(
        grid, 0.0, 1e3 * scale * capacitive, color="0.8", edgecolor="0.3", linewidth=0.6, hatch="///", label="k₁v"
    )
    axes.set_xlabel("Voltage / V")
    axes.set_ylabel(f"Current / {unit}")
    part = float(np.trapezoid(np.abs(capacitive), grid) / np.trapezoid(np.abs(whole), grid))
    axes.set_title(f"capacitive share {100 * part:.0f} %", loc="left")
    legend(axes, 2)
    return Drawn("share", figure, "Fastest rising branch and its capacitive part k₁v, split at each potential.")


@styled
def window(record: RunRecord, analysis: Analysis) -> Drawn | None:
    """Draw linear sweeps with the threshold that the stability window is told by."""
    sweeps = branches(record, "lsv")
    name = next((column for column in analysis.table if column.startswith("voltage at ")), "")
    if not sweeps or not name:
        return None
    threshold = float(name.removeprefix("voltage at ").partition(" ")[0])
    figure, axes = axes_of()
    for at, (branch, shade) in enumerate(zip(sweeps, shades(len(sweeps)), strict=True)):
        values, _ = density(record, branch)
        axes.plot(branch.rows.voltage, values, "-", color=shade, label=f"sweep {at + 1}")
        onset = float(analysis.table[name][at]) if at < len(analysis.table[name]) else float("nan")
        if np.isfinite(onset):
            axes.plot(
                [onset],
                [np.interp(onset, np.sort(branch.rows.voltage), values[np.argsort(branch.rows.voltage)])],
                MARKERS[3],
                color="#d55e00",
                markersize=6,
            )
            axes.annotate(f"{onset:.2f} V", (onset, threshold), (5, 8), textcoords="offset points", fontsize=8)
    signs = {float(np.sign(np.mean(branch.rows.current))) or 1.0 for branch in sweeps}
    for sign in signs:
        axes.axhline(sign * threshold, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlabel("Voltage / V")
    axes.set_ylabel("Current density / mA cm⁻²")
    legend(axes, len(sweeps) if len(sweeps) > 1 else 0)
    return Drawn("window", figure, f"Linear sweeps; dashed: the threshold of {threshold:g} mA cm⁻².")


@styled
def tafel(record: RunRecord, analysis: Analysis) -> Drawn | None:
    """Draw log |j| against overpotential, with the exchange current density of both methods."""
    sweeps = branches(record, "lsv", "cv")
    if not sweeps or "open circuit / V" not in analysis.table:
        return None
    figure, axes = axes_of()
    halved = 0.5 if record.cell.kind == "symmetric" else 1.0
    rests = dict(zip(analysis.table["sweep"], analysis.table["open circuit / V"], strict=True))
    passing = [
        each for each in enumerate(sweeps, 1) if each[0] in rests
    ]  # the others miss what overpotential counts from
    for (number, branch), shade in zip(passing, shades(len(passing)), strict=True):
        values, _ = density(record, branch)
        over = 1e3 * halved * (branch.rows.voltage - float(rests[number]))
        axes.semilogy(over, np.maximum(np.abs(values), 1e-12), "-", color=shade, label=f"sweep {number}")
    texts = with_intervals([(each.name, each.value, each.unit) for each in analysis.figures])
    told = [each for each in zip(analysis.figures, texts, strict=True) if not each[0].name.endswith(INTERVAL)]
    named = {each.name.rpartition(", ")[2]: each.value for each, _ in told}
    for (each, text), style in zip(told, ("--", ":"), strict=False):
        word = f"j₀ = {text} {printed(each.unit)}, {each.name.rpartition(', ')[2]}"
        axes.axhline(each.value, color="#d55e00", linestyle=style, linewidth=0.9, label=word)
    low = min(named.values(), default=1e-3)
    axes.set_ylim(bottom=0.03 * low)
    axes.set_xlabel("Overpotential / mV")
    axes.set_ylabel("|Current density| / mA cm⁻²")
    legend(axes, len(rests) + 2, loc="lower right")
    return Drawn("tafel", figure, "Tafel plot; horizontal: exchange current density by two methods.")


@styled
def limiting(record: RunRecord, analysis: Analysis) -> Drawn | None:
    """Draw current density against voltage of slow sweeps, and the limiting current density."""
    sweeps = branches(record, "lsv", "cv")
    if not sweeps:
        return None
    figure, axes = axes_of()
    for at, (branch, shade) in enumerate(zip(sweeps, shades(len(sweeps)), strict=True)):
        axes.plot(branch.rows.voltage, density(record, branch)[0], "-", color=shade, label=f"sweep {at + 1}")
    value = next((each.value for each in analysis.figures if each.name == "limiting current density"), None)
    sign = np.sign(np.mean([np.mean(branch.rows.current) for branch in sweeps]))
    if value is not None:
        axes.axhline(sign * value, color="#d55e00", linestyle="--", label=f"{value:.3g} mA cm⁻²")
    axes.set_xlabel("Voltage / V")
    axes.set_ylabel("Current density / mA cm⁻²")
    legend(axes, len(sweeps) + 1)
    where = "no plateau" if value is None else "dashed: where the current grows least with the voltage"
    return Drawn("limiting-current", figure, f"Slow sweep; {where}.")

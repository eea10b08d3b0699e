"""Figures of cycles: voltage against capacity, capacity and efficiency, dQ/dV, rates, bending states."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from labctl.analysis.capacity import counted, scales
from labctl.analysis.complete import DRIVEN, galvanostatic_cycles
from labctl.analysis.complete import counted as numbered
from labctl.analysis.differential import DifferentialCurve, differential, inverse
from labctl.analysis.digits import HALF
from labctl.analysis.efficiency import efficiencies
from labctl.analysis.run_record import Analysis, Integers, RunRecord
from labctl.report.plots.style import (
    GREY,
    MARKERS,
    WIDE,
    Drawn,
    axes_of,
    calm,
    legend,
    printed,
    shades,
    styled,
    title,
    whole_numbers,
)
from labctl.sample import Floats

TELLING: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
CHOSEN: Final = 6
DOTS: Final = 120  # cycles that are drawn as points; more are a line
SIDES: Final = frozenset({"charge", "discharge"})
CUT: Final = 0.08  # of the capacity at either end, which no scale of dV/dQ takes into account
USUAL: Final = (80.0, 102.0)  # %, axis of an efficiency
WIDEST: Final = 110.0  # %, to which that axis goes for the few that lie above the usual
MARGIN: Final = 0.5  # %, above the highest of them


def unit_of(record: RunRecord, wanted: str = "") -> tuple[str, float]:
    """Return the unit of a run's capacities and its factor from Ah: the wanted one, else mAh/g of a mass, else the last.

    Raises:
        ValueError: The cell does not allow the wanted one.
    """
    known = scales(record.cell)
    if wanted and wanted not in known:
        raise ValueError(
            f"wanted capacities in {', '.join(known)}, found {wanted!r}: "
            "give active_mass, area or film_thickness in the cell file"
        )
    unit = wanted or ("mAh/g" if record.cell.active_mass else list(known)[-1])
    return unit, known[unit]


def chosen_cycles(record: RunRecord, wanted: Sequence[int] = ()) -> list[int]:
    """Return the numbers of complete cycles to draw: the wanted ones, else 1, 2, 5, 10, ... and the last."""
    complete = np.asarray(record.cycles["cycle_count"], dtype=int)[galvanostatic_cycles(record)].tolist()
    if wanted or not complete:
        return [number for number in wanted if number in complete]
    usual = [number for number in TELLING if number in complete and number != complete[-1]]
    if len(usual) > CHOSEN - 1:
        usual = [usual[0], *usual[-(CHOSEN - 2) :]]
    return [*(usual or [complete[0]]), complete[-1]] if complete[-1] not in usual else usual


def half_profiles(record: RunRecord, cycle: int) -> list[tuple[str, Floats, Floats]]:
    """Return the half-cycles of a cycle: side, charge passed since it began in Ah, voltage; a hold belongs to its charge."""
    steps = record.steps
    mine = np.flatnonzero(np.asarray(steps["cycle_count"], dtype=int) == cycle)
    sides: list[tuple[str, list[Floats], list[Floats]]] = []
    for at in mine.tolist():
        side = str(steps["step_type"][at])
        if side not in DRIVEN:
            continue
        rows = record.step_rows(at)
        if not len(rows) or rows.charging_ah is None or rows.discharging_ah is None:
            continue
        begin = sides[-1][1][-1][-1] if sides and sides[-1][0] == side else 0.0
        passed = (rows.charging_ah - rows.charging_ah[0]) + (rows.discharging_ah - rows.discharging_ah[0]) + begin
        if begin == 0.0 and (not sides or sides[-1][0] != side):
            sides.append((side, [], []))
        sides[-1][1].append(passed)
        sides[-1][2].append(rows.voltage)
    return [(side, np.concatenate(charge), np.concatenate(voltage)) for side, charge, voltage in sides]


@styled
def profiles(record: RunRecord, unit: str = "", cycles: Sequence[int] = ()) -> Drawn | None:
    """Draw voltage against capacity of chosen cycles, both directions from zero."""
    numbers = chosen_cycles(record, cycles)
    name, factor = unit_of(record, unit)
    figure, axes = axes_of()
    drawn = 0
    for number, shade in zip(numbers, shades(len(numbers)), strict=True):
        label = f"{number}"
        for side, charge, voltage in half_profiles(record, number):
            good = np.isfinite(voltage)
            x, y = charge[good] * factor, voltage[good]
            axes.plot(x, y, color=shade, linestyle="-" if side in {"discharge", "strip"} else "--", label=label)
            label, drawn = "_", drawn + 1
    if not drawn:
        return None
    axes.set_xlabel(f"Capacity / {printed(name)}")
    axes.set_ylabel("Voltage / V")
    axes.set_xlim(left=0)
    legend(axes, len(numbers), "cycle")
    return Drawn("profiles", figure, "Voltage against capacity; discharge solid, charge dashed, both from zero.")


@styled
def capacities(record: RunRecord, unit: str = "") -> Drawn | None:
    """Draw capacity against cycle, and the coulombic efficiency on an axis of its own."""
    taken = galvanostatic_cycles(record)
    if not taken.any():
        return None
    name, factor = unit_of(record, unit)
    count = np.asarray(record.cycles["cycle_count"], dtype=int)[taken]
    figure, axes = axes_of(WIDE)
    few = len(count) <= DOTS
    side, _ = counted(record)
    for kind, word, marker, fill in (
        ("discharging", "discharge", "o", "full"),
        ("charging", "charge", "s", "none"),
    ):
        values = np.asarray(record.cycles[f"{kind}_capacity_ah"], dtype=float)[taken] * factor
        style = (
            {"marker": marker, "fillstyle": fill, "linestyle": "none"}
            if few
            else {"linestyle": "-" if kind == side else ":"}
        )
        axes.plot(count, values, color="#000000" if kind == side else GREY, label=word, zorder=3, **style)  # type: ignore[arg-type]
    axes.set_xlabel("Cycle")
    whole_numbers(axes)
    axes.set_ylabel(f"Capacity / {printed(name)}")
    axes.set_ylim(0, 1.18 * axes.get_ylim()[1])
    ratio = 100 * efficiencies(record).charge[taken]
    beyond = _efficiency(axes, count, ratio, few=few) if np.isfinite(ratio).any() else ""
    axes.legend(loc="lower left")
    caption = f"Capacity of complete cycles; coulombic efficiency (triangles) on the right axis{beyond}."
    return Drawn("capacity", figure, caption)


def _efficiency(axes: Axes, count: Integers, ratio: Floats, *, few: bool) -> str:
    """Draw an efficiency on the right axis and say which points lie beyond it, "" for none.

    The axis is from 80 to 102 %, and to 110 % where some are above, unless the efficiency leaves that for good.
    """
    twin = axes.twinx()
    axes.tick_params(which="both", right=False)
    twin.plot(
        count,
        ratio,
        color="#0072b2",
        marker="^",
        markersize=3 if few else 1.5,
        linestyle="none",
        alpha=1 if few else 0.5,
    )
    twin.set_ylabel("Coulombic efficiency / %", color="#0072b2")
    usual = float(np.nanmedian(ratio)) >= USUAL[0] + 2.0  # a few that lie outside would squeeze all the others
    low, high = np.nanquantile(ratio, [0.02, 0.98])
    highest = float(np.nanmax(ratio))
    above = min(WIDEST, highest + MARGIN) if highest > USUAL[1] else USUAL[1]
    bottom, top = (USUAL[0], above) if usual else (min(USUAL[0], low - 5.0), max(above, high + 2.0))
    twin.set_ylim(bottom, top)
    outside = np.flatnonzero((ratio < bottom) | (ratio > top))
    if not len(outside):
        return ""
    least, most = (f"{end(ratio[outside]):.1f}" for end in (np.min, np.max))
    which = f"{least} %" if least == most else f"{least} to {most} %"
    return f"; {numbered('cycle', count[outside].tolist())} beyond it ({which})"


def differential_curves(
    record: RunRecord, analysis: Analysis, cycles: Sequence[int]
) -> tuple[float, list[tuple[int, list[tuple[str, DifferentialCurve]]]]]:
    """Return the smoothing window, V, and the differential curves of chosen cycles: of each its sides."""
    window = next((1e-3 * each.value for each in analysis.figures if each.name == "smoothing window"), 0.005)
    numbers = chosen_cycles(record, cycles)
    numbers = numbers if len(numbers) <= 3 or cycles else [*numbers[:2], numbers[-1]]
    curves = []
    for number in numbers:
        steps = np.flatnonzero(np.asarray(record.steps["cycle_count"], dtype=int) == number).tolist()
        sides = [(str(record.steps["step_type"][at]), at) for at in steps]
        mine = [(side, differential(record.step_rows(at), window)) for side, at in sides if side in SIDES]
        if any(len(curve.voltage) for _, curve in mine):
            curves.append((number, [(side, curve) for side, curve in mine if len(curve.voltage)]))
    return window, curves


@styled
def differential_capacity(
    record: RunRecord, analysis: Analysis, unit: str = "", cycles: Sequence[int] = ()
) -> Drawn | None:
    """Draw dQ/dV of chosen cycles; what smooths it stands in the caption."""
    name, factor = unit_of(record, unit)
    window, curves = differential_curves(record, analysis, cycles)
    if not curves:
        return None
    figure, axes = axes_of()
    for (number, sides), shade in zip(curves, shades(len(curves)), strict=True):
        for at, (side, curve) in enumerate(sides):
            height = (1.0 if side == "charge" else -1.0) * curve.height * factor / 1e3
            axes.plot(curve.voltage, height, "-", color=shade, linewidth=0.9, label="_" if at else f"{number}")
    axes.axhline(0.0, color=GREY, linewidth=0.6, linestyle="-")
    axes.set_xlabel("Voltage / V")
    axes.set_ylabel(f"dQ/dV / {printed(name)} V⁻¹")
    legend(axes, len(curves), "cycle")
    caption = f"dQ/dV, charge upwards, discharge downwards; differences over {1e3 * window:g} mV, no other smoothing."
    return Drawn("differential", figure, caption)


@styled
def differential_voltage(
    record: RunRecord, analysis: Analysis, unit: str = "", cycles: Sequence[int] = ()
) -> Drawn | None:
    """Draw dV/dQ of chosen cycles against capacity; its ends, which rise without bound, are cut off."""
    name, factor = unit_of(record, unit)
    window, curves = differential_curves(record, analysis, cycles)
    if not curves:
        return None
    figure, axes = axes_of()
    largest = 0.0
    for (number, sides), shade in zip(curves, shades(len(curves)), strict=True):
        for at, (side, curve) in enumerate(sides):
            charge, slope = curve.charge * factor / 1e3, inverse(curve) * 1e3 / factor
            inner = (charge > CUT * charge[-1]) & (charge < (1.0 - CUT) * charge[-1])
            largest = max(largest, float(np.nanmax(slope[inner], initial=0.0)))
            style = "-" if side == "discharge" else "--"
            axes.plot(charge, slope, style, color=shade, linewidth=0.9, label="_" if at else f"{number}")
    axes.set_xlabel(f"Capacity / {printed(name)}")
    axes.set_ylabel(f"dV/dQ / V ({printed(name)})⁻¹")
    axes.set_xlim(left=0)
    axes.set_ylim(0.0, 1.1 * largest or 1.0)
    legend(axes, len(curves), "cycle")
    caption = f"dV/dQ, discharge solid, charge dashed, both from zero; differences over {1e3 * window:g} mV, no other smoothing."
    return Drawn("differential-voltage", figure, caption)


@styled
def rates(record: RunRecord, analysis: Analysis, unit: str = "") -> Drawn:
    """Draw a rate test as it is read: the capacity of each cycle, the rate written above each block."""
    name, factor = unit_of(record, unit)
    count = np.asarray(record.cycles["cycle_count"], dtype=int)
    values = counted(record)[1] * factor
    by_rate = "rate / C" in analysis.table
    word, sign = ("rate / C", "C") if by_rate else ("current / mA", " mA")
    figure, axes = axes_of(WIDE)
    top = 0.0
    for at, (rate, first, cycles) in enumerate(
        zip(*(analysis.table[key] for key in (word, "first cycle", "cycles")), strict=True)
    ):
        inside = np.isin(count, np.arange(int(first), int(first) + int(cycles)))
        axes.plot(count[inside], values[inside], "o", color="#000000", markersize=4.5)
        height = float(np.nanmax(values[inside]))
        top = max(top, height)
        axes.annotate(
            f"{float(rate):.3g}{sign}", (float(count[inside].mean()), height), (0, 7),
            textcoords="offset points", ha="center", fontsize=8,
        )  # fmt: skip
        if at:
            axes.axvline(int(first) - 0.5, color=GREY, linewidth=0.5, linestyle=":")
    axes.set_xlabel("Cycle")
    whole_numbers(axes)
    axes.set_ylabel(f"Capacity / {printed(name)}")
    axes.set_ylim(0, 1.15 * top)
    return Drawn("rate", figure, "Capacity of each cycle, the rate above each block.")


@styled
def retention(analysis: Analysis) -> Drawn:
    """Draw retention against cycle, with the end of life where it was reached."""
    column = next(name for name in analysis.table if name.startswith("retention"))
    figure, axes = axes_of()
    cycles, values = (np.asarray(analysis.table[name], dtype=float) for name in ("cycle", column))
    axes.plot(cycles, values, **({"marker": "o", "linestyle": "none"} if len(cycles) <= DOTS else {}))  # type: ignore[arg-type]
    life = next((each for each in analysis.figures if each.name == "cycle life"), None)
    if life is not None:
        axes.axvline(life.value, color=GREY, linestyle="--")
        axes.annotate(
            f"cycle {life.value:g}", (life.value, axes.get_ylim()[0]), (4, 6), textcoords="offset points", fontsize=8
        )
    axes.set_xlabel("Cycle")
    whole_numbers(axes)
    axes.set_ylabel(title(column))
    calm(axes)
    return Drawn("retention", figure, f"{title(column).partition(' / ')[0]}, of complete cycles at one current.")


@styled
def bending(analysis: Analysis) -> Drawn:
    """Draw the mean capacity of each bending state in the order of the run."""
    column = next(name for name in analysis.table if name.startswith("mean capacity"))
    values = np.asarray(analysis.table[column], dtype=float)
    figure, axes = axes_of()
    at = np.arange(len(values))
    axes.bar(at, values, width=0.6, color="0.8", edgecolor="0", linewidth=0.8)
    names = (
        [f"{angle:g}°" for angle in analysis.table["angle / deg"]]
        if "angle / deg" in analysis.table
        else [f"{float(radius):g} mm" for radius in analysis.table["radius / mm"]]
    )
    axes.set_xticks(at, names)
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    for place, value, change in zip(at, values, analysis.table["change / %"], strict=True):
        axes.annotate(
            f"{float(change):+.1f} %" if place else "",
            (float(place), value),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_xlabel("State, in the order of the run")
    axes.set_ylabel(title(column))
    axes.set_ylim(0, 1.15 * float(values.max()))
    return Drawn("bending", figure, "Mean capacity in each bending state; the change is against the first state.")


@styled
def columns(analysis: Analysis, name: str, horizontal: str, vertical: str) -> Drawn:
    """Draw one column of an analysis against another, with intervals where it has them, directions apart."""
    figure, axes = axes_of()
    x, y = (np.asarray(analysis.table[each], dtype=float) for each in (horizontal, vertical))
    quantity, _, unit = vertical.partition(" / ")
    half = np.asarray(analysis.table.get(f"{quantity}{HALF} / {unit}", np.zeros(len(y))), dtype=float)
    sides = np.array(analysis.table.get("direction", [""] * len(y)))
    known = list(dict.fromkeys(sides.tolist()))
    for side, marker, fill in zip(known, MARKERS, ("full", "none"), strict=False):
        mine = (sides == side) & np.isfinite(y)
        axes.errorbar(
            x[mine],
            y[mine],
            half[mine],
            fmt=marker,
            fillstyle=fill,
            color="#000000",
            capsize=2,
            elinewidth=0.7,
            label=side,
        )
    axes.set_xlabel(title(horizontal))
    axes.set_ylabel(title(vertical))
    if horizontal == "cycle":
        whole_numbers(axes)
    calm(axes)
    legend(axes, len(known) if len(known) > 1 else 0)
    return Drawn(name, figure, f"{title(quantity)} against {title(horizontal).partition(' / ')[0].lower()}.")

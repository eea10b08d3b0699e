"""Several runs beside each other: replicates as mean and spread, rates and materials as curves of their own."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labctl.analysis.capacity import counted, scales
from labctl.analysis.complete import galvanostatic_cycles
from labctl.analysis.digits import shown
from labctl.analysis.replicates import by_cycle, replicated
from labctl.analysis.run_record import Analysis, RunRecord
from labctl.errors import UsageError
from labctl.report.files import as_pdf, as_sheet, folded, write
from labctl.report.page import document, plate
from labctl.report.plots.cycling import half_profiles, unit_of
from labctl.report.plots.spectra import drawn_spectra
from labctl.report.plots.style import (
    MARKERS,
    WIDE,
    Drawn,
    axes_of,
    complex_plane,
    legend,
    printed,
    shades,
    styled,
    whole_numbers,
)
from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
from labctl.sample import Floats
from labctl.store.entry import StoredRun
from labctl.store.reader import Reader

BAND: Final = "band: standard deviation of the replicates, narrower than the line where none shows"
FEW: Final = 60  # cycles that are drawn as points
FIRST: Final = 1  # the cycle whose curves are compared


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are replicates of each other: one protocol on cells of one name."""

    name: str
    runs: tuple[StoredRun, ...]
    records: tuple[RunRecord, ...]
    analyses: tuple[list[Analysis], ...]


def grouped(reader: Reader, runs: Sequence[StoredRun]) -> list[Group]:
    """Return runs by protocol and cell, in the order in which they were named."""
    keys = list(dict.fromkeys((run.protocol, run.cell) for run in runs))
    one_protocol = len({protocol for protocol, _ in keys}) == 1
    groups = []
    for protocol, cell in keys:
        mine = tuple(run for run in runs if (run.protocol, run.cell) == (protocol, cell))
        records = tuple(record_of(reader, run) for run in mine)
        analyses = tuple(
            analyse(record, default_analyses(plan_of(reader, run))) for run, record in zip(mine, records, strict=True)
        )
        name = cell if one_protocol else f"{protocol}, {cell}"
        groups.append(Group(f"{name} (n = {len(mine)})" if len(mine) > 1 else name, mine, records, analyses))
    return groups


def write_comparison(output: Path, reader: Reader, runs: Sequence[StoredRun], unit: str = "") -> None:
    """Write a comparison of runs as `.html`, `.pdf` or `.png`.

    Raises:
        UsageError: The file's name asks for another form, or the cells of the runs do not allow the unit.
    """
    if output.suffix not in {".html", ".pdf", ".png"}:
        raise UsageError(f"wanted a file that ends in .html, .pdf or .png, found {output}")
    groups = grouped(reader, runs)
    try:
        pictures = (capacities(groups, unit), curves(groups, unit), polarisations(groups), spectra(groups))
        drawn = [each for each in pictures if each is not None]
    except ValueError as error:
        raise UsageError(str(error)) from error
    if output.suffix == ".png":
        if not drawn:
            raise UsageError("wanted runs with cycles or spectra in common, found none: write .html for their figures")
        write(output, as_sheet(drawn))
    elif output.suffix == ".pdf":
        write(output, as_pdf([line for group in groups for line in as_lines(group)], drawn))
    else:
        parts = ["<h1>Comparison</h1>", *(plate(each) for each in drawn), *(as_table(group) for group in groups)]
        write(output, document("Comparison", parts).encode())


def as_lines(group: Group) -> list[str]:
    """Return number, mean and spread of each figure of a group, a line each."""
    lines = [group.name, ""]
    for each in replicated(group.analyses):
        spread = f" ± {shown(each.deviation, each.unit)}" if each.count > 1 else ""
        lines += folded(
            f"  {each.name:<52}{shown(each.mean, each.unit)}{spread} {printed(each.unit)}  n = {each.count}"
        )
    return [*lines, ""]


def as_table(group: Group) -> str:
    """Return number, mean, standard deviation and interval of each figure of a group as an HTML table."""
    head = "".join(f"<th>{word}</th>" for word in ("", "mean", "standard deviation", "95 % of the mean", "n", "unit"))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (
                each.name, shown(each.mean, each.unit), _or_dash(each.deviation, each.unit), _or_dash(each.interval, each.unit),
                f"{each.count}", printed(each.unit),
            )
        )
        + "</tr>"
        for each in replicated(group.analyses)
    )  # fmt: skip
    numbers = ", ".join(f"{run.run_id}" for run in group.runs)
    return f"<h2>{html.escape(group.name)}</h2><p>runs {numbers}</p><table><tr>{head}</tr>{rows}</table>"


def _or_dash(value: float, unit: str) -> str:
    return shown(value, unit) if np.isfinite(value) else "–"


def common_unit(groups: Sequence[Group], wanted: str) -> str:
    """Return the unit in which all cells can be compared: the wanted one, else the last that all allow."""
    known = [list(scales(record.cell)) for group in groups for record in group.records]
    if wanted:
        return unit_of(groups[0].records[0], wanted)[0]
    shared = [unit for unit in known[0] if all(unit in each for each in known)]
    return "mAh/g" if "mAh/g" in shared else shared[-1] if shared else known[0][0]


@styled
def capacities(groups: Sequence[Group], unit: str = "") -> Drawn | None:
    """Draw the mean capacity against cycle of each group, with its standard deviation as a band."""
    name = common_unit(groups, unit)
    axes = means([(group.name, [_capacity(record, name) for record in group.records]) for group in groups])
    if axes is None:
        return None
    axes.set_ylabel(f"Capacity / {printed(name)}")
    return Drawn("capacity", _whole(axes), f"Capacity of complete cycles; {BAND}.")


@styled
def polarisations(groups: Sequence[Group]) -> Drawn | None:
    """Draw the mean polarisation against cycle of each group of symmetric cells, with its standard deviation as a band."""
    axes = means([(group.name, [_polarisation(each) for each in group.analyses]) for group in groups])
    if axes is None:
        return None
    axes.set_ylabel("Polarisation / mV")
    words = "Polarisation, half the difference of the voltages in the middle of a cycle's half-cycles"
    return Drawn("polarisation", _whole(axes), f"{words}; {BAND}.")


def means(named: Sequence[tuple[str, Sequence[tuple[Floats, Floats]]]]) -> Axes | None:
    """Draw the mean of replicates against cycle, one curve with a band a group; None where no group has a value."""
    _, axes = axes_of(WIDE)
    drawn = 0
    for (name, columns), shade, marker in zip(named, shades(len(named)), MARKERS * len(named), strict=False):
        cycles, mean, deviation, _ = by_cycle(columns)
        if not len(cycles):
            continue
        point = marker if len(cycles) <= FEW else ""
        axes.plot(cycles, mean, marker=point, linestyle="-", linewidth=0.9, color=shade, label=name)
        spread = np.isfinite(deviation)
        band = ((mean - deviation)[spread], (mean + deviation)[spread])
        axes.fill_between(cycles[spread], *band, color=shade, alpha=0.25, linewidth=0)
        drawn += 1
    if not drawn:
        return None
    axes.set_xlabel("Cycle")
    whole_numbers(axes)
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    legend(axes, drawn)
    return axes


def _whole(axes: Axes) -> Figure:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    return figure


def _polarisation(analyses: Sequence[Analysis]) -> tuple[Floats, Floats]:
    table = next((each.table for each in analyses if each.name == "life"), {})
    cycles, values = (np.asarray(table.get(name, ()), dtype=float) for name in ("cycle", "polarisation / mV"))
    return cycles, values


def _capacity(record: RunRecord, unit: str) -> tuple[Floats, Floats]:
    taken = galvanostatic_cycles(record) if len(record.cycles["cycle_count"]) else np.empty(0, dtype=bool)
    if record.cell.kind in {"symmetric", "blocking"} or not taken.any():
        return np.empty(0), np.empty(0)
    factor = scales(record.cell).get(unit, np.nan)
    return np.asarray(record.cycles["cycle_count"], dtype=float)[taken], counted(record)[1][taken] * factor


@styled
def curves(groups: Sequence[Group], unit: str = "") -> Drawn | None:
    """Draw voltage against capacity of the first cycle of every run."""
    name = common_unit(groups, unit)
    figure, axes = axes_of()
    drawn = 0
    for group, shade in zip(groups, shades(len(groups)), strict=True):
        label = group.name
        for record in group.records:
            if record.cell.kind in {"symmetric", "blocking"}:
                continue
            factor = scales(record.cell).get(name, np.nan)
            for side, charge, voltage in half_profiles(record, FIRST):
                axes.plot(
                    charge * factor,
                    voltage,
                    "-" if side == "discharge" else "--",
                    color=shade,
                    linewidth=0.9,
                    label=label,
                )
                label, drawn = "_", drawn + 1
    if not drawn:
        return None
    axes.set_xlabel(f"Capacity / {printed(name)}")
    axes.set_ylabel("Voltage / V")
    axes.set_xlim(left=0)
    legend(axes, len(groups))
    return Drawn("profiles", figure, f"Voltage against capacity of cycle {FIRST}; discharge solid, charge dashed.")


@styled
def spectra(groups: Sequence[Group]) -> Drawn | None:
    """Draw the last spectrum of every run in the complex plane."""
    figure, axes = axes_of((5.6, 4.4))
    drawn, every = 0, []
    for group, shade, marker in zip(groups, shades(len(groups)), MARKERS * len(groups), strict=False):
        label = group.name
        for record in group.records:
            for each in drawn_spectra(record)[-1:]:
                axes.plot(
                    each.impedance.real,
                    -each.impedance.imag,
                    marker,
                    fillstyle="none",
                    color=shade,
                    markersize=4,
                    label=label,
                )
                label, drawn = "_", drawn + 1
                every.append(each.impedance)
    if not drawn:
        return None
    complex_plane(axes, every)
    legend(axes, len(groups))
    return Drawn("nyquist", figure, "Last spectrum of each run, both axes alike.")

"""Which figures a run has: chosen by what it contains and by what was analysed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from labctl.analysis.capacity import scales
from labctl.analysis.complete import DRIVEN, galvanostatic_cycles
from labctl.analysis.run_record import Analysis, RunRecord
from labctl.report.plots import cycling, plating, pulses, spectra, sweeps
from labctl.report.plots.history import history
from labctl.report.plots.style import Drawn

OVER_TIME: Final = frozenset({"life", "ccd", "titration"})
"""Figures that show the whole run over its time: the plain history beside them would show it twice."""


MOVING: Final = frozenset({*DRIVEN, "cv", "lsv", "hold", "profile"})
"""Steps in which voltage or current moves: a run of rests and spectra has no history to see beside its spectra."""


COLUMNS: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    "pitt": (
        ("pitt", "voltage / V", "dQ/dV / mAh/V"),
        ("pitt-diffusion", "voltage / V", "D / cm2/s"),
        ("pitt-decay", "voltage / V", "decay time / s"),
    ),
    "interruption": (
        ("interruption", "voltage / V", "resistance / ohm"),
        ("interruption-diffusion", "voltage / V", "D / cm2/s"),
    ),
    "capacitance": (("capacitance", "cycle", "capacitance / F"),),
}
"""Figures that are one column of a table against another: name, horizontal, vertical."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of figures.

    Attributes:
        unit: Of capacities; "" for the cell's own.
        cycles: Numbers of the cycles that are drawn; none for a choice.
        options: Of the analyses, by name.
    """

    unit: str = ""
    cycles: tuple[int, ...] = ()
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def figures_of(record: RunRecord, analyses: Sequence[Analysis], wish: Wish | None = None) -> list[Drawn]:
    """Return the figures of a run, the history first; a figure without anything to draw is left out."""
    asked = wish or Wish()
    steps = {str(verb) for verb in record.steps["step_type"]}
    drawn = _of_cycles(record, asked)
    for analysis in analyses:
        drawn += [each for each in _of_analysis(record, analysis, asked) if each is not None]
    if "eis" in steps and not any(each.name == "nyquist" for each in drawn):
        drawn += spectra.spectrum_figures(record, asked.options.get("impedance", {}))
    unique = {each.name: each for each in reversed(drawn)}
    chosen = [each for each in drawn if unique[each.name] is each]
    shown_already = {each.name for each in chosen} & OVER_TIME or (chosen and not steps & MOVING)
    if len(record.steps["last_record"]) and not shown_already:
        return [history(record), *chosen]
    return chosen


def _of_cycles(record: RunRecord, wish: Wish) -> list[Drawn]:
    """Return voltage against capacity and capacity against cycle, of cells with electrodes whose cycles have a capacity."""
    if record.cell.kind in {"symmetric", "blocking"} or not galvanostatic_cycles(record).any():
        return []
    if not any(str(verb) in DRIVEN for verb in record.steps["step_type"]):
        return []
    known = wish.unit if wish.unit in scales(record.cell) else ""
    more = cycling.capacities(record, known) if galvanostatic_cycles(record).sum() > 1 else None
    return [each for each in (cycling.profiles(record, known, wish.cycles), more) if each is not None]


def _of_analysis(record: RunRecord, analysis: Analysis, wish: Wish) -> list[Drawn | None]:
    """Return the figures of one analysis; none where it found nothing."""
    if not analysis.figures and not analysis.table:
        return []
    unit = wish.unit if wish.unit in scales(record.cell) else ""
    makers: dict[str, Callable[[], list[Drawn | None]]] = {
        "capacity": list,
        "retention": lambda: [cycling.retention(analysis)] if _comparable(analysis) else [],
        "rate": lambda: [cycling.rates(record, analysis, unit)],
        "differential": lambda: [
            draw(record, analysis, unit, wish.cycles)
            for draw in (cycling.differential_capacity, cycling.differential_voltage)
        ],
        "bending": lambda: [cycling.bending(analysis)],
        "ccd": lambda: [plating.staircase(record, analysis)],
        "life": lambda: [plating.symmetric(record, analysis)] if len(analysis.table.get("cycle", ())) else [],
        "nucleation": lambda: [plating.nucleation(record, analysis)],
        "gitt": lambda: [pulses.staircase(record), pulses.pulse(record), pulses.diffusion(analysis)],
        "dcir": lambda: [pulses.resistances(analysis)],
        "electronic": lambda: [pulses.holds(record, analysis)],
        "voltammetry": lambda: [sweeps.voltammograms(record)],
        "b_value": lambda: [sweeps.growth(analysis), sweeps.share(record)],
        "window": lambda: [sweeps.window(record, analysis)],
        "exchange_current": lambda: [sweeps.tafel(record, analysis)],
        "limiting_current": lambda: [sweeps.limiting(record, analysis)],
        "impedance": lambda: list(spectra.spectrum_figures(record, wish.options.get("impedance", {}))),
        "conductivity": lambda: [spectra.arrhenius_plot(analysis)],
        "activation": lambda: [spectra.arrhenius_plot(analysis)],
        "transference": lambda: [spectra.bruce_vincent(record, analysis)],
    }
    return makers.get(analysis.name, lambda: _of_columns(analysis))()


def _comparable(analysis: Analysis) -> bool:
    """Tell whether retentions are of one reference: cycles at several currents would look like one curve that jumps."""
    return len(analysis.table.get("cycle", ())) > 1 and "reference cycle" not in analysis.table


def _of_columns(analysis: Analysis) -> list[Drawn | None]:
    """Return the figures that `COLUMNS` has of an analysis, of those columns that it could tell."""
    return [
        cycling.columns(analysis, name, *pair)
        for name, *pair in COLUMNS.get(analysis.name, ())
        if all(np.isfinite(np.asarray(analysis.table.get(each, ()), dtype=float)).any() for each in pair)
    ]

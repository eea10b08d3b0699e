"""What `labctl models NAME --plot` draws: potentials, voltage at several rates, impedance, and for what the set is valid."""

from math import isinf
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np

from labctl_simulators.assembly.build import build_cell
from labctl_simulators.assembly.review import held_by
from labctl_simulators.assembly.tree import Numbers
from labctl_simulators.cell import Current, Stop
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.cell.model import CellModel
from labctl_simulators.parameters import ParameterSet

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend is chosen

RATES: Final = (0.1, 0.5, 1.0, 2.0)
"""C rates of the discharges, of the nominal capacity, or of the one within the window where a set names none."""
DENSITIES: Final = (1.0, 5.0, 10.0)
"""A/m2; the same of cells without a capacity."""
FREQUENCIES: Final = np.geomspace(1e-2, 1e6, 161)


def draw(parameters: ParameterSet, path: Path) -> None:
    """Write the picture of a parameter set, at its own size, to `path`; the suffix says which kind."""
    cell = build_cell(parameters)
    figure, ((left, right), (below, words)) = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    figure.suptitle(f"{parameters.name}: {parameters.about[:110]}")
    if isinstance(cell.chemistry, Insertion):
        _potentials(left, cell)
        numbers = Numbers(parameters.values, parameters.name)
        nominal = numbers.optional("nominal_capacity") or held_by(cell) or 0.0
        _discharges(right, cell, numbers.number("lower_voltage"), nominal)
    else:
        left.set_axis_off()
        _currents(right, cell)
    _spectrum(below, cell)
    _validity(words, parameters, cell)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _potentials(axes: Any, cell: CellModel) -> None:
    hosts = cell.chemistry.hosts  # type: ignore[attr-defined]
    x = np.linspace(0.001, 0.999, 600)
    for name, host in zip(("positive or working", "negative"), hosts, strict=False):
        (line,) = axes.plot(x, host.potential(x), lw=1, label=name)
        low, high = sorted((host.low, host.high))
        inside = np.linspace(low, high, 300)
        axes.plot(
            inside,
            host.potential(inside),
            lw=3,
            color=line.get_color(),
            label=f"within the window: {low:.3f} to {high:.3f}",
        )
    seen = np.concatenate(
        [host.potential(np.linspace(min(h), max(h), 50)) for host in hosts for h in [(host.low, host.high)]]
    )
    axes.set(xlabel="stoichiometry", ylabel="open-circuit potential / V", ylim=(seen.min() - 0.3, seen.max() + 0.3))
    axes.legend(fontsize="small")


def _discharges(axes: Any, cell: CellModel, lowest: float, capacity: float) -> None:
    for rate in RATES:
        current = rate * capacity / 3600.0
        segment = cell.segment(
            cell.initial(soc=1.0), Current(-current), 2e4 / rate, [Stop("voltage", above=False, value=lowest)]
        )
        times = np.linspace(0.0, segment.end, 300)
        axes.plot(times * current / 3.6, segment.rows(times).voltage, lw=1.2, label=f"{rate:g}C")
    axes.set(xlabel="charge / mAh", ylabel="voltage / V", title=f"discharges; 1C is {capacity / 3.6:.4g} mA")
    axes.legend(fontsize="small")


def _currents(axes: Any, cell: CellModel) -> None:
    area = float(cell.chemistry.parameters.area)  # type: ignore[attr-defined]
    for density in DENSITIES:
        segment = cell.segment(cell.initial(), Current(density * area), 3600.0, [])
        times = np.geomspace(1e-3, max(segment.end, 2e-3), 300)
        times = times[times <= segment.end]
        axes.plot(times, segment.rows(times).voltage, lw=1.2, label=f"{density / 10.0:g} mA/cm2")
    axes.set(xlabel="time / s", ylabel="voltage / V", xscale="log", title="after a current is switched on")
    axes.legend(fontsize="small")


def _spectrum(axes: Any, cell: CellModel) -> None:
    state = cell.initial(soc=0.5) if isinstance(cell.chemistry, Insertion) else cell.initial()
    spectrum = cell.impedance(state, FREQUENCIES)
    axes.plot(spectrum.real, -spectrum.imag, lw=1.2)
    for frequency in (1e5, 1e1, 1e-1):
        one = cell.impedance(state, [frequency])[0]
        axes.plot(one.real, -one.imag, "o", ms=3, color="0.3")
        axes.annotate(f"{frequency:g} Hz", (one.real, -one.imag), (4, 4), textcoords="offset points", fontsize="small")
    axes.set(xlabel="Re Z / ohm", ylabel="-Im Z / ohm", title="impedance, 1 MHz to 10 mHz, at half charge")
    axes.set_aspect("equal", adjustable="datalim")


def _validity(axes: Any, model: ParameterSet, cell: CellModel) -> None:
    numbers = Numbers(model.values, model.name)
    parameters: Any = cell.chemistry.parameters  # type: ignore[attr-defined]
    most = float(parameters.highest_current)
    statuses = [origin.status for origin in model.origins]
    lines = [
        f"kind: {model.kind}, model: {model.model}",
        f"area: {numbers.number('area') * 1e4:.5g} cm2",
        f"window: {numbers.number('lower_voltage'):g} to {numbers.number('upper_voltage'):g} V",
        f"valid from {parameters.lowest - 273.15:.4g} to {parameters.highest - 273.15:.4g} degC",
        "valid to any current" if isinf(most) else f"valid to {1e3 * most:.4g} mA",
        "electrolyte: " + ("modes" if getattr(parameters, "electrolyte", None) is not None else "no modes"),
        "\n".join(f"{statuses.count(word)} numbers {word}" for word in ("quoted", "derived", "fitted", "assumed")),
    ]
    axes.set_axis_off()
    axes.text(0.0, 0.95, "\n".join(lines), va="top", family="monospace")

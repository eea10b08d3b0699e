"""Fit open-circuit potentials to the voltages that papers state: plateaus, a peak of a sweep, mean voltages.

Part of `tools/refit.py`, which prints and writes what comes out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import exp, sqrt, tanh
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from labctl_simulators import parameters
from labctl_simulators.assembly.build import build_cell
from labctl_simulators.assembly.tree import Size
from labctl_simulators.cell import CellModel, Current, Stop, VoltageSweep
from labctl_simulators.cell.chemistry.kinetics import FARADAY, GAS
from labctl_simulators.parameters import ParameterSet

FILES = Path(parameters.__file__).parent
LONGEST = 72 * 3600.0
FILM = Size(area=1e-4)
HALF, FULL = Size(area=1.131e-4, mass=0.5655e-6), Size(area=1.131e-4, mass=6.786e-6)
ARC = 62.45
"""ohm, row B1: charge transfer of 1 cm2 of VOC1 at open circuit."""
FRESH, EMPTY = 2.2, 0.0714
"""V at which fresh silicon rests, and the stoichiometry at which its arc is 64/33 of that at half filling, row E5."""


class PublishedPoint(NamedTuple):
    """Hold one published number.

    Attributes:
        row: of the paper.
        words: what it is.
        published: the number.
        scale: how far off counts as much as another one's: of capacities about 1 %, of a peak a quarter of what `labctl
            reproduce` allows.
        measure: of a cell.
        fitted: whether the numbers are fitted to it.
    """

    row: str
    words: str
    published: float
    scale: float
    measure: Callable[[CellModel], float]
    fitted: bool = True


class PotentialFit(NamedTuple):
    """Hold the numbers of a parameter set that are fitted together.

    Attributes:
        name: of the set.
        size: of the cell that was measured.
        free: bounds by path, SI; a number at the end of a path is a place in a row.
        points: that they are fitted to, and that they predict.
        follow: what follows from the others, by path.
    """

    name: str
    size: Size
    free: Mapping[str, tuple[float, float]]
    points: tuple[PublishedPoint, ...]
    follow: Callable[[ParameterSet], Mapping[str, float]]


# --- measurements ------------------------------------------------------------------------------------------------


def plateau(number: int) -> Callable[[CellModel], float]:
    """Return the voltage where a discharge at 5 uA/cm2 falls slowest between two steps of VOC1's potential."""

    def measure(cell: CellModel) -> float:
        times, voltage = discharge(cell, 5e-6)
        host = cell.chemistry.hosts[0]  # type: ignore[attr-defined]
        filled = cell.initial().level[0] + 5e-6 * times / host.capacity
        centres = [value_at(parameters_of(cell), f"working.ocp.step_centre.{k}") for k in range(3)]
        edges = [0.02, *centres, min(float(filled[-1]), 0.99)]
        inside = np.flatnonzero((filled > edges[number]) & (filled < edges[number + 1]))
        steep = -np.gradient(voltage, times)
        return float(voltage[inside[np.argmin(steep[inside])]]) if len(inside) else 0.0

    return measure


def film_capacity(current: float) -> Callable[[CellModel], float]:
    """Return the first discharge at a current (A), uAh."""
    return lambda cell: float(discharge(cell, current)[0][-1] * current / 3.6e-3)


def film_cycled(current: float) -> Callable[[CellModel], float]:
    """Return the discharge of the second cycle at a current (A), as in a rate test, uAh."""

    def measure(cell: CellModel) -> float:
        state = cell.initial()
        for direction in (-1, 1, -1, 1, -1):
            stop = Stop("voltage", direction > 0, 3.8 if direction > 0 else 2.15)
            segment = cell.segment(state, Current(direction * current), LONGEST, [stop])
            state = segment.state(segment.end)
        return float(segment.end * current / 3.6e-3)

    return measure


def discharge(cell: CellModel, current: float) -> tuple[np.ndarray, np.ndarray]:
    """Return times and voltages of a first discharge to 2.15 V."""
    segment = cell.segment(cell.initial(), Current(-current), LONGEST, [Stop("voltage", False, 2.15)])
    times = np.linspace(0.0, segment.end, 4001)
    return times, segment.rows(times).voltage


def specific(rate: float) -> Callable[[CellModel], float]:
    """Return what the silicon film gives in the second cycle at a rate (A/g), after those at lower ones, mAh/g."""

    def measure(cell: CellModel) -> float:
        state = cell.initial()
        for each in (one for one in (0.5, 1.0, 2.0, 3.0) if one <= rate):
            for direction in (-1, 1) * 2:
                stop = Stop("voltage", direction > 0, 1.5 if direction > 0 else 0.005)
                segment = cell.segment(state, Current(direction * each * 0.5655e-3), 54000.0, [stop])
                state = segment.state(segment.end)
        return float(segment.end * rate / 3.6)

    return measure


def fresh_specific(cell: CellModel) -> float:
    """Return what a fresh silicon film gives in the second cycle at 1 A/g, mAh/g."""
    state = cell.initial()
    for direction in (-1, 1) * 2:
        stop = Stop("voltage", direction > 0, 1.5 if direction > 0 else 0.005)
        segment = cell.segment(state, Current(direction * 0.5655e-3), 54000.0, [stop])
        state = segment.state(segment.end)
    return float(segment.end / 3.6)


def oxidation(cell: CellModel) -> float:
    """Return where the current of the first rising sweep at 0.2 mV/s is largest, V."""
    down = cell.segment(cell.initial(), VoltageSweep(FRESH, 0.005, 2e-4), np.inf)
    up = cell.segment(down.state(down.end), VoltageSweep(0.005, 1.5, 2e-4), np.inf)
    rows = up.rows(np.linspace(0.0, up.end, 3001))
    top = int(np.argmax(rows.current))
    before, most, after = rows.current[top - 1 : top + 2]
    return float(
        rows.voltage[top] + 0.5 * (before - after) / (before - 2.0 * most + after) * (rows.voltage[1] - rows.voltage[0])
    )


def full_cycle(cell: CellModel) -> list[tuple[float, float]]:
    """Return mean voltage (V) and capacity (mAh/g) of the second charge and discharge of the full cell at 1C."""
    state, out = cell.initial(), []
    for direction in (1, -1) * 2:
        stop = Stop("voltage", direction > 0, 3.9 if direction > 0 else 2.0)
        segment = cell.segment(state, Current(direction * 1.154e-3), 54000.0, [stop])
        times = np.linspace(0.0, segment.end, 2001)
        out.append((float(segment.rows(times).voltage.mean()), segment.end * 1.154e-3 / 3.6 / 6.786e-3))
        state = segment.state(segment.end)
    return out[2:]


def gap(cell: CellModel) -> float:
    """Return the mean voltage of the charge above that of the discharge of the full cell, V."""
    charge, back = full_cycle(cell)
    return charge[0] - back[0]


# --- what follows ------------------------------------------------------------------------------------------------


def exchange_of_film(found: ParameterSet) -> Mapping[str, float]:
    """Return VOC1's exchange current, A/m2, from its arc at the stoichiometry at which a fresh film rests."""
    x = float(build_cell(found, FILM).initial().level[0])
    thermal = GAS * value_at(found.values, "temperature") / FARADAY
    return {"working.exchange": thermal / (2.0 * ARC * 1e-4 * sqrt(x * (1.0 - x)))}


def fresh_silicon(side: str) -> Callable[[ParameterSet], Mapping[str, float]]:
    """Return the height of the exponential with which silicon rests at FRESH where it is EMPTY, V."""

    def follow(found: ParameterSet) -> Mapping[str, float]:
        ocp: Any = value_at(found.values, f"{side}.ocp")
        rest = FRESH - ocp["constant"] - ocp["linear"] * EMPTY
        for height, centre, width in zip(ocp["step_height"], ocp["step_centre"], ocp["step_width"], strict=True):
            rest -= height * tanh((EMPTY - centre) / width)
        rest -= ocp["rise_height"][0] * exp(-ocp["rise_rate"][0] * (1.0 - EMPTY))
        return {f"{side}.ocp.exp_height.0": rest * exp(ocp["exp_rate"][0] * EMPTY)}

    return follow


def like_half_cell(found: ParameterSet) -> Mapping[str, float]:
    """Return the numbers that the full cell's silicon has from the half cell."""
    half = parameters.read("msi-c").values
    keys = ("ocp.constant", "ocp.exp_height.0", "ocp.step_centre.1")
    del found
    return {f"negative.{key}": value_at(half, f"working.{key}") for key in keys}


FITS = (
    PotentialFit(
        "voc1", FILM,
        {
            "working.ocp.constant": (2.7, 3.2), "working.ocp.step_height.0": (-0.6, -0.01),
            "working.ocp.step_height.1": (-0.6, -0.01), "working.ocp.step_height.2": (-0.6, -0.01),
            "working.ocp.step_centre.1": (0.36, 0.5), "working.ocp.step_centre.2": (0.55, 0.85),
            "working.ocp.rise_height.0": (-2.0, -0.05), "working.capacity": (648.0, 1296.0),
            "arcs.slow.resistance": (0.03, 0.6),
        },
        (
            *(PublishedPoint("B4", f"plateau {k + 1}, V", v, 0.05, plateau(k)) for k, v in enumerate((3.4, 3.2, 2.5, 2.3))),
            PublishedPoint("B4", "first discharge at 5 uA/cm2, uAh", 22.92, 0.92, film_capacity(5e-6)),
            PublishedPoint("B9", "first discharge at 20 uA/cm2, uAh", 18.81, 0.75, film_capacity(20e-6)),
            PublishedPoint("B10", "first discharge at 80 uA/cm2, uAh", 13.2, 0.5, film_capacity(80e-6)),
            PublishedPoint("B8", "discharge in a rate test at 80 uA/cm2, uAh", 12.51, 0.4, film_cycled(80e-6)),
        ),
        exchange_of_film,
    ),
    PotentialFit(
        "msi-c", HALF,
        {
            "working.ocp.constant": (0.1, 0.5), "working.ocp.step_centre.1": (0.5, 0.75),
            "series.resistance": (1e-5, 1e-2),
        },
        (
            PublishedPoint("E8", "0.5 A/g, mAh/g", 2137.0, 20.0, specific(0.5)),
            PublishedPoint("E8", "1 A/g, mAh/g", 2078.0, 20.0, specific(1.0), fitted=False),
            PublishedPoint("E8", "2 A/g, mAh/g", 1971.0, 20.0, specific(2.0), fitted=False),
            PublishedPoint("E8", "3 A/g, mAh/g", 1793.0, 20.0, specific(3.0)),
            PublishedPoint("E10", "second charge at 1 A/g of another film, mAh/g", 2131.0, 20.0, fresh_specific),
            PublishedPoint("E7", "largest peak of oxidation, V", 0.56, 0.005, oxidation),
        ),
        fresh_silicon("working"),
    ),
    PotentialFit(
        "lfp-msi-c", FULL,
        {"positive.specific_capacity": (3.6e5, 5.4e5), "series.resistance": (1e-4, 2e-2)},
        (
            PublishedPoint("E11", "discharge, mAh/g", 95.0, 1.0, lambda cell: full_cycle(cell)[1][1]),
            PublishedPoint("E11", "charge above discharge, V", 0.4, 0.01, gap),
        ),
        like_half_cell,
    ),
)  # fmt: skip


# --- fitting -----------------------------------------------------------------------------------------------------

_BUILT: dict[int, Mapping[str, Any]] = {}


def parameters_of(cell: CellModel) -> Mapping[str, Any]:
    """Return the tree of numbers that a cell was built from here."""
    return _BUILT[id(cell.chemistry)]


def value_at(tree: Mapping[str, Any], path: str) -> Any:
    """Return the number, row or branch at a path."""
    here: Any = tree
    for word in path.split("."):
        here = here[int(word)] if word.isdigit() else here[word]
    return here


def changed(tree: Mapping[str, Any], path: str, value: float) -> dict[str, Any]:
    """Return a tree with another number at a path."""
    word, _, rest = path.partition(".")
    if not rest:
        return {**tree, word: value}
    if rest.isdigit():
        row = list(tree[word])
        row[int(rest)] = value
        return {**tree, word: tuple(row)}
    return {**tree, word: changed(tree[word], rest, value)}


def made(fit: PotentialFit, values: Mapping[str, float]) -> tuple[CellModel, dict[str, float]]:
    """Return the cell with these numbers, and all numbers that it was given, with those that follow."""
    found, given = parameters.read(fit.name), dict(values)
    for path, value in values.items():
        found = found._replace(values=changed(found.values, path, value))
    for path, value in fit.follow(found).items():
        given[path] = value
        found = found._replace(values=changed(found.values, path, value))
    cell = build_cell(found, fit.size)
    _BUILT[id(cell.chemistry)] = found.values
    return cell, given


def fitted(fit: PotentialFit) -> tuple[CellModel, dict[str, float]]:
    """Return the cell of least squares at the fitted points, and its numbers, SI."""
    tree = parameters.read(fit.name).values
    paths = list(fit.free)
    low, high = np.array(list(fit.free.values())).T
    margin = 1e-6 * (high - low)
    begin = np.clip([float(value_at(tree, path)) for path in paths], low + margin, high - margin)

    def off(values: np.ndarray) -> np.ndarray:
        _BUILT.clear()
        cell, _ = made(fit, dict(zip(paths, values.tolist(), strict=True)))
        return np.array([(p.measure(cell) - p.published) / p.scale for p in fit.points if p.fitted])

    found = least_squares(off, begin, diff_step=1e-3, x_scale=np.abs(begin), bounds=(low, high), max_nfev=60)
    return made(fit, dict(zip(paths, found.x.tolist(), strict=True)))


def write(fit: PotentialFit, values: Mapping[str, float]) -> None:
    """Put numbers into the parameter file."""
    file, tree = FILES / f"{fit.name}.yaml", parameters.read(fit.name).values
    text = file.read_text(encoding="utf-8")
    for path, value in values.items():
        words = [word for word in path.split(".") if not word.isdigit()]
        place = int(path.rpartition(".")[2]) if len(words) < len(path.split(".")) else None
        inner = "".join(rf"{'  ' * (k + 1)}{word}:\n(?:{'  ' * (k + 2)}.*\n)*?" for k, word in enumerate(words[:-1]))
        pattern = rf"(\n{inner}{'  ' * len(words)}{words[-1]}: \{{value: )(\[[^\]]*\]|[^,]+)"
        match = re.search(pattern, text)
        if match is None:
            raise SystemExit(f"{file}: wanted {path} as a number, found none")
        numbers = match[2].strip("[]").split(", ")
        at = place or 0
        numbers[at] = f"{float(numbers[at]) * value / float(value_at(tree, path)):.5g}"
        row = f"[{', '.join(numbers)}]" if place is not None else numbers[0]
        text = text[: match.start()] + match[1] + row + text[match.end() :]
    file.write_text(text, encoding="utf-8")


def main(*, writing: bool, sets: Sequence[str] = ()) -> None:
    """Fit the potentials of some sets, or of all, print them, and write them where that is wanted."""
    for fit in FITS:
        if sets and fit.name not in sets:
            continue
        before = parameters.read(fit.name).values
        cell, values = fitted(fit)
        print(f"{fit.name}, rows {', '.join(dict.fromkeys(point.row for point in fit.points))}")
        for path, value in values.items():
            print(f"  {path:28} {value:12.5g} (SI; the file has {float(value_at(before, path)):.5g})")
        for point in fit.points:
            kind, found = "fitted" if point.fitted else "predicted", point.measure(cell)
            print(f"  {kind:9} {point.row} {point.words}: {point.published:g} published, {found:.4g}")
        if writing:
            write(fit, values)

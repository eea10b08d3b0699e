"""Fit series of the simulated cells to a stated part of their published points; the others are predicted.

Rate series by least squares of capacities, conductivities by the law of Vogel, Tammann and Fulcher through three temperatures,
open-circuit potentials (`tools/refit_potentials.py`) by plateaus, peaks and mean voltages.

`python tools/refit.py` prints what comes out beside what stands in the parameter files, `--write` puts it there; names of sets
fit those alone. A number's
`to` names the points that it was fitted to and no others, so that `labctl reproduce` tells the two apart.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import refit_potentials
from scipy.optimize import least_squares

from labctl_simulators import parameters
from labctl_simulators.assembly.build import build_cell
from labctl_simulators.assembly.tree import Size
from labctl_simulators.cell import CellModel, Current, Stop

FILES = Path(parameters.__file__).parent
LONGEST = 15 * 3600.0
"""s of a half-cycle, as in the protocol of rate tests."""


class RateSeries(NamedTuple):
    """Hold one rate series.

    Attributes:
        name: of the parameter set.
        row: of the paper.
        size: of the cell that was measured.
        window: lowest and highest voltage, V.
        counted: the half-cycle whose capacity is published: -1 discharge, 1 charge.
        one: current of rate 1, A; `unit` is that of the rates.
        unit: `C` or ` A/g`, as it follows a rate.
        fitted: published capacity by rate that the numbers are fitted to, mAh/g.
        predicted: those that they are not.
        free: paths of the numbers.
    """

    name: str
    row: str
    size: Size
    window: tuple[float, float]
    counted: int
    one: float
    unit: str
    fitted: dict[float, float]
    predicted: dict[float, float]
    free: tuple[str, ...]


NCM = Size(area=1.131e-4, mass=2.828e-6)
RATES = ("working.specific_capacity", "working.exchange", "series.resistance")
SERIES = (
    RateSeries(
        "phlt-ncm811", "D15", NCM, (3.0, 4.3), -1, 0.5656e-3, "C",
        {0.1: 231.0, 1.0: 183.5, 5.0: 90.1}, {0.2: 219.0, 0.5: 201.4, 2.0: 157.1}, RATES,
    ),
    RateSeries(
        "phl-ncm811", "D15", NCM, (3.0, 4.3), -1, 0.5656e-3, "C",
        {0.1: 195.8, 0.5: 157.5, 2.0: 33.0}, {0.2: 182.5, 1.0: 121.8, 5.0: 6.4}, RATES,
    ),
    RateSeries(
        "n-lvo", "A2", Size(area=1e-4, mass=0.12e-6), (0.01, 2.0), 1, 42e-6, "C",
        {0.1: 350.1, 10.0: 160.7}, {}, ("working.specific_capacity", "working.diffusion_time"),
    ),
)  # fmt: skip
CONDUCTING = ("pvhlp-blocking", "pvhlp-symmetric")
CONDUCTIVITY = {30.0: 4.6e-4, 50.0: 8.8e-4, 70.0: 1.3e-3}
"""S/cm by degC, row E1; those at 40 and 60 degC are predicted."""
BETWEEN = tuple(np.arange(30.0, 71.0, 5.0))
"""degC at which the parameter files have it."""


def vogel(points: dict[float, float]) -> tuple[float, float, float]:
    """Return A, B and T0 of A exp(-B/(T - T0)) through three evenly spaced temperatures; K for degC."""
    cold, middle, hot = (celsius + 273.15 for celsius in sorted(points))
    low, between, high = (np.log(points[celsius]) for celsius in sorted(points))
    ratio = (between - low) / (high - between)
    zero = (ratio * cold - hot) / (ratio - 1.0)
    steep = (between - low) / (1.0 / (cold - zero) - 1.0 / (middle - zero))
    return float(np.exp(low + steep / (cold - zero))), float(steep), float(zero)


def conduct(*, writing: bool) -> None:
    """Print the law of the conductivities and what it predicts; put its rows into the parameter files where that is wanted."""
    largest, steep, zero = vogel(CONDUCTIVITY)
    at = lambda celsius: largest * np.exp(-steep / (celsius + 273.15 - zero))  # noqa: E731
    print(f"{', '.join(CONDUCTING)}, row E1: {largest:.4g} S/cm exp(-{steep:.1f} K/(T - {zero:.1f} K))")
    for celsius, published in ((40.0, 6.7e-4), (60.0, 1.1e-3)):
        off = 100.0 * (at(celsius) / published - 1.0)
        print(f"  predicted {celsius:g} degC: {published:.3g} published, {at(celsius):.4g} S/cm, {off:+.1f} %")
    origin = (
        'status: derived, source: E1, by: "the law of Vogel, Tammann and Fulcher through 4.6e-4 at 30, 8.8e-4 at 50 and '
        '1.3e-3 S/cm at 70 degC"'
    )
    rows = {
        "conductivity": f"[{', '.join(f'{at(celsius):.4g}' for celsius in BETWEEN)}], unit: S/cm",
        "conductivity_temperatures": f"[{', '.join(f'{celsius:g}' for celsius in BETWEEN)}], unit: degC",
    }
    for name in CONDUCTING if writing else ():
        file = FILES / f"{name}.yaml"
        text = file.read_text(encoding="utf-8")
        for key, row in rows.items():
            text = re.sub(
                rf"(\n    {key}: )\{{value: \[.*", lambda found, row=row: f"{found[1]}{{value: {row}, {origin}}}", text
            )
        file.write_text(text, encoding="utf-8")


def capacities(series: RateSeries, cell: CellModel) -> dict[float, float]:
    """Return the capacity of the second cycle at each rate, the rates rising, mAh/g."""
    state, out = cell.initial(), {}
    for rate in sorted(series.fitted | series.predicted):
        for _ in range(2):
            for direction in (1, -1):
                stop = Stop("voltage", direction > 0, series.window[direction > 0])
                segment = cell.segment(state, Current(direction * rate * series.one), LONGEST, [stop])
                state = segment.state(segment.end)
                if direction == series.counted:
                    out[rate] = segment.end * rate * series.one / 3.6 / (1e3 * series.size.mass)
    return out


def built(series: RateSeries, values: np.ndarray) -> CellModel:
    """Return the cell with other values of its free numbers, SI."""
    found = parameters.read(series.name)
    tree = found.values
    for path, value in zip(series.free, values, strict=True):
        branch, key = path.split(".")
        tree = {**tree, branch: {**tree[branch], key: float(value)}}
    return build_cell(found._replace(values=tree), series.size)


def begin(series: RateSeries) -> np.ndarray:
    """Return the values that the parameter file has, SI."""
    tree = parameters.read(series.name).values
    return np.array([tree[path.split(".")[0]][path.split(".")[1]] for path in series.free])


def fit(series: RateSeries) -> np.ndarray:
    """Return the values of least squares at the fitted points, SI."""
    rates = sorted(series.fitted)

    def off(logarithms: np.ndarray) -> np.ndarray:
        found = capacities(series, built(series, np.exp(logarithms)))
        return np.array([found[rate] / series.fitted[rate] - 1.0 for rate in rates])

    return np.exp(least_squares(off, np.log(begin(series)), diff_step=1e-3, xtol=1e-6, max_nfev=40).x)


def write(series: RateSeries, values: np.ndarray) -> None:
    """Put the values into the parameter file, with the points that they were fitted to."""
    file = FILES / f"{series.name}.yaml"
    text = file.read_text(encoding="utf-8")
    points = ", ".join(f"{series.fitted[rate]:g} at {rate:g}{series.unit}" for rate in sorted(series.fitted))
    points = points.replace(" at", " mAh/g at", 1)
    old = begin(series)
    for path, value, before in zip(series.free, values, old, strict=True):
        branch, key = path.split(".")
        pattern = rf"(\n  {branch}:\n(?:    .*\n)*?    {key}: {{value: )([^,]+)(, [^\n]*?to: \")[^\"]*(\")"
        match = re.search(pattern, text)
        if match is None:
            raise SystemExit(f"{file}: wanted {path} as a fitted number, found none")
        given = float(match[2]) * value / before
        text = text[: match.start()] + f"{match[1]}{given:.5g}{match[3]}{points}{match[4]}" + text[match.end() :]
    file.write_text(text, encoding="utf-8")


def main() -> int:
    """Fit all series, print them, and write them where that is wanted."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sets", nargs="*", help="names of parameter sets; all of them where none is named")
    words.add_argument("--write", action="store_true", help="put what comes out into the parameter files")
    wanted = words.parse_args()
    for series in SERIES:
        if wanted.sets and series.name not in wanted.sets:
            continue
        values = fit(series)
        found = capacities(series, built(series, values))
        print(f"{series.name}, row {series.row}")
        for path, value, before in zip(series.free, values, begin(series), strict=True):
            print(f"  {path:28} {value:12.5g} (SI; the file has {before:.5g})")
        for kind, points in (("fitted", series.fitted), ("predicted", series.predicted)):
            for rate, published in sorted(points.items()):
                off = 100.0 * (found[rate] / published - 1.0)
                print(
                    f"  {kind:9} {rate:g}{series.unit}: {published:6.1f} published, {found[rate]:6.1f} mAh/g, {off:+.1f} %"
                )
        if wanted.write:
            write(series, values)
    if not wanted.sets or set(CONDUCTING).intersection(wanted.sets):
        conduct(writing=wanted.write)
    refit_potentials.main(writing=wanted.write, sets=wanted.sets)
    if wanted.write:
        print("next: python -m labctl_simulators.parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())

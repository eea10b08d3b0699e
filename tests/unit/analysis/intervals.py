"""How often 95 % intervals hold the truth, and how wide they are against the bound of Cramer and Rao.

`make intervals` prints the table for every fit; the tests take a few of them. Each is a number of noisy cases of known
truth, drawn from seeds: `python -m tests.unit.analysis.intervals` draws 1000 of each.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labctl.analysis.arrhenius import BOLTZMANN, arrhenius
from labctl.analysis.exchange import FARADAY, GAS, LINEAR, ROOM, TAFEL, half_sweep
from labctl.analysis.gitt import Pulse, diffusion, interval
from labctl.analysis.impedance.fit import fit_circuit
from labctl.analysis.impedance.model import derivatives, impedance
from labctl.analysis.interval import Mean, line, mean
from labctl.analysis.pulse import noise as noise_of
from labctl.analysis.pulse import resistances
from labctl.analysis.replicates import statistics
from labctl.analysis.spectra import transference_number
from labctl.analysis.titration import decay
from labctl.protocol.circuit import parse_circuit
from labctl.sample import Batch
from tests.crash.promises import dated, write

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "analyses.md"
FREQUENCY = np.geomspace(1e6, 1e-2, 60)
CIRCUITS = {
    "R0-p(R1,C1)": (5.0, 100.0, 1e-6),
    "R0-p(R1,CPE1)": (10.0, 62.45, 2e-5, 0.85),
    "R0-p(R1,CPE1)-p(R2,CPE2)-W1": (20.0, 64.0, 3e-6, 0.9, 200.0, 2e-3, 0.85, 15.0),
    "R0-p(R1-W1,CPE1)": (3.0, 40.0, 5.0, 2e-5, 0.9),
    "R0-p(R1,CPE1)-Ws1": (10.0, 50.0, 1e-5, 0.9, 100.0, 2.0),
    "R0-p(R1,CPE1)-Wo1": (10.0, 50.0, 1e-5, 0.9, 100.0, 20.0),
    "R0-CPE1": (500.0, 1e-6, 0.93),
    "R0-G1": (5.0, 80.0, 0.02),
    "L1-R0-p(R1,C1)": (1e-6, 30.0, 500.0, 1e-6),
}
NOISE = 0.003
"""Of |Z|."""


class Coverage(NamedTuple):
    """Say of how many cases an interval held the truth, and its mean half width over that of the bound.

    Attributes:
        name: of the number.
        inside: share of the cases.
        width: 1 is as narrow as an unbiased interval of 95 % can be, with the noise known.
    """

    name: str
    inside: float
    width: float

    @property
    def kept(self) -> bool:
        """Tell whether it is what 95 % are, within what 1000 cases can tell, and at most twice as wide as it must be."""
        return bool(0.93 <= self.inside <= 0.97 and self.width <= 2.0)


def of(name: str, low: np.ndarray, high: np.ndarray, truth: float, bound: float) -> Coverage:
    """Return the coverage of intervals; `bound` is the least standard deviation."""
    inside = np.mean((low <= truth) & (truth <= high))
    return Coverage(name, float(inside), float(np.mean(high - low) / 2.0 / (1.96 * bound)))


def of_circuit(text: str, count: int) -> list[Coverage]:
    """Return the coverage of every parameter of a circuit fitted to noisy spectra; the search begins at the truth."""
    circuit, truth = parse_circuit(text), np.array(CIRCUITS[text])
    spectrum = impedance(circuit, truth, FREQUENCY)
    slopes = derivatives(circuit, truth, FREQUENCY)[1] / np.abs(spectrum)
    information = np.concatenate([slopes.real, slopes.imag], axis=1) * truth[:, None] / NOISE  # after the logarithms
    bound = truth * np.sqrt(np.diag(np.linalg.inv(information @ information.T)))
    rng = np.random.default_rng(len(text))
    noise = rng.standard_normal((count, 2, len(FREQUENCY)))
    fits = [
        fit_circuit(circuit, FREQUENCY, spectrum + NOISE * np.abs(spectrum) * (real + 1j * imaginary), truth)
        for real, imaginary in noise
    ]
    low, high = np.array([fit.low for fit in fits]), np.array([fit.high for fit in fits])
    return [
        of(f"{text}: {name}", low[:, at], high[:, at], truth[at], bound[at]) for at, name in enumerate(circuit.names)
    ]


def of_activation(count: int) -> list[Coverage]:
    """Return the coverage of activation energies of conductivities at six temperatures, in two forms."""
    kelvin, spread = np.linspace(298.0, 348.0, 6), 0.02
    bound = spread * BOLTZMANN / np.sqrt(np.sum((1 / kelvin - np.mean(1 / kelvin)) ** 2))
    noise = np.exp(spread * np.random.default_rng(11).standard_normal((count, 6)))
    coverages = []
    for form, values in (("ln s", 1.0), ("ln sT", 1.0 / kelvin)):
        found = [arrhenius(kelvin, values * np.exp(-0.3 / BOLTZMANN / kelvin) * each, form) for each in noise]
        energy, half = (np.array([getattr(one, name) for one in found]) for name in ("energy", "spread"))
        coverages.append(of(f"activation energy, {form}", energy - half, energy + half, 0.3, float(bound)))
    return coverages


def of_diffusion(count: int) -> list[Coverage]:
    """Return the coverage of a diffusion coefficient of a titration pulse, whose rows and rests have 50 uV of noise."""
    time, length, spread, slope, moved = np.linspace(12.0, 120.0, 109), 300e-9, 5e-5, 1.5e-3, 0.01
    x = np.sqrt(time)
    truth = 4 / np.pi * (length * (moved / 600.0) / slope) ** 2
    of_slope = spread / np.sqrt(np.sum((x - x.mean()) ** 2)) / slope
    bound = 2.0 * truth * np.hypot(of_slope, np.sqrt(2.0) * spread / moved)
    ends = []
    for before, after, *noise in spread * np.random.default_rng(5).standard_normal((count, 2 + len(x))):
        drawn = line(x, 3.5 + slope * x + np.array(noise))
        pulse = Pulse(
            "charge", 3.49 + before, 3.49 + moved + after, 1e-4, 600.0, drawn.slope, drawn.intercept, drawn.fit, drawn.spread,
            len(x), 0.0, 3.5, drawn.noise,
        )  # fmt: skip
        ends.append(interval(pulse, diffusion(pulse, length)))
    low, high = np.array(ends).T
    return [of("diffusion coefficient", low, high, truth, float(bound))]


def of_b_value(count: int) -> list[Coverage]:
    """Return the coverage of a b-value of peaks at six scan rates, each known to 2 %."""
    x, spread = np.log([0.1, 0.2, 0.4, 0.6, 0.8, 1.0]), 0.02
    bound = spread / np.sqrt(np.sum((x - x.mean()) ** 2))
    drawn = [line(x, 0.7 * x + spread * noise) for noise in np.random.default_rng(7).standard_normal((count, len(x)))]
    slope, half = np.array([each.slope for each in drawn]), np.array([each.spread for each in drawn])
    return [of("b-value", slope - half, slope + half, 0.7, float(bound))]


def of_mean(count: int) -> list[Coverage]:
    """Return the coverage of the mean of five replicates."""
    found = [statistics("x", "", values) for values in 10.0 + np.random.default_rng(5).standard_normal((count, 5))]
    mean, half = np.array([each.mean for each in found]), np.array([each.interval for each in found])
    return [of("mean of replicates", mean - half, mean + half, 10.0, 1.0 / np.sqrt(5.0))]


def of_resistance(count: int) -> list[Coverage]:
    """Return the coverage of a pulse's resistance, whose voltages have 0.1 mV of noise; the bound is that of its two readings."""
    spread, current, truth = 1e-4, 1e-3, 20.0
    rng = np.random.default_rng(13)
    time = np.arange(0.0, 3600.0, 10.0)
    ends = []
    for noise in rng.standard_normal((count, len(time) + 1)):
        rest = Batch(time, 3.7 + 1e-7 * time + spread * noise[:-1], np.zeros(len(time)))
        pulse = Batch(np.array([0.0, 1.0]), np.full(2, rest.voltage[-1]), np.full(2, current))
        pulse.voltage[:] = 3.7 + 1e-7 * time[-1] + truth * current + spread * noise[-1]
        value, half = resistances(pulse, float(rest.voltage[-1]), ())[0], noise_of(rest) / current
        ends.append((value - half, value + half))
    low, high = np.array(ends).T
    return [of("pulse resistance", low, high, truth, float(np.sqrt(2.0)) * spread / current)]


def of_mean_current(count: int) -> list[Coverage]:
    """Return the coverage of the mean of a hold's last tenth: electronic conductivity and leakage."""
    found = [mean(1e-9 + 1e-11 * row) for row in np.random.default_rng(17).standard_normal((count, 60))]
    value, half = np.array(found).T
    return [of("mean current of a hold", value - half, value + half, 1e-9, 1e-11 / float(np.sqrt(60.0)))]


def of_transference(count: int) -> list[Coverage]:
    """Return the coverage of a transference number of resistances known to 1 % and a current known to 0.5 %.

    What the fits give of resistances is judged by `of_circuit`; here is what becomes of it.
    """
    truth = (2.5e-4, 10.0, 60.0)
    errors = np.array([0.005 * truth[0], 0.01 * truth[1], 0.01 * truth[2]])
    exact = transference_number(0.02, Mean(truth[0], errors[0]), Mean(truth[1], errors[1]), Mean(truth[2], errors[2]))
    ends = []
    for noise in np.random.default_rng(19).standard_normal((count, 3)):
        parts = [
            Mean(value + error * each, 1.96 * error) for value, error, each in zip(truth, errors, noise, strict=True)
        ]
        number = transference_number(0.02, *parts)
        ends.append((number.value - number.spread, number.value + number.spread))
    low, high = np.array(ends).T
    return [of("transference number", low, high, exact.value, exact.spread)]


def of_exchange_current(count: int) -> list[Coverage]:
    """Return the coverage of both exchange current densities of a sweep with 50 uV of noise behind a resistance.

    The bound is that of the rows that a method looks at, with the resistance known as well as all rows tell it.
    """
    truth, resistance, spread, unit = 0.068, 0.03, 5e-5, 2.0 * GAS * ROOM / FARADAY
    over = np.linspace(2e-4, 0.24, 600)
    density = 2.0 * truth * np.sinh(over / unit)
    exact = over + resistance * density
    slopes = np.column_stack([-np.tanh(over / unit) * unit, density]) / spread
    known = np.diag([0.0, 1.0 / np.linalg.inv(slopes.T @ slopes)[1, 1]])  # the resistance, from all rows
    near, far = over <= LINEAR, over >= TAFEL[0]
    steep = spread * (1.0 / unit + 2.0 / unit / np.expm1(2.0 * over[far] / unit))  # d ln j/dE, of a line of any slope
    line_slopes = np.column_stack([-1.0 / steep, density[far] / spread, -2.0 * over[far] / unit / steep])
    bounds = {
        "linear": truth * float(np.sqrt(np.linalg.inv(slopes[near].T @ slopes[near] + known)[0, 0])),
        "tafel": truth * float(np.sqrt(np.linalg.inv(line_slopes.T @ line_slopes + np.pad(known, (0, 1)))[0, 0])),
    }
    rng = np.random.default_rng(23)
    halves = [half_sweep(exact + spread * noise, density, 0.0) for noise in rng.standard_normal((count, len(over)))]
    coverages = []
    for name in ("linear", "tafel"):
        value, half = np.array([getattr(each, name) for each in halves if each is not None]).T
        coverages.append(of(f"exchange current density, {name}", value - half, value + half, truth, bounds[name]))
    return coverages


def of_decay(count: int) -> list[Coverage]:
    """Return the coverage of the diffusion coefficient of a step of voltage, whose currents have 2 % of noise."""
    time, rate, spread = np.linspace(0.0, 6000.0, 400), 1.0 / 1500.0, 0.02
    clean = np.exp(-rate * time)
    ends, widths = [], []
    for noise in np.random.default_rng(29).standard_normal((count, len(time))):
        found = decay(Batch(time, np.zeros(len(time)), clean * np.exp(spread * noise)))
        inside = np.flatnonzero(clean <= 0.5 * (1.0 + clean[-1]))[: found.points]
        widths.append(spread / np.sqrt(np.sum((time[inside] - time[inside].mean()) ** 2)))
        ends.append((found.rate - found.spread, found.rate + found.spread))
    low, high = np.array(ends).T
    return [of("decay of a step of voltage", low, high, rate, float(np.mean(widths)))]


def of_pause(count: int) -> list[Coverage]:
    """Return the coverage of the voltage to which the line of a pause leads back: that of its resistance."""
    x, spread = np.sqrt(np.arange(1.0, 5.01, 0.1)), 1e-4
    bound = spread * np.sqrt(np.mean(x**2) / np.sum((x - x.mean()) ** 2))
    drawn = [
        line(x, 3.5 - 1e-3 * x + spread * noise) for noise in np.random.default_rng(31).standard_normal((count, len(x)))
    ]
    value, half = np.array([each.intercept for each in drawn]), np.array([each.height for each in drawn])
    return [of("resistance of an interruption", value - half, value + half, 3.5, float(bound))]


LINES: tuple[Callable[[int], list[Coverage]], ...] = (
    of_activation, of_diffusion, of_b_value, of_mean, of_resistance, of_mean_current, of_transference, of_exchange_current, of_decay,
    of_pause,
)  # fmt: skip


def as_table(found: dict[str, list[Coverage]]) -> str:
    """Return what was found as a table in Markdown: of a circuit the least and the largest of its parameters."""
    lines = ["| interval | holds the truth in | half width over the bound |", "|---|---|---|"]
    for name, each in found.items():
        inside, width = ([getattr(one, word) for one in each] for word in ("inside", "width"))
        shares = sorted({f"{100 * min(inside):.1f}", f"{100 * max(inside):.1f}"})
        widths = sorted({f"{min(width):.2f}", f"{max(width):.2f}"})
        of = f"{len(each)} parameters of `{name}`" if name in CIRCUITS else name
        lines.append(f"| {of} | {' to '.join(shares)} % | {' to '.join(widths)} |")
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """Print the table of all, and return 1 where one is not kept; `--write` puts it on the page of the analyses."""
    count = next((int(word) for word in words if word.isdigit()), 1000)
    found: dict[str, list[Coverage]] = {}
    print(
        f"95 % intervals of {count} noisy cases each: share that holds the truth, half width over Cramer and Rao's bound"
    )
    missed = 0
    for make in (*LINES, *(lambda n, text=text: of_circuit(text, n) for text in CIRCUITS)):
        for each in make(count):
            missed += not each.kept
            circuit = each.name.partition(": ")[0]
            found.setdefault(circuit if circuit in CIRCUITS else each.name, []).append(each)
            print(
                f"  {each.name:40} {100 * each.inside:5.1f} %  {each.width:5.2f}  {'' if each.kept else 'MISSED'}",
                flush=True,
            )
    print("all kept" if not missed else f"{missed} missed")
    if "--write" in words:
        write("intervals", dated(as_table(found)), PAGE)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

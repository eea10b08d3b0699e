"""Galvanostatic intermittent titration: diffusion coefficient, rested potentials, and where not to believe them.

For a dense film of thickness L, D = (4/pi) (L (dE_s/tau) / (dE/d sqrt t))^2; for spheres of radius R the length is R/3
(Weppner and Huggins, J. Electrochem. Soc. 124 (1977) 1569). dE/d sqrt t is the slope on an early window of the pulse, which
keeps the ohmic jump out and its bias within 1 % up to a pulse of one diffusion time, where the usual ratio of voltage changes
is off by 40 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labctl.analysis.complete import complete_steps, steps_left_out
from labctl.analysis.interval import line, student
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.sample import SECONDS_PER_HOUR, Floats

WINDOW = (0.02, 0.20)  # part of the pulse in which the slope against sqrt t is fitted
FEWEST = 20  # points in that window
LONG = 0.1  # pulse over L2/D above which the pulse is not short
FLAT = 1e-4  # V: below this dE_s is a plateau and D undefined
DRIFT = 1e-3  # V/h at the end of the rest
NO_LENGTH = (
    'no length: give film_thickness in the cell file, or the option length (`labctl analyse RUN --set "length=5 um"`); '
    "D is not computed"
)
FEW_ROWS = (
    f"{{}} pulses have fewer than 3 rows between {100 * WINDOW[0]:g} % and {100 * WINDOW[1]:g} % of their time, through which a "
    "line is laid: record them every few seconds"
)
NO_PULSE = "no pulse between two rests: a titration is charge: {current: C/20, for: 10 min} and rest: 2 h, many times"
ON = 0.01  # part of its current within which a pulse counts as on


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse and the rest after it: V, A, s; `slope` in V/sqrt(s) over `points` rows; `jump` at full current.

    `fit` is R2 of the line, `spread` half the 95 % confidence interval of its slope, and `noise` the standard deviation of the rows
    about it, V.
    """

    cycle_side: str
    before: float
    after: float
    current: float
    duration: float
    slope: float
    intercept: float
    fit: float
    spread: float
    points: int
    drift: float
    jump: float
    noise: float

    @property
    def bent(self) -> bool:
        """Tell whether the line of the window meets the beginning of the pulse on the wrong side of the rested potential."""
        return (self.intercept - self.before) * self.current < 0


def analyse_gitt(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell D, rested potential and ohmic resistance of every pulse, with flags.

    The resistance is the voltage of the first row at the full current less the rested one, over the current: with rows every
    0.2 s it has the fast part of the kinetics in it.

    Options: `length` in m is L of a film or R/3 of spheres; default the cell's film thickness.
    """
    length = float(options["length"]) if "length" in options else record.cell.film_thickness
    places = pulse_places(record)
    complete = complete_steps(record)
    whole = [at for at in places if complete[at - 1 : at + 2].all()]
    cut = [at + by for at in places for by in (-1, 0, 1) if not complete[at + by]]
    out = (*left_out_pulses(len(places) - len(whole)), *steps_left_out(record, dict.fromkeys(cut)))
    pulses = [pulse for at in whole if (pulse := read_pulse(record, at)) is not None]
    if not pulses:
        return Analysis("gitt", flags=(FEW_ROWS.format(len(whole)) if whole else NO_PULSE, *out))
    coefficients = np.array([diffusion(pulse, length) for pulse in pulses])
    low, high = np.array([interval(pulse, value) for pulse, value in zip(pulses, coefficients, strict=True)]).T
    notes = [flags(pulse, value, length) for pulse, value in zip(pulses, coefficients, strict=True)]
    table = {
        "direction": tuple(pulse.cycle_side for pulse in pulses),
        "rested potential / V": tuple(pulse.after for pulse in pulses),
        "D / cm2/s": tuple((1e4 * coefficients).tolist()),
        "D, low / cm2/s": tuple((1e4 * low).tolist()),
        "D, high / cm2/s": tuple((1e4 * high).tolist()),
        "slope / V/s^0.5": tuple(pulse.slope for pulse in pulses),
        "R2": tuple(pulse.fit for pulse in pulses),
        "resistance / ohm": tuple((pulse.jump - pulse.before) / pulse.current for pulse in pulses),
        "flags": tuple(", ".join(note) for note in notes),
    }
    clean = np.array([not note for note in notes])
    figures = [
        Figure("pulses", float(len(pulses)), "pulses"),
        Figure("pulses without a flag", float(clean.sum()), "pulses"),
    ]
    known = np.isfinite(coefficients)
    for name, chosen in (("", clean & known), (", flagged pulses", ~clean & known)):
        if chosen.any():
            median = float(1e4 * np.median(coefficients[chosen]))
            figures.append(Figure(f"median diffusion coefficient{name}", median, "cm2/s"))
    length_note = () if length else (NO_LENGTH,)
    return Analysis("gitt", tuple(figures), table, length_note + summary(notes) + out)


def pulse_places(record: RunRecord) -> list[int]:
    """Return the positions of every charge or discharge that stands between two rests."""
    verbs = [str(verb) for verb in record.steps["step_type"]]
    return [
        at
        for at in range(1, len(verbs) - 1)
        if verbs[at] in {"charge", "discharge"} and verbs[at - 1] == verbs[at + 1] == "rest"
    ]


def left_out_pulses(count: int) -> tuple[str, ...]:
    """Say how many pulses are left out because they or a rest beside them were cut short."""
    return (f"{count} pulses are left out: they or a rest beside them were cut short",) if count else ()


def read_pulse(record: RunRecord, at: int) -> Pulse | None:
    """Return the pulse at a position in `steps`, or None where its rows are too few for a line."""
    rows, rest = record.step_rows(at), record.step_rows(at + 1)
    if len(rows) < 3 or len(rest) < 2:
        return None
    since = rows.time - rows.time[0]
    duration = float(since[-1])
    inside = (since >= WINDOW[0] * duration) & (since <= WINDOW[1] * duration)
    if duration <= 0 or inside.sum() < 3:
        return None
    drawn = line(np.sqrt(since[inside]), rows.voltage[inside])
    return Pulse(
        str(record.steps["step_type"][at]),
        float(record.steps["last_voltage_volt"][at - 1]),
        float(record.steps["last_voltage_volt"][at + 1]),
        float(np.median(rows.current)),
        duration,
        drawn.slope,
        drawn.intercept,
        drawn.fit,
        drawn.spread,
        int(inside.sum()),
        drift(rest.time, rest.voltage),
        float(rows.voltage[np.argmax(np.abs(rows.current / np.median(rows.current) - 1) < ON)]),
        drawn.noise,
    )


def drift(time: Floats, voltage: Floats) -> float:
    """Return |dV/dt| over the last tenth of a rest, V/h."""
    last = time >= time[-1] - 0.1 * (time[-1] - time[0])
    return abs(line(time[last], voltage[last]).slope) * SECONDS_PER_HOUR if last.sum() > 1 else float("nan")


def diffusion(pulse: Pulse, length: float | None) -> float:
    """Return D in m2/s, NaN where the length is not known or the slope is zero."""
    if not length or pulse.slope == 0:
        return float("nan")
    return 4 / np.pi * (length * ((pulse.after - pulse.before) / pulse.duration) / pulse.slope) ** 2


def interval(pulse: Pulse, coefficient: float) -> tuple[float, float]:
    """Return the 95 % confidence interval of a D, in its unit: of the slope, and of two rested potentials that are a row each.

    The rows of a rest are as noisy as those of the pulse are about its line.
    """
    moved = pulse.after - pulse.before
    if not pulse.slope or not moved:
        return np.nan, np.nan
    rested = student(pulse.points - 2) * np.sqrt(2.0) * pulse.noise / abs(moved)
    part = float(np.hypot(pulse.spread / abs(pulse.slope), rested))
    return coefficient / (1.0 + part) ** 2, coefficient / (1.0 - part) ** 2 if part < 1.0 else np.inf


def flags(pulse: Pulse, coefficient: float, length: float | None) -> list[str]:
    """Return why the D of a pulse should not be believed."""
    remarks = []
    if length and coefficient > 0 and pulse.duration > LONG * length**2 / coefficient:
        remarks.append("long pulse")
    if abs(pulse.after - pulse.before) < FLAT:
        remarks.append("plateau")
    if pulse.bent:
        remarks.append("not linear")
    if pulse.drift > DRIFT:
        remarks.append("drifting rest")
    if pulse.points < FEWEST:
        remarks.append("few points")
    return remarks


def summary(notes: list[list[str]]) -> tuple[str, ...]:
    """Return one sentence for each kind of flag."""
    meaning = {
        "long pulse": f"longer than {LONG:g} L2/D: the pulse is not short against diffusion",
        "plateau": "the rested potential hardly moved: D is not defined in a two-phase region",
        "not linear": "the voltage is bent against sqrt t, as on a steep end of the open circuit: D is too small or too large",
        "drifting rest": f"the rest still drifted by more than {1e3 * DRIFT:g} mV/h",
        "few points": f"fewer than {FEWEST} rows in the window of the fit",
    }
    counts = {name: sum(name in note for note in notes) for name in meaning}
    return tuple(f"{count} of {len(notes)} pulses: {meaning[name]}" for name, count in counts.items() if count)

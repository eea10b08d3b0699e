"""Diffusion by steps of voltage (PITT), and by short interruptions of a current (ICI)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.complete import complete_holds, complete_steps, steps_left_out
from labctl.analysis.gitt import NO_LENGTH
from labctl.analysis.interval import line
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.sample import Batch

PAUSE: Final = (1.0, 5.0)  # s of a pause in which the voltage is straight against sqrt t
FEWEST: Final = 10  # rows of a line
STRAIGHT: Final = 0.98  # R2 below which a line is none
FLAT: Final = 1e-4  # V over which the open circuit has to move
UNSURE: Final = 0.25  # of a slope: half its interval beyond which D is told apart
SHARE: Final = (0.5, 0.95)  # of the charge of a step of voltage, between which its current is one exponential


def diffusion_length(record: RunRecord, options: Mapping[str, str]) -> float:
    """Return L of a film, or what the option `length` says, m; NaN where neither is known."""
    return float(options["length"]) if "length" in options else record.cell.film_thickness or float("nan")


class Decay(NamedTuple):
    """How the current of a step of voltage died away.

    Attributes:
        rate: Of ln |I|, 1/s, positive.
        spread: Half its 95 % confidence interval.
        fit: R2.
        points: Rows of the line.
        charge: That passed in the whole step, C.
    """

    rate: float
    spread: float
    fit: float
    points: int
    charge: float


def decay(rows: Batch) -> Decay:
    """Return the slope of ln |I| over time between half and 95 % of the charge of a step of voltage."""
    pieces = np.diff(rows.time) * (rows.current[1:] + rows.current[:-1]) / 2.0
    passed = np.concatenate([[0.0], np.cumsum(pieces)])
    part = passed / passed[-1] if passed[-1] else np.zeros(len(passed))
    inside = (part >= SHARE[0]) & (part <= SHARE[1]) & (rows.current * passed[-1] > 0)
    if inside.sum() < 3:
        return Decay(np.nan, np.nan, np.nan, int(inside.sum()), float(passed[-1]))
    drawn = line(rows.time[inside], np.log(np.abs(rows.current[inside])))
    return Decay(-drawn.slope, drawn.spread, drawn.fit, int(inside.sum()), float(passed[-1]))


def analyse_pitt(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the charge, the differential capacity and D of every step of voltage that was held until its current had died away.

    Behind a film of length L whose back is closed, ln |I| falls straight once half of the charge has passed, with
    D = 4 L2/pi2 times its slope (Wen, Boukamp, Huggins and Weppner, J. Electrochem. Soc. 126 (1979) 2258); the interval is that of
    the slope. Options: `length` in m is L of a film; default the cell's film thickness.

    Raises:
        ValueError: There are not two holds at different voltages.
    """
    length = diffusion_length(record, options)
    holds, cut = complete_holds(record)
    steps = [(at, rows) for at in holds if len(rows := record.step_rows(at)) >= 3]
    if len(steps) < 2:
        raise ValueError("a titration by voltage needs complete holds at two voltages or more")
    volts = np.array([float(np.median(rows.voltage)) for _, rows in steps])
    decays = [decay(rows) for _, rows in steps]
    rates, spreads, charges = (
        np.array([getattr(each, name) for each in decays]) for name in ("rate", "spread", "charge")
    )
    moves = np.concatenate([[np.nan], np.diff(volts)])
    notes = [_doubts(each, move) for each, move in zip(decays, moves, strict=True)]
    scale = 1e4 * 4.0 * length**2 / np.pi**2  # cm2
    with np.errstate(divide="ignore", invalid="ignore"):
        capacity = np.where(np.abs(moves) >= FLAT, charges / 3.6 / moves, np.nan)
    table = {
        "voltage / V": tuple(volts.tolist()),
        "charge / mAh": tuple((charges / 3.6).tolist()),
        "dQ/dV / mAh/V": tuple(capacity.tolist()),
        "decay time / s": tuple((1.0 / rates).tolist()),
        "D / cm2/s": tuple((scale * rates).tolist()),
        "D +- / cm2/s": tuple((scale * spreads).tolist()),
        "R2": tuple(each.fit for each in decays),
        "flags": tuple(", ".join(note) for note in notes),
    }
    clean = np.array([not note for note in notes])
    figures = [
        Figure("steps of voltage", float(len(steps)), "steps"),
        Figure("steps without a flag", float(clean.sum()), "steps"),
    ]
    figures += _medians("diffusion coefficient", scale * rates, clean, "cm2/s")
    figures += _medians("decay time", 1.0 / rates, clean, "s") if not np.isfinite(length) else []
    figures.append(Figure("charge passed", float(np.sum(charges) / 3.6), "mAh"))
    said = (*((NO_LENGTH,) if not np.isfinite(length) else ()), *_counted(notes, STEP_DOUBTS), *cut)
    return Analysis("pitt", tuple(figures), table, said)


STEP_DOUBTS: Final = {
    "few points": f"fewer than {FEWEST} rows between half and 95 % of the charge",
    "not exponential": f"ln |I| is bent (R2 below {STRAIGHT:g}): kinetics, a resistance, or a change of phase",
    "reversed": "the current flowed against the step of voltage: the cell had not rested",
}


def _doubts(found: Decay, move: float) -> list[str]:
    doubts = []
    if found.points < FEWEST:
        doubts.append("few points")
    if not found.fit >= STRAIGHT or not found.rate > 0:
        doubts.append("not exponential")
    if found.charge * move < 0:
        doubts.append("reversed")
    return doubts


class Pause(NamedTuple):
    """One pause: how long current had flowed (s), that current (A), the voltage before and where its line leads back to (V)."""

    direction: str
    time: float
    current: float
    before: float
    intercept: float
    slope: float
    spread: float
    height: float
    fit: float
    points: int


def read_interruption(record: RunRecord, at: int, flowed: float) -> Pause | None:
    """Return the pause at a position in `steps`, None of too few rows; `flowed` is how long current has, s."""
    driven, rest = record.step_rows(at - 1), record.step_rows(at)
    if len(driven) < 2 or len(rest) < 3:
        return None
    since = rest.time - driven.time[-1]
    inside = (since >= PAUSE[0]) & (since <= PAUSE[1])
    if inside.sum() < 3:
        return None
    drawn = line(np.sqrt(since[inside]), rest.voltage[inside])
    return Pause(
        str(record.steps["step_type"][at - 1]), flowed, float(np.median(driven.current)), float(driven.voltage[-1]),
        drawn.intercept, drawn.slope, drawn.spread, drawn.height, drawn.fit, int(inside.sum()),
    )  # fmt: skip


def analyse_interruption(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell internal resistance and diffusion coefficient at every short pause of a constant current.

    In the pause E is straight against sqrt t from 1 to 5 s. The line leads back to E0 at the moment the current went off:
    R = (E before - E0)/I. With the slope k and dE0/dt, how E0 moves from pause to pause while the current flows,
    D = (4/pi) (L (dE0/dt)/k)^2 (Chien, Menon, Brant, Brandell and Lacey, Nat. Commun. 14 (2023) 2289). Intervals are those of the
    line. Options: `length` in m is L of a film, or R/3 of spheres; default the cell's film thickness.

    Raises:
        ValueError: There are not three pauses in one direction.
    """
    length = diffusion_length(record, options)
    verbs, complete = [str(verb) for verb in record.steps["step_type"]], complete_steps(record)
    driven = {"charge", "discharge"}
    places = [at for at in range(1, len(verbs)) if verbs[at] == "rest" and verbs[at - 1] in driven]
    out = steps_left_out(record, [at for at in places if not complete[at]], "pause of step")
    on = np.isin(np.asarray(verbs), list(driven))
    flowed = np.cumsum(np.where(on, np.asarray(record.steps["step_time_second"], dtype=float), 0.0))
    pauses = [
        pause
        for at in places
        if complete[at] and (pause := read_interruption(record, at, float(flowed[at]))) is not None
    ]
    if len(pauses) < 3:
        raise ValueError(
            "an interruption needs three pauses of 5 s or more after a charge or discharge, with a row every 0.1 s"
        )
    drift = np.array([_drift(pauses, at) for at in range(len(pauses))])
    slope, spread = (np.array([getattr(each, name) for each in pauses]) for name in ("slope", "spread"))
    current = np.array([each.current for each in pauses])
    resistance = np.array([(each.before - each.intercept) / each.current for each in pauses])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 1e4 * 4.0 / np.pi * (length * drift / slope) ** 2
    notes = [_pause_doubts(each, move) for each, move in zip(pauses, drift, strict=True)]
    table = {
        "direction": tuple(each.direction for each in pauses),
        "voltage / V": tuple(each.intercept for each in pauses),
        "resistance / ohm": tuple(resistance.tolist()),
        "resistance +- / ohm": tuple(abs(each.height / each.current) for each in pauses),
        "D / cm2/s": tuple(value.tolist()),
        "D +- / cm2/s": tuple((2.0 * value * np.abs(spread / slope)).tolist()),
        "slope / mV/s^0.5": tuple((1e3 * slope).tolist()),
        "current / mA": tuple((1e3 * current).tolist()),
        "R2": tuple(each.fit for each in pauses),
        "flags": tuple(", ".join(note) for note in notes),
    }
    clean = np.array([not note for note in notes])
    rows = np.array(["few points" not in note for note in notes])
    figures = [
        Figure("pauses", float(len(pauses)), "pauses"),
        Figure("pauses without a flag", float(clean.sum()), "pauses"),
    ]
    for direction in dict.fromkeys(each.direction for each in pauses):
        mine = np.array([each.direction == direction for each in pauses])
        figures += _medians(f"resistance, {direction}", resistance, rows & mine, "ohm")
        figures += _medians(f"diffusion coefficient, {direction}", value, clean & mine, "cm2/s")
    said = (*((NO_LENGTH,) if not np.isfinite(length) else ()), *_counted(notes, PAUSE_DOUBTS), *out)
    return Analysis("interruption", tuple(figures), table, said)


PAUSE_DOUBTS: Final = {
    "few points": f"fewer than {FEWEST} rows from 1 to 5 s of the pause",
    "uncertain": f"the slope against sqrt t is not known to {100 * UNSURE:.0f} %, nor is D; the resistance is",
    "plateau": "the open circuit hardly moved between the pauses: D is not defined in a two-phase region",
}


def _pause_doubts(found: Pause, drift: float) -> list[str]:
    doubts = []
    if found.points < FEWEST:
        doubts.append("few points")
    if not found.spread <= UNSURE * abs(found.slope):
        doubts.append("uncertain")
    if not abs(drift) > 0 or drift * found.current < 0:
        doubts.append("plateau")
    return doubts


def _drift(pauses: list[Pause], at: int) -> float:
    """Return dE0/dt at a pause over its neighbours in the same direction, V/s; NaN of a pause by itself."""
    mine = [other for other in pauses[max(0, at - 1) : at + 2] if other.direction == pauses[at].direction]
    if len(mine) < 2:
        return float("nan")
    first, last = mine[0], mine[-1]
    return (last.intercept - first.intercept) / (last.time - first.time)


def _medians(name: str, values: np.ndarray, clean: np.ndarray, unit: str) -> list[Figure]:
    kept = values[clean & np.isfinite(values)]
    return [Figure(f"median {name}", float(np.median(kept)), unit)] if len(kept) else []


def _counted(notes: list[list[str]], meaning: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each kind of doubt."""
    counts = {name: sum(name in note for note in notes) for name in meaning}
    return tuple(f"{count} of {len(notes)}: {meaning[name]}" for name, count in counts.items() if count)

"""What a cell does while nothing is asked of it: open circuit, leakage under a held voltage, self-discharge in storage."""

import itertools
from collections.abc import Mapping
from typing import Final

import numpy as np

from labctl.analysis.capacity import scales
from labctl.analysis.complete import DRIVEN, complete_holds, complete_steps, galvanostatic_cycles, steps_left_out
from labctl.analysis.interval import line, mean
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.sample import SECONDS_PER_HOUR, Floats

LAST: Final = 0.1  # part of a rest or hold from which its end is told
ROUNDING: Final = 1e-3  # of a hold: its rows begin a little after it
FEWEST: Final = 3  # rows of that part
FLOAT: Final = 20.0  # h of a hold before its current is taken for leakage
STEADY: Final = 0.05  # part by which the current may differ between the halves of that part
JUMP: Final = 5e-3  # V between neighbouring rows at rest that is told as a jump
STORED: Final = 1.0  # h of rest between charge and discharge that count as storage
DAY: Final = 24.0  # h


def late_rows(time: Floats, seconds: float | None = None) -> np.ndarray:
    """Return which rows lie in the last so many seconds of a step; in its last tenth where none are given."""
    return np.asarray(time >= time[-1] - (LAST * (time[-1] - time[0]) if seconds is None else seconds))


def analyse_open_circuit(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell of every complete rest its first and last voltage, how the voltage moved at its end, and its largest jump.

    The drift is the slope of the least-squares line over the last tenth of the rest, with its 95 % confidence interval. A jump is
    the largest difference between neighbouring rows after the first two, as when a cell is cut or a load is put on.
    """
    del options
    rests = [at for at, verb in enumerate(record.steps["step_type"]) if str(verb) == "rest"]
    complete = complete_steps(record)
    whole = [at for at in rests if complete[at] and len(record.step_rows(at)) >= FEWEST]
    out = steps_left_out(record, [at for at in rests if not complete[at]], "rest of step")
    if not whole:
        return Analysis("open_circuit", flags=("no complete rest of three rows or more: rest: 1 h", *out))
    rows: list[tuple[float | int, ...]] = []
    flags = []
    for at in whole:
        rest, number = record.step_rows(at), int(record.steps["step_count"][at])
        late = late_rows(rest.time)
        drawn = line(rest.time[late], rest.voltage[late]) if late.sum() >= FEWEST else None
        slope, spread = (drawn.slope, drawn.spread) if drawn else (np.nan, np.nan)
        if drawn is None:
            flags.append(f"step {number}: fewer than {FEWEST} rows in the last tenth of the rest: no drift")
        moves = np.abs(np.diff(rest.voltage[1:]))
        jump = int(np.argmax(moves)) if len(moves) else 0
        size = float(moves[jump]) if len(moves) else 0.0
        if size > JUMP:
            when = (rest.time[jump + 2] - rest.time[0]) / SECONDS_PER_HOUR
            flags.append(f"step {number}: the voltage jumped by {1e3 * size:.3g} mV after {when:.3g} h at rest")
        hours = float(rest.time[-1] - rest.time[0]) / SECONDS_PER_HOUR
        per_hour = 1e3 * SECONDS_PER_HOUR
        rows.append(
            (number, hours, float(rest.voltage[0]), float(rest.voltage[-1]), slope * per_hour, spread * per_hour)
        )
    names = ("step", "time / h", "first voltage / V", "last voltage / V", "drift / mV/h", "drift +- / mV/h")
    table = dict(zip(names, map(tuple, zip(*rows, strict=True)), strict=True))
    *_, (_, hours, first, last, drift, spread) = rows
    figures = [
        Figure("rested voltage", last, "V"),
        Figure("change over the rest", 1e3 * (last - first), "mV"),
        Figure("time at rest", hours, "h"),
    ]
    figures += (
        [Figure("drift", drift, "mV/h"), Figure("drift, 95 % interval +-", spread, "mV/h")]
        if np.isfinite(drift)
        else []
    )
    return Analysis("open_circuit", tuple(figures), table, (*flags, *out))


def analyse_leakage(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the current that remains at the end of every complete hold: the mean over its end, with its 95 % interval.

    The end is the last tenth, or the time of the option `last`, in s. It is leakage only where nothing else flows any more, so
    holds shorter than 20 h and currents that still move by more than 5 % between the halves of that end are flagged.

    Raises:
        ValueError: Nothing was held to its end.
    """
    seconds = float(options["last"]) if options.get("last") else None
    holds, cut = complete_holds(record)
    if not holds:
        raise ValueError(
            "a leakage current needs a hold of 20 h or more: charge: {current: C/10, to: 4.1 V, hold_for: 48 h}"
        )
    rows: list[tuple[float, ...]] = []
    flags: list[str] = []
    for at in holds:
        held, number = record.step_rows(at), int(record.steps["step_count"][at])
        late = late_rows(held.time, seconds)
        current, halves = mean(held.current[late]), np.array_split(held.current[late], 2)
        hours = float(held.time[-1] - held.time[0]) / SECONDS_PER_HOUR
        if hours < FLOAT:
            flags.append(
                f"step {number}: held for {hours:.3g} h; hold for {FLOAT:.0f} h or more before its current is leakage"
            )
        if seconds is not None and seconds > hours * SECONDS_PER_HOUR * (1 + ROUNDING):
            flags.append(f"step {number}: held for {hours:.3g} h, less than `last`: its mean is over all of the hold")
        if len(halves[1]) and abs(halves[0].mean() - halves[1].mean()) > STEADY * abs(current.value):
            flags.append(
                f"step {number}: the current still falls, so that it is an upper bound of leakage; hold longer"
            )
        rows.append((number, float(np.mean(held.voltage[late])), hours, 1e6 * current.value, 1e6 * current.spread))
    names = ("step", "voltage / V", "time / h", "current / uA", "current +- / uA")
    table = dict(zip(names, map(tuple, zip(*rows, strict=True)), strict=True))
    _, voltage, hours, current_ua, spread = rows[-1]
    figures = [Figure("leakage current", current_ua, "uA"), Figure("leakage current, 95 % interval +-", spread, "uA")]
    if record.cell.area:
        figures.append(Figure("leakage current density", current_ua / (1e4 * record.cell.area), "uA/cm2"))
    figures += [Figure("held voltage", voltage, "V"), Figure("time held", hours, "h")]
    return Analysis("leakage", tuple(figures), table, (*flags, *cut))


def analyse_self_discharge(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell what a charged cell loses while it rests: its discharge after storage against that of the last cycle without.

    Storage is a rest of 1 h or more between a charge and the discharge of a cycle, whichever of the two a cycle begins with. The
    loss is in the capacity's units, in
    percent, and per day; beside it stands what the voltage lost, per day.

    Raises:
        ValueError: No cycle has such a rest.
    """
    del options
    storages = _storages(record)
    if not storages:
        raise ValueError(
            "a self-discharge needs a cycle whose discharge comes after a rest of 1 h or more of the charged cell, and one before "
            "it without"
        )
    hours = np.asarray(record.steps["step_time_second"], dtype=float) / SECONDS_PER_HOUR
    taken, column = galvanostatic_cycles(record), np.asarray(record.cycles["discharging_capacity_ah"], dtype=float)
    numbers = np.asarray(record.cycles["cycle_count"], dtype=np.int64)
    rows: list[tuple[float, ...]] = []
    flags: list[str] = []
    unit, factor = list(scales(record.cell).items())[-1]
    for cycle, at in storages.items():
        mine = np.flatnonzero((numbers == cycle) & taken)
        before = [int(n) for n in np.flatnonzero((numbers < cycle) & taken) if int(numbers[n]) not in storages]
        if not len(mine) or not before:
            missing = (
                "cycle is not complete"
                if not len(mine)
                else "cycle before it has no storage: there is nothing to compare with"
            )
            flags.append(f"cycle {cycle} is left out: {'the' if not len(mine) else 'no'} {missing}")
            continue
        was, now, days = column[before[-1]], column[mine[0]], hours[at] / DAY
        volts = [float(record.steps[name][at]) for name in ("first_voltage_volt", "last_voltage_volt")]
        loss = 100.0 * (1.0 - now / was)
        if loss < 0:
            flags.append(f"cycle {cycle}: more came out after storage than before it: cycle it longer first")
        rows.append(
            (
                cycle,
                hours[at],
                was * factor,
                now * factor,
                loss,
                loss / days,
                *volts,
                1e3 * (volts[1] - volts[0]) / days,
            )
        )
    if not rows:
        return Analysis("self_discharge", flags=tuple(flags))
    names = (
        "cycle", "rest / h", f"discharge before / {unit}", f"discharge after / {unit}", "loss / %", "loss / %/d",
        "voltage at first / V", "voltage at last / V", "voltage / mV/d",
    )  # fmt: skip
    table = dict(zip(names, map(tuple, zip(*rows, strict=True)), strict=True))
    number, rest, was, now, loss, daily, *_, decay = rows[-1]
    figures = (
        Figure("self-discharge", loss, "%", int(number)),
        Figure("self-discharge, daily", daily, "%/d", int(number)),
        Figure("capacity lost", was - now, unit, int(number)),
        Figure("voltage lost, daily", -decay, "mV/d", int(number)),
        Figure("time stored", rest, "h", int(number)),
    )
    return Analysis("self_discharge", figures, table, tuple(flags))


def _storages(record: RunRecord) -> dict[int, int]:
    """Return the place in `steps` of the storage before the discharge of each cycle that has one.

    It lies in that cycle where a cycle begins with its charge, and before it or between two where it begins with its discharge.
    """
    verbs = [str(verb) for verb in record.steps["step_type"]]
    owner = np.asarray(record.steps["cycle_count"], dtype=np.int64)
    hours = np.asarray(record.steps["step_time_second"], dtype=float) / SECONDS_PER_HOUR
    found: dict[int, int] = {}
    driven = [at for at, verb in enumerate(verbs) if verb in (*DRIVEN, "hold")]
    for before, after in itertools.pairwise(driven):
        if verbs[before] == "discharge" or verbs[after] != "discharge" or owner[after] < 1:
            continue
        rests = [at for at in range(before + 1, after) if verbs[at] == "rest" and hours[at] >= STORED]
        if rests:
            found[int(owner[after])] = max(rests, key=lambda at: float(hours[at]))
    return found

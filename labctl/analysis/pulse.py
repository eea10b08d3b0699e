"""Direct-current resistance: what a current step does to the rested voltage, at named delays."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from labctl.analysis.capacity import scales
from labctl.analysis.complete import DRIVEN, complete_steps, steps_left_out
from labctl.analysis.interval import line, student
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.sample import SECONDS_PER_HOUR, Batch

DELAYS = (1.0, 10.0, 30.0)  # s after the current was switched on
LONGEST = 60.0  # s: a longer step is no pulse
ON = 0.01  # part of its current within which a pulse counts as on
LAST = 0.1  # part of the rest that tells the noise of a voltage
FEWEST = 4  # rows of it
LATE = 0.05  # s after which a first row has more in it than the ohmic jump


class PulseAtRest(NamedTuple):
    """A pulse: its place in `steps`, its rows, the rested voltage before it, V, and the rows of the rest."""

    at: int
    rows: Batch
    rested: float
    rest: Batch


def analyse_dcir(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell (V(t) - V of the rest) / I of every pulse that follows a rest: at its first row, and at times in it.

    A pulse is a charge, discharge, strip or plate of at most `longest` s (option, default 60); one that was cut short, or whose
    rest was, is left out. The times are those of `at` in s (option, default 1, 10, 30). V(t) is taken straight between
    rows, and not at all after the pulse's end. The resistance of the first row is ohmic only where that row is within 50 ms:
    record the pulse with `every: 0.01 s` or as fast as the instrument can.

    Source: pulse resistance, dV/dI, as in the Battery Test Manual for Plug-In Hybrid Electric Vehicles, rev. 3, INL/EXT-14-32849
    (2014), whose pulse lengths and states of charge are the protocol's business here.
    """
    longest = float(options.get("longest", LONGEST))
    delays = tuple(float(delay) for delay in options["at"].split(",")) if options.get("at") else DELAYS
    verbs = [str(verb) for verb in record.steps["step_type"]]
    seconds = np.asarray(record.steps["step_time_second"], dtype=float)
    complete = complete_steps(record)
    places = [
        at
        for at in range(1, len(verbs))
        if verbs[at] in DRIVEN and verbs[at - 1] == "rest" and 0 < seconds[at] <= longest
    ]
    steps = [
        PulseAtRest(at, rows, float(record.steps["last_voltage_volt"][at - 1]), record.step_rows(at - 1))
        for at in places
        if complete[at - 1] and complete[at] and len(rows := record.step_rows(at)) > 1
    ]
    short = [at for at in range(len(verbs)) if verbs[at] in DRIVEN and 0 < seconds[at] <= longest]
    out = steps_left_out(record, [by for at in places for by in (at - 1, at) if not complete[by]])
    unrested = len(short) - len(places)
    if unrested:
        out = (f"{unrested} of {len(short)} pulses left out: no rest stands before them", *out)
    if not steps:
        return Analysis(
            "dcir",
            flags=(
                f"no pulse of at most {longest:g} s after a rest: rest: 1 h, then discharge: {{current: 1C, for: 10 s}}",
                *out,
            ),
        )
    values = np.array([resistances(each.rows, each.rested, delays) for each in steps])
    halves = np.array([abs(noise(each.rest) / np.median(each.rows.current)) for each in steps])
    names = ("first row", *(f"{delay:g} s" for delay in delays))
    table: dict[str, tuple[float | int | str, ...]] = {
        "direction": tuple(verbs[each.at] for each in steps),
        "rested voltage / V": tuple(each.rested for each in steps),
        **passed_before(record, steps),
        "current / mA": tuple(float(1e3 * np.median(each.rows.current)) for each in steps),
    }
    table |= {f"resistance at {name} / ohm": tuple(values[:, at].tolist()) for at, name in enumerate(names)}
    table["resistance +- / ohm"] = tuple(halves.tolist())
    figures = [Figure("pulses", float(len(steps)), "pulses")]
    for at, name in enumerate(names):
        known = values[np.isfinite(values[:, at]), at]
        figures += [Figure(f"median resistance at {name}", float(np.median(known)), "ohm")] if len(known) else []
    return Analysis("dcir", tuple(figures), table, (*flags([each.rows for each in steps]), *out))


def passed_before(record: RunRecord, pulses: Sequence[PulseAtRest]) -> dict[str, tuple[float | int | str, ...]]:
    """Return columns of the net charge that has passed when pulses begin, in the cell's unit and of its nominal capacity.

    It counts from the begin of the run, or of the first one where it goes on from others; charging is positive.
    """
    charged, discharged = (
        np.nan_to_num(np.asarray(record.steps[f"{side}_capacity_ah"], dtype=float))
        for side in ("charging", "discharging")
    )
    sums = np.cumsum(charged - discharged)  # where the rows have no counters
    net = np.array(
        [
            sums[at - 1]
            if rest.charging_ah is None or rest.discharging_ah is None or not len(rest)
            else rest.charging_ah[-1] - rest.discharging_ah[-1]
            for at, _, _, rest in pulses
        ]
    )
    unit, factor = next(iter(scales(record.cell).items()))
    columns: dict[str, tuple[float | int | str, ...]] = {f"net charge / {unit}": tuple((net * factor).tolist())}
    if record.cell.nominal:
        columns["net charge / %"] = tuple((100 * SECONDS_PER_HOUR / record.cell.nominal * net).tolist())
    return columns


def noise(rest: Batch) -> float:
    """Return half the 95 % interval of the difference of two single voltages, V, from what a line leaves of the rest's last tenth.

    NaN where that has fewer than four rows.
    """
    if len(rest) < FEWEST:
        return float("nan")
    late = rest.time >= rest.time[-1] - LAST * (rest.time[-1] - rest.time[0])
    time, voltage = rest.time[late], rest.voltage[late]
    if len(time) < FEWEST:
        return float("nan")
    drawn = line(time, voltage)
    left = voltage - drawn.intercept - drawn.slope * time
    return student(len(time) - 2) * float(np.sqrt(2.0 * (left @ left) / (len(time) - 2)))


def resistances(rows: Batch, rest: float, delays: Sequence[float] = DELAYS) -> list[float]:
    """Return the resistance in ohm at the first row with the full current and at every delay in s, NaN after the pulse's end."""
    current = float(np.median(rows.current))
    if current == 0:
        return [float("nan")] * (1 + len(delays))
    first = int(np.argmax(np.abs(rows.current / current - 1) < ON))
    since = rows.time - rows.time[0]
    reached = since[-1] * (1 + 1e-3)
    voltages = [float(rows.voltage[first])]
    voltages += [float(np.interp(delay, since, rows.voltage)) if delay <= reached else float("nan") for delay in delays]
    return [(voltage - rest) / current for voltage in voltages]


def flags(pulses: list[Batch]) -> tuple[str, ...]:
    """Return why the resistance of the first rows should not be taken for the ohmic one."""
    late = 0
    for rows in pulses:
        on = np.flatnonzero(np.abs(rows.current / np.median(rows.current) - 1) < ON)
        spacing = float(rows.time[min(1, len(rows) - 1)] - rows.time[0])
        late += bool(len(on)) and (rows.time[on[0]] - rows.time[0] > LATE or spacing > 1.0)
    lateness = f"{late} of {len(pulses)} pulses: rows too far apart to tell the ohmic jump from the kinetics"
    return (lateness,) if late else ()

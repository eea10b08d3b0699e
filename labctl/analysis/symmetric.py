"""Stripping and plating: critical current density, life to a short, polarisation, nucleation overpotential."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labctl.analysis.capacity import FORMATION
from labctl.analysis.complete import complete_cycles, complete_steps, steps_left_out
from labctl.analysis.run_record import Analysis, Figure, Integers, RunRecord, lacking
from labctl.sample import SECONDS_PER_HOUR, Floats

VOLTAGE = re.compile(r"(abs\(\s*|\|)?voltage[)|]?\s*([<>])=?\s*(-?[\d.]+)\s*(m?)V")
NEAR = 0.01  # V: the last row may lie short of where an instrument ended by itself
GONE = 1e-3  # V at rest below which nothing but a short is left of a voltage
AT_ONCE = 2.0  # s
SLIGHT = 3.0  # mV of polarisation of the first half-cycle below which a cell may be shorted from the start,
LITTLE = 20.0  # ohm cm2, if its areal resistance is below this: at a small current any cell polarises by little
PLATINGS = 100  # of which the nucleation is told
FEWEST = 4  # rows of a plating in which a tip can be told from a plateau
PLATING = "plate: {current: 0.5 mA/cm2, for: 1 h} and strip: make half-cycles of metal"
AREAL = 1e3 / 1e4  # A/m2 to mA/cm2, and Ah/m2 to mAh/cm2


@dataclass(frozen=True, slots=True)
class HalfCycles:
    """The stripping and plating steps of a run: position in `steps`, cycle, step, areal current and capacity, duration, ends."""

    position: Integers
    cycle: Integers
    step: tuple[str, ...]  # strip or plate
    current: Floats  # mA/cm2, magnitude
    capacity: Floats  # mAh/cm2
    begin: Floats  # s
    end: Floats  # s
    reason: tuple[str, ...]
    text: tuple[str, ...]
    voltage: Floats  # V, last


def half_cycles(record: RunRecord, *, formation: bool = False) -> HalfCycles:
    """Return the stripping and plating steps, without those of formation cycles unless asked for.

    Raises:
        ValueError: The cell has no area.
    """
    if not record.cell.area:
        raise ValueError(lacking("an areal current", "area"))
    steps = record.steps
    verbs = np.asarray(steps["step_type"], dtype=object)
    kinds = dict(zip(record.cycles["cycle_count"].tolist(), record.cycles["kind"].tolist(), strict=True))
    cycle = np.asarray(steps["cycle_count"], dtype=np.int64)
    wanted = np.isin(verbs, ["strip", "plate"])
    if not formation:
        wanted &= np.array([kinds.get(number) != FORMATION for number in cycle.tolist()], dtype=bool) & (cycle > 0)
    at = np.flatnonzero(wanted)
    passed = np.abs(number(record, "charging_capacity_ah")[at] - number(record, "discharging_capacity_ah")[at])
    seconds = number(record, "step_time_second")[at]
    with np.errstate(divide="ignore", invalid="ignore"):
        current = np.where(seconds > 0, passed * SECONDS_PER_HOUR / seconds, np.nan) / record.cell.area * AREAL
    return HalfCycles(
        at,
        cycle[at],
        tuple(verbs[at].tolist()),
        current,
        passed / record.cell.area * AREAL,
        number(record, "begin_test_time_second")[at],
        number(record, "end_test_time_second")[at],
        tuple(str(steps["end_reason"][k]) for k in at),
        tuple(str(steps["end_text"][k] or "") for k in at),
        number(record, "last_voltage_volt")[at],
    )


def number(record: RunRecord, name: str) -> Floats:
    """Return a column of `steps` as floats."""
    return np.asarray(record.steps[name], dtype=float)


def judged(halves: HalfCycles, record: RunRecord) -> tuple[str, ...]:
    """Return what the end of each half-cycle proves: "survived", "short", "voltage", or "cut" for nothing.

    A half-cycle that reached its time or its charge was survived, and in an asymmetric cell a strip that its own voltage ended:
    it has taken what was plated. Any other that its voltage ended (an end of its own, a `stop_if` or `abort_if`, a limit of
    voltage) failed by voltage, and by a short where a short was found in its cycle and its end asks for one. Whatever else
    ended it (a block's budget, a person, a limit of charge, current or temperature, a fault) says nothing about the cell.
    """
    shorts = {cycle for name, value, cycle in record.results if name.startswith("short") and value}
    bare = [record.cell.kind == "asymmetric" and step == "strip" for step in halves.step]
    return tuple(
        proof(reason, text, float(volts), shorted=cycle in shorts, bare=stripped)
        for reason, text, volts, cycle, stripped in zip(
            halves.reason, halves.text, halves.voltage, halves.cycle.tolist(), bare, strict=True
        )
    )


def proof(reason: str, text: str, volts: float = float("nan"), *, shorted: bool, bare: bool = False) -> str:
    """Return what an end proves; `volts` is the last voltage.

    Args:
        reason: As in `steps`.
        text: Of the end, as in `steps`.
        volts: Last voltage, V.
        shorted: A short was found in the cycle.
        bare: A strip down to the bare collector, whose own end by voltage is what it is for.
    """
    if reason in {"for", "capacity", "own"} or (bare and reason in {"to", "until"}):
        return "survived"
    if reason == "to":
        return "voltage"
    if reason == "until":
        return "voltage" if by_voltage(text, volts) else "survived"
    if reason in {"stop_if", "abort_if"}:
        if shorted and "short" in text:
            return "short"
        return "voltage" if by_voltage(text, volts) else "cut"
    return "voltage" if reason == "limit" and text.startswith("voltage") else "cut"


def by_voltage(text: str, volts: float) -> bool:
    """Tell whether a condition that ended a step was met by its voltage: where it has other alternatives, the last row decides."""
    tests = VOLTAGE.findall(text)
    if not tests or " or " not in text or not np.isfinite(volts):
        return "voltage" in text
    for magnitude, above, limit, milli in tests:
        value = abs(volts) if magnitude else volts
        bound = float(limit) * (1e-3 if milli else 1.0)
        if (value >= bound - NEAR) if above == ">" else (value <= bound + NEAR):
            return True
    return False


def failure(halves: HalfCycles, record: RunRecord) -> tuple[int | None, str]:
    """Return the position in `halves` of the half-cycle that failed and its class: `short`, `voltage` or "" for none."""
    proofs = judged(halves, record)
    return next(((at, kind) for at, kind in enumerate(proofs) if kind in {"short", "voltage"}), (None, ""))


def survived(halves: HalfCycles, record: RunRecord) -> list[int]:
    """Return the positions of the half-cycles of complete cycles before any failure, in all of which both were survived."""
    proofs = judged(halves, record)
    failed, _ = failure(halves, record)
    whole = set(np.asarray(record.cycles["cycle_count"])[complete_cycles(record)].tolist())
    spoiled = {int(cycle) for cycle, kind in zip(halves.cycle, proofs, strict=True) if kind != "survived"}
    through = len(proofs) if failed is None else failed
    return [at for at in range(through) if int(halves.cycle[at]) in whole - spoiled]


def cut_short(halves: HalfCycles, record: RunRecord) -> tuple[str, ...]:
    """Say which half-cycles are left out because something else than the cell or their own end ended them."""
    proofs = judged(halves, record)
    return steps_left_out(
        record, [int(halves.position[at]) for at, kind in enumerate(proofs) if kind == "cut"], "half-cycle of step"
    )


def analyse_ccd(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the critical current density: last fully survived, failing, and cumulative areal capacity at failure.

    All three are given, with the class of the failure, because a critical current density is comparable only inside one
    protocol (time, capacity, area and history all move it). What an end proves is said at `judged`.
    """
    del options
    halves = half_cycles(record)
    if not len(halves.current):
        return Analysis("ccd", flags=(f"no stripping or plating outside formation: {PLATING}",))
    failed, kind = failure(halves, record)
    table = {
        "cycle": tuple(halves.cycle.tolist()),
        "step": halves.step,
        "current density / mA/cm2": tuple(np.round(halves.current, 9).tolist()),
        "capacity / mAh/cm2": tuple(halves.capacity.tolist()),
        "end": halves.reason,
        "proves": judged(halves, record),
    }
    out = (*shorted_from_the_start(record, halves), *cut_short(halves, record))
    figures = []
    through = survived(halves, record)
    if through:
        figures.append(Figure("last survived current density", float(np.nanmax(halves.current[through])), "mA/cm2"))
    if failed is None:
        return Analysis("ccd", tuple(figures), table, ("no failure up to the highest survived current density", *out))
    figures.append(
        Figure("failing current density", float(failing_current(halves, failed)), "mA/cm2", int(halves.cycle[failed]))
    )
    figures.append(Figure("cumulative capacity at failure", float(np.sum(halves.capacity[: failed + 1])), "mAh/cm2"))
    figures.append(Figure("time to failure", float(halves.end[failed] / SECONDS_PER_HOUR), "h"))
    return Analysis("ccd", tuple(figures), table, (failed_by(record, halves, failed, kind), *out))


def shorted_from_the_start(record: RunRecord, halves: HalfCycles) -> tuple[str, ...]:
    """Say where the first half-cycle polarised the cell by next to nothing, as metal from one side to the other does."""
    at, current = int(halves.position[0]), float(halves.current[0])
    if record.steps["last_record"][at] < record.steps["first_record"][at]:
        return ()
    polarised = 1e3 * abs(middle_voltage(record, halves, 0))
    if not (polarised < SLIGHT and polarised < LITTLE * current):
        return ()
    words = f"{polarised:.2g} mV at {current:.3g} mA/cm2, which is {polarised / current:.2g} ohm cm2"
    return (f"the cell may be shorted from the start: its first half-cycle polarised it by {words}",)


def failed_by(record: RunRecord, halves: HalfCycles, failed: int, kind: str) -> str:
    """Say what a half-cycle failed by; of a short, whether the rest after it confirms it: its voltage is gone at once."""
    words = f"failure by {kind}: {halves.text[failed]}"
    if kind != "short":
        return words
    after = int(halves.position[failed]) + 1
    verbs = record.steps["step_type"]
    rows = record.step_rows(after) if after < len(verbs) and str(verbs[after]) == "rest" else None
    if rows is None or not len(rows):
        return f"{words}; not confirmed: no rest follows"
    soon = np.abs(rows.voltage[rows.time - rows.time[0] <= AT_ONCE])
    least = 1e3 * float(np.nanmin(soon)) if np.isfinite(soon).any() else float("nan")
    if least < 1e3 * GONE:
        return f"{words}; confirmed: at rest after it the voltage is below {1e3 * GONE:g} mV within {AT_ONCE:g} s"
    return f"{words}; not confirmed: at rest after it the voltage is still {least:.3g} mV after {AT_ONCE:g} s"


def failing_current(halves: HalfCycles, failed: int) -> float:
    """Return the current density of the half-cycle that failed; one cut short within seconds has that of its cycle."""
    mine = halves.current[halves.cycle == halves.cycle[failed]]
    return float(np.nanmax(mine)) if np.isfinite(mine).any() else float("nan")


def analyse_life(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell hours, cycles and cumulative areal capacity to the failure, and the polarisation on the way.

    Without a failure they are those of the complete cycles; formation is left out unless there is nothing else.
    Polarisation of a cycle is half the difference between the voltages in the middle of its two half-cycles.
    """
    del options
    halves, formed = half_cycles(record), tuple[str, ...]()
    if not len(halves.current):
        halves, formed = half_cycles(record, formation=True), ("nothing but formation: its cycles are told",)
    if not len(halves.current):
        return Analysis("life", flags=(f"no stripping or plating: {PLATING}",))
    failed, kind = failure(halves, record)
    out = (*shorted_from_the_start(record, halves), *cut_short(halves, record))
    through = survived(halves, record)
    if failed is None and not through:
        return Analysis("life", flags=("no complete cycle", *out))
    last = through[-1] if failed is None else failed
    cycles = {int(cycle) for cycle in halves.cycle[through]} | (
        set() if failed is None else {int(halves.cycle[failed])}
    )
    figures = [
        Figure("time", float((halves.end[last] - halves.begin[0]) / SECONDS_PER_HOUR), "h"),
        Figure("cycles", float(len(cycles)), "cycles"),
        Figure("cumulative capacity", float(np.sum(halves.capacity[: last + 1])), "mAh/cm2"),
    ]
    table = polarisation(record, halves)
    column = np.asarray(table["polarisation / mV"], dtype=float)
    if len(column):
        figures.append(Figure("polarisation, first", float(column[0]), "mV"))
        figures.append(Figure("polarisation, last", float(column[-1]), "mV"))
    flags = ("no failure",) if failed is None else (failed_by(record, halves, failed, kind),)
    return Analysis("life", tuple(figures), table, (*formed, *flags, *out))


def polarisation(record: RunRecord, halves: HalfCycles, most: int = 500) -> dict[str, tuple[float | int | str, ...]]:
    """Return the polarisation against time, of at most `most` cycles spread evenly over the run."""
    whole = np.isin(halves.cycle, np.asarray(record.cycles["cycle_count"])[complete_cycles(record)])
    pairs = [at for at in range(len(halves.cycle) - 1) if whole[at] and halves.cycle[at] == halves.cycle[at + 1]]
    pairs = (
        [pairs[k] for k in np.unique(np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int))]
        if pairs
        else []
    )
    values = [abs(middle_voltage(record, halves, at) - middle_voltage(record, halves, at + 1)) / 2 for at in pairs]
    return {
        "cycle": tuple(int(halves.cycle[at]) for at in pairs),
        "time / h": tuple(float(halves.end[at] / SECONDS_PER_HOUR) for at in pairs),
        "polarisation / mV": tuple(1e3 * value for value in values),
    }


def middle_voltage(record: RunRecord, halves: HalfCycles, at: int) -> float:
    """Return the voltage in the middle of a half-cycle, V."""
    rows = record.step_rows(int(halves.position[at]))
    return (
        float(np.interp((halves.begin[at] + halves.end[at]) / 2, rows.time, rows.voltage))
        if len(rows)
        else float("nan")
    )


def analyse_nucleation(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the nucleation overpotential of the first plating, and of each: tip, plateau, and tip minus plateau, V below 0 V.

    The tip is the farthest of the first half of the step in the direction of the current, so a bare collector's way down
    from its open circuit is none; the plateau is the median of the second half. Both definitions in use (tip against the
    plateau, tip against 0 V) can be read from the three numbers. Where there is no tip there is no overpotential. The table has
    the first hundred platings that were not cut short.
    """
    del options
    verbs = np.asarray(record.steps["step_type"], dtype=object)
    wanted = (
        ["plate"] if record.cell.kind == "asymmetric" else ["plate", "strip"]
    )  # either side of a symmetric cell is metal
    plating = np.flatnonzero(np.isin(verbs, wanted)).tolist()
    if not plating:
        return Analysis("nucleation", flags=(f"no plating step: {PLATING}",))
    complete = complete_steps(record)
    if not complete[plating[0]]:
        return Analysis("nucleation", flags=("the first plating was cut short", *steps_left_out(record, plating[:1])))
    whole = [at for at in plating if complete[at]]
    told = [(at, one) for at in whole[:PLATINGS] if (one := nucleation(record, at)) is not None]
    if not told or told[0][0] != plating[0]:
        return Analysis("nucleation", flags=("fewer than 4 rows in the first plating",))
    table: dict[str, tuple[float | int | str, ...]] = {
        "cycle": tuple(int(record.steps["cycle_count"][at]) for at, _ in told),
        "step": tuple(str(verbs[at]) for at, _ in told),
        "tip / mV": tuple(one[0] for _, one in told),
        "plateau / mV": tuple(one[1] for _, one in told),
        "overpotential / mV": tuple(one[2] for _, one in told),
    }
    names = ("nucleation tip", "plating plateau", "nucleation overpotential")
    figures = [Figure(name, one, "mV") for name, one in zip(names, told[0][1], strict=True) if np.isfinite(one)]
    tips = sum(bool(np.isfinite(one[2])) for _, one in told)
    flags = (
        []
        if np.isfinite(told[0][1][2])
        else ["no tip: the voltage only moves away from zero, as where metal grows on metal"]
    )
    flags += [
        f"the figures are of the first of {len(plating)} platings; {tips} of {len(told)} in the table have a tip"
    ] * (len(plating) > 1)
    return Analysis("nucleation", tuple(figures), table, (*flags, *steps_left_out(record, set(plating) - set(whole))))


def nucleation(record: RunRecord, at: int) -> tuple[float, float, float] | None:
    """Return tip, plateau and tip minus plateau of a plating step in mV, the last NaN where there is no tip; None of few rows."""
    rows = record.step_rows(at)
    if len(rows) < FEWEST:
        return None
    overpotential = 1e3 * (rows.voltage if str(record.steps["step_type"][at]) == "strip" else -rows.voltage)
    early = rows.time <= (rows.time[0] + rows.time[-1]) / 2
    plateau, tip = float(np.median(overpotential[~early])), float(np.max(overpotential[early]))
    return tip, plateau, tip - plateau if tip > plateau else float("nan")

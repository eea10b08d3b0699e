"""Stripping and plating: critical current density, life to a short, polarisation, nucleation overpotential."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labctl.analysis.capacity import FORMATION
from labctl.analysis.record import Analysis, Figure, Integers, Record
from labctl.sample import SECONDS_PER_HOUR, Floats

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


def half_cycles(record: Record, *, formation: bool = False) -> HalfCycles:
    """Return the stripping and plating steps, without those of formation cycles unless asked for.

    Raises:
        ValueError: The cell has no area.
    """
    if not record.cell.area:
        raise ValueError("an areal current needs the area of the cell: give `area` in the cell file")
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
    )


def number(record: Record, name: str) -> Floats:
    """Return a column of `steps` as floats."""
    return np.asarray(record.steps[name], dtype=float)


def failure(found: HalfCycles, record: Record) -> tuple[int | None, str]:
    """Return the position in `found` of the half-cycle that failed and its class: `short`, `voltage` or "" for none."""
    shorted = [name for name, value, _ in record.results if name.startswith("short") and value]
    for at, (reason, text) in enumerate(zip(found.reason, found.text, strict=True)):
        if reason in {"stop_if", "abort_if", "limit"}:
            return at, "short" if shorted and "short" in text else "voltage"
    return None, ""


def analyse_ccd(record: Record, options: Mapping[str, str]) -> Analysis:
    """Tell the critical current density: last fully survived, failing, and cumulative areal capacity at failure.

    All three are given, with the class of the failure, because a critical current density is comparable only inside one
    protocol (time, capacity, area and history all move it).
    """
    del options
    found = half_cycles(record)
    failed, kind = failure(found, record)
    table = {
        "cycle": tuple(found.cycle.tolist()),
        "step": found.step,
        "current density / mA/cm2": tuple(np.round(found.current, 9).tolist()),
        "capacity / mAh/cm2": tuple(found.capacity.tolist()),
        "end": found.reason,
    }
    if not len(found.current):
        return Analysis("ccd", flags=("no stripping or plating outside formation",))
    through = len(found.current) if failed is None else failed
    complete = [at for at in range(through) if failed is None or found.cycle[at] != found.cycle[failed]]
    figures = []
    if complete:
        figures.append(Figure("last survived current density", float(np.nanmax(found.current[complete])), "mA/cm2"))
    if failed is None:
        return Analysis("ccd", tuple(figures), table, ("no failure up to the highest current density",))
    figures.append(
        Figure("failing current density", float(failing_current(found, failed)), "mA/cm2", int(found.cycle[failed]))
    )
    figures.append(Figure("cumulative capacity at failure", float(np.sum(found.capacity[: failed + 1])), "mAh/cm2"))
    figures.append(Figure("time to failure", float(found.end[failed] / SECONDS_PER_HOUR), "h"))
    return Analysis("ccd", tuple(figures), table, (f"failure by {kind}: {found.text[failed]}",))


def failing_current(found: HalfCycles, failed: int) -> float:
    """Return the current density of the half-cycle that failed; one cut short within seconds has that of its cycle."""
    mine = found.current[found.cycle == found.cycle[failed]]
    return float(np.nanmax(mine)) if np.isfinite(mine).any() else float("nan")


def analyse_life(record: Record, options: Mapping[str, str]) -> Analysis:
    """Tell hours, cycles and cumulative areal capacity to the short, and the polarisation on the way.

    Polarisation of a cycle is half the difference between the voltages in the middle of its two half-cycles.
    """
    del options
    found = half_cycles(record)
    if not len(found.current):
        return Analysis("life", flags=("no stripping or plating outside formation",))
    failed, kind = failure(found, record)
    last = len(found.current) - 1 if failed is None else failed
    began = float(found.begin[0])
    figures = [
        Figure("time", float((found.end[last] - began) / SECONDS_PER_HOUR), "h"),
        Figure("cycles", float(found.cycle[last] - found.cycle[0] + 1), "cycles"),
        Figure("cumulative capacity", float(np.sum(found.capacity[: last + 1])), "mAh/cm2"),
    ]
    table = polarisation(record, found)
    column = np.asarray(table["polarisation / mV"], dtype=float)
    if len(column):
        figures.append(Figure("polarisation, first", float(column[0]), "mV"))
        figures.append(Figure("polarisation, last", float(column[-1]), "mV"))
    flags = ("no failure",) if failed is None else (f"failure by {kind}: {found.text[failed]}",)
    return Analysis("life", tuple(figures), table, flags)


def polarisation(record: Record, found: HalfCycles, most: int = 500) -> dict[str, tuple[float | int | str, ...]]:
    """Return the polarisation against time, of at most `most` cycles spread evenly over the run."""
    pairs = [at for at in range(len(found.cycle) - 1) if found.cycle[at] == found.cycle[at + 1]]
    pairs = (
        [pairs[k] for k in np.unique(np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int))]
        if pairs
        else []
    )
    values = [abs(middle_voltage(record, found, at) - middle_voltage(record, found, at + 1)) / 2 for at in pairs]
    return {
        "cycle": tuple(int(found.cycle[at]) for at in pairs),
        "time / h": tuple(float(found.end[at] / SECONDS_PER_HOUR) for at in pairs),
        "polarisation / mV": tuple(1e3 * value for value in values),
    }


def middle_voltage(record: Record, found: HalfCycles, at: int) -> float:
    """Return the voltage in the middle of a half-cycle, V."""
    rows = record.step_rows(int(found.position[at]))
    return (
        float(np.interp((found.begin[at] + found.end[at]) / 2, rows.time, rows.voltage)) if len(rows) else float("nan")
    )


def analyse_nucleation(record: Record, options: Mapping[str, str]) -> Analysis:
    """Tell the nucleation overpotential of the first plating: tip, plateau, and tip minus plateau, V below 0 V.

    The tip is the farthest of the first half of the step in the direction of the current, so a bare collector's way down
    from its open circuit is none; the plateau is the median of the second half. Both definitions in use (tip against the
    plateau, tip against 0 V) can be read from the three numbers.
    """
    del options
    verbs = np.asarray(record.steps["step_type"], dtype=object)
    wanted = (
        ["plate"] if record.cell.kind == "asymmetric" else ["plate", "strip"]
    )  # either side of a symmetric cell is metal
    plating = np.flatnonzero(np.isin(verbs, wanted))
    if not len(plating):
        return Analysis("nucleation", flags=("no plating step",))
    first = int(plating[0])
    rows = record.step_rows(first)
    if len(rows) < 4:
        return Analysis("nucleation", flags=("fewer than 4 rows in the first plating",))
    overpotential = rows.voltage if verbs[first] == "strip" else -rows.voltage
    early = rows.time <= (rows.time[0] + rows.time[-1]) / 2
    plateau, tip = float(np.median(overpotential[~early])), float(np.max(overpotential[early]))
    names = (("nucleation tip", tip), ("plating plateau", plateau), ("nucleation overpotential", tip - plateau))
    flags = () if tip > plateau else ("no tip: the voltage only moves away from zero, as where metal grows on metal",)
    return Analysis("nucleation", tuple(Figure(name, 1e3 * value, "mV") for name, value in names), flags=flags)

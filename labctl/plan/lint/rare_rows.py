"""Steps of which `record` keeps too few rows: sweeps that are soon over, and drives that are likely to be."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.amount import Amount
from labctl.plan.index import walk
from labctl.plan.lint.ends import DRIVEN, end_values, mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]
Lines = Mapping[int, tuple[Amount, float]]

FEW: Final = 3  # rows of a drive between its first and its last
PULSE: Final = 600.0  # s: a pulse has what its analysis needs of rows
FEWEST: Final = 10  # rows of a sweep from which its shape is seen
DRAWN: Final = frozenset({"Galvanostatic", "ConstantPower", "ConstantLoad"})


def rare_rows_of_sweeps(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a sweep that is over before its record rule, by time alone, asks for ten rows, and of rules by what is held."""
    for _, line in walk(plan.root):
        yield from _of_what_is_held(line, places)
        yield from _of_profile(line, places)
        every, lasts = _by_time_alone(line), _shortest_sweep(line) if line.mode == "Sweep" else math.inf
        if every * FEWEST > lasts:
            message = (
                f"wanted {FEWEST} rows and more of {line.verb}, found one every {display(every, 'duration')} in at most "
                f"{display(lasts, 'duration')}"
            )
            yield warning("plan.record", message, mark_of(line, places), _hint(lasts, "dV: 2 mV"))


def _of_what_is_held(line: Line, places: Places) -> Iterator[Finding]:
    """Give rows that are asked for by the change of what a step holds alone: it does not change."""
    held = {"Potentiostatic": "voltage", "Galvanostatic": "current"}.get(line.mode, "")
    rules = [(rule.every, rule.voltage if held == "current" else rule.current) for rule in line.record]
    if not held or not rules or any(every or moving for every, moving in rules):
        return
    key, other = ("dV", "dI: 10 uA") if held == "voltage" else ("dI", "dV: 5 mV")
    message = (
        f"wanted rows within {line.verb}, found {key} alone, and it holds its {held}: its first and its last are all that is "
        "stored"
    )
    yield warning("plan.record", message, mark_of(line, places), f"add every: 1 min to record, or {other}")


def _of_profile(line: Line, places: Places) -> Iterator[Finding]:
    """Give a profile of whose values a row comes now and then."""
    times, every = line.settings.get("times"), _by_time_alone(line)
    if line.mode != "Profile" or not isinstance(times, tuple) or len(times) <= FEWEST:
        return
    gaps = sorted(later - one for one, later in itertools.pairwise(times))
    middle = gaps[len(gaps) // 2]
    if every > FEWEST * middle:
        shown = display(middle, "duration")
        message = (
            f"wanted rows that follow the {line.verb}, which changes every {shown}, found one every "
            f"{display(every, 'duration')}"
        )
        yield warning("plan.record", message, mark_of(line, places), f"below it write record: {{every: {shown}}}")


def rare_rows_likely(plan: Plan, lines: Lines) -> Iterator[Finding]:
    """Warn of a drive to a voltage that is likely to be over before its record rule asks for a second row."""
    for _, line in walk(plan.root):
        every, likely = _by_time_alone(line), lines[line.id][0].likely
        to_voltage = any(end.kind == "to" for end in line.ends)
        times = end_values(line, "for")
        if line.verb not in DRIVEN or line.mode not in DRAWN or not to_voltage or min(times, default=math.inf) < every:
            continue
        soonest = min(likely, _at_its_fastest(plan, line))
        if 0.0 < soonest < (FEW if max(times, default=math.inf) > PULSE else 1) * every:
            stored = (
                "its first and its last are all that is stored" if soonest < every else "no curve is seen from so few"
            )
            message = (
                f"wanted rows within the {display(soonest, 'duration')} that {line.verb} is likely to take, found one every "
                f"{display(every, 'duration')}: {stored}"
            )
            yield warning("plan.record", message, mark_of(line), _hint(soonest, "dV: 5 mV"))


def _at_its_fastest(plan: Plan, line: Line) -> float:
    """Return how long the nominal capacity takes at the largest current of a line that has several, s; else infinity."""
    currents = [abs(one) for one in known(line.settings.get("current"))]
    return plan.cell.nominal / max(currents) if plan.cell.nominal and len(set(currents)) > 1 else math.inf


def _hint(lasts: float, step: str) -> str:
    every = display(float(f"{lasts / 100.0:.1g}"), "duration")
    return f"below it write record: {{every: {every}}}, or {step} beside every"


def _by_time_alone(line: Line) -> float:
    """Return the shortest time in s between rows of a line that has no other rule of them; 0 of any other."""
    if any(rule.voltage or rule.current for rule in line.record):
        return 0.0
    return min((rule.every for rule in line.record if rule.every is not None), default=0.0)


def _shortest_sweep(line: Line) -> float:
    """Return how long a sweep lasts at most in its fastest pass, s: from the open circuit no more than the limits leave."""
    start, end = (known(line.settings.get(key)) for key in ("start", "end"))
    low, high = line.bounds.voltage or (-OPEN, OPEN)
    widest = max((abs(one - other) for one in start for other in end), default=high - low)
    fastest = max(map(abs, known(line.settings.get("rate"))), default=0.0)
    return widest / fastest if fastest and widest < OPEN else math.inf

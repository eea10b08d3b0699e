"""Curves whose analysis needs closer rows than `record` keeps of them."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from labctl.driver import RecordRule
from labctl.finding import Finding
from labctl.plan.amount import Amount
from labctl.plan.index import walk
from labctl.plan.lint.ends import DRIVEN, mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Line, Plan
from labctl.quantity.units import display

Lines = Mapping[int, tuple[Amount, float]]
Told = tuple[str, str]

PLATEAUS: Final = 100  # rows of a half-cycle, from which its plateaus are told apart
FINE: Final = 0.01  # V between two rows of a curve: a sixth of the width of a peak of one electron
TIP: Final = 10.0  # s between two rows of a plating, in which the tip of its nucleation is over


def rows_of_curves(plan: Plan, lines: Lines) -> Iterator[Finding]:
    """Warn of steps of which an analysis that is asked for draws a curve, or looks for a tip, from rows too far apart."""
    asked = {name for name, _ in plan.analyses}
    rules = [rule for name, rule in _RULES.items() if name in asked]
    told: set[Finding] = set()  # a voltammogram is two sweeps at one place
    for _, line in walk(plan.root) if rules else ():
        for message, hint in filter(None, (rule(line, lines[line.id][0].likely) for rule in rules)):
            found = warning("plan.record", message, mark_of(line), hint)
            if found not in told:
                told.add(found)
                yield found


def _half_cycle(line: Line, likely: float) -> Told | None:
    """Tell of a half-cycle whose differential capacity comes of few rows."""
    to_voltage = any(end.kind == "to" for end in line.ends)
    if line.verb not in DRIVEN or line.mode != "Galvanostatic" or not to_voltage or not line.record:
        return None
    moved = _by(line, lambda rule: rule.voltage)
    if moved <= FINE:
        return None
    every = _by(line, lambda rule: rule.every)
    if not 0.0 < likely < PLATEAUS * every:
        return None
    found = (
        f"one every {display(every, 'duration')} in the {display(likely, 'duration')} that it is likely to take"
        if every < math.inf
        else f"dV: {display(moved, 'voltage')}"
    )
    return (
        f"wanted {PLATEAUS} rows and more of each {line.verb} for the analysis differential, found {found}",
        "below it write record: {every: 30 s, dV: 2 mV}",
    )


def _sweep(line: Line, _likely: float) -> Told | None:
    """Tell of a cyclic voltammogram whose peaks lie between a few rows."""
    fastest = max(map(abs, known(line.settings.get("rate"))), default=0.0)
    if line.verb != "cv" or not line.record or not fastest:
        return None
    apart = min(_by(line, lambda rule: rule.voltage), fastest * _by(line, lambda rule: rule.every))
    if apart <= FINE * (1.0 + 1e-9) or math.isinf(apart):
        return None
    message = (
        f"wanted a row every {display(FINE, 'voltage')} of {line.verb} and closer, where its peaks are to be seen, "
    )
    message += f"found one every {display(apart, 'voltage')}"
    return message, "below it write record: {every: 1 s, dV: 2 mV}"


def _plating(line: Line, _likely: float) -> Told | None:
    """Tell of a plating whose nucleation is over before a second row."""
    every = _by(line, lambda rule: rule.every)
    moving = any(rule.voltage for rule in line.record)
    if line.verb not in {"plate", "discharge"} or not line.record or moving or not TIP < every < math.inf:
        return None
    message = f"wanted a row every {display(TIP, 'duration')} of {line.verb} and closer for the tip of its nucleation, "
    message += f"found one every {display(every, 'duration')}"
    return message, "below it write record: {every: 10 s, dV: 1 mV}"


def _by(line: Line, of: Callable[[RecordRule], float | None]) -> float:
    """Return the least that one of a line's record rules asks for, infinite where none does."""
    return min((value for rule in line.record if (value := of(rule))), default=math.inf)


_RULES: Final[Mapping[str, Callable[[Line, float], Told | None]]] = {
    "differential": _half_cycle,
    "voltammetry": _sweep,
    "b_value": _sweep,
    "nucleation": _plating,
}

"""Pulses whose analysis needs more rows than `record` keeps of them."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import DRIVEN, end_values, mark_of, warning
from labctl.plan.step import Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

FEWEST: Final = 10  # rows of a pulse, from which its jump and its slope can be told apart
LARGE: Final = 0.01  # V between two rows: a jump of less leaves none
LONGEST: Final = 3600.0  # s of a pulse
WANTED: Final = {"dcir": "{every: 0.01 s, for: 0.1 s}, {every: 0.1 s}", "interruption": "{every: 0.1 s}"}
ASKS: Final = ("dcir", "gitt", "interruption")


def pulse_rows(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of pulses after a rest, and of the rests of an interruption, of which their analysis gets a row now and then."""
    asked = next((name for name, _ in plan.analyses if name in ASKS), "")
    before: Line | None = None
    for _, line in walk(plan.root) if asked else ():
        wanted, around = ("rest", "") if asked == "interruption" else ("", "rest")
        pulse = line.mode == "Galvanostatic" and line.verb in DRIVEN
        fits = line.verb == wanted and before is not None and before.verb in DRIVEN if wanted else pulse
        if fits and (not around or (before is not None and before.verb == around)):
            yield from _too_few(line, asked, places)
        before = line


def _too_few(line: Line, asked: str, places: Places) -> Iterator[Finding]:
    times = end_values(line, "for")
    longest, rule = max(times, default=math.inf), line.record[0] if line.record else None
    if rule is None or rule.every is None or longest > LONGEST or rule.until is not None:
        return
    if longest / rule.every >= FEWEST or (rule.voltage is not None and rule.voltage <= LARGE):
        return
    if line.verb in DRIVEN and rule.every > longest and not any(one.voltage or one.current for one in line.record):
        return  # that nothing between its first and last row is stored is told whatever is to be analysed
    every, shown = display(rule.every, "duration"), display(longest, "duration")
    message = f"wanted {FEWEST} rows and more of each {line.verb} for the analysis {asked}, found one every {every} in {shown}"
    right = WANTED.get(asked, f"{{every: {display(longest / 100.0, 'duration')}}}")
    hint = f"add record: {f'[{right}]' if right.count('{') > 1 else right} to the step"
    yield warning("plan.record", message, mark_of(line, places), hint)

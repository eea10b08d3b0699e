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
FITTED: Final = 20  # rows in the part of a pulse, `WINDOW` of its time, through which a titration lays its line
WINDOW: Final = (0.02, 0.20)
FINE: Final = 1e-3  # V between two rows: of so few every step of the line is seen
LARGE: Final = 0.01  # V between two rows: a jump of less leaves none
LONGEST: Final = 3600.0  # s of a pulse
WANTED: Final = {"dcir": "{every: 0.01 s, for: 0.1 s}, {every: 0.1 s}", "interruption": "{every: 0.1 s}"}
ASKS: Final = ("dcir", "gitt", "interruption")


def pulse_rows(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of pulses after a rest, and of the rests of an interruption, of which their analysis gets a row now and then."""
    asked = next((name for name, _ in plan.analyses if name in ASKS), "")
    before: Line | None = None
    for path, line in walk(plan.root) if asked else ():
        if (
            path[-1].passes > 1 and path[-1].children[0] is line
        ):  # in the loop it comes behind the last one of the pass before
            before = next((one for one in reversed(path[-1].children) if isinstance(one, Line)), before)
        wanted, around = ("rest", "") if asked == "interruption" else ("", "rest")
        pulse = line.mode == "Galvanostatic" and line.verb in DRIVEN
        fits = line.verb == wanted and before is not None and before.verb in DRIVEN if wanted else pulse
        if fits and (not around or (before is not None and before.verb == around)):
            yield from _titrated(line, places) if asked == "gitt" else _too_few(line, asked, places)
        before = line


def _titrated(line: Line, places: Places) -> Iterator[Finding]:
    """Give a pulse of a titration that has too few rows where its line is laid."""
    longest = max(end_values(line, "for"), default=math.inf)
    if longest > LONGEST or any(rule.voltage is not None and rule.voltage <= FINE for rule in line.record):
        return
    if _has_none(line, longest):
        return
    first, last = (part * longest for part in WINDOW)
    rows = _rows_between(line, first, last)
    if 0.0 < rows < FITTED * (1.0 - 1e-9):
        begin, end = display(first, "duration"), display(last, "duration")
        message = (
            f"wanted {FITTED} rows and more between {begin} and {end} of each {line.verb}, where gitt lays its line, found "
            f"about {rows:.2g}"
        )
        every = display(float(f"{(last - first) / (2.0 * FITTED):.1g}"), "duration")
        yield warning("plan.record", message, mark_of(line, places), f"add record: {{every: {every}}} to the step")


def _has_none(line: Line, longest: float) -> bool:
    """Tell whether nothing between the first and last row of a step is stored, which is told whatever is to be analysed."""
    rules = line.record
    return all(rule.every is not None and rule.every > longest and not (rule.voltage or rule.current) for rule in rules)


def _rows_between(line: Line, begin: float, end: float) -> float:
    """Return how many rows the times of a line's rules ask for between two times of a step, s; 0 where no rule has a time."""
    rows, at = 0.0, 0.0
    for rule in line.record:
        until = math.inf if rule.until is None else rule.until
        if rule.every:
            rows += max(0.0, min(end, until) - max(begin, at)) / rule.every
        at = max(at, until)
    return rows


def _too_few(line: Line, asked: str, places: Places) -> Iterator[Finding]:
    times = end_values(line, "for")
    longest, rule = max(times, default=math.inf), line.record[0] if line.record else None
    if rule is None or rule.every is None or longest > LONGEST or rule.until is not None:
        return
    if longest / rule.every >= FEWEST or (rule.voltage is not None and rule.voltage <= LARGE):
        return
    if line.verb in DRIVEN and _has_none(line, longest):
        return
    every, shown = display(rule.every, "duration"), display(longest, "duration")
    message = f"wanted {FEWEST} rows and more of each {line.verb} for the analysis {asked}, found one every {every} in {shown}"
    right = WANTED.get(asked, f"{{every: {display(longest / 100.0, 'duration')}}}")
    hint = f"add record: {f'[{right}]' if right.count('{') > 1 else right} to the step"
    yield warning("plan.record", message, mark_of(line, places), hint)

"""Ends by charge since a mark that the way to them has passed already, or that come after the voltage or the time of their step."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.amount import CountAhead
from labctl.plan.holding import SINCE
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, both_ways, end_values, mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Block, End, Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

BEHIND: Final = 0.02  # of the nominal capacity, by which a count is beyond its end where its step begins
FARTHER: Final = 0.05  # of the nominal capacity, by which an end by charge lies behind the voltage


def vain_marks(plan: Plan, ahead: Mapping[int, CountAhead]) -> Iterator[Finding]:
    """Warn of ends by charge since a point that are likely true at once, or behind the voltage of their step."""
    nominal = plan.cell.nominal
    for path, line in walk(plan.root) if nominal else ():
        if line.id not in ahead or not nominal:
            continue
        one = ahead[line.id]
        end = next(end for end in line.ends if any(one.term in terms for terms in end.condition.any_of))
        grows = one.term.quantity != "net"  # what it counts is never given back
        if one.counted and one.left <= (1e-9 if grows else -BEHIND) * nominal:  # from zero on it is told elsewhere
            yield _at_once(line, end, one, nominal)
        elif one.left > one.room + FARTHER * nominal:
            yield _never(line, end, one, nominal)
        elif all(block.passes == 1 for block in path) and one.left > (1.0 + BEHIND) * _timed(line):
            yield _late(line, end, one)


def marks_anew(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a charge since a mark that rises from pass to pass of a loop in which the mark is set anew."""
    for block in blocks(plan.root):
        marks = {str(line.options.get("text")) for _, line in walk(block) if line.verb == "mark"}
        if block.passes < 2 or not marks or both_ways(block):
            continue
        yield from _stop_of_marks(block, marks, places)
        for _, line in walk(block):
            for end in line.ends:
                yield from _anew(block, line, end, marks, places)


def _stop_of_marks(block: Block, marks: set[str], places: Places) -> Iterator[Finding]:
    """Give a `stop_if` on charge since a mark that each pass sets anew, and that no pass comes to."""
    drives = [(path, line) for path, line in walk(block) if line.verb in DRIVEN]
    each = [math.prod(one.passes for one in path[1:]) * _most(line) for path, line in drives]
    for number, end in enumerate(block.ends if drives and sum(each) < math.inf else ()):
        for at, terms in enumerate(end.condition.any_of):
            term, asked = terms[0], known(terms[0].value)
            if end.kind != "stop_if" or len(terms) != 1 or term.quantity not in SINCE or term.since not in marks:
                continue
            if asked and min(map(abs, asked)) > sum(each):
                yield warning(
                    "end.never",
                    f"wanted a charge since {term.since} that a pass comes to, found {end.condition.text}: each pass sets "
                    f"{term.since} anew, and passes {display(sum(each), 'capacity')} at most",
                    places.get(("block", block.id, (number, at, 0)), mark_of(drives[0][1], places)),
                    f"put - mark: {term.since} before the loop",
                )


def _most(line: Line) -> float:
    """Return the most that a drive passes by its time and capacity, C; infinite where neither ends it."""
    return min([_timed(line), *end_values(line, "capacity")])


def _anew(block: Block, line: Line, end: End, marks: set[str], places: Places) -> Iterator[Finding]:
    for term in (term for terms in end.condition.any_of for term in terms):
        asked = list(dict.fromkeys(map(abs, known(term.value))))
        if term.quantity in SINCE and term.since in marks and len(asked) > 1 and asked == sorted(asked):
            yield warning(
                "plan.passes",
                f"wanted {term.since} to stand where it is for all {block.passes} passes, found it set anew in each: "
                f"{end.condition.text} counts from there, so that each pass goes farther than the one before",
                mark_of(line, places),
                f"put - mark: {term.since} before the loop, or write the same amount in each pass",
            )


def _stands(one: CountAhead, nominal: float) -> str:
    return f"about {100.0 * one.counted / nominal:.3g} % where it begins"


def _at_once(line: Line, end: End, one: CountAhead, nominal: float) -> Finding:
    message = (
        f"wanted a charge that {line.verb} comes to, found {end.condition.text}: {one.term.quantity} stands at "
        f"{_stands(one, nominal)}, so that is true at once"
    )
    return warning("end.at_once", message, mark_of(line), _moved(one))


def _never(line: Line, end: End, one: CountAhead, nominal: float) -> Finding:
    message = (
        f"wanted a charge that {line.verb} comes to, found {end.condition.text}: {one.term.quantity} stands at "
        f"{_stands(one, nominal)}, so that the voltage comes first"
    )
    return warning("end.never", message, mark_of(line), _moved(one))


def _late(line: Line, end: End, one: CountAhead) -> Finding:
    message = f"`for` will come before {end.condition.text}: it lets {line.verb} pass {100.0 * _timed(line) / one.left:.2g} % of it"
    return warning("plan.time_first", message, mark_of(line), "lengthen for")


def _moved(one: CountAhead) -> str:
    if one.term.since == "cycle" or one.term.since.startswith("block "):
        return "count it since a mark: where the cell is full or empty"
    return f"put - mark: {one.term.since} where the cell is full or empty, right before what counts from there"


def _timed(line: Line) -> float:
    """Return the charge in C that a constant current passes in its `for`; infinite without one."""
    times = end_values(line, "for")
    current = max(map(abs, known(line.settings.get("current"))), default=math.inf)
    return max(times, default=math.inf) * current

"""Numbers that no run comes to or that leave nothing to see: cycles beyond the last, temperatures on a wrong scale, rare rows."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.beyond_hints import COLDEST, HOTTEST
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, mark_of, warning
from labctl.plan.number import values
from labctl.plan.step import Block, ByPass, Condition, Line, Plan, Relative, Setting, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import ZERO_CELSIUS, display

Places = Mapping[Spot, Mark]

LONGEST: Final = 5 * 365 * 86400.0  # s, five years
MOST_NET: Final = 1.5  # times the nominal capacity, in one direction without a voltage that ends it


def vain_counts(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of numbers that no run of a plan comes to, or that leave nothing to see."""
    cycles, others = most_cycles(plan.root), most_cycles(plan.root, checks=False)
    for block in blocks(plan.root):
        for condition, mark in _conditions(block, places):
            yield from _beyond(condition, (cycles, others), mark)
            yield from _other_scale(condition, mark)
        yield from _same_again(block, places)
    yield from _asked_once(plan.root, places)
    for _, line in walk(plan.root):
        yield from _measured_of(line, cycles, places)
        for number, end in enumerate(line.ends):
            yield from _other_scale(end.condition, mark_of(line, places, number))
        yield from _energy(plan, line, places)
        yield from _charge(plan, line, places)
        yield from _soak(line, places)
        yield from _years(line, places)
        yield from _rows(line, places)


def most_cycles(block: Block, *, checks: bool = True) -> int:
    """Return how many cycles are counted at most in a block, those of blocks that an `if` may skip among them.

    Args:
        block: With all in it.
        checks: Count those of `cycle: check`, too.
    """
    if block.cycle is not None:
        return block.passes if checks or block.cycle != "check" else 0
    return block.passes * sum(most_cycles(child, checks=checks) for child in block.children if isinstance(child, Block))


def _conditions(block: Block, places: Places) -> Iterator[tuple[Condition, Mark]]:
    line = next((line for _, line in walk(block)), None)
    default = mark_of(line, places) if line else Mark("", 1, 1)
    if block.condition is not None:
        yield block.condition, places.get(("block", block.id, "if"), places.get(("block", block.id, ""), default))
    for number, end in enumerate(block.ends):
        if end.kind in {"stop_if", "abort_if"}:
            yield end.condition, places.get(("block", block.id, (number, 0, 0)), default)


def _asked_once(block: Block, places: Places) -> Iterator[Finding]:
    """Give every block of a file that chooses cycles, and stands behind their loop where it is come to once."""
    for child in block.children if block.passes == 1 else ():
        if not isinstance(child, Block):
            continue
        terms = [term for terms in child.condition.any_of for term in terms] if child.condition is not None else []
        if any(term.quantity == "every" or term.comparison == "in" for term in terms):
            condition, mark = next(_conditions(child, places))
            message = (
                f"wanted a block that each cycle comes to, found if: {condition.text} outside of the loop: asked once"
            )
            yield warning("end.never", message, mark, "write it into the steps: of the loop, behind its other steps")
        yield from _asked_once(child, places)


def _measured_of(line: Line, cycles: int, places: Places) -> Iterator[Finding]:
    """Give a measured capacity of a cycle that no run comes to."""
    number = line.options.get("cycle") if line.verb == "nominal" else None
    if isinstance(number, int | float) and number > cycles:
        message = f"wanted a cycle that the run comes to, found cycle {number:g} of {cycles} at most"
        yield warning("end.never", message, mark_of(line, places), "leave of cycle out for the last one")


def _beyond(condition: Condition, counted: tuple[int, int], mark: Mark) -> Iterator[Finding]:
    """Give a condition that asks for a cycle which no run comes to; without any cycles that is told elsewhere.

    `counted` are all cycles, and those that are no checks, by which `every` counts.
    """
    for term in (term for terms in condition.any_of for term in terms) if counted[0] else ():
        wanted, cycles = _named_cycle(term), counted[term.quantity == "every"]
        if term.quantity == "retention" and term.reference == 0:
            message = f"wanted the number of a cycle, from 1 on, found {condition.text}"
            yield warning("end.never", message, mark, "write of cycle 1, or of first")
            return
        if term.quantity == "cycle" and term.comparison in {">", ">="} and 0.0 <= wanted < 1.0:
            message = f"wanted the number of a cycle, from 1 on, found {condition.text}, which every cycle meets"
            yield warning("end.at_once", message, mark, "write after how many cycles it ends")
            return
        if wanted > cycles:
            ordinal = f"cycle {wanted:.0f}" if wanted < math.inf else "a cycle"
            which = " that are no check" if cycles < counted[0] else ""
            message = (
                f"wanted a cycle that the run comes to, found {condition.text}: {ordinal} of {cycles}{which} at most"
            )
            yield warning("end.never", message, mark, f"write a number up to {cycles}, or more passes in repeat:")
            return


def _named_cycle(term: Term) -> float:
    """Return the number of the last cycle that a comparison names, as far as its numbers say; 0 where they do not."""
    number = _numbers(term.value)
    match term.quantity:
        case "retention":
            return float(term.reference) if isinstance(term.reference, int) else 0.0
        case "every" if number:
            return min(number)
        case "cycle" if term.comparison == "in":
            return float(max(term.members, default=0))
        case "cycle" if number and term.comparison in {">", ">="}:
            return min(number) + (term.comparison == ">")
    return 0.0


def _numbers(value: Setting) -> tuple[float, ...]:
    return values(value) if isinstance(value, float | int | ByPass | Relative) else ()


def _other_scale(condition: Condition, mark: Mark) -> Iterator[Finding]:
    """Give a comparison with a temperature that no cell has: most often in K where degC was meant."""
    for term in (term for terms in condition.any_of for term in terms):
        numbers = _numbers(term.value) if term.quantity == "temperature" and not term.slope else ()
        value = next((number for number in numbers if not COLDEST <= number <= HOTTEST), None)
        if value is not None:
            celsius = value - ZERO_CELSIUS
            meant = (
                f"{value:g} degC"
                if value < COLDEST
                else f"{celsius:g} K"
                if celsius >= COLDEST
                else f"{celsius / 10:g} degC"
            )
            low, high = (display(one, "temperature") for one in (COLDEST, HOTTEST))
            message = f"wanted a temperature of a cell, {low} to {high}, found {display(value, 'temperature')}"
            yield warning("end.never" if value > HOTTEST else "end.at_once", message, mark, f"is {meant} meant?")


def _energy(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give an end by more energy than the whole cell holds."""
    high = max(map(abs, line.bounds.voltage or (0.0,)))
    most = MOST_NET * (plan.cell.nominal or 0.0) * high
    for number, end in enumerate(line.ends if most and high < OPEN else ()):
        asked = min(_numbers(end.condition.any_of[0][0].value), default=0.0) if end.kind == "energy" else 0.0
        if asked > most:
            message = (
                f"wanted an energy that the cell holds, about {display(most / MOST_NET, 'energy')} at most, "
                f"found {display(asked, 'energy')}"
            )
            yield warning(
                "end.never", message, mark_of(line, places, number), f"is {display(asked / 1000.0, 'energy')} meant?"
            )


def _charge(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give an end by more charge than the whole cell holds, of a step that ends at a voltage."""
    nominal = plan.cell.nominal
    if not nominal or line.verb not in DRIVEN or not any(end.kind == "to" for end in line.ends):
        return
    for number, end in enumerate(line.ends):
        terms = [terms[0] for terms in end.condition.any_of if len(terms) == 1 and terms[0].quantity == "capacity"]
        asked = min((value for term in terms for value in _numbers(term.value)), default=0.0)
        if end.kind in {"until", "capacity"} and asked > MOST_NET * nominal:
            message = (
                f"wanted a charge that the cell holds, nominally {display(nominal, 'capacity')}, found "
                f"{display(asked, 'capacity')}: the voltage comes first"
            )
            yield warning("end.never", message, mark_of(line, places, number), "is the unit meant?")


def _soak(line: Line, places: Places) -> Iterator[Finding]:
    """Give a chamber whose `for` is over before it can have soaked."""
    if line.mode != "Chamber":
        return
    soak = _numbers(line.settings.get("soak"))
    most = _numbers(line.options.get("for"))  # type: ignore[arg-type]
    if soak and most and max(soak) >= min(most):
        message = f"wanted a for longer than the {display(max(soak), 'duration')} of soak, found {display(min(most), 'duration')}"
        hint = "for counts from the begin: lengthen it by the time that the chamber takes to get there"
        yield warning("end.never", message, mark_of(line, places), hint)


def _years(line: Line, places: Places) -> Iterator[Finding]:
    """Give a step whose `for` outlasts every experiment."""
    for number, end in enumerate(line.ends):
        times = _numbers(end.condition.any_of[0][0].value) if end.kind == "for" else ()
        if times and max(times) > LONGEST:
            message = (
                f"wanted a step of at most {display(LONGEST, 'duration')}, found {display(max(times), 'duration')}"
            )
            yield warning(
                "plan.long",
                message,
                mark_of(line, places, number),
                f"is {display(max(times) / 3600.0, 'duration')} meant?",
            )


def _rows(line: Line, places: Places) -> Iterator[Finding]:
    """Give a charge or discharge by time that is over before a second row of it is asked for."""
    rules = line.record
    longest = _only_time(line)
    asked = [rule.every for rule in rules if rule.every is not None]
    if not longest or not asked or line.verb not in DRIVEN or any(rule.voltage or rule.current for rule in rules):
        return
    if min(asked) > longest:
        message = (
            f"wanted rows within the {display(longest, 'duration')} of {line.verb}, found one every "
            f"{display(min(asked), 'duration')}: its first and its last are all that is stored"
        )
        hint = f"below it write record: {{every: {display(longest / 100.0, 'duration')}}}"
        yield warning("plan.record", message, mark_of(line, places), hint)


def _only_time(line: Line) -> float:
    """Return how long a constant current lasts that ends by nothing but time, s; 0 of any other line."""
    times = [term for end in line.ends if end.kind != "to" for terms in end.condition.any_of for term in terms]
    if line.mode != "Galvanostatic" or any(
        term.quantity != "time" or isinstance(term.value, VersusOcv) for term in times
    ):
        return 0.0
    return min((number for term in times for number in _numbers(term.value)), default=0.0)


def _same_again(block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop of one charge by time alone: without a gap it is a single longer one."""
    only = block.children[0] if len(block.children) == 1 else None
    if block.passes < 2 or block.cycle is not None or block.variables or block.ends:
        return
    if not isinstance(only, Line) or only.verb not in DRIVEN:
        return
    lasts = _only_time(only) if len(only.ends) == 1 else 0.0
    if lasts and isinstance(only.settings.get("current"), float):
        whole = display(lasts * block.passes, "duration")
        message = (
            f"wanted something between {block.passes} passes, found the same {only.verb} without a gap: one of {whole}"
        )
        yield warning(
            "plan.twice", message, mark_of(only, places), f"add a rest behind it, or write for: {whole} without a loop"
        )

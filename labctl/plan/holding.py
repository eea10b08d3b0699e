"""What an instrument holds of a plan by itself: which ends it locates in which mode, and how long a step can last at most.

An instrument that runs several steps with nobody listening must stay within every budget and limit of the plan. So a program
goes only as far as that is sure: through steps whose ends the instrument locates, inside blocks of which nothing but their
time is asked and whose time the steps cannot use up, or whose ends the instrument counts over several steps itself.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from labctl.driver import Capabilities, Profile, ProgramStep, Sweep, Threshold, Watched
from labctl.plan.number import values
from labctl.plan.step import Block, ByPass, Condition, End, Line, Relative, Term

WATCHED: Final[Mapping[str, Watched]] = {
    "time": "time", "voltage": "voltage", "current": "current", "capacity": "charge", "power": "power",
}  # fmt: skip
SINCE: Final = frozenset({"charged", "discharged", "net"})
MEASURED: Final = frozenset({*WATCHED, *SINCE, "temperature", "energy"})
ABOVE: Final = frozenset({">", ">="})


def holdable(condition: Condition, capabilities: Capabilities, line: Line | None = None) -> bool:
    """Tell whether the instrument locates a condition wholly by itself, in the mode of a line if one is given."""
    return all(len(terms) == 1 and _holds(terms[0], capabilities, line) for terms in condition.any_of)


def _holds(term: Term, capabilities: Capabilities, line: Line | None) -> bool:
    watched, above = WATCHED.get(term.quantity), term.comparison in ABOVE
    magnitude = term.quantity == "voltage" and term.absolute
    if watched is None or term.slope or term.dwell or (magnitude and not above):
        return False
    sides = (True, False) if magnitude else (above,)
    return all(holds_side(watched, side, capabilities, line) for side in sides)


def holds_side(watched: Watched, above: bool, capabilities: Capabilities, line: Line | None) -> bool:
    """Tell whether the instrument locates a value of a quantity from one side, in the mode of a line if one is given."""
    if watched not in capabilities.ends:
        return False
    located = capabilities.holds.get(line.mode) if line is not None else None
    if located is None or line is None or watched in located or f"{watched}{'>' if above else '<'}" in located:
        return True
    return f"{watched}~" in located and direction(line) == (1 if above else -1)


def direction(line: Line) -> int:
    """Return the side towards which a line drives the voltage: 1 up, -1 down, 0 where it does not or differs between passes."""
    match line.mode:
        case "ConstantLoad":
            return -1
        case "Galvanostatic" | "ConstantPower":
            given = line.settings["current" if line.mode == "Galvanostatic" else "power"]
            known = isinstance(given, float | ByPass | Relative)
            signs = {math.copysign(1.0, each) for each in values(given)} if known else set()  # type: ignore[arg-type]
            return int(signs.pop()) if len(signs) == 1 else 0
    return 0


def held_of(ends: tuple[Threshold, ...], capabilities: Capabilities, line: Line) -> tuple[Threshold, ...]:
    """Return the thresholds that the instrument locates in the mode of a line; the others are the daemon's."""
    return tuple(end for end in ends if holds_side(end.quantity, end.above, capabilities, line))


def longest(step: ProgramStep) -> float:
    """Return the seconds that a step can last at most by what the instrument holds; infinite where nothing bounds it."""
    bounds = [end.value for end in step.ends if end.quantity == "time" and end.above]
    match step.mode:
        case Sweep(start, end, rate):
            bounds.append(abs(end - start) / rate)
        case Profile(times):
            bounds.append(times[-1] - times[0])
    return min(bounds, default=math.inf)


def spanned(block: Block, capabilities: Capabilities) -> bool:
    """Tell whether the instrument runs a current and its hold as one step under all ends of the block that they are."""
    return (
        capabilities.spans
        and bool(block.ends)
        and is_cc_cv(block)
        and all(_counts_up(end, capabilities) for end in block.ends)
    )


def is_cc_cv(block: Block) -> bool:
    """Tell whether a block is a constant current to a voltage and that voltage held, with no time of its own."""
    match block.children:
        case (Line(mode="Galvanostatic") as first, Line(mode="Potentiostatic") as second):
            timed = any(
                term.quantity == "time" for end in second.ends for terms in end.condition.any_of for term in terms
            )
            return block.fused and len(first.ends) == 1 and direction(first) != 0 and not timed
    return False


def _counts_up(end: End, capabilities: Capabilities) -> bool:
    return all(
        len(terms) == 1
        and terms[0].quantity in {"time", "capacity"}
        and terms[0].comparison in ABOVE
        and not terms[0].slope
        and WATCHED[terms[0].quantity] in capabilities.ends
        for terms in end.condition.any_of
    )


def watched_ends(block: Block) -> tuple[End, ...]:
    """Return the ends of a block that rows decide: all but those of nothing but results, asked when a pass has ended."""
    return tuple(
        end for end in block.ends if any(term.quantity in MEASURED for terms in end.condition.any_of for term in terms)
    )


def only_time(end: End) -> bool:
    """Tell whether an end of a block is nothing but an upper bound of its time."""
    return all(
        len(terms) == 1 and terms[0].quantity == "time" and terms[0].comparison in ABOVE and not terms[0].slope
        for terms in end.condition.any_of
    )


def time_of_ends(ends: Iterable[Threshold]) -> float:
    """Return the seconds after which the first end by time is met; infinite without one."""
    return min((end.value for end in ends if end.quantity == "time" and end.above), default=math.inf)


def is_held(end: End, block: Block | None, line: Line, capabilities: Capabilities, *, alone: bool) -> bool:
    """Tell whether the instrument locates an end of a line, or of a block around it.

    A block's only in the first step of a program, for which what is left of the block is known, and over the two steps of a
    CC-CV where the instrument runs them as one; its capacity only where all its lines pass charge in one direction.
    """
    if block is None:
        return holdable(end.condition, capabilities, line)
    if not alone:
        return spanned(block, capabilities)
    one_way = block.fused and all(isinstance(child, Line) and child.mode != "Sweep" for child in block.children)
    counts = any(term.quantity == "capacity" for terms in end.condition.any_of for term in terms)
    return holdable(end.condition, capabilities, line) and (one_way or not counts)


# --- numbers by which thresholds name ends ----------------------------------------------------------------------------

OWN: Final = -1  # depth of an end of the line itself


def code_of(depth: int, number: int) -> int:
    """Return the number by which a threshold of an instrument names an end: its index, or that of a block's budget."""
    return number if depth == OWN else 1000 * (depth + 1) + number


def place_of(code: int) -> tuple[int, int]:
    """Return depth and index of the end that a threshold names."""
    return (OWN, code) if code < 1000 else (code // 1000 - 1, code % 1000)

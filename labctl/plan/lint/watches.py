"""What a `stop_if` or `abort_if` asks: met by the ordinary end of a step, true at once, never, or on one side of zero only."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.beyond_envelope import cut_off_beyond
from labctl.plan.envelope import OVERSHOOT, Envelope
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, LOWERING, RAISING, end_values, mark_of, target_of, warning
from labctl.plan.number import values
from labctl.plan.step import Block, ByPass, End, Line, Plan, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import article, display

Places = Mapping[Spot, Mark]

ABOVE: Final = frozenset({">", ">="})
CAPACITIES: Final = frozenset({"charge_capacity", "discharge_capacity"})
LEAST: Final = 0.02  # of the nominal capacity: a cell that still does its cycles passes more
DEAD: Final = 0.15  # of the nominal capacity: a cell with less is dead long since
MOST: Final = 3.0  # times the nominal capacity: no cell passes as much in a cycle
GOOD: Final = 0.8  # of the nominal capacity: what a cell in order passes in a cycle
FADING: Final = CAPACITIES | {"retention"}
SHARES: Final = frozenset({"retention", "coulombic_efficiency"})
LEAST_SHARE: Final = 0.15  # of the first: a cell with less is dead long since
SHORTED: Final = 0.02  # V: a symmetric cell that is driven has less only where it is shorted
WHOLE: Final = 1.0  # retention of the cycle that it is counted from


@dataclass(frozen=True, slots=True)
class _Watch:
    """One alternative of what a block watches."""

    block: Block
    end: End
    terms: tuple[Term, ...]
    number: int
    at: int

    def mark(self, places: Places, which: int = 0) -> Mark:
        """Return where a comparison was written."""
        line = next((line for _, line in walk(self.block)), None)
        default = mark_of(line, places) if line else Mark("", 1, 1)
        return places.get(("block", self.block.id, (self.number, self.at, which)), default)


def vain_watches(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of every `stop_if` and `abort_if` that hardly watches what was meant."""
    for watch in _watches(plan):
        yield from _ordinary(watch, places)
        yield from _of_results(plan, watch, places)
        yield from _short_tied(watch, places)
        yield from _longer_than_steps(watch, places)
        yield from _beyond_limits(watch, places)
        yield from _of_inner_loop(plan, watch, places)
        if plan.cell.kind == "symmetric":
            yield from _one_side(watch, places)
            yield from _at_zero(watch, places)
            yield from _in_its_rests(watch, places)
    if plan.cell.kind == "symmetric":
        yield from _limits_on_one_side(plan, places)


def _watches(plan: Plan) -> Iterator[_Watch]:
    for block in blocks(plan.root):
        for number, end in enumerate(block.ends):
            if end.kind in {"stop_if", "abort_if"} and not block.fused:
                for at, terms in enumerate(end.condition.any_of):
                    yield _Watch(block, end, terms, number, at)


# --- what a cycle in order meets --------------------------------------------------------------------------------------


def _ordinary(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a watch that the ordinary end of a step in one of its cycles meets, or a row that overshoots that end."""
    in_cycles = [line for path, line in walk(watch.block) if any(one.cycle in {"true", "check"} for one in path)]
    drives = [line for line in in_cycles if line.verb in DRIVEN]
    if not drives or {line.verb for line in drives} <= RAISING or {line.verb for line in drives} <= LOWERING:
        return
    met = next((line for line in drives if len(watch.terms) == 1 and _meets(watch.terms[0], line)), None)
    if met is not None:
        kind = watch.end.kind
        yield warning(
            "end.ordinary",
            f"wanted {article(kind)} that no cycle in order meets, found {watch.end.condition.text}, which the "
            f"{met.verb} meets at its own end: the first cycle is cut short there",
            watch.mark(places),
            f"the {met.verb} ends there by itself: leave the {kind} out{_farther(met, watch.terms[0])}",
        )


def _farther(line: Line, term: Term) -> str:
    """Return what else may be written: a voltage that no row at the end of the step comes to, inside the limits."""
    target = target_of(line)
    if term.absolute or not isinstance(target, float | ByPass):
        return ""
    up = line.verb in RAISING
    if up != (term.comparison in ABOVE):
        return ""
    low, high = line.bounds.voltage or (0.0, 0.0)
    beyond = max(values(target)) + 2 * OVERSHOOT if up else min(values(target)) - 2 * OVERSHOOT
    if not low < beyond < high:
        return ": the limits watch what lies beyond"
    return f", or write voltage {'>' if up else '<'} {display(beyond, 'voltage')}"


def _meets(term: Term, line: Line) -> bool:
    """Tell whether the voltage at which a step ends, or what a row may overshoot it by, meets a comparison."""
    target = target_of(line)
    if term.quantity != "voltage" or term.slope or term.dwell or not isinstance(target, float | ByPass):
        return False
    if isinstance(term.value, VersusOcv):
        return False
    reached = [abs(value) if term.absolute else value for value in values(target)]
    limits = values(term.value)
    if not reached or not limits:
        return False
    above = term.comparison in ABOVE
    outwards = above if term.absolute else above == (line.verb in RAISING)
    if outwards:
        short = min(limits) - max(reached) if above else min(reached) - max(limits)
        return short < OVERSHOOT * (1.0 - 1e-9)
    match term.comparison:
        case "<":
            return min(reached) < max(limits)
        case "<=":
            return min(reached) <= max(limits)
        case ">":
            return max(reached) > min(limits)
        case ">=":
            return max(reached) >= min(limits)
    return False


# --- results ----------------------------------------------------------------------------------------------------------


def _of_results(plan: Plan, watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a retention above what every good cycle has, and a capacity that no cycle of the cell passes, or every one."""
    if len(watch.terms) != 1 or watch.terms[0].figure or isinstance(watch.terms[0].value, VersusOcv):
        return
    term, text = watch.terms[0], watch.end.condition.text
    numbers, above = values(term.value), term.comparison in ABOVE  # type: ignore[arg-type]
    if not numbers:
        return
    if term.quantity in SHARES and above and min(numbers) < WHOLE:
        message = (
            f"wanted {article(watch.end.kind)} that good cycles do not meet, found {text}: the first ones are at 100 %"
        )
        share = f"{100.0 * min(numbers):g} %"
        yield warning("end.at_once", message, watch.mark(places), f"write {term.quantity} < {share}")
    if term.quantity in SHARES and not above and max(numbers) < LEAST_SHARE:
        message = f"wanted a share that a fading cell comes to, found {text}: a dead one is below it"
        meant = f"{(10000.0 if max(numbers) <= 0.01 else 1000.0) * max(numbers):g} %"
        yield warning("end.never", message, watch.mark(places), f"is {meant} meant?" if max(numbers) < 0.1 else "")
    nominal = plan.cell.nominal
    if term.quantity not in CAPACITIES or not nominal:
        return
    shown = f"{text} of a nominal {display(nominal, 'capacity')}"
    if above and LEAST * nominal <= min(numbers) < GOOD * nominal and watch.end.kind != "abort_if":
        message = f"wanted a capacity that good cycles do not have, found {shown}: each of them meets it"
        yield warning("end.at_once", message, watch.mark(places), f"write {text.replace('>=', '<').replace('>', '<')}")
    tiny, huge = max(numbers) < (LEAST if above else DEAD) * nominal, min(numbers) > MOST * nominal
    if tiny or huge:
        at_once = tiny == above
        code = "end.at_once" if at_once else "end.never"
        why = "any cycle meets it" if at_once else "no cycle comes to it"
        message = f"wanted a capacity that a cycle of this cell may have, found {shown}: {why}"
        percent = re.search(r"<=?\s*([5-9]\d(?:\.\d+)?)\s*mAh", text) if tiny and not above else None
        yield warning(
            code, message, watch.mark(places), f"is {percent[1]} % meant?" if percent else "is the unit meant?"
        )


def _longer_than_steps(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a comparison that must last longer than any step of its block: each step counts anew."""
    longest = 0.0
    for _, line in walk(watch.block):
        longest = max(longest, max(end_values(line, "for"), default=math.inf))
    for which, term in enumerate(watch.terms):
        if term.dwell > longest:
            lasting, steps = display(term.dwell, "duration"), display(longest, "duration")
            message = (
                f"wanted {article(watch.end.kind)} that lasts no longer than a step of its block, {steps} at most, found "
                f"{lasting}: each step counts anew"
            )
            yield warning("end.never", message, watch.mark(places, which), f"write for {steps} or less")


def _beyond_limits(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a comparison that a limit forestalls, or that is true wherever the limits let the cell be."""
    line = next((line for _, line in walk(watch.block) if line.energises), None)
    for which, term in enumerate(watch.terms if line is not None else ()):
        if line is None or term.quantity == "capacity":
            continue
        kind, text = watch.end.kind, watch.end.condition.text
        if len(watch.terms) == 1 and (limit := _always_true(line, term)) is not None:
            message = f"wanted {article(kind)} that is not true from the begin, found {text}, while the limits leave nothing else"
            ended = display(limit, "voltage")
            hint = f"write voltage {'>=' if term.comparison in ABOVE else '<='} {ended}" if limit < math.inf else ""
            yield warning("end.at_once", message, watch.mark(places, which), hint or "is the comparison turned round?")
        elif cut_off_beyond(Envelope(line.bounds), term):
            message = f"wanted {article(kind)} inside the limits, which trip the run first, found {text}"
            yield warning("plan.forestalled", message, watch.mark(places, which), f"tighten {kind}, or widen limits")


def _of_inner_loop(plan: Plan, watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a `stop_if` on fading that ends an inner loop alone, while the loop around it goes on with the faded cell."""
    fades = watch.end.kind == "stop_if" and any(term.quantity in FADING for term in watch.terms)
    outer = next(
        (
            block
            for block in blocks(plan.root)
            if block.passes > 1 and not block.variables and any(inside is watch.block for inside in blocks(block))
        ),
        watch.block,
    )
    watched = any(term.quantity in FADING for end in outer.ends for terms in end.condition.any_of for term in terms)
    if fades and outer is not watch.block and not watched:
        yield warning(
            "plan.passes",
            f"wanted a stop_if that ends the test, found {watch.end.condition.text} at an inner loop: the {outer.passes} passes of "
            "the loop around it go on",
            watch.mark(places),
            f"write it beside repeat: {outer.passes}",
        )


def _always_true(line: Line, term: Term) -> float | None:
    """Return where a drive ends, V, whose voltage meets a comparison everywhere inside its limits, infinite where nobody says.

    None where the comparison decides something.
    """
    numbers = () if isinstance(term.value, VersusOcv) else values(term.value)
    if term.quantity != "voltage" or term.slope or term.absolute or line.bounds.voltage is None or not numbers:
        return None
    low, high = line.bounds.voltage
    above = term.comparison in ABOVE
    if not (max(numbers) <= low if above else min(numbers) >= high):
        return None
    target = target_of(line) if above == (line.verb in RAISING) else None
    return target if isinstance(target, float) else math.inf


def _short_tied(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a short that must come with a high voltage, which a shorted cell has no more."""
    short = next((at for at, term in enumerate(watch.terms) if term.quantity.startswith("short")), None)
    high = any(term.quantity == "voltage" and term.comparison in ABOVE and not term.slope for term in watch.terms)
    if short is not None and high:
        message = (
            f"wanted {watch.terms[short].quantity} that ends the block by itself, found it joined by `and` to a voltage "
            "above a value, which a shorted cell hardly has"
        )
        yield warning("end.tied", message, watch.mark(places, short), "join them by or")


# --- both sides of zero -----------------------------------------------------------------------------------------------


def _one_side(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a voltage of one sign in a block that strips and plates, where nothing watches the other."""
    verbs = {line.verb for _, line in walk(watch.block) if line.verb in DRIVEN}
    if not verbs & RAISING or not verbs & LOWERING:
        return
    watched = [_side(term) for end in watch.block.ends for terms in end.condition.any_of for term in terms]
    for which, term in enumerate(watch.terms):
        side = _side(term)
        if side and -side not in watched:
            bound = display(min(map(abs, values(term.value))), "voltage")  # type: ignore[arg-type]
            message = (
                f"wanted a voltage of either sign watched, found {'positive' if side > 0 else 'negative'} ones alone: "
                f"{'plate' if side > 0 else 'strip'} brings a symmetric cell to the other side of 0 V"
            )
            yield warning("plan.one_side", message, watch.mark(places, which), f"write abs(voltage) > {bound}")


def _at_zero(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a voltage that a symmetric cell has at rest already, at 0 V."""
    term = watch.terms[0]
    if (
        len(watch.terms) != 1
        or term.quantity != "voltage"
        or term.slope
        or term.absolute
        or isinstance(term.value, VersusOcv)
    ):
        return
    numbers: tuple[float, ...] = values(term.value)
    above = term.comparison in ABOVE
    if not numbers or not (max(numbers) < 0.0 if above else min(numbers) > 0.0):
        return
    message = (
        f"wanted {article(watch.end.kind)} that a symmetric cell does not meet at rest, at 0 V, found {watch.end.condition.text}: "
        "true at once"
    )
    bound = min(map(abs, numbers))
    sign = ">" if bound > SHORTED else "<"
    hint = f"write abs(voltage) {sign} {display(bound, 'voltage')}" + ("" if bound > SHORTED else ", or short")
    yield warning("end.at_once", message, watch.mark(places), hint)


def _in_its_rests(watch: _Watch, places: Places) -> Iterator[Finding]:
    """Give a small voltage by which a short is looked for, in a block that rests: a symmetric cell has it there."""
    term = watch.terms[0]
    if len(watch.terms) != 1 or term.quantity != "voltage" or not term.absolute or term.comparison in ABOVE:
        return
    rests = [line for _, line in walk(watch.block) if line.verb in {"rest", "prompt", "temperature"}]
    if rests and max(max(end_values(line, "for"), default=math.inf) for line in rests) > term.dwell:
        message = (
            f"wanted {article(watch.end.kind)} that a cell at rest does not meet, found {watch.end.condition.text}: a symmetric "
            f"cell rests near 0 V, as in the {rests[0].verb} of this block"
        )
        hint = "write short, which looks at steps with a current only, or take the rest out of the block"
        yield warning("end.at_once", message, watch.mark(places), hint)


def _side(term: Term) -> int:
    """Return the sign of the voltages beyond a value on one side of zero that a comparison looks for; 0 of any other."""
    if term.quantity != "voltage" or term.slope or term.absolute or isinstance(term.value, VersusOcv):
        return 0
    numbers: tuple[float, ...] = values(term.value)
    if not numbers:
        return 0
    if term.comparison in ABOVE:
        return int(min(numbers) > 0.0)
    return -int(max(numbers) < 0.0)


def _limits_on_one_side(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give limits of voltage that have no room on the side of zero to which a step brings a symmetric cell."""
    for _, line in walk(plan.root):
        low, high = line.bounds.voltage or (-1.0, 1.0)
        if not (line.verb in LOWERING and low >= 0.0) and not (line.verb in RAISING and high <= 0.0):
            continue
        far = display(max(abs(low), abs(high)), "voltage")
        message = (
            f"wanted voltage limits on both sides of 0 V for {line.verb} on a symmetric cell, found "
            f"{display(low, 'voltage')} to {display(high, 'voltage')}: they trip the run at once"
        )
        yield warning(
            "plan.one_side",
            message,
            mark_of(line, places),
            f"write limits: {{voltage: [-{far}, {far}]}} in their place",
        )
        return

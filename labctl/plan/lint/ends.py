"""Ends that are true at once or can never come: no errors, but hardly what was meant."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.holding import SINCE
from labctl.plan.index import blocks, walk
from labctl.plan.number import as_filed, known, values
from labctl.plan.step import Block, End, Line, Number, Plan, Setting, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import article, display

Places = Mapping[Spot, Mark]

RAISING: Final = frozenset({"charge", "strip"})
LOWERING: Final = frozenset({"discharge", "plate"})
DRIVEN: Final = RAISING | LOWERING
EMPTY_ANODE: Final = (
    0.1  # V: no half_anode cell rests below, fresh or lithiated; a charge that ends there moves nothing
)
WRONG_END: Final = 0.1  # of the voltage limits: where no charge ends, nor at the other side a discharge
CLIPPED: Final = 0.02  # V inside a clip: more than noise
HAIR: Final = 1e-3  # V between two voltages that are meant to be one
USUAL: Final = (20, 50, 100)  # C/20, C/50 and C/100 usually end a hold
PULSE: Final = 0.1  # of the nominal capacity: what passes less by its time ends by that
_OPPOSITE: Final = {"discharge": RAISING, "charge": LOWERING}


def vain_ends(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of every end of a plan that is true at once, can never come, or waits for another one."""
    for path, line in walk(plan.root):
        for number, end in enumerate(line.ends):
            yield from _of_line(line, end, _Spot(places, "line", line.id, number), plan.cell.nominal)
        for block in path if "clip" in line.settings else ():  # `until` of a repeated profile is of its loop
            for number, end in enumerate(block.ends):
                yield from _of_line(line, end, _Spot(places, "block", block.id, number), plan.cell.nominal)
        whole = path[-1]
        if whole.fused and whole.children[0] is line:
            for number, end in enumerate(whole.ends):
                yield from _of_line(line, end, _Spot(places, "block", whole.id, number), plan.cell.nominal)
    yield from _far_side(plan, places)
    yield from _other_side(plan.root, places)
    yield from _without_charge(plan, places)


class _Spot:
    """Where the comparisons of one end were written."""

    def __init__(self, places: Places, what: str, number: int, end: int) -> None:
        self.places, self.what, self.number, self.end = places, what, number, end

    def of(self, at: int = 0, which: int = 0, line: Line | None = None) -> Mark:
        """Return the place of a comparison, else of the line."""
        keys = ((self.end, at, which), self.end, "")
        known = (self.places.get((self.what, self.number, key)) for key in keys)  # type: ignore[arg-type]
        return next((mark for mark in known if mark is not None), mark_of(line) if line else Mark("", 1, 1))


def mark_of(line: Line, places: Places | None = None, key: str | int | tuple[int, int, int] = "") -> Mark:
    """Return the place that a line, or what is written in it under a key, came from."""
    file, _, number = line.where.rpartition(":")
    kept = Mark(file, int(number) if number.isdigit() else 1, 1)
    if places is None:
        return kept
    return places.get(("line", line.id, key), places.get(("line", line.id, ""), kept))


def warning(code: str, message: str, mark: Mark, hint: str = "") -> Finding:
    """Return a finding that refuses nothing."""
    return Finding(code, message, mark, hint, severity="warning")


def target_of(line: Line) -> Setting:
    """Return the voltage at which a drive ends, None where something else may end it as well."""
    if line.verb not in DRIVEN or any(end.kind in {"capacity", "energy", "until"} for end in line.ends):
        return None
    return next((end.condition.any_of[0][0].value for end in line.ends if end.kind == "to"), None)


def end_values(line: Line, kind: str) -> list[float]:
    """Return at what ends of a kind (`for`, `to`, `capacity`) end a line, in SI, over all passes; [] without one."""
    return [number for end in line.ends if end.kind == kind for number in known(end.condition.any_of[0][0].value)]


def opposite(verb: str) -> str:
    """Return the drive of the other direction."""
    return {"charge": "discharge", "discharge": "charge", "strip": "plate", "plate": "strip"}[verb]


def both_ways(block: Block) -> bool:
    """Tell whether a block charges and discharges, or strips and plates."""
    verbs = {line.verb for _, line in walk(block)}
    return bool(verbs & RAISING) and bool(verbs & LOWERING)


def is_pulse(line: Line, nominal: float) -> bool:
    """Tell whether the time of a drive at constant current lets it pass a small part of the capacity only."""
    currents = [abs(one) for one in known(line.settings.get("current"))]
    times = end_values(line, "for")
    return line.verb in DRIVEN and bool(currents and times) and max(currents) * max(times) < PULSE * nominal < math.inf


# --- one end ----------------------------------------------------------------------------------------------------------


def _of_line(line: Line, end: End, spot: _Spot, nominal: float | None) -> Iterator[Finding]:
    if end.kind != "until":
        return
    for at, terms in enumerate(end.condition.any_of):
        yield from _unreached(line, terms, [spot.of(at, which, line) for which in range(len(terms))])
        if len(terms) == 1:
            yield from _at_rest(line, terms[0], spot.of(at, 0, line))
            yield from _settling(line, terms[0], end.condition.text.split(" or ")[at].strip(), spot.of(at, 0, line))
            yield from _nothing(line, terms[0], spot.of(at, 0, line), nominal)
            yield from _alone(line, terms[0], spot.of(at, 0, line), nominal)
        elif line.verb in DRIVEN and not (line.mode == "Galvanostatic" and _waits_for_current(terms)):
            yield from (
                _tied(line, spot.of(at, which, line)) for which, term in enumerate(terms) if _is_goal(line, term)
            )


def _waits_for_current(terms: tuple[Term, ...]) -> bool:
    """Tell whether a small current is among comparisons joined by `and`: that a constant one hardly is is told of the file."""
    return any(term.quantity == "current" and not term.slope and term.comparison in {"<", "<="} for term in terms)


def _unreached(line: Line, terms: tuple[Term, ...], marks: list[Mark]) -> Iterator[Finding]:
    """Give a window longer than its step, and a voltage of a profile that lies beyond what it is held inside."""
    times = [_largest(end.condition.any_of[0][0].value) for end in line.ends if end.kind == "for"]
    clip = line.settings.get("clip")
    for term, mark in zip(terms, marks, strict=True):
        if term.slope and times and term.over > min(times):
            shown, window = (display(seconds, "duration") for seconds in (min(times), term.over))
            message = f"wanted a window inside the {shown} of the {line.verb}, found one of {window}: it is never full"
            yield warning("end.never", message, mark, "shorten over, or lengthen for")
        if isinstance(clip, tuple) and term.quantity == "voltage" and not (term.slope or term.absolute):
            yield from _behind_clip(line, term, (clip[0], clip[1]), mark)


def _behind_clip(line: Line, term: Term, clip: tuple[float, float], mark: Mark) -> Iterator[Finding]:
    above, numbers = term.comparison in {">", ">="}, () if isinstance(term.value, VersusOcv) else values(term.value)
    edge = clip[above]
    if numbers and (min(numbers) >= edge if above else max(numbers) <= edge):
        inside = display(edge - CLIPPED if above else edge + CLIPPED, "voltage")
        message = (
            f"wanted a voltage inside clip, which holds the {line.verb}, found one at or beyond its {display(edge, 'voltage')}: "
            "it does not come"
        )
        yield warning("end.never", message, mark, f"write voltage {'>' if above else '<'} {inside}, or widen clip")


def _alone(line: Line, term: Term, mark: Mark, nominal: float | None) -> Iterator[Finding]:
    above = term.comparison in {">", ">="}
    if (
        term.quantity in {"time", "capacity", "energy", "charged", "discharged"}
        and not above
        and _largest(term.value) > 0.0
    ):
        message = f"wanted an end that comes, found {term.quantity} below a value, which is true at once"
        yield warning("end.at_once", message, mark, f"write {term.quantity} > ...")
    if term.quantity in SINCE and above and line.verb in DRIVEN:
        towards = {"charged": RAISING, "discharged": LOWERING, "net": DRIVEN}[term.quantity]
        if line.verb not in towards:
            message = f"wanted charge that {line.verb} counts, found {term.quantity}, which does not grow in it"
            yield warning(
                "end.never", message, mark, "write charged for charge and strip, discharged for discharge and plate"
            )
    if term.quantity == "voltage" and line.mode == "Potentiostatic" and _is_held(line, term):
        message = (
            "wanted an end of a held voltage by its current or time, found one by the voltage: true at once or never"
        )
        yield warning("end.at_once", message, mark, "for example current < C/20")
    if term.quantity != "current" or term.slope or line.mode != "Potentiostatic":
        return
    if above:
        message = "wanted an end that a falling current comes to, found a current above a value: true at once or never"
        yield warning("end.at_once", message, mark, "write < in place of >")
    elif (most := _largest(line.settings.get("most"))) and _largest(term.value) >= most:
        message = (
            f"wanted a current below the {display(most, 'current')} with which the hold begins, "
            f"found {display(_largest(term.value), 'current')}: true at once"
        )
        yield warning("end.at_once", message, mark, f"write a smaller current, such as {_smaller(line, nominal)}")


_RELAXING: Final = {"rest": "voltage", "hold": "current"}


def _settling(line: Line, term: Term, text: str, mark: Mark) -> Iterator[Finding]:
    """Give an end of a rest or hold by a slope above a value, where it is there to wait until the slope is small."""
    if not term.slope or term.comparison not in {">", ">="} or term.quantity != _RELAXING.get(line.verb):
        return
    if not term.absolute and not term.figure:
        return  # of a sign it may be looked for
    wanted = f"a change of the {term.quantity} that becomes small in {article(line.verb)}"
    message = f"wanted {wanted}, found {text}, which is true at once"
    yield warning("end.at_once", message, mark, f"write {text.replace('>', '<')}")


def _at_rest(line: Line, term: Term, mark: Mark) -> Iterator[Finding]:
    """Give an end of a rest by what does not flow in it."""
    if line.verb == "rest" and term.quantity in {"capacity", "current", "energy", "power"} and not term.slope:
        message = f"wanted an end that a rest comes to, found one by the {term.quantity}: nothing flows in it"
        yield warning(
            "end.never", message, mark, "end it by for:, or by the voltage: change of voltage over 1 h < 1 mV"
        )


def _nothing(line: Line, term: Term, mark: Mark, nominal: float | None) -> Iterator[Finding]:
    """Give a comparison with nothing: every step has passed it as it begins, and no current falls below it."""
    if term.slope or not isinstance(term.value, float) or term.value != 0.0 or "moment" in line.options:
        return
    above = term.comparison in {">", ">="}
    if term.quantity in {"time", "capacity", "energy", "charged", "discharged"} and above:
        message = f"wanted an end that comes in the step, found {term.quantity} above nothing, which is true at once"
        yield warning("end.at_once", message, mark, f"write {term.quantity} > with the value that is meant")
    if term.quantity == "current" and not above and line.mode == "Potentiostatic":
        message = "wanted a current that a hold comes to, found one below nothing: it never comes"
        meant = _smaller(line, nominal) if line.settings.get("most") else "C/50"
        yield warning("end.never", message, mark, f"write current < {meant}")


def _smaller(line: Line, nominal: float | None) -> str:
    """Return a current well below the least with which a hold begins: one that people write, else a tenth of it."""
    least = min(map(abs, values(as_filed(line.settings["most"]))))  # type: ignore[arg-type]
    rates = [rate for rate in USUAL if nominal and nominal / 3600.0 / rate <= least / 2.0]
    return f"C/{rates[0]}" if rates else display(least / 10.0, "current")


def _is_held(line: Line, term: Term) -> bool:
    """Tell whether a voltage is compared with just what the line holds: noise decides."""
    held, value = line.settings.get("voltage"), term.value
    return not term.slope and isinstance(held, float) and isinstance(value, float) and abs(held - value) <= HAIR


def _is_goal(line: Line, term: Term) -> bool:
    above = term.comparison in {">", ">="}
    return term.quantity == "voltage" and not term.slope and above == (line.verb in RAISING)


def _tied(line: Line, mark: Mark) -> Finding:
    message = f"wanted a voltage that ends {line.verb} by itself, found one that waits for the comparison joined to it by `and`"
    return warning("end.tied", message, mark, "join them by or, or add to: the voltage would go on to the limit")


def _largest(value: Setting | VersusOcv) -> float:
    """Return the greatest magnitude over all passes; 0 of what is not known."""
    if value is None or isinstance(value, VersusOcv | str | bool | tuple):
        return 0.0
    numbers: Number = value  # type: ignore[assignment]
    return max((abs(one) for one in values(numbers)), default=0.0)


# --- where a step begins ----------------------------------------------------------------------------------------------


def _far_side(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a cut-off that the cell lies beyond already: of the first drive by the open circuit, of an anode's charge by itself."""
    drives = [line for _, line in walk(plan.root) if line.verb in DRIVEN and line.mode != "Potentiostatic"]
    first = next((line for _, line in walk(plan.root) if line.energises), None)
    for line in drives:
        for number, target in _targets(line):
            low, high = plan.ocv if plan.ocv is not None and line is first else (-math.inf, math.inf)
            anode = plan.cell.kind == "half_anode" and line.verb == "charge" and max(target) <= EMPTY_ANODE
            up = line.verb in RAISING
            if line.verb in _OPPOSITE and not anode and _at_the_wrong_end(line, target):
                side, end = ("lowest", "charge") if up else ("highest", "discharge")
                shown = display(max(target) if up else min(target), "voltage")
                message = f"wanted a voltage to which a {end} leads, found {shown}, in the {side} tenth of the limits"
                yield warning("end.wrong_side", message, mark_of(line, places, number), "is the direction right?")
                continue
            beyond = max(target) <= low if up else min(target) >= high
            if beyond or anode:
                where = "the open circuit of the cell" if not anode else "where a half_anode cell can rest"
                side = "above" if up else "below"
                shown = display(max(target) if up else min(target), "voltage")
                hint = (
                    "discharge lithiates a half_anode cell, charge takes the lithium out"
                    if anode
                    else "is the direction right?"
                )
                message = f"wanted a voltage end of {line.verb} {side} {where}, found {shown}: true at once"
                yield warning("end.at_once", message, mark_of(line, places, number), hint)


def _at_the_wrong_end(line: Line, target: tuple[float, ...]) -> bool:
    """Tell whether a charge ends in the lowest tenth of the voltage limits, or a discharge in the highest."""
    low, high = line.bounds.voltage or (-math.inf, math.inf)
    if high - low >= OPEN:
        return False
    part = (high - low) * WRONG_END
    return max(target) <= low + part if line.verb in RAISING else min(target) >= high - part


def _targets(line: Line) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Give number and value, over all passes, of each single voltage end in the direction of a verb."""
    for number, end in enumerate(line.ends):
        for terms in end.condition.any_of:
            if len(terms) == 1 and _is_goal(line, terms[0]) and not isinstance(terms[0].value, VersusOcv):
                numbers = values(terms[0].value)
                if numbers:
                    yield number, numbers


def _other_side(block: Block, places: Places) -> Iterator[Finding]:
    """Give a hold that would undo part of the charge or discharge just before it."""
    for number, (first, second) in enumerate(itertools.pairwise(block.children)):
        voltage = (
            second.settings.get("voltage") if isinstance(second, Line) and second.mode == "Potentiostatic" else None
        )
        if _begins_at(block.children[number + 2 :], voltage):
            continue  # the hold brings the cell to where the next step begins
        if isinstance(first, Line) and first.verb in DRIVEN and isinstance(voltage, float) and isinstance(second, Line):
            for _, target in _targets(first):
                short = min(target) - voltage if first.verb in RAISING else voltage - max(target)
                if short > HAIR:
                    message = (
                        f"wanted a hold at {display(min(target), 'voltage')}, where the {first.verb} before it ends, or "
                        f"beyond, found {display(voltage, 'voltage')}: its current runs the other way"
                    )
                    yield warning(
                        "plan.crossed", message, mark_of(second, places, "voltage"), "are the two voltages meant?"
                    )
    for child in block.children:
        if isinstance(child, Block):
            yield from _other_side(child, places)


def _begins_at(items: tuple[Line | Block, ...], voltage: Setting) -> bool:
    """Tell whether the next step that energises is a sweep or spectrum that begins at a voltage."""
    inside = (line for item in items for _, line in (walk(item) if isinstance(item, Block) else [((), item)]))
    line = next((line for line in inside if line.energises), None)
    return (
        line is not None and voltage is not None and voltage in {line.settings.get("start"), line.settings.get("bias")}
    )


def _without_charge(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a `stop_if` or `abort_if` on retention in whose cycles nothing passes the charge that it counts."""
    opposite = _OPPOSITE.get(plan.cell.retention or "", frozenset())
    for block in blocks(plan.root):
        cycles = [one for one in blocks(block) if one.cycle is not None]
        verbs = {line.verb for one in cycles for _, line in walk(one) if line.energises}
        if not cycles or not verbs <= opposite:
            continue
        for number, end in enumerate(block.ends):
            for at, terms in enumerate(end.condition.any_of):
                for which, term in enumerate(terms):
                    if term.quantity == "retention":
                        message = f"wanted cycles that {plan.cell.retention} the cell for retention, found none: it never comes"
                        line = next((line for _, line in walk(block)), None)
                        mark = _Spot(places, "block", block.id, number).of(at, which, line)
                        yield warning(
                            "end.never", message, mark, f"a {plan.cell.kind} cell counts the {plan.cell.retention}"
                        )

"""What a step finds that comes after others: an open circuit of long ago, a cell that is elsewhere, the way already gone."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import (
    DRIVEN,
    RAISING,
    both_ways,
    end_values,
    is_pulse,
    mark_of,
    opposite,
    target_of,
    warning,
)
from labctl.plan.lint.passes import TITRATED
from labctl.plan.number import known, values
from labctl.plan.step import Block, ByPass, End, Line, Plan, Setting, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

NEAR: Final = 0.05  # V between two voltages of which one is as good as the other for what begins there
BACK: Final = 0.1  # V by which a second charge ends below the first: more than what a smaller current needs less
AT_REST_NEAR_ZERO: Final = frozenset({"symmetric", "blocking", "capacitor"})
DEEP: Final = 3  # loops in one another that are gone through twice
ANYWHERE: Final = (-math.inf, math.inf)  # V: where a cell may rest of which nothing is said
TURNED: Final = str.maketrans("<>", "><")
OF_CYCLES: Final = frozenset(
    {"cycle", "retention", "charge_capacity", "discharge_capacity", "coulombic_efficiency", "energy_efficiency"}
)
STORED: Final = 12 * 3600.0  # s of rest, after which a second charge makes up for what was lost
AS_LARGE: Final = 0.75  # of a current: one that is as large comes to the same voltage with no less charge
FILLED: Final = 0.1  # of a current that a hold at the voltage followed: a larger one comes there at once
SAME: Final = 5e-3  # V between two voltages that are one
AGAINST_OCV: Final = ("voltage", "start", "end", "bias")
PASSES_CHARGE: Final = frozenset({"Galvanostatic", "ConstantPower", "ConstantLoad", "Profile"})


@dataclass(slots=True)
class _Way:
    """What is known of the cell on the way through a plan.

    Attributes:
        at: The voltage to which it was brought last, None where nobody can say.
        moved: The line that moved it since its open circuit was measured last, None if none did.
        drive: The charge or discharge that it comes from, if nothing drove it otherwise since.
        held: That drive was followed by a hold at its voltage.
        rested: Seconds since then, infinite where something else than time may have changed the cell.
        begun: Something has energised.
        since: Of each mark, whether what drives first after it raises the voltage; None where nothing has yet.
        nominal: Capacity of the cell, C; infinite where nobody says.
    """

    at: Setting = None
    moved: Line | None = None
    drive: Line | None = None
    held: bool = False
    rested: float = 0.0
    begun: bool = False
    since: dict[str, bool | None] = field(default_factory=dict)
    nominal: float = math.inf


def step_order(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of steps that begin elsewhere than what comes before them leaves the cell."""
    way = _Way(at=0.0 if plan.cell.kind in AT_REST_NEAR_ZERO else None, nominal=plan.cell.nominal or math.inf)
    yield from _strip_of_nothing(plan, places)
    titrated = {line.id: block for block in blocks(plan.root) if _titrates(block) for _, line in walk(block)}
    for unit in _units(plan.root):
        if unit is None:
            way.drive = None
            continue
        lines = [unit] if isinstance(unit, Line) else [line for _, line in walk(unit)]
        if not lines:
            continue
        if plan.cell.kind not in AT_REST_NEAR_ZERO:
            yield from _old_open_circuit(way, lines, places)
        yield from _set_at_once(way, lines[0], places, plan.ocv or ANYWHERE)
        yield from _way_back(way, lines[0], places)
        yield from _there_already(way, lines[0], places)
        yield from _full_already(way, lines, titrated.get(lines[0].id), places)
        yield from _rest_beyond(way, lines[0], places)
        yield from _net_of_other_sign(way, lines[0], places)
        _go(way, lines)


def _strip_of_nothing(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a strip that comes before anything was plated on the collector of an asymmetric cell."""
    moving = [line for _, line in walk(plan.root) if line.energises and line.mode != "Spectrum"]
    if plan.cell.kind != "asymmetric" or not moving or moving[0].verb != "strip":
        return
    if any(line.verb == "plate" for line in moving[1:]):
        yield warning(
            "end.at_once",
            "wanted a plate before the first strip, as an asymmetric cell begins with a bare collector, found none: "
            "there is nothing to strip yet",
            mark_of(moving[0], places),
            "put plate before strip, so that each pass strips what it has plated",
        )


def _units(block: Block, depth: int = 0) -> Iterator[Line | Block | None]:
    """Give what is one verb each in the order in which it is done, what is in a loop twice; None where a block was cut short."""
    for _ in range(min(block.passes, 2 if depth < DEEP else 1)):
        for child in block.children:
            if isinstance(child, Line) or child.fused:
                yield child
            else:
                yield from _units(child, depth + (block.passes > 1))
                if child.condition is not None or any(map(_cuts, child.ends)):
                    yield None


def _cuts(end: End) -> bool:
    """Tell whether an end of a block comes in the middle of a pass: all do but those that ask a completed cycle."""
    return any(term.quantity not in OF_CYCLES for terms in end.condition.any_of for term in terms)


def _titrates(block: Block) -> bool:
    """Tell whether a loop goes through the cell in one direction, with a rest behind each pulse."""
    verbs = {line.verb for _, line in walk(block)}
    return block.passes >= TITRATED and "rest" in verbs and bool(verbs & DRIVEN) and not both_ways(block)


def _go(way: _Way, lines: list[Line]) -> None:
    """Go on behind a verb."""
    first, last = lines[0], lines[-1]
    if first.verb == "mark":
        way.since[str(first.options.get("text", ""))] = None
        return
    way.rested += _lasts(first)
    if not first.energises:
        way.moved = None if first.verb != "nominal" and first.mode != "Bend" else way.moved
        return
    if first.mode == "Spectrum":
        return
    way.begun = True
    if first.verb in DRIVEN:
        way.since = {name: first.verb in RAISING if up is None else up for name, up in way.since.items()}
    guarded = first is last and is_pulse(first, way.nominal)  # its voltage is where it must not go, not where it ends
    way.at = last.settings.get("end") if last.mode == "Sweep" else last.settings.get("voltage", target_of(first))
    way.at = None if guarded else way.at
    moves = first.mode in PASSES_CHARGE or not isinstance(way.at, VersusOcv)
    way.moved = first if moves else way.moved
    way.drive = first if first.verb in DRIVEN and not guarded else None
    way.held, way.rested = first is not last, 0.0


def _lasts(line: Line) -> float:
    """Return how long a cell is left to itself by a line, s; infinite where more than time changes it."""
    if line.verb == "rest":
        return max(end_values(line, "for"), default=math.inf)
    return 0.0 if line.mode == "Spectrum" or line.verb == "nominal" else math.inf


# --- one verb after what came before ----------------------------------------------------------------------------------


def _old_open_circuit(way: _Way, lines: list[Line], places: Places) -> Iterator[Finding]:
    """Give a voltage against the open circuit of before the last charge or discharge."""
    if way.moved is None:
        return
    for line in lines:
        key = next((key for key in AGAINST_OCV if isinstance(line.settings.get(key), VersusOcv)), "")
        unbiased = line.settings.get("potentiostatic") and line.settings.get("bias") is None
        if unbiased and way.moved.mode != "Potentiostatic":  # what was held long is near what it was held at
            yield warning(
                "ocv.old",
                f"wanted a rest between {way.moved.verb} and {line.verb} at open circuit, found none: it is measured while the "
                "voltage still moves",
                mark_of(line, places),
                "add - rest: 1 h before it, or at: 3.8 V, a voltage of yours, behind a hold there",
            )
            return
        if key:
            yield warning(
                "ocv.old",
                f"wanted a rest between {way.moved.verb} and the voltage vs ocv of {line.verb}, found none: "
                f"ocv is still that of before the {way.moved.verb}",
                mark_of(line, places, key),
                "add - rest: 1 h before it, or write the voltage itself",
            )
            return


def _there_already(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give a charge or discharge to the open circuit from which it begins."""
    target = target_of(line)
    if way.moved is not None or line.verb not in DRIVEN or not isinstance(target, VersusOcv):
        return
    offsets = values(target.offset)
    if all(offset <= 0.0 if line.verb in RAISING else offset >= 0.0 for offset in offsets):
        message = (
            f"wanted a voltage to which {line.verb} leads, found the open circuit from which it begins: true at once"
        )
        side = "20 mV vs ocv" if line.verb in RAISING else "-20 mV vs ocv"
        yield warning("end.at_once", message, mark_of(line, places), f"write the voltage itself, or for example {side}")


def _set_at_once(way: _Way, line: Line, places: Places, rests: tuple[float, float]) -> Iterator[Finding]:
    """Give a sweep or spectrum that begins at a voltage of its own while the cell is elsewhere."""
    key = "start" if line.mode == "Sweep" else "bias"
    begin = line.settings.get(key)
    biased = line.mode == "Spectrum" and bool(line.settings.get("potentiostatic"))
    if not (line.mode == "Sweep" or biased) or not isinstance(begin, float | ByPass) or _alike(begin, way.at):
        return
    numbers = values(begin)
    if not way.begun and all(abs(one - bound) <= NEAR for one in numbers for bound in rests):
        return
    shown = display(numbers[0], "voltage") if numbers else "nothing"
    there = "elsewhere" if not isinstance(way.at, float) else f"at {display(way.at, 'voltage')}"
    there = there if way.begun or isinstance(way.at, float) else "at an open circuit that nobody knows yet"
    other = "begin from: ocv" if key == "start" else "leave at out"
    yield warning(
        "plan.jump",
        f"wanted the cell at {shown}, where {line.verb} begins, found it {there}: it is set there at once, and a current "
        "beyond the limits trips the run",
        mark_of(line, places, key),
        f"bring it there first, - hold: {{voltage: {shown}, for: 30 min}}, or {other} after a rest",
    )


def _alike(first: Setting, second: Setting) -> bool:
    if first == second:
        return True
    if not isinstance(first, float | ByPass) or not isinstance(second, float | ByPass):
        return False
    return all(abs(one - other) <= NEAR for one in values(first) for other in values(second))


def _way_back(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give a charge that ends well below where the charge before it ended, with nothing but rests between, and the like."""
    before, up = way.drive, line.verb in RAISING
    if before is None or before is line or line.verb not in DRIVEN or up != (before.verb in RAISING):
        return
    ended, wanted = target_of(before), target_of(line)
    if not isinstance(ended, float | ByPass) or not isinstance(wanted, float | ByPass):
        return
    first, second = values(ended), values(wanted)
    short = (min(first) - max(second) if up else min(second) - max(first)) if first and second else 0.0
    if short > BACK:
        yield warning(
            "end.at_once",
            f"wanted {line.verb} to end {'above' if up else 'below'} {display(first[0], 'voltage')}, where the {before.verb} "
            f"before it ended, found {display(second[0], 'voltage')}: true at once",
            mark_of(line, places),
            f"is {opposite(line.verb)} meant?",
        )


def _full_already(way: _Way, lines: list[Line], titration: Block | None, places: Places) -> Iterator[Finding]:
    """Give a charge of a cell that another one has just brought to that voltage, and the like, and a titration of it."""
    line, before = lines[0], way.drive
    if before is None or before is line or (line.verb in RAISING) != (before.verb in RAISING) or way.rested > STORED:
        return
    pulse = is_pulse(line, way.nominal)
    wanted = end_values(line, "to")
    ended, up = known(target_of(before)), line.verb in RAISING
    if line.verb not in DRIVEN or not ended or not wanted or pulse != (titration is not None):
        return  # one pulse at a voltage is there for a resistance
    short = min(ended) - max(wanted) if up else min(wanted) - max(ended)
    if not -SAME <= short <= BACK or (not pulse and not _as_fast(way, lines)):
        return
    full = {"charge": "full", "discharge": "empty"}.get(line.verb, "there")
    yield warning(
        "end.at_once",
        f"wanted a {opposite(line.verb)} between two that {line.verb} to {display(wanted[0], 'voltage')}, found none: the "
        f"{before.verb} at {before.where} leaves the cell {full}",
        mark_of(line, places),
        f"is {opposite(line.verb)} meant here?" if pulse else f"is a {opposite(line.verb)} missing before it?",
    )


def _as_fast(way: _Way, lines: list[Line]) -> bool:
    """Tell whether a drive comes to its voltage with no more charge than the one before it did."""
    first, second = (
        max(map(abs, known(line.settings.get("current"))), default=0.0) for line in (way.drive, lines[0]) if line
    )
    same = way.rested == 0.0 and not way.held and way.drive is not None and way.drive.settings == lines[0].settings
    if not first or not second or same or (len(lines) > 1 and not way.held):  # twins are told of elsewhere
        return False
    return second >= first * (FILLED if way.held else AS_LARGE)


def _rest_beyond(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give a rest until a voltage beyond the one at which the charge or discharge before it ended: it relaxes the other way."""
    ended = target_of(way.drive) if way.drive is not None and line.verb == "rest" else None
    if way.drive is None or not isinstance(ended, float):
        return
    up = way.drive.verb in RAISING
    for number, end in enumerate(line.ends):
        for at, terms in enumerate(end.condition.any_of):
            term = terms[0]
            if len(terms) != 1 or term.quantity != "voltage" or term.slope or term.absolute:
                continue
            asked = () if isinstance(term.value, VersusOcv) else values(term.value)
            if not asked or (min(asked) < ended if up else max(asked) > ended):
                continue
            never = (term.comparison in {">", ">="}) == up
            shown = display(asked[0], "voltage")
            message = (
                f"wanted a voltage to which the cell relaxes behind the {way.drive.verb} to {display(ended, 'voltage')}, found "
                f"{term.comparison} {shown}, which {'it leads away from' if never else 'is true at once'}"
            )
            inside = f"a voltage {'below' if up else 'above'} {display(ended, 'voltage')}"
            hint = f"write voltage {'<' if up else '>'} with {inside}, or until: change of voltage over 1 h < 1 mV"
            yield warning(
                "end.never" if never else "end.at_once", message, mark_of(line, places, (number, at, 0)), hint
            )


def _net_of_other_sign(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give an end by net charge that is met by the zero with which the count begins, or from which the step leads away."""
    if line.verb not in DRIVEN:
        return
    up = line.verb in RAISING
    for number, end in enumerate(line.ends):
        for at, terms in enumerate(end.condition.any_of):
            term = terms[0]
            if len(terms) != 1 or term.quantity != "net":
                continue
            begun = way.since.get(term.since, up) in {None, up} and term.since in way.since
            above = term.comparison in {">", ">="}
            verb = "rises" if up else "falls"
            other = "charged" if up else "discharged"
            grown = end.condition.text.replace("net since", f"{other} since")
            sign = f"net is charged less discharged: write {grown if above else grown.translate(TURNED)}"
            mark = mark_of(line, places, (number, at, 0))
            wanted = f"wanted a net charge that {line.verb} comes to, found {end.condition.text}: it "
            if begun and _met_by_zero(term):
                hint = sign if above == up else f"write {end.condition.text.translate(TURNED)}"
                yield warning("end.at_once", f"{wanted}begins at 0 and {verb}, so that is true at once", mark, hint)
            elif above != up:
                why = "from 0 on, so that it never comes" if begun else "in it, so that is true at once or never"
                hint = sign if begun else f"write {end.condition.text.translate(TURNED)}"
                yield warning("end.never", f"{wanted}{verb} {why}", mark, hint)


def _met_by_zero(term: Term) -> bool:
    if isinstance(term.value, VersusOcv):
        return False
    numbers = values(term.value)
    if term.comparison in {">", ">="}:
        return max(numbers, default=0.0) < 0.0
    return min(numbers, default=0.0) > 0.0

"""Loops over voltages, currents and temperatures that go the wrong way: what they look for is gone after their first pass."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.holding import SINCE
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, RAISING, end_values, mark_of, target_of, warning
from labctl.plan.number import as_filed, known
from labctl.plan.step import Block, ByPass, Line, Plan, Relative, Setting
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

APART: Final = 0.05  # V between two stages that are meant to differ
FAR: Final = 0.3  # V from where the cell is to the first stage of a ladder, and nearer to the last by as much
LONG: Final = 3600.0  # s: what is shorter goes to its charge in parts
PULSE: Final = 600.0  # s: a drive of less is no whole charge or discharge
STAIRS: Final = 4  # stages of a staircase at least
AT_END: Final = 5e-3  # V beyond where a hold has ended: nothing
OPPOSITE: Final = {"charge": "discharge", "discharge": "charge", "strip": "plate", "plate": "strip"}


def ladders(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of stages in the wrong order, and of loops that look again for a charge which their first pass has taken."""
    for block in blocks(plan.root):
        drives = _drives(block)
        if block.passes > 1 and not block.fused and drives:
            yield from _stages(block, drives, places)
            yield from _counts(block, drives, places)
            yield from _taken_already(block, drives, places)
            yield from _never_back(plan, block, drives, places)
        yield from _falling_densities(plan, block, places)
        yield from _two_in_one(block, places)
        yield from _loop_in_cycle(block, places)
    yield from _from_the_far_end(plan.root, places)
    yield from _at_its_end(plan.root, places)


def _drives(block: Block) -> list[Line]:
    """Return the charges and discharges of a block that go one way, where nothing else in it drives the cell; else none."""
    moving = [(path, line) for path, line in walk(block) if line.energises and line.mode != "Spectrum"]
    drives = [line for _, line in moving if line.verb in DRIVEN]
    held = all(path[-1].fused for path, line in moving if line.verb not in DRIVEN)
    inside = any(one.passes > 1 or one.condition is not None for path, _ in moving for one in path[1:] if not one.fused)
    return drives if held and not inside and len({line.verb for line in drives}) == 1 else []


def _by_pass(value: Setting, block: Block) -> tuple[float, ...]:
    """Return what a setting is in each pass of a block alone; nothing where it does not differ between them."""
    number = as_filed(value) if isinstance(value, Relative) else value
    return number.values if isinstance(number, ByPass) and number.blocks == (block.id,) else ()


def _stages(block: Block, drives: Sequence[Line], places: Places) -> Iterator[Finding]:
    """Give a charge to voltages that fall, or a discharge to some that rise, with nothing else in the loop that drives."""
    targets = _by_pass(target_of(drives[0]), block) if len(drives) == 1 else ()
    line, up = drives[0], drives[0].verb in RAISING
    steps = [(later - one) if up else (one - later) for one, later in itertools.pairwise(targets)]
    if steps and all(step < -APART for step in steps):
        first, last = (display(one, "voltage") for one in (targets[0], targets[-1]))
        message = (
            f"wanted voltages to which one {line.verb} after the other leads, found {first} to {last}: from the second pass on "
            "they are true at once"
        )
        yield warning(
            "end.at_once",
            message,
            mark_of(line, places),
            f"write them from {last} to {first}, or {OPPOSITE[line.verb]}",
        )


def _counts(block: Block, drives: Sequence[Line], places: Places) -> Iterator[Finding]:
    """Give an end by charge since a mark before the loop that is the same in each pass, or goes back: the first has met it."""
    line = drives[0]
    marked = {str(one.options.get("text", "")) for _, one in walk(block) if one.verb == "mark"}
    onwards = len({one.verb for one in drives}) == 1  # pulses beside it count as well
    for number, end in enumerate(line.ends if onwards and _whole(block, line) else ()):
        term = end.condition.any_of[0][0]
        inside = term.since in marked or term.since == "cycle" or term.since.startswith("block ")
        if end.kind != "until" or len(end.condition.any_of[0]) != 1 or term.quantity not in SINCE or inside:
            continue
        stages = _by_pass(term.value, block)
        grows = term.comparison in {">", ">="}
        back = len(stages) > 1 and all(
            (late < one) == grows and late != one for one, late in itertools.pairwise(stages)
        )
        if not back and not isinstance(term.value, float | Relative):
            continue
        message = (
            f"wanted a charge since {term.since} that grows from pass to pass, found {end.condition.text}: the first pass comes "
            "to it, and in the others it is true at once"
        )
        hint = (
            "write the values in the order in which they come"
            if back
            else f"put - mark: {term.since} into the loop, or write each: with the values"
        )
        yield warning("end.at_once", message, mark_of(line, places, (number, 0, 0)), hint)


def _whole(block: Block, line: Line) -> bool:
    """Tell whether a line comes to its charge in its first pass: nothing but a voltage ends it before, no watch its loop."""
    times = end_values(line, "for")
    return not block.ends and (not times or min(times) >= LONG)


def _taken_already(block: Block, drives: Sequence[Line], places: Places) -> Iterator[Finding]:
    """Give discharges to one voltage at currents that rise, or at temperatures that fall: nothing is left for the second."""
    line = drives[0]
    rests = any(not one.energises and one.verb not in {"mark", "nominal"} for _, one in walk(block))
    if len(drives) > 1 or not isinstance(target_of(line), float) or line.mode != "Galvanostatic" or block.ends:
        return
    if not rests or block.cycle is not None:
        return  # told of any currents
    currents = [abs(one) for one in _by_pass(line.settings.get("current"), block)]
    chambers = [one for _, one in walk(block) if one.mode == "Chamber"]
    temperatures = [_by_pass(one.settings.get("temperature"), block) for one in chambers]
    rising = len(currents) > 1 and all(one < later for one, later in itertools.pairwise(currents))
    cooled = any(one and all(early > late for early, late in itertools.pairwise(one)) for one in temperatures)
    if not rising and not (cooled and not currents):
        return
    why = "currents that rise" if rising else "temperatures that fall"
    other = OPPOSITE[line.verb]
    message = (
        f"wanted a {other} in the loop of {block.passes} passes, found {line.verb} to one voltage alone, at {why}: the first "
        "leaves nothing for the others"
    )
    falling = f", or write the currents from the largest on: what each leaves is {line.verb}d next"
    hint = f"add {other} to the loop" + (falling if rising else "")
    yield warning("plan.one_way", message, mark_of(line, places), hint)


def _never_back(plan: Plan, block: Block, drives: Sequence[Line], places: Places) -> Iterator[Finding]:
    """Give cycles of a bare collector that plate alone, or strip alone."""
    to_voltage = any(target_of(line) is not None for line in drives)
    if plan.cell.kind != "asymmetric" or block.cycle not in {"true", "formation"} or to_voltage:
        return
    other = OPPOSITE[drives[0].verb]
    message = f"wanted a {other} in each cycle, found nothing but {drives[0].verb} in {block.passes} of them"
    yield warning("plan.one_way", message, mark_of(drives[0], places), f"is {other} behind the loop, or missing?")


def _falling_densities(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a staircase of current densities that falls: its largest may short the cell at once."""
    lines = [line for _, line in walk(block) if line.verb in {"strip", "plate"}]
    stairs = [[abs(one) for one in _by_pass(line.settings.get("current"), block)] for line in lines]
    short = any(
        term.quantity.startswith("short") for end in block.ends for terms in end.condition.any_of for term in terms
    )
    asked = short or any(name == "ccd" for name, _ in plan.analyses)
    if (
        plan.cell.kind not in {"symmetric", "asymmetric"}
        or not asked
        or len(lines) != 2
        or min(map(len, stairs)) < STAIRS
    ):
        return
    if (
        all(one > later for stair in stairs for one, later in itertools.pairwise(stair))
        and stairs[0][0] > 2.0 * stairs[0][-1]
    ):
        first, last = (display(one, "current") for one in (stairs[0][0], stairs[0][-1]))
        message = (
            f"wanted a staircase of currents that rises, so that the first short is at the critical one, found {first} to {last}: "
            "the largest comes first"
        )
        yield warning(
            "plan.range", message, mark_of(lines[0], places, "current"), "exchange from and to, and the sign of by"
        )


def _two_in_one(block: Block, places: Places) -> Iterator[Finding]:
    """Give cycles that are charged and discharged twice between the same voltages, or that end as the next one begins."""
    drives = [line for _, line in walk(block) if line.verb in DRIVEN] if block.cycle in {"true", "formation"} else []
    verbs, targets = [line.verb for line in drives], [target_of(line) for line in drives]
    if len(verbs) < 3 or verbs[0] == verbs[1] or not all(isinstance(one, float) for one in targets):
        return
    if len(verbs) == 4 and verbs[:2] == verbs[2:] and targets[:2] == targets[2:]:
        message = f"wanted one {verbs[0]} and one {verbs[1]} in a cycle, found two of each: they count as a single one"
        hint = "write each pair once, and repeat: with twice as many passes"
        yield warning("plan.twice", message, mark_of(drives[2], places), hint)
    first, last = (known(drives[at].settings.get("current")) for at in (0, -1))
    slower = first and last and max(map(abs, last)) <= min(map(abs, first))
    if len(verbs) == 3 and verbs[0] == verbs[2] and targets[0] == targets[2] and slower:
        message = (
            f"wanted one {verbs[0]} in a cycle, found one at its end, too: both count in it, and the next cycle begins where "
            "nothing is left for its first"
        )
        hint = f"put the first {verbs[0]} before the loop, or the last one behind it"
        yield warning("plan.twice", message, mark_of(drives[2], places), hint)


def _loop_in_cycle(block: Block, places: Places) -> Iterator[Finding]:
    """Give a cycle around a loop of whole charges and discharges, which are counted together as one."""
    inner = [one for one in blocks(block) if one is not block and one.passes > 1 and not one.fused]
    if block.cycle != "true" or not inner:
        return
    drives = [line for _, line in walk(inner[0]) if line.verb in DRIVEN]
    whole = [target_of(line) is not None and max(end_values(line, "for"), default=math.inf) > PULSE for line in drives]
    if (
        not drives
        or not all(whole)
        or not {line.verb for line in drives} & RAISING
        or not {line.verb for line in drives} - RAISING
    ):
        return
    message = (
        f"wanted one charge and one discharge in each pass of a block with cycle, found a loop of {inner[0].passes}: they count as "
        "one cycle, with the charge of all together"
    )
    mark = places.get(("block", block.id, "cycle")) or places.get(("block", block.id, ""), mark_of(drives[0], places))
    yield warning("plan.twice", message, mark, f"write cycle: true beside repeat: {inner[0].passes} in its place")


def _at_its_end(block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop of pulses to a voltage at which the step before it has held the cell already."""
    before: tuple[Line, float] | None = None
    for child in block.children:
        lines = [child] if isinstance(child, Line) else [line for _, line in walk(child)]
        moving = [line for line in lines if line.energises and line.mode != "Spectrum"]
        if not isinstance(child, Line) and child.passes > 1 and not child.fused and before is not None:
            yield from _pulses_at_end(child, *before, places)
        if isinstance(child, Block):
            yield from _at_its_end(child, places)
        if moving:
            target = target_of(moving[0]) if not isinstance(child, Line) and child.fused else None
            before = (moving[0], target) if isinstance(target, float) else None


def _pulses_at_end(block: Block, before: Line, ended: float, places: Places) -> Iterator[Finding]:
    drives = _drives(block)
    target = target_of(drives[0]) if len(drives) == 1 else None
    if not isinstance(target, float) or drives[0].verb != before.verb:
        return
    short = (target - ended) if before.verb in RAISING else (ended - target)
    if short < AT_END:
        message = (
            f"wanted a cell that {drives[0].verb} finds on the other side, found one held at {display(ended, 'voltage')} by the "
            f"{before.verb} before it: its end at {display(target, 'voltage')} is true at once"
        )
        yield warning(
            "end.at_once", message, mark_of(drives[0], places), f"is {OPPOSITE[before.verb]} meant in one of them?"
        )


def _from_the_far_end(block: Block, places: Places) -> Iterator[Finding]:
    """Give a ladder of holds whose first stage is far from where the step before leaves the cell, and its last stage near."""
    at: float | None = None
    for child in block.children:
        if isinstance(child, Block) and child.passes > 1 and at is not None:
            yield from _far(child, at, places)
        lines = [child] if isinstance(child, Line) else [line for _, line in walk(child)]
        for line in lines:
            if line.energises and line.mode != "Spectrum":
                ended = known(line.settings.get("voltage", target_of(line)))
                at = ended[-1] if ended and line.mode != "Sweep" else None
        if isinstance(child, Block):
            yield from _from_the_far_end(child, places)


def _far(block: Block, at: float, places: Places) -> Iterator[Finding]:
    first = next((line for _, line in walk(block) if line.energises), None)
    stages = (
        _by_pass(first.settings.get("voltage"), block) if first is not None and first.mode == "Potentiostatic" else ()
    )
    if first is None or not stages:
        return
    far, near = abs(stages[0] - at), abs(stages[-1] - at)
    if far > FAR and near < far - FAR:
        begin, end, stands = (display(one, "voltage") for one in (stages[0], stages[-1], at))
        message = f"wanted stages that begin where the cell is, at {stands}, found {begin} to {end}: the first leaps over the rest"
        yield warning("plan.jump", message, mark_of(first, places, "voltage"), f"write them from {end} to {begin}")

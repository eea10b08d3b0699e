"""Loops that drive in one direction alone, the same step twice, and plating that is not stripped."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, LOWERING, end_values, mark_of, opposite, target_of, warning
from labctl.plan.number import known, values
from labctl.plan.step import Block, ByPass, Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

SHORT: Final = 1800.0  # s of a pulse: there are many of them to one voltage
DRIFT: Final = 1.2  # of the nominal capacity, by which all passes together drift
UNEQUAL: Final = 0.02  # of the greater: by which stripped and plated may differ


def one_way(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of loops that drive in one direction to one voltage, of the same step twice, and of plating that is not stripped."""
    for block in blocks(plan.root):
        yield from _twins(block, places)
        if block.passes > 1 and not block.fused:
            yield from to_one_end(plan, block, places)
            yield from _unbalanced(block, places)
            yield from _drifting(plan, block, places)


def _twins(block: Block, places: Places) -> Iterator[Finding]:
    for first, second in itertools.pairwise(block.children):
        if not (isinstance(first, Line) and isinstance(second, Line)) or first.verb not in DRIVEN:
            continue
        same = (first.verb, first.settings, first.record, first.name) == (
            second.verb, second.settings, second.record, second.name,
        )  # fmt: skip
        if same and [end.condition.any_of for end in first.ends] == [end.condition.any_of for end in second.ends]:
            yield warning(
                "plan.twice",
                f"wanted two steps that differ, found the same {first.verb} twice with nothing between",
                mark_of(second, places),
                f"is the second meant to {opposite(first.verb)}?",
            )


def to_one_end(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop whose passes after the first find every drive already at its end."""
    inside = [line for _, line in walk(block)]
    drives = [line for line in inside if line.energises and line.mode != "Spectrum"]
    firsts = [line for line in drives if line.verb in DRIVEN]
    holds = [line for line in drives if line.verb not in DRIVEN]
    fused = {line.id for path, line in walk(block) if path[-1].fused and line.mode == "Potentiostatic"}
    rests = any(not line.energises and line.verb not in {"mark", "nominal"} for line in inside)
    if not firsts or any(line.id not in fused for line in holds) or (rests and block.cycle is None):
        return
    if len({line.verb for line in firsts}) > 1 or not all(isinstance(target_of(line), float) for line in firsts):
        return
    if any(end.kind in {"capacity", "energy", "until"} for one in blocks(block) if one.fused for end in one.ends):
        return
    if any(_short(line, block) for line in firsts) or _back_and_forth(firsts):
        return
    verb = firsts[0].verb
    behind = any(other.verb == opposite(verb) and other.id > firsts[-1].id for _, other in walk(plan.root))
    hint = f"is the {opposite(verb)} behind the loop meant to stand in it, as far to the right as the {verb}?"
    yield warning(
        "plan.one_way",
        f"wanted a {opposite(verb)} in the loop of {block.passes} passes, found nothing but {verb} to one voltage: "
        "from the second pass on it does nothing",
        mark_of(firsts[0], places),
        hint if behind else f"is a {opposite(verb)} missing in the loop?",
    )


def _back_and_forth(drives: Sequence[Line]) -> bool:
    """Tell whether a drive is to end where those before it have been already: its verb is wrong, which is told there."""
    targets = [target for line in drives if isinstance(target := target_of(line), float)]
    return targets != sorted(targets, reverse=drives[0].verb in LOWERING)


def _short(line: Line, block: Block) -> bool:
    """Tell whether a drive is a pulse, which its time ends."""
    around = [one for one in blocks(block) if one.fused and any(inner is line for _, inner in walk(one))]
    ends = [*line.ends, *(end for one in around for end in one.ends)]
    times = [end.condition.any_of[0][0].value for end in ends if end.kind == "for"]
    return any(isinstance(time, float | ByPass) and min(values(time), default=0.0) <= SHORT for time in times)


def _unbalanced(block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop that plates more than it strips, or the other way round, in each pass."""
    drives = [(path, line) for path, line in walk(block) if line.energises and line.mode != "Spectrum"]
    if not drives or any(path[-1] is not block for path, _ in drives):
        return
    passed = [_charge_of(line) for _, line in drives]
    if any(one is None for one in passed) or len({line.verb for _, line in drives}) != 2:
        return
    lines = [line for _, line in drives]
    up, down = (
        sum(one for one, line in zip(passed, lines, strict=True) if one and line.verb == verb)
        for verb in ("strip", "plate")
    )
    if abs(up - down) > UNEQUAL * max(up, down):
        where = {line.verb: mark_of(line, places).line for line in lines}
        yield warning(
            "plan.unbalanced",
            f"wanted as much stripped as plated in each pass, found {display(up, 'capacity')} stripped in line {where['strip']} "
            f"and {display(down, 'capacity')} plated in line {where['plate']}",
            mark_of(lines[0], places),
            _off(lines, up, down),
        )


def _drifting(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop of a charge and a discharge whose amounts differ, until one of them ends at its voltage in each pass."""
    drives = [line for _, line in walk(block) if line.energises and line.mode != "Spectrum"]
    asked = {line.verb: end_values(line, "capacity") for line in drives}
    if len(drives) != 2 or set(asked) != {"charge", "discharge"} or not plan.cell.nominal:
        return
    amounts = {verb: set(values) for verb, values in asked.items()}
    if any(len(values) != 1 for values in amounts.values()) or not any(end_values(line, "to") for line in drives):
        return
    up, down = amounts["charge"].pop(), amounts["discharge"].pop()
    if abs(up - down) * block.passes > DRIFT * plan.cell.nominal:
        more, less = ("charge", "discharge") if up > down else ("discharge", "charge")
        yield warning(
            "plan.unbalanced",
            f"wanted as much charged as discharged in each pass, found {display(up, 'capacity')} and {display(down, 'capacity')}: "
            f"after some of the {block.passes} passes the voltage ends {more} before its capacity does",
            mark_of(drives[0], places),
            f"write the same capacity in both, or leave it out of {less}, which its voltage then ends",
        )


def _off(lines: Sequence[Line], up: float, down: float) -> str:
    """Return the question that is asked of a loop whose strip and plate pass different charges: what of them differs."""
    if abs(math.log10(up / down)) > 2.0 if up and down else False:
        return "are both in the same unit?"
    less, more = ("plate", "strip") if up > down else ("strip", "plate")
    times = max(up, down) / min(up, down) if up and down else math.inf
    by_charge = all(any(end.kind == "capacity" for end in line.ends) for line in lines)
    currents = {abs(value) for line in lines if isinstance(value := line.settings.get("current"), float)}
    differs = "both capacities" if by_charge else "both currents" if len(currents) > 1 else "both times"
    return f"{more} passes {times:.3g} times what {less} does: are {differs} meant?"


def _charge_of(line: Line) -> float | None:
    """Return the mean charge in C that a strip or plate passes which nothing but capacity and time ends; None of any other."""
    currents = [abs(one) for one in known(line.settings.get("current"))]
    if line.verb not in {"strip", "plate"} or line.mode != "Galvanostatic" or not currents:
        return None
    current = math.fsum(currents) / len(currents)
    passed = []
    for end in line.ends:
        value = end.condition.any_of[0][0].value
        if end.kind not in {"capacity", "for"} or not isinstance(value, float):
            return None
        passed.append(value if end.kind == "capacity" else current * value)
    return min(passed, default=None)

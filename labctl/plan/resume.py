"""Going on with an earlier run as a new one: where to begin, and whether that can be begun with."""

from dataclasses import replace

from labctl.errors import OrderRefused
from labctl.plan.index import index
from labctl.plan.step import Carried, Line, Plan, VersusOcv


def line_of(plan: Plan, step: str) -> int:
    """Return the id of the line that a person means: its number, or the name of a step or block (its first line).

    Raises:
        OrderRefused: There is none, or several of that name.
    """
    places = index(plan)
    if step.isdigit():
        if int(step) in places.lines:
            return int(step)
        raise OrderRefused(f"wanted a line from 1 to {len(places.lines)}, found {step}")
    firsts: dict[int, int] = {}
    for line, path in places.paths.items():
        for block in path[1:]:
            firsts.setdefault(block.id, line)
    named = [line.id for line in places.lines.values() if line.name == step]
    named += [firsts[block.id] for block in places.blocks.values() if block.name == step and block.id in firsts]
    starts = sorted({_first_of_fused(plan, line) for line in named})
    if len(starts) == 1:
        return starts[0]
    if starts:
        lines = ", ".join(map(str, starts))
        raise OrderRefused(f"wanted one step named {step!r}, found lines {lines}: give the number")
    names = sorted({line.name for line in places.lines.values()} | {block.name for block in places.blocks.values()})
    raise OrderRefused(f"wanted a step named {step!r}, found {', '.join(filter(None, names)) or 'no names'}")


def _first_of_fused(plan: Plan, line: int) -> int:
    """Return the line with which the step that a line is part of begins."""
    places = index(plan)
    inner = next((block for block in places.paths[line] if block.fused), None)
    if inner is None:
        return line
    return next(one for one, path in places.paths.items() if inner in path)


def resumed(plan: Plan, carried: Carried) -> Plan:
    """Return the plan of a run that goes on from a line of an earlier one.

    Raises:
        OrderRefused: The line is not in the plan, a pass around it does not exist, or what follows needs the open circuit
            of a rest that would be passed over.
    """
    if carried.start:
        _check_start(plan, carried)
    return replace(plan, carried=carried)


def _check_start(plan: Plan, carried: Carried) -> None:
    places = index(plan)
    if carried.start not in places.lines:
        raise OrderRefused(f"wanted a line from 1 to {len(places.lines)}, found {carried.start}")
    around = {block.id: block for block in places.paths[carried.start]}
    for block, number in carried.passes:
        if block not in around or not 0 <= number < around[block].passes:
            most = around[block].passes if block in around else 0
            raise OrderRefused(f"wanted a pass of block {block} below {most}, found {number}")
    for line in places.lines.values():
        if line.id < carried.start:
            continue
        if line.verb == "rest":
            return
        if versus_ocv(line):
            raise OrderRefused(
                f"wanted the open circuit of a rest before line {line.id} ({line.verb}), found none from line "
                f"{carried.start} on: resume from the rest before it"
            )


def versus_ocv(line: Line) -> bool:
    """Tell whether a line needs the open circuit of the last rest."""
    compared = (term.value for end in line.ends for terms in end.condition.any_of for term in terms)
    return any(isinstance(value, VersusOcv) for value in (*line.settings.values(), *compared))

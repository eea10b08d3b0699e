"""Dates in a plan: a wait until a date ends at a run time, which follows from when the run begins."""

from collections.abc import Iterator
from dataclasses import replace

from labctl.plan.index import walk
from labctl.plan.step import Block, Line, Plan


def begun_at(plan: Plan, begins: float) -> Plan:
    """Return a plan whose run begins at another moment, s of Unix time: its waits end at their dates all the same."""
    if not any("until" in line.options for _, line in walk(plan.root)):
        return plan
    return replace(plan, root=_begun(plan.root, begins))


def dates(plan: Plan) -> Iterator[str]:
    """Give the dates until which a plan waits, with their time zone, in the order of its lines."""
    yield from (str(line.options["moment"]) for _, line in walk(plan.root) if "moment" in line.options)


def _begun(block: Block, begins: float) -> Block:
    children = (
        _begun(child, begins) if isinstance(child, Block) else _ending(child, begins) for child in block.children
    )
    return replace(block, children=tuple(children))


def _ending(line: Line, begins: float) -> Line:
    moment = line.options.get("until")
    if not isinstance(moment, float):
        return line
    ((term,),) = line.ends[0].condition.any_of
    term = replace(term, value=max(moment - begins, 0.0))
    end = replace(line.ends[0], condition=replace(line.ends[0].condition, any_of=((term,),)))
    return replace(line, ends=(end,))

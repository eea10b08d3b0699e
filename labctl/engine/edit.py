"""Another plan for what lies ahead of a run: what of it may differ from the plan so far, and how the run takes it over."""

from collections.abc import Iterator
from dataclasses import replace

import orjson

from labctl.engine.input import Order
from labctl.engine.line_rules import facts
from labctl.engine.state import State
from labctl.engine.state_builder import StateBuilder
from labctl.errors import InternalError
from labctl.plan.codec import digest, plan_from_json
from labctl.plan.index import index
from labctl.plan.step import Block, Line, Plan


def edited_plan(order: Order) -> Plan:
    """Return the plan that an order to edit brings.

    Raises:
        InternalError: It brings none.
    """
    try:
        return plan_from_json(orjson.dumps(orjson.loads(order.text)["plan"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InternalError(f"wanted a plan in an order to edit, found none: {error}") from error


def why_not(plan: Plan, new: Plan, state: State) -> str:
    """Return why a plan cannot take the place of a run's, "" where it can.

    The steps that the instrument does or holds now, and those that are over, stay as they are. Of the blocks around them only the
    number of passes may differ, to no less than are begun. Steps of a later pass, and all that follow, are free.
    """
    return next(_reasons(plan, new, state), "")


def take_edit(builder: StateBuilder, order: Order) -> str:
    """Say that a plan takes the place of the run's, or return why it cannot; whoever folds takes it from then on."""
    new = edited_plan(order)
    if why := why_not(builder.plan, new, builder.outcome().state):
        return why
    builder.say("edited", hash=digest(new), by=order.by, id=order.id)
    builder.renew()
    return ""


def _reasons(plan: Plan, new: Plan, state: State) -> Iterator[str]:
    if state.phase in {"leaving", "ended"} or not state.line:
        yield "the run is between two steps, or over"
    if state.question is not None and state.question.kind in {"met", "unsure"}:
        yield "the run asks how it shall go on from here: answer that first"
    for name in ("cell", "edition", "accuracy", "carried"):
        if getattr(plan, name) != getattr(new, name):
            yield f"the {name} of the plan differs, which a run that has begun keeps"
    missing = facts(new).marks - facts(plan).marks
    if missing:
        yield f"it counts charge since {', '.join(sorted(missing))}, which the run has not noted"
    early = {number for number in facts(new).referred - facts(plan).referred if number <= state.cycle.count}
    if early:
        yield f"it refers to cycle {min(early)}, of which the run has kept no capacity"
    yield from _lines(plan, new, state)


def _lines(plan: Plan, new: Plan, state: State) -> Iterator[str]:
    before, after = index(plan), index(new)
    passes = {frame.block: frame.number for frame in state.frames}
    now = _now(state)
    repeated = {
        block for block, number in passes.items() if block in after.blocks and number + 1 < after.blocks[block].passes
    }
    for number, line in before.lines.items():
        path = before.paths[number]
        if number not in now and number > max(now):
            return
        if number not in after.lines or [b.id for b in path] != [b.id for b in after.paths[number]]:
            yield f"step {number} ({line.verb}) would stand elsewhere, and the run is at or behind it"
            return
        if number in now:
            yield from _around(path, after.paths[number], passes, held=bool(state.held.loops))
        over = number in now or not any(block.id in repeated for block in path)
        if over and _bare(line) != _bare(after.lines[number]):
            yield f"step {number} ({line.verb}) is {'being done' if number in now else 'over'}: it stays as it is"


def _now(state: State) -> set[int]:
    """Return the lines that are being done, come next, or are held by the instrument."""
    opened = [step.line for step in (state.step, state.suspended) if step is not None]
    return {state.line, *opened, *(line for line in state.held.lines if line)}


def _around(path: tuple[Block, ...], other: tuple[Block, ...], passes: dict[int, int], *, held: bool) -> Iterator[str]:
    for one, two in zip(path, other, strict=True):
        named = f"the block around it{f' ({one.name})' if one.name else ''}"
        if one.fused and _placeless(one) != _placeless(two):
            yield f"{named} is one step that is being done: it stays as it is"
        if one.passes != two.passes and (held or one.variables or two.passes <= passes.get(one.id, 0)):
            yield f"{named} cannot have {two.passes} passes now: pass {passes.get(one.id, 0) + 1} of {one.passes} is being done"
        if _head(one) != _head(two):
            yield f"of {named} only the number of passes may differ while it is being done"


def _bare(line: Line) -> Line:
    """Return a line without the place of the text that it came from."""
    return replace(line, where="")


def _placeless(block: Block) -> Block:
    """Return a block without the places of the text that its lines came from."""
    children = tuple(_placeless(child) if isinstance(child, Block) else _bare(child) for child in block.children)
    return replace(block, children=children)


def _head(block: Block) -> Block:
    return replace(block, children=(), passes=1, name="")

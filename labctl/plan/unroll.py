"""An `each` written out: where a count, a record rule or a spectrum's frequencies differ between its passes.

A plan keeps loops as loops, with numbers that may differ between passes and everything else the same. An `each` that sets
something else, such as how often a block inside is repeated, becomes a block with one block for each of its passes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from labctl.plan.scope import Scope
from labctl.protocol.binding import passes
from labctl.protocol.expression import Environment
from labctl.protocol.model import Item, Step, Use, Variable, WrittenBlock, WrittenCondition
from labctl.protocol.step_model import BendStep, CyclicVoltammetry, Impedance
from labctl.protocol.walk import conditions, every_item, references

MOST_PASSES: Final = 64


def unrolled(block: WrittenBlock, scope: Scope) -> WrittenBlock | None:
    """Return an `each` written out, or None where it can stay a loop or cannot be written out.

    One pass needs no writing out. It cannot be where the passes depend on those of a loop around, where the block watches
    its own variables, or where there are too many passes.

    Raises:
        ProtocolError: As `labctl.protocol.binding.passes`.
    """
    if block.every is not None:
        return None
    own = {variable.name for variable in block.each}
    if not own & set(_fixed(block.children)):
        return None
    watched = {reference.name for reference in references((block.stop_if, block.abort_if))}
    around = {reference.name for reference in references(block.each)}
    differing = {name for name, blocks in scope.depends.items() if any(scope.sizes[block] > 1 for block in blocks)}
    if own & watched or around & differing:
        return None
    environments = passes(block, scope.environment({}))
    if not 1 < len(environments) <= MOST_PASSES or any(
        isinstance(one[name], tuple) for one in environments for name in own
    ):
        return None
    named = any(reference.name in own for reference in references(block.name))
    inner = replace(
        block, if_=None, stop_if=None, abort_if=None, for_=None, record=None, name=block.name if named else ""
    )
    children = tuple(replace(inner, each=_alone(block, one)) for one in environments)
    return replace(block, children=children, each=(), cycle=None, name="" if named else block.name)


def _alone(block: WrittenBlock, values: Environment) -> tuple[Variable, ...]:
    """Return the variables of one pass."""
    return tuple(replace(variable, values=(values[variable.name],)) for variable in block.each)  # type: ignore[arg-type]


def _fixed(children: Iterable[Item]) -> Iterator[str]:
    """Give the names on which depends what a plan cannot keep for each pass."""
    for item in every_item(tuple(children)):
        match item:
            case WrittenBlock():
                yield from _names((item.repeat, item.record, item.choice))
                inner = set(_fixed(item.children)) if item.each else set[str]()
                yield from _names(tuple(variable.values for variable in item.each if variable.name in inner))
            case Step():
                yield from _of_step(item)
            case Use():
                asked = set(_fixed(item.protocol.children))
                for name, given in item.with_.items():
                    if name in asked:
                        yield from _names(given)


def _of_step(step: Step) -> Iterator[str]:
    yield from _names(step.record)
    for _, condition in conditions(step):
        yield from _windows(condition)
    match step.verb:
        case CyclicVoltammetry(cycles=cycles):
            yield from _names(cycles)
        case BendStep(times=times):
            yield from _names(times)
        case Impedance(from_=first, to=last, per_decade=density):
            yield from _names((first, last, density))


def _windows(condition: WrittenCondition) -> Iterator[str]:
    for alternative in condition.any_of:
        for term in alternative:
            yield from _names(term.over)


def _names(node: object) -> Iterator[str]:
    yield from (reference.name for reference in references(node))

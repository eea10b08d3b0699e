"""Names in force at a place of a protocol, and what they are in each pass of the `each` blocks around it.

A number that depends on no loop variable is one float. One that does is a table over the passes of just those blocks that
it depends on, so a plan stays small and no pass is ever unrolled.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from labctl.document import Finding, Mark
from labctl.errors import ProtocolError
from labctl.plan.step import ByPass, TextByPass
from labctl.protocol.expression import settle, settle_text
from labctl.protocol.model import (
    Computed,
    Expression,
    Given,
    Operation,
    Range,
    Reference,
    Template,
    Text,
    Value,
    Variable,
)
from labctl.units import C_RATE, Quantity

MOST_VALUES: Final = 20_000  # of one table; a protocol that wants more is a mistake, or a `profile`

Passes: TypeAlias = Mapping[int, int]
Handed: TypeAlias = "Given | Text | tuple[Given | Text, ...] | Reference"


@dataclass(frozen=True, slots=True)
class Looped:
    """A loop variable: its values in the scope around its block."""

    block: int
    variable: Variable
    scope: "Scope"


@dataclass(frozen=True, slots=True)
class Passed:
    """A parameter of an included file: what the including file's scope gives it."""

    item: Handed
    scope: "Scope"


Binding: TypeAlias = Value | Looped | Passed


@dataclass(frozen=True, slots=True)
class Scope:
    """Names and loops in force.

    Attributes:
        names: What each name is bound to.
        sizes: Passes of each `each` block around, by id, outermost first.
    """

    names: Mapping[str, Binding] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)

    def inside(self, block: int, variables: Sequence[Variable], size: int) -> "Scope":
        """Return the scope inside an `each` block."""
        own = {variable.name: Looped(block, variable, self) for variable in variables}
        return Scope({**self.names, **own}, {**self.sizes, block: size})

    def blocks(self, names: frozenset[str]) -> tuple[int, ...]:
        """Return the `each` blocks on whose pass these names depend, outermost first."""
        found = self.depends(names)
        return tuple(block for block in self.sizes if block in found)

    def depends(self, names: frozenset[str]) -> set[int]:
        """Return the ids of the same blocks, in no order."""
        found: set[int] = set()
        for name in names:
            match self.names.get(name):
                case Looped(block, variable, scope):
                    found |= {block} | scope.depends(names_in(variable))
                case Passed(item, scope):
                    found |= scope.depends(names_in(item))
        return found

    def value(self, name: str, passes: Passes, mark: Mark) -> Value:
        """Return what a name is in a pass.

        Raises:
            ProtocolError: Nothing of that name.
        """
        match self.names.get(name):
            case None:
                raise refused("reference.unknown", f"wanted a parameter or loop variable, found ${name}", mark)
            case Looped(block, variable, scope):
                return expand(variable, scope, passes)[passes[block]]
            case Passed(item, scope):
                return scope.item(item, passes)
            case bound:
                return bound

    def environment(self, names: frozenset[str], passes: Passes, mark: Mark) -> dict[str, Value]:
        """Return the values of some names in a pass."""
        return {name: self.value(name, passes, mark) for name in names if name in self.names}

    def item(self, item: Handed, passes: Passes) -> Value:
        """Return a value handed on by `with`, or one of a list, in a pass."""
        match item:
            case Reference(name, mark):
                return self.value(name, passes, mark)
            case tuple():
                return tuple(self.item(one, passes) for one in item)
            case str():
                return item
            case Template():
                return settle_text(item, self.environment(names_in(item), passes, item.mark))
        return self.quantity(item, passes)

    def quantity(self, given: Given, passes: Passes) -> Quantity:
        """Return a given quantity in a pass, relative ones still as written."""
        if isinstance(given, Quantity):
            return given
        return settle(given, self.environment(names_in(given), passes, given.mark))

    def quantities(self, given: Given) -> tuple[tuple[int, ...], tuple[Quantity, ...]]:
        """Return the blocks on which a given quantity depends, and its value in each of their passes, last block fastest.

        Raises:
            ProtocolError: It has no value, or more values than a table may have.
        """
        blocks = self.blocks(names_in(given))
        if math.prod(self.sizes[block] for block in blocks) > MOST_VALUES:
            raise refused(
                "each.size",
                f"wanted at most {MOST_VALUES} values of {given.text}, found more passes than that",
                mark_of(given),
            )
        return blocks, tuple(self.quantity(given, passes) for passes in self.combinations(blocks))

    def combinations(self, blocks: Sequence[int]) -> Iterator[dict[int, int]]:
        """Give every combination of passes of some blocks, the last one fastest."""
        for numbers in itertools.product(*(range(self.sizes[block]) for block in blocks)):
            yield dict(zip(blocks, numbers, strict=True))

    def table(self, blocks: tuple[int, ...], values: Sequence[float]) -> float | ByPass:
        """Return values of the passes of some blocks as a number of the plan: one float where all are the same."""
        if values and all(value == values[0] for value in values):
            return values[0]
        return ByPass(blocks, tuple(self.sizes[block] for block in blocks), tuple(values))

    def text(self, text: Text) -> str | TextByPass:
        """Return a text with its references filled in, one for each pass where they differ."""
        if isinstance(text, str):
            return text
        names = names_in(text)
        blocks = self.blocks(names)
        texts = tuple(
            settle_text(text, self.environment(names, passes, text.mark)) for passes in self.combinations(blocks)
        )
        if texts and all(one == texts[0] for one in texts):
            return texts[0]
        return TextByPass(blocks, tuple(self.sizes[block] for block in blocks), texts)


def refused(code: str, message: str, mark: Mark, hint: str = "") -> ProtocolError:
    """Return the error that refuses a file for one finding."""
    return ProtocolError(Finding(code, message, mark, hint))


def mark_of(given: Given, default: Mark | None = None) -> Mark:
    """Return where a quantity was written."""
    return given.mark or default or Mark("", 1, 1)


def names_in(item: "Handed | Expression | Variable | Range") -> frozenset[str]:
    """Return the names that a value refers to."""
    match item:
        case Reference(name):
            return frozenset({name})
        case Computed(expression=expression):
            return names_in(expression)
        case Operation(operands=operands):
            return _all(operands)
        case Template(parts=parts):
            return _all([part for part in parts if not isinstance(part, str)])
        case Variable(values=values):
            return names_in(values)
        case Range():
            return _all([one for one in (item.from_, item.to, item.by, item.factor) if one is not None])
        case tuple():
            return _all(item)
    return frozenset()


def _all(items: "Sequence[Handed | Expression]") -> frozenset[str]:
    return frozenset().union(*(names_in(item) for item in items))


# --- loop variables ---------------------------------------------------------------------------------------------------


def expand(variable: Variable, scope: Scope, passes: Passes) -> tuple[Value, ...]:
    """Return the values of a loop variable in order.

    Raises:
        ProtocolError: A range that never arrives, or a reference to something that is no list.
    """
    match variable.values:
        case Range():
            return _range(variable.values, scope, passes)
        case Reference(name, mark):
            found = scope.value(name, passes, mark)
            if not isinstance(found, tuple):
                raise refused("each.list", f"wanted a list for {variable.name}, found ${name}, which is none", mark)
            return found
        case values:
            return tuple(scope.item(value, passes) for value in values)


def _range(given: Range, scope: Scope, passes: Passes) -> tuple[Quantity, ...]:
    first, last = scope.quantity(given.from_, passes), scope.quantity(given.to, passes)
    if first.dimension != last.dimension or first.versus != last.versus:
        raise refused(
            "each.range", f"wanted both ends of a range alike, found {first.text} and {last.text}", given.mark
        )
    if given.factor is not None:
        ratio = scope.quantity(given.factor, passes)
        count = _steps_of_factor(first.value_si, last.value_si, ratio.value_si)
        values = [first.value_si * ratio.value_si**number for number in range(count + 1)]
        step = ratio.text
    else:
        by = _step(given, first, last, scope, passes)
        count = _steps_of_sum(first.value_si, last.value_si, by)
        values = [first.value_si + number * by for number in range(count + 1)]
        step = given.by.text if given.by is not None else ""
    if count < 0:
        text = f"wanted a range that arrives, found {first.text} to {last.text} by {step}"
        raise refused("each.range", text, given.mark, "the step must lead from the first value towards the last")
    if count >= MOST_VALUES:
        raise refused("each.size", f"wanted at most {MOST_VALUES} values, found {count + 1}", given.mark)
    if math.isclose(values[-1], last.value_si, rel_tol=1e-9):
        values[-1] = last.value_si
    return tuple(_like(value, first, last) for value in values)


def _step(given: Range, first: Quantity, last: Quantity, scope: Scope, passes: Passes) -> float:
    if given.by is None:
        raise refused(
            "each.range", f"wanted `by` or `factor` beside {first.text} and {last.text}, found neither", given.mark
        )
    by = scope.quantity(given.by, passes)
    if by.dimension != first.dimension:
        raise refused("each.range", f"wanted a step like {first.text}, found {by.text}", mark_of(given.by, given.mark))
    return by.value_si - by.offset


def _steps_of_sum(first: float, last: float, by: float) -> int:
    """Return how many steps of `by` lead from first to last, -1 if they lead nowhere; ends within rounding."""
    if first == last:
        return 0
    if by == 0 or (last - first) / by < 0:
        return -1
    return int(min((last - first) / by + 1e-9, MOST_VALUES))


def _steps_of_factor(first: float, last: float, ratio: float) -> int:
    if first == last:
        return 0
    if ratio <= 0 or ratio == 1 or first * last <= 0:
        return -1
    steps = math.log(last / first) / math.log(ratio)
    return -1 if steps < 0 else int(min(steps + 1e-9, MOST_VALUES))


def _like(value: float, first: Quantity, last: Quantity) -> Quantity:
    """Return a value of a range, written in the unit of its ends."""
    for end in (first, last):
        if value == end.value_si:
            return end
    text = _written(value, first) or _written(value, last) or f"{value:.6g}"
    return Quantity(value, first.dimension, text, first.mark, first.versus, first.offset)


def _written(value: float, like: Quantity) -> str:
    if like.dimension == C_RATE:
        return f"{value * 3600:.6g} C"
    match = re.match(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)(.*)", like.text)
    number = float(match[1]) if match else 0.0
    if match is None or not number or like.value_si == like.offset:
        return ""
    return f"{(value - like.offset) * number / (like.value_si - like.offset):.6g}{match[2]}"

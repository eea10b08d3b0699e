"""Going through a protocol: what its parts refer to, and its steps in order with the values in force."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Final

from labctl.document import Finding
from labctl.errors import ProtocolError
from labctl.protocol.binding import bind_use, is_broken, passes
from labctl.protocol.cell import Cell
from labctl.protocol.expression import Environment
from labctl.protocol.expression import names as names_in
from labctl.protocol.model import (
    Block,
    Computed,
    Condition,
    Given,
    Item,
    Limits,
    Protocol,
    Reference,
    Step,
    Template,
    Use,
)
from labctl.units import Quantity

MOST_VISITS: Final = 4000
MOST_EXPANDED: Final = 10_000  # values of loops; what lies beyond is looked at when a plan is made
MOST_PASSES_SEEN: Final = 64


_LEAVES: Final = (str, float, int, bool, Quantity, Protocol, Computed, Template, Reference, type(None))


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    """Return the fields of a node that `parts` goes into, in their order."""
    if not is_dataclass(kind) or issubclass(kind, _LEAVES):
        return ()
    return tuple(field.name for field in fields(kind) if field.name not in {"children", "mark", "marks", "table"})


def parts(node: object) -> Iterator[Any]:
    """Yield a node and all that lies in it in order, but not the steps of blocks nor the files that are used."""
    stack: list[Any] = [node]
    while stack:
        part = stack.pop()
        if part is None:
            continue
        kind: Any = type(part)
        if kind is tuple:
            stack.extend(reversed(part))
        elif kind is dict:
            stack.extend(reversed(part.values()))
        else:
            yield part
            stack.extend([getattr(part, name) for name in reversed(_names(kind))])


def references(node: object) -> Iterator[Reference]:
    """Yield every reference in a node, in order."""
    for part in parts(node):
        match part:
            case Computed():
                found = names_in(part.expression)
            case Template():
                found = [name for piece in part.parts if not isinstance(piece, str) for name in names_in(piece)]
            case Reference():
                found = [part]
            case _:
                continue
        yield from (name for name in found if not is_broken(name))


def givens(node: object) -> Iterator[Given]:
    """Yield every quantity, known or computed, in a node."""
    yield from (part for part in parts(node) if isinstance(part, Quantity | Computed))


def conditions(step: Step) -> Iterator[tuple[str, Condition]]:
    """Yield the conditions that end a step, with their keys."""
    for name in ("until", "hold_until"):
        condition = getattr(step.verb, name, None)
        if condition is not None:
            yield name, condition


def every_item(children: tuple[Item, ...]) -> Iterator[Item]:
    """Yield the items of a file at all depths, uses not entered."""
    for item in children:
        yield item
        if isinstance(item, Block):
            yield from every_item(item.children)


@dataclass(frozen=True, slots=True)
class Visit:
    """A step or block met on the way, with the values in force there.

    Attributes:
        item: The step or block.
        environment: Parameters and loop variables.
        limits: Envelopes of the files around it, with their environments, outermost first.
        rested: A rest came before on every way here.
        sure: This is done whatever conditions say.
    """

    item: Step | Block
    environment: Environment
    limits: tuple[tuple[Limits, Environment], ...]
    rested: bool


class Walk:
    """Visits a protocol's steps in order, loops by their passes, as far as their number stays bounded.

    Attributes:
        findings: What was wrong with loops and uses on the way; names without a value are passed over in silence, since
            a file with required parameters is looked at before they are given.
    """

    def __init__(self, protocol: Protocol, environment: Environment) -> None:
        """Begin before the first step."""
        self.protocol = protocol
        self.environment = environment
        self.findings: list[Finding] = []
        self.visits = 0
        self.expanded = 0
        self.rested = False

    def steps(self) -> Iterator[Visit]:
        """Yield every visit."""
        limits = ((self.protocol.limits, self.environment),)
        yield from self._items(self.protocol.children, Visit(_NOWHERE, self.environment, limits, rested=False))

    def _items(self, children: tuple[Item, ...], at: Visit) -> Iterator[Visit]:
        for item in children:
            self.visits += 1
            match item:
                case Step():
                    yield replace(at, item=item, rested=self.rested)
                    self.rested = self.rested or item.word == "rest"
                case Block():
                    yield from self._block(item, at)
                case Use():
                    yield from self._use(item, at)

    def _block(self, block: Block, at: Visit) -> Iterator[Visit]:
        before = self.rested
        yield replace(at, item=block, rested=before)
        for environment in self._passes(block, at.environment):
            yield from self._items(block.children, replace(at, environment=environment))
        if block.if_ is not None:
            self.rested = before

    def _passes(self, block: Block, environment: Environment) -> tuple[Environment, ...]:
        if not block.each or self.expanded > MOST_EXPANDED:
            return (environment,)
        try:
            found = passes(block, environment)
        except ProtocolError as error:
            self.report(error)
            return (environment,)
        self.expanded += len(found)
        if self.visits > MOST_VISITS:
            return found[:1]
        half = MOST_PASSES_SEEN // 2
        return found if len(found) <= MOST_PASSES_SEEN else (*found[:half], *found[-half:])

    def _use(self, use: Use, at: Visit) -> Iterator[Visit]:
        try:
            inner = bind_use(use, at.environment)
        except ProtocolError as error:
            self.report(error)
            inner = {
                parameter.name: parameter.default
                for parameter in use.protocol.parameters
                if parameter.default is not None
            }
        if self.visits > MOST_VISITS:
            return
        limits = (*at.limits, (use.protocol.limits, inner))
        yield from self._items(use.protocol.children, replace(at, environment=inner, limits=limits))

    def report(self, error: ProtocolError) -> None:
        """Keep what an evaluation found, unless only a value is not known yet."""
        self.findings += [finding for finding in error.findings if finding.code != "reference.unknown"]


_NOWHERE: Final[Any] = None
NO_CELL: Final = Cell("", "full")
"""A cell of which nothing is known: relative quantities stay unknown on it."""

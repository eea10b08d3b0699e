"""Going through a protocol: what its parts refer to, and its steps in order with the values in force."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Final

from labctl.protocol.binding import is_broken
from labctl.protocol.expression import names as names_in
from labctl.protocol.model import (
    Computed,
    Given,
    Item,
    Protocol,
    Reference,
    Step,
    Template,
    WrittenBlock,
    WrittenCondition,
)
from labctl.quantity.units import Quantity

MOST_VISITS: Final = 4000
MOST_EXPANDED: Final = 10_000  # values of loops; what lies beyond is looked at when a plan is made
MOST_PASSES_SEEN: Final = 64


_LEAVES: Final = (str, float, int, bool, Quantity, Protocol, Computed, Template, Reference, type(None))


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    """Return the fields of a node that `parts` goes into, in their order."""
    if not is_dataclass(kind) or issubclass(kind, _LEAVES):
        return ()
    return tuple(
        field.name for field in fields(kind) if field.name not in {"children", "mark", "marks", "table", "find"}
    )


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
                names = names_in(part.expression)
            case Template():
                names = [name for piece in part.parts if not isinstance(piece, str) for name in names_in(piece)]
            case Reference():
                names = [part]
            case _:
                continue
        yield from (name for name in names if not is_broken(name))


def givens(node: object) -> Iterator[Given]:
    """Yield every quantity, known or computed, in a node."""
    yield from (part for part in parts(node) if isinstance(part, Quantity | Computed))


def conditions(step: Step) -> Iterator[tuple[str, WrittenCondition]]:
    """Yield the conditions that end a step, with their keys."""
    for name in ("until", "hold_until"):
        condition = getattr(step.verb, name, None)
        if isinstance(condition, WrittenCondition):
            yield name, condition


def every_item(children: tuple[Item, ...]) -> Iterator[Item]:
    """Yield the items of a file at all depths, uses not entered."""
    for item in children:
        yield item
        if isinstance(item, WrittenBlock):
            yield from every_item(item.children)

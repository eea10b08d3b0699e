"""Names in force at a place of a protocol, and what they are in each pass of the `each` blocks around it.

A number that depends on no loop variable is one float. One that does is a table over the passes of just those blocks that
it depends on, so a plan stays small; an `each` is written out only where it must be (`labctl.plan.unroll`).
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from labctl.errors import ProtocolError
from labctl.finding import Finding, Mark
from labctl.plan.step import ByPass, TextByPass
from labctl.protocol.binding import bind_use, chosen, passes
from labctl.protocol.expression import Environment, names, settle, settle_text
from labctl.protocol.model import Choice, Computed, Given, Pick, Range, Reference, Template, Text, Use, WrittenBlock
from labctl.quantity.units import Quantity

MOST_VALUES: Final = 20_000  # of one table; a protocol that wants more is a mistake, or a `profile`

Blocks: TypeAlias = frozenset[int]
NO_BLOCKS: Final[Blocks] = frozenset()
FIRST_PASS: Final[Mapping[int, int]] = {}


@dataclass(frozen=True, slots=True)
class Scope:
    """Names and loops in force.

    Attributes:
        depends: For each name the `each` blocks on whose pass its value depends.
        sizes: Passes of each `each` block around, by id, outermost first.
        values: Of the names of a whole file.
        parent: Around an `each` or an inserted file.
        each: Id of the `each` block whose variables these are, and the block.
        use: The insertion whose parameters these are.
    """

    depends: Mapping[str, Blocks] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)
    values: Environment = field(default_factory=dict)
    parent: "Scope | None" = None
    each: tuple[int, WrittenBlock] | None = None
    use: Use | None = None
    _made: dict[tuple[int, ...], tuple[Environment, ...]] = field(default_factory=dict, compare=False, repr=False)

    def looped(self, number: int, block: WrittenBlock) -> "Scope":
        """Return the scope inside an `each` block of this id.

        Raises:
            ProtocolError: A range that never arrives, lists of unlike length, or a number of passes that itself differs
                between the passes of a block around.
        """
        inner = {
            variable.name: frozenset({number}) | _union(self.depends, names_in(variable.values))
            for variable in block.each
        }
        around = frozenset().union(*inner.values()) - {number}
        made = [passes(block, self.environment(one)) for one in self.combinations(self.ordered(around))]
        counts = set(map(len, made))
        if len(counts) > 1:
            text = f"wanted as many passes in each pass of the block around, found {min(counts)} to {max(counts)}"
            raise refused("each.length", text, block.each[0].mark)
        size = counts.pop() if counts else 0
        known: dict[tuple[int, ...], tuple[Environment, ...]] = {(): made[0]} if made and not self.sizes else {}
        return Scope(
            {**self.depends, **inner}, {**self.sizes, number: size}, parent=self, each=(number, block), _made=known
        )

    def inserted(self, use: Use) -> "Scope":
        """Return the scope inside an inserted file.

        Raises:
            ProtocolError: A parameter it has not, one it lacks, or one of another kind.
        """
        depends = {name: _union(self.depends, names_in(given)) for name, given in use.with_.items()}
        scope = Scope(depends, self.sizes, parent=self, use=use)
        scope.environment({})
        return scope

    def environment(self, at: Mapping[int, int]) -> Environment:
        """Return the values of all names in a pass; of blocks not named, in the first."""
        if self.parent is None:
            return self.values
        key = tuple(at.get(block, 0) for block in self.parent.sizes)
        if key not in self._made:
            outer = self.parent.environment(at)
            self._made[key] = passes(self.each[1], outer) if self.each else (bind_use(self.use, outer),)  # type: ignore[arg-type]
        made = self._made[key]
        return made[at.get(self.each[0], 0) if self.each else 0] if made else self.parent.environment(at)

    def ordered(self, blocks: Blocks) -> tuple[int, ...]:
        """Return blocks, outermost first."""
        return tuple(block for block in self.sizes if block in blocks)

    def combinations(self, blocks: Sequence[int]) -> Iterator[dict[int, int]]:
        """Give every combination of passes of some blocks, the last one fastest."""
        for numbers in itertools.product(*(range(self.sizes[block]) for block in blocks)):
            yield dict(zip(blocks, numbers, strict=True))

    def quantities(self, given: Given) -> tuple[tuple[int, ...], tuple[Quantity, ...]]:
        """Return the blocks on which a given quantity depends, and its value in each of their passes, last block fastest.

        Relative quantities are still as written.

        Raises:
            ProtocolError: It has no value, or more values than a table may have.
        """
        wanted = names_in(given)
        blocks = self.ordered(_union(self.depends, wanted)) if wanted else ()
        if not blocks:
            return (), (settle(given, self.environment(FIRST_PASS)),)
        self._fits(blocks, given.text, mark_of(given))
        return blocks, tuple(settle(given, self.environment(at)) for at in self.combinations(blocks))

    def _fits(self, blocks: Sequence[int], text: str, mark: Mark) -> None:
        count = math.prod(self.sizes[block] for block in blocks)
        if count > MOST_VALUES:
            raise refused("each.size", f"wanted at most {MOST_VALUES} values of {text}, found {count}", mark)

    def table(self, blocks: tuple[int, ...], values: Sequence[float]) -> float | ByPass:
        """Return values of the passes of some blocks as a number of the plan: one float where all are the same."""
        if values and all(value == values[0] for value in values):
            return values[0]
        return ByPass(blocks, tuple(self.sizes[block] for block in blocks), tuple(values))

    def chosen(self, choice: Choice) -> tuple[bool, ...]:
        """Return whether a choice is for its block, in every pass of the blocks that its name depends on.

        Raises:
            ProtocolError: The name has no value.
        """
        blocks = self.ordered(_union(self.depends, frozenset({choice.name.name})))
        return tuple(chosen(choice, self.environment(at)) for at in self.combinations(blocks))

    def text(self, text: Text) -> str | TextByPass:
        """Return a text with its references filled in, one for each pass where they differ.

        Raises:
            ProtocolError: A reference in it has no value.
        """
        if isinstance(text, str):
            return text
        blocks = self.ordered(_union(self.depends, names_in(text)))
        self._fits(blocks, text.text, text.mark)
        texts = tuple(settle_text(text, self.environment(at)) for at in self.combinations(blocks))
        if texts and all(one == texts[0] for one in texts):
            return texts[0]
        return TextByPass(blocks, tuple(self.sizes[block] for block in blocks), texts)


def refused(code: str, message: str, mark: Mark, hint: str = "") -> ProtocolError:
    """Return the error that refuses a file for one finding."""
    return ProtocolError(Finding(code, message, mark, hint))


def mark_of(given: Given, default: Mark | None = None) -> Mark:
    """Return where a quantity was written."""
    return given.mark or default or Mark("", 1, 1)


def file_name(path: str) -> str:
    """Return the name of a file without its folders, so that a plan does not depend on where it was read from."""
    return path.replace("\\", "/").rpartition("/")[2]


Named: TypeAlias = Given | Text | tuple[Given | Text, ...] | Reference | Range | Pick | None


def names_in(item: Named) -> frozenset[str]:
    """Return the names to which a value refers."""
    match item:
        case Reference(name):
            return frozenset({name})
        case Computed(expression=expression):
            return frozenset(reference.name for reference in names(expression))
        case Template(parts=parts):
            return frozenset(one.name for part in parts if not isinstance(part, str) for one in names(part))
        case Range():
            return frozenset().union(*(names_in(one) for one in (item.from_, item.to, item.by, item.factor)))
        case Pick():
            return names_in(item.items) | names_in(item.times) | names_in(item.seed)
        case tuple():
            return frozenset().union(*(names_in(one) for one in item))
    return frozenset()


def _union(depends: Mapping[str, Blocks], wanted: frozenset[str]) -> Blocks:
    return frozenset().union(*(depends.get(name, NO_BLOCKS) for name in wanted))

"""Finding lines and blocks of a plan by their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from labctl.driver import ProgramStep
from labctl.plan.step import Block, Line, Plan


@dataclass(frozen=True, slots=True)
class Index:
    """Where everything in a plan is.

    Attributes:
        lines: Lines by id, in the order of the text.
        paths: For each line the blocks around it, the whole file first, the innermost last.
        blocks: Blocks by id.
        fixed: Lines whose numbers are the same in every pass, as steps that begin anew; filled as they are asked for.
    """

    lines: dict[int, Line]
    paths: dict[int, tuple[Block, ...]]
    blocks: dict[int, Block]
    fixed: dict[int, ProgramStep] = field(default_factory=dict)


class PlanKey:
    """A plan as a key: equal to itself only, since plans hold mappings and cannot be hashed."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        """Stand for a plan."""
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanKey) and other.plan is self.plan


def index(plan: Plan) -> Index:
    """Return the index of a plan, made once."""
    return _index(PlanKey(plan))


@lru_cache(maxsize=4096)
def _index(same: PlanKey) -> Index:
    places = Index({}, {}, {})
    for path, line in walk(same.plan.root):
        places.lines[line.id] = line
        places.paths[line.id] = path
    for block in blocks(same.plan.root):
        places.blocks[block.id] = block
    return places


def walk(block: Block, path: tuple[Block, ...] = ()) -> Iterator[tuple[tuple[Block, ...], Line]]:
    """Give every line below a block with the blocks around it, in the order of the text."""
    path = (*path, block)
    for child in block.children:
        if isinstance(child, Block):
            yield from walk(child, path)
        else:
            yield path, child


def blocks(block: Block) -> Iterator[Block]:
    """Give a block and all blocks below it, in the order of the text."""
    yield block
    for child in block.children:
        if isinstance(child, Block):
            yield from blocks(child)

"""What follows from a plan alone, worked out once: which ends are asked at a line and in which order, what is held by whom.

Numbers that differ between passes, or hang on the open circuit, stay open until the step is prepared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from labctl.driver import Capabilities
from labctl.engine.condition import Alternatives, resolved
from labctl.engine.cycle import asks_results, has_check, referred
from labctl.engine.memory import Window
from labctl.engine.state import capabilities_from_json
from labctl.plan.index import Index, index
from labctl.plan.program import holdable
from labctl.plan.step import Block, ByPass, Condition, End, Line, Plan, Term, VersusOcv

OWN: Final = -1  # depth of an end of the line itself


@dataclass(frozen=True, slots=True)
class Asked:
    """An end that is asked at a line.

    Attributes:
        depth: Index among the blocks around the line, outermost 0; `OWN` for the line.
        number: Index among the ends of that line or block.
        end: As the plan has it.
        fixed: With its numbers, or None where they are not the plan's alone.
        alone: The instrument locates it in a program of one step.
        among: The instrument locates it in a program of several.
    """

    depth: int
    number: int
    end: End
    fixed: Alternatives | None
    alone: bool
    among: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """A line as every pass does it: ends in the order in which they are asked, windows of their slopes."""

    line: Line
    path: tuple[Block, ...]
    asked: tuple[Asked, ...]
    windows: tuple[Window, ...]
    versus: bool  # some voltage of it is against the open circuit

    def find(self, depth: int, number: int) -> Asked | None:
        """Return an end by its place, None if there is none such."""
        return next((each for each in self.asked if (each.depth, each.number) == (depth, number)), None)

    def window_of(self, term: Term) -> int:
        """Return which window the slope of a term is drawn through."""
        return next(
            place
            for place, window in enumerate(self.windows)
            if (window.quantity, window.over) == (term.quantity, term.over)
        )


@dataclass(slots=True, eq=False)
class Facts:
    """What the engine asks of a plan again and again.

    Attributes:
        referred: Cycles that retentions refer to by number.
        asking: Blocks that end on results.
        checked: Blocks with check cycles in them.
    """

    plan: Plan
    index: Index
    referred: frozenset[int]
    asking: frozenset[int]
    checked: frozenset[int]
    recipes: dict[tuple[int, str], Recipe] = field(default_factory=dict)

    def recipe(self, line: int, channel: str) -> Recipe:
        """Return the recipe of a line on a channel with these capabilities."""
        found = self.recipes.get((line, channel))
        if found is None:
            found = self.recipes[line, channel] = _recipe(self.index, line, capabilities_from_json(channel))
        return found


class _Same:
    """A plan as a key: equal to itself only, since plans hold mappings and cannot be hashed."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.plan is self.plan


def facts(plan: Plan) -> Facts:
    """Return the facts of a plan, made once."""
    return _facts(_Same(plan))


@lru_cache(maxsize=4096)
def _facts(same: _Same) -> Facts:
    plan = same.plan
    found = index(plan)
    blocks = found.blocks.values()
    return Facts(
        plan,
        found,
        referred(plan.root),
        frozenset(block.id for block in blocks if asks_results(block)),
        frozenset(block.id for block in blocks if has_check(block)),
    )


def _recipe(found: Index, number: int, capabilities: Capabilities) -> Recipe:
    line, path = found.lines[number], found.paths[number]
    windows: list[Window] = []
    asked = tuple(
        Asked(
            depth,
            place,
            end,
            resolved(end.condition, {}, None, lambda term: _window(term, windows))
            if _is_fixed(end.condition)
            else None,
            is_held(end, None if depth == OWN else path[depth], capabilities, alone=True),
            is_held(end, None if depth == OWN else path[depth], capabilities, alone=False),
        )
        for depth, place, end in _ordered(line, path)
    )
    for each in asked:
        for terms in each.end.condition.any_of:
            for term in terms:
                if term.slope:
                    _window(term, windows)
    compared = (term.value for end in line.ends for terms in end.condition.any_of for term in terms)
    versus = any(isinstance(value, VersusOcv) for value in (*line.settings.values(), *compared))
    return Recipe(line, path, asked, tuple(windows), versus)


def _ordered(line: Line, path: tuple[Block, ...]) -> Iterator[tuple[int, int, End]]:
    """Give every end in the order in which equal rows are asked: abort_if, stop_if, the line's own, budgets."""
    for kind in ("abort_if", "stop_if"):
        for depth, block in enumerate(path):
            yield from ((depth, number, end) for number, end in enumerate(block.ends) if end.kind == kind)
    yield from ((OWN, number, end) for number, end in enumerate(line.ends))
    for depth, block in enumerate(path):
        yield from (
            (depth, number, end) for number, end in enumerate(block.ends) if end.kind not in {"abort_if", "stop_if"}
        )


def _is_fixed(condition: Condition) -> bool:
    return not any(isinstance(term.value, ByPass | VersusOcv) for terms in condition.any_of for term in terms)


def _window(term: Term, windows: list[Window]) -> int:
    for place, window in enumerate(windows):
        if (window.quantity, window.over) == (term.quantity, term.over):
            return place
    windows.append(Window(term.quantity, term.over))
    return len(windows) - 1


def is_held(end: End, block: Block | None, capabilities: Capabilities, *, alone: bool) -> bool:
    """Tell whether the instrument locates an end of a line, or of a block around it.

    A block's only in a program of one step, for which what is left of the block is known; its capacity only where all its
    lines pass charge in one direction.
    """
    if not holdable(end.condition, capabilities):
        return False
    if block is None:
        return True
    one_way = block.fused and all(isinstance(child, Line) and child.mode != "Sweep" for child in block.children)
    counts = any(term.quantity == "capacity" for terms in end.condition.any_of for term in terms)
    return alone and (one_way or not counts)

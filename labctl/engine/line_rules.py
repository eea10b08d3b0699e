"""What follows from a plan alone, worked out once: which ends are asked at a line and in which order, what is held by whom.

Numbers that differ between passes, or hang on the open circuit, stay open until the step is prepared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from labctl.driver import Capabilities
from labctl.engine.condition import Alternatives, resolved
from labctl.engine.cycle import asks_results, conditions, has_check, most_kept, referred
from labctl.engine.state import capabilities_from_json
from labctl.engine.state_parts import Window
from labctl.plan.holding import OWN, is_held
from labctl.plan.index import Index, PlanKey, index
from labctl.plan.step import Block, ByPass, Condition, End, Line, Plan, Relative, Term, VersusOcv


@dataclass(frozen=True, slots=True)
class AskedEnd:
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
    asked: tuple[AskedEnd, ...]
    windows: tuple[Window, ...]
    versus: bool  # some voltage of it is against the open circuit
    dwells: tuple[Term, ...] = ()  # comparisons that must last

    def find(self, depth: int, number: int) -> AskedEnd | None:
        """Return an end by its place, None if there is none such."""
        return next((each for each in self.asked if (each.depth, each.number) == (depth, number)), None)

    def dwell_of(self, term: Term) -> int:
        """Return which of the comparisons that must last a term is."""
        return self.dwells.index(term)

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
        kept: Cycles that conditions look back at.
        marks: Names of marks since which conditions count charge.
    """

    plan: Plan
    index: Index
    referred: frozenset[int]
    asking: frozenset[int]
    checked: frozenset[int]
    kept: int
    marks: frozenset[str]
    recipes: dict[tuple[int, str], Recipe] = field(default_factory=dict)

    def recipe(self, line: int, channel: str) -> Recipe:
        """Return the recipe of a line on a channel with these capabilities."""
        known = self.recipes.get((line, channel))
        if known is None:
            known = self.recipes[line, channel] = _recipe(self.index, line, capabilities_from_json(channel))
        return known


def facts(plan: Plan) -> Facts:
    """Return the facts of a plan, made once."""
    return _facts(PlanKey(plan))


@lru_cache(maxsize=4096)
def _facts(same: PlanKey) -> Facts:
    plan = same.plan
    places = index(plan)
    blocks = places.blocks.values()
    return Facts(
        plan,
        places,
        referred(plan.root),
        frozenset(block.id for block in blocks if asks_results(block)),
        frozenset(block.id for block in blocks if has_check(block)),
        most_kept(plan.root),
        frozenset(_marks(plan)),
    )


def _marks(plan: Plan) -> Iterator[str]:
    ends = (end.condition for line in index(plan).lines.values() for end in line.ends)
    for condition in (*conditions(plan.root), *ends):
        yield from (term.since for terms in condition.any_of for term in terms if term.since)


def _recipe(places: Index, number: int, capabilities: Capabilities) -> Recipe:
    line, path = places.lines[number], places.paths[number]
    windows: list[Window] = []
    dwells = tuple(dict.fromkeys(
        term for _, _, end in _ordered(line, path) for terms in end.condition.any_of for term in terms if term.dwell
    ))  # fmt: skip
    asked = tuple(
        AskedEnd(
            depth,
            place,
            end,
            resolved(end.condition, {}, None, lambda term: _window(term, windows), dwells.index)
            if _is_fixed(end.condition)
            else None,
            is_held(end, None if depth == OWN else path[depth], line, capabilities, alone=True),
            is_held(end, None if depth == OWN else path[depth], line, capabilities, alone=False),
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
    return Recipe(line, path, asked, tuple(windows), versus, dwells)


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
    return not any(
        isinstance(term.value, ByPass | Relative | VersusOcv) or term.since
        for terms in condition.any_of
        for term in terms
    )


def _window(term: Term, windows: list[Window]) -> int:
    for place, window in enumerate(windows):
        if (window.quantity, window.over) == (term.quantity, term.over):
            return place
    windows.append(Window(term.quantity, term.over))
    return len(windows) - 1

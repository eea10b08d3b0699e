"""What a run does now, what will end it, and what comes next: lines of its plan in amperes, each in its pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import orjson

from labctl.errors import InternalError, LabctlError
from labctl.plan.codec import plan_from_json
from labctl.plan.description import Row, ends, limits, options, rows, set_point
from labctl.plan.estimate import Estimate, estimate
from labctl.plan.index import index
from labctl.plan.program import at_pass
from labctl.plan.step import Block, ByPass, Condition, End, Line, Plan, Setting, Term, TextByPass
from labctl.store.reader import Reader
from labctl.web.pages import typeset

NEXT: Final = 5  # lines that are told of what comes


@dataclass(frozen=True, slots=True)
class Doing:
    """One line of a plan in words: id, verb, what it sets, what ends it, name, where it comes again, longest time (s)."""

    line: int
    verb: str
    sets: str
    ends: str
    name: str
    around: str = ""
    longest: float | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run does and what comes.

    Attributes:
        now: The line it does, None where it does none.
        then: The next ones, as they come if nothing ends a block before its last pass.
        rows: The whole plan.
        limits: (quantity, range) within which the line is kept.
        duration: Likely duration of the whole plan, s.
    """

    now: Doing | None
    then: tuple[Doing, ...]
    rows: tuple[Row, ...]
    limits: tuple[tuple[str, str], ...]
    duration: float


@lru_cache(maxsize=256)
def _read(text: bytes) -> tuple[Plan, Estimate, tuple[Row, ...]]:
    plan = plan_from_json(text)
    shown = (replace(row, setting=typeset(row.setting), ends=typeset(row.ends)) for row in rows(plan.root))
    return plan, estimate(plan), tuple(shown)


def outlook(reader: Reader, run_id: int, step_id: int | None) -> Outlook:
    """Return what a run does now and next, as its last checkpoint knows its passes."""
    plan, sums, whole = _read(reader.plan(run_id))
    passes = passes_of(reader, run_id)
    lines = index(plan).lines
    line = lines.get(step_id or 0)
    if line is None:
        first = tuple(_doing(each, path, passes) for path, each in _from_begin(plan.root))[:NEXT]
        return Outlook(None, first if step_id is None else (), whole, (), sums.duration[0])
    path = index(plan).paths[line.id]
    bounds = tuple((name, typeset(text)) for name, text in limits(line.bounds))
    then = tuple(_doing(each, around, now) for each, around, now in _after(path, line, passes))
    return Outlook(_doing(line, path, passes), then, whole, bounds, sums.duration[0])


def passes_of(reader: Reader, run_id: int) -> dict[int, int]:
    """Return the pass, from 0, of each block that a run is in; none before its first checkpoint."""
    try:
        stored = reader.checkpoint(run_id)
        frames = orjson.loads(stored.state).get("frames", []) if stored else []
        return {int(frame["block"]): int(frame["number"]) for frame in frames}
    except (LabctlError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # a page without the numbers of the passes is better than none


def _from_begin(root: Block) -> Iterator[tuple[tuple[Block, ...], Line]]:
    from labctl.plan.index import walk  # noqa: PLC0415

    return walk(root)


def _after(
    path: tuple[Block, ...], line: Line, passes: Mapping[int, int]
) -> Iterator[tuple[Line, tuple[Block, ...], dict[int, int]]]:
    """Give the lines that follow one, over the ends of blocks and into their next passes."""
    now, child, given = dict(passes), line, 0
    current: tuple[Block, ...] = path
    item: Block | Line = child
    while given < NEXT:
        step = _onward(current, item, now)
        if step is None:
            return
        current, item = step
        assert isinstance(item, Line)
        yield item, current, dict(now)
        given += 1


def _onward(
    path: tuple[Block, ...], item: "Block | Line", now: dict[int, int]
) -> tuple[tuple[Block, ...], Line] | None:
    while path:
        block = path[-1]
        at = next(number for number, child in enumerate(block.children) if child is item) + 1
        if at >= len(block.children):
            number = now.get(block.id, 0) + 1
            if number >= block.passes:
                item, path = block, path[:-1]
                continue
            now[block.id], at = number, 0
        return _down(path, block.children[at], now)
    return None


def _down(path: tuple[Block, ...], item: "Block | Line", now: dict[int, int]) -> tuple[tuple[Block, ...], Line] | None:
    while isinstance(item, Block):
        if not item.children or not item.passes:
            return _onward(path, item, now)
        now[item.id] = 0
        path, item = (*path, item), item.children[0]
    return path, item


def _doing(line: Line, path: tuple[Block, ...], passes: Mapping[int, int]) -> Doing:
    here = in_pass(line, passes)
    loops = [block for block in path if block.passes > 1]
    around = ", ".join(f"pass {passes.get(block.id, 0) + 1} of {block.passes}" for block in loops[-2:])
    sets = " ".join(filter(None, (set_point(here), options(here))))
    what = "the next pass begins" if "every" in here.options else ends(here.ends)
    return Doing(line.id, line.verb, typeset(sets), typeset(what), line.name, around, _longest(here.ends))


def _longest(given: tuple[End, ...]) -> float | None:
    """Return the time after which a line ends whatever it measures, s; None where none is set."""
    single = [terms[0] for end in given for terms in end.condition.any_of if len(terms) == 1]
    times = [float(term.value) for term in single if term.quantity == "time" and isinstance(term.value, int | float)]
    return min(times, default=None)


def in_pass(line: Line, passes: Mapping[int, int]) -> Line:
    """Return a line with the numbers of a pass in place of those of all passes."""
    try:
        settings = {name: _at(value, passes) for name, value in line.settings.items()}
        chosen = tuple(End(end.kind, _condition(end.condition, passes)) for end in line.ends)
    except InternalError:
        return line  # the passes are not known: it is shown with all of them
    return replace(line, settings=settings, ends=chosen)


def _condition(condition: Condition, passes: Mapping[int, int]) -> Condition:
    terms = tuple(tuple(_term(term, passes) for term in each) for each in condition.any_of)
    return Condition(condition.text, terms)


def _term(term: Term, passes: Mapping[int, int]) -> Term:
    value = term.value
    return replace(term, value=float(at_pass(value, passes))) if isinstance(value, ByPass) else term


def _at(value: Setting, passes: Mapping[int, int]) -> Setting:
    return at_pass(value, passes) if isinstance(value, ByPass | TextByPass) else value

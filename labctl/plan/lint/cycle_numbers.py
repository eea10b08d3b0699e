"""Conditions that name cycles other than those of their loop: cycles are counted through the whole run."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.counts import most_cycles
from labctl.plan.lint.ends import mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Block, Condition, End, Plan, Term
from labctl.plan.step_context import Spot
from labctl.quantity.units import article

Places = Mapping[Spot, Mark]

STOPS: Final = frozenset({"stop_if", "abort_if"})


@dataclass(frozen=True, slots=True)
class _Completed:
    """How many cycles may be completed: the fewest, where blocks are skipped or stopped, and the most."""

    least: int = 0
    most: int = 0

    def plus(self, other: "_Completed") -> "_Completed":
        return _Completed(self.least + other.least, self.most + other.most)


def vain_cycle_numbers(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a loop that its first cycle stops, of an `if` that all arrivals meet, or none, and of `nominal` before any cycle."""
    yield from _inside(plan.root, _Completed(), 0, _Asking(most_cycles(plan.root), places))


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is the same for every condition: how many cycles a run has at most, and where conditions were written."""

    cycles: int
    places: Places

    def mark(self, block: Block, *keys: str | tuple[int, int, int]) -> Mark:
        """Return the place of the first of some parts of a block that was written, else of its first line."""
        line = next((line for _, line in walk(block)), None)
        default = mark_of(line, self.places) if line else Mark("", 1, 1)
        written = (self.places.get(("block", block.id, key)) for key in keys)
        return next((mark for mark in written if mark is not None), default)


def _inside(block: Block, first: _Completed, last: int, asking: _Asking) -> Iterator[Finding]:
    """Judge a block, and what is in it.

    Args:
        block: With all in it.
        first: How many cycles may be completed where it is come to for the first time.
        last: How many at most where it is come to for the last time.
        asking: What is the same for all.
    """
    if block.condition is not None and first.least < last:
        yield from _chosen(block, block.condition, _Completed(first.least, last), asking)
    for number, end in enumerate(block.ends if most_cycles(block) and block.passes > 1 else ()):
        if end.kind in STOPS:
            yield from _stopped(block, (number, end), first.least, asking)
    last += most_cycles(block) // max(block.passes, 1) * max(block.passes - 1, 0)
    for child in block.children:
        if isinstance(child, Block):
            yield from _inside(child, first, last, asking)
            first, last = first.plus(_completed_by(child)), last + most_cycles(child)
        elif child.verb == "nominal" and not first.most and asking.cycles:
            yield warning(
                "end.never",
                f"wanted a completed cycle before nominal, found none on the way: there is no {child.options['quantity']} yet, "
                "and the run stops there and asks",
                mark_of(child, asking.places),
                "put it behind the block with cycle whose capacity is meant",
            )


def _completed_by(block: Block) -> _Completed:
    """Return how many cycles a block completes."""
    most = most_cycles(block)
    if block.condition is not None or not most:
        return _Completed(0, most)
    if any(end.kind in STOPS for end in block.ends):
        return _Completed(1, most)
    if block.cycle is not None:
        return _Completed(most, most)
    each = sum(_completed_by(child).least for child in block.children if isinstance(child, Block))
    return _Completed(block.passes * each, most)


def _stopped(block: Block, ending: tuple[int, End], before: int, asking: _Asking) -> Iterator[Finding]:
    """Give an end of a loop by the number of a cycle that its first cycle has, or is beyond."""
    place, end = ending
    for at, terms in enumerate(end.condition.any_of):
        term, first = terms[0], (0 if terms[0].kind == "block" else before) + 1
        if len(terms) > 1 or term.quantity != "cycle" or term.comparison not in {">", ">="}:
            continue
        asked = max(known(term.value), default=math.inf) + (term.comparison == ">")
        if not 1 <= asked <= first:
            continue
        hint = "write the number of the last cycle"
        if first > 1:
            written = end.condition.text.split(" or ")[at].strip()
            hint = f"cycles are counted through the whole run: write {written.replace('cycle', 'cycle of block')}"
        yield warning(
            "end.at_once",
            f"wanted {article(end.kind)} after some of the {block.passes} passes, found {end.condition.text}: the first cycle "
            f"{'' if first == 1 else f'of this loop is number {first} of the run and '}meets it",
            asking.mark(block, (place, at, 0)),
            hint,
        )


def _chosen(block: Block, condition: Condition, arrival: _Completed, asking: _Asking) -> Iterator[Finding]:
    """Give an `if` on the number of the last completed cycle that is true on each arrival, or on none."""
    if len(condition.any_of) != 1 or len(condition.any_of[0]) != 1:
        return
    met = _met(condition.any_of[0][0], arrival, asking.cycles)
    if met is None:
        return
    yield warning(
        "end.at_once" if met else "end.never",
        f"wanted an if that chooses among the cycles of its loop, found if: {condition.text}, which is asked when "
        f"{arrival.least} to {arrival.most} cycles of the run are completed: {'always true' if met else 'never true'}",
        asking.mark(block, "if", ""),
        "cycles are counted through the whole run, those of blocks before this one among them",
    )


def _met(term: Term, arrival: _Completed, cycles: int) -> bool | None:
    """Tell whether a comparison is true on all arrivals, or on none; None where on some, or where nobody can say."""
    if term.quantity != "cycle" or term.kind == "block":
        return None
    numbers = [float(one) for one in term.members] if term.comparison == "in" else list(known(term.value))
    if not numbers or min(numbers) > cycles or max(numbers) < 1:  # told of wherever it stands
        return None
    met = {_compares(term.comparison, completed, numbers) for completed in (arrival.least, arrival.most)}
    if term.comparison == "in":
        return None if any(arrival.least <= one <= arrival.most for one in numbers) else False
    return met.pop() if len(met) == 1 and len(numbers) == 1 else None


def _compares(comparison: str, completed: int, numbers: list[float]) -> bool:
    match comparison:
        case ">":
            return completed > numbers[0]
        case ">=":
            return completed >= numbers[0]
        case "<":
            return completed < numbers[0]
        case "<=":
            return completed <= numbers[0]
    return False

"""Times that are likely by the estimate and hardly meant: plans of years, and loops whose time is over within their first pass."""

from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding
from labctl.plan.amount import Amount
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Block, Plan
from labctl.quantity.units import display

Lines = Mapping[int, tuple[Amount, float]]

YEAR: Final = 365.0 * 86400.0  # s
MANY, FEW = 4, 2.0  # passes of a loop of which less than so many are done
SHORT: Final = 0.8  # of what a pass is likely to take: an estimate is no more exact


def too_long(plan: Plan, lines: Lines, likely: float) -> Iterator[Finding]:
    """Ask about a plan of more than a year, at the line that takes most of it, where nothing but its numbers ends the loops."""
    if likely <= YEAR:
        return
    path, line = max(walk(plan.root), key=lambda pair: lines[pair[1].id][0].likely * lines[pair[1].id][1])
    bounded = any(
        end.kind in {"stop_if", "until"} for block in path for end in block.ends
    )  # repeat is no more than that
    if bounded or "moment" in line.options:  # a date says itself how far off it is
        return
    often = round(lines[line.id][1])
    message = f"wanted a plan of at most a year, found {display(likely, 'duration')}: {line.verb} is likely done {often} times"
    hint = "is that number meant? a loop that results are to end has stop_if:, such as stop_if: retention < 80 %"
    yield warning("plan.long", message, mark_of(line), hint)


def cut_short(plan: Plan, lines: Lines) -> Iterator[Finding]:
    """Give a loop whose `for`, which counts all its passes, is likely to be over within the first of them, or two of many."""
    for block in blocks(plan.root):
        seconds = [
            number for end in block.ends if end.kind == "for" for number in known(end.condition.any_of[0][0].value)
        ]
        inside = list(walk(block))
        drives = [line for _, line in inside if line.verb in DRIVEN]
        if not seconds or block.fused or block.passes < 2 or not drives or _branches(block):
            continue
        passes = min(lines[line.id][1] for _, line in inside)
        one = sum(lines[line.id][0].likely * lines[line.id][1] for _, line in inside) / passes if passes else 0.0
        if max(seconds) < (SHORT if block.passes < MANY else FEW) * one:
            message = (
                f"`for` of the loop counts all its passes: its {display(max(seconds), 'duration')} are likely over within the "
                f"{'first' if max(seconds) < one else 'second'}, one takes about {display(one, 'duration')}"
            )
            hint = f"lengthen for to about {display(one * block.passes, 'duration')}, or leave it to repeat"
            yield warning("plan.time_first", message, mark_of(inside[0][1]), hint)


def _branches(block: Block) -> bool:
    """Tell whether a block inside may be skipped, so that nobody knows how long a pass takes."""
    return any(one.condition is not None for one in blocks(block) if one is not block)

"""How far a program reaches: as many lines after the first as an instrument can hold by itself, and no further than is safe.

A program is cut before or after whatever the instrument cannot know: a person, another instrument, a condition of results, an
`if`, a voltage against an open circuit that the program itself would measure, a line with an end that the instrument cannot
locate (which may be the last), numbers that differ between the passes of a loop. It is cut, too, before whatever would not be
bounded if nobody listened: a line with other limits, one that could begin after the time of a block around it is used up, one
that energises inside a block whose other ends only the daemon sees, one that energises before the open circuit was looked at.
A rest may always follow, since nothing flows in it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from labctl.driver import Capabilities, Loop, Program, ProgramStep, Span, Threshold
from labctl.errors import InternalError
from labctl.plan.holding import (
    MEASURED,
    code_of,
    held_of,
    holdable,
    is_held,
    longest,
    only_time,
    spanned,
    time_of_ends,
    watched_ends,
)
from labctl.plan.index import Index, index
from labctl.plan.program import Passes, Spent, is_fixed, numbers, step_for, thresholds, versus_ocv, versus_ocv_in
from labctl.plan.step import Block, Line, Plan

ALONE: Final = frozenset(
    {"prompt", "mark", "nominal", "bend", "temperature"}
)  # verbs that need more than the cell's instrument
ROUNDING: Final = 1e-9  # relative, of sums of times


def program_for(
    plan: Plan,
    line_id: int,
    passes: Passes,
    ocv: float | None,
    spent: Spent,
    capabilities: Capabilities,
    *,
    behind: Mapping[int, Spent] | None = None,
    look: bool = False,
) -> Program:
    """Return the longest program from a line on that an instrument can hold by itself, with nobody listening.

    The first step takes up where earlier attempts left off: thresholds of time and charge, the charge limit, record rules,
    sweeps and profiles are shortened by what was spent; a spectrum starts again. It ends by the ends of the blocks around it
    as well, as far as the instrument locates them.

    Args:
        plan: The plan.
        line_id: Line to begin with.
        passes: Pass of each block around it.
        ocv: Last voltage of the last rest, V; None if there was none.
        spent: By earlier attempts at this step.
        capabilities: Of the channel; a set without modes gives one step.
        behind: What each block around the line has used up, by its id; a block that is not named has used up nothing.
        look: The open circuit is still to be looked at: nothing that energises follows the first line.

    Returns:
        The program, its attempt 0: the engine numbers it.

    Raises:
        InternalError: The line is not in the plan, a pass of a block is missing, or a voltage is against an open circuit
            that nobody measured.
    """
    known = index(plan)
    if line_id not in known.lines:
        raise InternalError(f"wanted a line of the plan, found line {line_id}")
    line = known.lines[line_id]
    cut = _Cut(known, dict(passes), ocv, capabilities, dict(behind or {}), look)
    cut.begin(line, spent)
    return Program(attempt=0, steps=tuple(cut.steps), label=line.name or plan.name, spans=tuple(cut.spans))


def _may_be_followed(line: Line, capabilities: Capabilities) -> bool:
    """Tell whether the instrument can know by itself when this line has ended."""
    return (
        line.verb not in ALONE
        and not line.paced
        and line.mode in capabilities.modes
        and all(holdable(end.condition, capabilities, line) for end in line.ends)
    )


@dataclass(slots=True)
class _Cut:
    """A program in the making, and whether more may follow.

    Attributes:
        open: More may follow.
        rested: The program itself measures an open circuit, which nobody knows yet.
        used: Seconds that each block around has used up after the steps so far at most, by its id, loops included.
        fresh: The first step begins anew, so that a loop may come back to it.
    """

    index: Index
    passes: dict[int, int]
    ocv: float | None
    capabilities: Capabilities
    behind: dict[int, Spent]
    look: bool
    steps: list[ProgramStep | Loop] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    open: bool = True
    rested: bool = False
    used: dict[int, float] = field(default_factory=dict)
    fresh: bool = True

    # --- the first line ---

    def begin(self, line: Line, spent: Spent) -> None:
        """Add the first line, and what follows it."""
        path = self.index.paths[line.id]
        self.used = {block.id: self.behind.get(block.id, Spent()).time for block in path}
        self.fresh = not (spent.time or spent.charge)
        several = self.capabilities.most_steps > 1
        last = line
        if several and self._is_pair(line):
            last = self._pair(line, spent, first=True)
        else:
            step = self._step(line, spent)
            more = tuple(self._of_blocks(line, longest(step))) if self.capabilities.bounded else ()
            self.steps.append(replace(step, ends=(*more, *step.ends)) if more else step)
            self._use(line, longest(self.steps[0]))  # type: ignore[arg-type]
        self.open = several and _may_be_followed(last, self.capabilities)
        self.rested = last.mode == "Rest"
        if self.open:
            self.after(last, path)
        if not self.capabilities.bounded and len(self.steps) == 1:
            whole = self.steps[0]
            more = tuple(self._of_blocks(line, math.inf))
            self.steps[0] = replace(whole, ends=(*more, *whole.ends))  # type: ignore[arg-type, union-attr]

    def _of_blocks(self, line: Line, lasts: float) -> Iterator[Threshold]:
        """Give the ends of the blocks around the first line that the instrument locates; no time that its own ends forestall."""
        path = self.index.paths[line.id]
        for kinds in (("abort_if",), ("stop_if",), ("for", "to", "capacity", "until")):
            for depth, block in enumerate(path):
                for number, end in enumerate(block.ends):
                    unknown = self.ocv is None and versus_ocv_in(end)
                    located = is_held(end, block, line, self.capabilities, alone=True)
                    if end.kind not in kinds or unknown or not located:
                        continue
                    behind = self.behind.get(block.id, Spent())
                    for each in thresholds(end, code_of(depth, number), self.passes, self.ocv, behind):
                        if each.quantity != "time" or not self.capabilities.bounded or each.value < lasts:
                            yield each

    def _step(self, line: Line, spent: Spent | None = None) -> ProgramStep:
        """Return a line as a step, with the ends that the instrument locates in its mode."""
        anew = spent is None or not (spent.time or spent.charge)
        step = self.index.fixed.get(line.id) if anew else None
        if step is None:
            step = step_for(line, self.passes, self.ocv, spent)
            if anew and is_fixed(line):
                self.index.fixed[line.id] = step
        held = held_of(step.ends, self.capabilities, line) if self.capabilities.bounded else step.ends
        return step if len(held) == len(step.ends) else replace(step, ends=held)

    # --- a current and its hold as one ---

    def _is_pair(self, line: Line) -> bool:
        """Tell whether a line is the current of a CC-CV that the instrument runs as one step under the ends of both."""
        block = self.index.paths[line.id][-1]
        room = len(self.steps) + 2 <= self.capabilities.most_steps
        return room and block.children[0] is line and spanned(block, self.capabilities)

    def _pair(self, line: Line, spent: Spent | None, *, first: bool) -> Line:
        """Add both steps of a CC-CV with the span of their common ends; return the line of the hold."""
        path = self.index.paths[line.id]
        block, at = path[-1], len(self.steps)
        hold = block.children[1]
        assert isinstance(hold, Line)
        behind = self.behind.get(block.id, Spent()) if first else Spent()
        ends = [
            each
            for number, end in enumerate(block.ends)
            for each in thresholds(end, code_of(len(path) - 1, number), self.passes, self.ocv, behind)
        ]
        if first:
            lasts = time_of_ends(ends)
            ends += [each for each in self._of_blocks(line, lasts) if each.quantity == "time" and each not in ends]
        self.steps += [self._step(line, spent), self._step(hold)]
        self.spans.append(Span(at, at + 1, tuple(ends)))
        self._use(line, time_of_ends(ends))
        return hold

    # --- what follows ---

    def after(self, line: Line, path: tuple[Block, ...]) -> None:
        """Add what follows a line: the rest of its block's pass, its loop, and so outwards."""
        child: Line | Block = line
        begin: int | None = (
            0 if self.fresh else None
        )  # of the block's pass among the steps, if it is held from its first line
        for block in reversed(path):
            at = next(number for number, other in enumerate(block.children) if other is child)
            begin = begin if at == 0 or self._is_first_pair(block, at) else None
            for following in block.children[at + 1 :]:
                self.add(following)
                if not self.open:
                    return
            if not self.again(block, begin):
                return
            begin = None if self.passes.get(block.id, 0) else begin  # begun in a later pass: not the whole block
            child = block

    def _is_first_pair(self, block: Block, at: int) -> bool:
        return at == 1 and bool(self.spans) and self.spans[0].first == 0 and spanned(block, self.capabilities)

    def add(self, child: Line | Block) -> None:
        """Add a line, or a block from its begin; closes the program at what it cannot hold."""
        if isinstance(child, Line):
            self.add_line(child)
            return
        if child.condition is not None or child.passes == 0 or not self.fits(child):
            self.open = False
            return
        begin = len(self.steps)
        self.passes[child.id], self.used[child.id] = 0, 0.0
        children = iter(child.children)
        for inner in children:
            if isinstance(inner, Line) and self._is_pair(inner):
                self.add_pair(inner)
                next(children)
            else:
                self.add(inner)
            if not self.open:
                return
        self.again(child, begin)

    def add_line(self, line: Line) -> None:
        """Add a line, unless the instrument cannot do it, its numbers are not known yet, or it would not be bounded."""
        step = None if self._unheld(line) else self._step(line)
        if step is None or not self._bounded(line, longest(step)):
            self.open = False
            return
        self.steps.append(step)
        self._use(line, longest(step))
        self.rested = self.rested or line.mode == "Rest"
        self.open = _may_be_followed(line, self.capabilities)

    def add_pair(self, line: Line) -> None:
        """Add a CC-CV that the instrument runs as one step, unless it would not be bounded."""
        block = self.index.paths[line.id][-1]
        times = [each for end in block.ends for each in thresholds(end, 0, self.passes, self.ocv, Spent())]
        if self._unheld(line) or not self._bounded(line, time_of_ends(times), inside=block):
            self.open = False
            return
        hold = self._pair(line, None, first=False)
        self.open = _may_be_followed(hold, self.capabilities)

    def _unheld(self, line: Line) -> bool:
        """Tell whether the instrument cannot do a line, has no room for it, or its numbers are not known yet."""
        unknown = self.rested and versus_ocv(line)
        alone = line.verb in ALONE or line.paced or line.mode not in self.capabilities.modes
        return unknown or alone or len(self.steps) >= self.capabilities.most_steps

    def _bounded(self, line: Line, lasts: float, inside: Block | None = None) -> bool:
        """Tell whether a step that lasts so long at most stays within all that the plan says, whoever listens."""
        if not self.capabilities.bounded:
            return True
        first = self.steps[0]
        same = isinstance(first, ProgramStep) and line.bounds == first.bounds
        around = [block for block in self.index.paths[line.id] if block is not inside]
        unseen = line.energises and (self.look or any(_only_seen(block) for block in around))
        return same and not unseen and self._in_time(around, lasts)

    def _in_time(self, around: Iterable[Block], lasts: float) -> bool:
        """Tell whether no block's time is used up, if its steps last as long as they can."""
        return all(
            self.used[block.id] + lasts <= each.value * (1.0 + ROUNDING)
            for block in around
            for end in block.ends
            if only_time(end)
            for each in thresholds(end, 0, self.passes, self.ocv, Spent())
        )

    def _use(self, line: Line, lasts: float) -> None:
        for block in self.index.paths[line.id]:
            self.used[block.id] += lasts

    def again(self, block: Block, begin: int | None) -> bool:
        """Close a pass of a block: with a loop over what is left of its passes, or with the end of the program."""
        left = block.passes - self.passes.get(block.id, 0)
        if left > 1:
            room = len(self.steps) < self.capabilities.most_steps
            able = self.capabilities.loops and room and _same_in_each_pass(block)
            if begin is None or not able or not self._again_is_bounded(block, begin, left):
                self.open = False
                return False
            self.steps.append(Loop(begin, left))
        self.open = self.open and not _asks_results(block)
        return self.open

    def _again_is_bounded(self, block: Block, begin: int, left: int) -> bool:
        """Tell whether further passes of a block stay within all that the plan says, and count their time."""
        if not self.capabilities.bounded:
            return True
        lines = [self.index.lines[step.line] for step in self.steps[begin:] if isinstance(step, ProgramStep)]
        path = self.index.paths[lines[0].id]
        around = path[: path.index(block) + 1]
        unseen = any(line.energises for line in lines) and (self.look or any(_only_seen(each) for each in around))
        more = (left - 1) * (self.used[block.id] - self.behind.get(block.id, Spent()).time)
        if unseen or not self._in_time(around, more):
            return False
        for each in around:
            self.used[each.id] += more
        return True

    def fits(self, block: Block) -> bool:
        """Tell whether a whole block fits, so that a program does not end in the middle of one for want of room."""
        return len(self.steps) + _size(block) <= self.capabilities.most_steps


def _only_seen(block: Block) -> bool:
    """Tell whether a block has an end that only somebody who reads the rows can see."""
    return any(not only_time(end) for end in watched_ends(block))


def _size(block: Block) -> int:
    inner = sum(_size(child) if isinstance(child, Block) else 1 for child in block.children)
    return inner + (block.passes > 1)


def _same_in_each_pass(block: Block) -> bool:
    """Tell whether every pass of a block has the same numbers and nothing asks in between."""
    return not _asks_results(block) and all(
        _same(child, block.id) if isinstance(child, Line) else child.condition is None and _same_block(child, block.id)
        for child in block.children
    )


def _same_block(block: Block, outer: int) -> bool:
    return not _asks_results(block) and all(
        _same_block(child, outer) and child.condition is None if isinstance(child, Block) else _same(child, outer)
        for child in block.children
    )


def _same(line: Line, block: int) -> bool:
    return not any(block in value.blocks for value in numbers(line)) and not versus_ocv(line)


def _asks_results(block: Block) -> bool:
    """Tell whether the end of a pass may decide something that only the daemon knows."""
    return any(term.quantity not in MEASURED for end in block.ends for terms in end.condition.any_of for term in terms)

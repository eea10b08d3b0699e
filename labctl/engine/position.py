"""Where a run is in its plan: a path of (block, pass), and the way from one line to the next.

The way may end cycles, which changes results and may end blocks; it asks the `if` of blocks it arrives at. It says what it
finds at its end and collects the boundaries of cycles it crosses, which take effect when the next step is confirmed.
"""

from dataclasses import replace
from typing import Final, Literal, TypeAlias

from labctl.engine.cycle import added, entry_of, figures_of, seeded
from labctl.engine.memory import Boundary, Figures, Frame, Tally
from labctl.engine.results import cycle_key, holds
from labctl.engine.work import Work
from labctl.plan.step import Block, End, Line

Found: TypeAlias = Literal["line", "end", "met", "aborted"]
MOST: Final = 100_000  # blocks passed without a line before the plan is taken to go nowhere


class Way:
    """One way through the plan."""

    __slots__ = ("boundaries", "count", "ended", "work")

    def __init__(self, work: Work) -> None:
        """Take the work; what is crossed collects in `boundaries`, the end that aborted in `ended`."""
        self.work = work
        self.boundaries: list[Boundary] = []
        self.count = work.cycle.count
        self.ended: End | None = None

    def begin(self) -> Found:
        """Go to the first line, or to the one that the run is to start with."""
        carried = self.work.plan.carried
        self._enter(self.work.plan.root)
        if not carried.start:
            return self.onward()
        passes = dict(carried.passes)
        path = self.work.index.paths[carried.start]
        for block in (*path[1:], None):
            frame = self.work.frames[-1]
            target = block or self.work.index.lines[carried.start]
            self._top(frame.at(self.work.block(frame).children.index(target)))
            if block is not None:
                self._enter(block, passes.get(block.id, 0))
                if block.cycle:
                    self._begin_cycle(block.cycle)
        self.work.line = carried.start
        return "line"

    def onward(self) -> Found:
        """Go to what comes after the current child of the innermost block."""
        for _ in range(MOST):
            found = self._one()
            if found is not None:
                return found
        return "end"

    def leave(self, depth: int) -> None:
        """Leave the block at a depth and all in it; cycles that are under way there are cut short."""
        while len(self.work.frames) > depth:
            block = self.work.block(self.work.frames[-1])
            if block.cycle and not self._closed():
                self.boundaries.append(("cut", block.cycle, self.count))
            self.work.frames = self.work.frames[:-1]

    # --- one move ---

    def _one(self) -> Found | None:
        work = self.work
        if not work.frames:
            work.line = 0
            return "end"
        frame = work.frames[-1]
        block = work.block(frame)
        if frame.child + 1 < len(block.children):
            self._top(frame.at(frame.child + 1))
            return self._arrive(block.children[frame.child + 1])
        return self._end_pass(frame, block)

    def _arrive(self, child: Line | Block) -> Found | None:
        work = self.work
        if isinstance(child, Line):
            work.line = child.id
            return "line"
        if child.passes == 0 or (child.condition and not holds(work, child.condition, 0, self.count)):
            return None
        self._enter(child)
        return self._begin_pass(child)

    def _enter(self, block: Block, number: int = 0) -> None:
        work = self.work
        asks = not work.frames or block.id in work.facts.asking
        tally = Tally() if asks else None
        carried = work.plan.carried
        if tally and carried.references:
            tally = seeded(tally, carried.references.get("first"), carried.references.get("max"))
        entry = entry_of(work.last, work.time)
        work.frames = (*work.frames, Frame(block.id, number, -1, 0.0, entry, tally=tally))

    def _begin_pass(self, block: Block) -> Found | None:
        """Begin a cycle where the pass is one, unless its number alone ends a block."""
        if not block.cycle:
            return None
        if self._stopped(self.count + 1):
            return "aborted" if self.ended else None
        self._begin_cycle(block.cycle)
        return None

    def _begin_cycle(self, kind: str) -> None:
        self.count += 1
        self.boundaries.append(("begin", kind, self.count))

    def _end_pass(self, frame: Frame, block: Block) -> Found | None:
        work = self.work
        whole = frame.energised > 0 and frame.met == frame.energised and (block.passes > 1 or block.cycle is not None)
        if whole:
            work.frames = tuple(replace(each, energised=0, met=0) for each in work.frames)
            return "met"
        if block.cycle and not self._closed():
            self._end_cycle(block)
            if self._stopped(self.count):
                return "aborted" if self.ended else None
        frame = work.frames[-1]
        if frame.number + 1 < block.passes:
            self._top(frame.again())
            return self._begin_pass(block)
        work.frames = work.frames[:-1]
        return None

    def _end_cycle(self, block: Block) -> None:
        work = self.work
        kind = block.cycle or "true"
        self.boundaries.append(("end", kind, self.count))
        entry = work.cycle.entry
        if entry is None or self._begun():  # nothing was done in it
            return
        figures = figures_of(work.plan.cell, kind, self.count, entry, work.last)
        work.frames = tuple(_with(work, frame, figures) for frame in work.frames)
        work.references = {**work.references, **self._referred(figures)}

    def _referred(self, figures: Figures) -> dict[str, float]:
        """Return what a run that goes on from this one must know of a cycle."""
        tally = self.work.frames[0].tally or Tally()
        found = {"first": tally.first, "max": tally.most}
        if figures.cycle in self.work.facts.referred:
            found[cycle_key(figures.cycle)] = figures.counted
        return {name: value for name, value in found.items() if value is not None}

    def _stopped(self, count: int) -> bool:
        """Ask every block around whether results end it, outermost first; leave it if so."""
        work = self.work
        for kind in ("abort_if", "stop_if"):
            for depth, frame in enumerate(work.frames):
                for end in work.block(frame).ends:
                    if end.kind == kind and frame.tally and holds(work, end.condition, depth, count):
                        self.ended = end if kind == "abort_if" else None
                        if self.ended is None:
                            self.leave(depth)
                        return True
        return False

    def _top(self, frame: Frame) -> None:
        self.work.frames = (*self.work.frames[:-1], frame)

    def _begun(self) -> bool:
        return any(which == "begin" for which, _, _ in self.boundaries)

    def _closed(self) -> bool:
        """Tell whether the cycle counted last has ended."""
        if self.boundaries:
            return self.boundaries[-1][0] != "begin"
        return not self.work.cycle.kind


def _with(work: Work, frame: Frame, figures: Figures) -> Frame:
    if frame.tally is None:
        return frame
    return frame.counting(added(frame.tally, figures, check=frame.block in work.facts.checked))


def account(work: Work, time: float, *, energised: bool, met: bool) -> None:
    """Add a finished step to the blocks around it: its time, and whether its end was met at the first row."""
    work.frames = tuple(frame.after(time, int(energised), int(energised and met)) for frame in work.frames)

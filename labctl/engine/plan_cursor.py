"""Where a run is in its plan: a path of (block, pass), and the way from one line to the next.

The way may end cycles, which changes results and may end blocks; it asks the `if` of blocks it arrives at. It says what it
finds at its end and collects the boundaries of cycles it crosses, which take effect when the next step is confirmed.
"""

from dataclasses import replace
from typing import Final, Literal, TypeAlias

from labctl.engine.cycle import added, counted, entry_of, figures_of, paired, references_of, seeded
from labctl.engine.cycle_parts import CycleCounts, Figures, Frame, Tally
from labctl.engine.result_conditions import current_key, cycle_key, holds, unsure
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Boundary, unseen_since
from labctl.engine.transitions import largest_half_cycle
from labctl.plan.program import settle
from labctl.plan.step import Block, End, Line

Found: TypeAlias = Literal["line", "end", "met", "aborted", "unsure"]
MOST: Final = 100_000  # blocks passed without a line before the plan is taken to go nowhere


class PlanCursor:
    """Moves through a plan from line to line, and collects what it crosses."""

    __slots__ = ("boundaries", "builder", "completed", "count", "ended")

    def __init__(self, builder: StateBuilder) -> None:
        """Take the state in the making; what is crossed collects in `boundaries`, the end that aborted in `ended`."""
        self.builder = builder
        self.boundaries: list[Boundary] = []
        self.count = builder.cycle.count
        self.completed = builder.cycle.completed
        self.ended: End | None = None

    @property
    def numbers(self) -> CycleCounts:
        """Return the numbers of the cycles begun and completed on the way so far."""
        return CycleCounts(self.count, self.completed)

    def begin(self) -> Found:
        """Go to the first line, or to the one that the run is to start with."""
        carried = self.builder.plan.carried
        self._enter(self.builder.plan.root)
        if not carried.start:
            return self.onward()
        passes = dict(carried.passes)
        path = self.builder.index.paths[carried.start]
        for block in (*path[1:], None):
            frame = self.builder.frames[-1]
            target = block or self.builder.index.lines[carried.start]
            self._top(frame.at(self.builder.block(frame).children.index(target)))
            if block is not None:
                self._enter(block, passes.get(block.id, 0))
                if block.cycle:
                    self._begin_cycle(block.cycle)
        self.builder.line = carried.start
        return "line"

    def onward(self) -> Found:
        """Go to what comes after the current child of the innermost block."""
        for _ in range(MOST):
            target = self._one()
            if target is not None:
                return target
        return "end"

    def leave(self, depth: int) -> None:
        """Leave the block at a depth and all in it; cycles that are under way there are cut short."""
        while len(self.builder.frames) > depth:
            block = self.builder.block(self.builder.frames[-1])
            if block.cycle and not self._closed():
                self.boundaries.append(("cut", block.cycle, self.count))
            self.builder.frames = self.builder.frames[:-1]

    # --- one move ---

    def _one(self) -> Found | None:
        builder = self.builder
        if not builder.frames:
            builder.line = 0
            return "end"
        frame = builder.frames[-1]
        block = builder.block(frame)
        if frame.child + 1 < len(block.children):
            self._top(frame.at(frame.child + 1))
            return self._arrive(block.children[frame.child + 1])
        return self._end_pass(frame, block)

    def _arrive(self, child: Line | Block) -> Found | None:
        builder = self.builder
        if isinstance(child, Line):
            if "every" in child.options and self._is_due(child):
                return None
            builder.line = child.id
            return "line"
        if child.passes == 0:
            return None
        if child.condition is not None:
            if builder.plan.edition > 1 and unsure(builder, child.condition, 0, self.numbers):
                return "unsure"
            if not holds(builder, child.condition, 0, self.numbers):
                return None
        self._enter(child)
        return self._begin_pass(child)

    @property
    def asked(self) -> Block:
        """Return the block at whose `if` it stands."""
        frame = self.builder.frames[-1]
        block = self.builder.block(frame).children[frame.child]
        assert isinstance(block, Block)
        return block

    def into(self) -> Found:
        """Go on into the block at whose `if` it stands: a person says that it is true."""
        block = self.asked
        self._enter(block)
        return self._begin_pass(block) or self.onward()

    def _begun_at(self, block: Block) -> float:
        """Return the run time at which a pass begins, where that decides when the next one does."""
        return 0.0 if block.every is None else self.builder.time

    def _is_due(self, line: Line) -> bool:
        """Tell whether no rest is due before the next pass: there is none, or its time has come; then that is said."""
        builder = self.builder
        frame = builder.frames[-1]
        if frame.number + 1 >= builder.block(frame).passes:
            return True
        late = builder.time - frame.began - float(settle(line.options["every"], builder.passes, None))  # type: ignore[arg-type]
        if late > 0.0:
            builder.say("late", step_id=line.id, late_second=late)
        return late >= 0.0

    def _enter(self, block: Block, number: int = 0) -> None:
        builder = self.builder
        asks = not builder.frames or block.id in builder.facts.asking
        tally = Tally() if asks else None
        carried = builder.plan.carried
        if tally and carried.references:
            tally = seeded(tally, carried.references)
        entry = entry_of(builder.last, builder.time, builder.blind)
        builder.frames = (
            *builder.frames,
            Frame(block.id, number, -1, 0.0, entry, tally=tally, began=self._begun_at(block)),
        )

    def _begin_pass(self, block: Block) -> Found | None:
        """Begin a cycle where the pass is one, unless its number alone ends a block."""
        if not block.cycle:
            return None
        if self.builder.plan.edition == 1 and self._stopped(CycleCounts(self.count + 1, 0)):
            return "aborted" if self.ended else None
        self._begin_cycle(block.cycle)
        return None

    def _begin_cycle(self, kind: str) -> None:
        self.count += 1
        self.boundaries.append(("begin", kind, self.count))

    def _end_pass(self, frame: Frame, block: Block) -> Found | None:
        builder = self.builder
        whole = frame.energised > 0 and frame.met == frame.energised and (block.passes > 1 or block.cycle is not None)
        if whole:
            builder.frames = tuple(replace(each, energised=0, met=0) for each in builder.frames)
            return "met"
        if block.cycle and not self._closed():
            self._end_cycle(block)
            if self._stopped(self.numbers):
                return "aborted" if self.ended else None
        frame = builder.frames[-1]
        if frame.number + 1 < block.passes:
            self._top(frame.again(self._begun_at(block)))
            return self._begin_pass(block)
        builder.frames = builder.frames[:-1]
        return None

    def _end_cycle(self, block: Block) -> None:
        builder = self.builder
        kind = block.cycle or "true"
        self.boundaries.append(("end", kind, self.count))
        entry = builder.cycle.entry
        if builder.plan.edition > 1 and builder.cycle.flaw and not self._begun():  # results are of complete cycles
            return
        self.completed = self.count
        if entry is None or self._begun():  # nothing was done in it
            return
        cell = builder.plan.cell
        first = builder.plan.edition == 1
        cycle = builder.cycle if first else replace(builder.cycle, largest=largest_half_cycle(builder))
        figures = (
            figures_of(cell, kind, self.count, entry, builder.last) if first else paired(cell, cycle, builder.last)
        )
        figures = figures if first else replace(figures, unseen=unseen_since(entry, builder.blind))
        builder.frames = tuple(_with(builder, frame, figures) for frame in builder.frames)
        builder.references = {**builder.references, **self._referred(figures)}

    def _referred(self, figures: Figures) -> dict[str, float]:
        """Return what a run that goes on from this one must know of a cycle."""
        tally = self.builder.frames[0].tally or Tally()
        references: dict[str, float | None] = {"first": tally.first, "max": tally.most}
        if self.builder.plan.edition > 1:
            references |= references_of(tally)
        if figures.cycle in self.builder.facts.referred:
            references[cycle_key(figures.cycle)] = figures.counted
            references[current_key(figures.cycle)] = figures.current
        return {name: value for name, value in references.items() if value is not None}

    def _stopped(self, numbers: CycleCounts) -> bool:
        """Ask every block around whether results end it, outermost first; leave it if so."""
        builder = self.builder
        for kind in ("abort_if", "stop_if"):
            for depth, frame in enumerate(builder.frames):
                for end in builder.block(frame).ends:
                    if end.kind == kind and frame.tally and holds(builder, end.condition, depth, numbers):
                        self.ended = end if kind == "abort_if" else None
                        if self.ended is None:
                            self.leave(depth)
                        return True
        return False

    def _top(self, frame: Frame) -> None:
        self.builder.frames = (*self.builder.frames[:-1], frame)

    def _begun(self) -> bool:
        return any(which == "begin" for which, _, _ in self.boundaries)

    def _closed(self) -> bool:
        """Tell whether the cycle counted last has ended."""
        if self.boundaries:
            return self.boundaries[-1][0] != "begin"
        return not self.builder.cycle.kind


def _with(builder: StateBuilder, frame: Frame, figures: Figures) -> Frame:
    if frame.tally is None:
        return frame
    if builder.plan.edition > 1:
        return frame.counting(counted(frame.tally, figures, builder.facts.kept))
    return frame.counting(added(frame.tally, figures, check=frame.block in builder.facts.checked))


def account(builder: StateBuilder, time: float, *, energised: bool, met: bool) -> None:
    """Add a finished step to the blocks around it: its time, and whether its end was met at the first row."""
    builder.frames = tuple(frame.after(time, int(energised), int(energised and met)) for frame in builder.frames)

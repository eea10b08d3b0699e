"""A line of a plan, with the numbers of the pass it is in, as the program that an instrument is given.

A program begins with the line asked for and holds as many of the lines after it as the instrument can hold by itself. It is
cut before or after whatever the instrument cannot know: a person, another instrument, a condition of results, an `if`, a
voltage against an open circuit that the program itself would measure, a line with an end that the instrument cannot
locate (which may be the last), numbers that differ between the passes of a loop.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from labctl.driver import (
    Bend,
    Bounds,
    Capabilities,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Loop,
    Mode,
    Potentiostatic,
    Profile,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Spectrum,
    Sweep,
    Threshold,
    Watched,
)
from labctl.errors import InternalError
from labctl.plan.index import Index, index
from labctl.plan.step import Block, ByPass, Condition, End, Line, Plan, Setting, Term, TextByPass, VersusOcv

Passes: TypeAlias = Mapping[int, int] | Iterable[tuple[int, int]]
"""Pass, from 0, of each block around a line, by the block's id."""

MODES: Final[Mapping[str, type]] = {
    mode.__name__: mode
    for mode in (
        Rest, Galvanostatic, Potentiostatic, ConstantPower, ConstantLoad, Sweep, Profile, Spectrum, Bend, Chamber,
    )
}  # fmt: skip
ALONE: Final = frozenset({"prompt", "mark", "bend", "temperature"})  # verbs that need more than the cell's instrument
MEASURED: Final = frozenset({"voltage", "current", "temperature", "power", "time", "capacity"})
_WATCHED: Final[Mapping[str, Watched]] = {
    "time": "time", "voltage": "voltage", "current": "current", "capacity": "charge", "power": "power",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spent:
    """What earlier attempts at the same step have used up: seconds of step time, coulombs of its charge, as magnitudes."""

    time: float = 0.0
    charge: float = 0.0


def program_for(
    plan: Plan, line_id: int, passes: Passes, ocv: float | None, spent: Spent, capabilities: Capabilities
) -> Program:
    """Return the longest program from a line on that an instrument can hold by itself.

    The first step takes up where earlier attempts left off: thresholds of time and charge, the charge limit, record rules,
    sweeps and profiles are shortened by what was spent; a spectrum starts again.

    Args:
        plan: The plan.
        line_id: Line to begin with.
        passes: Pass of each block around it.
        ocv: Last voltage of the last rest, V; None if there was none.
        spent: By earlier attempts at this step.
        capabilities: Of the channel; a set without modes gives one step.

    Returns:
        The program, its attempt 0: the engine numbers it.

    Raises:
        InternalError: The line is not in the plan, a pass of a block is missing, or a voltage is against an open circuit
            that nobody measured.
    """
    found = index(plan)
    if line_id not in found.lines:
        raise InternalError(f"wanted a line of the plan, found line {line_id}")
    line, path = found.lines[line_id], found.paths[line_id]
    cut = _Cut(found, dict(passes), ocv, capabilities)
    cut.steps.append(step_for(line, cut.passes, ocv, spent))
    cut.open = capabilities.most_steps > 1 and _may_be_followed(line, capabilities)
    cut.rested = line.mode == "Rest"
    if cut.open:
        cut.after(line, path)
    return Program(attempt=0, steps=tuple(cut.steps), label=line.name or plan.name)


def step_for(line: Line, passes: Passes, ocv: float | None, spent: Spent | None = None) -> ProgramStep:
    """Return one line as a program step with the numbers of its pass, SI."""
    passes, spent = dict(passes), spent or Spent()
    return ProgramStep(
        line=line.id,
        mode=_shortened(mode_for(line, passes, ocv), spent.time),
        ends=tuple(
            threshold
            for number, end in enumerate(line.ends)
            for threshold in thresholds(end, number, passes, ocv, spent)
        ),
        record=record_after(line.record, spent.time),
        bounds=_bounds_after(line.bounds, spent.charge),
    )


def mode_for(line: Line, passes: Mapping[int, int], ocv: float | None) -> Mode:
    """Return what a line asks of the cell in a pass, SI."""
    settings = {name: settle(value, passes, ocv) for name, value in line.settings.items()}
    scale = settings.pop("scale", 1.0)
    if line.mode == "Profile" and isinstance(scale, float) and scale != 1.0:
        settings["values"] = tuple(scale * float(value) for value in settings["values"])  # type: ignore[union-attr]
    mode: Mode = MODES[line.mode](**settings)
    return mode


def settle(value: Setting, passes: Mapping[int, int], ocv: float | None) -> Setting:
    """Return a setting with its pass and the open circuit put in.

    Raises:
        InternalError: No pass is given of a block it depends on, or no open circuit where it needs one.
    """
    match value:
        case ByPass() | TextByPass():
            return at_pass(value, passes)
        case VersusOcv():
            if ocv is None:
                raise InternalError("wanted the voltage of a rest before a voltage vs ocv, found none")
            return ocv + float(settle(value.offset, passes, ocv))  # type: ignore[arg-type]
    return value


def text_at(line: Line, option: str, passes: Mapping[int, int]) -> str:
    """Return a text of a line at its pass: the `name` of its step, what a prompt shall `say`, the `text` of a mark."""
    found = line.options.get(option, line.name)
    return str(found if isinstance(found, Mapping) else settle(found, passes, None))


def at_pass(value: ByPass | TextByPass, passes: Mapping[int, int]) -> float | str:
    """Return the number or text of a pass: a row-major table over the blocks."""
    at = 0
    for block, size in zip(value.blocks, value.shape, strict=True):
        number = passes.get(block)
        if number is None or not 0 <= number < size:
            raise InternalError(f"wanted a pass of block {block} below {size}, found {number}")
        at = at * size + number
    return value.values[at]


def thresholds(
    end: End, number: int, passes: Mapping[int, int], ocv: float | None, spent: Spent
) -> tuple[Threshold, ...]:
    """Return what an instrument can hold of an end: every alternative that is one comparison of one measured quantity."""
    found: list[Threshold] = []
    for terms in end.condition.any_of:
        if len(terms) == 1:
            found += _of_term(terms[0], number, passes, ocv, spent)
    return tuple(found)


def _of_term(term: Term, number: int, passes: Mapping[int, int], ocv: float | None, spent: Spent) -> list[Threshold]:
    watched = _WATCHED.get(term.quantity)
    if watched is None or term.slope:
        return []
    above, value = term.comparison in {">", ">="}, float(settle(term.value, passes, ocv))  # type: ignore[arg-type]
    match watched:
        case "time":
            value = max(value - spent.time, 0.0)
        case "charge":
            value = max(value - spent.charge, 0.0)
        case "voltage" if term.absolute:
            # beyond a magnitude is two thresholds; within one is a window, which a threshold is not
            return [Threshold(watched, side > 0, side * value, number) for side in (1, -1)] if above else []
    return [Threshold(watched, above, value, number)]


def holdable(condition: Condition, capabilities: Capabilities) -> bool:
    """Tell whether the instrument locates a condition wholly by itself."""
    return all(len(terms) == 1 and _holds(terms[0], capabilities) for terms in condition.any_of)


def _holds(term: Term, capabilities: Capabilities) -> bool:
    watched = _WATCHED.get(term.quantity)
    within = term.quantity == "voltage" and term.absolute and term.comparison in {"<", "<="}
    return watched in capabilities.ends and not term.slope and not within


def record_after(rules: tuple[RecordRule, ...], spent: float) -> tuple[RecordRule, ...]:
    """Return the record rules that still apply when a step goes on `spent` seconds old."""
    if not spent:
        return rules
    left: list[RecordRule] = []
    for rule in rules:
        if rule.until is None:
            left.append(rule)
        elif rule.until > spent:
            left.append(RecordRule(rule.every, rule.voltage, rule.current, rule.until - spent))
    return tuple(left)


def _bounds_after(bounds: Bounds, spent: float) -> Bounds:
    if bounds.charge is None or not spent:
        return bounds
    return Bounds(bounds.voltage, bounds.current, bounds.temperature, max(bounds.charge - spent, 0.0))


def _shortened(mode: Mode, spent: float) -> Mode:
    """Return what is left of a sweep or profile after `spent` seconds."""
    match mode:
        case Sweep(start, end, rate) if spent:
            gone = min(spent * rate, abs(end - start))
            return Sweep(start + gone if end > start else start - gone, end, rate)
        case Profile(times, values, quantity) if spent:
            return _rest_of(times, values, quantity, spent)
    return mode


def _rest_of(times: tuple[float, ...], values: tuple[float, ...], quantity: str, spent: float) -> Profile:
    """Return a profile from `spent` seconds on: the row then held comes first, the last row stays."""
    last = len(times) - 1
    held = max((at for at, time in enumerate(times) if time <= spent), default=0)
    held = min(held, last - 1) if last else 0
    rest = tuple(max(time - spent, 0.0) for time in times[held + 1 :])
    return Profile((0.0, *rest), values[held:], quantity)  # type: ignore[arg-type]


# --- how far a program reaches ----------------------------------------------------------------------------------------


def _may_be_followed(line: Line, capabilities: Capabilities) -> bool:
    """Tell whether the instrument can know by itself when this line has ended."""
    return (
        line.verb not in ALONE
        and line.mode in capabilities.modes
        and all(holdable(end.condition, capabilities) for end in line.ends)
    )


@dataclass(slots=True)
class _Cut:
    """A program in the making, and whether more may follow."""

    index: Index
    passes: dict[int, int]
    ocv: float | None
    capabilities: Capabilities
    steps: list[ProgramStep | Loop] = field(default_factory=list)
    open: bool = True
    rested: bool = False  # the program itself measures an open circuit, which nobody knows yet

    def after(self, line: Line, path: tuple[Block, ...]) -> None:
        """Add what follows a line: the rest of its block's pass, its loop, and so outwards."""
        child: Line | Block = line
        begin: int | None = 0  # of the block's pass among the steps, if the program holds it from its first line
        for block in reversed(path):
            at = next(number for number, other in enumerate(block.children) if other is child)
            begin = begin if at == 0 else None
            for following in block.children[at + 1 :]:
                self.add(following)
                if not self.open:
                    return
            if not self.again(block, begin):
                return
            begin = None if self.passes.get(block.id, 0) else begin  # begun in a later pass: not the whole block
            child = block

    def add(self, child: Line | Block) -> None:
        """Add a line, or a block from its begin; closes the program at what it cannot hold."""
        if isinstance(child, Line):
            self.add_line(child)
            return
        if child.condition is not None or child.passes == 0 or not self.fits(child):
            self.open = False
            return
        begin = len(self.steps)
        self.passes[child.id] = 0
        for inner in child.children:
            self.add(inner)
            if not self.open:
                return
        self.again(child, begin)

    def add_line(self, line: Line) -> None:
        """Add a line, unless the instrument cannot do it or its numbers are not known yet."""
        unknown = self.rested and _versus_ocv(line)
        alone = line.verb in ALONE or line.mode not in self.capabilities.modes
        if unknown or alone or len(self.steps) >= self.capabilities.most_steps:
            self.open = False
            return
        self.steps.append(step_for(line, self.passes, self.ocv))
        self.rested = self.rested or line.mode == "Rest"
        self.open = _may_be_followed(line, self.capabilities)

    def again(self, block: Block, begin: int | None) -> bool:
        """Close a pass of a block: with a loop over what is left of its passes, or with the end of the program."""
        left = block.passes - self.passes.get(block.id, 0)
        if left > 1:
            room = len(self.steps) < self.capabilities.most_steps
            if begin is None or not (self.capabilities.loops and room and _same_in_each_pass(block)):
                self.open = False
                return False
            self.steps.append(Loop(begin, left))
        self.open = self.open and not _asks_results(block)
        return self.open

    def fits(self, block: Block) -> bool:
        """Tell whether a whole block fits, so that a program does not end in the middle of one for want of room."""
        return len(self.steps) + _size(block) <= self.capabilities.most_steps


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
    return not any(block in value.blocks for value in numbers(line)) and not _versus_ocv(line)


def _asks_results(block: Block) -> bool:
    """Tell whether the end of a pass may decide something that only the daemon knows."""
    return any(term.quantity not in MEASURED for end in block.ends for terms in end.condition.any_of for term in terms)


def numbers(line: Line) -> tuple[ByPass, ...]:
    """Return every number of a line that differs between passes."""
    return tuple(
        number
        for value in _values(line)
        for number in [value.offset if isinstance(value, VersusOcv) else value]
        if isinstance(number, ByPass)
    )


def combinations(tables: Iterable[ByPass]) -> Iterator[dict[int, int]]:
    """Give every combination of the passes on which some numbers depend."""
    sizes = {block: size for table in tables for block, size in zip(table.blocks, table.shape, strict=True)}
    for passes in itertools.product(*(range(size) for size in sizes.values())):
        yield dict(zip(sizes, passes, strict=True))


def _versus_ocv(line: Line) -> bool:
    return any(isinstance(value, VersusOcv) for value in _values(line))


def _values(line: Line) -> tuple[object, ...]:
    compared = (term.value for end in line.ends for terms in end.condition.any_of for term in terms)
    return (*line.settings.values(), *compared)

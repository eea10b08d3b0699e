"""A step with the numbers of its pass put in: the envelope that holds in it and the checks of every row, in their order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from labctl.driver import Bounds, Capabilities
from labctl.engine.condition import Alternatives, Scope, Test, resolved
from labctl.engine.memory import Frame, Step, Window
from labctl.engine.state import State
from labctl.engine.work import Work
from labctl.plan.index import Index, index
from labctl.plan.program import holdable
from labctl.plan.step import Block, Condition, End, Line, Plan, Term
from labctl.sample import ZERO_CELSIUS

INFINITE: Final = float("inf")
OWN: Final = -1  # depth of an end of the line itself
LATE: Final = 3.0  # accuracies beyond a voltage or current at which an end of the instrument's is overdue


@dataclass(frozen=True, slots=True)
class Envelope:
    """Ranges in which every row must lie, V, A, degC, accuracy of the channel included, and C of net charge in the step.

    Outside the voltages is allowed only to a cell that was there when the step began and is driven back in.
    """

    voltage: tuple[float, float]
    current: tuple[float, float]
    temperature: tuple[float, float] | None
    charge: float
    accuracy: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Check:
    """An end to ask at every row.

    Attributes:
        depth: Index of the frame whose block it ends, `OWN` for the line.
        number: Index among the ends of that line or block.
        end: As the plan has it.
        alternatives: With its numbers.
        scope: Whose time and capacity it means.
    """

    depth: int
    number: int
    end: End
    alternatives: Alternatives
    scope: Scope


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a step asks of every row."""

    line: Line
    envelope: Envelope
    checks: tuple[Check, ...]
    windows: tuple[Window, ...]
    set_current: float | None  # A, of a galvanostatic step
    sees_shorts: bool


def code_of(depth: int, number: int) -> int:
    """Return the number by which a threshold of an instrument names an end: its index, or that of a block's budget."""
    return number if depth == OWN else 1000 * (depth + 1) + number


def place_of(code: int) -> tuple[int, int]:
    """Return depth and index of the end that a threshold names."""
    return (OWN, code) if code < 1000 else (code // 1000 - 1, code % 1000)


def blocks_of(frames: tuple[Frame, ...], found: Index) -> Iterator[tuple[int, Frame, Block]]:
    """Give depth, frame and block, outermost first."""
    for depth, frame in enumerate(frames):
        yield depth, frame, found.blocks[frame.block]


def ordered(frames: tuple[Frame, ...], line: Line, found: Index) -> Iterator[tuple[int, int, End]]:
    """Give every end in the order in which equal rows are asked: abort_if, stop_if, the line's own, budgets."""
    for kinds in ({"abort_if"}, {"stop_if"}):
        for depth, _, block in blocks_of(frames, found):
            yield from ((depth, number, end) for number, end in enumerate(block.ends) if end.kind in kinds)
    yield from ((OWN, number, end) for number, end in enumerate(line.ends))
    for depth, _, block in blocks_of(frames, found):
        yield from (
            (depth, number, end) for number, end in enumerate(block.ends) if end.kind not in {"abort_if", "stop_if"}
        )


def envelope_of(bounds: Bounds, accuracy: tuple[float, float], *, energised: bool) -> Envelope:
    """Return the envelope of a line; at open circuit no voltage is a breach."""
    volts, amperes = accuracy
    voltage, current = bounds.voltage, bounds.current
    kelvin = bounds.temperature
    return Envelope(
        (voltage[0] - volts, voltage[1] + volts) if voltage and energised else (-INFINITE, INFINITE),
        (current[0] - amperes, current[1] + amperes) if current else (-INFINITE, INFINITE),
        (kelvin[0] - ZERO_CELSIUS, kelvin[1] - ZERO_CELSIUS) if kelvin else None,
        INFINITE if bounds.charge is None else bounds.charge,
        accuracy,
    )


def prepare(plan: Plan, state: State | Work) -> Prepared:
    """Return what the open step asks of its rows, or with no step open the line to come."""
    step, found = state.step, index(plan)
    line = found.lines[step.line if step is not None else state.line] if (step or state.line) else _NOTHING
    running = step is not None and not step.probe and state.phase == "running"
    energised = line.energises and step is not None and not step.probe and (running or state.phase == "leaving")
    windows: list[Window] = []
    checks: tuple[Check, ...] = ()
    if step is not None and running:
        checks = tuple(_checks(plan, state, line, step, windows))
    current = _current(line, state) if running and line.mode == "Galvanostatic" else None
    return Prepared(
        line,
        envelope_of(line.bounds, plan.accuracy, energised=energised),
        checks,
        tuple(windows),
        current,
        sees_shorts=current is not None and plan.cell.kind in {"symmetric", "asymmetric"},
    )


_NOTHING: Final = Line(0, "rest", "Rest")


def _current(line: Line, state: State | Work) -> float | None:
    value = resolved(
        Condition("", ((Term("current", ">", line.settings["current"]),),)),  # type: ignore[arg-type]
        state.passes,
        state.ocv,
    )[0][0].value
    return value or None


def _checks(plan: Plan, state: State | Work, line: Line, step: Step, windows: list[Window]) -> Iterator[Check]:
    alone = sum(1 for each in state.held.lines if each) <= 1
    for depth, number, end in ordered(state.frames, line, index(plan)):
        alternatives = resolved(end.condition, state.passes, state.ocv, lambda term: _window(term, windows))
        frame = None if depth == OWN else state.frames[depth]
        block = None if frame is None else index(plan).blocks[frame.block]
        held = is_held(end, block, state.capabilities, alone=alone)
        scope = Scope(0.0, step.entry.charging_ah, step.entry.discharging_ah)
        if frame is not None:
            scope = Scope(frame.time, frame.entry.charging_ah, frame.entry.discharging_ah)
        yield Check(depth, number, end, _relaxed(alternatives, plan) if held else alternatives, scope)


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


def _window(term: Term, windows: list[Window]) -> int:
    for place, window in enumerate(windows):
        if (window.quantity, window.over) == (term.quantity, term.over):
            return place
    windows.append(Window(term.quantity, term.over))
    return len(windows) - 1


def _relaxed(alternatives: Alternatives, plan: Plan) -> Alternatives:
    return tuple(tuple(_overdue(test, plan) for test in tests) for tests in alternatives)


def _overdue(test: Test, plan: Plan) -> Test:
    """Return a test that is true only where the instrument should have ended the step by itself and did not."""
    side = 1.0 if test.above else -1.0
    match test.term.quantity:
        case "voltage":
            return replace(test, value=test.value + side * LATE * plan.accuracy[0], previous=True)
        case "current":
            return replace(test, value=test.value + side * LATE * plan.accuracy[1], previous=True)
        case "power":
            return replace(test, value=test.value * (1.0 + side * 0.05), previous=True)
    return replace(test, previous=True)


def prepared_of(plan: Plan, state: State | Work) -> Prepared:
    """Return what the state asks of rows, made once for a step."""
    cache = state._cache  # noqa: SLF001 - the engine's own
    if cache.prepared is None:
        cache.prepared = prepare(plan, state)
    return cache.prepared

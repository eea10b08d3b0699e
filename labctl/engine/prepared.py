"""A step with the numbers of its pass put in: the envelope that holds in it and the checks of every row, in their order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from labctl.driver import Bounds
from labctl.engine.condition import Alternatives, Scope, Test, resolved
from labctl.engine.memory import Step, Window
from labctl.engine.recipe import OWN, Recipe, facts
from labctl.engine.state import State
from labctl.engine.work import Work
from labctl.plan.program import settle
from labctl.plan.step import End, Line, Plan
from labctl.sample import ZERO_CELSIUS

INFINITE: Final = float("inf")
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
    looks_back: bool = False  # some test asks the row before too


def code_of(depth: int, number: int) -> int:
    """Return the number by which a threshold of an instrument names an end: its index, or that of a block's budget."""
    return number if depth == OWN else 1000 * (depth + 1) + number


def place_of(code: int) -> tuple[int, int]:
    """Return depth and index of the end that a threshold names."""
    return (OWN, code) if code < 1000 else (code // 1000 - 1, code % 1000)


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
    step = state.step
    number = step.line if step is not None else state.line
    if not number:
        return _AT_NO_LINE
    recipe = facts(plan).recipe(number, state.channel)
    line = recipe.line
    running = step is not None and not step.probe and state.phase == "running"
    energised = line.energises and step is not None and not step.probe and (running or state.phase == "leaving")
    checks: tuple[Check, ...] = ()
    if step is not None and running:
        checks = tuple(_checks(plan, state, recipe, step))
    current = _current(line, state) if running and line.mode == "Galvanostatic" else None
    return Prepared(
        line,
        envelope_of(line.bounds, plan.accuracy, energised=energised),
        checks,
        recipe.windows if running else (),
        current,
        sees_shorts=current is not None and plan.cell.kind in {"symmetric", "asymmetric"},
        looks_back=any(test.previous for check in checks for tests in check.alternatives for test in tests),
    )


_AT_NO_LINE: Final = Prepared(
    Line(0, "rest", "Rest"), envelope_of(Bounds(), (0.0, 0.0), energised=False), (), (), None, sees_shorts=False
)


def _current(line: Line, state: State | Work) -> float | None:
    value = line.settings["current"]
    if not isinstance(value, float):
        value = settle(value, state.passes, state.ocv)
    return float(value) or None  # type: ignore[arg-type]


def _checks(plan: Plan, state: State | Work, recipe: Recipe, step: Step) -> Iterator[Check]:
    alone = len(state.held.lines) <= 1
    own = Scope(0.0, step.entry.charging_ah, step.entry.discharging_ah)
    for asked in recipe.asked:
        scope = own
        if asked.depth != OWN:
            frame = state.frames[asked.depth]
            scope = Scope(frame.time, frame.entry.charging_ah, frame.entry.discharging_ah)
        alternatives = asked.fixed
        if alternatives is None:
            alternatives = resolved(asked.end.condition, state.passes, state.ocv, recipe.window_of)
        held = asked.alone if alone else asked.among
        yield Check(asked.depth, asked.number, asked.end, _relaxed(alternatives, plan) if held else alternatives, scope)


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

"""A step with the numbers of its pass put in: the envelope that holds in it and the checks of every row, in their order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from labctl.driver import Bounds
from labctl.engine.condition import Alternatives, Base, CountingScope, Test, resolved
from labctl.engine.line_rules import Recipe, facts
from labctl.engine.row_limits import RowLimits
from labctl.engine.set_point import SetPoint, set_point_of
from labctl.engine.state import State
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Blind, OpenStep, SumsAtBegin, Window, unseen_since
from labctl.plan.holding import OWN
from labctl.plan.program import settle
from labctl.plan.step import End, Line, Plan
from labctl.sample import ZERO_CELSIUS

BLOCK: Final = "block "
INFINITE: Final = float("inf")
LATE: Final = 3.0  # accuracies beyond a voltage or current at which an end of the instrument's is overdue


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
    scope: CountingScope


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a step asks of every row."""

    line: Line
    envelope: RowLimits
    checks: tuple[Check, ...]
    windows: tuple[Window, ...]
    set_current: float | None  # A, of a galvanostatic step
    sees_shorts: bool
    looks_back: bool = False  # some test asks the row before too
    own_side: int = 0  # 1 where an end of the step itself lies at a voltage above, -1 below, 0 without one
    against: float = 0.0  # 1 where current below zero runs against the verb of a held part, -1 above it, 0 elsewhere
    dwells: tuple[Test, ...] = ()  # comparisons that must last, each as if one row were enough
    counts_energy: bool = False
    set_point: SetPoint | None = None  # that every row of the step must show


def envelope_of(bounds: Bounds, accuracy: tuple[float, float], *, energised: bool) -> RowLimits:
    """Return the envelope of a line; at open circuit no voltage is a breach."""
    volts, amperes = accuracy
    voltage, current = bounds.voltage, bounds.current
    kelvin = bounds.temperature
    return RowLimits(
        (voltage[0] - volts, voltage[1] + volts) if voltage and energised else (-INFINITE, INFINITE),
        (current[0] - amperes, current[1] + amperes) if current else (-INFINITE, INFINITE),
        (kelvin[0] - ZERO_CELSIUS, kelvin[1] - ZERO_CELSIUS) if kelvin else None,
        INFINITE if bounds.charge is None else bounds.charge,
        accuracy,
    )


def prepare(plan: Plan, state: State | StateBuilder) -> Prepared:
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
        own_side=_own_side(line, checks) if any(line.overshoot) else 0,
        against=_against(recipe) if running and plan.edition > 1 else 0.0,
        dwells=_dwells(checks, len(recipe.dwells)),
        counts_energy=any(test.term.quantity == "energy" for test in _tests(checks)),
        set_point=set_point_of(plan, state, line) if running and energised else None,
    )


def _tests(checks: tuple[Check, ...]) -> Iterator[Test]:
    return (test for check in checks for tests in check.alternatives for test in tests)


def _dwells(checks: tuple[Check, ...], count: int) -> tuple[Test, ...]:
    """Return the comparisons that must last, in the order of their numbers, each as if one row were enough."""
    known = {test.dwell: replace(test, dwell=-1) for test in _tests(checks) if test.dwell >= 0}
    return tuple(known[number] for number in range(count)) if known else ()


SIDES: Final = {"charge": 1, "strip": 1, "discharge": -1, "plate": -1}


def _own_side(line: Line, checks: tuple[Check, ...]) -> int:
    """Return on which side an end of the step itself lies at a voltage in the direction of its verb."""
    side = SIDES.get(line.verb, 0)
    ends = (tests for check in checks if check.depth == OWN for tests in check.alternatives)
    voltages = (tests[0] for tests in ends if len(tests) == 1 and tests[0].term.quantity == "voltage")
    return side if any(not test.term.slope and test.above == (side > 0) for test in voltages) else 0


def _against(recipe: Recipe) -> float:
    """Return the sign of the verb whose voltage a line holds as its second part; 0 of any other line."""
    block = recipe.path[-1]
    first = block.children[0]
    if not block.fused or recipe.line.mode != "Potentiostatic" or not isinstance(first, Line):
        return 0.0
    return float(SIDES.get(first.verb, 0))


_AT_NO_LINE: Final = Prepared(
    Line(0, "rest", "Rest"), envelope_of(Bounds(), (0.0, 0.0), energised=False), (), (), None, sees_shorts=False
)


def _current(line: Line, state: State | StateBuilder) -> float | None:
    value = line.settings["current"]
    if not isinstance(value, float):
        value = settle(value, state.passes, state.ocv)
    return float(value) or None  # type: ignore[arg-type]


def _checks(plan: Plan, state: State | StateBuilder, recipe: Recipe, step: OpenStep) -> Iterator[Check]:
    alone = len(state.held.lines) <= 1
    own = scope_of(step.entry, state.blind)
    for asked in recipe.asked:
        scope = own
        if recipe.line.paced and step.resumed is not None:  # of the pass or the run, outages and all
            began = state.frames[-1].began if "every" in recipe.line.options else 0.0
            scope = replace(own, behind=step.resumed - step.spent - began)
        if asked.depth != OWN:
            frame = state.frames[asked.depth]
            scope = scope_of(frame.entry, state.blind, frame.time)
        alternatives = asked.fixed
        if alternatives is None:
            alternatives = placed(
                resolved(asked.end.condition, state.passes, state.ocv, recipe.window_of, recipe.dwell_of), state
            )
        by_itself = asked.alone if alone else asked.among
        yield Check(
            asked.depth, asked.number, asked.end, _relaxed(alternatives, plan) if by_itself else alternatives, scope
        )


def placed(alternatives: Alternatives, state: State | StateBuilder) -> Alternatives:
    """Return conditions with the places put in since which they count charge."""
    return tuple(
        tuple(replace(test, base=base_of(test, state)) if test.term.since else test for test in tests)
        for tests in alternatives
    )


def entry_since(test: Test, state: State | StateBuilder) -> SumsAtBegin | None:
    """Return the sums from which a test counts: at a mark, at the begin of the cycle or of a block; None before it."""
    since = test.term.since
    if since == "cycle":
        return state.cycle.entry
    if since.startswith(BLOCK):
        number = int(since.removeprefix(BLOCK))
        return next((frame.entry for frame in state.frames if frame.block == number), None)
    return state.marks.get(since)


def base_of(test: Test, state: State | StateBuilder) -> Base | None:
    """Return where the charge of a test is counted from; None before that."""
    entry = entry_since(test, state)
    return None if entry is None else Base(entry.charging_ah, entry.discharging_ah, unseen_since(entry, state.blind))


def scope_of(entry: SumsAtBegin, blind: Blind, behind: float = 0.0) -> CountingScope:
    """Return whose time and capacity is meant: of what began with these sums."""
    unseen = unseen_since(entry, blind)
    return CountingScope(
        behind, entry.charging_ah, entry.discharging_ah, unseen, entry.charging_wh or 0.0, entry.discharging_wh or 0.0
    )


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


def prepared_of(plan: Plan, state: State | StateBuilder) -> Prepared:
    """Return what the state asks of rows, made once for a step."""
    cache = state._cache  # noqa: SLF001 - the engine's own
    if cache.prepared is None:
        cache.prepared = prepare(plan, state)
    prepared: Prepared = cache.prepared
    return prepared

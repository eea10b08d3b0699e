"""The watch: a box around the last row. Rows strictly inside give no command and no event.

The meter compares every channel with its box at every tick; a row outside is folded at once, the others when they are flushed.
So a box may be smaller than it need be, which costs a fold, and never larger.
"""

from dataclasses import dataclass
from typing import Final

from labctl.engine.condition import SHORTS, Scope, Test
from labctl.engine.envelope import MARGIN, SIZE, leak_of
from labctl.engine.prepared import Check, Prepared, prepared_of
from labctl.engine.prompting import soak_due, timeout_of
from labctl.engine.results import is_result, result_truth, short_truth
from labctl.engine.short import HOLD
from labctl.engine.state import State
from labctl.engine.window import next_row
from labctl.plan.step import Plan

FAR: Final = 1e12  # as far as anything believable is
EARLY: Final = 1e-6  # s before a deadline: rounding
SHARE: Final = 1e-9  # of a charge: rounding

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """Open ranges in V, A, degC, Ah (run counters), and the run time in s before which a row must lie."""

    voltage: Range = (-FAR, FAR)
    current: Range = (-FAR, FAR)
    temperature: Range = (-FAR, FAR)
    charging_ah: Range = (-FAR, FAR)
    discharging_ah: Range = (-FAR, FAR)
    deadline: float = FAR


NOTHING: Final = Box(voltage=(FAR, -FAR), deadline=-FAR)
"""Every row is outside."""


class _Shrinking:
    """A box in the making: every bound only ever tightens it."""

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = dict.fromkeys(
            ("voltage", "current", "temperature", "charging_ah", "discharging_ah"), (-FAR, FAR)
        )
        self.deadline = FAR

    def within(self, name: str, low: float, high: float) -> None:
        """Keep a quantity between two values."""
        before = self.ranges[name]
        self.ranges[name] = (max(before[0], low), min(before[1], high))

    def until(self, time: float) -> None:
        """Keep rows before a run time."""
        self.deadline = min(self.deadline, time - EARLY)

    def box(self) -> Box:
        """Return the box."""
        return Box(**self.ranges, deadline=self.deadline)


def watch(plan: Plan, state: State) -> Box:
    """Return the box of a state, made once for it."""
    cache = state._cache  # noqa: SLF001 - the engine's own
    if cache.box is None:
        cache.box = _watch(plan, state)
    return cache.box


def _watch(plan: Plan, state: State) -> Box:
    shrinking = _Shrinking()
    if state.phase == "ended":
        return shrinking.box()
    prepared = prepared_of(plan, state)
    _envelope(shrinking, prepared, state)
    if state.phase != "running" or state.step is None:
        return shrinking.box()
    if state.step.probe:
        return NOTHING
    _waits(shrinking, prepared, state)
    for check in prepared.checks:
        if not all(any(_guard(shrinking, check, test, state, prepared) for test in _best(tests))
                   for tests in check.alternatives):  # fmt: skip
            return NOTHING
    return shrinking.box()


def _envelope(shrinking: _Shrinking, prepared: Prepared, state: State) -> None:
    envelope = prepared.envelope
    shrinking.within("voltage", *envelope.voltage)
    shrinking.within("current", *envelope.current)
    if envelope.temperature is not None:
        shrinking.within("temperature", *envelope.temperature)
    wanted, margin = prepared.set_current, MARGIN * envelope.accuracy[1]
    if state.phase == "running" and wanted is not None:
        size = abs(wanted)
        backward, forward = -margin - (SIZE - 1.0) * size, SIZE * size + margin
        shrinking.within("current", *((backward, forward) if wanted > 0.0 else (-forward, -backward)))
    elif state.phase in {"asking", "paused"} or (state.phase == "running" and not prepared.line.energises):
        leak = leak_of(prepared)
        shrinking.within("current", -leak, leak)
    if state.step is not None:
        entry = state.step.entry
        _charge(shrinking, state, Scope(0.0, entry.charging_ah, entry.discharging_ah), envelope.charge)


def _charge(shrinking: _Shrinking, state: State, scope: Scope, most: float) -> None:
    """Keep the net charge since somewhere below so many coulombs: counters never fall, so each alone must not reach it."""
    if most >= FAR:
        return
    last = state.last
    net = ((last.charging_ah - scope.charging_ah) - (last.discharging_ah - scope.discharging_ah)) * 3600.0
    most *= 1.0 - SHARE
    shrinking.within("charging_ah", -FAR, last.charging_ah + (most - net) / 3600.0)
    shrinking.within("discharging_ah", -FAR, last.discharging_ah + (most + net) / 3600.0)


def _waits(shrinking: _Shrinking, prepared: Prepared, state: State) -> None:
    """Keep rows before the next time at which time itself decides."""
    step = state.step
    if step is None or step.resumed is None:
        return
    limit = timeout_of(prepared.line, state.passes)
    if limit is not None:
        shrinking.until(step.resumed + (limit - step.spent))
    due = soak_due(state, prepared.line)
    if due is not None:
        shrinking.until(due)
    for window in state.windows or prepared.windows:
        shrinking.until(next_row(window, state.window_since))
    if prepared.sees_shorts:
        since = [time for time in (state.short.soft_since, state.short.hard_since) if time is not None]
        seen = state.last.row_time if state.last.row_time is not None else step.resumed
        shrinking.until(min([*since, seen]) + HOLD)


def _best(tests: tuple[Test, ...]) -> list[Test]:
    """Return the tests of a conjunction, those first that cost no fold while they are false."""
    order = {"time": 2, "voltage": 3, "temperature": 3, "capacity": 3, "current": 4, "power": 6}
    return sorted(tests, key=lambda test: 5 if test.term.slope else order.get(test.term.quantity, 1))


def _guard(shrinking: _Shrinking, check: Check, test: Test, state: State, prepared: Prepared) -> bool:
    """Shrink the box so that no row in it meets a test; tell whether that is possible."""
    term = test.term
    if is_result(test):
        return not result_truth(test, state, check.depth, state.cycle.count)
    if term.quantity in SHORTS:
        return not short_truth(state, term.quantity, check.depth)
    if term.slope:
        since = state.window_since
        window = (state.windows or prepared.windows)[test.window]
        shrinking.until(max(since + term.over, next_row(window, since)))
        return True
    return _guard_rows(shrinking, check, test, state, prepared)


def _guard_rows(shrinking: _Shrinking, check: Check, test: Test, state: State, prepared: Prepared) -> bool:
    """Do it for what rows measure."""
    match test.term.quantity:
        case "time":
            return _before(shrinking, check, test, state)
        case "capacity":
            if test.above:
                _charge(shrinking, state, check.scope, test.value)
            return test.above
        case "voltage":
            return _beside(shrinking, "voltage", test, test.term.absolute, state.last.voltage)
        case "temperature":
            return _beside(shrinking, "temperature", test, test.term.absolute, state.last.temperature)
        case "current":
            return _beside(shrinking, "current", test, True, prepared.set_current or state.last.current)
    return _power(shrinking, test, prepared)


def _before(shrinking: _Shrinking, check: Check, test: Test, state: State) -> bool:
    step = state.step
    if not test.above or step is None or step.resumed is None:
        return False
    shrinking.until(step.resumed + (test.value - check.scope.behind - step.spent))
    return True


def _beside(shrinking: _Shrinking, name: str, test: Test, magnitude: bool, last: float | None) -> bool:
    """Keep a quantity where a comparison with it is false: below, above, or on the side of zero where it is."""
    value = test.value
    if test.above:
        shrinking.within(name, -value if magnitude else -FAR, value)
    elif not magnitude or (last or 0.0) >= 0.0:
        shrinking.within(name, value, FAR)
    else:
        shrinking.within(name, -FAR, -value)
    return True


def _power(shrinking: _Shrinking, test: Test, prepared: Prepared) -> bool:
    low, high = prepared.envelope.voltage
    most = max(abs(low), abs(high))
    if not test.above or not 0.0 < most < FAR:
        return False
    shrinking.within("current", -test.value / most, test.value / most)
    return True

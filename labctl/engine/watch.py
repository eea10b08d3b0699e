"""The watch: a box around the last row. Rows strictly inside give no command and no event.

The meter compares every channel with its box at every tick; a row outside is folded at once, the others when they are flushed.
So a box may be smaller than it need be, which costs a fold, and never larger.
"""

from dataclasses import dataclass
from typing import Final

from labctl.engine.condition import SHORTS, CountingScope, Test, since
from labctl.engine.envelope import MARGIN, SIZE, leak_of
from labctl.engine.external import soak_due, timeout_of
from labctl.engine.result_conditions import is_result, result_truth, short_truth
from labctl.engine.row_quality import BELIEVABLE
from labctl.engine.set_point import held_range
from labctl.engine.short import HOLD
from labctl.engine.slope import next_row
from labctl.engine.state import State
from labctl.engine.step_rules import Check, Prepared, prepared_of, scope_of
from labctl.plan.step import Plan

FAR: Final = BELIEVABLE
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
    box: Box = cache.box
    return box


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
    if state.phase == "running" and prepared.set_point is not None:
        shrinking.within(*held_range(prepared.set_point, envelope))
    elif state.phase == "running" and wanted is not None:
        size = abs(wanted)
        backward, forward = -margin - (SIZE - 1.0) * size, SIZE * size + margin
        shrinking.within("current", *((backward, forward) if wanted > 0.0 else (-forward, -backward)))
    elif state.phase == "running" and prepared.against and state.step is not None and not state.step.reversed:
        side = prepared.against
        shrinking.within("current", *((-margin, FAR) if side > 0.0 else (-FAR, margin)))
    elif state.phase in {"asking", "paused"} or (state.phase == "running" and not prepared.line.energises):
        leak = leak_of(prepared)
        shrinking.within("current", -leak, leak)
    if state.step is not None:
        _charge(shrinking, state, scope_of(state.step.entry, state.blind), envelope.charge)


def _charge(shrinking: _Shrinking, state: State, scope: CountingScope, most: float) -> None:
    """Bound the net charge since an origin to less than so many coulombs: counters never fall, so neither may reach it alone."""
    if most >= FAR:
        return
    last = state.last
    net = ((last.charging_ah - scope.charging_ah) - (last.discharging_ah - scope.discharging_ah)) * 3600.0
    most = most * (1.0 - SHARE) - scope.unseen
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
    order = {
        "time": 2,
        "voltage": 3,
        "temperature": 3,
        "capacity": 3,
        "charged": 3,
        "discharged": 3,
        "net": 3,
        "current": 4,
        "power": 6,
    }
    return sorted(tests, key=lambda test: 5 if test.term.slope else order.get(test.term.quantity, 1))


def _guard(shrinking: _Shrinking, check: Check, test: Test, state: State, prepared: Prepared) -> bool:
    """Shrink the box so that no row in it meets a test; tell whether that is possible."""
    term = test.term
    if is_result(test):
        return not result_truth(test, state, check.depth, state.cycle.counted)
    if term.quantity in SHORTS:
        return not short_truth(state, term.quantity, check.depth)
    if test.dwell >= 0:
        since_when = state.dwells[test.dwell] if state.dwells else None
        if since_when is not None:
            shrinking.until(since_when + term.dwell)
            return True
    if term.slope:
        since = state.window_since
        window = (state.windows or prepared.windows)[test.window]
        shrinking.until(max(since + term.over, next_row(window, since)))
        return True
    return _guard_rows(shrinking, check, test, state, prepared)


def _guard_rows(shrinking: _Shrinking, check: Check, test: Test, state: State, prepared: Prepared) -> bool:
    """Shrink the box for a test of a measured quantity; tell whether that is possible."""
    match test.term.quantity:
        case "time":
            return _before(shrinking, check, test, state)
        case "capacity":
            if test.above:
                _charge(shrinking, state, check.scope, test.value)
            return test.above
        case "energy":
            return _energy(shrinking, check, test, state, prepared)
        case "charged" | "discharged" | "net":
            return _since(shrinking, test, state)
        case "voltage":
            return _beside(shrinking, "voltage", test, test.term.absolute, state.last.voltage)
        case "temperature":
            return _beside(shrinking, "temperature", test, test.term.absolute, state.last.temperature)
        case "current":
            return _beside(shrinking, "current", test, True, prepared.set_current or state.last.current)
    return _power(shrinking, test, prepared)


def _since(shrinking: _Shrinking, test: Test, state: State) -> bool:
    """Keep the charge since a place short of a value: counters never fall, so each alone must not bring it there."""
    last = state.last
    now = since(test, last.charging_ah, last.discharging_ah)
    if now is None:
        return True
    left = (test.value - now) if test.above else (now - test.value)
    left = (left - SHARE * max(abs(test.value), abs(now))) / 3600.0
    if test.term.quantity != "net" and not test.above:
        return False
    charges = (test.term.quantity == "charged") or (test.term.quantity == "net" and test.above)
    name, counter = ("charging_ah", last.charging_ah) if charges else ("discharging_ah", last.discharging_ah)
    shrinking.within(name, -FAR, counter + left)
    return True


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


def _energy(shrinking: _Shrinking, check: Check, test: Test, state: State, prepared: Prepared) -> bool:
    """Keep the charge in each direction below what would bring an energy to its value at the highest voltage allowed."""
    low, high = prepared.envelope.voltage
    most = max(abs(low), abs(high))
    if not test.above or not 0.0 < most < FAR:
        return False
    last, scope = state.last, check.scope
    net = ((last.charging_wh - scope.charging_wh) - (last.discharging_wh - scope.discharging_wh)) * 3600.0
    left = (test.value * (1.0 - SHARE) - abs(net)) / most / 3600.0
    shrinking.within("charging_ah", -FAR, last.charging_ah + left)
    shrinking.within("discharging_ah", -FAR, last.discharging_ah + left)
    return True


def _power(shrinking: _Shrinking, test: Test, prepared: Prepared) -> bool:
    low, high = prepared.envelope.voltage
    most = max(abs(low), abs(high))
    if not test.above or not 0.0 < most < FAR:
        return False
    shrinking.within("current", -test.value / most, test.value / most)
    return True

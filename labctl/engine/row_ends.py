"""Which row is the first at which an end of the step is met, and when the value was crossed."""

from dataclasses import replace
from typing import Final

import numpy as np

from labctl.engine.condition import SHORTS, RowView, Test, Truth, measured, truth
from labctl.engine.result_conditions import is_result, result_truth, short_truth, view_of_last
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Ending
from labctl.engine.step_rules import Check, Prepared
from labctl.plan.holding import OWN

NEVER: Final[Truth] = np.zeros(1, bool)


def first_end(builder: StateBuilder, prepared: Prepared, view: RowView, limit: int) -> tuple[int, Check | None]:
    """Return the first row before `limit` at which an end is met, and the first of those in their order."""
    best, which = limit, None
    for check in prepared.checks:
        flags = _met(builder, check, view)
        place = int(flags.argmax())
        if not flags[place]:
            continue
        if place < best:
            best, which = place, check
    return best, which


def _met(builder: StateBuilder, check: Check, view: RowView) -> Truth:
    """Return for each row whether an end is met."""
    met: Truth | None = None
    for tests in check.alternatives:
        flags = _all(builder, check, tests, view)
        if flags is False:
            continue
        known = np.ones(len(view.time), bool) if flags is True else flags
        met = known if met is None else met | known
    return NEVER if met is None else met


def _all(builder: StateBuilder, check: Check, tests: tuple[Test, ...], view: RowView) -> Truth | bool:
    flags: Truth | bool = True
    for test in tests:
        one = _truth(builder, check, test, view)
        if one is False:
            return False
        if one is not True:
            flags = one if flags is True else flags & one
    return flags


def _truth(builder: StateBuilder, check: Check, test: Test, view: RowView) -> Truth | bool:
    if is_result(test):
        return result_truth(test, builder, check.depth, builder.cycle.counted)
    if test.term.quantity in SHORTS and short_truth(builder, test.term.quantity, check.depth):
        return True
    return truth(test, view, check.scope)


def ending_at(builder: StateBuilder, check: Check, view: RowView) -> Ending:
    """Return how the last row of a view ends the step, and when its end was crossed, if one comparison tells."""
    time = float(view.time[-1])
    end = check.end
    reason: str = end.kind
    if check.depth != OWN and end.kind not in {"stop_if", "abort_if"}:
        whole = builder.block(builder.frames[check.depth]).fused or end.kind == "until"  # of a profile that is repeated
        reason = end.kind if whole else "block"
    ending = Ending(reason, end.condition.text, time)
    single = len(check.alternatives) == 1 and len(check.alternatives[0]) == 1
    test = check.alternatives[0][0]
    if not single or is_result(test) or test.term.quantity in SHORTS or test.term.slope:
        return ending
    now = measured(test, view, check.scope)
    if now is None:
        return ending
    crossed = _crossed(builder, test, view, check)
    own = check.depth == OWN or test.term.quantity not in {"time", "capacity"}
    own = own and not builder.step_line.paced  # that time is the pass's
    value = test.value if own and not test.previous else None
    return replace(ending, quantity=test.term.quantity, above=test.above, value=value, crossed=crossed)


def _crossed(builder: StateBuilder, test: Test, view: RowView, check: Check) -> float | None:
    """Return when the value was crossed on the line between the last two rows, run time in s."""
    earlier = view if len(view.time) > 1 else row_before(builder)
    if earlier is None:
        return None
    place = -2 if earlier is view else -1
    column, after = measured(test, earlier, check.scope), measured(test, view, check.scope)
    if column is None or after is None:
        return None
    now, before = float(after[-1]), float(column[place])
    begin, end = float(earlier.time[place]), float(view.time[-1])
    if now == before:
        return end
    part = (test.value - before) / (now - before)
    return begin + min(max(part, 0.0), 1.0) * (end - begin)


def row_before(builder: StateBuilder) -> RowView | None:
    """Return the last good row of the open step as rows, or None before one."""
    return (
        view_of_last(builder, builder.last)
        if builder.step is not None and builder.step.first_voltage is not None
        else None
    )

"""Outages: nobody was reading, and perhaps nothing was done."""

from dataclasses import replace

import numpy as np

from labctl.engine.condition import CountingScope, RowView, Test, resolved, truth_at
from labctl.engine.cycle import entry_of
from labctl.engine.ending import end_by
from labctl.engine.input import Gap
from labctl.engine.next_step import ask
from labctl.engine.order import again, check_again, hold_safe, stop
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Bad, Ending, SumsAtBegin
from labctl.engine.step_rules import scope_of
from labctl.engine.sums import held_until
from labctl.engine.unseen import SECONDS_PER_HOUR, at_open_circuit, count_unseen
from labctl.plan.holding import OWN
from labctl.plan.step import End

BUDGETS = frozenset({"time", "capacity"})


def take_gap(builder: StateBuilder, gap: Gap) -> None:
    """Go on after an outage as `on_interruption` says; where the instrument went on by itself, so does the step.

    The step's time stands still once the output was off for sure, its budget is what is left if all that may have passed
    has, and windows are cleared.
    """
    begin = max(gap.begin, builder.time)
    done = _done_unseen(builder, gap)
    unseen = count_unseen(builder, gap)
    if gap.attempt_goes_on or builder.phase not in {"running", "leaving"}:
        builder.last = held_until(builder.last, gap.end, gap.charging_ah, gap.discharging_ah)
        _say(builder, gap, unseen)
        _forget(builder)
        if gap.ask and builder.phase == "running":
            ask(builder, "interruption", gap.why)
        return
    if builder.step is not None and (builder.leaving is None or builder.leaving.ending is None):
        line = builder.step_line
        builder.last = builder.last.at(begin if gap.on_until is None else max(begin, gap.on_until))
        hold_safe(builder)
        if line.mode == "Spectrum" and builder.step is not None:
            builder.step = replace(builder.step, spent=0.0)  # a spectrum starts again
    else:
        hold_safe(builder)
    if done and builder.step is not None:
        builder.step = replace(builder.step, spent=builder.step.spent + done)
    builder.last = builder.last.at(gap.end)
    _say(builder, gap, unseen)
    _forget(builder)
    check_again(builder)
    _go_on(builder, gap)


def take_unmeasured(builder: StateBuilder, why: str) -> None:
    """Take the time since the last good row, in which rows came that cannot be believed, as time in which nobody was reading.

    The last current is counted until now, as a meter does that then sees the output go off; how far that may be wrong is in the
    interval.
    """
    last, now, step = builder.last, builder.time, builder.step
    begin = max(last.row_time or 0.0, 0.0 if step is None or step.resumed is None else step.resumed)
    current = 0.0 if at_open_circuit(builder.plan, builder) else last.current or 0.0
    passed = current * max(now - begin, 0.0) / SECONDS_PER_HOUR
    charging, discharging = last.charging_ah + max(passed, 0.0), last.discharging_ah + max(-passed, 0.0)
    builder.last = replace(last, time=min(begin, now))
    take_gap(builder, Gap(begin, now, why, attempt_goes_on=True, on_until=now,
                          charging_ah=charging, discharging_ah=discharging))  # fmt: skip


def _done_unseen(builder: StateBuilder, gap: Gap) -> float:
    """Return how long a step may have been done that was to go on: its command was out and not confirmed, s."""
    leaving, step = builder.leaving, builder.suspended or builder.step
    if gap.on_until is None or builder.phase != "leaving" or leaving is None or leaving.probe or not leaving.goes_on:
        return 0.0
    standing = step is not None and step.resumed is None and builder.plan_line.mode != "Spectrum"
    return max(gap.on_until - builder.time, 0.0) if standing else 0.0


def _go_on(builder: StateBuilder, gap: Gap) -> None:
    policy = builder.plan.interruption
    length = f"an outage of {gap.end - gap.begin:.0f} s: {gap.why}"
    if gap.ask:
        ask(builder, "interruption", gap.why)
    elif gap.end - gap.begin <= policy.continue_within:
        _continue(builder)
    elif policy.otherwise == "ask":
        ask(builder, "interruption", length)
    else:
        stop(builder, "aborted", length)


def _continue(builder: StateBuilder) -> None:
    """Go on with the step, unless its budget, or that of a block around it, may be used up.

    It is not energised again for the one row that would show it: outage after outage, that row would pass every budget.
    """
    spent = _spent_end(builder)
    if spent is None:
        again(builder)
    elif builder.step is None:
        ask(builder, "interruption", f"the step may have been done while nobody was reading: {spent[1].condition.text}")
    else:
        depth, end = spent
        own = depth == OWN or builder.block(builder.frames[depth]).fused or end.kind in {"stop_if", "abort_if", "until"}
        ending = Ending(end.kind if own else "block", end.condition.text, builder.time)
        end_by(builder, (depth, end), ending, met=False)


def _spent_end(builder: StateBuilder) -> tuple[int, End] | None:
    """Return the first end of time or charge that is met if all that may have passed has, and its depth."""
    line, step, last = builder.line if builder.step is None else builder.step.line, builder.step, builder.last
    if not line or builder.index.lines[line].mode == "Spectrum" or (step is not None and step.probe):
        return None
    spent = builder.blind.next_second if step is None else step.spent
    entry = step.entry if step is not None else _entry_before(builder)
    columns = (last.time, spent, last.voltage or 0.0, last.current or 0.0, last.charging_ah, last.discharging_ah)
    time, step_time, voltage, current, charging, discharging = (np.array([value]) for value in columns)
    view = RowView(time, step_time, voltage, current, charging, discharging, None)
    for asked in builder.facts.recipe(line, builder.channel).asked:
        scope = scope_of(entry, builder.blind)
        if asked.depth != OWN:
            frame = builder.frames[asked.depth]
            scope = scope_of(frame.entry, builder.blind, frame.time)
        if _is_spent(builder, asked.end, scope, view):
            return asked.depth, asked.end
    return None


def _entry_before(builder: StateBuilder) -> SumsAtBegin:
    """Return where the step that comes next may have begun while nobody was reading."""
    entry = entry_of(builder.last, builder.time, builder.blind)
    return replace(entry, blind_high_ah=builder.blind.high_ah - builder.blind.next_ah)


def _is_spent(builder: StateBuilder, end: End, scope: CountingScope, view: RowView) -> bool:
    """Tell whether an end of time or charge alone is met, at most."""

    def met(test: Test) -> bool:
        plain = test.term.quantity in BUDGETS and not test.term.slope and test.above
        return plain and truth_at(test, view, scope)

    if not all(term.quantity in BUDGETS for terms in end.condition.any_of for term in terms):
        return False
    return any(all(met(test) for test in tests) for tests in resolved(end.condition, builder.passes, builder.ocv))


def _say(builder: StateBuilder, gap: Gap, unseen: tuple[float, float]) -> None:
    more: dict[str, object] = {}
    if gap.on_until is not None:
        low, high = unseen
        more = {"on_until": gap.on_until, "blind_charge_low_ah": low, "blind_charge_high_ah": high}
    builder.say("gap", begin=gap.begin, end=gap.end, why=gap.why, attempt_goes_on=gap.attempt_goes_on, **more)


def _forget(builder: StateBuilder) -> None:
    """Forget what spans the outage: no slope and no waiting time does."""
    builder.windows, builder.window_since, builder.dwell, builder.bad = (), builder.time, None, Bad()
    builder.short = replace(builder.short, soft_since=None, hard_since=None)
    builder.renew()

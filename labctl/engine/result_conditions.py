"""Conditions of results, and any condition asked once: of the last row and the results so far."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from labctl.engine.condition import PLAIN, ROWS, SHORTS, CountingScope, RowView, Test, resolved, since, truth
from labctl.engine.cycle import reference_at, same_current, spread, value_of
from labctl.engine.cycle_parts import CycleCounts, Figures, Tally
from labctl.engine.state import State
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import LastRow
from labctl.engine.step_rules import entry_since, placed
from labctl.plan.step import Condition, Term

CAPACITIES: Final = frozenset({"charge_capacity", "discharge_capacity", "retention", "coulombic_efficiency"})
"""Results that count charge."""


def cycle_key(number: int) -> str:
    """Return the name under which the capacity of a cycle is kept as a reference."""
    return f"cycle {number}"


def current_key(number: int) -> str:
    """Return the name under which the current of such a cycle is kept, A."""
    return f"cycle {number} at"


def is_result(test: Test) -> bool:
    """Tell whether a test is of a result, which no row changes."""
    return test.term.quantity not in ROWS and test.term.quantity not in SHORTS


def result_truth(test: Test, state: StateBuilder | State, depth: int, numbers: CycleCounts) -> bool:
    """Return whether a result meets a test.

    Args:
        test: Of a result.
        state: With its frames.
        depth: Of the block that asks.
        numbers: Of the cycles begun and completed.
    """
    term = test.term
    if term.quantity in state.results:
        return PLAIN[term.comparison](state.results[term.quantity], test.value)
    if term.kind:
        return _of_completed(test, state, depth, numbers)
    if term.quantity == "cycle":
        return PLAIN[term.comparison](float(numbers.begun), test.value)
    tally = state.frames[max(depth, 0)].tally if state.frames else None
    if tally is None or not tally.last:
        return False
    needed = 1 if tally.last[-1].kind == "check" else max(term.cycles, 1)
    if len(tally.last) < needed:
        return False
    references = {None: tally.first, "max": tally.most}
    reference = (
        state.references.get(cycle_key(term.reference))
        if isinstance(term.reference, int)
        else references[term.reference]
    )
    return all(_meets(figures, term, test.value, reference) for figures in tally.last[-needed:])


def _of_completed(test: Test, state: StateBuilder | State, depth: int, numbers: CycleCounts) -> bool:
    """Return whether a result of completed cycles meets a test, by the rules of the second edition."""
    term, tally = test.term, (state.frames[max(depth, 0)].tally if state.frames else None) or Tally()
    if term.quantity == "every":
        return tally.count > 0 and tally.count % round(test.value) == 0
    if term.quantity == "cycle":
        number = numbers.completed if term.kind == "run" else tally.count + (tally.checks or Tally()).count
        return number in term.members if term.members else PLAIN[term.comparison](float(number), test.value)
    which = (tally.checks or Tally()) if term.kind == "check" else tally
    width = max(term.among, 1)
    windows = [which.last[end - width : end] for end in range(width, len(which.last) + 1)][-term.cycles :]
    values = [_figure(window, term, (state, which)) for window in windows]
    return len(values) == term.cycles and all(
        value is not None and PLAIN[term.comparison](value, test.value) for value in values
    )


def _reference(figures: Figures, term: Term, state: StateBuilder | State, tally: Tally) -> float | None:
    """Return the capacity, C, that a cycle is measured against: like with like, that of a cycle at its own current."""
    if not isinstance(term.reference, int):
        return reference_at(tally.alike, figures.current, term.reference)
    known = state.references
    alike = same_current(known.get(current_key(term.reference)), figures.current)
    return known.get(cycle_key(term.reference)) if alike else None


def _figure(cycles: Sequence[Figures], term: Term, asked: tuple[StateBuilder | State, Tally]) -> float | None:
    """Return what a term asks of some cycles; None where one of them has not that result."""
    values = [
        value
        for figures in cycles
        if (value := value_of(figures, term.quantity, _reference(figures, term, *asked))) is not None
    ]
    if len(values) < len(cycles):
        return None
    if term.figure == "spread":
        return spread(values)
    return values[-1] - values[0] if term.figure == "change" else values[-1]


def _meets(figures: Figures, term: Term, limit: float, reference: float | None) -> bool:
    value = value_of(figures, term.quantity, reference)
    return value is not None and PLAIN[term.comparison](value, limit)


def short_truth(state: StateBuilder | State, name: str, depth: int) -> bool:
    """Return whether a short was found since the block that asks began; a short is a soft one too."""
    since = state.frames[max(depth, 0)].entry.time if state.frames else 0.0
    verdicts = (state.short.hard,) if name == "short" else (state.short.soft, state.short.hard)
    return any(time is not None and time > since for time in verdicts)


def holds(builder: StateBuilder, condition: Condition, depth: int, numbers: CycleCounts) -> bool:
    """Return whether a condition is true now: of the last row in the block at this depth, and of its results."""
    frame = builder.frames[max(depth, 0)]
    view = view_of_last(builder, builder.last) if builder.last.record >= frame.entry.first_record else None
    scope = CountingScope(frame.time, frame.entry.charging_ah, frame.entry.discharging_ah)
    return any(
        all(_true(test, builder, view, scope, (depth, numbers)) for test in tests)
        for tests in placed(resolved(condition, builder.passes, builder.ocv), builder)
    )


def unsure(builder: StateBuilder, condition: Condition, depth: int, numbers: CycleCounts) -> bool:
    """Tell whether a condition is true for some of the charge that may have passed unseen, and false for other."""
    if not (builder.blind.high_ah or builder.blind.low_ah):
        return False
    frame = builder.frames[max(depth, 0)]
    view = view_of_last(builder, builder.last) if builder.last.record >= frame.entry.first_record else None
    scope = CountingScope(frame.time, frame.entry.charging_ah, frame.entry.discharging_ah)
    known = [
        [_verdicts(test, builder, view, scope, (depth, numbers)) for test in tests]
        for tests in placed(resolved(condition, builder.passes, builder.ocv), builder)
    ]
    return any(all(True in one for one in tests) for tests in known) and not any(
        all(False not in one for one in tests) for tests in known
    )


def _verdicts(
    test: Test, builder: StateBuilder, view: RowView | None, scope: CountingScope, asker: tuple[int, CycleCounts]
) -> frozenset[bool]:
    """Return what a test may be, whatever passed unseen."""
    plain = _true(test, builder, view, scope, asker)
    if test.base is not None:
        low, high = unseen_of(test, builder)
        ends = (low, high) if test.term.quantity != "net" else (-high, high)
        count = since(
            replace(test, base=replace(test.base, unseen=0.0)), builder.last.charging_ah, builder.last.discharging_ah
        )
        return frozenset(PLAIN[test.term.comparison](count + end, test.value) for end in ends)
    term, depth = test.term, asker[0]
    tally = (builder.frames[max(depth, 0)].tally if builder.frames else None) or Tally()
    cycles = ((tally.checks or Tally()) if term.kind == "check" else tally).last[
        -max(term.among, 1) - term.cycles + 1 :
    ]
    if term.quantity not in CAPACITIES or not any(figures.unseen for figures in cycles):
        return frozenset({plain})
    if term.figure or term.quantity == "coulombic_efficiency":
        return frozenset({True, False})
    more = [replace(one, charge=one.charge + one.unseen, discharge=one.discharge + one.unseen,
                    counted=None if one.counted is None else one.counted + one.unseen) for one in cycles]  # fmt: skip
    values = [value_of(one, term.quantity, _reference(one, term, builder, tally)) for one in more]
    return frozenset({plain, all(value is not None and PLAIN[term.comparison](value, test.value) for value in values)})


def unseen_of(test: Test, builder: StateBuilder) -> tuple[float, float]:
    """Return the least and the most charge, C, that passed beyond the counters since the place from which a test counts."""
    entry = entry_since(test, builder)
    if entry is None:
        return 0.0, 0.0
    return 3600.0 * (builder.blind.low_ah - entry.blind_low_ah), 3600.0 * (builder.blind.high_ah - entry.blind_high_ah)


def _true(
    test: Test, builder: StateBuilder, view: RowView | None, scope: CountingScope, asker: tuple[int, CycleCounts]
) -> bool:
    depth, numbers = asker
    if is_result(test):
        return result_truth(test, builder, depth, numbers)
    if test.term.quantity in SHORTS:
        return short_truth(builder, test.term.quantity, depth)
    return view is not None and bool(np.all(truth(test, view, scope)))


def view_of_last(state: StateBuilder | State, last: LastRow) -> RowView | None:
    """Return the last good row as rows, or None before one."""
    if last.row_time is None or last.voltage is None or last.current is None:
        return None
    return RowView(
        np.array([last.row_time]),
        np.array([state.step_time(last.row_time)]),
        np.array([last.voltage]),
        np.array([last.current]),
        np.array([last.charging_ah]),
        np.array([last.discharging_ah]),
        None if last.temperature is None else np.array([last.temperature]),
        energy=(np.array([last.charging_wh]), np.array([last.discharging_wh])),
    )

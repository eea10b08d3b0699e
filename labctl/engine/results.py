"""Conditions of results, and any condition asked once: of the last row and the results so far."""

import numpy as np

from labctl.engine.condition import PLAIN, ROWS, SHORTS, Scope, Test, View, resolved, truth
from labctl.engine.cycle import value_of
from labctl.engine.memory import Figures, Last
from labctl.engine.state import State
from labctl.engine.work import Work
from labctl.plan.step import Condition, Term


def cycle_key(number: int) -> str:
    """Return the name under which the capacity of a cycle is kept as a reference."""
    return f"cycle {number}"


def is_result(test: Test) -> bool:
    """Tell whether a test is of a result, which no row changes."""
    return test.term.quantity not in ROWS and test.term.quantity not in SHORTS


def result_truth(test: Test, state: Work | State, depth: int, count: int) -> bool:
    """Return whether a result meets a test.

    Args:
        test: Of a result.
        state: With its frames.
        depth: Of the block that asks.
        count: The cycle count.
    """
    term = test.term
    if term.quantity == "cycle":
        return PLAIN[term.comparison](float(count), test.value)
    if term.quantity in state.results:
        return PLAIN[term.comparison](state.results[term.quantity], test.value)
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


def _meets(figures: Figures, term: Term, limit: float, reference: float | None) -> bool:
    value = value_of(figures, term.quantity, reference)
    return value is not None and PLAIN[term.comparison](value, limit)


def short_truth(state: Work | State, name: str, depth: int) -> bool:
    """Return whether a short was found since the block that asks began; a short is a soft one too."""
    since = state.frames[max(depth, 0)].entry.time if state.frames else 0.0
    found = (state.short.hard,) if name == "short" else (state.short.soft, state.short.hard)
    return any(time is not None and time > since for time in found)


def holds(work: Work, condition: Condition, depth: int, count: int) -> bool:
    """Return whether a condition is true now: of the last row in the block at this depth, and of its results."""
    frame = work.frames[max(depth, 0)]
    view = view_of_last(work, work.last) if work.last.record >= frame.entry.first_record else None
    scope = Scope(frame.time, frame.entry.charging_ah, frame.entry.discharging_ah)
    return any(
        all(_true(test, work, view, scope, (depth, count)) for test in tests)
        for tests in resolved(condition, work.passes, work.ocv)
    )


def _true(test: Test, work: Work, view: View | None, scope: Scope, asker: tuple[int, int]) -> bool:
    depth, count = asker
    if is_result(test):
        return result_truth(test, work, depth, count)
    if test.term.quantity in SHORTS:
        return short_truth(work, test.term.quantity, depth)
    return view is not None and bool(np.all(truth(test, view, scope)))


def view_of_last(state: Work | State, last: Last) -> View | None:
    """Return the last good row as rows, or None before one."""
    if last.row_time is None or last.voltage is None or last.current is None:
        return None
    return View(
        np.array([last.row_time]),
        np.array([state.step_time(last.row_time)]),
        np.array([last.voltage]),
        np.array([last.current]),
        np.array([last.charging_ah]),
        np.array([last.discharging_ah]),
        None if last.temperature is None else np.array([last.temperature]),
    )

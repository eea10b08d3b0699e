"""What is complete, and what was cut short: one notion for every analysis.

A step is complete if it reached an end of its own; one that was ended from outside (by a block around it, a person, a limit, a
fault) was cut and proves nothing about what it was on the way to. A cycle is complete if its block came to the end of the pass;
`cycles.complete` and `steps.complete` of the store say so, and `end_reason`, `end_text` why not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from labctl.analysis.run_record import Column, Integers, Mask, RunRecord, Table
from labctl.engine.cycle import OWN_ENDS, SWEEPS

DRIVEN: Final = ("charge", "discharge", "strip", "plate")
SWEPT: Final = ("cv", "lsv")
SEVERAL: Final = 5
"""Numbers that are named one by one."""
WORDS: Final[Mapping[str, str]] = {
    "block": "cut by the end of a block",
    "stop_if": "ended by stop_if",
    "abort_if": "ended by abort_if",
    "limit": "tripped",
    "fault": "ended by a fault",
    "resumed": "begun in the middle, where a run was resumed",
    "skip": "skipped",
    "stop": "stopped",
    "file": "cut by the end of the file that it was imported from",
}


def complete_steps(record: RunRecord) -> Mask:
    """Return which steps reached an end of their own."""
    complete: Mask = np.asarray(record.steps["complete"], dtype=float) == 1.0
    return complete


def complete_cycles(record: RunRecord) -> Mask:
    """Return which cycles came to the end of their pass."""
    complete: Mask = np.asarray(record.cycles["complete"], dtype=float) == 1.0
    return complete


def swept(record: RunRecord, at: int) -> bool:
    """Tell whether a sweep is to be believed: it is complete, or the current itself ended it."""
    reason, text = str(record.steps["end_reason"][at]), str(record.steps["end_text"][at])
    return bool(complete_steps(record)[at]) or (reason in {"limit", "stop_if"} and "current" in text)


def galvanostatic_cycles(record: RunRecord) -> Mask:
    """Return which cycles are complete and have a capacity: those of a `cv` only where there are no others."""
    complete = complete_cycles(record)
    swept = np.array([kind == SWEEPS for kind in record.cycles["kind"]], dtype=bool)
    plain: Mask = complete & ~swept
    return plain if plain.any() or not (complete & swept).any() else complete


def why(reason: str, text: str) -> str:
    """Return in words why something was cut short."""
    words = WORDS.get(reason, reason or "not ended yet")
    return f"{words} ({text})" if text else words


def cycles_left_out(record: RunRecord, taken: Mask) -> tuple[str, ...]:
    """Say which cycles are left out, and why each."""
    kinds, complete = record.cycles["kind"], complete_cycles(record)
    reasons = {}
    for at in np.flatnonzero(~taken):
        number = int(record.cycles["cycle_count"][at])
        if not complete[at]:
            reasons[number] = why(str(record.cycles["end_reason"][at]), str(record.cycles["end_text"][at]))
        elif kinds[at] == SWEEPS:
            reasons[number] = "a sweep of voltage, not compared with cycles at constant current"
    return left_out("cycle", reasons)


def steps_left_out(record: RunRecord, positions: Iterable[int], noun: str = "step") -> tuple[str, ...]:
    """Say which steps, by their positions, are left out, and why each."""
    steps = record.steps
    reasons = {
        int(steps["step_count"][at]): why(str(steps["end_reason"][at]), str(steps["end_text"][at])) for at in positions
    }
    return left_out(noun, reasons)


def complete_holds(record: RunRecord) -> tuple[list[int], tuple[str, ...]]:
    """Return the positions of the holds that reached their end, and a flag for those that were cut short."""
    holds = [at for at, verb in enumerate(record.steps["step_type"]) if str(verb) == "hold"]
    complete = complete_steps(record)
    return [at for at in holds if complete[at]], steps_left_out(
        record, [at for at in holds if not complete[at]], "hold of step"
    )


def left_out(noun: str, reasons: Mapping[int, str]) -> tuple[str, ...]:
    """Return a sentence for each reason."""
    grouped: dict[str, list[int]] = {}
    for number, reason in reasons.items():
        grouped.setdefault(reason, []).append(number)
    return tuple(f"{counted(noun, numbers)} left out: {reason}" for reason, numbers in grouped.items())


NO_CYCLE: Final = (
    "no complete constant-current cycle outside formation: a block with `cycle: true` makes each of its passes one"
)


def counted(noun: str, numbers: Sequence[int]) -> str:
    """Return numbers with their noun and verb: `cycle 6 is`, `cycles 6, 7 are`, `12 cycles (3 to 14) are`."""
    if len(numbers) == 1:
        return f"{noun} {numbers[0]} is"
    if len(numbers) <= SEVERAL:
        return f"{noun}s {', '.join(map(str, numbers))} are"
    return f"{len(numbers)} {noun}s ({numbers[0]} to {numbers[-1]}) are"


# --- runs that were stored before the journal said so -----------------------------------------------------------------


def settled(steps: Table, cycles: Table, *, efficient: bool, resumed: int | None = None) -> tuple[Table, Table]:
    """Return both tables with what their runs did not store: what is complete, why not, and which steps are in no cycle.

    Args:
        steps: Columns of `steps`.
        cycles: Columns of `cycles`.
        efficient: The cell's kind has an efficiency, which a cycle that was cut does not have.
        resumed: Number of the cycle in whose middle the run began, if it did.
    """
    steps, cycles = dict(steps), dict(cycles)
    own = np.array([reason in OWN_ENDS for reason in steps["end_reason"]], dtype=float)
    steps["complete"] = _known(steps, "complete", own)
    steps["cycle_count"] = _inside(steps, cycles)
    at_end = {int(number): at for at, number in enumerate(steps["cycle_count"])}
    numbers = [int(number) for number in cycles["cycle_count"]]
    for name in ("end_reason", "end_text"):
        given = cycles.get(name, np.array([""] * len(numbers), dtype=object))
        last = [str(steps[name][at_end[number]]) if number in at_end else "" for number in numbers]
        cycles[name] = np.array([one or other for one, other in zip(given, last, strict=True)], dtype=object)
    cycles["complete"] = _known(cycles, "complete", _ended(steps, cycles, efficient=efficient))
    if resumed is not None:
        begun = np.array([number == resumed for number in numbers], dtype=bool)
        cycles["complete"] = np.where(begun, 0.0, cycles["complete"])
        cycles["end_reason"] = np.where(begun, "resumed", cycles["end_reason"])
        cycles["end_text"] = np.where(begun, "", cycles["end_text"])
    cycles["kind"] = _kinds(steps, cycles)
    return steps, cycles


def _known(table: Table, name: str, otherwise: Column) -> Column:
    stored = np.asarray(table.get(name, np.full(len(otherwise), np.nan)), dtype=float)
    return np.where(np.isnan(stored), otherwise, stored)


def _inside(steps: Table, cycles: Table) -> Integers:
    """Return the cycle in which each step was done, 0 for none: those after a cycle once kept its number."""
    spans = {
        int(number): (float(begin), float(end))
        for number, begin, end in zip(
            cycles["cycle_count"], cycles["begin_test_time_second"], cycles["end_test_time_second"], strict=True
        )
    }
    owners = np.asarray(steps["cycle_count"], dtype=np.int64).copy()
    begins = np.asarray(steps["begin_test_time_second"], dtype=float)
    ends = np.asarray(steps["end_test_time_second"], dtype=float)
    for at, number in enumerate(owners.tolist()):
        begin, end = spans.get(number, (np.nan, np.nan))
        beyond = begins[at] >= end and not ends[at] <= end  # a step that still runs has no end
        if begins[at] < begin or beyond or number not in spans:
            owners[at] = 0
    return owners


def _ended(steps: Table, cycles: Table, *, efficient: bool) -> Column:
    """Return which cycles the stored figures, or else the ends of their steps, show to be complete."""
    ended = np.isfinite(np.asarray(cycles["end_test_time_second"], dtype=float))
    if efficient:
        figures = [np.asarray(cycles[name], dtype=float) for name in ("coulombic_efficiency", "retention")]
        return np.asarray(ended & (np.isfinite(figures[0]) | np.isfinite(figures[1])), dtype=float)
    cut = {
        int(number) for number, complete in zip(steps["cycle_count"], steps["complete"], strict=True) if complete != 1.0
    }
    return np.asarray([end and int(n) not in cut for end, n in zip(ended, cycles["cycle_count"], strict=True)], float)


def _kinds(steps: Table, cycles: Table) -> Column:
    """Return the kinds with those of a `cv` named, which once were like any other."""
    verbs: dict[int, set[str]] = {}
    for number, verb in zip(steps["cycle_count"], steps["step_type"], strict=True):
        verbs.setdefault(int(number), set()).add(str(verb))
    swept = {number for number, names in verbs.items() if names & set(SWEPT) and not names & set(DRIVEN)}
    return np.array(
        [SWEEPS if int(n) in swept else kind for n, kind in zip(cycles["cycle_count"], cycles["kind"], strict=True)],
        dtype=object,
    )

"""Steps and cycles of a recording, as the events from which the journal makes its tables: pure, by columns.

The maker's own boundaries are kept. A step is complete where another one follows it; a cycle where another one follows it, or
where the last one went through the same kinds of steps as the one before (or through both directions, if it is the only one).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from labctl.engine.cycle import before_of, compared, half_cycle, paired, reference_at
from labctl.engine.cycle_parts import Alike, Before, Cycle, Figures
from labctl.engine.input import Event
from labctl.engine.state_parts import LastRow, SumsAtBegin
from labctl.exchange.vendor_test import VERBS, Counts, VendorTest
from labctl.plan.step import CellFigures
from labctl.plan.taken_first import takes_first

DRIVEN = frozenset({"charge", "discharge"})


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One step: its number from 1, rows `first` to `last`, what it was and the cycle that it is in."""

    count: int
    first: int
    last: int
    number: int
    verb: str
    cycle: int


def steps_of(recording: VendorTest) -> tuple[RecordedStep, ...]:
    """Return the steps of a recording in order."""
    count = len(recording)
    if not count:
        return ()
    begins = np.concatenate(([0], np.flatnonzero(np.diff(recording.segment)) + 1))
    ends = np.concatenate((begins[1:] - 1, [count - 1]))
    columns = (recording.step[begins], recording.verb[begins], recording.cycle[begins])
    rows = zip(begins.tolist(), ends.tolist(), *(column.tolist() for column in columns), strict=True)
    return tuple(
        RecordedStep(at, first, last, number, VERBS[verb], cycle)
        for at, (first, last, number, verb, cycle) in enumerate(rows, 1)
    )


def renumbered(cycle: Counts) -> Counts:
    """Return cycle numbers that never come again: where they do, they are counted anew in the order of the rows.

    Rows of cycle 0 lie outside of any, however often that comes: they stay so, and make no number come again.
    """
    runs = np.concatenate(([True], np.diff(cycle) != 0)) if len(cycle) else np.empty(0, bool)
    runs &= cycle > 0
    seen = cycle[runs]
    if len(np.unique(seen)) == len(seen):
        return cycle
    return np.where(cycle > 0, np.cumsum(runs), 0).astype(np.int64)


class StepWriter:
    """Turns the steps of a recording into events, with the figures of steps and cycles."""

    def __init__(self, recording: VendorTest, cell: CellFigures, steps: tuple[RecordedStep, ...]) -> None:
        """Take all that is known; counters must be there."""
        self._recording, self._cell, self._steps = recording, cell, steps
        self._cycle = Cycle()
        self._alike: tuple[Alike, ...] = ()
        self._counted: list[tuple[float, float | None]] = []
        self._verbs: list[str] = []
        self._last_is_whole = _last_cycle_is_whole(recording, steps)

    def events(self) -> Iterator[tuple[RecordedStep, tuple[Event, ...], tuple[Event, ...]]]:
        """Give each step with the events before its rows and those after them."""
        for at, step in enumerate(self._steps):
            follows = self._steps[at + 1] if at + 1 < len(self._steps) else None
            before = [*self._begin_cycle(at, step), self._attempt(step), self._step_began(step)]
            after = [self._step_ended(step, whole=follows is not None or self._last_is_whole)]
            self._count(step)
            if follows is None or follows.cycle != step.cycle:
                after += self._end_cycle(step, whole=follows is not None or self._last_is_whole)
            yield step, tuple(before), tuple(after)

    # --- sums ---

    def _sums(self, row: int) -> LastRow:
        """Return the sums after a row, -1 for before the first."""
        if row < 0:
            return LastRow()
        one = self._recording
        counters = [one.charging_ah, one.discharging_ah, one.charging_wh, one.discharging_wh]
        values = [float(counter[row]) for counter in counters if counter is not None]
        time = float(one.time[row])
        return LastRow(row, time, time, float(one.voltage[row]), float(one.current[row]), None, *values)

    def _begin_time(self, step: RecordedStep) -> float:
        one, first = self._recording, step.first
        earliest = float(one.time[first - 1]) if first else 0.0
        if one.step_time is None:
            return earliest if first else float(one.time[0])
        return max(earliest, float(one.time[first] - one.step_time[first]))

    def _entry(self, step: RecordedStep) -> SumsAtBegin:
        last = self._sums(step.first - 1)
        sums = last.charging_ah, last.discharging_ah, last.charging_wh, last.discharging_wh
        return SumsAtBegin(self._begin_time(step), *sums, step.first)

    # --- events ---

    def _begin_cycle(self, at: int, step: RecordedStep) -> list[Event]:
        if not step.cycle or (at and self._steps[at - 1].cycle == step.cycle):
            return []
        entry = self._entry(step)
        self._cycle = Cycle(step.cycle, "true", entry, self._cycle.completed, before=self._cycle.before)
        self._counted, self._verbs = [], []
        data = {
            "cycle_count": step.cycle,
            "kind": "true",
            "begin_test_time_second": entry.time,
            "cycles_completed": self._cycle.completed,
        }
        return [Event("cycle_began", step.first - 1, entry.time, data)]

    def _attempt(self, step: RecordedStep) -> Event:
        entry, cycle = self._entry(step), self._cycle.entry if step.cycle else None
        data = {
            "attempt_id": step.count,
            "step_count": step.count,
            "cycle_count": step.cycle,
            "step_id": step.number,
            "step_type": step.verb,
            "begun_test_time_second": entry.time,
            "step_time_second": 0.0,
            "charging_capacity_ah": entry.charging_ah,
            "discharging_capacity_ah": entry.discharging_ah,
            "step_begin_charging_ah": entry.charging_ah,
            "step_begin_discharging_ah": entry.discharging_ah,
            "cycle_begin_charging_ah": cycle and cycle.charging_ah,
            "cycle_begin_discharging_ah": cycle and cycle.discharging_ah,
            "charging_energy_wh": entry.charging_wh,
            "discharging_energy_wh": entry.discharging_wh,
            "step_begin_charging_wh": entry.charging_wh,
            "step_begin_discharging_wh": entry.discharging_wh,
            "cycle_begin_charging_wh": cycle and cycle.charging_wh,
            "cycle_begin_discharging_wh": cycle and cycle.discharging_wh,
            "cycles_completed": self._cycle.completed,
        }
        return Event("attempt", step.first - 1, entry.time, data)

    def _step_began(self, step: RecordedStep) -> Event:
        begin = self._begin_time(step)
        return Event("step_began", step.first - 1, begin, {**self._named(step), "begin_test_time_second": begin})

    def _named(self, step: RecordedStep) -> dict[str, object]:
        return {
            "step_count": step.count,
            "step_id": step.number,
            "step_type": step.verb,
            "step_name": "",
            "cycle_count": step.cycle,
            "cycles_completed": self._cycle.completed,
        }

    def _step_ended(self, step: RecordedStep, *, whole: bool) -> Event:
        entry, last = self._entry(step), self._sums(step.last)
        data = {
            **self._named(step),
            "begin_test_time_second": entry.time,
            "end_test_time_second": last.time,
            "step_time_second": last.time - entry.time,
            "end_reason": "own" if whole else "file",
            "end_text": "",
            **_passed(entry, last),
            "first_voltage_volt": float(self._recording.voltage[step.first]),
            "last_voltage_volt": last.voltage,
            "last_current_ampere": last.current,
            "first_record": step.first,
            "last_record": step.last,
            "complete": whole,
        }
        return Event("step_ended", step.last, last.time, data)

    # --- cycles ---

    def _count(self, step: RecordedStep) -> None:
        """Let the cycle know a step that ended in it."""
        cycle, entry = self._cycle, self._cycle.entry
        if not step.cycle or entry is None:
            return
        last = self._sums(step.last)
        net = last.charging_ah - entry.charging_ah - (last.discharging_ah - entry.discharging_ah)
        if step.verb in DRIVEN:
            own = self._entry(step)
            self._counted.append(half_cycle(self._cell, own, last, last.time - own.time))
        largest = max(self._counted, key=lambda each: each[0], default=(0.0, None))
        self._verbs.append(step.verb)
        first = takes_first(self._verbs, self._cell.efficiency)
        self._cycle = replace(cycle, ways=(*cycle.ways, net), largest=largest, takes_first=first)

    def _end_cycle(self, step: RecordedStep, *, whole: bool) -> list[Event]:
        cycle, entry = self._cycle, self._cycle.entry
        if not step.cycle or entry is None:
            return []
        last = self._sums(step.last)
        figures = paired(self._cell, cycle, last)
        before: Before | None = before_of(cycle, last) if whole else None
        completed = cycle.count if whole else cycle.completed
        data = {
            "cycle_count": cycle.count,
            "kind": cycle.kind,
            "begin_test_time_second": entry.time,
            "end_test_time_second": last.time,
            **_passed(entry, last),
            "coulombic_efficiency": figures.efficiency if whole else None,
            "retention": self._retention(figures) if whole else None,
            "first_record": entry.first_record,
            "last_record": step.last,
            "complete": whole,
            "end_reason": "done" if whole else "file",
            "end_text": "",
            "efficiency_cycle": figures.against if whole else None,
            "cycles_completed": completed,
        }
        self._cycle = Cycle(cycle.count, "", None, completed, before=before)
        return [Event("cycle_ended", step.last, last.time, data)]

    def _retention(self, figures: Figures) -> float | None:
        if figures.counted is None:
            return None
        self._alike = compared(self._alike, figures.current, figures.counted)
        reference = reference_at(self._alike, figures.current, None)
        return figures.counted / reference if reference else None


def _passed(entry: SumsAtBegin, last: LastRow) -> dict[str, object]:
    return {
        "charging_capacity_ah": last.charging_ah - entry.charging_ah,
        "discharging_capacity_ah": last.discharging_ah - entry.discharging_ah,
        "charging_energy_wh": last.charging_wh - entry.charging_wh,
        "discharging_energy_wh": last.discharging_wh - entry.discharging_wh,
    }


def _last_cycle_is_whole(recording: VendorTest, steps: tuple[RecordedStep, ...]) -> bool:
    """Tell whether the last cycle went through what the one before it did, or through both directions if it is the only one."""
    if recording.ended or not steps:
        return recording.ended
    last = [step.verb for step in steps if step.cycle == steps[-1].cycle]
    before = [step.verb for step in steps if step.cycle == steps[-1].cycle - 1]
    return last == before if before else set(last) >= DRIVEN

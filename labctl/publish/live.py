"""The live view: the newest committed row of each run, with the names that the store's view gives its columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from labctl.engine.input import Event
from labctl.sample import Batch, Quality
from labctl.store.entry import Entry, Run

Fields = Mapping[str, object]
SMALL = 100  # rows


class Runs(Protocol):
    """Who knows the runs."""

    def run(self, run_id: int) -> Run:
        """Return one run."""


@dataclass(slots=True)
class _Seen:
    """A run with samples, and its attempts that may still get rows, by number."""

    run: Run
    attempts: dict[int, Fields] = field(default_factory=dict)


class Newest:
    """Remembers of each active run what its rows are published with."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._seen: dict[int, _Seen] = {}

    def row(self, entry: Entry) -> tuple[str, float, Fields | Callable[[], Fields]] | None:
        """Return channel, UTC and fields of an entry's newest row, or None where there is none to show.

        Most rows are replaced before their turn comes, so the fields of a small batch are made only when they are asked for;
        a large one is not kept for the sake of its last row.
        """
        seen = self._seen.get(entry.run_id)
        if seen is None:
            seen = self._seen[entry.run_id] = _Seen(self._runs.run(entry.run_id))
        for event in entry.events:
            self._note(seen, event)
        found = None
        if seen.run.channel is not None and entry.batch is not None and len(entry.batch):
            if len(seen.attempts) > 1:
                seen.attempts = {number: told for number, told in seen.attempts.items() if number >= entry.attempt_id}
            time = seen.run.began_unix_time + float(entry.batch.time[-1])
            make = partial(fields_of, seen.run, entry, entry.batch, seen.attempts.get(entry.attempt_id, {}))
            found = (seen.run.channel, time, make if len(entry.batch) <= SMALL else make())
        if any(event.kind == "run_ended" for event in entry.events):
            del self._seen[entry.run_id]
        return found

    def _note(self, seen: _Seen, event: Event) -> None:
        if event.kind == "attempt":
            seen.attempts[int(str(event.data.get("attempt_id", 0)))] = event.data


def fields_of(run: Run, entry: Entry, batch: Batch, attempt: Fields) -> Fields:
    """Return the last row of a batch; what is not finite or not measured is absent."""
    last = len(batch) - 1
    time = float(batch.time[last])
    fields: dict[str, object] = {
        "run": run.uuid,
        "ch": run.channel,
        "record_index": entry.first_record + last,
        "test_time_second": time,
        **_measured(batch, last),
        **{key: attempt.get(key) for key in ("cycle_count", "step_count", "step_id", "step_type")},
    }
    if batch.charging_ah is not None and batch.discharging_ah is not None:
        fields["charging_capacity_ah"] = float(batch.charging_ah[last])
        fields["discharging_capacity_ah"] = float(batch.discharging_ah[last])
    begun, spent = attempt.get("begun_test_time_second"), attempt.get("step_time_second")
    if isinstance(begun, int | float) and isinstance(spent, int | float):
        fields["step_time_second"] = spent + (time - begun)
    return fields


def _measured(batch: Batch, last: int) -> Fields:
    quality = Quality.GOOD if batch.quality is None else Quality(int(batch.quality[last]))
    if quality == Quality.BAD:
        return {"quality": int(quality)}
    fields: dict[str, object] = {
        "voltage_volt": float(batch.voltage[last]),
        "current_ampere": float(batch.current[last]),
        **{name: float(column[last]) for name, column in batch.auxiliary.items()},
    }
    if batch.temperature_celsius is not None:
        fields["surface_temperature_celsius"] = float(batch.temperature_celsius[last])
    if quality != Quality.GOOD:
        fields["quality"] = int(quality)
    return fields

"""The live view: the newest committed row of each run, with the names that the store's view gives its columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from math import nan
from typing import Any, Protocol, TypeAlias

import numpy as np

from labctl.engine.input import Event
from labctl.publish.encode import stamped
from labctl.publish.outgoing import Fields
from labctl.sample import Batch, Flags, Floats, Quality
from labctl.store.entry import Entry, Item, StoredRun
from labctl.store.queries import NEWEST_ATTEMPTS, columns_of

OF_ATTEMPT = ("cycle_count", "cycles_completed", "step_count", "step_id", "step_type")


class Runs(Protocol):
    """Who knows the runs."""

    def run(self, run_id: int) -> StoredRun:
        """Return one run."""

    def query(self, sql: str, **values: object) -> Sequence[Any]:
        """Return the rows of a query."""


@dataclass(slots=True)
class _Seen:
    """A run with samples, its channel or "", and its attempts that may still get rows, by number."""

    run: StoredRun
    channel: str
    attempts: dict[int, Fields] = field(default_factory=dict)


Row: TypeAlias = tuple[_Seen, Floats | Sequence[Sequence[float]], int, Fields]
"""The row before a place among rows as `store.matrix` has them, with what else it measured: few are ever published."""
_NONE: Fields = {}


class Newest:
    """Remembers of each active run what its rows are published with."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._seen: dict[int, _Seen] = {}

    def rows(self, item: Item) -> Iterable[tuple[str, Row]]:
        """Give the newest row of each run of an item that has a channel, with its name."""
        if isinstance(item, Entry):
            return self._row(item)
        seen = [self._seen.get(run_id) or self._of(run_id) for run_id in item.run_ids]
        channels = [each.channel for each in seen]
        newest = zip(channels, zip(seen, repeat(item.values), item.ends, repeat(_NONE)), strict=True)
        return newest if all(channels) else [pair for pair in newest if pair[0]]

    def _of(self, run_id: int) -> _Seen:
        seen = self._seen.get(run_id)
        if seen is None:
            run = self._runs.run(run_id)
            seen = self._seen[run_id] = _Seen(run, run.channel or "", self._stored(run_id))
        return seen

    def _stored(self, run_id: int) -> dict[int, Fields]:
        """Return the newest attempts of a run that are stored: of one that went on after a restart no event tells them."""
        names = columns_of(NEWEST_ATTEMPTS)
        rows = [dict(zip(names, row, strict=True)) for row in self._runs.query(NEWEST_ATTEMPTS, run=run_id)]
        return {int(row["attempt_id"]): row for row in rows}

    def _row(self, entry: Entry) -> list[tuple[str, Row]]:
        seen = self._of(entry.run_id)
        for event in entry.events:
            self._note(seen, event)
        newest: list[tuple[str, Row]] = []
        if seen.run.channel is not None and entry.batch is not None and len(entry.batch):
            if len(seen.attempts) > 1:
                seen.attempts = {
                    number: attempts for number, attempts in seen.attempts.items() if number >= entry.attempt_id
                }
            auxiliary = {name: float(column[-1]) for name, column in entry.batch.auxiliary.items()}
            newest.append((seen.run.channel, (seen, (_last_row(entry, entry.batch),), 1, auxiliary)))
        if any(event.kind == "run_ended" for event in entry.events):
            del self._seen[entry.run_id]
        return newest

    def _note(self, seen: _Seen, event: Event) -> None:
        if event.kind == "attempt":
            seen.attempts[int(str(event.data.get("attempt_id", 0)))] = event.data


def _last_row(entry: Entry, batch: Batch) -> Sequence[float]:
    """Return the last row of an entry, as `store.matrix` has it."""

    def last(column: Floats | Flags | None) -> float:
        return nan if column is None else float(column[-1])

    record, quality = entry.first_record + len(batch) - 1, 0 if batch.quality is None else last(batch.quality)
    return (
        entry.run_id, record, entry.attempt_id, last(batch.time), last(batch.voltage), last(batch.current),
        last(batch.charging_ah), last(batch.discharging_ah), last(batch.temperature_celsius), quality,
        last(batch.charging_wh), last(batch.discharging_wh),
    )  # fmt: skip


def payload(row: Row) -> bytes:
    """Return the message of a row; what is not finite or not measured is absent."""
    seen, rows, end, auxiliary = row
    last = rows[end - 1]
    _, record, number, time, voltage, current, charging, discharging, warm, quality, charging_wh, discharging_wh = (
        last.tolist() if isinstance(last, np.ndarray) else map(float, last)
    )
    attempt = seen.attempts.get(int(number), {})
    measured: dict[str, object] = {"voltage_volt": voltage, "current_ampere": current, **auxiliary}
    measured["surface_temperature_celsius"] = warm
    begun, spent = attempt.get("begun_test_time_second"), attempt.get("step_time_second")
    timed = isinstance(begun, int | float) and isinstance(spent, int | float)
    return stamped(
        seen.run.began_unix_time + time,
        {
            "run": seen.run.uuid,
            "ch": seen.run.channel,
            "record_index": int(record),
            "test_time_second": time,
            **({} if quality == Quality.BAD else measured),
            "quality": int(quality) or None,
            **{key: attempt.get(key) for key in OF_ATTEMPT},
            "charging_capacity_ah": charging,
            "discharging_capacity_ah": discharging,
            "charging_energy_wh": charging_wh,
            "discharging_energy_wh": discharging_wh,
            "step_time_second": spent + (time - begun) if timed else None,  # type: ignore[operator]  # `timed` says so
        },
    )

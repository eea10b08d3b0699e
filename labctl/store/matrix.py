"""Rows of `samples` as one float64 matrix, the same bits in memory, in SQLite and in a digest.

The columns are those of the table, in its order: run, record, attempt, time, voltage, current, both counters of charge,
temperature, quality, both counters of energy. Integers are exact in a float64 up to 2^53; SQLite's column affinity makes them
integers again. NaN stands for null.
"""

from collections.abc import Sequence
from itertools import repeat
from math import isnan

import numpy as np

from labctl.engine.state_parts import LastRow
from labctl.errors import InternalError
from labctl.sample import Batch, Flags, Floats, Quality
from labctl.store.entry import Entry

WIDTH = 12
ROW_BYTES = 8 * WIDTH
(
    RUN,
    RECORD,
    ATTEMPT,
    TIME,
    VOLTAGE,
    CURRENT,
    CHARGING,
    DISCHARGING,
    TEMPERATURE,
    QUALITY,
    CHARGING_WH,
    DISCHARGING_WH,
) = range(WIDTH)


def matrix_of(entries: Sequence[Entry]) -> Floats:
    """Return the rows of all entries, one after the other, cleaned for the store.

    Minus zero becomes zero, as SQLite would make it; what is not finite, and all that a bad row measured, becomes null.

    Raises:
        InternalError: A batch was not metered: it lacks its counters, or a time or counter is not finite.
    """
    batches = [(entry, entry.batch) for entry in entries if entry.batch is not None and len(entry.batch)]
    lengths = [len(batch) for _, batch in batches]
    rows = np.empty((sum(lengths), WIDTH))
    if not batches:
        return rows
    begin = 0
    for (entry, _), length in zip(batches, lengths, strict=True):
        end = begin + length
        rows[begin:end, RUN] = entry.run_id
        rows[begin:end, ATTEMPT] = entry.attempt_id
        rows[begin:end, RECORD] = np.arange(entry.first_record, entry.first_record + length)
        begin = end
    only = [batch for _, batch in batches]
    _join(rows, TIME, [batch.time for batch in only])
    _join(rows, VOLTAGE, [batch.voltage for batch in only])
    _join(rows, CURRENT, [batch.current for batch in only])
    _join(rows, CHARGING, [_counter(batch, batch.charging_ah) for batch in only])
    _join(rows, DISCHARGING, [_counter(batch, batch.discharging_ah) for batch in only])
    _optional(rows, TEMPERATURE, [(len(batch), batch.temperature_celsius) for batch in only], np.nan)
    _optional(rows, QUALITY, [(len(batch), batch.quality) for batch in only], Quality.GOOD)
    _optional(rows, CHARGING_WH, [(len(batch), batch.charging_wh) for batch in only], np.nan)
    _optional(rows, DISCHARGING_WH, [(len(batch), batch.discharging_wh) for batch in only], np.nan)
    rows += 0.0
    _clean(rows)
    return rows


def _counter(batch: Batch, column: Floats | None) -> Floats:
    if column is None:
        raise InternalError(f"a batch to be stored has no charge counters: {len(batch)} rows from {batch.time[0]} s")
    return column


def _join(rows: Floats, column: int, pieces: Sequence[Floats]) -> None:
    if len(pieces) == 1:
        rows[:, column] = pieces[0]
    else:
        np.concatenate(pieces, out=rows[:, column])


def _optional(rows: Floats, column: int, pieces: Sequence[tuple[int, Floats | Flags | None]], absent: float) -> None:
    rows[:, column] = absent
    begin = 0
    for length, piece in pieces:
        if piece is not None:
            rows[begin : begin + length, column] = piece
        begin += length


def _clean(rows: Floats) -> None:
    finite = np.isfinite(rows[:, TIME:TEMPERATURE])
    if not finite.all():
        if not finite[:, [TIME - TIME, CHARGING - TIME, DISCHARGING - TIME]].all():
            row = rows[int(np.argmin(finite.all(axis=1)))]
            raise InternalError(f"a time or charge counter to be stored is not finite: run {row[RUN]:.0f}, row {row}")
        rows[:, [VOLTAGE, CURRENT]] = np.where(finite[:, [1, 2]], rows[:, [VOLTAGE, CURRENT]], np.nan)
    for column in (TEMPERATURE, CHARGING_WH, DISCHARGING_WH):
        values = rows[:, column]
        values[~np.isfinite(values)] = np.nan
    bad = rows[:, QUALITY] == Quality.BAD
    if bad.any():
        rows[np.ix_(bad, [VOLTAGE, CURRENT, TEMPERATURE])] = np.nan


def batch_of(rows: Floats, step: int = 0) -> Batch:
    """Return stored rows as a batch; a column without a value is absent, a row without one is NaN."""
    quality = rows[:, QUALITY]
    return Batch(
        time=_column(rows, TIME),
        voltage=_column(rows, VOLTAGE),
        current=_column(rows, CURRENT),
        charging_ah=_column(rows, CHARGING),
        discharging_ah=_column(rows, DISCHARGING),
        temperature_celsius=_measured(rows, TEMPERATURE),
        quality=quality.astype(np.uint8) if quality.any() else None,
        step=step,
        charging_wh=_measured(rows, CHARGING_WH),
        discharging_wh=_measured(rows, DISCHARGING_WH),
    )


def last_of(row: Floats) -> LastRow:
    """Return what a state knows of a row that is its last: a good one with all its counters."""
    values: list[float] = row.tolist()
    time, warm = values[TIME], values[TEMPERATURE]
    return LastRow(
        int(values[RECORD]), time, time, values[VOLTAGE], values[CURRENT], None if isnan(warm) else warm,
        values[CHARGING], values[DISCHARGING], values[CHARGING_WH], values[DISCHARGING_WH],
    )  # fmt: skip


def _column(rows: Floats, column: int) -> Floats:
    return np.ascontiguousarray(rows[:, column])


def _measured(rows: Floats, column: int) -> Floats | None:
    return None if np.isnan(rows[:, column]).all() else _column(rows, column)


def auxiliary_of(entries: Sequence[Entry]) -> list[tuple[int, int, str, float]]:
    """Return the rows of `auxiliary` of all entries in the order of record and name; a value that is not finite is absent."""
    values: list[tuple[int, int, str, float]] = []
    for entry in entries:
        if entry.batch is None or not entry.batch.auxiliary:
            continue
        records = range(entry.first_record, entry.first_record + len(entry.batch))
        mine = [
            row
            for name, column in entry.batch.auxiliary.items()
            for row in zip(repeat(entry.run_id), records, repeat(name), (column + 0.0).tolist(), strict=False)
            if np.isfinite(row[3])
        ]
        values += sorted(mine)
    return values

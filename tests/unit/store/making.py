"""Rows, events and runs for tests of the store."""

from collections.abc import Iterator

import numpy as np

from labctl.engine.input import Event
from labctl.sample import Batch
from labctl.store.entry import Entry, NewRun, Source


def new_run(channel: str | None = None, **more: object) -> NewRun:
    return NewRun(plan=b'{"name":"made"}', plan_hash="abc", began_unix_time=1.7e9, channel=channel, protocol="made", cell="cell-1",
                  protocols=(Source("made.yaml", "labctl: 1\n"),), cell_file=Source("cell-1.yaml", "labctl_cell: 1\n"), **more)  # fmt: skip


def batch(count: int, seed: int = 0, *, temperature: bool = False, bad: bool = False) -> Batch:
    def draw(column: int) -> np.random.Generator:  # a longer batch begins as a shorter one
        return np.random.default_rng([seed, column])

    quality = np.zeros(count, dtype=np.uint8)
    voltage = 3.7 + draw(0).normal(size=count) * 1e-3
    if bad:
        quality[1::3] = 2
        voltage[1::3] = np.nan
    return Batch(
        time=np.cumsum(draw(1).random(count)),
        voltage=voltage,
        current=draw(2).normal(size=count) * 1e-3,
        charging_ah=np.cumsum(draw(3).random(count)) * 1e-6,
        discharging_ah=np.cumsum(draw(4).random(count)) * 1e-6,
        temperature_celsius=25 + draw(5).normal(size=count) if temperature else None,
        quality=quality if bad else None,
    )


def attempt(number: int, record: int = -1, time: float = 0.0) -> Event:
    data = {"attempt_id": number, "step_count": number, "cycle_count": 1, "step_id": 1, "step_type": "charge"}
    data |= {"begun_test_time_second": time, "step_time_second": 0.0, "step_begin_charging_ah": 0.0}
    data |= {"step_begin_discharging_ah": 0.0, "cycle_begin_charging_ah": 0.0, "cycle_begin_discharging_ah": 0.0}
    return Event("attempt", record, time, data)


def entries(run_id: int, rows: Batch, cut: int, first: int = 0) -> Iterator[Entry]:
    """The rows in pieces, each with an event after it."""
    if first == 0:
        yield Entry(run_id, events=(attempt(1, first - 1),))
    for begin in range(0, len(rows), cut):
        piece = rows.rows(begin, begin + cut)
        note = Event("note", first + begin + len(piece) - 1, float(piece.time[-1]), {"text": "µ Ω ‖ %s"})
        yield Entry(run_id, piece, first + begin, 1, events=(note,), checkpoint=b'{"at": %d}' % (first + begin))

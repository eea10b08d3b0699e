"""Both counters of energy in the store: null where nobody counted, and never in one batch with rows that have none."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.matrix import WIDTH, batch_of, matrix_of
from labctl.store.reader import Reader
from labctl.store.schema import SAMPLE_COLUMNS
from labctl.store.verify import verify
from tests.unit.store.making import attempt, batch, new_run


def counted(rows, begin: float = 0.0):
    energy = begin + np.cumsum(np.full(len(rows), 1e-3))
    return replace(rows, charging_wh=energy, discharging_wh=energy * 0.5)


def test_energies_read_back_to_the_bit(tmp_path: Path) -> None:
    rows = counted(batch(10))
    back = batch_of(matrix_of([Entry(1, rows, 0, 1)]))
    assert back.charging_wh is not None
    assert back.charging_wh.tobytes() == rows.charging_wh.tobytes()
    assert batch_of(matrix_of([Entry(1, batch(10), 0, 1)])).charging_wh is None
    assert len(SAMPLE_COLUMNS) == WIDTH


def test_an_upgrade_in_the_middle_of_an_attempt_cuts_its_rows(tmp_path: Path) -> None:
    """A run that was begun before energies were counted goes on with them: one batch has none, the next has all."""
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        before, after = batch(6), batch(6, seed=2)
        after = counted(replace(after, time=after.time + 1000.0, charging_ah=after.charging_ah + 1.0,
                                discharging_ah=after.discharging_ah + 1.0))  # fmt: skip
        journal.commit([Entry(run_id, before, 0, 1, events=(attempt(1, -1, 0.0),)), Entry(run_id, after, 6, 1)])
    with Reader(tmp_path) as reader:
        pieces = list(reader.batches(run_id))
        assert [(rows.first_record, rows.batch.charging_wh is None) for rows in pieces] == [(0, True), (6, False)]
        assert reader.query("SELECT count(charging_energy_wh) FROM v_samples")[0][0] == 6
    assert verify(tmp_path).whole


def test_a_changed_energy_is_found(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        journal.commit([Entry(run_id, counted(batch(6)), 0, 1, events=(attempt(1, -1, 0.0),))])
        file = journal.place.file
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE samples SET charging_energy_wh = 1 WHERE record_index = 3")
    assert any("were changed" in str(finding) for finding in verify(tmp_path).findings)

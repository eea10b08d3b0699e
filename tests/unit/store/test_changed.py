"""One value is changed in each column of each table of a real run's journal, and `verify` says where."""

import contextlib
import math
import random
import sqlite3
from pathlib import Path

import pytest

from labctl.report.stored import analyse_ended
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store import schema
from labctl.store.entry import OrderRecord, Queued
from labctl.store.journal import Journal
from labctl.store.verify import verify
from tests.unit.store.making import new_run

CELL = """\
labctl_cell: 1
name: C
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: changed
record: {every: 10 s}
steps:
  - rest: 30 s
  - repeat: 2
    cycle: true
    steps:
      - charge: {current: 0.5 A, for: 1 min}
      - eis: {from: 100 Hz, to: 10 Hz, amplitude: 10 mV, per_decade: 3}
      - discharge: {current: 0.5 A, for: 1 min}
  - mark: halfway
analyse: [capacity]
"""
RECORD = [
    schema.samples, schema.auxiliary, schema.attempts, schema.steps, schema.cycles, schema.spectra, schema.spectrum_points,
    schema.events, schema.inputs, schema.runs, schema.plans, schema.protocols, schema.cells, schema.commits,
    schema.commit_runs, schema.journal, schema.results, schema.analyses, schema.orders, schema.queue, schema.under_way,
    schema.checkpoints,
]  # fmt: skip
NO_RECORD = [
    schema.channels,
    schema.cursors,
    schema.archives,
]  # none, or none in this run
COLUMNS = [(table.name, column.name) for table in RECORD for column in table.columns]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changed")
    (folder / "cell.yaml").write_text(CELL)
    (folder / "protocol.yaml").write_text(PROTOCOL)
    with Journal.open(folder / "journal.db") as opened:
        for _ in range(2):
            done = Simulation(DryRunRequest(str(folder / "protocol.yaml"), str(folder / "cell.yaml"), seed=1)).run(
                opened
            )
            analyse_ended(opened, done.run_id)
        order = OrderRecord("c1", "start", "S", "{}", "{}", run_id=1)
        opened.ordered.enqueue(Queued("c1", new_run("c1", uuid="u", order=order), 1.8e9, 1.7e9, 3))
    found = verify(folder / "journal.db")
    assert found.whole, found.findings
    return folder / "journal.db"


def other(value: object, rng: random.Random) -> object:
    match value:
        case None:
            return 1
        case float():
            return math.nextafter(value, math.inf)
        case int():
            return value + 1000
        case bytes():
            place = rng.randrange(len(value))
            return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
    place = rng.randrange(len(value)) if value else 0
    return f"{value[:place]}{chr(ord(value[place]) ^ 1) if value else 'x'}{value[place + 1 :]}"


def test_every_table_is_looked_at():
    assert {*RECORD, *NO_RECORD} == set(schema.metadata.tables.values())


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_changed_value_is_found(journal: Path, seed: int, table: str, column: str) -> None:
    rng = random.Random(f"{seed} {table} {column}")
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        if table == "auxiliary" and not count:
            return
        keys = [key.name for key in schema.metadata.tables[table].primary_key]
        row = connection.execute(
            f"SELECT {', '.join([column, *keys])} FROM {table} LIMIT 1 OFFSET ?", (rng.randrange(count),)
        ).fetchone()
        changed = other(row[0], rng)
        where = " AND ".join(f"{key} = ?" for key in keys)
        at = [changed if key == column else value for key, value in zip(keys, row[1:], strict=True)]
        assert connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed, *row[1:])).rowcount == 1
        try:
            found = verify(journal)
        finally:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (row[0], *at))
    assert not found.whole, f"{row[0]!r} -> {changed!r}"


def test_a_changed_character_of_a_result_is_found_wherever_it_stands(journal: Path, seed: int) -> None:
    """Names that no longer read, signs that no longer close: verify says so of each."""
    rng = random.Random(seed)
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        row, text = connection.execute(
            "SELECT rowid, data FROM events WHERE kind = 'analysed' ORDER BY rowid LIMIT 1"
        ).fetchone()
        for place in rng.sample(range(len(text)), 40):
            changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
            connection.execute("UPDATE events SET data = ? WHERE rowid = ?", (changed, row))
            try:
                assert not verify(journal).whole, changed
            finally:
                connection.execute("UPDATE events SET data = ? WHERE rowid = ?", (text, row))


@pytest.mark.parametrize("name", ["charging_ah", "record", "steps"])
def test_a_changed_word_of_a_checkpoint_is_found(journal: Path, name: str) -> None:
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        (state,) = connection.execute("SELECT state FROM checkpoints WHERE run_id = 2").fetchone()
        at = state.index(b'"%b":' % name.encode()) + len(name) + 3
        connection.execute("UPDATE checkpoints SET state = ? WHERE run_id = 2", (state[:at] + b"1" + state[at:],))
        try:
            found = verify(journal)
        finally:
            connection.execute("UPDATE checkpoints SET state = ? WHERE run_id = 2", (state,))
    assert "run 2: the state in the checkpoint, or what it was told since, was changed" in "\n".join(
        map(str, found.findings)
    )

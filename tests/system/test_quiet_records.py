"""Rows that a cycler records and that are taken without a fold: the same bits as folded ones, and a run goes on after them."""

import pytest

from labctl.engine.fold import fold
from labctl.engine.state import state_to_json
from labctl.run.connection import quiet_records
from labctl.run.connection.quiet_records import QuietRecords
from labctl.run.replay import replay
from labctl.store.entry import Entry
from labctl.store.matrix import matrix_of
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.system.rack import CELL, Ends, rack, start, until

SPEED = 100.0
PROTOCOLS = {
    "cycle": (
        "steps:\n  - repeat: 2\n    cycle: true\n    steps:\n      - charge: {current: 0.3 A, for: 3 min, to: 4.2 V}\n"
        "      - rest: 1 min\n      - discharge: {current: 0.3 A, for: 3 min}\n"
    ),
    "cccv": "steps:\n  - charge: {current: 0.5 A, to: 3.95 V, hold_until: current < 0.2 A, for: 10 min}\n  - rest: 5 min\n",
    "watched": "steps:\n  - discharge: {current: 0.2 A, for: 12 min, until: abs(dV/dt) < 1 mV/h over 5 min}\n",
    "long": "steps:\n  - discharge: {current: 100 mA, for: 5 h}\n",
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    for name, text in PROTOCOLS.items():
        (tmp_path / f"{name}.yaml").write_text(f"labctl: 1\nname: {name}\nrecord: {{every: 2 s}}\n{text}")
    return tmp_path


def shadow(monkeypatch, parts):
    """Fold what is taken without a fold as well, and compare rows and states; return how many rows that were, run by run."""
    taken: dict[int, int] = {}
    whole = QuietRecords.take

    def take(quiet, rows, machine):
        sessions = {at: run.session for at, run in parts.connections["nw"].executor.running.items()}
        before = {at: (session.state, session.next_record) for at, session in sessions.items()}
        stored, channels = whole(quiet, rows, machine)
        for at in channels:
            session, (state, first) = sessions[at], before[at]
            batch = session.metered(rows.of(rows.channels.index(at)))
            outcome = fold(session.plan, state, batch)
            assert (outcome.taken, outcome.events, outcome.commands) == (len(batch), (), ())
            assert state_to_json(session.state) == state_to_json(outcome.state)
            place = stored.run_ids.index(session.run_id)
            mine = stored.of_runs(place, place + 1)
            same = matrix_of([Entry(session.run_id, batch, first, state.attempt)])
            assert mine.values.tobytes() == same.tobytes()
            assert (mine.firsts, mine.steps) == ([first], [batch.step])
            taken[session.run_id] = taken.get(session.run_id, 0) + len(batch)
        assert stored is None or stored.run_ids == sorted(set(stored.run_ids))
        return stored, channels

    monkeypatch.setattr(QuietRecords, "take", take)
    return taken


async def test_rows_taken_without_a_fold_are_those_of_a_fold_bit_for_bit(files, monkeypatch):
    async with rack(files, SPEED) as made:
        await made.neware(channels=4)
        async with made.daemon() as parts:
            taken, ends = shadow(monkeypatch, parts), Ends(parts)
            for channel, protocol in (("nw3", "cycle"), ("nw1", "cccv"), ("nw4", "watched"), ("nw2", "cycle")):
                await start(parts, files, channel, f"{protocol}.yaml")
            await ends.wait(4)
    assert min(taken[run] for run in (1, 2, 4)) > 50  # a slope is looked at with every row of run 3
    with Reader(files / "data") as reader:
        for run in (1, 2, 3, 4):
            assert replay(reader, run).equal
    assert verify(files / "data").whole


async def test_a_run_goes_on_after_rows_that_were_taken_without_a_fold(files):
    """The checkpoint stands before them: the daemon that comes next takes the last row for the state, and reads on behind it."""
    async with rack(files, SPEED) as made:
        (cycler, _), _line = await made.neware(channels=2)
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "long.yaml")
            await start(parts, files, "nw2", "long.yaml")
            quiet = parts.connections["nw"].executor.quiet
            await until(lambda: len(quiet.taken) > 1 and quiet.taken.max() > 50, parts)
        async with made.daemon() as parts:
            session = parts.channels["nw1"].session
            first = session.next_record
            await until(lambda: session.next_record > first + 100, parts)
            await parts.supervisor.order("stop", "nw1", by="a person")
            await until(lambda: parts.channels["nw1"].session is None, parts)
        records = len(cycler.records)
    with Reader(files / "data") as reader:
        assert replay(reader, 1).equal
        last = reader.query("SELECT max(record_index) AS last, count(*) AS rows FROM samples WHERE run_id = 1")[0]
        assert last.rows == last.last + 1
        assert last.rows == pytest.approx(records, abs=6)  # the look at the open circuit was a test before
    assert verify(files / "data").whole


async def test_a_checkpoint_is_never_older_than_it_may_be_though_nothing_happens(files, monkeypatch):
    monkeypatch.setattr(quiet_records, "OLDEST", 0.5)
    async with rack(files, SPEED) as made:
        await made.neware(channels=1)
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "long.yaml")
            session = parts.channels["nw1"].session
            await until(lambda: session.next_record > 300, parts)
            folds = session.folds
            await until(lambda: session.next_record > 600, parts)
            await parts.sink.flush()
            with Reader(files / "data") as reader:
                (stored,) = reader.query("SELECT record_index FROM checkpoints WHERE run_id = 1")
            assert session.folds > folds
            assert stored.record_index > 300
    with Reader(files / "data") as reader:
        assert replay(reader, 1).equal

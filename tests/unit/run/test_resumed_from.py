"""A run goes on only from what was written: whatever was changed of it is found before anything is applied, and its output goes off."""

import contextlib
import lzma
import sqlite3
from pathlib import Path

import pytest

from labctl.clock import VirtualClock
from labctl.errors import StoreDamaged
from labctl.store import resume_check, schema
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.resume_check import check_resumable
from labctl.store.verify import verify
from tests.unit.run.one_channel import FakeInstrument, one_channel

STATE = "UPDATE checkpoints SET state = CAST(json_set(CAST(state AS TEXT), {}) AS BLOB)"
SOURCE = "UPDATE checkpoints SET source = CAST(json_set(CAST(source AS TEXT), {}) AS BLOB)"
ALTERED = {
    "the current of the plan": "UPDATE plans SET plan = replace(plan, '0.5', '0.9')",
    "the plan with its hash": "UPDATE plans SET plan = replace(plan, '0.5', '0.9'), hash = 'x'",
    "what the step has had": STATE.format("'$.last.charging_ah', 0.0"),
    "when the step began": STATE.format("'$.step.entry.time', 9.0"),
    "a phase that reads back": STATE.format("'$.phase', 'asking'"),
    "the row of the checkpoint": "UPDATE checkpoints SET record_index = record_index - 1",
    "the commit of the checkpoint": "UPDATE checkpoints SET commit_id = commit_id - 1",
    "no checkpoint": "DELETE FROM checkpoints",
    "when it was read last": SOURCE.format("'$.unix', 1.0"),
    "no resume point": "UPDATE checkpoints SET source = NULL",
    "options": "UPDATE runs SET options = '{\"seed\":7}'",
    "when it began": "UPDATE runs SET began_unix_time_second = began_unix_time_second + 60",
    "whose run it is": "UPDATE runs SET uuid = 'b6a3b0a4-0000-4000-8000-000000000000'",
    "an input that it was not told": "INSERT INTO inputs SELECT run_id, seq + 1, record_index, kind, data FROM inputs ORDER BY seq DESC LIMIT 1",
    "no last input": "DELETE FROM inputs WHERE seq = (SELECT max(seq) FROM inputs)",
    "the chain of its begin": "UPDATE commit_runs SET digest = zeroblob(16) WHERE commit_id = 1",
    "the commit of its begin": "UPDATE runs SET created_commit_id = 2",
}


async def charged(folder: Path, clock: VirtualClock, meter: FakeInstrument, *, paused: bool = False) -> bytes:
    """Charge and die, and return the journal as it was before the last thing that happened: rows, or a pause."""
    async with one_channel(folder, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(10.0)
        await rig.sink.flush()
        before = (folder / "data" / "journal.db", folder / "data" / "journal.db-wal")
        with contextlib.closing(sqlite3.connect(before[0])) as connection:
            (state, source, record, commit) = connection.execute(
                "SELECT state, source, record_index, commit_id FROM checkpoints"
            ).fetchone()
        if paused:
            await rig.order("pause")
        else:
            await rig.let_pass(5.0)
        await rig.sink.flush()
        rig.killed = True
    meter.calls.clear()
    return state, source, record, commit


def alter(folder: Path, sql: str, values: tuple[object, ...] = ()) -> None:
    with contextlib.closing(sqlite3.connect(folder / "data" / "journal.db", isolation_level=None)) as connection:
        assert connection.execute(sql, values).rowcount


async def is_set_aside(folder: Path, clock: VirtualClock, meter: FakeInstrument) -> str:
    clock.advance(clock.now() + 3.0)
    async with one_channel(folder, meter, clock) as rig:
        await rig.take_up()
        assert rig.session is None
        assert rig.channel.stranded == 1
        assert rig.channel.unknown.startswith("run 1 cannot go on: ")
        assert not meter.on
        assert not [call for call in meter.calls if call.startswith("apply")]
        why, unblock = rig.supervisor.why("c1")
        assert "run 1 cannot go on" in why
        assert unblock == "labctl stop c1"
        return rig.channel.unknown


@pytest.mark.parametrize("name", ALTERED)
async def test_what_was_altered_is_found_before_anything_is_applied(tmp_path, name):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    await charged(tmp_path, clock, meter)
    alter(tmp_path, ALTERED[name])
    await is_set_aside(tmp_path, clock, meter)
    assert not verify(tmp_path / "data").whole


@pytest.mark.parametrize("paused", [False, True])
async def test_a_checkpoint_of_before_does_not_stand_for_what_came_since(tmp_path, paused):
    """What a person paused is not energised again by putting the checkpoint before it back, which once was whole."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    before = await charged(tmp_path, clock, meter, paused=paused)
    alter(tmp_path, "UPDATE checkpoints SET state = ?, source = ?, record_index = ?, commit_id = ?", before)
    await is_set_aside(tmp_path, clock, meter)
    assert "run 1: wanted the checkpoint of commit" in "\n".join(map(str, verify(tmp_path / "data").findings))


async def test_a_whole_checkpoint_is_known_without_a_look_through_all_commits_since(tmp_path, monkeypatch):
    """A daemon of a thousand channels writes a million parts between two checkpoints of a run."""
    clock = VirtualClock(1000.0, 1.79e9)
    await charged(tmp_path, clock, FakeInstrument(clock))
    asked = []
    query = Reader.query
    monkeypatch.setattr(Reader, "query", lambda reader, sql, **of: asked.append(sql) or query(reader, sql, **of))
    with Reader(tmp_path / "data") as reader:
        check_resumable(reader, reader.runs(active=True)[0])
    assert resume_check._TOLD in asked
    assert resume_check._TOLD_LATER not in asked


async def test_what_nobody_altered_goes_on(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    await charged(tmp_path, clock, meter)
    clock.advance(clock.now() + 3.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        assert rig.channel.activity == "running"
    assert verify(tmp_path / "data").whole


@pytest.mark.parametrize("packed", ["first", "second"])
def test_a_run_of_an_older_labctl_may_go_on(tmp_path, packed):
    journals = Path(schema.__file__).parents[2] / "tests" / "unit" / "store" / "journals"
    file = tmp_path / "older.db"
    file.write_bytes(lzma.decompress((journals / f"{packed}.db.xz").read_bytes()))
    with Journal.open(file):
        pass
    with Reader(file) as reader:
        (run,) = reader.runs(active=True)
        check_resumable(reader, run)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET options = '{\"seed\":7}' WHERE run_id = ?", (run.run_id,))
    with Reader(file) as reader, pytest.raises(StoreDamaged, match="options or begin were changed"):
        check_resumable(reader, run)

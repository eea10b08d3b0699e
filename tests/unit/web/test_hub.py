"""What viewers are told: changes alone, everything anew for who was away too long, and a copy without a daemon as it grows."""

import sqlite3
from contextlib import closing

import orjson
import pytest

from labctl.store import queries
from labctl.store.entry import NewRun
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.web import hub as module
from labctl.web.channel_rows import newest_rows
from labctl.web.hub import Hub
from labctl.web.stream import Streams
from tests.system.test_orders_seen import begun, parts  # noqa: F401 - a fixture


@pytest.fixture
async def hub(parts):  # noqa: F811
    made = Hub(parts.folder, None)
    await made.start()
    yield made
    await made.stop()


async def test_a_store_without_a_daemon_is_shown_as_it_grows(parts, hub):  # noqa: F811
    assert {name: row["activity"] for name, row in hub.channels.items()} == {"sim1": "idle", "sim2": "idle"}
    version = hub.version
    reply = await begun(parts)
    await parts.sink.flush()
    await hub.fresh()
    row = hub.channels["sim1"]
    assert (row["run"], row["activity"], row["step_type"]) == (reply.run, "running", "rest")
    _, changes = hub.since(version)
    assert set(changes) == {"sim1"}
    assert hub.since(hub.version) == (hub.version, {})


async def test_a_run_that_ended_before_anybody_looked_shows_its_last_row(parts, hub):  # noqa: F811
    reply = await begun(parts)
    await parts.supervisor.order("stop", "sim1", "a", "me")
    await parts.sink.flush()
    with Reader(parts.folder) as reader:
        run = reader.find(reply.run)
        last = reader.query(queries.ROW, run=run.run_id, record=run.rows - 1)[0]
    wanted = {**last._asdict(), "measured": run.began_unix_time + run.test_time, "cycle_count": 0}
    ended = {"channel": "sim1", "run": run.uuid, "run_id": run.run_id, "activity": "done"}  # as a daemon says it
    hub._merge(ended, 99.0)
    assert hub.channels["sim1"].get("voltage_volt") is None
    await hub._take_last_rows()
    assert {key: hub.channels["sim1"][key] for key in wanted} == wanted
    hub._merge(ended, 100.0)
    assert {key: hub.channels["sim1"][key] for key in wanted} == wanted, "another answer takes nothing away"
    hub.channels.clear()
    await hub._look_at_all()
    assert {key: hub.channels["sim1"][key] for key in wanted} == wanted, "and so do pages that begin later"


async def test_who_was_away_too_long_gets_everything_anew(hub):
    for number in range(module.REMEMBERED + 2):
        hub._take("sim1", {"why": str(number)})
    assert hub.since(1) is None
    assert hub.since(hub.version - 3)[1] == {"sim1": {"why": str(module.REMEMBERED + 1)}}


async def test_a_later_row_of_the_journal_is_not_undone_by_an_older_answer(hub):
    hub._merge(
        {"channel": "sim1", "run": "u", "run_id": 1, "record_index": 5, "voltage_volt": 3.5, "activity": "running"},
        10.0,
    )
    hub._take("sim1", {"record_index": 9, "voltage_volt": 3.9, "measured": 12.0})
    hub._merge(
        {"channel": "sim1", "run": "u", "run_id": 1, "record_index": 7, "voltage_volt": 3.7, "activity": "paused"}, 13.0
    )
    row = hub.channels["sim1"]
    assert (row["activity"], row["voltage_volt"], row["record_index"], row["measured"]) == ("paused", 3.9, 9, 12.0)


def test_newest_rows_of_many_runs_come_with_one_question_for_each_hundred(tmp_path):
    with Journal.open(tmp_path) as journal:
        for number in range(1, 5):
            journal.create_run(NewRun(plan=b"{}", plan_hash="0", began_unix_time=0.0, protocol="p", cell=str(number)))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as base, base:
        rows = [
            (run, at, 1, float(at), 3.0 + run / 10, 1e-3, 0.0, 0.0, None, 0, None, None)
            for run in range(1, 5)
            for at in range(3)
        ]
        base.executemany(f"INSERT INTO samples VALUES ({', '.join('?' * 12)})", rows)
    asked = []
    for wanted in ([(2, 1)], [(run, 2) for run in range(1, 251)]):
        with Reader(tmp_path) as reader:
            reader.query = lambda sql, ask=reader.query, **values: asked.append(sql) or ask(sql, **values)
            rows = newest_rows(reader, wanted)
            alone = {run: reader.query(queries.ROW, run=run, record=record) for run, record in wanted}
        assert len(set(asked) - {queries.ROW}) <= 2, "texts that the store has read before"
        assert rows == [{"run_id": run, **row[0]._asdict()} for run, row in alone.items() if row], (
            "runs that are none are not told of"
        )
        assert len(rows) == min(4, len(wanted))


async def test_who_looks_at_all_gets_the_same_bytes_as_others_do(hub):
    streams = Streams(hub, None)
    before = hub.version
    hub._take("sim1", {"voltage_volt": 3.5, "charging_energy_wh": 1.0})
    one, other = (streams._message(frozenset(), before, beat=False) for _ in range(2))
    assert one is other
    assert orjson.loads(one.partition(b"data: ")[2])["channels"] == {"sim1": {"voltage_volt": 3.5}}, "what a wall shows"
    own = streams._message(frozenset({"sim1"}), before, beat=False)
    assert orjson.loads(own.partition(b"data: ")[2])["channels"]["sim1"]["charging_energy_wh"] == 1.0
    assert streams._message(frozenset({"sim2"}), before, beat=False) == b"", "nothing of it changed"
    assert streams._message(frozenset({"sim2"}), before, beat=True).startswith(b"event: news")
    assert streams._message(frozenset({"sim2"}), hub.version, beat=True).startswith(b"event: news")
    hub._touch()
    assert streams._message(frozenset({"sim2"}), hub.version - 1, beat=False), "the station as a whole did"


async def test_where_the_daemon_does_not_answer_the_journal_tells_what_runs(parts, tmp_path):  # noqa: F811
    """It said last of a run that has ended since, and of none that has begun since."""
    seen = Hub(parts.folder, tmp_path)  # nobody answers there
    await seen.start()
    try:
        assert seen.station.lost_since is not None
        reply = await begun(parts)
        await parts.sink.flush()
        await seen.fresh()
        row = seen.channels["sim1"]
        assert (row["run"], row["activity"], row["step_type"]) == (reply.run, "running", "rest")
        await parts.supervisor.order("stop", "sim1", "a", "me")
        await parts.sink.flush()
        await seen.fresh()
        assert (seen.channels["sim1"]["run"], seen.channels["sim1"]["activity"]) == (reply.run, "done")
    finally:
        await seen.stop()

"""What viewers are told: changes alone, everything anew for who was away too long, and a copy without a daemon as it grows."""

import pytest

from labctl.web import hub as module
from labctl.web.hub import Hub
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

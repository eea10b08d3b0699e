"""Orders and waiting runs that somebody damaged: what can be served is, and what is not known any more is said."""

import sqlite3

import pytest

from labctl.daemon import running
from labctl.errors import StoreDamaged
from labctl.run.request import StartRequest
from labctl.store.verify import verify
from tests.system.test_orders_once import STATION, folder  # noqa: F401

LATER = 4e9  # s of Unix time


def damaged(folder, sql):  # noqa: F811
    """Change the journal of a daemon that has ended."""
    with sqlite3.connect(folder / "data" / "journal.db") as connection:
        connection.execute(sql)
    connection.close()


async def left(folder):  # noqa: F811
    """Run a daemon that starts a run, has one waiting, and ends."""
    files = str(folder / "p.yaml"), str(folder / "cell.yaml")
    async with running(STATION, folder / "data") as parts:
        await parts.supervisor.start(StartRequest(*files, "sim1", id="first"))
        await parts.supervisor.order("note", "sim1", "N", by="me", text="seen")
        await parts.supervisor.start(StartRequest(*files, "sim1", id="waits", at=LATER))


@pytest.mark.parametrize("table", ["orders", "queue"])
async def test_a_table_that_is_gone_is_made_anew_and_said(folder, table):  # noqa: F811
    await left(folder)
    damaged(folder, f"DROP TABLE {table}")
    assert f"table {table}: is missing" in map(str, verify(folder / "data").findings)
    async with running(STATION, folder / "data") as parts:
        assert parts.supervisor.status()[0]["activity"] == "running"
        (alarm,) = [each for each in parts.alarms if each.name == "journal-tables"]
        assert f"the journal had no table {table}" in alarm.text
        assert (await parts.supervisor.order("pause", "sim1", "P", by="me")).activity == "paused"
        assert (await parts.supervisor.order("stop", "sim1", "S", by="me")).activity == "done"
    assert not verify(folder / "data").findings
    async with running(STATION, folder / "data") as parts:
        assert not [each for each in parts.alarms if each.name == "journal-tables"]


async def test_a_waiting_run_that_does_not_read_back_keeps_nobody_from_being_served(folder):  # noqa: F811
    await left(folder)
    damaged(folder, "UPDATE queue SET data = substr(data, 3)")
    altered, words = map(str, verify(folder / "data").findings)
    assert altered == "queue: is not what commits left there: rows were changed, added or taken out"
    assert words.startswith("queue: run ")
    assert words.endswith("that waits on sim1 does not read back")
    async with running(STATION, folder / "data") as parts:
        assert parts.supervisor.status()[0]["activity"] == "running"
        assert parts.supervisor.status()[0]["queue"] == 0


async def test_an_answer_that_does_not_read_back_is_said_and_not_obeyed_again(folder):  # noqa: F811
    await left(folder)
    damaged(folder, "UPDATE orders SET reply = '[' WHERE order_id = 'first'")
    assert "orders: start first on sim1 does not read back" in map(str, verify(folder / "data").findings)
    async with running(STATION, folder / "data") as parts:
        with pytest.raises(StoreDamaged, match="wanted the answer to an order"):
            await parts.supervisor.start(
                StartRequest(str(folder / "p.yaml"), str(folder / "cell.yaml"), "sim1", id="first")
            )
        assert parts.supervisor.status()[0]["run_id"] == 1

"""Orders at moments that nobody has in mind: while the line is cut, right after a trip, with a restart behind them."""

import asyncio

from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.run.request import EditRequest, StartRequest
from labctl.station.settings import ChannelSettings, InstrumentSettings, Mqtt, Part, Station
from labctl.store.reader import Reader
from labctl.store.verify import verify
from labctl_simulators.wire.line import Server
from tests.system.test_polled import SPEED, Cells, Told, folder, served, start, status  # noqa: F401

AHEAD = """\
labctl: 1
name: ahead
record: {every: 5 s}
on_interruption: {continue_within: 3 h, else: ask}
steps:
  - charge: {current: 0.1 A, for: 4 h}
  - charge: {current: 0.2 A, for: 4 h}
"""


def levels(cells, channel="1"):
    """Return the currents that were set, those that energise."""
    return [level for _, mode, level, _ in cells.ledger(channel)["set_points"] if mode == "current"]


async def test_an_edit_while_the_line_is_cut_holds_when_it_answers_and_after_a_restart(folder):  # noqa: F811
    (folder / "ahead.yaml").write_text(AHEAD)
    cells = Cells(1)
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1", "ahead")
        await told.until(lambda seen: seen.rows.get(1, 0) > 5 and cells.mode("1") == "current")
        cells.faults.refuse = True
        cells.server.unplug()
        async with asyncio.timeout(30):
            while not parts.connections["a"].link.lost:
                await parts.clock.until(parts.clock.now() + 1.0)
        (folder / "ahead.yaml").write_text(AHEAD.replace("0.2 A", "0.05 A"))
        done = await parts.supervisor.edit(EditRequest("a1", str(folder / "ahead.yaml"), apply=True, by="me", id="e"))
        assert done.applied
        await parts.sink.flush()
    cells.faults.refuse = False
    cells.server = Server(cells.practice, cells.now, cells.faults)
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await parts.supervisor.order("skip", "a1")
        await told.until(
            lambda seen: "attempt" in seen.kinds(1) and levels(cells)[-1] == 0.05
        )  # given after it is recorded
    assert max(levels(cells)) == 0.1
    assert verify(folder / "data").findings == ()


async def test_nothing_that_waits_begins_after_a_trip_nor_after_a_restart(folder):  # noqa: F811
    cells = Cells(1)
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1", "tight")
        waits = StartRequest(str(folder / "stairs.yaml"), str(folder / "cell.yaml"), "a1", next=True)
        second = await parts.supervisor.start(waits)
        await told.until(lambda seen: "run_ended" in seen.kinds(1))
        assert cells.mode("1") == "off"
        assert "held since the last run ended as" in status(parts, "a1")["next"]
    cells.server = Server(cells.practice, cells.now, cells.faults)
    async with served(folder, {"a": cells}) as parts:
        assert "held since the last run ended as" in status(parts, "a1")["next"]
        assert status(parts, "a1")["activity"] in {
            "tripped",
            "failed",
        }  # by the daemon's limit, or by the instrument's own
        assert cells.mode("1") == "off"
        reply = await parts.supervisor.order("resume", "a1", by="me")
        assert reply.run == second.run
    with Reader(folder / "data") as reader:
        assert [run.protocol for run in reader.runs()] == ["tight", "stairs"]


async def test_an_output_whose_meter_is_away_as_the_daemon_is_asked_to_end_goes_off_when_it_answers(folder):  # noqa: F811
    """The daemon ends in its time; the guard stays, and tries until the output is off."""
    (folder / "ahead.yaml").write_text(AHEAD)
    cells = Cells(1)
    port = await cells.server.start()
    given = InstrumentSettings("a", "practice", {"port": port, "timeout": 0.3})
    channel = ChannelSettings("a1", {"cell": Part("a", "1")})
    station = Station("test", instruments={"a": given}, channels={"a1": channel}, mqtt=Mqtt(broker="none"))
    try:
        async with running(station, folder / "data", ScaledClock(SPEED)) as parts:
            told = Told(parts)
            await start(parts, folder, "a1", "ahead")
            await told.until(lambda seen: seen.rows.get(1, 0) > 5 and cells.mode("1") == "current")
            guard = parts.guard._child.process
            cells.faults.refuse = True
            cells.server.unplug()
        assert cells.mode("1") == "current"
        assert guard.poll() is None
        cells.faults.refuse = False
        assert await asyncio.to_thread(guard.wait, 30) == 0
        assert cells.mode("1") == "off"
    finally:
        await cells.server.stop()

"""The station file read again while runs go on: what can be taken is, what cannot is named, and nothing is taken by halves."""

import asyncio

import pytest

from labctl.cli.main import main
from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.errors import FileError, OrderRefused, StationError
from labctl.run import guard_process
from labctl.run.request import StartRequest
from labctl.run.stations import found_station
from tests.system.test_orders_once import CELL
from tests.system.test_orders_seen import PROTOCOL
from tests.system.test_polled import CHARGE, SPEED, Cells, Told
from tests.system.test_polled import start as charge
from tests.system.test_queue import until

FILE = """\
labctl_station: 1
name: bench
mqtt: {broker: none}
instruments:
  one: {driver: simulated}
channels:
  A1: {cell: {instrument: one, at: 1}}
"""
MORE = FILE.replace("channels:", "  two: {driver: simulated}\nchannels:").replace(
    "  A1:", "  B1: {cell: {instrument: two, at: 1}}\n  A1:"
)


@pytest.fixture
async def parts(tmp_path):
    (tmp_path / "station.yaml").write_text(FILE)
    station, folder = found_station(tmp_path / "station.yaml", tmp_path / "data", tmp_path)
    async with running(station, folder, ScaledClock(10.0)) as opened:
        await start(opened, "A1")
        yield opened


async def start(parts, channel, text=PROTOCOL):
    texts = parts.supervisor.texts
    return await parts.supervisor.start(StartRequest(texts.put("p.yaml", text), texts.put("c.yaml", CELL), channel))


@pytest.fixture
def write(tmp_path):
    return (tmp_path / "station.yaml").write_text


def rows(parts):
    return {row["channel"]: row["activity"] for row in parts.supervisor.status()}


async def test_new_instruments_and_channels_are_served_and_runs_go_on(parts, write, tmp_path, capsys):
    run = parts.channels["A1"].session
    write(MORE)
    assert await asyncio.to_thread(main, ["reload", "--data", str(tmp_path / "data")]) == 0
    assert "instrument two, channel B1" in capsys.readouterr().out
    assert parts.channels["A1"].session is run
    assert rows(parts) == {"A1": "running", "B1": "idle"}
    reply = await start(parts, "B1")
    session = parts.channels["B1"].session
    await until(parts, lambda: session.state.last.record > 0)
    await parts.supervisor.order("stop", reply.run)
    assert await parts.supervisor.reload() == "nothing differs"


def polled(**ports):
    instruments = "".join(
        f"  {name}: {{driver: practice, port: {port}, timeout: 0.3}}\n" for name, port in ports.items()
    )
    channels = "".join(f"  {name}1: {{cell: {{instrument: {name}, at: 1}}}}\n" for name in ports)
    head = "labctl_station: 1\nname: bench\nclock: 60\nmqtt: {broker: none}\n"  # the clock is warned of, and taken
    return f"{head}instruments:\n{instruments}channels:\n{channels}"


async def test_a_polled_instrument_is_served_and_guarded_while_the_run_of_another_goes_on(write, tmp_path):
    """Each on a line of its own: the run that goes on keeps its session and its guard, and the new one's goes off with its stop."""
    one, two = Cells(1), Cells(1)
    (tmp_path / "charge.yaml").write_text(CHARGE)
    (tmp_path / "cell.yaml").write_text(CELL)
    ports = {"one": await one.server.start(), "two": await two.server.start()}
    write(polled(one=ports["one"]))
    station, folder = found_station(tmp_path / "station.yaml", tmp_path / "data", tmp_path)
    try:
        async with running(station, folder, ScaledClock(SPEED)) as opened:
            told = Told(opened)
            await charge(opened, tmp_path, "one1")
            await told.until(lambda seen: seen.rows.get(1, 0) > 3)
            session, guard = opened.channels["one1"].session, opened.guard.pid
            write(polled(**ports))
            assert await opened.supervisor.reload() == "instrument two, channel two1"
            await charge(opened, tmp_path, "two1")
            before = told.rows[1]
            await told.until(lambda seen: seen.rows.get(2, 0) > 3 and seen.rows[1] > before + 3)
            assert (opened.channels["one1"].session, opened.guard.pid) == (session, guard)
            assert set(opened.guard._watched) == {"one", "two"}
            await opened.supervisor.order("stop", "two1")
            assert two.mode("1") == "off"
            assert opened.channels["one1"].session is session
        for guard_left in guard_process.LEFT_BEHIND:  # it ends once the output is confirmed off
            await asyncio.to_thread(guard_left.wait, 30)
        assert one.mode("1") == "off"
    finally:
        await one.server.stop()
        await two.server.stop()


async def test_limits_hold_for_runs_that_begin_from_now_on(parts, write):
    write(FILE.replace("at: 1}}", "at: 1}, limits: {voltage: [3.5 V, 3.6 V]}}"))
    plan = parts.channels["A1"].session.plan
    assert await parts.supervisor.reload() == "limits of A1"
    assert parts.channels["A1"].session.plan is plan
    await parts.supervisor.order("stop", "A1")
    with pytest.raises(FileError, match=r"3\.6 V"):
        await start(parts, "A1", PROTOCOL.replace("rest: 2 h", "charge: {current: 1 mA, to: 4.0 V, for: 1 h}"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MORE.replace("name: bench", "name: other"), "again for: name"),
        (MORE.replace("broker: none", "broker: none, commands: all"), "mqtt"),
        (
            MORE.replace("one: {driver: simulated}", "one: {driver: simulated, seed: 5}"),
            "the settings of instrument one",
        ),
        (
            MORE.replace("A1: {cell: {instrument: one, at: 1}}", "A2: {cell: {instrument: two, at: 2}}"),
            "channel A1, which is gone",
        ),
        (MORE.replace("  A1:", "  A2: {cell: {instrument: one, at: 2}}\n  A1:"), "channel A2 at instrument one"),
    ],
)
async def test_what_needs_a_new_daemon_is_named_and_nothing_is_taken(parts, write, text, words):
    write(text)
    with pytest.raises(OrderRefused) as error:
        await parts.supervisor.reload()
    assert words in str(error.value)
    assert rows(parts) == {"A1": "running"}


@pytest.mark.parametrize(
    "text", ["", "labctl_station: 1\nchannel", MORE.replace("driver: simulated}\nch", "driver: none}\nch")]
)
async def test_a_broken_file_changes_nothing_and_runs_go_on(parts, write, text):
    write(text)
    with pytest.raises(StationError):
        await parts.supervisor.reload()
    assert rows(parts) == {"A1": "running"}

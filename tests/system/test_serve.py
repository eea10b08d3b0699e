"""The daemon in this process: starts, orders, refusals, and what a person is told."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from labctl.clock import FastClock, ScaledClock
from labctl.daemon import running
from labctl.errors import FileError, OrderRefused, StationError, StoreBusy, UsageError
from labctl.run.replay import replay
from labctl.run.request import StartRequest
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.run.stations import found_station, simulated_station
from labctl.station.settings import Mqtt, Station
from labctl.store.journal import Journal
from labctl.store.reader import Reader

CELL = """\
labctl_cell: 1
name: M1
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
CCCV = """\
labctl: 1
name: CC-CV
record: {every: 10 s, dV: 2 mV}
steps:
  - rest: 10 min
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 0.5 A, to: 4.1 V, hold_until: "current < 50 mA", for: 10 h}
      - discharge: {current: 0.5 A, to: 3.2 V, for: 10 h}
"""
LONG = """\
labctl: 1
name: long
steps:
  - {name: first, rest: 100 h}
  - {name: second, rest: 100 h}
  - {name: third, rest: 1 h}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "cccv.yaml").write_text(CCCV)
    (tmp_path / "long.yaml").write_text(LONG)
    return tmp_path


def request(files, protocol="cccv.yaml", channel="sim1", **more):
    return StartRequest(str(files / protocol), str(files / "cell.yaml"), channel, by="me", **more)


@asynccontextmanager
async def serving(files, clock, station=None):
    station = station or simulated_station(3)
    quiet = Station(
        station.name, station.store, station.instruments, station.channels, Mqtt(broker="none"), file=station.file
    )
    async with running(quiet, files / "data", clock) as parts:
        yield parts


def ends(parts, count=1):
    """Return what is done once so many runs have ended, durably."""
    done = asyncio.get_running_loop().create_future()
    left = [count]

    def look(committed):
        left[0] -= sum(event.kind == "run_ended" for entry in committed.entries for event in entry.events)
        if left[0] <= 0 and not done.done():
            done.set_result(None)

    parts.sink.on_commit(look)
    return done


def samples(path, run=1):
    with sqlite3.connect(path) as database:
        found = database.execute(
            "SELECT record_index, attempt_id, test_time_second, voltage_volt, current_ampere, charging_capacity_ah, "
            "discharging_capacity_ah FROM samples WHERE run_id = ? ORDER BY record_index", (run,)
        ).fetchall()  # fmt: skip
    database.close()
    return found


async def test_a_run_on_a_fast_clock_is_the_dry_run_to_the_bit(files):
    async with serving(files, FastClock()) as parts:
        done = ends(parts)
        reply = await parts.supervisor.start(request(files))
        assert reply.channel == "sim1"
        assert reply.duration_second > 0
        await done
        assert [row["activity"] for row in parts.supervisor.status()] == ["done", "idle", "idle"]
    with Reader(files / "data") as reader:
        assert replay(reader, 1).equal
        seed = reader.run(1).options["seed"]
    with Journal.open(files / "dry.db") as journal:
        Simulation(DryRunRequest(str(files / "cccv.yaml"), str(files / "cell.yaml"), seed=seed)).run(journal)
    assert samples(files / "data" / "journal.db") == samples(files / "dry.db")


async def test_the_same_cell_goes_on_as_the_last_run_left_it(files):
    async with serving(files, FastClock()) as parts:
        done = ends(parts, 2)
        await parts.supervisor.start(request(files))
        other = ends(parts)
        await other
        await parts.supervisor.start(request(files))
        await done
    first, second = samples(files / "data" / "journal.db", 1), samples(files / "data" / "journal.db", 2)
    assert first[0][3] > 3.8
    assert first[-1][3] < second[0][3] < 3.4


async def test_orders_are_obeyed_and_told(files):
    async with serving(files, ScaledClock(1000.0)) as parts:
        give = parts.supervisor
        run = (await give.start(request(files, "long.yaml"))).run
        assert (await give.order("pause", "sim1", by="me")).activity == "paused"
        assert give.why("sim1") == ("channel sim1 is paused: paused by me", "labctl resume sim1")
        assert (await give.order("resume", run)).activity in {"running", "paused"}
        await give.order("note", "sim1", text="a remark", by="me")
        assert (await give.order("skip", "sim1")).activity == "running"
        (status,) = [row for row in give.status() if row["channel"] == "sim1"]
        assert (status["step_name"], status["protocol"], status["cell"]) == ("second", "long", "M1")
        assert (await give.order("stop", "sim1", by="me")).text == "stopped by me"
        with pytest.raises(OrderRefused, match="there is no run to stop"):
            await give.order("stop", "sim1")
    with Reader(files / "data") as reader:
        assert replay(reader, 1).equal
        kinds = [found.event.kind for found in reader.events(1)]
        assert "note" in kinds
        assert reader.run(1).end_reason == "stopped"


async def test_an_order_with_the_same_id_is_given_once(files):
    async with serving(files, ScaledClock(1000.0)) as parts:
        one, two = await asyncio.gather(
            *(parts.supervisor.start(request(files, "long.yaml", id="a")) for _ in range(2))
        )
        assert one == two
        skips = [await parts.supervisor.order("skip", "sim1", order_id="b") for _ in range(3)]
        assert skips[0] == skips[1] == skips[2]
        (status,) = [row for row in parts.supervisor.status() if row["channel"] == "sim1"]
        assert status["step_name"] == "second"
    async with serving(files, ScaledClock(1000.0)) as parts:
        assert await parts.supervisor.start(request(files, "long.yaml", id="a")) == one


async def test_refusals_say_what_would_help(files):
    async with serving(files, ScaledClock(1000.0)) as parts:
        give = parts.supervisor
        await give.start(request(files, "long.yaml"))
        with pytest.raises(OrderRefused, match=r"sim1 is taken by run 1 \(long\); `labctl stop sim1` ends it"):
            await give.start(request(files))
        with pytest.raises(UsageError, match="did you mean sim1"):
            await give.start(request(files, channel="simm1"))
        with pytest.raises(UsageError, match="did you mean stop"):
            await give.order("stopp", "sim1")
        with pytest.raises(OrderRefused, match="cannot confirm now; it obeys edit, note, pause, skip, stop"):
            await give.order("confirm", "sim1")
        (files / "cell.yaml").write_text(CELL.replace("marquis2019", "marquis"))
        with pytest.raises(Exception, match="marquis2019"):
            await give.start(request(files, channel="sim2"))
        with pytest.raises(FileError, match="found none"):
            await give.start(request(files, "nothing.yaml", "sim2"))
        assert give.status()[1]["activity"] == "idle"


async def test_two_starts_at_once_give_one_run(files):
    async with serving(files, ScaledClock(1000.0)) as parts:
        given = [parts.supervisor.start(request(files, "long.yaml")) for _ in range(5)]
        found = await asyncio.gather(*given, return_exceptions=True)
        assert sum(isinstance(each, OrderRefused) for each in found) == 4


async def test_a_run_goes_on_from_a_step_as_a_new_one(files):
    async with serving(files, FastClock()) as parts:
        done = ends(parts)
        await parts.supervisor.start(request(files))
        await done
        again = ends(parts)
        reply = await parts.supervisor.start(StartRequest(resume="1", step=3, by="me"))
        assert reply.channel == "sim1"
        await again
    with Reader(files / "data") as reader:
        first, second = reader.run(1), reader.run(2)
        assert second.resumed_from == 1
        assert reader.rows(2).charging_ah[0] == pytest.approx(reader.rows(1).charging_ah[-1])
        assert [row[0] for row in reader.query("SELECT step_id FROM steps WHERE run_id = 2 LIMIT 1")] == [3]
        assert min(row[0] for row in reader.query("SELECT cycle_count FROM cycles WHERE run_id = 2")) == 4
        assert first.rows > second.rows


async def test_a_stopped_daemon_goes_on_with_its_runs(files):
    async with serving(files, ScaledClock(1000.0)) as parts:
        await parts.supervisor.start(request(files, "long.yaml"))
        await parts.sink.flush()
    async with serving(files, FastClock()) as parts:
        assert any("run 1 goes on after row" in said for said in parts.said)
        done = ends(parts)
        await done
    with Reader(files / "data") as reader:
        assert reader.run(1).end_reason == "done"
        assert reader.run(1).test_time == pytest.approx(201 * 3600.0)
        assert replay(reader, 1).equal


async def test_a_cell_that_breaks_ends_its_run_alone(files, monkeypatch):
    async with serving(files, FastClock()) as parts:
        done = ends(parts, 2)
        await parts.supervisor.start(request(files))
        simulated = parts.connections["bench"].source._channels["1"]
        monkeypatch.setattr(simulated, "advance", lambda *_: 1 / 0)
        await parts.supervisor.start(request(files, channel="sim2"))
        await done
        assert [row["activity"] for row in parts.supervisor.status()] == ["failed", "done", "idle"]
        assert "ZeroDivisionError" in parts.supervisor.why("sim1")[0]


async def test_a_second_daemon_is_refused_by_name(files):
    async with serving(files, FastClock()):
        words = [sys.executable, "-m", "labctl", "serve", "--data", str(files / "data")]
        second = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False, cwd=files)
        assert second.returncode == 1
        assert "is in use by process" in second.stderr
        with pytest.raises(StoreBusy):
            async with serving(files, FastClock()):
                pass


def test_a_station_with_an_unknown_driver_is_refused_with_those_there_are(files):
    (files / "station.yaml").write_text(
        "labctl_station: 1\ninstruments: {a: {driver: simulate}}\nchannels: {one: {cell: {instrument: a, at: 1}}}\n"
    )
    with pytest.raises(StationError, match="simulated"):
        found_station(files / "station.yaml", None, files)


async def test_an_unknown_option_of_a_driver_is_refused_with_those_there_are(files):
    (files / "station.yaml").write_text(
        "labctl_station: 1\ninstruments: {a: {driver: simulated, noise: 3}}\nchannels: {one: {cell: {instrument: a, at: 1}}}\n"
    )
    station, _ = found_station(files / "station.yaml", None, files)
    with pytest.raises(StationError, match="voltage_noise"):
        async with serving(files, FastClock(), station):
            pass


def test_a_daemon_that_belongs_to_another_process_ends_with_it(tmp_path):
    words = [sys.executable, "-m", "labctl", "serve", "--attached", "--data", str(tmp_path / "data"), "--clock", "fast"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as daemon:
        assert b"serves" in daemon.stdout.readline()
        daemon.stdin.close()  # as the death of its parent closes it
        assert b"stopping" in daemon.stdout.read()
        assert daemon.wait() == 0


async def test_the_channels_of_the_station_are_in_the_journal(files):
    async with serving(files, FastClock()) as parts:
        names = list(parts.channels)
    with sqlite3.connect(files / "data" / "journal.db") as database:
        stored = dict(database.execute("SELECT channel, data FROM channels ORDER BY channel"))
    database.close()
    assert list(stored) == sorted(names)
    assert '"cell"' in stored[names[0]]

"""Instruments that live on their own: cells behind a real wire, which can be cut, hang, talk nonsense and trip."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from labctl.clock import ScaledClock, monotonic
from labctl.daemon import running
from labctl.run.replay import replay
from labctl.run.request import StartRequest
from labctl.station.settings import ChannelSettings, InstrumentSettings, Mqtt, Part, Station
from labctl.store.reader import Reader
from labctl_simulators.models import load_model
from labctl_simulators.wire.fault import Switchboard
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.practice import EmulatedPractice

SPEED = 50.0
CELL = """\
labctl_cell: 1
name: M1
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
CHARGE = """\
labctl: 1
name: charge
record: {every: 5 s}
steps:
  - charge: {current: 0.3 A, to: 4.25 V, for: 2 h}
"""
TIGHT = """\
labctl: 1
name: tight
record: {every: 5 s}
limits: {voltage: [3.5 V, 3.93 V]}
steps:
  - charge: {current: 2 A, for: 30 min}
"""
STAIRS = """\
labctl: 1
name: stairs
record: {every: 10 s}
steps:
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 0.3 A, for: 20 s}
      - discharge: {current: 0.3 A, for: 20 s}
"""


class Cells:
    """Cells behind a wire in this loop, on a clock as fast as the daemon's."""

    def __init__(self, channels=2):
        cell = load_model("marquis2019")
        self.practice = EmulatedPractice([(cell, cell.initial(0.5, number)) for number in range(channels)], self.now())
        self.faults = Switchboard()
        self.server = Server(self.practice, self.now, self.faults)

    def now(self):
        return monotonic() * SPEED

    def mode(self, channel):
        return self.practice.channels[channel].mode

    def ledger(self, channel):
        return self.practice.channels[channel].totals(self.now())


@asynccontextmanager
async def served(folder, benches):
    """Run a daemon over benches of cells; every bench is an instrument with its channels."""
    instruments, channels = {}, {}
    for name, cells in benches.items():
        port = await cells.server.start()
        instruments[name] = InstrumentSettings(name, "practice", {"port": port, "timeout": 0.3})
        for at in cells.practice.channels:
            channels[f"{name}{at}"] = ChannelSettings(f"{name}{at}", {"cell": Part(name, at)})
    station = Station("test", instruments=instruments, channels=channels, mqtt=Mqtt(broker="none"))
    try:
        async with running(station, folder / "data", ScaledClock(SPEED)) as parts:
            yield parts
    finally:
        for cells in benches.values():
            await cells.server.stop()


@pytest.fixture
def folder(tmp_path):
    for name, text in (("cell", CELL), ("charge", CHARGE), ("tight", TIGHT), ("stairs", STAIRS)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


async def start(parts, folder, channel, protocol="charge"):
    request = StartRequest(str(folder / f"{protocol}.yaml"), str(folder / "cell.yaml"), channel, by="me")
    return await parts.supervisor.start(request)


class Told:
    """What has been committed, to wait for."""

    def __init__(self, parts):
        self.rows, self.events = {}, []
        self._changed = asyncio.Event()
        parts.sink.on_commit(self._note)

    def _note(self, done):
        for entry in done.entries:
            self.rows[entry.run_id] = self.rows.get(entry.run_id, 0) + entry.rows
            self.events += [(entry.run_id, event.kind, event.data) for event in entry.events]
        self._changed.set()

    async def until(self, holds):
        async with asyncio.timeout(30):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    def kinds(self, run):
        return [kind for number, kind, _ in self.events if number == run]


def status(parts, channel):
    return next(row for row in parts.supervisor.status() if row["channel"] == channel)


async def test_a_run_comes_to_its_end_and_the_journal_agrees_with_the_cell(folder):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1", "stairs")
        await told.until(lambda seen: "run_ended" in seen.kinds(1))
        assert cells.mode("1") == "off"
        truth = cells.ledger("1")
    with Reader(folder / "data") as reader:
        rows = reader.rows(1)
        assert replay(reader, 1).equal
        assert reader.run(1).end_reason == "done"
    assert 3600.0 * rows.charging_ah[-1] == pytest.approx(truth["charging"], rel=0.15)
    assert 3600.0 * rows.discharging_ah[-1] == pytest.approx(truth["discharging"], rel=0.15)
    energised = [tag for _, mode, _, tag in truth["set_points"] if mode == "current"]
    assert energised == sorted(set(energised))


async def test_a_stop_switches_off_before_it_is_written(folder):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1")
        await told.until(lambda seen: seen.rows.get(1, 0) > 3 and cells.mode("1") == "current")
        reply = await parts.supervisor.order("stop", "a1", by="me")
        assert cells.mode("1") == "off"
        assert reply.text == "stopped by me"


async def test_the_end_of_the_daemon_switches_off_and_its_return_goes_on(folder):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1")
        await told.until(lambda seen: seen.rows.get(1, 0) > 3)
    assert cells.mode("1") == "off"
    cells.server = Server(cells.practice, cells.now, cells.faults)
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        assert any("run 1 goes on after row" in words for words in parts.said)
        await told.until(lambda seen: seen.rows.get(1, 0) > 3 and cells.mode("1") == "current")
        await parts.supervisor.order("stop", "a1")
    with Reader(folder / "data") as reader:
        assert [found.event.kind for found in reader.events(1)].count("gap") == 1
        assert replay(reader, 1).equal


async def test_a_cut_wire_is_a_gap_and_the_run_goes_on(folder):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1")
        await told.until(lambda seen: seen.rows.get(1, 0) > 3)
        cells.server.unplug()
        await told.until(lambda seen: "gap" in seen.kinds(1))
        (gap,) = [data for run, kind, data in told.events if (run, kind) == (1, "gap")]
        assert gap["attempt_goes_on"] is True
        seen = told.rows[1]
        await told.until(lambda now: now.rows[1] > seen + 3)
        assert status(parts, "a1")["activity"] == "running"
        await parts.supervisor.order("stop", "a1")
        truth = cells.ledger("1")
    with Reader(folder / "data") as reader:
        assert 3600.0 * reader.rows(1).charging_ah[-1] == pytest.approx(truth["charging"], rel=0.1)
        assert replay(reader, 1).equal


async def test_one_instrument_that_hangs_delays_no_other(folder):
    slow, quick = Cells(1), Cells(1)
    async with served(folder, {"slow": slow, "quick": quick}) as parts:
        told = Told(parts)
        await start(parts, folder, "slow1")
        await start(parts, folder, "quick1")
        await told.until(lambda seen: min(seen.rows.get(run, 0) for run in (1, 2)) > 3)
        slow.faults.hang = True
        seen = told.rows[2]
        await told.until(lambda now: now.rows[2] > seen + 10)
        assert status(parts, "slow1")["activity"] == "unknown"
        assert "is unknown: instrument slow" in parts.supervisor.why("slow1")[0]
        assert status(parts, "quick1")["activity"] == "running"
        slow.faults.hang = False
        slow.server.unplug()
        await told.until(lambda now: "gap" in now.kinds(1))


async def test_nonsense_on_the_wire_is_no_value(folder):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1")
        await told.until(lambda seen: seen.rows.get(1, 0) > 3)
        cells.faults.garbage = 2
        await told.until(lambda seen: "gap" in seen.kinds(1))
        await parts.supervisor.order("stop", "a1")
    with Reader(folder / "data") as reader:
        voltage = reader.rows(1).voltage
        assert ((voltage > 3.0) & (voltage < 4.3)).all()


async def test_a_breach_of_a_limit_trips(folder):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1", "tight")
        await told.until(lambda seen: "run_ended" in seen.kinds(1))
        assert cells.mode("1") == "off"
        assert status(parts, "a1")["activity"] in {"tripped", "failed"}


async def test_a_driver_that_raises_fails_its_channel_alone(folder, monkeypatch):
    cells = Cells()
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1")
        await start(parts, folder, "a2")
        await told.until(lambda seen: min(seen.rows.get(run, 0) for run in (1, 2)) > 3)
        instrument = parts.connections["a"].instrument
        read = instrument.read

        async def broken(channels):
            if "1" in channels:
                raise ZeroDivisionError("a defect of the driver")
            return await read(channels)

        monkeypatch.setattr(instrument, "read", broken)
        await told.until(lambda seen: "run_ended" in seen.kinds(1))
        assert cells.mode("1") == "off"
        seen = told.rows[2]
        await told.until(lambda now: now.rows[2] > seen + 3)
        assert [status(parts, name)["activity"] for name in ("a1", "a2")] == ["failed", "running"]


async def test_an_instrument_that_is_not_there_is_waited_for(folder):
    cells = Cells(1)
    port = await cells.server.start()
    await cells.server.stop()
    station = Station(
        "test",
        instruments={"a": InstrumentSettings("a", "practice", {"port": port, "timeout": 0.3})},
        channels={"a1": ChannelSettings("a1", {"cell": Part("a", "1")})},
        mqtt=Mqtt(broker="none"),
    )
    async with running(station, folder / "data", ScaledClock(SPEED)) as parts:
        assert status(parts, "a1")["activity"] == "unknown"
        with pytest.raises(Exception, match="no practice cell answers"):
            await start(parts, folder, "a1")
        cells.server = Server(cells.practice, cells.now, cells.faults)
        await cells.server.start(port)
        async with asyncio.timeout(20):
            while status(parts, "a1")["activity"] == "unknown":
                await parts.clock.until(parts.clock.now() + 1.0)
        await start(parts, folder, "a1")
    await cells.server.stop()

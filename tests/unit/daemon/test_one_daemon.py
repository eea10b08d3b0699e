"""One daemon to a station with instruments, wherever its data folder is, and a word where that is moved."""

import asyncio

import pytest

from labctl.clock import RealClock
from labctl.daemon import recording, running
from labctl.errors import StoreBusy
from labctl.run.drivers import names
from labctl.run.stations import simulated_station
from labctl.station.load import load_station

STATION = """\
labctl_station: 1
mqtt: {broker: none}
instruments: {kei: {driver: DRIVER}}
channels: {a: {cell: {instrument: kei, at: 1}}}
"""


def station_of(folder, driver):
    file = folder / "station.yaml"
    file.write_text(STATION.replace("DRIVER", driver))
    return load_station(file.read_text(), str(file), names())


async def test_a_second_daemon_of_a_station_with_instruments_is_refused_whatever_folder_it_names(tmp_path):
    station = station_of(tmp_path, 'keithley2450, resource: "TCPIP0::127.0.0.1::1::SOCKET"')
    async with running(station, tmp_path / "data", RealClock()):
        with pytest.raises(StoreBusy, match=r"station\.yaml, with its instruments, is in use by process \d+"):
            async with running(station, tmp_path / "other", RealClock()):
                pass
    async with running(station, tmp_path / "other", RealClock()):
        pass
    assert not list(tmp_path.glob(".*.lock"))


async def test_simulated_channels_may_be_served_twice(tmp_path):
    station = station_of(tmp_path, "simulated")
    async with running(station, tmp_path / "a", RealClock()), running(station, tmp_path / "b", RealClock()):
        pass


async def test_a_data_folder_that_is_moved_is_told_until_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "PLACE_EVERY", 0.0)
    heard = {"rise": asyncio.Event(), "end": asyncio.Event()}
    async with running(simulated_station(1), tmp_path / "data", RealClock()) as parts:
        parts.alarms.follow(lambda name, alarm: heard["rise" if alarm else "end"].set() if name == "folder" else None)
        (tmp_path / "data").rename(tmp_path / "moved")
        async with asyncio.timeout(30.0):
            await heard["rise"].wait()
        assert "was moved" in parts.alarms.texts()
        (tmp_path / "moved").rename(tmp_path / "data")
        async with asyncio.timeout(30.0):
            await heard["end"].wait()
        assert not parts.alarms.texts()

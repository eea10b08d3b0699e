"""The stage and its driver over a real pseudo-terminal; facts of GRBL 1.1 that the driver relies on."""

import contextlib
import math

import pytest

from labctl.driver import Bend, Ended, Program, ProgramStep
from labctl.errors import InstrumentError, SettingRefused, Unreachable
from labctl_drivers.grbl import Grbl
from labctl_simulators.wire.grbl import Stage
from labctl_simulators.wire.line import SerialPort

ANGLES = {"0": -5.0, "90": -40.0, "180": -80.0}


class Time:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def stage(**settings):
    time, device = Time(), Stage()
    line = SerialPort(device, time)
    driver = Grbl(await line.start(), ANGLES, **{"timeout": 1.0, **settings})
    try:
        yield driver, device, line, time
    finally:
        await driver.close()
        await line.stop()


def bend(degrees: float, times: int = 1) -> Program:
    return Program(7, (ProgramStep(1, Bend(angle=math.radians(degrees), times=times)),))


async def test_opens_homes_and_says_who_it_is():
    async with stage() as (driver, device, _line, _time):
        identity = await driver.open()
        assert (identity.make, identity.firmware) == ("GRBL", "1.1h.20190830:")
        assert device.homed
        assert (await driver.status("1")).activity == "idle"


async def test_a_bend_has_ended_when_the_stage_stands_still_not_when_it_says_ok():
    async with stage() as (driver, device, _line, time):
        await driver.open()
        assert (await driver.apply("1", bend(90))).values == {"position": -40.0}
        time.now = 1.0
        assert (await driver.read(["1"])).by_channel["1"] == []
        assert (await driver.status("1")).attempt == 7
        time.now = 60.0
        (ended,) = (await driver.read(["1"])).by_channel["1"]
        assert isinstance(ended, Ended)
        assert device.position == pytest.approx(-40.0)
        assert (await driver.read(["1"])).by_channel["1"] == []


async def test_bends_there_and_back_as_often_as_asked():
    async with stage() as (driver, device, _line, time):
        await driver.open()
        await driver.apply("1", bend(180, times=3))
        time.now = 1e4
        await driver.read(["1"])
        assert (device.bends, device.position) == (5, pytest.approx(-80.0))


async def test_refuses_what_it_cannot_reach():
    async with stage() as (driver, device, _line, _time):
        await driver.open()
        with pytest.raises(SettingRefused, match="wanted a bend to 200 deg, found positions for 0 to 180 deg"):
            await driver.apply("1", bend(200))
        assert device.moves == []


async def test_off_holds_the_stage_where_it_is():
    async with stage() as (driver, device, _line, time):
        await driver.open()
        await driver.apply("1", bend(180))
        time.now = 1.0
        await driver.read(["1"])
        await driver.output_off("1")
        assert (await driver.status("1")).text == "Hold"
        where = device.position
        time.now = 100.0
        await driver.read(["1"])
        assert device.position == where


async def test_a_restart_in_motion_loses_the_position_and_is_said():
    async with stage() as (driver, device, line, time):
        await driver.open()
        await driver.apply("1", bend(180))
        time.now = 1.0
        line.push(device.real_time(b"\x18")[0])
        with pytest.raises(InstrumentError, match="alarm"):
            await driver.read(["1"])


async def test_silence_is_a_clear_error():
    async with stage() as (driver, _device, line, _time):
        await driver.open()
        driver._line.timeout = 0.1
        line.faults.hang = True
        with pytest.raises(Unreachable, match=r"within \d"):
            await driver.read(["1"])


async def test_survives_replies_in_pieces():
    async with stage() as (driver, _device, line, _time):
        line.faults.pieces = True
        await driver.open()
        assert (await driver.status("1")).activity == "idle"


@pytest.mark.parametrize("number", [20, 22])
async def test_refuses_a_stage_without_soft_limits_or_homing(number):
    async with stage() as (driver, device, _line, _time):
        device.settings[number] = 0.0
        with pytest.raises(SettingRefused, match="soft limits"):
            await driver.open()

"""The Zaber stage and its driver over a real pseudo-terminal; facts of the ASCII protocol that the driver relies on."""

import contextlib
import math

import pytest

from labctl.driver import Bend, Ended, Program, ProgramStep
from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError
from labctl_drivers.zaber import Zaber, reply_of
from labctl_simulators.wire.line import SerialPort
from labctl_simulators.wire.zaber import ZaberStage

MICROSTEP = 0.0005  # mm
ANGLES = {"0": 5.0, "90": 40.0, "180": 80.0}


@contextlib.asynccontextmanager
async def stage(time, **settings):
    device = ZaberStage(flags=set())
    line = SerialPort(device, time)
    driver = Zaber(await line.start(), MICROSTEP, ANGLES, **{"timeout": 30.0, **settings})
    try:
        yield driver, device, line
    finally:
        await driver.close()
        await line.stop()


def bend(degrees: float, times: int = 1) -> Program:
    return Program(7, (ProgramStep(1, Bend(angle=math.radians(degrees), times=times)),))


async def read(driver):
    return (await driver.read(["1"])).by_channel["1"]


async def test_a_stage_that_does_not_know_where_it_is_homes_and_then_bends(time):
    async with stage(time, serial="12345") as (driver, device, _line):
        device.flags, device.position = {"WR"}, 1e4
        identity = await driver.open()
        assert (identity.make, identity.serial, identity.firmware) == ("Zaber", "12345", "7.36")
        assert (await driver.status("1")).text == "homing"
        await driver.apply("1", bend(90, times=2))  # begins once it is home, from there
        assert await read(driver) == []
        for way in (0.0, 8e4, 0.0, 8e4):
            time.now += 60.0
            found = await read(driver)
            assert device.position == way
        assert isinstance(found[0], Ended)
        assert await read(driver) == []
        assert (await driver.status("1")).activity == "idle"


async def test_a_bend_has_ended_when_the_stage_stands_still_not_when_it_says_ok(time):
    async with stage(time) as (driver, device, _line):
        await driver.open()
        assert (await driver.apply("1", bend(90))).values == {"position": 40.0}
        time.now = 0.1
        assert await read(driver) == []
        assert (await driver.status("1")).attempt == 7
        time.now = 60.0
        (ended,) = await read(driver)
        assert (ended.why, device.position) == ("standing at 40 mm", 8e4)


async def test_refuses_what_it_cannot_reach(time):
    async with stage(time) as (driver, device, _line):
        device.settings["limit.max"] = 100000
        await driver.open()
        with pytest.raises(SettingRefused, match="wanted a bend to 200 deg, found positions for 0 to 180 deg"):
            await driver.apply("1", bend(200))
        with pytest.raises(SettingRefused, match="wanted 80 mm, the stage travels from 0 to 50 mm"):
            await driver.apply("1", bend(180))
        device.settings["limit.max"] = 1000  # behind its back: the stage itself refuses
        with pytest.raises(SettingRefused, match="move abs 80000 was rejected: BADDATA"):
            await driver.apply("1", bend(90))
        assert device.moves == 0


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda device: device.turn(4e4), r"wanted the stage at 80 mm, found it standing at 20 mm \(flag NC\)"),
        (lambda device: device.stall(), "says FS: home it"),
        (lambda device: device.restart(), "says WR: home it"),
        (lambda device: device.interrupt(), r"\(flag NI\): somebody stopped or moved it"),
    ],
    ids=["knob", "stall", "restart", "stopped"],
)
async def test_what_happens_to_the_stage_on_its_way_is_told(time, what, said):
    async with stage(time) as (driver, device, _line):
        await driver.open()
        await driver.apply("1", bend(180))
        time.now = 0.1
        await read(driver)
        what(device)
        with pytest.raises(InstrumentError, match=said):
            await read(driver)
        assert device.moves == 0


async def test_off_stops_the_stage_and_sends_no_move_that_was_to_come(time):
    async with stage(time) as (driver, device, _line):
        await driver.open()
        await driver.apply("1", bend(180, times=3))
        time.now = 0.1
        await driver.output_off("1")
        await driver.output_off("1")
        where = device.position
        time.now = 100.0
        assert await read(driver) == []
        assert (device.position, (await driver.status("1")).activity) == (where, "idle")


async def test_a_late_reply_is_taken_for_that_of_no_other_question(time):
    async with stage(time) as (driver, device, line):
        await driver.open()
        line.push(b"!01 1 IDLE --\r\n@01 1 77 OK BUSY -- 9\r\n@02 1 06 OK BUSY -- 9\r\n")
        assert (await driver.status("1")).activity == "idle"
        driver._line.timeout = 0.05
        line.faults.hang = True
        with pytest.raises(Unreachable, match=r"within 0\.05 s"):
            await read(driver)
        assert device.moves == 0


async def test_another_stage_is_refused(time):
    async with stage(time, serial="999") as (driver, _device, _line):
        with pytest.raises(WireError, match="wanted serial number 999, found 12345"):
            await driver.open()


@pytest.mark.parametrize("line", ["@01 1 OK IDLE -- 0:8D", "@01 1 OK GONE -- 0", "@1 1 OK IDLE -- 0", "ok"])
def test_a_line_that_is_no_reply_is_an_error(line):
    with pytest.raises(WireError, match="wanted a reply"):
        reply_of(line)
    assert reply_of("@01 1 OK IDLE -- 0:8C").data == "0"

"""A Neware cycler and its driver over a real socket: a whole block runs by itself and is drained without gap or duplicate."""

import contextlib

import numpy as np
import pytest

from labctl.driver import (
    Bounds,
    Ended,
    Fault,
    Galvanostatic,
    Loop,
    Potentiostatic,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Sweep,
    Threshold,
)
from labctl.errors import InstrumentError, SettingRefused, Unreachable
from labctl.sample import Batch
from labctl_drivers.neware import Neware
from labctl_drivers.neware_file import step_file
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.neware import Cycler
from labctl_simulators.wire.neware_channel import Channel
from labctl_simulators.wire.neware_step import read_profile

BOUNDS = Bounds(voltage=(2.9, 4.2), current=(-2.0, 2.0))
RECORD = (RecordRule(every=30.0),)


def step(line, mode, *ends, bounds=BOUNDS) -> ProgramStep:
    return ProgramStep(line, mode, ends, RECORD, bounds)


TIME = Threshold("time", above=True, value=7200.0, number=1)
PROGRAM = Program(
    12,
    (
        step(1, Rest(), Threshold("time", above=True, value=60.0, number=0)),
        step(2, Galvanostatic(-0.68), Threshold("voltage", above=False, value=3.2, number=0), TIME),
        step(3, Galvanostatic(0.68), Threshold("voltage", above=True, value=4.0, number=0), TIME),
        step(4, Potentiostatic(4.0, 0.68), Threshold("current", above=False, value=0.05, number=0), TIME),
        Loop(to=1, passes=3),
    ),
    'a <cell> & "its" name',
)


@contextlib.asynccontextmanager
async def bench(time, folder, **settings):
    channel = Channel(load_model("marquis2019"))
    server = Server(Cycler({("27", "1", "4"): channel}), time)
    port = await server.start()
    driver = Neware(
        host="127.0.0.1", channels={"one": "27-1-4"}, folder=str(folder), port=port, timeout=1.0, **settings
    )
    try:
        yield driver, channel, server
    finally:
        await driver.close()
        await server.stop()


def test_a_step_file_is_read_back_as_the_program_it_was_made_from():
    profile = read_profile(step_file(PROGRAM))
    assert [found.kind for found in profile.steps] == [4, 2, 1, 3, 5, 6]
    assert profile.voltage == pytest.approx(BOUNDS.voltage)
    assert (profile.steps[4].back_to, profile.steps[4].passes) == (2, 3)
    assert profile.steps[1].stop_voltage == pytest.approx(3.2)
    assert profile.steps[3].stop_current == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (step(9, Sweep(0, 1, 1e-3)), "has no Sweep"),
        (step(9, Rest(), Threshold("voltage", above=True, value=3.0, number=0)), "cannot end it by voltage above 3"),
        (step(9, Rest(), bounds=Bounds()), "without a voltage limit"),
    ],
)
def test_what_a_step_file_cannot_say_is_refused(wrong, message):
    with pytest.raises(SettingRefused, match=message):
        step_file(Program(1, (wrong,)))


async def drained(driver):
    return list((await driver.read(["one"])).by_channel["one"])


async def test_runs_a_block_by_itself_and_gives_every_record_once(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", PROGRAM)
        assert (await driver.status("one")).attempt == 12
        found = []
        while channel.status != "finish":
            time.now += 1800.0
            found += await drained(driver)
        time.now += 1.0
        found += await drained(driver)
        rows = [reading for reading in found if isinstance(reading, Batch)]
        assert sum(map(len, rows)) == len(channel.records)
        when = np.concatenate([batch.time for batch in rows])
        assert (np.diff(when) > 0).all()
        assert rows[-1].charging_ah[-1] * 3600 == pytest.approx(channel.charging, rel=1e-6)
        assert rows[-1].discharging_ah[-1] * 3600 == pytest.approx(channel.discharging, rel=1e-6)
        ends = [(reading.step, reading.end) for reading in found if isinstance(reading, Ended)]
        assert ends == [(0, 0)] + [(1, 0), (2, 0), (3, 0)] * 3


LOOPED = Program(5, (PROGRAM.steps[0], PROGRAM.steps[1], PROGRAM.steps[2], Loop(to=1, passes=4)))


def another(server, folder):
    return Neware(host="127.0.0.1", channels={"one": "27-1-4"}, folder=str(folder), port=server.port, timeout=1.0)


def told(readings):
    """Return rows as tuples and ends, in order: what a listener has heard."""
    heard = []
    for reading in readings:
        match reading:
            case Batch():
                columns = (reading.time, reading.voltage, reading.current, reading.charging_ah, reading.discharging_ah)
                heard += [(reading.step, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
            case Ended():
                heard.append(reading)
    return heard


def stood(heard):
    """Return (after, step) of a listener who has heard so much and no more."""
    rows = [item for item in heard if not isinstance(item, Ended)]
    step = rows[-1][0] if rows else 0
    if heard and isinstance(heard[-1], Ended):
        step = {0: 1, 1: 2, 2: 1}[heard[-1].step]
    return (rows[-1][1] if rows else -1.0), step


async def test_is_taken_up_again_wherever_the_listener_fell_silent_without_gap_or_duplicate(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, server):
        await driver.open()
        await driver.apply("one", LOOPED)
        while channel.status != "finish":
            time.now += 5000.0
            channel.advance(time.now)
        whole = told(await drained(driver))
        assert [item.step for item in whole if isinstance(item, Ended)] == [0] + [1, 2] * 4
        again = another(server, tmp_path)
        await again.open()
        ends = [at for at, item in enumerate(whole) if isinstance(item, Ended)]
        near = {at + move for at in ends[:-1] for move in (-1, 0, 1, 2)}
        for cut in sorted(near | set(range(1, len(whole) - 1, 37))):
            after, step = stood(whole[:cut])
            assert await again.attach("one", 5, after, step)
            assert told(await drained(again)) == whole[cut:]
            assert await drained(again) == []
        await again.close()


async def test_goes_on_when_nobody_listens_and_gives_what_came_meanwhile_and_after(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, server):
        await driver.open()
        await driver.apply("one", PROGRAM)
        heard = []
        for number in range(400):
            again = another(server, tmp_path)
            await again.open()
            after, step = stood(heard) if heard else (-1.0, 0)
            rows = [item for item in heard if not isinstance(item, Ended)]
            step = rows[-1][0] if rows else 0
            if heard and isinstance(heard[-1], Ended):
                step = (1, 2, 3, 1)[heard[-1].step]
            assert await again.attach("one", 12, after, step)
            heard += told(await drained(again))
            await again.close()
            if channel.status == "finish":
                break
            time.now += 777.0 + number
        await driver.attach("one", 12, -1.0, 0)
        assert heard == told(await drained(driver))
        assert sum(not isinstance(item, Ended) for item in heard) == len(channel.records)


async def test_is_not_taken_up_for_another_attempt_nor_when_somebody_started_something_else(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, server):
        await driver.open()
        assert not await driver.attach("one", 12, -1.0, 0)
        await driver.apply("one", PROGRAM)
        assert not await driver.attach("one", 11, -1.0, 0)
        assert await driver.attach("one", 12, -1.0, 0)
        channel.stop(10.0)
        assert channel.work(read_profile(step_file(PROGRAM)), "labctl-12", 20.0)
        time.now = 30.0
        assert not await driver.attach("one", 12, -1.0, 0)
        assert not await another_open(server, tmp_path, 12)
        (fault,) = [reading for reading in await drained(driver) if isinstance(reading, Fault)]
        assert "another test" in fault.why


async def another_open(server, folder, attempt):
    again = another(server, folder)
    await again.open()
    try:
        return await again.attach("one", attempt, -1.0, 0)
    finally:
        await again.close()


async def test_a_line_that_fails_half_way_through_a_read_costs_no_record(time, tmp_path, monkeypatch):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", Program(1, (*PROGRAM.steps[:4], Loop(to=1, passes=8))))
        time.now = 3e5
        channel.advance(time.now)
        assert len(channel.records) > 1000
        monkeypatch.setattr(Cycler, "on_download", failing(Cycler.on_download, at=2))
        with pytest.raises(Unreachable):
            await driver.read(["one"])
        await driver.open()
        found = await drained(driver)
        assert sum(len(reading) for reading in found if isinstance(reading, Batch)) == len(channel.records)


def failing(download, at):
    """Answer downloads, but pull the cable at one of them."""
    count = [0]

    def answered(cycler, root):
        count[0] += 1
        if count[0] == at:
            raise ConnectionError("unplugged")
        return download(cycler, root)

    return answered


async def test_a_program_beside_a_step_file_that_cannot_be_read_is_said(time, tmp_path):
    async with bench(time, tmp_path) as (driver, _channel, _server):
        await driver.open()
        await driver.apply("one", PROGRAM)
        (tmp_path / "labctl-one.json").write_text("{}")
        with pytest.raises(InstrumentError, match=r"labctl-one\.json: wanted the program of a running test"):
            await driver.attach("one", 12, 0.0, 0)


async def test_a_folder_that_cannot_be_written_is_a_refusal(time, tmp_path):
    async with bench(time, tmp_path / "nowhere") as (driver, channel, _server):
        await driver.open()
        with pytest.raises(SettingRefused, match="wanted to write a step file"):
            await driver.apply("one", PROGRAM)
        assert channel.status == "finish"


async def test_a_person_who_stops_the_channel_is_a_fault_with_the_data_kept(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", PROGRAM)
        time.now = 600.0
        channel.stop(600.0)
        found = await drained(driver)
        assert isinstance(found[-1], Fault)
        assert found[-1].safe
        assert "somebody stopped it" in found[-1].why
        assert await drained(driver) == []


async def test_a_wrong_subdevice_in_the_reply_harms_nothing(time, tmp_path):
    async with bench(time, tmp_path) as (driver, _channel, server):
        server.device.wrong_subdevice = True
        await driver.open()
        await driver.apply("one", PROGRAM)
        assert (await driver.status("one")).activity == "running"


async def test_says_which_channels_there_are(time, tmp_path):
    async with bench(time, tmp_path) as (driver, _channel, _server):
        driver.places = {"one": ["27", "1", "9"]}
        with pytest.raises(SettingRefused, match="wanted Neware channel 27-1-9, found 27-1-4"):
            await driver.open()


async def test_a_step_file_that_the_pc_cannot_see_is_refused(time, tmp_path):
    async with bench(time, tmp_path, seen_as="Z:/elsewhere") as (driver, channel, _server):
        await driver.open()
        with pytest.raises(SettingRefused, match="refused to start"):
            await driver.apply("one", PROGRAM)
        assert channel.status == "finish"


@pytest.mark.parametrize("fault", ["silence=1", "hang", "cut=1", "garbage=1"])
async def test_a_bad_line_is_an_error_of_ours_and_heals_by_opening_again(time, tmp_path, fault):
    async with bench(time, tmp_path) as (driver, channel, server):
        driver.timeout = 0.2
        await driver.open()
        await driver.apply("one", PROGRAM)
        server.faults.set(fault)
        with contextlib.suppress(Exception):
            await driver.read(["one"])
        with pytest.raises(Unreachable):
            await driver.read(["one"])
        server.faults.hang = False
        time.now = 3000.0
        await driver.open()
        found = await drained(driver)
        assert sum(len(reading) for reading in found if isinstance(reading, Batch)) == len(channel.records)

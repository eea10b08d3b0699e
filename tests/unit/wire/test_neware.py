"""A Neware cycler and its driver over a real socket: a whole block runs by itself and is drained without gap or duplicate."""

import contextlib
from dataclasses import replace
from xml.etree.ElementTree import Element

import numpy as np
import pytest

from labctl.driver import (
    Bounds,
    Changed,
    Ended,
    Fault,
    Foreign,
    Galvanostatic,
    Loop,
    Owner,
    Potentiostatic,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Span,
    Sweep,
    Threshold,
)
from labctl.errors import InstrumentError, SettingRefused, Unreachable
from labctl.sample import Batch
from labctl_drivers.neware import Neware
from labctl_drivers.neware.records import Draining, take_records
from labctl_drivers.neware.replies import records_in
from labctl_drivers.neware.stepfile import step_file
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.neware import Cycler
from labctl_simulators.wire.neware_channel import CyclerChannel
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
    channel = CyclerChannel(load_model("marquis2019"))
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
    return list((await driver.read(["one"])).of("one"))


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


async def test_a_person_who_stops_the_channel_has_changed_it_and_the_data_is_kept(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", PROGRAM)
        time.now = 600.0
        channel.stop(600.0)
        found = await drained(driver)
        assert isinstance(found[-1], Changed)
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


# --- a CC-CV under a budget -------------------------------------------------------------------------------------------


def cc_cv(current, voltage, *over, stop=0.05, record=RECORD):
    end = Threshold("voltage", above=current > 0, value=voltage, number=0)
    return Program(
        7,
        (
            ProgramStep(1, Galvanostatic(current), (end,), record, BOUNDS),
            ProgramStep(
                2,
                Potentiostatic(voltage, abs(current)),
                (Threshold("current", above=False, value=stop, number=0),),
                record,
                BOUNDS,
            ),
            step(3, Rest(), Threshold("time", above=True, value=60.0, number=0)),
        ),
        spans=(Span(0, 1, over),),
    )


async def finished(driver, channel, time, by=60.0):
    heard = []
    while channel.status == "working":
        time.now += by
        channel.advance(time.now)
        heard += await drained(driver)
    time.now += 1.0
    return [*heard, *await drained(driver)]


async def test_neware_cccv_budget_a_minute_of_both_parts_is_a_minute_with_nobody_listening(time, tmp_path):
    budget = Threshold("time", above=True, value=60.0, number=2000)
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", cc_cv(0.5, 4.0, budget))
        time.now = 5000.0
        channel.advance(time.now)
        assert channel.status == "finish"
        assert channel.charging == pytest.approx(30.0, abs=0.01)
        heard = await drained(driver)
        assert [(end.step, end.end) for end in heard if isinstance(end, Ended)] == [(0, 2000), (2, 0)]


@pytest.mark.parametrize("current", [0.5, -0.5])
async def test_the_hold_of_a_cc_cv_begins_after_the_record_that_shows_its_voltage(time, tmp_path, current):
    level = 4.0 if current > 0 else 3.6
    budget = Threshold("time", above=True, value=36000.0, number=2000)
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", cc_cv(current, level, budget))
        heard = await finished(driver, channel, time, 600.0)
        ends = [(end.step, end.end) for end in heard if isinstance(end, Ended)]
        assert ends == [(0, 0), (1, 0), (2, 0)]
        rows = [reading for reading in heard if isinstance(reading, Batch)]
        first = np.concatenate([batch.current for batch in rows if batch.step == 0])
        hold = np.concatenate([batch.voltage for batch in rows if batch.step == 1])
        assert first == pytest.approx(current)
        assert hold == pytest.approx(level, abs=2e-3)
        assert rows[-1].charging_ah[-1] * 3600 == pytest.approx(channel.charging, rel=1e-6)


async def test_a_charge_over_both_parts_of_a_cc_cv_ends_its_hold(time, tmp_path):
    budget = Threshold("charge", above=True, value=300.0, number=2000)
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", cc_cv(0.5, 3.95, budget, stop=1e-4))
        heard = await finished(driver, channel, time, 600.0)
        assert channel.charging == pytest.approx(300.0, rel=1e-3)
        assert (1, 2000) in [(end.step, end.end) for end in heard if isinstance(end, Ended)]


async def test_a_cell_beyond_the_voltage_of_a_cc_cv_is_met_at_its_first_row_and_then_held(time, tmp_path):
    budget = Threshold("time", above=True, value=600.0, number=2000)
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", cc_cv(0.5, 3.5, budget))
        heard = await finished(driver, channel, time)
        ends = [(end.step, end.end) for end in heard if isinstance(end, Ended)]
        assert [step for step, _ in ends] == [0, 1, 2]
        assert ends[0] == (0, 0)


def test_of_several_ends_of_one_kind_the_first_to_be_met_is_written():
    ends = (TIME, Threshold("time", above=True, value=600.0, number=1001), Threshold("voltage", True, 4.1, 0),
            Threshold("voltage", True, 4.0, 2))  # fmt: skip
    profile = read_profile(step_file(Program(1, (step(1, Galvanostatic(0.5), *ends),))))
    assert (profile.steps[0].time, profile.steps[0].stop_voltage) == (600.0, pytest.approx(4.0))


def test_the_charge_that_one_step_may_pass_is_in_the_protection():
    bounds = Bounds(voltage=(2.9, 4.2), current=(-2.0, 2.0), charge=100.0)
    program = Program(1, (ProgramStep(1, Galvanostatic(0.5), (TIME,), RECORD, bounds),))
    assert read_profile(step_file(program)).charge == pytest.approx(100.0)


async def test_a_step_that_passes_more_than_it_may_trips_by_itself(time, tmp_path):
    bounds = Bounds(voltage=(2.9, 4.2), current=(-2.0, 2.0), charge=100.0)
    program = Program(1, (ProgramStep(1, Galvanostatic(0.5), (TIME,), RECORD, bounds),))
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", program)
        time.now = 1000.0
        channel.advance(time.now)
        assert (channel.status, channel.charging) == ("protect", pytest.approx(100.0, rel=1e-4))


async def test_several_record_rules_give_the_rows_that_they_ask_for_and_the_last_of_each_step(time, tmp_path):
    rules = (RecordRule(every=1.0, until=10.0), RecordRule(every=60.0))
    program = Program(1, (ProgramStep(1, Galvanostatic(-0.5), (Threshold("time", True, 200.0, 0),), rules, BOUNDS),
                          ProgramStep(2, Rest(), (Threshold("time", True, 30.0, 0),), rules, BOUNDS)))  # fmt: skip
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", program)
        heard = await finished(driver, channel, time, 7.0)
        first, second = (
            [batch.time for batch in heard if isinstance(batch, Batch) and batch.step == at] for at in (0, 1)
        )
        assert np.concatenate(first) == pytest.approx([*range(11), 70.0, 130.0, 190.0, 200.0])
        assert np.concatenate(second) - 200.0 == pytest.approx([*range(11), 30.0], abs=1e-5)
        assert heard[-2].discharging_ah[-1] * 3600 == pytest.approx(channel.discharging, rel=1e-6)


# --- whose test it is -------------------------------------------------------------------------------------------------

OURS = Owner("0123456789ab-cdef", "fedcba98-7654")


async def test_a_barcode_says_whose_program_runs_and_for_which_attempt(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", replace(PROGRAM, owner=OURS))
        status = await driver.status("one")
        assert (status.activity, status.attempt) == ("running", 12)
        assert status.owner.within(OURS.journal, OURS.run)
        assert not status.owner.within("0123456a89ab", OURS.run)
        assert not status.owner.within(OURS.journal, "another")
        assert len(channel.barcode) <= 40


@pytest.mark.parametrize("barcode", ["Other-cell-42", "", "labctl-ffffffff-fedcba98-12-0001", "labctl-3-abcd"])
async def test_neware_foreign_somebody_elses_test_is_not_replaced(time, tmp_path, barcode):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        channel.work(read_profile(step_file(PROGRAM)), barcode, 0.0)
        with pytest.raises(SettingRefused, match="somebody else's test is not stopped"):
            await driver.apply("one", replace(PROGRAM, owner=OURS))
        assert (channel.status, channel.barcode) == ("working", barcode)


async def test_our_own_program_is_replaced_also_one_of_a_version_that_wrote_no_owner(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, _server):
        await driver.open()
        await driver.apply("one", PROGRAM)  # no owner
        assert channel.barcode.startswith("labctl-12-")
        await driver.apply("one", replace(PROGRAM, owner=OURS))
        await driver.apply("one", replace(PROGRAM, owner=replace(OURS, run="an-other-run")))
        assert channel.test == 3


async def test_a_program_is_taken_up_by_its_own_run_only(time, tmp_path):
    async with bench(time, tmp_path) as (driver, _channel, _server):
        await driver.open()
        await driver.apply("one", replace(PROGRAM, owner=OURS))
        assert await driver.attach("one", 12, -1.0, 0, OURS)
        assert not await driver.attach("one", 12, -1.0, 0, replace(OURS, run="another"))


async def test_a_foreign_test_is_read_from_now_on_and_neither_begun_nor_ended(time, tmp_path):
    program = Program(1, (ProgramStep(1, Foreign()),), owner=OURS)
    async with bench(time, tmp_path) as (driver, channel, server):
        await driver.open()
        channel.work(read_profile(step_file(PROGRAM)), "theirs", 0.0)
        time.now = 600.0
        await driver.apply("one", program)
        before = len(channel.records)
        heard = await drained(driver)
        time.now = 9000.0
        heard += await drained(driver)
        assert (channel.status, channel.barcode, channel.test) == ("working", "theirs", 1)
        rows = [reading for reading in heard if isinstance(reading, Batch)]
        assert sum(map(len, rows)) == len(channel.records) - before + 1
        assert {batch.step for batch in rows} == {0}
        when = np.concatenate([batch.time for batch in rows])
        absolute = np.array([record.absolute for record in channel.records[before - 1 :]])
        assert when == pytest.approx(absolute - absolute[0], abs=1e-2)
        passed = np.concatenate([batch.discharging_ah for batch in rows])
        assert (np.diff(passed) >= 0).all()
        again = another(server, tmp_path)
        await again.open()
        assert await again.attach("one", 1, float(when[-4]), 0, OURS)
        assert np.concatenate([batch.time for batch in await drained(again)]) == pytest.approx(when[-3:])
        await again.close()
        channel.stop(time.now)
        time.now += 1.0
        assert isinstance((await drained(driver))[-1], Ended)


async def test_what_we_stopped_ourselves_gives_its_last_records_late_and_no_fault(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, server):
        server.device.lag = 5.0
        await driver.open()
        await driver.apply("one", PROGRAM)
        time.now = 600.0
        await driver.output_off("one")
        early = await drained(driver)
        time.now = 610.0
        late = await drained(driver)
        rows = [reading for reading in [*early, *late] if isinstance(reading, Batch)]
        assert sum(map(len, rows)) == len(channel.records)
        assert not [reading for reading in [*early, *late] if isinstance(reading, Fault)]


async def test_records_that_never_come_after_the_end_are_given_up_in_a_sentence(time, tmp_path):
    async with bench(time, tmp_path) as (driver, channel, server):
        await driver.open()
        await driver.apply("one", PROGRAM)
        time.now = 600.0
        channel.stop(600.0)
        server.device.lag = 1e9
        heard = [reading for _ in range(40) for reading in await drained(driver)]
        assert [reading.why for reading in heard if isinstance(reading, Fault)] == [
            "the test has ended (stop), and its last records did not come"
        ]


def test_a_place_that_is_none_is_refused_where_the_station_is_read():
    with pytest.raises(ValueError, match="wanted devid-subdevid-chlid of the channel one, found '27-1'"):
        Neware(host="127.0.0.1", channels={"one": "27-1"}, folder=".")


def block(elements):
    root = Element("bts")
    root.extend(elements)
    return records_in(root)


def test_the_energy_that_the_cycler_counts_is_taken_with_the_sign_of_its_voltage():
    """Its records have the energy of a step as a magnitude; below zero volts it was put in where the charge went out."""
    rest, drive = ProgramStep(1, Rest()), ProgramStep(2, Galvanostatic(1.0))
    draining = Draining(Program(1, (rest, drive)))
    rows = [(1, 1, 0, 3.7, 0.0, 0.0, 0.0), (2, 2, 0, 3.8, 1.0, 0.0, 0.0), (3, 2, 60_000, 3.9, 1.0, 1 / 60, 3.85 / 60),
            (4, 2, 120_000, -0.1, -1.0, 2 / 60, 3.95 / 60)]  # fmt: skip
    names = ("seqid", "stepid", "testtime", "volt", "curr", "cap", "eng")
    take_records(
        block(Element("data", cycleid="1", **dict(zip(names, map(str, row), strict=True))) for row in rows), draining
    )
    (*_, last) = [reading for reading in draining.found if isinstance(reading, Batch)]
    assert last.charging_wh.tolist() == pytest.approx([0.0, 3.85 / 60, 3.85 / 60])
    assert last.discharging_wh.tolist() == pytest.approx([0.0, 0.0, -0.1 / 60])
    draining = Draining(Program(1, (rest, drive)))
    take_records(
        block([Element("data", cycleid="1", **dict(zip(names[:-1], map(str, rows[0]), strict=False)))]), draining
    )
    assert draining.found[-1].charging_wh is None

"""The Rodeostat and its driver over a real pseudo-terminal; facts of the open firmware that the driver relies on."""

import contextlib
import json

import numpy as np
import pytest

from labctl.driver import (
    Bounds,
    Ended,
    Fault,
    Galvanostatic,
    Potentiostatic,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Sweep,
    Threshold,
)
from labctl.errors import InstrumentError, SettingRefused, WireError
from labctl.sample import Batch, Quality
from labctl_drivers.rodeostat import Rodeostat
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import SerialPort
from labctl_simulators.wire.rodeostat import EmulatedRodeostat
from labctl_simulators.wire.terminal import Terminal

BOUNDS = Bounds(voltage=(2.0, 4.0), current=(-5e-4, 5e-4))
HOLD = Potentiostatic(3.82, 1e-4)


@contextlib.asynccontextmanager
async def board(time, variant="10V_24MilliAmpV0.2", **settings):
    device = EmulatedRodeostat(Terminal(load_model("voc1-atfb")), variant)
    line = SerialPort(device, time)
    driver = Rodeostat(await line.start(), **{"timeout": 30.0, **settings})
    try:
        yield driver, device, line
    finally:
        await driver.close()
        await line.stop()


def program(mode, seconds=None, bounds=BOUNDS, attempt=7) -> Program:
    ends = () if seconds is None else (Threshold("time", above=True, value=seconds, number=2),)
    return Program(attempt, (ProgramStep(1, mode, ends, (RecordRule(every=1.0),), bounds),))


async def read(driver, time, until):
    """Let time pass and return what is read then."""
    time.now = until
    return (await driver.read(["1"])).by_channel.get("1", [])


async def test_a_hold_runs_on_the_board_for_its_time_and_opens_the_circuit(time):
    async with board(time, serial="7") as (driver, device, _line):
        identity = await driver.open()
        assert (identity.model, identity.serial) == ("Rodeostat 10V_24MilliAmpV0.2", "7")
        assert (await driver.apply("1", program(HOLD, 20.0))).values == pytest.approx(
            {"range": 1e-3, "duration": 20.0}  # the smallest in which the limits lie
        )
        (rows,) = await read(driver, time, 5.0)
        assert rows.time.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert rows.current[-1] == pytest.approx(device.terminal.read(5.0)[1], abs=1e-11)
        assert (rows.voltage == 3.82).all()
        assert not rows.quality.any()
        status = await driver.status("1")
        assert (status.activity, status.attempt) == ("running", 7)
        rows, ended = await read(driver, time, 60.0)
        assert len(rows) == 15
        assert (ended.end, ended.time) == (2, 20.0)
        assert (await driver.status("1")).activity == "idle"
        charged = device.terminal.ledger.charging
        device.terminal.advance(3600.0)
        assert device.terminal.ledger.charging == charged > 0.0


async def test_a_rest_measures_the_open_circuit_with_the_counter_electrode_open(time):
    async with board(time) as (driver, device, _line):
        await driver.open()
        await driver.apply("1", program(Rest(), 10.0))
        assert device.connected == {"Ref": True, "Ctr": False, "Wrk": True}
        (row,) = await read(driver, time, 6.0)
        assert (row.time.tolist(), row.current.tolist()) == ([6.0], [0.0])
        assert row.voltage[0] == pytest.approx(3.8, abs=1e-3)
        _, ended = await read(driver, time, 11.0)
        assert isinstance(ended, Ended)
        await driver.apply("1", program(Rest(), 0.0))  # the first look at a cell
        (row, ended) = await read(driver, time, 11.5)
        assert (row.voltage[0], ended.end) == (pytest.approx(3.8, abs=1e-3), 2)
        assert device.terminal.ledger.energised == 0.0
        await driver.apply("1", program(HOLD, 10.0))  # and the next test connects all
        assert all(device.connected.values())


async def test_a_sweep_comes_to_its_own_end(time):
    async with board(time) as (driver, _device, _line):
        await driver.open()
        await driver.apply("1", program(Sweep(3.8, 3.82, 1e-3)))
        rows, ended = await read(driver, time, 21.0)
        assert rows.voltage == pytest.approx(3.8 + 1e-3 * rows.time)
        assert (ended.end, ended.time) == (None, pytest.approx(20.0))


@pytest.mark.parametrize("fault", ["beyond the range", "not controlled"])
async def test_rows_that_cannot_be_believed_are_bad(time, fault):
    async with board(time) as (driver, device, _line):
        await driver.open()
        few = Bounds(voltage=(2.0, 4.0), current=(-1e-4, 1e-4))
        await driver.apply("1", program(Potentiostatic(2.5 if fault == "beyond the range" else 3.8), 100.0, few))
        if fault == "not controlled":  # the lead of the reference electrode has come off
            device.potential = lambda now: 0.1
        (rows,) = await read(driver, time, 2.0)
        assert (rows.quality == Quality.BAD).all()
        assert np.abs(rows.current).max() <= 1e-4


async def test_what_runs_is_left_alone_by_opening_and_closing_and_ended_by_off(time):
    """What the guard does when the daemon has died, and what is found of somebody else's test."""
    async with board(time) as (driver, device, _line):
        await driver.open()
        for attempt in (1, 2):
            await driver.apply("1", program(HOLD, 1e4, attempt=attempt))
        assert (await driver.status("1")).attempt == 2
        drives = len(device.terminal.ledger.drives)
        await driver.close()
        await driver.open()
        assert len(device.terminal.ledger.drives) == drives
        status = await driver.status("1")
        assert (status.activity, status.attempt) == ("unknown", None)
        assert (await driver.read(["1"])).by_channel == {}
        for _ in range(2):
            await driver.output_off("1")
        assert (device.test, set(device.connected.values())) == (None, {False})
        device.tell = lambda *_: {"connected": True}  # a switch that is stuck
        with pytest.raises(InstrumentError, match="wanted its electrodes open, found them connected"):
            await driver.output_off("1")


async def test_a_test_that_is_gone_is_noticed(time):
    async with board(time) as (driver, device, line):
        await driver.open()
        await driver.apply("1", program(HOLD, 1e4))
        device.restart(1.0)
        assert (await driver.status("1")).activity == "idle"
        await driver.apply("1", program(HOLD, 1e4))
        (rows,) = await read(driver, time, 5.0)
        device.stop(5.0)
        line.push(b"{}\r\n")
        (fault,) = (await driver.read(["1"])).by_channel["1"]
        assert isinstance(rows, Batch)
        assert isinstance(fault, Fault)
        assert fault.why == "the test ended after 5 s of 10000 s"


@pytest.mark.parametrize(
    ("mode", "bounds", "said"),
    [
        (Galvanostatic(1e-5), BOUNDS, "line 1: a Rodeostat is a potentiostat: it has no Galvanostatic"),
        (HOLD, Bounds(), "line 1: wanted a voltage limit"),
        (Potentiostatic(11.0), BOUNDS, "at most 10 V"),
        (Sweep(3.8, -10.5, 1e-3), BOUNDS, "at most 10 V"),
        (Sweep(3.8, 3.9, 1e-9), BOUNDS, r"wanted at most 4e\+06 s of one step"),
    ],
)
def test_what_a_board_cannot_do_is_refused_without_one(mode, bounds, said):
    with pytest.raises(SettingRefused, match=said):
        Rodeostat("-").translate("1", program(mode, bounds=bounds))


async def test_a_board_that_cannot_open_the_circuit_is_refused_and_so_is_another(time):
    async with board(time, "AD8250_microAmpV0.1") as (driver, _device, _line):
        with pytest.raises(
            SettingRefused, match=r"wanted hardware V0\.2 or later, found V0\.1, which cannot open the circuit"
        ):
            await driver.open()
    async with board(time, serial="8") as (driver, _device, _line):
        with pytest.raises(WireError, match="wanted device id 8, found 7"):
            await driver.open()


async def test_no_message_has_the_length_that_the_boards_usb_keeps_back(time):
    async with board(time) as (driver, device, _line):
        heard, receive = [], device.receive
        device.receive = lambda data, now: heard.append(data) or receive(data, now)
        await driver.open()
        for padding in range(64):
            with contextlib.suppress(SettingRefused):
                await driver._in_thread(lambda word="x" * padding: driver._ask(word))
        lengths = [len(line) + 1 for line in b"".join(heard).split(b"\n")]
        assert len({each % 64 for each in lengths}) == 63
        assert 64 not in lengths


async def test_a_parameter_that_reads_back_otherwise_is_refused_before_anything_runs(time):
    async with board(time) as (driver, device, _line):
        await driver.open()
        device.set_parameters = lambda asked, _: {"param": {**asked["param"], "value": 3.9}}
        with pytest.raises(SettingRefused, match="setParam: wanted param"):
            await driver.apply("1", program(HOLD, 10.0))
        assert device.test is None
        assert not any(device.connected.values())


def test_a_reply_is_json_of_the_firmwares_own_form():
    device = EmulatedRodeostat(Terminal(load_model("voc1-atfb")))
    said = [json.loads(each) for each in device.receive(b'{"command":"getRefVolt"}\n{"command":"dance"}\nx\n', 0.0)]
    assert said[0] == {"success": True, "response": {"command": "getRefVolt", "r": 0.0}}  # its electrodes are open
    assert [each["message"] for each in said[1:]] == ["command, dance, not found", "unable to parse json"]

"""Source meters and their driver over a real socket, through pyvisa."""

import asyncio
import contextlib

import pytest

from labctl.driver import Bounds, Galvanostatic, Potentiostatic, Program, ProgramStep, Rest, Status
from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError
from labctl_drivers.keithley import Keithley2400, Keithley2450, Keithley2600
from labctl_drivers.keithley.tsp import tsp_numbers
from labctl_simulators.models import load_model
from labctl_simulators.wire import keithley as emulated
from labctl_simulators.wire.keithley_tsp import EmulatedKeithley2600
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.terminal import Terminal

BOUNDS = Bounds(voltage=(3.0, 4.2), current=(-1.0, 1.0))


class ChannelA(EmulatedKeithley2600):
    """A meter of two channels of which a test looks at the first."""

    def __init__(self, terminal):
        super().__init__([terminal, Terminal(load_model("marquis2019"))])

    def __getattr__(self, name):
        return getattr(self.units["smua"], name)


PAIRS = [
    (Keithley2450, emulated.EmulatedKeithley2450),
    (Keithley2400, emulated.EmulatedKeithley2400),
    (Keithley2600, ChannelA),
]


@contextlib.asynccontextmanager
async def bench(time, pair=PAIRS[0], **settings):
    driver_class, device_class = pair
    device = device_class(Terminal(load_model("marquis2019")))
    server = Server(device, time, only=1)
    port = await server.start()
    driver = driver_class(f"TCPIP0::127.0.0.1::{port}::SOCKET", **settings)
    try:
        yield driver, device, server
    finally:
        await driver.close()
        await server.stop()


def at(driver) -> str:
    return driver.channels()[0]


def program(mode, bounds=BOUNDS) -> Program:
    return Program(3, (ProgramStep(1, mode, bounds=bounds),))


@pytest.mark.parametrize("pair", PAIRS)
async def test_charges_at_the_current_asked_for_inside_its_limit(time, pair):
    async with bench(time, pair) as (driver, device, _server):
        identity = await driver.open()
        assert identity.make == "Keithley"
        back = await driver.apply(at(driver), program(Galvanostatic(0.1)))
        assert back.values == pytest.approx({"level": 0.1, "limit": 4.2, "output": 1.0})
        time.now = 60.0
        snapshot = (await driver.read([at(driver)])).snapshot
        assert snapshot.current[0] == pytest.approx(0.1)
        assert snapshot.voltage[0] == pytest.approx(device.terminal.read(60.0)[0], abs=1e-5)
        assert device.terminal.ledger.energised == pytest.approx(60.0, abs=1.0) or device.output


@pytest.mark.parametrize("pair", PAIRS)
async def test_off_is_high_impedance_and_may_be_repeated(time, pair):
    async with bench(time, pair) as (driver, device, _server):
        await driver.open()
        await driver.apply(at(driver), program(Galvanostatic(0.1)))
        await driver.output_off(at(driver))
        await driver.output_off(at(driver))
        assert (device.output, device.off_state) == (False, "HIMP")
        time.now = 3600.0
        device.terminal.advance(time.now)
        assert device.terminal.ledger.charging == 0.0


async def test_the_output_never_comes_on_before_the_limit_is_read_back(time):
    """The order on the wire is the safety: level zero, limit, output, level."""
    async with bench(time) as (driver, device, _server):
        heard: list[str] = []
        run = device.commands.execute
        device.commands.execute = lambda line: heard.append(line) or run(line)
        await driver.open()
        heard.clear()
        await driver.apply("1", program(Galvanostatic(0.1)))
        order = [
            heard.index(line)
            for line in (":SOUR:CURR 0", ":SOUR:CURR:VLIM 4.2", ":SOUR:CURR:VLIM?", ":OUTP ON", ":SOUR:CURR 0.1")
        ]
        assert order == sorted(order)


async def test_a_limit_that_reads_back_otherwise_is_refused_and_off(time):
    async with bench(time) as (driver, device, _server):
        await driver.open()
        device.set_limit = lambda sourcing, text: device.limit.__setitem__(sourcing, 21.0)
        device.commands._table.clear()
        device.register()
        with pytest.raises(SettingRefused, match=r"wanted 4\.2, found 21; the output is off"):
            await driver.apply("1", program(Galvanostatic(0.1)))
        assert not device.output


async def test_a_hold_after_a_charge_goes_on_without_a_gap(time):
    async with bench(time) as (driver, device, _server):
        await driver.open()
        await driver.apply("1", program(Galvanostatic(0.2)))
        time.now = 10.0
        drives = len(device.terminal.ledger.drives)
        voltage = device.terminal.read(10.0)[0]
        await driver.apply("1", program(Potentiostatic(voltage, 0.2)))
        assert all("Rest" not in drive for _, drive in device.terminal.ledger.drives[drives:])
        time.now = 100.0
        snapshot = (await driver.read(["1"])).snapshot
        assert snapshot.voltage[0] == pytest.approx(voltage, abs=1e-4)
        assert 0 < snapshot.current[0] < 0.2


async def test_is_not_energised_without_a_voltage_limit(time):
    async with bench(time) as (driver, device, _server):
        await driver.open()
        with pytest.raises(SettingRefused, match="voltage limit"):
            await driver.apply("1", program(Galvanostatic(0.1), Bounds()))
        assert not device.output


@pytest.mark.parametrize("pair", PAIRS)
async def test_a_current_beyond_the_instrument_is_refused_and_off_and_spoils_no_later_one(time, pair):
    async with bench(time, pair) as (driver, device, _server):
        await driver.open()
        with pytest.raises(
            SettingRefused, match=r"-222|1101 Parameter too big"
        ):  # of the range, and one of the level behind it
            await driver.apply(at(driver), program(Galvanostatic(5.0)))
        assert not device.output
        await driver.apply(at(driver), program(Galvanostatic(0.1)))
        assert device.output


async def test_another_instrument_is_refused_before_anything_is_touched(time):
    async with bench(time, (Keithley2400, emulated.EmulatedKeithley2450)) as (driver, device, _server):
        with pytest.raises(WireError, match="wanted a Keithley 2400"):
            await driver.open()
        assert device.terminal.ledger.drives[1:] == []
    async with bench(time, serial="1234") as (driver, _device, _server):
        with pytest.raises(WireError, match="wanted serial number 1234, found 4012345"):
            await driver.open()


async def test_a_rest_measures_the_open_circuit(time):
    for pair in PAIRS:
        async with bench(time, pair) as (driver, device, _server):
            await driver.open()
            await driver.apply(at(driver), program(Rest()))
            snapshot = (await driver.read([at(driver)])).snapshot
            assert snapshot.current[0] == 0.0
            assert snapshot.voltage[0] == pytest.approx(device.terminal.read(time.now)[0], abs=1e-5)


async def test_silence_closes_the_line_so_that_a_late_reply_is_never_taken(time):
    async with bench(time) as (driver, _device, server):
        await driver.open()
        driver._line.session.timeout = 100  # ms: what follows waits for nothing
        server.faults.late = 1
        with pytest.raises(Unreachable):
            await driver.read(["1"])
        with pytest.raises(Unreachable, match="not open"):
            await driver.read(["1"])
        assert (await driver.open()).model == "2450"


@pytest.mark.parametrize("fault", ["pieces", "merge", "silence=1", "garbage=1", "cut=1", "hang"])
async def test_every_fault_of_the_line_is_an_error_of_ours_or_nothing(time, fault):
    async with bench(time) as (driver, _device, server):
        await driver.open()
        driver._line.session.timeout = 100
        server.faults.set(fault)
        with contextlib.suppress(InstrumentError, ValueError):
            await driver.apply("1", program(Rest()))


async def test_the_channels_of_one_meter_are_told_apart(time):
    async with bench(time, PAIRS[2]) as (driver, device, server):
        await driver.open()
        assert set(await asyncio.gather(*(driver.status(each) for each in "ab"))) == {Status("idle")}
        await driver.apply("a", program(Galvanostatic(0.1)))
        time.now = 60.0
        assert (await driver.read(["a", "b"])).snapshot.channels == ("a",)  # b has an open relay, and is not read
        await driver.apply("b", program(Potentiostatic(4.0, 0.2)))
        found = (await driver.read(["b", "a"])).snapshot
        assert (found.channels, found.current.tolist()) == (("b", "a"), pytest.approx([0.2, 0.1]))
        await driver.output_off("b")
        assert (device.output, device.units["smub"].output) == (True, False)
        drives = device.terminal.ledger.drives[:]
        server.unplug()
        assert (await driver.open()).model == "2602B"  # a line that comes back touches neither
        assert device.terminal.ledger.drives == drives
        assert (await driver.status("a")).activity == "running"
        await driver.output_off("a")
        device.model, device.output = "2611B", False
        await driver.open()
        with pytest.raises(InstrumentError, match="wanted a channel of a, found 'b'"):
            await driver.output_off("b")


def test_an_answer_about_the_other_channel_is_no_answer():
    with pytest.raises(WireError, match="wanted an answer about smub"):
        tsp_numbers("smua\t0.1", "smub", 1)

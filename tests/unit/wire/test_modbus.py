"""Chambers by Modbus: frames, maps of registers, and what is refused."""

import math
from types import SimpleNamespace

import pytest

from labctl.errors import OptionRefused, SettingRefused, Unreachable, WireError
from labctl_drivers.chamber import Modbus, registers
from labctl_drivers.chamber.modbus import MAPS, RegisterMap
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.modbus import ACTUAL, LED_BY_BASE, EmulatedModbus


def test_the_checksum_is_that_of_the_guide():
    """The example of the serial line guide: unit 2, function 7 has the checksum 41 12."""
    assert registers.checksum(bytes((2, 7))).to_bytes(2, "little") == bytes((0x41, 0x12))


@pytest.mark.parametrize(
    "made", [*MAPS.values(), RegisterMap(0, 0, 0, scale=0.1), RegisterMap(0, 0, 0, low_first=False)]
)
@pytest.mark.parametrize("celsius", [-40.0, -0.5, 0.0, 25.0, 121.5])
def test_a_temperature_is_the_same_there_and_back(made, celsius):
    values = made.values(celsius)
    assert len(values) == made.words
    assert all(0 <= value <= 0xFFFF for value in values)
    assert made.celsius(values) == pytest.approx(celsius, abs=1e-5)


@pytest.fixture
async def oven(time):
    device = EmulatedModbus()
    line = Server(device, time)
    driver = Modbus(f"socket://127.0.0.1:{await line.start()}", map="binder-mk53", highest=100.0)
    yield driver, device, line
    await driver.close()
    await line.stop()


async def test_a_set_point_leads_the_chamber_only_by_hand(oven, time):
    driver, device, _ = oven
    await driver.open()
    assert device.mode == LED_BY_BASE
    assert await driver._in_thread(lambda: driver.set(60.0)) == pytest.approx(60.0)
    time.now = 1e4
    assert device.air.advance(time.now) == pytest.approx(60.0)


async def test_limits_of_the_station_file_and_of_the_chamber_refuse(oven):
    driver, device, _ = oven
    await driver.open()
    with pytest.raises(SettingRefused, match="the limits are -40 to 100 degC"):
        await driver._in_thread(lambda: driver.set(120.0))
    device.high = 50.0
    with pytest.raises(SettingRefused, match="it takes no such value"):
        await driver._in_thread(lambda: driver.set(60.0))
    assert device.set_point == 23.0


async def test_registers_that_a_chamber_has_not_are_refused(oven):
    _, _, line = oven
    driver = Modbus(f"socket://127.0.0.1:{line.port}", map="own", registers={"actual": 7, "wanted": 7, "set": 7})
    with pytest.raises(SettingRefused, match="no such registers"):
        await driver.open()
    await driver.close()


async def test_a_number_that_is_no_temperature_is_an_error_of_the_wire(oven):
    driver, device, _ = oven
    await driver.open()
    device.air = SimpleNamespace(advance=lambda now: math.inf)
    with pytest.raises(WireError, match="wanted a temperature"):
        await driver.status("1")


async def test_a_chamber_that_falls_silent_leaves_no_socket_open(oven):
    driver, _, line = oven
    await driver.open()
    socket = driver._line._socket
    driver._line.timeout = 0.1
    line.faults.hang = True
    with pytest.raises(Unreachable):
        await driver.status("1")
    assert socket.fileno() == -1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"map": "binder"}, "wanted a map that is known"),
        ({"map": "binder-mk53", "registers": {"actual": 1}}, "wanted registers with map: own"),
        ({"map": "own"}, "wanted the registers actual, wanted, set"),
        ({"map": "own", "registers": {"actual": 70000, "wanted": 1, "set": 1}}, "from 0 to 65535 for actual"),
        ({"map": "own", "registers": {"actal": 1}}, "wanted one of actual"),
    ],
)
def test_options_that_are_none_are_refused_at_their_place(options, words):
    with pytest.raises(OptionRefused, match=words):
        Modbus("socket://h:1", **options)


def test_a_reply_to_another_request_is_none():
    frame = registers.rtu(1, bytes((3, 2, 0, 7)))
    assert registers.values_of(registers.from_rtu(frame, 1), 3, 1) == [7]
    for bad in (frame[:-1], registers.rtu(2, frame[1:-2]), frame[:3] + b"\1" + frame[4:]):
        with pytest.raises(WireError):
            registers.from_rtu(bad, 1)
    with pytest.raises(WireError):
        registers.values_of(bytes((4, 2, 0, 7)), 3, 1)
    with pytest.raises(WireError):
        registers.rest_of_tcp(bytes((0, 9, 0, 0, 0, 5, 1)), 8, 1)
    assert MAPS["binder-mk53"].actual == ACTUAL

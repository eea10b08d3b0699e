"""A Maccor tester and its driver over a real socket: whose test it is, the dead man's switch, safety limits, current without a sign."""

import time as wall
from datetime import datetime

import pytest

from labctl.driver import (
    Bounds,
    Changed,
    ConstantPower,
    Fault,
    Galvanostatic,
    Potentiostatic,
    Program,
    ProgramStep,
    Rest,
)
from labctl.errors import OptionRefused, SettingRefused, WireError
from labctl_drivers.maccor import Maccor
from labctl_drivers.maccor.client import result_of
from labctl_drivers.maccor.direct import output, second_of
from labctl_drivers.one_way import OneWay
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.maccor import ACTIVE, AVAILABLE, PROBLEM, SUSPENDED, EmulatedMaccor, MaccorChannel, balanced
from labctl_simulators.wire.terminal import Terminal

BOUNDS = Bounds(voltage=(3.0, 4.2), current=(-0.5, 0.5))


def program(mode, attempt=1, bounds=BOUNDS) -> Program:
    return Program(attempt, (ProgramStep(7, mode, bounds=bounds),))


class Bench:
    """A tester of two channels, and drivers that one after the other speak to it."""

    def __init__(self, time, folder) -> None:
        self.time, self.folder = time, folder
        self.cells = [MaccorChannel(Terminal(load_model("marquis2019")), watchdog=30.0) for _ in range(2)]
        self.device = EmulatedMaccor(self.cells)
        self.line = Server(self.device, time)

    async def driver(self, **options) -> Maccor:
        """A driver as a daemon has it that has just begun."""
        given = {"host": "127.0.0.1", "channels": {"a": 1, "b": 2}, "folder": str(self.folder), "timeout": 30.0}
        made = Maccor(port=self.line.port, **{**given, **options})
        await made.open()
        return made

    def current(self, at=0) -> float:
        self.cells[at].advance(self.time.now)
        return self.cells[at].terminal.read(self.time.now)[1]


@pytest.fixture
async def bench(time, tmp_path):
    made = Bench(time, tmp_path)
    await made.line.start()
    yield made
    await made.line.stop()


async def test_somebody_elses_procedure_is_neither_replaced_nor_stopped(bench):
    driver = await bench.driver()
    bench.cells[0].start(0.0, direct=False)
    assert (await driver.status("a")).activity == "unknown"
    with pytest.raises(SettingRefused, match="not ours"):
        await driver.apply("a", program(Galvanostatic(0.1)))
    with pytest.raises(SettingRefused, match="not stopped") as caught:
        await driver.output_off("a")
    assert caught.value.safe
    assert bench.cells[0].stat == ACTIVE
    await driver.close()


async def test_another_clients_direct_mode_is_not_ours_either(bench, time):
    driver = await bench.driver()
    time.now = 100.0
    bench.cells[0].start(100.0, direct=True)
    with pytest.raises(SettingRefused, match="not stopped"):
        await driver.output_off("a")
    assert bench.cells[0].stat == ACTIVE
    await driver.close()


async def test_a_restarted_daemon_and_the_guard_know_what_is_ours_and_end_it(bench, time):
    driver = await bench.driver()
    time.now = 50.0
    await driver.apply("a", program(Galvanostatic(0.1)))
    await driver.close()
    time.now = 70.0
    again = await bench.driver()
    assert (await again.status("a")).activity == "unknown"
    await again.output_off("a")
    assert bench.cells[0].stat == AVAILABLE
    assert bench.current() == 0.0
    await again.close()


async def test_what_the_watchdog_suspended_of_ours_is_reset_and_driven_again(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    await driver.close()
    time.now = 500.0
    assert bench.current() == 0.0
    assert bench.cells[0].stat == SUSPENDED
    again = await bench.driver()
    await again.apply("a", program(Galvanostatic(0.2)))
    assert bench.current() == pytest.approx(0.2)
    await again.close()


async def test_a_suspended_procedure_of_somebody_else_is_left(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    time.now = 20.0
    cell = bench.cells[0]
    cell.reset()
    cell.start(20.0, direct=False)
    time.now = 2000.0
    cell.advance(2000.0)
    cell.end(SUSPENDED, 30, 192, 2000.0)
    again = await bench.driver()
    with pytest.raises(SettingRefused, match="not ours"):
        await again.apply("a", program(Galvanostatic(0.2)))
    await again.output_off("a")
    assert cell.stat == SUSPENDED
    await driver.close()
    await again.close()


async def test_the_watchdog_is_fed_while_rows_are_read_and_cuts_off_when_none_are(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    for second in range(1, 120):
        time.now = float(second)
        readings = await driver.read(["a"])
        assert readings.snapshot.current[0] == pytest.approx(0.1)
    time.now += 31.0
    assert bench.current() == 0.0
    readings = await driver.read(["a"])
    (said,) = readings.by_channel["a"]
    assert isinstance(said, Changed)
    assert "suspended" in said.why
    assert not (await driver.read(["a"])).by_channel
    await driver.close()


async def test_summer_time_on_the_testers_pc_orphans_nothing(bench, time, monkeypatch):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    time.now = 5.0
    monkeypatch.setattr("labctl_simulators.wire.maccor.EPOCH", datetime(2026, 1, 5, 9))  # noqa: DTZ001
    assert not (await driver.read(["a"])).by_channel
    again = await bench.driver()
    await again.output_off("a")
    assert bench.cells[0].stat == AVAILABLE
    await driver.close()
    await again.close()


async def test_a_set_point_names_every_quantity_that_was_active_at_the_start(bench):
    """What is out of range at the start of direct mode does nothing later."""
    driver = await bench.driver()
    await driver.apply("a", program(Rest()))
    for mode in (Galvanostatic(0.1), ConstantPower(-0.4), Rest(), Potentiostatic(3.9, 0.2)):
        told = output(driver.reach.toward(ProgramStep(7, mode, bounds=BOUNDS), 3.8, None), driver.ranges, 5.0)
        assert 0.0 <= told["Current"] <= 5.0
        assert 0.0 <= told["Voltage"] <= 5.0
        assert 0.0 <= told["Power"] <= 25.0
    await driver.close()


async def test_another_test_on_the_channel_is_told_and_safe(bench, time):
    driver = await bench.driver()
    time.now = 100.0
    await driver.apply("a", program(Galvanostatic(0.1)))
    time.now = 160.0
    bench.cells[0].reset()
    bench.cells[0].start(160.0, direct=False)
    time.now = 161.0
    (said,) = (await driver.read(["a"])).by_channel["a"]
    assert isinstance(said, Fault)
    assert said.safe
    assert bench.cells[0].stat == ACTIVE
    await driver.close()


async def test_the_testers_own_safety_limit_trips_to_a_fault(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    bench.cells[0].safety.high = 3.0
    time.now = 1.0
    (said,) = (await driver.read(["a"])).by_channel["a"]
    assert isinstance(said, Fault)
    assert said.safe
    assert bench.cells[0].stat == PROBLEM
    await driver.close()


async def test_safety_limits_that_do_not_read_back_are_refused_before_anything_flows(bench, monkeypatch):
    driver = await bench.driver()
    obey = bench.device.order

    def forgetful(function, number, params):
        return {**obey(function, number, params), **({"VSafeMax": 5.0} if function == (6, 10) else {})}

    monkeypatch.setattr(bench.device, "order", forgetful)
    with pytest.raises(SettingRefused, match="VSafeMax"):
        await driver.apply("a", program(Galvanostatic(0.1)))
    assert bench.current() == 0.0
    assert bench.cells[0].stat == AVAILABLE
    await driver.close()


async def test_set_points_are_a_tenth_of_a_second_apart(bench):
    """The emulated tester refuses those that come faster by the wall."""
    bench.device.wall = wall.monotonic
    driver = await bench.driver()
    for current in (0.1, -0.1, 0.2):
        await driver.apply("a", program(Galvanostatic(current)))
    assert bench.current() == pytest.approx(0.2)
    await driver.close()


async def test_a_hold_flows_in_the_direction_that_leads_there(bench, time):
    driver = await bench.driver()
    voltage = bench.cells[0].terminal.read(0.0)[0]
    await driver.apply("a", program(Potentiostatic(voltage + 0.02, 0.5)))
    assert bench.current() > 0.0
    await driver.apply("a", program(Potentiostatic(voltage - 0.02, 0.5)))
    time.now = 1.0
    assert bench.current() < 0.0
    await driver.close()


async def test_a_rest_before_the_first_set_point_starts_nothing(bench):
    driver = await bench.driver()
    await driver.apply("b", program(Rest()))
    assert bench.cells[1].stat == AVAILABLE
    readings = await driver.read(["a", "b"])
    assert readings.snapshot.voltage == pytest.approx([cell.terminal.read(0.0)[0] for cell in bench.cells], rel=1e-6)
    await driver.close()


async def test_a_power_is_held_within_the_voltage(bench, time):
    driver = await bench.driver()
    voltage = bench.cells[0].terminal.read(0.0)[0]
    await driver.apply("a", program(ConstantPower(1.5), bounds=Bounds((3.0, voltage + 0.03), (-0.5, 0.5))))
    for second in (1.0, 600.0, 3600.0):
        time.now = second
        await driver.read(["a"])
        assert bench.cells[0].terminal.read(second)[0] <= voltage + 0.035
    await driver.close()


async def test_a_channel_that_the_tester_has_not_is_refused(bench):
    with pytest.raises(SettingRefused, match="a tester with 2"):
        await bench.driver(channels={"z": 3})


def test_channels_are_numbers_from_one_and_each_has_its_own():
    with pytest.raises(OptionRefused, match="own program"):
        Maccor(host="h", channels={"a": 0}, folder=".")
    with pytest.raises(OptionRefused, match="which a has"):
        Maccor(host="h", channels={"a": 1, "b": 1}, folder=".")


def test_the_smallest_range_that_holds_the_current_is_taken():
    ranges = [output(OneWay(True, each, 4.2), (1e-3, 0.1, 1.0), 5.0)["CurrentRange"] for each in (1e-3, 2e-3, 0.5)]
    assert ranges == [1, 2, 3]


def test_a_clock_that_the_tester_does_not_tell_is_zero():
    assert second_of({"TesterTime": "yesterday"}) == 0.0
    assert second_of({"TesterTime": "2022-10-13T12:32:57"}) - second_of({"TesterTime": "2022-10-13T12:32:56"}) == 1.0


@pytest.mark.parametrize(
    "raw",
    [b"{}", b"[]", b"nonsense", b'{"id": 2, "result": {}}', b'{"id": 1987, "result": 7}',
     b'{"id": 1987, "result": {"FClass": 4, "FNum": 7, "Chan": 3}}', b"[" * 100_000],
)  # fmt: skip
def test_a_reply_to_another_question_is_none(raw):
    with pytest.raises(WireError):
        result_of(raw, {"FClass": 4, "FNum": 7, "Chan": 0})


def test_the_emulator_finds_the_end_of_a_request_by_balance():
    assert balanced(b'{"a": "}\\"{", "b": {}} {') == len(b'{"a": "}\\"{", "b": {}}')
    assert balanced(b'{"a": {}') == 0

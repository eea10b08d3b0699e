"""An Arbin cycler and its driver over a real socket: whose test it is, the time that runs out, set-points by variables, packets."""

import struct
from functools import partial
from itertools import groupby

import pytest

from labctl.driver import (
    Bounds,
    Changed,
    ConstantPower,
    Fault,
    Galvanostatic,
    Owner,
    Potentiostatic,
    Program,
    ProgramStep,
    Rest,
)
from labctl.errors import SettingRefused, WireError
from labctl_drivers.arbin import Arbin, packet
from labctl_simulators.models import load_model
from labctl_simulators.wire import arbin as emulated
from labctl_simulators.wire.arbin import FINISHED, IDLE, UNSAFE, ArbinChannel, EmulatedArbin
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.terminal import Terminal

BOUNDS = Bounds(voltage=(3.0, 4.2), current=(-0.5, 0.5))
OURS, THEIRS = (Owner(2 * f"{digit}" * 16, "2" * 32) for digit in (1, 3))


def program(mode, attempt=1, owner=OURS, bounds=BOUNDS) -> Program:
    return Program(attempt, (ProgramStep(7, mode, bounds=bounds),), owner=owner)


class Bench:
    """A cycler of two channels, and drivers that one after the other speak to it."""

    def __init__(self, time) -> None:
        self.time = time
        self.cells = [ArbinChannel(Terminal(load_model("marquis2019"))) for _ in range(2)]
        self.device = EmulatedArbin(self.cells)
        self.line = Server(self.device, time)

    async def driver(self, **options) -> Arbin:
        given = {"channels": {"a": 1, "b": 2}, "user": "admin", "password": "000000", "timeout": 30.0, **options}
        made = Arbin(host="127.0.0.1", port=self.line.port, **given)
        await made.open()
        return made

    def current(self, at=0) -> float:
        self.cells[at].advance(self.time.now)
        return self.cells[at].cell.read(self.time.now)[1]


@pytest.fixture
async def bench(time):
    made = Bench(time)
    await made.line.start()
    yield made
    await made.line.stop()


async def test_somebody_elses_test_is_neither_replaced_nor_stopped(bench):
    driver = await bench.driver()
    bench.cells[0].assign(emulated.OTHER, [0.0] * 16)
    bench.cells[0].start("formation 12", 0.0)
    status = await driver.status("a")
    assert (status.activity, status.owner) == ("unknown", None)
    for mode in (Galvanostatic(0.1), Rest()):
        with pytest.raises(SettingRefused, match="not ours"):
            await driver.apply("a", program(mode))
    with pytest.raises(SettingRefused, match="not stopped") as caught:
        await driver.output_off("a")
    assert caught.value.safe
    assert bench.cells[0].running
    await driver.close()


async def test_another_journals_test_is_not_replaced(bench):
    driver, other = await bench.driver(), await bench.driver()
    await other.apply("a", program(Galvanostatic(0.1), owner=THEIRS))
    assert (await driver.status("a")).owner.within(THEIRS.journal)
    with pytest.raises(SettingRefused, match="not ours"):
        await driver.apply("a", program(Galvanostatic(0.2)))
    assert bench.current() == pytest.approx(0.1)
    await driver.close()
    await other.close()


async def test_a_restarted_daemon_and_the_guard_end_what_is_ours(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    await driver.close()
    time.now = 5.0
    again = await bench.driver()
    assert (await again.status("a")).activity == "unknown"
    await again.output_off("a")
    assert (bench.cells[0].status, bench.current()) == (IDLE, 0.0)
    await again.close()


async def test_a_schedule_that_nobody_moves_on_ends_by_itself(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    for second in range(1, 120):
        time.now = float(second)
        assert (await driver.read(["a"])).snapshot.current[0] == pytest.approx(0.1)
    time.now += 31.0
    assert bench.current() == 0.0
    assert bench.cells[0].status == FINISHED
    (said,) = (await driver.read(["a"])).by_channel["a"]
    assert isinstance(said, Changed)
    assert "MV_UD5" in said.why
    await driver.apply("a", program(Galvanostatic(0.2), attempt=2))
    assert bench.current() == pytest.approx(0.2)
    await driver.close()


async def test_another_test_on_the_channel_is_told_and_safe(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    cell = bench.cells[0]
    cell.end(IDLE, "", 0.0)
    cell.assign(emulated.OTHER, [0.0] * 16)
    cell.start("theirs", 1.0)
    time.now = 2.0
    (said,) = (await driver.read(["a"])).by_channel["a"]
    assert isinstance(said, Fault)
    assert said.safe
    assert cell.running
    await driver.close()


async def test_an_unsafe_channel_is_a_fault_and_is_not_started_again(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    bench.cells[0].end(UNSAFE, "over voltage", 1.0)
    time.now = 1.0
    (said,) = (await driver.read(["a"])).by_channel["a"]
    assert isinstance(said, Fault)
    assert "over voltage" in said.why
    with pytest.raises(SettingRefused, match="unsafe"):
        await driver.apply("a", program(Galvanostatic(0.1)))
    await driver.close()


async def test_the_channel_rests_while_the_direction_changes_and_not_while_the_current_does(bench, monkeypatch):
    driver = await bench.driver()
    cell, given = bench.cells[0], []
    drive = cell.cell.give
    monkeypatch.setattr(
        cell.cell, "give", lambda current, voltage, now: (given.append(current), drive(current, voltage, now))
    )
    monkeypatch.setattr(cell.cell, "rest", lambda now: given.append(None))
    for current in (0.1, 0.2, -0.1):
        await driver.apply("a", program(Galvanostatic(current)))
    assert [None if value is None else round(value, 6) for value, _ in groupby(given)] == [None, 0.1, 0.2, None, -0.1]
    await driver.close()


async def test_a_hold_flows_in_the_direction_that_leads_there(bench, time):
    driver = await bench.driver()
    voltage = bench.cells[0].cell.read(0.0)[0]
    await driver.apply("a", program(Potentiostatic(voltage + 0.02, 0.5)))
    assert bench.current() > 0.0
    await driver.apply("a", program(Potentiostatic(voltage - 0.02, 0.5)))
    time.now = 1.0
    assert bench.current() < 0.0
    await driver.close()


async def test_a_power_is_given_in_its_sign(bench, time):
    driver = await bench.driver()
    await driver.apply("a", program(ConstantPower(-0.4)))
    time.now = 1.0
    voltage, current = bench.cells[0].cell.read(1.0)
    assert voltage * current == pytest.approx(-0.4, rel=1e-3)
    await driver.close()


async def test_a_wrong_password_and_a_channel_that_is_not_there_are_refused(bench):
    with pytest.raises(SettingRefused, match="refused the login of admin"):
        await bench.driver(password="guess")
    with pytest.raises(SettingRefused, match="a cycler with 2"):
        await bench.driver(channels={"z": 3})


async def test_a_schedule_that_mits_does_not_have_is_refused_by_name(bench):
    driver = await bench.driver(schedule="lost.sdx")
    with pytest.raises(SettingRefused, match="there is no such schedule"):
        await driver.apply("a", program(Galvanostatic(0.1)))
    await driver.close()


@pytest.mark.parametrize("more", [0, 2, 12])
async def test_a_reply_of_either_length_rule_is_taken(bench, monkeypatch, more):
    """What the length field of a reply counts is not proven: the sum at its end decides."""
    framed = emulated.framed

    def counted(command, body):
        whole = framed(command, body)
        short = struct.pack("<QIII", packet.MAGIC, len(whole) - more, command, 0) + body
        return short + struct.pack("<H", sum(short) & 0xFFFF)

    monkeypatch.setattr(emulated, "framed", counted)
    driver = await bench.driver()
    await driver.apply("a", program(Galvanostatic(0.1)))
    assert bench.current() == pytest.approx(0.1)
    await driver.close()


def test_requests_have_the_lengths_that_a_public_client_sends():
    requests = {
        packet.login("admin", "000000"): (86, 74), packet.info(3): (62, 50),
        packet.assign(3, "labctl.sdx", (1.0,)): (671, 659), packet.start(3, "a test"): (172, 160),
        packet.stop(3): (128, 116), packet.set_variable(3, 5, 1.5): (74, 62),
    }  # fmt: skip
    for raw, (size, field) in requests.items():
        assert (len(raw), struct.unpack_from("<I", raw, 8)[0]) == (size, field)
        assert packet.is_whole(raw)


@pytest.mark.parametrize("read", [partial(packet.info_of, channel=0), packet.login_of,
                                  partial(packet.result_of, command=packet.STOP, channel=0)])  # fmt: skip
def test_a_packet_that_is_none_is_an_error_of_ours(read):
    for raw in (b"", b"\0" * 30, packet.stop(0), packet.HEAD.pack(packet.MAGIC, 30, packet.REPLY[packet.INFO], 0)):
        with pytest.raises(WireError):
            read(raw)

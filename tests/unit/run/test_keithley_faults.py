"""Faults of a source meter and its line over a real socket, and what becomes of the run: the ledger of the emulator is the truth."""

import contextlib
import itertools
import re

import pytest

from labctl.clock import VirtualClock
from labctl.plan.patience import BLIND
from labctl_drivers.keithley import Keithley2400, Keithley2450, Keithley2600
from labctl_simulators.models import load_model
from labctl_simulators.wire import keithley as emulated
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.terminal import Terminal
from tests.unit.run.one_channel import one_channel
from tests.unit.wire.test_keithley import ChannelA

PAIRS = [(Keithley2450, emulated.EmulatedKeithley2450), (Keithley2400, emulated.EmulatedKeithley2400)]
OF_TWO = (Keithley2600, ChannelA)
READING = re.compile(rb"(?!KEITHLEY).*,.*,|smua(\t[^\t]+){3}\n")


class Line:
    """Stands between the meter and the driver, and spoils what passes.

    Attributes:
        fault: `one number` for each reading, `unreadable` readings, `twice` for every reply, `mute` to readings, or "".
        stands: The meter's own clock, if it stands.
    """

    def __init__(self, meter) -> None:
        self.meter, self.fault = meter, ""
        self.stands: float | None = None

    def greeting(self) -> bytes:
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        replies = self.meter.receive(data, now if self.stands is None else self.stands)
        return [spoiled for reply in replies for spoiled in self.spoiled(reply)]

    def spoiled(self, reply: bytes) -> list[bytes]:
        reading = READING.match(reply) is not None
        match self.fault:
            case "twice":
                return [reply, reply]
            case "one number" if reading:
                return [b"0.5\n"]
            case "unreadable" if reading:
                return [bytes(byte ^ 0x15 for byte in reply[:-1]) + b"\n"]
        return [reply]


@contextlib.asynccontextmanager
async def energised(folder, pair=PAIRS[0]):
    """Charge a cell at 0.5 A by a source meter for 4 s."""
    clock, number = VirtualClock(1000.0, 1.79e9), itertools.count()
    driver_class, device_class = pair
    device = device_class(Terminal(load_model("marquis2019")))
    unit = device.units["smua"] if pair is OF_TWO else device
    unit.off_state = "HIMP"
    unit.impose()
    line = Line(device)
    server = Server(line, lambda: clock.now() + 1e-5 * next(number), only=1)
    port = await server.start()
    try:
        async with one_channel(folder, driver_class(f"TCPIP0::127.0.0.1::{port}::SOCKET"), clock) as rig:
            await rig.start()
            await rig.let_pass(4.0)
            assert unit.output
            assert rig.channel.activity == "running"
            yield rig, unit, line
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("pair", "fault"),
    [*itertools.product(PAIRS, ["unreadable", "one number", "twice", "stands"]), (OF_TWO, "twice"), (OF_TWO, "stands")],
)
async def test_unreadable_readings(tmp_path, pair, fault):
    async with energised(tmp_path, pair) as (rig, device, line):
        begin = rig.clock.now()
        if fault == "stands":
            line.stands = begin
        else:
            line.fault = fault
        await rig.until(lambda: not device.output, most=30.0)
        assert rig.clock.now() - begin <= BLIND + 0.3
        await rig.until(lambda: rig.state.phase == "asking", most=30.0)
        assert rig.state.question.kind == "unmeasured"
        await rig.let_pass(10.0)
        assert rig.channel.activity == "safe"
        assert not device.output


@pytest.mark.parametrize("pair", [*PAIRS, OF_TWO])
@pytest.mark.parametrize("change", ["output", "level", "limit", "range"])
async def test_front_panel_off(tmp_path, pair, change):
    async with energised(tmp_path, pair) as (rig, device, _line):
        begin = rig.clock.now()
        match change:
            case "output":
                device.switch(on=False)
            case "level":
                device.set_level("CURR", "0.499")
            case "limit":
                device.set_limit("CURR", "4.9")
            case "range":
                device.fit_range("CURR", 1.04)
                device.ranges["CURR"] = 10.0
        await rig.until(lambda: rig.state.phase == "asking" and not device.output, most=5.0)
        assert rig.clock.now() - begin <= 0.4
        assert rig.channel.activity == "safe"
        assert rig.state.question.kind == "contradicted"
        assert change in rig.state.why
        await rig.let_pass(0.2)
        await rig.sink.flush()
        assert rig.of("diverged")


async def test_an_output_that_is_switched_on_at_the_panel_is_switched_off_again(tmp_path):
    async with energised(tmp_path) as (rig, device, _line):
        await rig.order("pause")
        await rig.let_pass(3.0)
        device.switch(on=True)
        await rig.until(lambda: not device.output, most=5.0)
        await rig.let_pass(0.2)
        await rig.sink.flush()
        assert "was switched off" in rig.of("diverged")[-1]["why"]

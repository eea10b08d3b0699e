"""pymeasure's classes against our emulated source meters, and our drivers against labmcp's simulators."""

import re

import pytest
from labmcp_keithley_smu.simulator import make_simulator
from pymeasure.instruments.keithley import Keithley2400 as Measure2400
from pymeasure.instruments.keithley import Keithley2450 as Measure2450
from pymeasure.instruments.keithley import Keithley2600 as Measure2600

from labctl.driver import Bounds, Galvanostatic, Potentiostatic, Program, ProgramStep, Rest
from labctl_drivers.keithley import Keithley2400, Keithley2450, Keithley2600
from labctl_simulators.models import load_model
from labctl_simulators.wire import keithley as emulated
from labctl_simulators.wire.keithley_tsp import EmulatedKeithley2600
from labctl_simulators.wire.terminal import Terminal


@pytest.mark.parametrize(
    ("client", "device"), [(Measure2450, emulated.EmulatedKeithley2450), (Measure2400, emulated.EmulatedKeithley2400)]
)
def test_pymeasure_drives_our_emulator(bench, client, device):
    meter = device(Terminal(load_model("marquis2019")))
    port = bench.socket(meter)
    smu = client(
        f"TCPIP0::127.0.0.1::{port}::SOCKET",
        visa_library="@py",
        read_termination="\n",
        write_termination="\n",
        timeout=2000,
    )
    smu.apply_current()
    smu.compliance_voltage = 4.2
    smu.source_current = 0.05
    smu.enable_source()
    smu.measure_voltage()
    assert meter.output
    assert smu.voltage == pytest.approx(meter.terminal.read(bench.clock())[0], abs=2e-3)
    assert smu.source_current == pytest.approx(0.05)
    smu.disable_source()
    assert not smu.source_enabled
    assert not meter.output
    smu.adapter.close()


def test_pymeasure_drives_both_channels_of_our_emulator(bench):
    meter = EmulatedKeithley2600([Terminal(load_model("marquis2019")) for _ in range(2)])
    smu = Measure2600(
        f"TCPIP0::127.0.0.1::{bench.socket(meter)}::SOCKET",
        visa_library="@py",
        read_termination="\n",
        write_termination="\n",
        timeout=2000,
    )
    for channel, unit, current in ((smu.ChA, meter.units["smua"], 0.05), (smu.ChB, meter.units["smub"], -0.05)):
        channel.apply_current(current_range=0.1, compliance_voltage=4.3)
        channel.wires_mode = "4"
        channel.source_current = current
        channel.source_output = "ON"
        channel.measure_voltage()
        assert unit.output
        assert unit.four_wire
        assert channel.voltage == pytest.approx(unit.terminal.read(bench.clock())[0], abs=2e-3)
        assert channel.current == pytest.approx(current, rel=1e-4)
        assert (channel.compliance_voltage, channel.source_mode) == (4.3, "current")
    smu.ChB.source_current = 1.5  # beyond the range that was chosen
    assert smu.next_error[0] != 0
    assert smu.next_error == (0, "Queue Is Empty")
    smu.ChB.source_output = "OFF"
    assert (smu.ChA.source_output, smu.ChB.source_output) == ("ON", "OFF")
    assert not meter.units["smub"].output
    smu.adapter.close()


class Ranged:
    """Their simulator with what it lacks though the instruments have it: the range of the source, and the clock of a reading."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.ranges = {}
        self.seconds = 0

    def handle(self, line):
        if given := re.fullmatch(r":SOUR:(\w+):RANG (\S+)", line.strip()):
            self.ranges[given[1]] = given[2]
        if ",SEC,FRAC" in line:
            self.seconds += 1
            return f"{self.text(line.replace(',SEC,FRAC', ''))},{self.seconds},0.5"
        asked = re.fullmatch(r"(.*);:SOUR:(\w+):RANG\?", line.strip())
        if asked is None:
            return self.simulator.handle(line)
        return f"{self.text(asked[1])};{self.ranges[asked[2]]}"

    def text(self, line):
        reply = self.simulator.handle(line)
        return reply if isinstance(reply, str) else reply[0]


class Printing:
    """Their simulator of the 2600B, which prints one value a line: several become as many lines; it has no timer, off mode or range to read."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.seconds = 0
        self.set = {}

    def handle(self, line):
        line = line.strip()
        if line.startswith(("format.", "errorqueue.clear")) or ".offmode" in line:
            return None
        if given := re.fullmatch(r"(smu.\.source\.range.) = (\S+)", line):
            self.set[given[1]] = given[2]
        listed = re.fullmatch(r"print\((.*)\)", line)
        if listed is None:
            return self.simulator.handle(line)
        return "\t".join(self.printed(part.strip()) for part in listed[1].split(","))

    def printed(self, part):
        if part.startswith('"'):
            return part.strip('"')
        if part == "timer.measure.t()":
            self.seconds += 1
            return f"{self.seconds}"
        return self.set[part] if part in self.set else self.simulator.handle(f"print({part})")


@pytest.mark.parametrize(
    ("driver", "dialect", "at"),
    [
        (Keithley2450, "2450", "1"),
        (Keithley2400, "2400", "1"),
        (Keithley2600, "2600", "a"),
        (Keithley2600, "2600", "b"),
    ],
)
async def test_our_driver_drives_their_simulator(bench, line_device, driver, dialect, at):
    """A kilohm behind their simulator: 1 mA are 1 V, and 2 V of limit hold 3 mA back."""
    simulator = make_simulator(dialect, resistance_ohm=1000.0)
    fitted = Printing(simulator) if dialect == "2600" else Ranged(simulator)
    port = bench.socket(line_device(fitted, "SMOD", "*CLS"))
    smu = driver(f"TCPIP0::127.0.0.1::{port}::SOCKET", four_wire=False)
    assert (await smu.open()).model == {"2600": "2602B"}.get(dialect, dialect)
    bounds = Bounds(voltage=(-2.0, 2.0), current=(-0.01, 0.01))

    def program(mode):
        return Program(1, (ProgramStep(1, mode, bounds=bounds),))

    await smu.apply(at, program(Galvanostatic(1e-3)))
    found = (await smu.read([at])).snapshot
    assert (found.voltage[0], found.current[0]) == (pytest.approx(1.0, abs=5e-3), pytest.approx(1e-3, rel=5e-3))
    await smu.apply(at, program(Galvanostatic(3e-3)))
    assert (await smu.read([at])).snapshot.voltage[0] == pytest.approx(2.0, abs=0.02)
    await smu.output_off(at)
    await smu.apply(at, program(Potentiostatic(1.5, 5e-3)))
    assert (await smu.read([at])).snapshot.current[0] == pytest.approx(1.5e-3, rel=5e-3)
    await smu.apply(at, program(Rest()))
    await smu.output_off(at)
    assert (await smu.status(at)).activity == "idle"
    await smu.close()

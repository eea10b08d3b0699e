"""labmcp's MethodSCRIPT driver against our emulated module, and our driver against labmcp's simulator."""

import asyncio

import pytest
from labmcp.transports.serial import SerialTransport
from labmcp_palmsens.driver import MethodScriptDevice
from labmcp_palmsens.simulator import MethodScriptSimulator

from labctl.driver import Bounds, Ended, Potentiostatic, Program, ProgramStep, RecordRule, Threshold
from labctl.sample import Batch
from labctl_drivers.palmsens import PalmSens
from labctl_simulators.models import load_model
from labctl_simulators.wire.palmsens import EmulatedPalmSens as Module
from labctl_simulators.wire.terminal import Terminal

SCRIPT = [
    "var p",
    "set_pgstat_chan 0",
    "set_pgstat_mode 2",
    "cell_off",
    "meas_loop_ocp p 100m 500m",
    "pck_start",
    "pck_add p",
    "pck_end",
    "endloop",
]


def test_their_driver_runs_a_script_on_our_module(bench):
    module = Module(Terminal(load_model("marquis2019")))
    device = MethodScriptDevice(SerialTransport(bench.serial(module), baudrate=230400, timeout=2.0))
    assert device.identify()["serial"] == "ES4HR2309001"
    result = device.execute(SCRIPT, timeout_s=10.0)
    values = [variable.value for _, row in result.packets for variable in row]
    assert result.error is None
    assert values == pytest.approx([module.terminal.read(bench.clock())[0]] * 6, abs=1e-3)
    device.close()


async def test_our_driver_runs_a_step_on_their_simulator(bench, line_device):
    path = bench.serial(line_device(MethodScriptSimulator(speed=50.0), "if ", "breakloop", "endif"))
    driver = PalmSens(path, timeout=3.0)
    await driver.open()
    bounds = Bounds(voltage=(-1.0, 1.0), current=(-1e-3, 1e-3))
    until = Threshold("time", above=True, value=2.0, number=0)
    step = ProgramStep(1, Potentiostatic(0.3, 1e-4), (until,), (RecordRule(every=0.1),), bounds)
    await driver.apply("1", Program(1, (step,)))
    found: list[object] = []
    async with asyncio.timeout(20):
        while not (found and isinstance(found[-1], Ended)):
            found += (await driver.read(["1"])).by_channel.get("1", [])
    assert sum(len(reading) for reading in found if isinstance(reading, Batch)) >= 20
    await driver.output_off("1")
    await driver.close()

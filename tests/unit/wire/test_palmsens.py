"""A MethodSCRIPT module and its driver over a real pseudo-terminal."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.driver import (
    Bounds,
    Ended,
    Fault,
    Galvanostatic,
    Points,
    Potentiostatic,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Spectrum,
    Threshold,
)
from labctl.errors import LabctlError, SettingRefused, WireError
from labctl.sample import Batch
from labctl_drivers.palmsens import PalmSens
from labctl_drivers.palmsens.script import literal, read_package, read_variable, script
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import SerialPort
from labctl_simulators.wire.methodscript import literal as read_literal
from labctl_simulators.wire.methodscript import packed
from labctl_simulators.wire.palmsens import EmulatedPalmSens as Module
from labctl_simulators.wire.terminal import Terminal

BOUNDS = Bounds(voltage=(2.9, 4.2), current=(-0.1, 0.1))


class Ticking:
    """A clock that goes on a little whenever the module looks at it: after an error it is deaf for 50 ms."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.06
        return self.now


@pytest.fixture(name="time")
def ticking():
    return Ticking()


@contextlib.asynccontextmanager
async def bench(time, kind="es4_hr", **settings):
    device = Module(Terminal(load_model("marquis2019")), kind)
    line = SerialPort(device, time)
    driver = PalmSens(await line.start(), timeout=30.0, **settings)
    try:
        yield driver, device, line
    finally:
        await driver.close()
        await line.stop()


def program(mode, *ends, every=10.0) -> Program:
    return Program(5, (ProgramStep(1, mode, ends, (RecordRule(every=every),), BOUNDS),))


def until(seconds):
    return Threshold("time", above=True, value=seconds, number=0)


async def heard(driver, device, line, time, now):
    """Let the clock go on, let the line deliver, and read until nothing more comes."""
    time.now = now
    line.push(device.poll(now))
    return list((await driver.read(["1"])).by_channel.get("1", []))


@given(st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-9))
def test_a_literal_keeps_six_digits(value):
    assert read_literal(literal(value)) == pytest.approx(value, rel=1e-6, abs=1e-18)


@given(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-12))
def test_a_package_is_read_as_it_was_written(value):
    assert read_variable(packed("ba", value)).value == pytest.approx(value, rel=1e-5, abs=1e-17)


@given(st.text(max_size=40))
def test_garbage_is_an_error_of_ours(text):
    with contextlib.suppress(WireError):
        read_package("P" + text)


async def test_charges_and_ends_by_its_own_clock(time):
    async with bench(time) as (driver, device, line):
        identity = await driver.open()
        assert identity.model == "es4_hr"
        await driver.apply("1", program(Galvanostatic(0.05), until(100.0)))
        found = []
        while sum(len(batch) for batch in found) < 51:
            found += await heard(driver, device, line, time, 50.5)
        while not isinstance(found[-1], Ended):
            found += await heard(driver, device, line, time, 200.0)
        rows = [reading for reading in found if isinstance(reading, Batch)]
        assert np.concatenate([batch.time for batch in rows]).tolist() == list(
            range(101)
        )  # ends and limits are asked every second
        assert np.concatenate([batch.current for batch in rows]) == pytest.approx(0.05)
        assert isinstance(found[-1], Ended)
        assert (found[-1].end, device.cell_on) == (0, False)


async def test_a_cut_off_is_on_the_instrument_itself(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        start = device.terminal.read(0.0)[0]
        end = Threshold("voltage", above=True, value=start + 0.02, number=1)
        await driver.apply("1", program(Galvanostatic(0.1), until(36000.0), end, every=1.0))
        found = []
        while not (found and isinstance(found[-1], Ended)):
            found += await heard(driver, device, line, time, 36000.0)
        assert found[-1].end == 1
        voltage = np.concatenate([reading.voltage for reading in found if isinstance(reading, Batch)])
        assert voltage[-1] >= start + 0.02 > voltage[-2]


async def test_a_pico_has_no_galvanostat(time):
    async with bench(time, kind="pico") as (driver, _device, _line):
        await driver.open()
        assert "Galvanostatic" not in driver.capabilities("1").modes
        with pytest.raises(SettingRefused, match="no galvanostat"):
            await driver.apply("1", program(Galvanostatic(1e-3), until(1.0)))


async def test_off_ends_the_script_and_the_cell(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        await driver.apply("1", program(Potentiostatic(3.8), until(1000.0)))
        await heard(driver, device, line, time, 50.0)
        await driver.output_off("1")
        assert not device.cell_on
        assert (await driver.status("1")).activity == "idle"
        await driver.output_off("1")


async def test_a_script_that_fails_leaves_an_unsafe_fault(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        await driver.apply("1", program(Rest(), until(100.0)))
        line.push(b"!0032: Line 7\n")
        found = []
        while not any(isinstance(reading, Fault) for reading in found):
            found += await heard(driver, device, line, time, 1.0)
        (fault,) = [reading for reading in found if isinstance(reading, Fault)]
        assert not fault.safe


def test_is_not_energised_without_a_voltage_limit():
    step = ProgramStep(4, Galvanostatic(1e-3), (until(1.0),))
    with pytest.raises(LabctlError, match="line 4"):
        script(step, galvanostat=True)


# --- ends and limits in the module ------------------------------------------------------------------------------------


async def finished(driver, device, line, time, by=36000.0):
    found = []
    while not (found and isinstance(found[-1], Ended | Fault)):
        found += await heard(driver, device, line, time, by)
    return found


async def test_palmsens_fails_mid_run_an_end_by_charge_is_counted_in_the_module(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        end = Threshold("charge", above=True, value=5.0, number=1)
        await driver.apply("1", program(Galvanostatic(-0.05), until(3600.0), end))
        found = await finished(driver, device, line, time)
        assert found[-1].end == 1
        assert device.terminal.ledger.discharging == pytest.approx(5.0, abs=0.06)


async def test_palmsens_fails_mid_run_a_hold_ends_by_its_current_in_the_module(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        start = device.terminal.read(0.0)[0]
        end = Threshold("current", above=False, value=0.02, number=1)
        await driver.apply("1", program(Potentiostatic(start + 0.004, 0.1), until(36000.0), end))
        found = await finished(driver, device, line, time)
        rows = np.concatenate([reading.current for reading in found if isinstance(reading, Batch)])
        assert found[-1].end == 1
        assert abs(rows[-1]) <= 0.02 < abs(rows[-2])


async def test_a_rest_ends_by_a_voltage_in_the_module(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        end = Threshold("voltage", above=True, value=1.0, number=1)
        await driver.apply("1", program(Rest(), end, until(3600.0)))
        found = await finished(driver, device, line, time)
        assert (found[-1].end, found[-1].time) == (1, 0.0)


async def test_more_charge_than_one_step_may_pass_leaves_the_script_and_is_no_end_of_the_step(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        bounds = Bounds(voltage=(2.9, 4.2), current=(-0.1, 0.1), charge=2.0)
        step = ProgramStep(1, Galvanostatic(0.05), (until(3600.0),), (RecordRule(every=1.0),), bounds)
        await driver.apply("1", Program(5, (step,)))
        found = await finished(driver, device, line, time)
        assert found[-1].end is None
        assert device.terminal.ledger.charging == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    "spectrum",
    [
        Spectrum((1e3, 1e2, 1e1), 0.01),
        Spectrum((1e3, 1e2, 1e1), 0.01, bias=3.79),
        Spectrum((1e3, 1e2, 1e1), 1e-3, potentiostatic=False, bias=0.0),
    ],
)
async def test_palmsens_fails_mid_run_a_spectrum_at_open_circuit_at_a_voltage_or_with_a_current(time, spectrum):
    async with bench(time) as (driver, device, line):
        await driver.open()
        await driver.apply("1", program(spectrum))
        found = await finished(driver, device, line, time)
        points = [reading for reading in found if isinstance(reading, Points)]
        assert np.concatenate([part.frequency for part in points]) == pytest.approx(spectrum.frequencies, rel=1e-5)
        if spectrum.bias is None or not spectrum.potentiostatic:
            ledger = device.terminal.ledger
            assert ledger.charging + ledger.discharging == pytest.approx(
                0.0, abs=0.02
            )  # C: at open circuit nothing flows


async def test_a_script_of_somebody_else_is_left_alone_by_opening_the_port(time):
    async with bench(time) as (driver, device, line):
        await driver.open()
        await driver.apply("1", program(Galvanostatic(0.01), until(1000.0)))
        await driver.close()
        again = PalmSens(line.path, timeout=30.0, serial="ES4HR00000001")
        identity = await again.open()
        assert identity.serial == "ES4HR00000001"
        assert (await again.status("1")).activity == "unknown"
        assert device.running
        await again.output_off("1")
        assert not device.running
        assert not device.cell_on
        await again.close()

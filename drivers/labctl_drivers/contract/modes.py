"""The other modes: powers, loads, sweeps, spectra, temperatures; each is tried of every driver that offers it."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

from typing import Any

import numpy as np
import pytest

from labctl.driver import (
    Chamber,
    ConstantLoad,
    ConstantPower,
    Ended,
    Points,
    Program,
    ProgramStep,
    RecordRule,
    Spectrum,
    Sweep,
)
from labctl.sample import Batch
from labctl_drivers.contract.handling import needs, program, run_to_end, until

SWING = 20e-3  # V of a sweep


async def test_a_power_is_held(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "ConstantPower")
    power = -abs(bench.current) * bench.truth()[0] / 2
    await bench.driver.apply(bench.channel, program(bench, ConstantPower(power), until(1e5)))
    await bench.let_pass(5.0)
    voltage, current = bench.truth()
    assert voltage * current == pytest.approx(power, rel=1e-3)


async def test_a_load_is_held(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "ConstantLoad")
    resistance = 2 * bench.truth()[0] / abs(bench.current)
    await bench.driver.apply(bench.channel, program(bench, ConstantLoad(resistance), until(1e5)))
    await bench.let_pass(5.0)
    voltage, current = bench.truth()
    assert voltage / current == pytest.approx(-resistance, rel=1e-3)


async def test_a_sweep_ends_at_its_last_voltage(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Sweep")
    start = round(bench.truth()[0], 3)
    step = ProgramStep(1, Sweep(start, start + SWING, 1e-3), (), (RecordRule(every=1.0),), bench.bounds)
    readings = await run_to_end(bench, Program(1, (step,)), 40.0)
    swept = np.concatenate([reading.voltage for reading in readings if isinstance(reading, Batch)])
    assert sum(isinstance(reading, Ended) for reading in readings) == 1
    assert swept.max() == pytest.approx(start + SWING, abs=2e-3)


async def test_a_spectrum_has_the_points_that_were_asked_for(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Spectrum")
    asked = (1e3, 1e2, 1e1)
    step = ProgramStep(1, Spectrum(asked, 5e-3), (), (), bench.bounds)
    readings = await run_to_end(bench, Program(1, (step,)), 20.0)
    points = [reading for reading in readings if isinstance(reading, Points)]
    assert np.concatenate([each.frequency for each in points]) == pytest.approx(asked, rel=1e-3)
    assert (np.concatenate([each.real for each in points]) > 0.0).all()


async def test_a_temperature_is_reached_and_kept_for_its_soak(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Chamber")
    step = ProgramStep(1, Chamber(303.15, 1.0, 30.0), (), (), bench.bounds)
    readings = await run_to_end(bench, Program(1, (step,)), 2000.0)
    assert sum(isinstance(reading, Ended) for reading in readings) == 1

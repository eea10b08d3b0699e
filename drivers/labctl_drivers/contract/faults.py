"""Bad days: of the line, of the instrument, of the cell."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

import contextlib
import dataclasses
from typing import Any

import numpy as np
import pytest

from labctl.driver import (
    Bounds,
    Fault,
    Galvanostatic,
    Rest,
)
from labctl.errors import InstrumentError
from labctl.sample import Batch
from labctl_drivers.contract.bench import Restartable, Traits, Unpluggable
from labctl_drivers.contract.handling import (
    can,
    needs,
    needs_fault,
    needs_limit,
    not_offered,
    program,
    readings,
    rows,
    until,
)


@pytest.mark.parametrize("fault", Traits().faults)
async def test_a_fault_of_the_line_is_an_error_of_ours_or_harmless(bench: Any, fault: str) -> None:
    await bench.driver.open()
    needs_fault(bench, fault)
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    bench.fault(fault)
    for _ in range(3):
        with contextlib.suppress(InstrumentError):
            await bench.let_pass(1.0)
            for reading in await readings(bench):
                if isinstance(reading, Batch):
                    assert np.all(np.abs(reading.voltage[np.isfinite(reading.voltage)]) < 1e3)


@pytest.mark.parametrize("fault", Traits().faults)
async def test_after_a_fault_it_can_be_opened_again_and_switched_off(bench: Any, fault: str) -> None:
    await bench.driver.open()
    needs_fault(bench, fault)
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    bench.fault(fault)
    with contextlib.suppress(InstrumentError):
        await bench.driver.read([bench.channel])
    bench.fault("")
    for _ in range(3):
        with contextlib.suppress(InstrumentError):
            await bench.driver.open()
            break
    await bench.driver.output_off(bench.channel)
    await bench.let_pass(1.0)
    assert bench.truth()[1] == 0.0


async def test_a_line_that_is_pulled_is_an_error_of_ours(bench: Any) -> None:
    await bench.driver.open()
    if not isinstance(bench, Unpluggable):
        not_offered("no line that can be pulled")
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    await bench.unplug()
    with contextlib.suppress(InstrumentError):
        await bench.driver.read([bench.channel])  # what the line still held may be read
    with pytest.raises(InstrumentError):
        await bench.driver.output_off(bench.channel)


async def test_a_restart_of_the_instrument_is_noticed(bench: Any) -> None:
    """Its program has gone and the cell is off: rows, an error or the status say so, and nothing says that it runs."""
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    if not isinstance(bench, Restartable):
        not_offered("no instrument that can restart")
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5), attempt=7))
    await bench.let_pass(1.0)
    await bench.restart()
    assert bench.truth()[1] == 0.0
    with contextlib.suppress(InstrumentError):
        await bench.driver.read([bench.channel])
        assert (await bench.driver.status(bench.channel)).activity != "running"
    await bench.driver.open()
    assert (await bench.driver.status(bench.channel)).activity == "idle"
    assert bench.truth()[1] == 0.0


async def test_a_limit_that_it_holds_is_held_whoever_reads(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    needs_limit(bench, "voltage")
    begin = bench.truth()[0]
    bounds = Bounds((begin - 0.02, begin + 0.02), bench.bounds.current)
    wanted = program(bench, Galvanostatic(abs(bench.current)), until(1e6), bounds=bounds)
    await bench.driver.apply(bench.channel, wanted)
    for _ in range(20):
        await bench.let_pass(1800.0)
        assert bench.truth()[0] <= begin + 0.02 + 1e-3


async def test_a_set_point_far_from_the_one_before_is_given_whatever_the_range(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    for part in (1e-2, 1.0, 1e-2):
        mode = Galvanostatic(part * bench.current)
        await bench.driver.apply(bench.channel, program(bench, mode, until(1e5)))
        await bench.let_pass(1.0)
        assert bench.truth()[1] == pytest.approx(part * bench.current, rel=1e-2)


async def test_a_fault_is_said_once(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Rest")
    await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    readings = await rows(bench, 6.0)
    assert sum(isinstance(reading, Fault) for reading in readings) == 0


async def test_programs_are_values(bench: Any) -> None:
    """A driver keeps what it is given and never changes it."""
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    wanted = program(bench, Galvanostatic(bench.current), until(1e5))
    before = dataclasses.replace(wanted)
    await bench.driver.apply(bench.channel, wanted)
    assert wanted == before

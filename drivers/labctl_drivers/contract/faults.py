"""Bad days: of the line, of the instrument, of the cell."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

import contextlib
import dataclasses
from typing import Any

import numpy as np
import pytest

from labctl.driver import (
    Fault,
    Galvanostatic,
    Rest,
)
from labctl.errors import InstrumentError
from labctl.sample import Batch
from labctl_drivers.contract.bench import Traits
from labctl_drivers.contract.handling import can, excused, program, readings, rows, until

# --- bad days ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", Traits().faults)
async def test_a_fault_of_the_line_is_an_error_of_ours_or_harmless(bench: Any, fault: str) -> None:
    await bench.driver.open()
    if excused(bench) or fault not in getattr(bench, "traits", Traits()).faults:
        return
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
    if excused(bench) or fault not in getattr(bench, "traits", Traits()).faults:
        return
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


async def test_a_fault_is_said_once(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
        found = await rows(bench, 6.0)
        assert sum(isinstance(reading, Fault) for reading in found) == 0


async def test_programs_are_values(bench: Any) -> None:
    """A driver keeps what it is given and never changes it."""
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        wanted = program(bench, Galvanostatic(bench.current), until(1e5))
        before = dataclasses.replace(wanted)
        await bench.driver.apply(bench.channel, wanted)
        assert wanted == before

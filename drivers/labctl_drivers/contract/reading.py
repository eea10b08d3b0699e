"""What is read, and ends that the instrument holds."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from labctl.driver import (
    Ended,
    Galvanostatic,
    Rest,
    Threshold,
)
from labctl.sample import Batch
from labctl_drivers.contract.handling import can, program, readings, rows, run_to_end, until

# --- reading ----------------------------------------------------------------------------------------------------------


async def test_columns_have_one_length_and_time_does_not_fall(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
        batches = [reading for reading in await rows(bench, 9.0) if isinstance(reading, Batch)]
        for batch in batches:
            assert {len(column) for column in (batch.time, batch.voltage, batch.current)} == {len(batch)}
            assert (np.diff(batch.time) >= 0).all()
        assert all(
            before.time[-1] <= after.time[0] + 1e-9 for before, after in pairwise(batches) if len(before) and len(after)
        )


async def test_values_are_finite_or_marked(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
        for batch in (reading for reading in await rows(bench, 6.0) if isinstance(reading, Batch)):
            marked = np.zeros(len(batch), dtype=bool) if batch.quality is None else batch.quality > 0
            assert (np.isfinite(batch.voltage) | marked).all()


async def test_nothing_is_given_twice(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
        found = [reading for reading in await rows(bench, 9.0) if isinstance(reading, Batch)]
        again = [reading for reading in await readings(bench) if isinstance(reading, Batch)]
        if bench.driver.capabilities(bench.channel).records:
            times = np.concatenate([batch.time for batch in [*found, *again]])
            assert len(times) == len(np.unique(times))


async def test_a_temperature_is_there_if_it_is_measured(bench: Any) -> None:
    await bench.driver.open()
    measures = "temperature" in bench.driver.capabilities(bench.channel).measures
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
        await bench.let_pass(2.0)
        found = await bench.driver.read([bench.channel])
        columns = [
            reading.temperature_celsius
            for reading in found.by_channel.get(bench.channel, ())
            if isinstance(reading, Batch)
        ]
        columns += [found.snapshot.temperature_celsius] if found.snapshot is not None else []
        assert all((column is not None) == measures for column in columns)


# --- ends that the instrument holds -------------------------------------------------------------------------------------


async def test_a_time_that_it_holds_ends_the_step_by_its_number(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Rest") and "time" in bench.driver.capabilities(bench.channel).ends:
        found = await run_to_end(bench, program(bench, Rest(), until(20.0, number=3)), 40.0)
        (end,) = [reading for reading in found if isinstance(reading, Ended)]
        assert (end.step, end.end) == (0, 3)
        assert end.time == pytest.approx(20.0, abs=1.5)


async def test_a_voltage_that_it_holds_ends_the_step_and_no_row_lies_far_beyond(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic") and "voltage" in bench.driver.capabilities(bench.channel).ends:
        goal = round(bench.truth()[0] + 0.03, 3)
        end = Threshold("voltage", above=True, value=goal, number=1)
        found = await run_to_end(bench, program(bench, Galvanostatic(bench.current), until(1e5, 0), end), 3600.0)
        ended = [reading for reading in found if isinstance(reading, Ended)]
        assert [reading.end for reading in ended] == [1]
        voltage = np.concatenate([reading.voltage for reading in found if isinstance(reading, Batch)])
        assert voltage.max() == pytest.approx(goal, abs=5e-3)


async def test_a_charge_that_it_holds_ends_the_step(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic") and "charge" in bench.driver.capabilities(bench.channel).ends:
        end = Threshold("charge", above=True, value=60 * bench.current, number=2)
        found = await run_to_end(bench, program(bench, Galvanostatic(bench.current), end, until(1e5, 0)), 120.0)
        ended = [reading for reading in found if isinstance(reading, Ended)]
        assert [reading.end for reading in ended] == [2]
        assert ended[0].time == pytest.approx(60.0, abs=1.5)


async def test_counters_are_those_of_the_program_and_never_fall(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic") and bench.driver.capabilities(bench.channel).records:
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
        found = [reading for reading in await rows(bench, 36.0) if isinstance(reading, Batch)]
        charging = np.concatenate([batch.charging_ah for batch in found if batch.charging_ah is not None])
        time = np.concatenate([batch.time for batch in found])
        assert (np.diff(charging) >= 0).all()
        assert charging * 3600 == pytest.approx(bench.current * time, rel=1e-3, abs=2e-3 * abs(bench.current))


async def test_an_idle_channel_after_an_end_is_off(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic") and "time" in bench.driver.capabilities(bench.channel).ends:
        await run_to_end(bench, program(bench, Galvanostatic(bench.current), until(20.0)), 40.0)
        await bench.let_pass(5.0)
        if not bench.driver.capabilities(bench.channel).energises:
            return  # the daemon's own cell: what follows an end is the daemon's next word
        assert bench.truth()[1] == 0.0

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
from labctl_drivers.contract.handling import (
    needs,
    needs_end,
    needs_records,
    not_offered,
    program,
    readings,
    rows,
    run_to_end,
    until,
)

# --- reading ----------------------------------------------------------------------------------------------------------


async def test_columns_have_one_length_and_time_does_not_fall(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Rest")
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
    needs(bench, "Rest")
    await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    for batch in (reading for reading in await rows(bench, 6.0) if isinstance(reading, Batch)):
        marked = np.zeros(len(batch), dtype=bool) if batch.quality is None else batch.quality > 0
        assert (np.isfinite(batch.voltage) | marked).all()


async def test_nothing_is_given_twice(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Rest")
    await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    rows_read = [reading for reading in await rows(bench, 9.0) if isinstance(reading, Batch)]
    again = [reading for reading in await readings(bench) if isinstance(reading, Batch)]
    if any(len(batch) for batch in rows_read) and bench.driver.capabilities(bench.channel).records:
        times = np.concatenate([batch.time for batch in [*rows_read, *again]])
        assert len(times) == len(np.unique(times))


async def test_a_temperature_is_there_if_it_is_measured(bench: Any) -> None:
    await bench.driver.open()
    measures = "temperature" in bench.driver.capabilities(bench.channel).measures
    needs(bench, "Rest")
    await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    await bench.let_pass(2.0)
    taken = await bench.driver.read([bench.channel])
    columns = [reading.temperature_celsius for reading in taken.of(bench.channel) if isinstance(reading, Batch)]
    columns += [taken.snapshot.temperature_celsius] if taken.snapshot is not None else []
    assert all((column is not None) == measures for column in columns)


async def test_a_reading_that_is_the_one_before_can_be_told(bench: Any) -> None:
    """A number or a clock goes with every reading, where the instrument has one: equal digits alone say nothing."""
    await bench.driver.open()
    needs(bench, "Rest")
    await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    stamps = []
    for _ in range(3):
        await bench.let_pass(1.0)
        snapshot = (await bench.driver.read([bench.channel])).snapshot
        if snapshot is None or snapshot.stamp is None:
            not_offered("it gives rows at its own times, not readings when it is asked")
        stamps.append(float(snapshot.stamp[0]))
    assert len(set(stamps)) == len(stamps)


# --- ends that the instrument holds -------------------------------------------------------------------------------------


async def test_a_time_that_it_holds_ends_the_step_by_its_number(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Rest")
    needs_end(bench, "time")
    readings = await run_to_end(bench, program(bench, Rest(), until(20.0, number=3)), 40.0)
    (end,) = [reading for reading in readings if isinstance(reading, Ended)]
    assert (end.step, end.end) == (0, 3)
    assert end.time == pytest.approx(20.0, abs=1.5)


async def test_a_voltage_that_it_holds_ends_the_step_and_no_row_lies_far_beyond(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    needs_end(bench, "voltage")
    goal = round(bench.truth()[0] + 0.03, 3)
    end = Threshold("voltage", above=True, value=goal, number=1)
    readings = await run_to_end(bench, program(bench, Galvanostatic(bench.current), until(1e5, 0), end), 3600.0)
    ended = [reading for reading in readings if isinstance(reading, Ended)]
    assert [reading.end for reading in ended] == [1]
    voltage = np.concatenate([reading.voltage for reading in readings if isinstance(reading, Batch)])
    assert voltage.max() == pytest.approx(goal, abs=5e-3)


async def test_a_charge_that_it_holds_ends_the_step(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    needs_end(bench, "charge")
    end = Threshold("charge", above=True, value=60 * bench.current, number=2)
    readings = await run_to_end(bench, program(bench, Galvanostatic(bench.current), end, until(1e5, 0)), 120.0)
    ended = [reading for reading in readings if isinstance(reading, Ended)]
    assert [reading.end for reading in ended] == [2]
    assert ended[0].time == pytest.approx(60.0, abs=1.5)


async def test_counters_are_those_of_the_program_and_never_fall(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    needs_records(bench)
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    rows_read = [reading for reading in await rows(bench, 36.0) if isinstance(reading, Batch)]
    charging = np.concatenate([batch.charging_ah for batch in rows_read if batch.charging_ah is not None])
    time = np.concatenate([batch.time for batch in rows_read])
    assert (np.diff(charging) >= 0).all()
    assert charging * 3600 == pytest.approx(bench.current * time, rel=1e-3, abs=2e-3 * abs(bench.current))
    if all(batch.charging_wh is not None for batch in rows_read):
        energy = np.concatenate([batch.charging_wh for batch in rows_read if batch.charging_wh is not None])
        voltage = np.concatenate([batch.voltage for batch in rows_read])
        assert len(energy) == len(charging)
        assert energy[-1] == pytest.approx(float(np.mean(voltage)) * charging[-1], rel=0.05, abs=1e-9)


async def test_an_idle_channel_after_an_end_is_off(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    needs_end(bench, "time")
    await run_to_end(bench, program(bench, Galvanostatic(bench.current), until(20.0)), 40.0)
    await bench.let_pass(5.0)
    if not bench.driver.capabilities(bench.channel).energises:
        not_offered("what follows an end of the daemon's own cell is the daemon's next word")
    assert bench.truth()[1] == 0.0

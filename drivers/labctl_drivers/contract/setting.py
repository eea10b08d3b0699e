"""Set-points and refusals."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

import contextlib
import math
from typing import Any

import pytest

from labctl.driver import (
    Bend,
    Bounds,
    Ended,
    Galvanostatic,
    Potentiostatic,
    Program,
    ProgramStep,
    Rest,
    Sweep,
)
from labctl.errors import InstrumentError
from labctl.sample import Batch
from labctl_drivers.contract.handling import can, needs, needs_limit, not_offered, program, rows, run_to_end, until

# --- set-points -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
async def test_positive_current_charges_the_cell(bench: Any, sign: int) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(sign * bench.current), until(1e5)))
    await bench.let_pass(1.0)
    assert bench.truth()[1] == pytest.approx(sign * bench.current, rel=1e-3)


async def test_what_is_read_is_what_the_cell_sees(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    batches = [reading for reading in await rows(bench, 9.0) if isinstance(reading, Batch)]
    accuracy = bench.driver.capabilities(bench.channel)
    assert batches
    assert batches[-1].current[-1] == pytest.approx(bench.current, abs=2 * accuracy.current_accuracy, rel=1e-3)
    assert batches[-1].voltage[-1] == pytest.approx(bench.truth()[0], abs=max(5e-3, 3 * accuracy.voltage_accuracy))


async def test_a_voltage_is_held(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Potentiostatic", "Rest")
    wanted = round(bench.truth()[0] + 5e-3, 3)
    await bench.driver.apply(bench.channel, program(bench, Potentiostatic(wanted, abs(bench.current)), until(1e5)))
    await bench.let_pass(60.0)
    voltage, current = bench.truth()
    assert voltage == pytest.approx(wanted, abs=5e-3)
    assert abs(current) <= abs(bench.current) * 1.001


async def test_a_rest_passes_no_current(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Rest")
    await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
    await bench.let_pass(2.0)
    assert bench.truth()[1] == pytest.approx(0.0, abs=1e-9)


async def test_the_same_program_may_be_applied_twice(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    for attempt in (1, 2):
        await bench.driver.apply(
            bench.channel, program(bench, Galvanostatic(bench.current), until(1e5), attempt=attempt)
        )
        await bench.let_pass(1.0)
    assert bench.truth()[1] == pytest.approx(bench.current, rel=1e-3)
    assert (await bench.driver.status(bench.channel)).attempt == 2


async def test_a_program_replaces_the_one_before(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    for sign in (1, -1):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(sign * bench.current), until(1e5)))
        await bench.let_pass(1.0)
    assert bench.truth()[1] == pytest.approx(-bench.current, rel=1e-3)


async def test_what_is_read_back_are_numbers(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    back = await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    assert all(math.isfinite(value) for value in back.values.values())


async def test_a_stage_gets_where_it_is_sent_and_says_so(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Bend")
    mode = Bend(angle=math.radians(bench.angle))
    readings = await run_to_end(bench, Program(1, (ProgramStep(1, mode, bounds=bench.bounds),)), 60.0)
    assert sum(isinstance(reading, Ended) for reading in readings) == 1


# --- refusals ---------------------------------------------------------------------------------------------------------


async def refused(bench: Any, wanted: Program) -> None:
    with pytest.raises(InstrumentError) as caught:
        await bench.driver.apply(bench.channel, wanted)
    assert str(caught.value)
    await bench.let_pass(1.0)
    assert bench.truth()[1] == 0.0


async def test_a_mode_it_has_not_is_refused_and_nothing_moves(bench: Any) -> None:
    await bench.driver.open()
    lacking = [mode for mode in (Bend(angle=0.1), Sweep(0.0, 1.0, 1e-3)) if not can(bench, type(mode).__name__)]
    needs(bench)
    if not lacking:
        not_offered("it has every mode")
    await refused(bench, program(bench, lacking[0], until(10.0)))


async def test_a_program_too_long_is_refused(bench: Any) -> None:
    await bench.driver.open()
    most = bench.driver.capabilities(bench.channel).most_steps
    needs(bench)
    one = program(bench, Rest(), until(10.0)).steps[0]
    await refused(bench, Program(1, (one,) * (most + 1)))


async def test_is_not_energised_without_a_voltage_limit(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    needs_limit(bench, "voltage")
    await refused(bench, program(bench, Galvanostatic(bench.current), until(10.0), bounds=Bounds()))


async def test_a_set_point_beyond_the_instrument_is_refused(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    beyond = 3 * bench.driver.capabilities(bench.channel).current[1]
    await refused(bench, program(bench, Galvanostatic(beyond), until(10.0)))


async def test_a_refusal_leaves_the_next_program_possible(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    with contextlib.suppress(InstrumentError):
        await bench.driver.apply(bench.channel, program(bench, Bend(angle=0.1)))
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    await bench.let_pass(1.0)
    assert bench.truth()[1] == pytest.approx(bench.current, rel=1e-3)

"""The tests. Import them into a test module: `from labctl_drivers.contract.suite import *`."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

import contextlib
import dataclasses
import math
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from labctl import driver as contract
from labctl.driver import (
    Bend,
    Bounds,
    Capabilities,
    Ended,
    Fault,
    Galvanostatic,
    Identity,
    Instrument,
    Mode,
    Potentiostatic,
    Program,
    ProgramStep,
    Reading,
    RecordRule,
    Rest,
    Sweep,
    Threshold,
)
from labctl.errors import InstrumentError, LabctlError
from labctl.sample import Batch, Snapshot
from labctl_drivers.contract.bench import Traits

MODES = frozenset(mode.__name__ for mode in (
    contract.Rest, contract.Galvanostatic, contract.Potentiostatic, contract.ConstantPower, contract.ConstantLoad,
    contract.Sweep, contract.Profile, contract.Spectrum, contract.Bend, contract.Chamber,
))  # fmt: skip
ENERGISING = ("Galvanostatic", "Potentiostatic")


@pytest.fixture
async def bench(make_bench: Callable[[], Any], request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    made = make_bench()
    traits = getattr(made, "traits", Traits())
    name = request.function.__name__
    if name in traits.excused:
        made.excuse = traits.excused[name]
    await made.start()
    try:
        yield made
    finally:
        made.fault("")
        with contextlib.suppress(LabctlError):
            await made.driver.close()
        await made.stop()


def excused(bench: Any) -> bool:
    """Tell whether the bench gives a reason why this test says nothing of its driver."""
    return bool(getattr(bench, "excuse", ""))


def program(bench: Any, mode: Mode, *ends: Threshold, attempt: int = 1, bounds: Bounds | None = None) -> Program:
    """Return a program of one step inside the bench's envelope, recorded every second."""
    step = ProgramStep(1, mode, ends, (RecordRule(every=1.0),), bench.bounds if bounds is None else bounds)
    return Program(attempt, (step,), "contract")


def until(seconds: float, number: int = 0) -> Threshold:
    return Threshold("time", above=True, value=seconds, number=number)


def can(bench: Any, *modes: str) -> bool:
    """Tell whether the channel has all of these modes; a driver without is right to refuse them (another test sees to that)."""
    return set(modes) <= bench.driver.capabilities(bench.channel).modes and not excused(bench)


async def readings(bench: Any) -> list[Reading]:
    """Read once and return the channel's readings, a snapshot as a batch of one row."""
    found = await bench.driver.read([bench.channel])
    listed = list(found.by_channel.get(bench.channel, ()))
    snapshot: Snapshot | None = found.snapshot
    if snapshot is not None:
        time = np.zeros(1) if snapshot.time is None else snapshot.time[:1]
        listed.append(Batch(time, snapshot.voltage[:1], snapshot.current[:1]))
    return listed


async def rows(bench: Any, seconds: float, steps: int = 3) -> list[Reading]:
    """Let time pass in pieces and return all that was read."""
    found: list[Reading] = []
    for _ in range(steps):
        await bench.let_pass(seconds / steps)
        found += await readings(bench)
    return found


# --- opening and closing ----------------------------------------------------------------------------------------------


async def test_opens_and_says_who_answers(bench: Any) -> None:
    identity = await bench.driver.open()
    assert isinstance(identity, Identity)
    assert identity.make
    assert identity.model


async def test_opens_again_when_it_is_open(bench: Any) -> None:
    first = await bench.driver.open()
    assert await bench.driver.open() == first


async def test_closes_twice(bench: Any) -> None:
    await bench.driver.open()
    await bench.driver.close()
    await bench.driver.close()


async def test_closes_what_was_never_opened(bench: Any) -> None:
    """What the guard does to have a driver load what it needs ahead."""
    await bench.driver.close()
    assert (await bench.driver.open()).make


async def test_opening_touches_no_output(bench: Any) -> None:
    await bench.driver.open()
    assert bench.truth()[1] == 0.0


async def test_closing_touches_no_output(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
        await bench.let_pass(1.0)
        await bench.driver.close()
        assert bench.truth()[1] == pytest.approx(bench.current, rel=1e-3)


async def test_a_verb_before_opening_is_an_error_of_ours(bench: Any) -> None:
    if not excused(bench):
        with pytest.raises(InstrumentError):
            await bench.driver.output_off(bench.channel)


async def test_satisfies_the_contract_structurally(bench: Any) -> None:
    assert isinstance(bench.driver, Instrument)


# --- capabilities -----------------------------------------------------------------------------------------------------


async def test_capabilities_make_sense(bench: Any) -> None:
    await bench.driver.open()
    found = bench.driver.capabilities(bench.channel)
    assert isinstance(found, Capabilities)
    assert found.modes <= MODES
    assert found.voltage[0] <= found.voltage[1]
    assert found.current[0] <= found.current[1]
    assert found.most_steps >= 1
    assert found.poll_at_most >= 0
    assert found.ends <= {"time", "voltage", "current", "charge", "power"}
    assert found.limits <= {"voltage", "current", "temperature", "charge"}


async def test_capabilities_do_not_change_while_open(bench: Any) -> None:
    await bench.driver.open()
    before = bench.driver.capabilities(bench.channel)
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(10.0)))
    assert bench.driver.capabilities(bench.channel) == before


async def test_the_modes_it_claims_are_more_than_none(bench: Any) -> None:
    await bench.driver.open()
    assert bench.driver.capabilities(bench.channel).modes


# --- status and off ---------------------------------------------------------------------------------------------------


async def test_is_idle_at_first(bench: Any) -> None:
    await bench.driver.open()
    assert (await bench.driver.status(bench.channel)).activity == "idle"


async def test_off_needs_no_prior_state(bench: Any) -> None:
    await bench.driver.open()
    await bench.driver.output_off(bench.channel)
    assert bench.truth()[1] == 0.0


async def test_off_may_be_repeated(bench: Any) -> None:
    await bench.driver.open()
    for _ in range(3):
        await bench.driver.output_off(bench.channel)
    assert (await bench.driver.status(bench.channel)).activity == "idle"


@pytest.mark.parametrize("mode", ENERGISING)
async def test_off_ends_whatever_ran(bench: Any, mode: str) -> None:
    await bench.driver.open()
    if can(bench, mode):
        await bench.driver.apply(bench.channel, program(bench, energising(bench, mode), until(1e5)))
        await bench.let_pass(1.0)
        await bench.driver.output_off(bench.channel)
        await bench.let_pass(1.0)
        assert bench.truth()[1] == 0.0


async def test_off_on_a_new_connection_works(bench: Any) -> None:
    """What the guard does when the daemon has died."""
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
        await bench.let_pass(1.0)
        await bench.driver.close()
        await bench.driver.open()
        await bench.driver.output_off(bench.channel)
        assert bench.truth()[1] == 0.0


async def test_says_that_it_runs_and_for_which_attempt(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5), attempt=41))
        found = await bench.driver.status(bench.channel)
        assert (found.activity, found.attempt) == ("running", 41)


# --- set-points -------------------------------------------------------------------------------------------------------


def energising(bench: Any, mode: str) -> Mode:
    """Return a set-point that moves current."""
    low, high = bench.bounds.voltage
    return (
        Galvanostatic(bench.current)
        if mode == "Galvanostatic"
        else Potentiostatic((low + high) / 2, abs(bench.current))
    )


@pytest.mark.parametrize("sign", [1, -1])
async def test_positive_current_charges_the_cell(bench: Any, sign: int) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(sign * bench.current), until(1e5)))
        await bench.let_pass(1.0)
        assert bench.truth()[1] == pytest.approx(sign * bench.current, rel=1e-3)


async def test_what_is_read_is_what_the_cell_sees(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
        batches = [reading for reading in await rows(bench, 9.0) if isinstance(reading, Batch)]
        accuracy = bench.driver.capabilities(bench.channel)
        assert batches
        assert batches[-1].current[-1] == pytest.approx(bench.current, abs=2 * accuracy.current_accuracy, rel=1e-3)
        assert batches[-1].voltage[-1] == pytest.approx(bench.truth()[0], abs=max(5e-3, 3 * accuracy.voltage_accuracy))


async def test_a_voltage_is_held(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Potentiostatic", "Rest"):
        wanted = round(bench.truth()[0] + 5e-3, 3)
        await bench.driver.apply(bench.channel, program(bench, Potentiostatic(wanted, abs(bench.current)), until(1e5)))
        await bench.let_pass(60.0)
        voltage, current = bench.truth()
        assert voltage == pytest.approx(wanted, abs=5e-3)
        assert abs(current) <= abs(bench.current) * 1.001


async def test_a_rest_passes_no_current(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Rest"):
        await bench.driver.apply(bench.channel, program(bench, Rest(), until(1e5)))
        await bench.let_pass(2.0)
        assert bench.truth()[1] == pytest.approx(0.0, abs=1e-9)


async def test_the_same_program_may_be_applied_twice(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        for attempt in (1, 2):
            await bench.driver.apply(
                bench.channel, program(bench, Galvanostatic(bench.current), until(1e5), attempt=attempt)
            )
            await bench.let_pass(1.0)
        assert bench.truth()[1] == pytest.approx(bench.current, rel=1e-3)
        assert (await bench.driver.status(bench.channel)).attempt == 2


async def test_a_program_replaces_the_one_before(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        for sign in (1, -1):
            await bench.driver.apply(bench.channel, program(bench, Galvanostatic(sign * bench.current), until(1e5)))
            await bench.let_pass(1.0)
        assert bench.truth()[1] == pytest.approx(-bench.current, rel=1e-3)


async def test_what_is_read_back_are_numbers(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        back = await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
        assert all(math.isfinite(value) for value in back.values.values())


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
    if lacking and not excused(bench):
        await refused(bench, program(bench, lacking[0], until(10.0)))


async def test_a_program_too_long_is_refused(bench: Any) -> None:
    await bench.driver.open()
    most = bench.driver.capabilities(bench.channel).most_steps
    if not excused(bench):
        one = program(bench, Rest(), until(10.0)).steps[0]
        await refused(bench, Program(1, (one,) * (most + 1)))


async def test_is_not_energised_without_a_voltage_limit(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic") and "voltage" in bench.driver.capabilities(bench.channel).limits:
        await refused(bench, program(bench, Galvanostatic(bench.current), until(10.0), bounds=Bounds()))


async def test_a_set_point_beyond_the_instrument_is_refused(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        beyond = 3 * bench.driver.capabilities(bench.channel).current[1]
        await refused(bench, program(bench, Galvanostatic(beyond), until(10.0)))


async def test_a_refusal_leaves_the_next_program_possible(bench: Any) -> None:
    await bench.driver.open()
    if can(bench, "Galvanostatic"):
        with contextlib.suppress(InstrumentError):
            await bench.driver.apply(bench.channel, program(bench, Bend(angle=0.1)))
        await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
        await bench.let_pass(1.0)
        assert bench.truth()[1] == pytest.approx(bench.current, rel=1e-3)


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


async def run_to_end(bench: Any, wanted: Program, longest: float) -> list[Reading]:
    await bench.driver.apply(bench.channel, wanted)
    found: list[Reading] = []
    for _ in range(600):  # a line may be slow to deliver on a busy machine
        await bench.let_pass(longest / 20)
        found += await readings(bench)
        if any(isinstance(reading, Ended) for reading in found):
            return found
    raise AssertionError(f"no end within {30 * longest:g} s of the emulator's time: {found[-3:]}")


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

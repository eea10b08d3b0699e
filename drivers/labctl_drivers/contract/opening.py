"""Who answers, what it can do, and off: what must hold of every driver."""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

from typing import Any

import pytest

from labctl import driver as contract
from labctl.driver import (
    Capabilities,
    Galvanostatic,
    Identity,
    Instrument,
    Rest,
)
from labctl.errors import InstrumentError
from labctl_drivers.contract.handling import can, energising, needs, program, until

MODES = frozenset(mode.__name__ for mode in (
    contract.Rest, contract.Galvanostatic, contract.Potentiostatic, contract.ConstantPower, contract.ConstantLoad,
    contract.Sweep, contract.Profile, contract.Spectrum, contract.Bend, contract.Chamber,
))  # fmt: skip
ENERGISING = ("Galvanostatic", "Potentiostatic")


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
    needs(bench, "Galvanostatic")
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    await bench.let_pass(1.0)
    await bench.driver.close()
    assert bench.truth()[1] == pytest.approx(bench.current, rel=1e-3)


async def test_a_verb_before_opening_is_an_error_of_ours(bench: Any) -> None:
    needs(bench)
    with pytest.raises(InstrumentError):
        await bench.driver.output_off(bench.channel)


async def test_satisfies_the_contract_structurally(bench: Any) -> None:
    assert isinstance(bench.driver, Instrument)


# --- capabilities -----------------------------------------------------------------------------------------------------


async def test_capabilities_make_sense(bench: Any) -> None:
    await bench.driver.open()
    able = bench.driver.capabilities(bench.channel)
    assert isinstance(able, Capabilities)
    assert able.modes <= MODES
    assert able.voltage[0] <= able.voltage[1]
    assert able.current[0] <= able.current[1]
    assert able.most_steps >= 1
    assert able.poll_at_most >= 0
    assert able.ends <= {"time", "voltage", "current", "charge", "power"}
    assert able.limits <= {"voltage", "current", "temperature", "charge"}


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
    needs(bench, mode)
    await bench.driver.apply(bench.channel, program(bench, energising(bench, mode), until(1e5)))
    await bench.let_pass(1.0)
    await bench.driver.output_off(bench.channel)
    await bench.let_pass(1.0)
    assert bench.truth()[1] == 0.0


async def test_off_on_a_new_connection_works(bench: Any) -> None:
    """What the guard does when the daemon has died."""
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5)))
    await bench.let_pass(1.0)
    await bench.driver.close()
    await bench.driver.open()
    await bench.driver.output_off(bench.channel)
    assert bench.truth()[1] == 0.0


async def test_says_that_it_runs_and_for_which_attempt(bench: Any) -> None:
    await bench.driver.open()
    needs(bench, "Galvanostatic")
    await bench.driver.apply(bench.channel, program(bench, Galvanostatic(bench.current), until(1e5), attempt=41))
    status = await bench.driver.status(bench.channel)
    assert (status.activity, status.attempt) == ("running", 41)

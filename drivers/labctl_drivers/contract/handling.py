"""What the tests do with a bench: programs, readings, time."""

# ruff: noqa: D103 - each says in its name what it gives

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NoReturn

import numpy as np
import pytest

from labctl.driver import (
    Bounds,
    Ended,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    RecordRule,
    Threshold,
)
from labctl.errors import LabctlError
from labctl.sample import Batch, Snapshot
from labctl_drivers.contract.bench import Traits

NOT_OFFERED: Final = "not offered"  # begins the reason of a skip that hides nothing
WITHIN = 60.0  # s that a line may take to deliver on a busy machine


@pytest.fixture
async def stepped_bench(make_stepped_bench: Callable[[], Any]) -> AsyncIterator[Any]:
    made = make_stepped_bench()
    await made.start()
    yield made
    await made.stop()


def note_modes(driver: Any, properties: list[tuple[str, object]]) -> None:
    """Let a driver note, beside the test, which modes it was given and took, and which it offers."""
    apply = driver.apply

    async def noting(channel: str, program: Program) -> ReadBack:
        back: ReadBack = await apply(channel, program)
        taken = {type(step.mode).__name__ for step in program.steps if isinstance(step, ProgramStep)}
        offered = driver.capabilities(channel).modes
        properties.extend(("labctl-mode", name) for name in sorted(taken))
        properties.extend(("labctl-offers", name) for name in sorted(offered))
        return back

    driver.apply = noting


@pytest.fixture
async def bench(make_bench: Callable[[], Any], request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    made = make_bench()
    traits = getattr(made, "traits", Traits())
    name = request.function.__name__
    if name in traits.excused:
        made.excuse = traits.excused[name]
    await made.start()
    note_modes(made.driver, request.node.user_properties)
    try:
        yield made
    finally:
        made.fault("")
        with contextlib.suppress(LabctlError):
            await made.driver.close()
        await made.stop()


def not_offered(what: str) -> NoReturn:
    """Skip a test that says nothing of this driver; the record of the suite counts these apart, with their reasons."""
    pytest.skip(f"{NOT_OFFERED}: {what}")


def needs(bench: Any, *modes: str) -> None:
    """Skip a test of modes that the channel does not have, or from which the bench excuses its driver."""
    if excuse := getattr(bench, "excuse", ""):
        not_offered(excuse)
    lacking = sorted(set(modes) - bench.driver.capabilities(bench.channel).modes) if modes else []
    if lacking:
        not_offered(f"no {' and no '.join(lacking)}")


def needs_end(bench: Any, quantity: str) -> None:
    """Skip a test of an end that the daemon watches for this driver."""
    if quantity not in bench.driver.capabilities(bench.channel).ends:
        not_offered(f"it ends no step at a {quantity}")


def needs_limit(bench: Any, quantity: str) -> None:
    """Skip a test of a limit that the daemon watches for this driver."""
    if quantity not in bench.driver.capabilities(bench.channel).limits:
        not_offered(f"it holds no limit of {quantity}")


def needs_records(bench: Any) -> None:
    """Skip a test of counters that the daemon keeps for this driver."""
    if not bench.driver.capabilities(bench.channel).records:
        not_offered("it counts no charge")


def needs_fault(bench: Any, fault: str) -> None:
    """Skip a fault that the driver's line cannot have."""
    needs(bench)
    if fault not in getattr(bench, "traits", Traits()).faults:
        not_offered("its line has no such fault")


def program(bench: Any, mode: Mode, *ends: Threshold, attempt: int = 1, bounds: Bounds | None = None) -> Program:
    """Return a program of one step inside the bench's envelope, recorded every second."""
    step = ProgramStep(1, mode, ends, (RecordRule(every=1.0),), bench.bounds if bounds is None else bounds)
    return Program(attempt, (step,), "contract")


def until(seconds: float, number: int = 0) -> Threshold:
    return Threshold("time", above=True, value=seconds, number=number)


def can(bench: Any, *modes: str) -> bool:
    """Tell whether the channel has all of these modes."""
    return bool(set(modes) <= bench.driver.capabilities(bench.channel).modes)


async def readings(bench: Any) -> list[Reading]:
    """Read once and return the channel's readings, a snapshot as a batch of one row."""
    taken = await bench.driver.read([bench.channel])
    listed = list(taken.of(bench.channel))
    snapshot: Snapshot | None = taken.snapshot
    if snapshot is not None:
        time = np.zeros(1) if snapshot.time is None else snapshot.time[:1]
        listed.append(Batch(time, snapshot.voltage[:1], snapshot.current[:1]))
    return listed


async def rows(bench: Any, seconds: float, steps: int = 3) -> list[Reading]:
    """Let time pass in pieces and return all that was read; where a voltage is measured, not nothing."""
    gathered: list[Reading] = []
    for _ in range(steps):
        await bench.let_pass(seconds / steps)
        gathered += await readings(bench)
    async with asyncio.timeout(WITHIN):
        while not gathered and "voltage" in bench.driver.capabilities(bench.channel).measures:
            gathered += await readings(bench)
    return gathered


def energising(bench: Any, mode: str) -> Mode:
    """Return a set-point that moves current."""
    low, high = bench.bounds.voltage
    return (
        Galvanostatic(bench.current)
        if mode == "Galvanostatic"
        else Potentiostatic((low + high) / 2, abs(bench.current))
    )


async def run_to_end(bench: Any, wanted: Program, longest: float) -> list[Reading]:
    """Run a program until its end was read, with steps of a twentieth of `longest` s; a line may be slow to deliver."""
    await bench.driver.apply(bench.channel, wanted)
    gathered: list[Reading] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WITHIN):
            while not any(isinstance(reading, Ended) for reading in gathered):
                await bench.let_pass(longest / 20)
                gathered += await readings(bench)
            return gathered
    raise AssertionError(f"no end within {WITHIN:g} s, found {gathered[-3:]}")

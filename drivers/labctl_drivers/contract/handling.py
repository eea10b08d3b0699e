"""What the tests do with a bench: programs, readings, time."""

# ruff: noqa: D103 - each says in its name what it gives

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

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
    Reading,
    RecordRule,
    Threshold,
)
from labctl.errors import LabctlError
from labctl.sample import Batch, Snapshot
from labctl_drivers.contract.bench import Traits

WITHIN = 60.0  # s that a line may take to deliver on a busy machine


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
    """Let time pass in pieces and return all that was read; where a voltage is measured, not nothing."""
    found: list[Reading] = []
    for _ in range(steps):
        await bench.let_pass(seconds / steps)
        found += await readings(bench)
    async with asyncio.timeout(WITHIN):
        while not found and "voltage" in bench.driver.capabilities(bench.channel).measures:
            found += await readings(bench)
    return found


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
    found: list[Reading] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WITHIN):
            while not any(isinstance(reading, Ended) for reading in found):
                await bench.let_pass(longest / 20)
                found += await readings(bench)
            return found
    raise AssertionError(f"no end within {WITHIN:g} s, found {found[-3:]}")

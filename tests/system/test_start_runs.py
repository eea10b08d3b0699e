"""What `start` accepts, runs: random protocols on emulated instruments over their real wire protocols, to their end.

`make rig-start N=100` runs more of them, of other seeds.
"""

import asyncio
import os
import random
from contextlib import suppress

import pytest

from labctl.errors import FileError, OrderRefused
from labctl.run.replay import replay
from labctl.store.reader import Reader
from tests.system.rack import CELL, activity, rack, start, until

SPEED = 150.0
RUNS = int(os.environ.get("LABCTL_START_RUNS", "1"))  # of each instrument
SEED = int(os.environ.get("LABCTL_START_SEED", "1"))
SMALL = CELL.replace("[-1 A, 1 A]", "[-0.2 A, 0.2 A]")  # what a module or a source meter can give
CURRENTS = {"nw1": ["C/2", "0.3 A", "C/5"], "ps": ["100 mA", "60 mA"], "kei": ["100 mA", "60 mA"]}
TIMES = ["20 s", "1 min", "3 min"]
ENDS = [
    "for: {time}",
    "to: {high}, for: {time}",
    "capacity: 1 mAh, for: {time}",
    "energy: 5 mWh, for: {time}",
    "for: {time}, until: abs(dV/dt) < 100 mV/h over 20 s",
    "for: {time}, until: voltage > {high} for 10 s",
    "to: {high}, hold_until: current < C/30, for: {time}",
    "to: {high}, hold_for: 20 s, for: {time}",
    "for: {time}, until: charged since block > 1 mAh",
]
STEPS = [
    "rest: {{for: {time}, until: abs(dV/dt) < 1 V/h over 20 s}}",
    "rest: {time}",
    "hold: {{voltage: ocv, for: {time}}}",
    "hold: {{voltage: ocv, current: {current}, until: abs(dI/dt) < 1 A/h over 20 s, for: {time}}}",
    "discharge: {{power: 0.3 W, to: 3.2 V, for: {time}}}",
    "discharge: {{resistance: 40 Ohm, until: voltage < 3.3 V, for: {time}}}",
    "eis: {{from: 1 kHz, to: 10 Hz, amplitude: 10 mV, per_decade: 2}}",
    "lsv: {{from: ocv, to: 3.9 V, rate: 2 mV/s}}",
    "mark: here",
]


def drive(some: random.Random, channel: str) -> str:
    """Return a charge or discharge with some end."""
    verb = some.choice(["charge", "discharge"])
    end = some.choice(ENDS).format(time=some.choice(TIMES), high="3.95 V")
    if verb == "discharge":
        end = (
            end.replace("3.95 V", "3.6 V")
            .replace("voltage >", "voltage <")
            .replace("charged since", "discharged since")
        )
    return f"{verb}: {{current: {some.choice(CURRENTS[channel])}, {end}}}"


def protocol(some: random.Random, channel: str) -> str:
    """Return a protocol of rests, drives and others, some of them in blocks."""

    def step() -> str:
        if some.random() < 0.6:
            return drive(some, channel)
        return some.choice(STEPS).format(time=some.choice(TIMES), current=some.choice(CURRENTS[channel]))

    lines = ["labctl: 1", "name: random", "record: {every: 5 s, dV: 5 mV}", "steps:", "  - rest: 10 s"]
    for _ in range(some.randint(1, 3)):
        head = some.choice(
            ["", "", "repeat: 2", "repeat: 2\n    cycle: true", "if: voltage > 3 V", "each: {t: [20 s, 40 s]}"]
        )
        if not head:
            lines.append(f"  - {step()}")
            continue
        stop = some.choice(["", "\n    stop_if: voltage > 4.2 V", "\n    for: 5 min"])
        lines += [f"  - {head}{stop}", "    steps:", *(f"      - {step()}" for _ in range(some.randint(1, 2)))]
    return "\n".join([*lines, "  - rest: 10 s", ""])


async def started(parts, files, channel: str, name: str):
    """Start a protocol as soon as the channel has let the run before it go."""
    cell = "cell.yaml" if channel == "nw1" else "small.yaml"
    async with asyncio.timeout(60.0):
        while True:
            try:
                return await start(parts, files, channel, name, cell)
            except OrderRefused:
                await parts.clock.until(parts.clock.now() + 0.1 * parts.clock.speed)


def told_where(error: FileError) -> None:
    """Hold a refusal to its promise: every finding has a line and says what was wanted."""
    assert all(finding.message.startswith("wanted ") and finding.mark.line for finding in error.findings), error


async def done_with(parts, files, channel: str, number: int) -> int | None:
    """Start a random protocol on a channel, and let it come to its end; return the run, None where `start` refused it."""
    some = random.Random(f"{SEED} {channel} {number}")
    name = f"{channel}-{number}.yaml"
    (files / name).write_text(protocol(some, channel))
    try:
        run = await started(parts, files, channel, name)
    except FileError as error:
        return told_where(error)
    while activity(parts, channel) not in {"done", "tripped", "aborted", "failed"}:
        await until(lambda: activity(parts, channel) not in {"running", "starting"}, parts, 120.0)
        if (
            activity(parts, channel) == "waiting"
        ):  # it asks: every step of a pass was met at once, the open circuit is elsewhere
            with suppress(OrderRefused):
                await parts.supervisor.order("skip", channel, by="a person")
    return run


@pytest.mark.parametrize("channel", list(CURRENTS))
async def test_what_start_accepts_runs_to_its_end_on_the_instrument(tmp_path, channel):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "small.yaml").write_text(SMALL)
    async with rack(tmp_path, SPEED) as made:
        await {"nw1": made.neware, "ps": made.palmsens, "kei": made.keithley2450}[channel]()
        async with made.daemon() as parts:
            became = {}
            for number in range(RUNS):
                if await done_with(parts, tmp_path, channel, number) is not None:
                    became[number] = (activity(parts, channel), parts.supervisor.why(channel))
    bad = {
        number: [*told, (tmp_path / f"{channel}-{number}.yaml").read_text()]
        for number, told in became.items()
        if told[0] == "failed"
    }
    assert not bad
    with Reader(tmp_path / "data") as reader:
        for at in range(1, len(became) + 1):
            assert replay(reader, at).equal
            assert not reader.query(
                "SELECT data FROM events WHERE run_id = :run AND kind IN ('diverged', 'fault')", run=at
            )

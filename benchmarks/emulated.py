"""What every measurement of emulated instruments needs: emulators in a process of their own, and a daemon that serves them.

    python -m benchmarks.emulated KIND COUNT

is that process.
"""

import asyncio
import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from labctl.clock import RealClock
from labctl.daemon import Parts, running
from labctl.daemon.process import prepare_interpreter
from labctl.run.request import StartRequest
from labctl.run.session import RunSession
from labctl.run.starter import READING
from labctl.station.settings import ChannelSettings, InstrumentSettings, Mqtt, Station
from labctl_simulators.models import load_model
from labctl_simulators.wire.biologic import MODELS, EmulatedBioLogic
from labctl_simulators.wire.biologic_channel import PotentiostatChannel
from labctl_simulators.wire.keithley import EmulatedKeithley2450
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.maccor import EmulatedMaccor, MaccorChannel
from labctl_simulators.wire.neware import Cycler
from labctl_simulators.wire.neware_channel import CyclerChannel
from labctl_simulators.wire.terminal import Terminal

PACED = 20.0  # s measured
STARTED_WITHIN = 600.0  # s
SETTLED = 5.0  # s after the last start
MODEL = "marquis2019"

CELL = """\
labctl_cell: 1
name: bench
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-1 A, 1 A]}
model: marquis2019
"""
PACE = """\
labctl: 1
name: pace
record: {{every: {every:g} s}}
steps:
  - rest: 1 s
  - discharge: {{current: 10 mA, for: 20 h}}
"""
CALM = """\
labctl: 1
name: calm
record: {every: 10 s}
steps:
  - rest: 1 s
  - discharge: {current: 10 mA, for: 20 h}
"""


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    name: str,
    instruments: Mapping[str, InstrumentSettings],
    channels: Mapping[str, ChannelSettings],
    broker: Literal["none", "embedded"] = "none",
) -> AsyncIterator[Parts]:
    """Serve a station on the machine's own time, in an interpreter as the daemon has it."""
    prepare_interpreter()
    station = Station("bench", instruments=instruments, channels=channels, mqtt=Mqtt(broker=broker))
    async with running(station, folder / name, RealClock()) as parts:
        yield parts


async def started(
    parts: Parts,
    folder: Path,
    protocol: Callable[[str], str] = lambda _: "pace",
    until: Callable[[RunSession], bool] = lambda session: bool(session.state.step),
) -> None:
    """Start a protocol on all channels, as many at a time as are taken, and wait until something holds of all."""
    names = iter(parts.channels)

    async def some() -> None:
        for name in names:
            file = str(folder / f"{protocol(name)}.yaml")
            await parts.supervisor.start(StartRequest(file, str(folder / "cell.yaml"), name))

    await asyncio.gather(*(some() for _ in range(READING)))
    async with asyncio.timeout(STARTED_WITHIN):
        while any(  # noqa: ASYNC110 - a rig looks from outside
            channel.session is not None and not until(channel.session) for channel in parts.channels.values()
        ):
            await asyncio.sleep(0.2)
    await asyncio.sleep(SETTLED)


async def paced(parts: Parts) -> tuple[list[np.ndarray], float]:
    """Let it run, and return how late the ticks of every line were (s), and the CPU seconds."""
    for connection in parts.connections.values():
        connection.lateness.clear()
    used = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.sleep(PACED)
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return [np.array(connection.lateness) for connection in parts.connections.values()], cpu


def emulators(kind: str, count: int) -> tuple["subprocess.Popen[str]", list[int]]:
    """Start emulators in a process of their own and return it with their ports."""
    words = [sys.executable, "-m", "benchmarks.emulated", kind, str(count)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


async def emulate(kind: str, count: int) -> None:
    """Serve emulators until the process is ended."""
    begin = time.monotonic()

    def clock() -> float:
        return time.monotonic() - begin

    cell = load_model(MODEL)
    if kind == "meters":
        lines = [Server(connected(), clock, only=1) for _ in range(count)]
    elif kind == "testers":
        lines = [Server(EmulatedMaccor([MaccorChannel(Terminal(cell)) for _ in range(count)]), clock)]
    elif kind == "potentiostats":
        potentiostats = [PotentiostatChannel(cell, MODELS["vmp300"][1]) for _ in range(count)]
        lines = [Server(EmulatedBioLogic(potentiostats, "vmp300"), clock)]
    else:
        lines = [Server(Cycler({("27", "1", str(at)): CyclerChannel(cell) for at in range(1, count + 1)}), clock)]
    print(*[await line.start() for line in lines], flush=True)
    await asyncio.Event().wait()


def connected() -> EmulatedKeithley2450:
    """Return a source meter whose cell was connected when its off state was high impedance."""
    device = EmulatedKeithley2450(Terminal(load_model(MODEL)))
    device.off_state = "HIMP"
    device.impose()
    return device


async def becomes(holds: Callable[[], bool], within: float = 60.0) -> None:
    """Look until something holds."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - a rig looks from outside
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(emulate(sys.argv[1], int(sys.argv[2])))

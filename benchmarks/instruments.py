"""Emulated instruments on real lines: how late many source meters are sampled, what cyclers cost to poll, how soon a guard acts.

A cycler of a thousand channels is measured by `python -m benchmarks.many_cyclers` alone: to start them takes minutes.
"""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.daemon import raw_cost
from benchmarks.figure import Promised, at_least, at_most
from labctl.clock import RealClock
from labctl.daemon import Parts, running
from labctl.run.request import StartRequest
from labctl.run.stations import found_station
from labctl.station.settings import ChannelSettings, InstrumentSettings, Mqtt, Part, Station
from labctl_simulators.models import load_model
from labctl_simulators.wire.biologic import MODELS, EmulatedBioLogic
from labctl_simulators.wire.biologic_channel import PotentiostatChannel
from labctl_simulators.wire.eclib import build
from labctl_simulators.wire.keithley import EmulatedKeithley2450
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.maccor import EmulatedMaccor, MaccorChannel
from labctl_simulators.wire.neware import Cycler
from labctl_simulators.wire.neware_channel import CyclerChannel
from labctl_simulators.wire.terminal import Terminal

METERS = 32
HERTZ = 2.0
CYCLERS = 256
TESTERS = 64
POTENTIOSTATS = 16
AGAIN = 4  # channels of either make that a daemon takes up again
PACED = 20.0  # s measured
KILLS = 10
MODEL = "marquis2019"
FUZZED = 20_000

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
record: {every: 0.5 s}
steps:
  - rest: 1 s
  - discharge: {current: 10 mA, for: 20 h}
"""
CALM = """\
labctl: 1
name: calm
record: {every: 10 s}
steps:
  - rest: 1 s
  - discharge: {current: 10 mA, for: 20 h}
"""
SPECTRA = (
    CALM.partition("  - rest")[0]
    + """\
  - repeat: 10000
    steps:
      - rest: 5 s
      - eis: {from: 10 kHz, to: 10 Hz, amplitude: 10 mV, per_decade: 5}
"""
)


def figures() -> Iterator[Promised]:
    """Measure source meters, cyclers, the guard, and the parsers under fuzz."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        (folder / "pace.yaml").write_text(PACE)
        yield from asyncio.run(meters(folder))
        yield from asyncio.run(cyclers(folder, CYCLERS))
        yield from asyncio.run(mixed(folder))
        yield asyncio.run(taken_up(folder / "again"))
        waits = [killed(folder / f"kill{number}") for number in range(KILLS)]
        yield at_most(f"output off after SIGKILL of the daemon, worst of {KILLS}", 250.0, 1e3 * max(waits), " ms")
    yield from fuzzed()


# --- many instruments on one daemon ---------------------------------------------------------------------------------


async def meters(folder: Path) -> list[Promised]:
    """Run source meters at a steady rate, emulators in a process of their own, and look at how late each sample was."""
    process, ports = emulators("meters", METERS)
    try:
        instruments = {
            f"kei{at}": InstrumentSettings(
                f"kei{at}", "keithley2450", {"resource": f"TCPIP0::127.0.0.1::{port}::SOCKET", "poll": 1.0 / HERTZ}
            )
            for at, port in enumerate(ports)
        }
        channels = {
            f"c{at}": ChannelSettings(f"c{at}", {"cell": Part(f"kei{at}", "1")}) for at in range(len(instruments))
        }
        async with serving(folder, "meters", instruments, channels) as parts:
            await started(parts, folder)
            late, cpu = await paced(parts)
    finally:
        process.terminate()
        process.wait()
    size = sum(map(len, late))
    wanted = METERS * HERTZ * PACED
    p99 = 1e3 * float(np.percentile(np.concatenate(late), 99))
    return [
        at_least(f"{METERS} source meters over TCP at {HERTZ:g} Hz each, samples of those due", 0.98, size / wanted),
        at_most("p99 of how late a sample was asked for", 50.0, p99, " ms", f"CPU {100 * cpu / PACED:.0f} % of a core"),
    ]


async def cyclers(folder: Path, count: int) -> list[Promised]:
    """Poll a cycler of many channels behind one line, and look at what a poll costs and whether every record arrived."""
    process, (port,) = emulators("cycler", count)
    (folder / "steps").mkdir()
    try:
        places = {f"n{at}": f"27-1-{at}" for at in range(1, count + 1)}
        options = {"host": "127.0.0.1", "port": port, "folder": str(folder / "steps"), "poll": 5.0, "channels": places}
        instruments = {"nw": InstrumentSettings("nw", "neware", options)}
        channels = {name: ChannelSettings(name, {"cell": Part("nw", name)}) for name in places}
        async with serving(folder, "cyclers", instruments, channels) as parts:
            await started(parts, folder)
            before, journal = rows(parts), parts.sink.cpu
            _, cpu = await paced(parts)
            passed, journal = rows(parts) - before, parts.sink.cpu - journal
            active = sum(channel.activity == "running" for channel in parts.channels.values())
    finally:
        process.terminate()
        process.wait()
    raw = raw_cost(folder / "cyclers" / "journal.db", folder / "raw.db")
    share = (
        f"{1e6 * cpu / passed:.0f} us a stored sample, {1e6 * journal / passed:.0f} us of it in the journal's thread"
    )
    share += f"; raw sqlite3 asks {1e6 * raw:.1f} us for the same rows in the same commits"
    return [
        Promised(f"{count} cycler channels by polling", "all running", f"{active} running", active == count),
        at_least("their records stored, of those written meanwhile", 0.7, passed / (count * HERTZ * PACED)),
        at_most("CPU of the daemon for them", 100.0, 100 * cpu / PACED, " % of a core", share),
    ]


async def mixed(folder: Path) -> list[Promised]:
    """Serve a whole laboratory: cyclers, testers and potentiostats that measure spectra, and look at what the daemon spends."""
    for name, text in (("calm", CALM), ("spectra", SPECTRA)):
        (folder / f"{name}.yaml").write_text(text)
    made = [emulators(kind, CYCLERS) for kind in ("cycler", "testers", "potentiostats")]
    neware, maccor, biologic = (ports[0] for _, ports in made)
    kept = {name: str(folder / f"mixed-{name}") for name in ("nw", "mac", "bl")}
    make_folders(*kept.values())
    places = {f"n{at}": f"27-1-{at}" for at in range(1, CYCLERS + 1)}
    numbers = {f"m{at}": at for at in range(1, TESTERS + 1)}
    options: dict[str, tuple[str, dict[str, object]]] = {
        "nw": ("neware", {"host": "127.0.0.1", "port": neware, "folder": kept["nw"], "poll": 10.0, "channels": places}),
        "mac": ("maccor", {"host": "127.0.0.1", "port": maccor, "folder": kept["mac"], "channels": numbers}),
        "bl": (
            "biologic",
            {
                "library": str(build(Path(tempfile.gettempdir()))),
                "address": f"127.0.0.1:{biologic}",
                "folder": kept["bl"],
            },
        ),
    }
    instruments = {name: InstrumentSettings(name, *each) for name, each in options.items()}
    at = {name: ("nw", name) for name in places} | {name: ("mac", name) for name in numbers}
    at |= {f"b{number}": ("bl", str(number)) for number in range(1, POTENTIOSTATS + 1)}
    channels = {name: ChannelSettings(name, {"cell": Part(*place)}) for name, place in at.items()}
    try:
        async with serving(folder, "mixed", instruments, channels) as parts:
            await started(parts, folder, lambda name: "spectra" if name.startswith("b") else "calm")
            _, cpu = await paced(parts)
            active = sum(channel.activity == "running" for channel in parts.channels.values())
    finally:
        for process, _ in made:
            process.terminate()
            process.wait()
    what = f"{CYCLERS} Neware, {TESTERS} Maccor and {POTENTIOSTATS} Bio-Logic channels with spectra"
    return [
        Promised(what, "all running", f"{active} running", active == len(channels)),
        at_most("CPU of the daemon for them", 20.0, 100 * cpu / PACED, " % of a core"),
    ]


def make_folders(*names: str) -> None:
    """Make folders."""
    for name in names:
        Path(name).mkdir()


def rows(parts: Parts) -> int:
    """Return how many rows the runs have."""
    return sum(0 if channel.session is None else channel.session.next_record for channel in parts.channels.values())


@contextlib.asynccontextmanager
async def serving(
    folder: Path, name: str, instruments: Mapping[str, InstrumentSettings], channels: Mapping[str, ChannelSettings]
) -> AsyncIterator[Parts]:
    """Serve a station without a broker, on the machine's own time."""
    station = Station("bench", instruments=instruments, channels=channels, mqtt=Mqtt(broker="none"))
    async with running(station, folder / name, RealClock()) as parts:
        yield parts


async def started(parts: Parts, folder: Path, protocol: Callable[[str], str] = lambda _: "pace") -> None:
    """Start a protocol on all channels and wait until all run."""
    for name in parts.channels:
        file = str(folder / f"{protocol(name)}.yaml")
        await parts.supervisor.start(StartRequest(file, str(folder / "cell.yaml"), name))
    async with asyncio.timeout(300):
        await parts.supervisor.start(StartRequest(str(folder / "pace.yaml"), str(folder / "cell.yaml"), name))
    async with asyncio.timeout(600):
        while any(  # noqa: ASYNC110 - a rig looks from outside
            channel.session is not None and not channel.session.state.step for channel in parts.channels.values()
        ):
            await asyncio.sleep(0.2)
    await asyncio.sleep(5.0)


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
    words = [sys.executable, "-m", "benchmarks.instruments", kind, str(count)]
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
        lines = [Server(EmulatedMaccor([MaccorChannel(Terminal(cell)) for _ in range(TESTERS)]), clock)]
    elif kind == "potentiostats":
        potentiostats = [PotentiostatChannel(cell, MODELS["vmp300"][1]) for _ in range(POTENTIOSTATS)]
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


# --- a daemon that comes back -----------------------------------------------------------------------------------------


async def taken_up(folder: Path) -> Promised:
    """Kill a daemon whose instruments go on by themselves, and look how soon the next one reads all of them again."""
    make_folders(str(folder))
    for name, text in (("cell", CELL), ("calm", CALM)):
        (folder / f"{name}.yaml").write_text(text)
    made = [emulators(kind, AGAIN) for kind in ("cycler", "potentiostats")]
    places = ", ".join(f"n{at}: 27-1-{at}" for at in range(1, AGAIN + 1))
    library, (neware, biologic) = build(Path(tempfile.gettempdir())), (ports[0] for _, ports in made)
    (folder / "station.yaml").write_text(
        "labctl_station: 1\nmqtt: none\ninstruments:\n"
        f"  nw: {{driver: neware, host: 127.0.0.1, port: {neware}, folder: {folder}, channels: {{{places}}}}}\n"
        f'  bl: {{driver: biologic, library: {library}, address: "127.0.0.1:{biologic}", folder: {folder}}}\n'
        "channels:\n"
        + "".join(f"  n{at}: {{cell: {{instrument: nw, at: n{at}}}}}\n" for at in range(1, AGAIN + 1))
        + "".join(f"  b{at}: {{cell: {{instrument: bl, at: {at}}}}}\n" for at in range(1, AGAIN + 1))
    )
    station, _ = found_station(folder / "station.yaml", None, folder)
    try:
        await serve_and_die(folder, list(station.channels))
        begin = time.monotonic()
        async with running(station, folder / "data", RealClock()) as parts:
            opened = time.monotonic() - begin
            await becomes(lambda: all(channel.activity == "running" for channel in parts.channels.values()))
            took = time.monotonic() - begin
    finally:
        for process, _ in made:
            process.terminate()
            process.wait()
    what = f"{AGAIN} Neware and {AGAIN} Bio-Logic channels read again after SIGKILL of their daemon"
    return at_most(what, 2.0, took, " s", f"{opened:.1f} s of it until the station was open")


async def serve_and_die(folder: Path, channels: list[str]) -> None:
    """Serve a station in a process of its own, start all of its channels, and kill the process once they run."""
    words, data = [sys.executable, "-m", "labctl"], str(folder / "data")
    serve, start = ["serve", "--station", str(folder / "station.yaml")], ["start", str(folder / "calm.yaml")]
    daemon = await asyncio.create_subprocess_exec(*words, *serve, "--data", data, stdout=subprocess.PIPE)
    assert daemon.stdout is not None
    while (line := await daemon.stdout.readline()) and not line.startswith(b"next:"):
        pass
    start += ["--cell", str(folder / "cell.yaml"), "--channel"]
    known = {**os.environ, "LABCTL_DATA": data}
    for name in channels:
        process = await asyncio.create_subprocess_exec(*words, *start, name, stdout=subprocess.DEVNULL, env=known)
        assert await process.wait() == 0
    await asyncio.sleep(10.0)
    daemon.kill()
    await daemon.wait()


# --- the guard --------------------------------------------------------------------------------------------------------


def killed(folder: Path, how: signal.Signals = signal.SIGKILL) -> float:
    """Kill a daemon whose source meter drives a current, or stop it; return after how many s its guard had the output off.

    Told by the ledger of the cell behind the emulator, which runs in this process.
    """
    folder.mkdir(parents=True)
    (folder / "cell.yaml").write_text(CELL)
    (folder / "pace.yaml").write_text(PACE.replace("  - rest: 1 s\n", ""))
    return asyncio.run(_killed(folder, how))


async def _killed(folder: Path, how: signal.Signals) -> float:
    device = connected()
    line = Server(device, time.monotonic, only=1)
    port = await line.start()
    (folder / "station.yaml").write_text(
        "labctl_station: 1\nmqtt: {broker: none}\nchannels: {one: {cell: {instrument: kei, at: 1}}}\n"
        f'instruments: {{kei: {{driver: keithley2450, resource: "TCPIP0::127.0.0.1::{port}::SOCKET"}}}}\n'
    )
    words = ["--data", str(folder / "data")]
    with (folder / "said").open("wb") as said:
        daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "labctl", "serve", "--station", str(folder / "station.yaml"), *words,
            stdout=subprocess.PIPE, stderr=said,
        )  # fmt: skip
    try:
        assert daemon.stdout is not None
        async with asyncio.timeout(60):
            await daemon.stdout.readline()
        start = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "labctl", "start", str(folder / "pace.yaml"), "--channel", "one",
            "--cell", str(folder / "cell.yaml"), stdout=subprocess.DEVNULL, env={**os.environ, "LABCTL_DATA": words[1]},
        )  # fmt: skip
        assert await start.wait() == 0
        await becomes(lambda: device.output)
        daemon.send_signal(how)
        dead = time.monotonic()
        await becomes(lambda: not device.output)
        off = next(when for when, drive in device.terminal.ledger.drives if when >= dead and drive == "AtOpenCircuit()")
    finally:
        with contextlib.suppress(ProcessLookupError):
            daemon.kill()
        await daemon.wait()
        await line.stop()
    return off - dead


async def becomes(holds: Callable[[], bool], within: float = 60.0) -> None:
    """Look until something holds."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - a rig looks from outside
            await asyncio.sleep(0.001)


# --- parsers ----------------------------------------------------------------------------------------------------------


def fuzzed() -> Iterator[Promised]:
    """Give every framing parser damaged bytes; the long form is `python -m tests.property.wire.fuzz`."""
    from tests.property.wire.fuzz import PARSERS, fuzz  # noqa: PLC0415 - a checkout has its tests

    begin = time.process_time()
    strange = fuzz(FUZZED, seed=1)
    spent = 1e6 * (time.process_time() - begin) / (FUZZED * len(PARSERS))
    yield Promised(
        f"parsers under {FUZZED} damaged inputs each", "errors of ours only", f"{len(strange)} others", not strange
    )
    yield at_most("CPU for one of them", 200.0, spent, " us")


if __name__ == "__main__":
    asyncio.run(emulate(sys.argv[1], int(sys.argv[2])))

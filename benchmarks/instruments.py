"""Emulated instruments on real lines: how late source meters are sampled, what cyclers cost, how soon a guard acts; their files.

A cycler of a thousand channels is measured by `python -m benchmarks.many_cyclers` alone: to start them takes minutes.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import laboratory, ndax
from benchmarks.daemon import LAST_RANGES, raw_cost
from benchmarks.emulated import CELL, PACE, PACED, becomes, connected, emulators, paced, serving, started
from benchmarks.figure import Promised, at_least, at_most
from benchmarks.laboratory import CYCLERS
from labctl.daemon import Parts
from labctl.station.settings import ChannelSettings, InstrumentSettings, Part
from labctl_simulators.wire.line import Server

METERS = 32
HERTZ = 2.0
KILLS = 10
FUZZED = 20_000


def figures() -> Iterator[Promised]:
    """Measure source meters, cyclers, the guard, a long file of another maker, and the parsers under fuzz."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        (folder / "pace.yaml").write_text(PACE)
        yield from asyncio.run(meters(folder))
        yield from asyncio.run(cyclers(folder, CYCLERS))
        yield from laboratory.figures(folder)
        waits = [killed(folder / f"kill{number}") for number in range(KILLS)]
        yield at_most(f"output off after SIGKILL of the daemon, worst of {KILLS}", 250.0, 1e3 * max(waits), " ms")
        yield from ndax.imported(folder)
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
    raw = raw_cost(folder / "cyclers" / "journal.db", folder / "raw.db", LAST_RANGES)
    share = (
        f"{1e6 * cpu / passed:.0f} us a stored sample, {1e6 * journal / passed:.0f} us of it in the journal's thread"
    )
    share += f"; raw sqlite3 asks {1e6 * raw:.1f} us for the same rows in the same commits"
    return [
        Promised(f"{count} cycler channels by polling", "all running", f"{active} running", active == count),
        at_least("their records stored, of those written meanwhile", 0.7, passed / (count * HERTZ * PACED)),
        at_most("CPU of the daemon for them", 100.0, 100 * cpu / PACED, " % of a core", share),
    ]


def rows(parts: Parts) -> int:
    """Return how many rows the runs have."""
    return sum(0 if channel.session is None else channel.session.next_record for channel in parts.channels.values())


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

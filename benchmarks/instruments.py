"""Emulated instruments on real lines: how late source meters are sampled, what cyclers cost, how soon a guard acts; their files.

A cycler of a thousand channels is measured by `python -m benchmarks.many_cyclers` alone, which takes two minutes.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import numpy as np

from benchmarks import laboratory, ndax
from benchmarks.daemon import LAST_RANGES, raw_cost
from benchmarks.emulated import (
    CELL,
    PACE,
    PACED,
    SETTLED,
    becomes,
    connected,
    emulators,
    paced,
    serving,
    started,
)
from benchmarks.figure import Promised, at_least, at_most
from benchmarks.laboratory import CYCLERS
from labctl.daemon import Parts
from labctl.station.settings import ChannelSettings, InstrumentSettings, Part
from labctl_drivers.neware.client import Client, request
from labctl_drivers.neware.replies import END, ENERGY, MOST, NEEDED
from labctl_simulators.wire.line import Server

METERS = 32
HERTZ = 2.0
POLL = 5.0  # s between two reads of a cycler
LAST = 2  # line of the plan in which they are measured
READ = 1 << 16  # bytes that a script takes at once
KILLS = 10
FUZZED = 20_000


def figures() -> Iterator[Promised]:
    """Measure source meters, cyclers, the guard, a long file of another maker, and the parsers under fuzz."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        (folder / "pace.yaml").write_text(PACE.format(every=1.0 / HERTZ))
        yield from asyncio.run(meters(folder))
        yield from asyncio.run(cyclers(folder, PolledLoad(CYCLERS, HERTZ, POLL))).figures()
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


@dataclass(frozen=True, slots=True)
class PolledLoad:
    """So many channels behind one line, each with so many rows a second, asked for every `poll` s."""

    channels: int
    hertz: float
    poll: float
    broker: Literal["none", "embedded"] = "none"


@dataclass(frozen=True, slots=True)
class PollsSeen:
    """What polling a cycler of many channels did.

    Attributes:
        load: What there was to do.
        active: How many of the channels ran at the end.
        started: s from the first start until all ran.
        stored: Rows in the time that was measured.
        cpu: s of the daemon in that time, `journal` of it in the journal's thread.
        journal: See `cpu`.
        raw: s of CPU that raw sqlite3 asks for one of the rows.
        asked: s of CPU of a record that a script asks for over a plain socket and takes with the standard library's parser.
    """

    load: PolledLoad
    active: int
    started: float
    stored: int
    cpu: float
    journal: float
    raw: float
    asked: float

    def figures(self) -> Iterator[Promised]:
        """Give what any number of channels should do."""
        share = (
            f"{1e6 * self.cpu / self.stored:.1f} us a stored sample, {1e6 * self.journal / self.stored:.1f} us of it in "
            f"the journal's thread; raw sqlite3 asks {1e6 * self.raw:.1f} us for the same rows in the same commits, and "
            f"a script {1e6 * self.asked:.1f} us to ask for a record and to parse it"
        )
        running, channels = f"{self.active} running", self.load.channels
        yield Promised(f"{channels} cycler channels by polling", "all running", running, self.active == channels)
        due = self.stored / (channels * self.load.hertz * PACED)
        yield at_least("their records stored, of those written meanwhile", 0.7, due)
        yield at_most("CPU of the daemon for them", 100.0, 100 * self.cpu / PACED, " % of a core", share)


async def cyclers(folder: Path, load: PolledLoad) -> PollsSeen:
    """Poll a cycler of many channels behind one line, and look at what a poll costs and whether every record arrived."""
    process, (port,) = emulators("cycler", load.channels)
    (folder / "steps").mkdir()
    try:
        places = {f"n{at}": f"27-1-{at}" for at in range(1, load.channels + 1)}
        options = {
            "host": "127.0.0.1",
            "port": port,
            "folder": str(folder / "steps"),
            "poll": load.poll,
            "channels": places,
        }
        instruments = {"nw": InstrumentSettings("nw", "neware", options)}
        channels = {name: ChannelSettings(name, {"cell": Part("nw", name)}) for name in places}
        async with serving(folder, "cyclers", instruments, channels, load.broker) as parts:
            begin = time.monotonic()
            await started(parts, folder, until=lambda session: session.state.line == LAST)
            begun = time.monotonic() - begin - SETTLED
            await asyncio.sleep(2 * load.poll)  # until nothing but rows comes
            before, journal = rows(parts), parts.sink.cpu
            _, cpu = await paced(parts)
            passed, journal = rows(parts) - before, parts.sink.cpu - journal
            active = sum(channel.activity == "running" for channel in parts.channels.values())
        asked = asked_by_script(port, await last_records(port, list(places.values()), round(load.hertz * load.poll)))
    finally:
        process.terminate()
        process.wait()
    raw = raw_cost(folder / "cyclers" / "journal.db", folder / "raw.db", LAST_RANGES)
    return PollsSeen(load, active, begun, passed, cpu, journal, raw, asked)


async def last_records(port: int, places: Sequence[str], count: int) -> list[bytes]:
    """Return the requests for the last records of channels, as many of each as a poll brings."""
    numbers = {place: place.split("-") for place in places}
    client = Client("127.0.0.1", numbers, port=port, login=("admin", "neware"), device_type="24", timeout=30.0)
    await client.connect()
    tests = await client.tests(places)
    await client.disconnect()
    return [
        request(
            "download",
            f'<download devtype="24" devid="{device}" subdevid="{sub}" chlid="{channel}" auxid="0" testid="{test}" '
            f'startpos="{max(1, last - count + 1)}" count="{MOST}"/>',
        )
        for (device, sub, channel), (test, last) in zip(numbers.values(), tests, strict=True)
    ]


def asked_by_script(port: int, requests: Sequence[bytes]) -> float:
    """Return the CPU of a record that a script asks for over a plain socket and takes with the standard library's parser, s."""
    found, begin = 0, time.process_time()
    with socket.create_connection(("127.0.0.1", port)) as line:
        for each in requests:
            line.sendall(each)
            reply = line.recv(READ)
            while not reply.endswith(END):
                reply += line.recv(READ)
            records = ET.fromstring(reply.removesuffix(END)).iter("data")
            found += len([[float(record.attrib[name]) for name in (*NEEDED, ENERGY)] for record in records])
    return (time.process_time() - begin) / found


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
    (folder / "pace.yaml").write_text(PACE.format(every=1.0 / HERTZ).replace("  - rest: 1 s\n", ""))
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

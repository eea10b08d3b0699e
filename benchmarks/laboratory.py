"""A whole laboratory on one daemon: what it spends on cyclers, testers and potentiostats, and how soon it is back after a kill."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.emulated import CALM, CELL, PACED, becomes, emulators, paced, serving, started
from benchmarks.figure import Promised, at_most
from labctl.clock import RealClock
from labctl.daemon import running
from labctl.run.stations import found_station
from labctl.station.settings import ChannelSettings, InstrumentSettings, Part
from labctl_simulators.wire.eclib import build

CYCLERS = 256
TESTERS = 64
POTENTIOSTATS = 16
KEPT = ("nw", "mac", "bl")  # names of the instruments, each with a folder for what its driver keeps
AGAIN = 4  # channels of either make that a daemon takes up again
GOING = 10.0  # s that they have run when their daemon is killed
SPECTRA = (
    CALM.partition("  - rest")[0]
    + """\
  - repeat: 10000
    steps:
      - rest: 5 s
      - eis: {from: 10 kHz, to: 10 Hz, amplitude: 10 mV, per_decade: 5}
"""
)


def figures(folder: Path) -> Iterator[Promised]:
    """Measure a whole laboratory, and a part of one whose daemon is killed, in a folder with a cell file."""
    for name in ("again", *(f"mixed-{name}" for name in KEPT)):
        (folder / name).mkdir()
    yield from asyncio.run(mixed(folder))
    yield asyncio.run(taken_up(folder / "again"))


async def mixed(folder: Path) -> list[Promised]:
    """Serve a whole laboratory: cyclers, testers and potentiostats that measure spectra, and look at what the daemon spends."""
    for name, text in (("calm", CALM), ("spectra", SPECTRA)):
        (folder / f"{name}.yaml").write_text(text)
    counts = {"cycler": CYCLERS, "testers": TESTERS, "potentiostats": POTENTIOSTATS}
    made = [emulators(kind, count) for kind, count in counts.items()]
    neware, maccor, biologic = (ports[0] for _, ports in made)
    kept = {name: str(folder / f"mixed-{name}") for name in KEPT}
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


async def taken_up(folder: Path) -> Promised:
    """Kill a daemon whose instruments go on by themselves, and look how soon the next one reads all of them again."""
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
    await asyncio.sleep(GOING)
    daemon.kill()
    await daemon.wait()

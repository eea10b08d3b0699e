"""A rack of emulated instruments on real lines, and the station file of a daemon that is served from them."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.run.request import StartRequest
from labctl.run.stations import found_station
from labctl.station.settings import Mqtt
from labctl_simulators.models import load_model
from labctl_simulators.wire import grbl, keithley, neware, palmsens
from labctl_simulators.wire.line import SerialPort, Server
from labctl_simulators.wire.neware_channel import CyclerChannel
from labctl_simulators.wire.program import PUMP
from labctl_simulators.wire.terminal import Terminal

CELL = """\
labctl_cell: 1
name: lco
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.9 V, 4.3 V], current: [-1 A, 1 A]}
model: marquis2019
"""
"""The cell of these tests: what `marquis2019` stands for, with limits of a cycler's channel."""


class Watched(grbl.Stage):
    """A stage that notes where it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[float] = []

    def plan(self, target: float) -> bytes:
        self.sent.append(target)
        return super().plan(target)


class Rack:
    """Emulators of one test: they live on the daemon's clock, and their entries make its station file."""

    def __init__(self, folder: Path, speed: float, model: str = "marquis2019") -> None:
        self.folder = folder
        self.clock = ScaledClock(speed)
        self.model = model
        self.begin = self.clock.now()
        self.instruments: list[str] = []
        self.channels: list[str] = []
        self.lines: list[Server | SerialPort] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def time(self) -> float:
        return self.clock.now() - self.begin

    def terminal(self) -> Terminal:
        return Terminal(load_model(self.model), now=self.time())

    def station(self) -> str:
        quiet = "labctl_station: 1\nname: rack\nmqtt: {broker: none}\n"
        return "\n".join([quiet, "instruments:", *self.instruments, "channels:", *self.channels, ""])

    async def serve(self, device, port=0, only=None) -> Server:
        line = Server(device, self.time, only=only)
        await line.start(port)
        self.lines.append(line)
        return line

    async def plug(self, device) -> SerialPort:
        """Put a device on a pseudo-terminal and let it say what it says by itself."""
        line = SerialPort(device, self.time)
        await line.start()
        self.lines.append(line)
        if isinstance(device, palmsens.EmulatedPalmSens):
            self.tasks.add(asyncio.create_task(self.pump(line, device), name="emulated script"))
        return line

    async def pump(self, line, device) -> None:
        while True:
            if said := device.poll(self.time()):
                line.push(said)
            await self.clock.until(self.clock.now() + PUMP * self.clock.speed)

    # --- instruments ---

    def simulated(self, name="sim") -> None:
        self.instruments.append(f"  {name}: {{driver: simulated}}")
        self.channels.append(f"  {name}: {{cell: {{instrument: {name}, at: 1}}}}")

    async def keithley2450(self, name="kei", stage="", **options):
        device = keithley.EmulatedKeithley2450(self.terminal())
        device.off_state = "HIMP"  # the leads are connected once the instrument has been opened
        device.impose()
        line = await self.serve(device, only=1)
        more = "".join(f", {key}: {value}" for key, value in options.items())
        resource = f"TCPIP0::127.0.0.1::{line.port}::SOCKET"
        self.instruments.append(f'  {name}: {{driver: keithley2450, resource: "{resource}"{more}}}')
        part = f", stage: {{instrument: {stage}, at: X}}" if stage else ""
        self.channels.append(f"  {name}: {{cell: {{instrument: {name}, at: 1}}{part}}}")
        return device, line

    async def palmsens(self, name="ps"):
        device = palmsens.EmulatedPalmSens(self.terminal())
        line = await self.plug(device)
        self.instruments.append(f"  {name}: {{driver: palmsens, port: {line.path}}}")
        self.channels.append(f"  {name}: {{cell: {{instrument: {name}, at: 1}}}}")
        return device, line

    async def neware(self, name="nw", channels=1, poll=0.2):
        cells = {
            ("27", "1", str(at)): CyclerChannel(load_model(self.model), now=self.time())
            for at in range(1, channels + 1)
        }
        line = await self.serve(neware.Cycler(cells))
        places = ", ".join(f"c{at}: 27-1-{at}" for at in range(1, channels + 1))
        steps = self.folder / f"steps-{name}"
        steps.mkdir(exist_ok=True)
        self.instruments.append(
            f"  {name}: {{driver: neware, host: 127.0.0.1, port: {line.port}, folder: {steps}, poll: {poll}, "
            f"timeout: 2, channels: {{{places}}}}}"
        )
        self.channels += [f"  {name}{at}: {{cell: {{instrument: {name}, at: c{at}}}}}" for at in range(1, channels + 1)]
        return [cells["27", "1", str(at)] for at in range(1, channels + 1)], line

    async def grbl(self, name="stage"):
        device = Watched()
        line = await self.plug(device)
        self.instruments.append(
            f'  {name}: {{driver: grbl, port: {line.path}, feed: 3000, angle: {{"0": -2, "45": -20, "90": -40}}}}'
        )
        return device, line

    @asynccontextmanager
    async def daemon(self):
        path = self.folder / "station.yaml"
        path.write_text(self.station())
        station, _ = found_station(path, None, self.folder)
        async with running(replace(station, mqtt=Mqtt(broker="none")), self.folder / "data", self.clock) as parts:
            yield parts

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for line in self.lines:
            await line.stop()


@asynccontextmanager
async def rack(folder: Path, speed: float, model: str = "marquis2019"):
    made = Rack(folder, speed, model)
    try:
        yield made
    finally:
        await made.stop()


async def start(parts, folder: Path, channel: str, protocol="protocol.yaml", cell="cell.yaml", **more):
    return await parts.supervisor.start(
        StartRequest(str(folder / protocol), str(folder / cell), channel, by="a person", **more)
    )


class Ends:
    """What became of runs, as their last event was committed."""

    def __init__(self, parts) -> None:
        self.parts = parts
        self.seen: set[int] = set()
        self.changed = asyncio.Event()
        parts.sink.on_commit(self.look)

    def look(self, committed) -> None:
        for entry in committed.entries:
            if any(event.kind == "run_ended" for event in entry.events):
                self.seen.add(entry.run_id)
                self.changed.set()

    async def wait(self, count: int, within: float = 60.0) -> None:
        async with asyncio.timeout(within):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()


async def until(holds, parts, within: float = 30.0) -> None:
    """Wait until something holds, looking whenever the daemon's clock has gone on by a tick."""
    async with asyncio.timeout(within):
        while not holds():
            await parts.clock.until(parts.clock.now() + 0.05 * parts.clock.speed)


def activity(parts, channel: str) -> str:
    with contextlib.suppress(StopIteration):
        return next(row["activity"] for row in parts.supervisor.status() if row["channel"] == channel)
    return "?"

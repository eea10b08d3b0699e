"""A daemon that is killed while a chamber heats, soaks or keeps: the chamber keeps its set-point, and the run goes on to its end."""

import asyncio
import contextlib
import sys
import time

import pytest

from labctl.store.reader import Reader
from labctl_simulators.models import load_model
from labctl_simulators.wire.espec import EmulatedEspec
from labctl_simulators.wire.keithley import EmulatedKeithley2450
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.terminal import Terminal
from tests.system.test_instruments import CELL

PROTOCOL = """\
labctl: 1
name: warm
record: {every: 0.5 s}
steps:
  - temperature: {to: 40 degC, within: 0.5 K, soak: 2 s, for: 10 min}
  - discharge: {current: 10 mA, for: 3 s}
"""
FAST = 240.0  # times the wall, of the air


class Rig:
    """Emulators in this process, a daemon in another."""

    def __init__(self, folder) -> None:
        self.folder, self.data = folder, folder / "data"
        self.chamber = EmulatedEspec()
        self.meter = EmulatedKeithley2450(Terminal(load_model("marquis2019")))
        self.meter.off_state = "HIMP"
        self.meter.impose()
        self.begin = time.monotonic()
        self.oven = Server(self.chamber, lambda: FAST * (time.monotonic() - self.begin))
        self.line = Server(self.meter, lambda: time.monotonic() - self.begin, only=1)
        self.daemon = None

    async def start(self) -> None:
        ports = await self.oven.start(), await self.line.start()
        (self.folder / "cell.yaml").write_text(CELL)
        (self.folder / "warm.yaml").write_text(PROTOCOL)
        (self.folder / "station.yaml").write_text(
            "labctl_station: 1\nname: t\nmqtt: none\ninstruments:\n"
            f'  oven: {{driver: espec, port: "socket://127.0.0.1:{ports[0]}"}}\n'
            f'  kei: {{driver: keithley2450, resource: "TCPIP0::127.0.0.1::{ports[1]}::SOCKET"}}\n'
            "channels: {one: {cell: {instrument: kei, at: 1}, chamber: {instrument: oven}}}\n"
        )

    async def labctl(self, *words):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "labctl", *words, cwd=self.folder, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env={"LABCTL_DATA": str(self.data), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    async def serve(self) -> None:
        self.daemon = await self.labctl("serve", "--data", str(self.data))
        while not (line := await self.daemon.stdout.readline()).startswith(b"next:"):
            assert line

    async def kill(self) -> None:
        self.daemon.kill()
        await self.daemon.wait()
        self.daemon._transport.close()

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            await self.kill()
        await self.oven.stop()
        await self.line.stop()

    def query(self, text):
        with Reader(self.data) as reader:
            return reader.query(text)


async def until(holds, within=60.0) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - a rig looks from outside
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("when", ["heating", "soaking", "keeping"])
async def test_a_daemon_killed_beside_a_chamber_goes_on(tmp_path, when):
    rig = Rig(tmp_path)
    await rig.start()
    try:
        await rig.serve()
        order = await rig.labctl("start", "warm.yaml", "--channel", "one", "--cell", "cell.yaml")
        assert await order.wait() == 0, await order.stdout.read()
        order._transport.close()
        air = lambda: rig.chamber.air.advance(rig.oven.clock())  # noqa: E731
        warm = {
            "heating": lambda: rig.chamber.mode == "CONSTANT",
            "soaking": lambda: abs(air() - 40.0) < 0.3,
            "keeping": lambda: rig.meter.output,
        }[when]
        await until(warm)
        await rig.kill()
        assert (rig.chamber.set_point, rig.chamber.mode) == (40.0, "CONSTANT")
        await rig.serve()
        await until(lambda: rig.query("SELECT 1 FROM runs WHERE end_reason IS NOT NULL"))
        assert rig.query("SELECT end_reason FROM runs")[0][0] == "done"
        steps = rig.query("SELECT step_type, step_time_second FROM steps ORDER BY step_count")
        driven = [
            tuple(row) for row in steps if row[0] != "rest"
        ]  # before its first current it looks at the open circuit
        assert [kind for kind, _ in driven] == ["temperature", "discharge"]
        assert driven[0][1] >= 2.0
        assert driven[1][1] == pytest.approx(3.0, abs=1.0)
        assert (rig.chamber.set_point, rig.chamber.mode) == (40.0, "CONSTANT")
    finally:
        await rig.stop()

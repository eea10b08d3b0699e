"""An emulated instrument as a program: `labctl emulate NAME --cell FILE ...`, on a port or a pseudo-terminal."""

import argparse
import asyncio
import contextlib
import importlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from labctl_simulators.wire.fault import Switchboard
from labctl_simulators.wire.line import Device, SerialPort, Server
from labctl_simulators.wire.practice import cell_of

CHAMBERS = {  # modules beside this one, and what they make
    "espec": "EmulatedEspec", "memmert": "EmulatedMemmert", "modbus": "EmulatedModbus",
}  # fmt: skip
PUMP = 0.05  # s between two looks at what an instrument says by itself

Maker = Callable[[argparse.Namespace], Device]


@runtime_checkable
class Talkative(Protocol):
    """A device that says things nobody asked for."""

    def poll(self, now: float) -> bytes:
        """Return what it has said by a time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How an instrument is run: its name, its line, its usual TCP port, and how many talk to it at once.

    Attributes:
        cell: It has one behind it.
        air: That cell can lie in the air of an emulated chamber.
    """

    name: str
    serial: bool = False
    port: int = 0
    only: int | None = None
    cell: bool = True
    air: bool = False


def parser(kind: Kind) -> argparse.ArgumentParser:
    """Return the words that every emulator takes."""
    made = argparse.ArgumentParser(prog=f"labctl emulate {kind.name}", description="an instrument to practise on")
    if kind.cell:
        made.add_argument("--cell", required=True, help="a cell file with a `model`, or the name of a model")
        made.add_argument("--soc", type=float, default=None, help="state of charge to begin with, 0 to 1")
        made.add_argument("--seed", type=int, default=0)
    if kind.air:
        made.add_argument("--chamber", choices=sorted(CHAMBERS), help="put the cell into an emulated chamber")
        made.add_argument("--chamber-port", type=int, default=0, help="TCP port of the chamber; a free one without")
    if not kind.serial:
        made.add_argument("--port", type=int, default=kind.port, help="TCP port on loopback; 0 takes a free one")
    made.add_argument("--speed", type=float, default=1.0, help="how many times faster than the wall its time runs")
    made.add_argument("--fault", default="", help="faults of the line, as in silence=2,pieces")
    return made


def run(kind: Kind, words: argparse.ArgumentParser, argv: Sequence[str], make: Maker) -> int:
    """Serve until a signal ends the process; the first line of the output says where. Return the exit code."""
    given = words.parse_args(list(argv))
    faults = Switchboard()
    try:
        if kind.cell:
            given.cell, given.model = cell_of(given.cell)
            given.state = given.cell.initial(given.soc, given.seed)
        chamber = _chamber(given)
        faults.set(given.fault)
        device = make(given)
    except (KeyError, ValueError, OSError) as error:
        sys.stderr.write(f"labctl emulate {kind.name}: {error}\n")
        return 1
    begin = time.monotonic()

    def clock() -> float:
        return (time.monotonic() - begin) * float(given.speed)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(kind, given, device, clock, faults, chamber))
    return 0


def _chamber(given: argparse.Namespace) -> Device | None:
    """Return the chamber that was asked for, whose air is then `given.air`."""
    given.air = None
    if not getattr(given, "chamber", None):
        return None
    module = importlib.import_module(f"{__package__}.{given.chamber}")
    device: Any = getattr(module, CHAMBERS[given.chamber])()
    given.air = device.air
    return cast("Device", device)


async def serve(
    kind: Kind,
    given: argparse.Namespace,
    device: Device,
    clock: Callable[[], float],
    faults: Switchboard,
    chamber: Device | None = None,
) -> None:
    """Serve a device, and the chamber about its cell, until the process is asked to end."""
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows: an interrupt ends the loop
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    line: Server | SerialPort
    if kind.serial:
        line = SerialPort(device, clock, faults)
        where = await line.start()
    else:
        line = Server(device, clock, faults, only=kind.only)
        where = f"127.0.0.1:{await line.start(given.port)}"
    oven = None if chamber is None else Server(chamber, clock)
    if oven is not None:
        sys.stdout.write(f"{given.chamber} on 127.0.0.1:{await oven.start(given.chamber_port)}\n")
    sys.stdout.write(f"{kind.name} on {where}\n")
    sys.stdout.flush()
    try:
        while not stop.is_set():
            await talked(line, device, clock)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PUMP):
                    await stop.wait()
    finally:
        await line.stop()
        if oven is not None:
            await oven.stop()


async def talked(line: Server | SerialPort, device: Device, clock: Callable[[], float]) -> None:
    """Pass on what an instrument on a serial line says by itself."""
    if isinstance(line, SerialPort) and isinstance(device, Talkative) and (output := device.poll(clock())):
        line.push(output)

"""Driver `practice`: cells in a process of their own (`labctl emulate cell`), a puppet on a TCP line of JSON."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labctl import driver
from labctl.driver import (
    Capabilities,
    Fault,
    Identity,
    Mode,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    Readings,
    Status,
)
from labctl.driver.option_range import Port, Positive
from labctl.errors import SettingRefused, Unreachable, WireError
from labctl.sample import Snapshot

LARGEST = 1 << 20  # bytes of a reply
MOST_CURRENT = 1e4  # A


class Practice:
    """One connection to practice cells. After a timeout or a broken line `open` starts afresh."""

    def __init__(self, *, port: Port, host: str = "127.0.0.1", timeout: Positive = 2.0) -> None:
        """Take the address, and how many seconds a reply may take."""
        self.host, self.port, self.timeout = host, int(port), float(timeout)
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._number = 0

    async def open(self) -> Identity:
        """Connect and ask who answers."""
        await self.close()
        try:
            async with asyncio.timeout(self.timeout):
                self._line = await asyncio.open_connection(self.host, self.port, limit=LARGEST)
        except (OSError, TimeoutError) as error:
            raise Unreachable(
                f"no practice cell answers at {self.host}:{self.port}: {str(error) or 'no answer'}"
            ) from error
        answer = await self._ask("identify")
        return Identity(str(answer.get("make")), str(answer.get("model")), str(answer.get("serial")))

    async def close(self) -> None:
        """Disconnect."""
        if self._line is not None:
            _, writer = self._line
            self._line = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a practice cell can do: hold one set-point inside voltage limits."""
        del channel
        return Capabilities(
            modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad"}),
            limits=frozenset({"voltage"}),
            measures=frozenset({"voltage", "current", "temperature"}),
            current=(-MOST_CURRENT, MOST_CURRENT),
            current_accuracy=1e-9,
            poll_at_most=0.01,
        )

    async def status(self, channel: str) -> Status:
        """Return what a channel is doing; a set-point carries the attempt that it was given for."""
        answer = await self._ask("status", channel=channel)
        if answer.get("mode") == "off":
            return Status("idle", text=str(answer.get("tripped") or ""))
        return Status("running", attempt=int(answer.get("tag") or 0), step=0)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Hold the set-point of a program's only step, and return what the cell says that it holds."""
        step = program.steps[0]
        if len(program.steps) != 1 or not isinstance(step, ProgramStep):
            raise SettingRefused(f"a practice cell holds one step, found {len(program.steps)}", safe=True)
        wanted = _set_point(step.mode)
        limits = step.bounds.voltage if wanted["mode"] != "rest" else None
        if wanted["mode"] != "rest" and limits is None:
            raise SettingRefused(f"channel {channel}: a practice cell is not energised without a voltage limit")
        if isinstance(step.mode, driver.Galvanostatic) and abs(step.mode.current) > MOST_CURRENT:
            raise SettingRefused(f"channel {channel}: wanted {step.mode.current:g} A, it gives {MOST_CURRENT:g} A")
        answer = await self._ask("set", channel=channel, limits=limits, tag=program.attempt, **wanted)
        if answer.get("mode") != wanted["mode"] or answer.get("value") != wanted.get("value", 0.0):
            raise SettingRefused(f"channel {channel}: wanted {wanted}, read back {answer}")
        return ReadBack({"value": float(answer["value"]), "voltage": float(answer["voltage"])})

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the instant of all channels."""
        answer = await self._ask("read", channels=list(channels))
        try:
            columns = [
                np.array(answer[name], dtype=np.float64) for name in ("voltage", "current", "time", "temperature")
            ]
            voltage, current, time, celsius = columns
            faults: dict[str, Sequence[Reading]] = {
                str(name): (Fault(str(words), safe=True),) for name, words in answer["tripped"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WireError(f"wanted readings of {', '.join(channels)}, found {answer}") from error
        if any(len(column) != len(channels) for column in columns):
            raise WireError(f"wanted readings of {len(channels)} channels, found {[len(column) for column in columns]}")
        return Readings(Snapshot(tuple(channels), voltage, current, time, celsius, stamp=time), faults)

    async def output_off(self, channel: str) -> None:
        """Leave a channel at open circuit."""
        await self._ask("off", channel=channel)

    async def _ask(self, verb: str, **values: object) -> Mapping[str, Any]:
        """Ask and return the answer to just this question; a line that fails is closed."""
        if self._line is None:
            raise Unreachable(f"the line to {self.host}:{self.port} is closed")
        self._number += 1
        reader, writer = self._line
        try:
            async with asyncio.timeout(self.timeout):
                writer.write(json.dumps({"id": self._number, "verb": verb, **values}).encode() + b"\n")
                await writer.drain()
                answer = await reader.readline()
                while _number(answer) in range(self._number):  # said before, and too late
                    answer = await reader.readline()
        except (OSError, TimeoutError, asyncio.CancelledError, ValueError) as error:
            writer.transport.abort()
            self._line = None
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Unreachable(f"{self.host}:{self.port} did not answer {verb}: {str(error) or 'no answer'}") from error
        return self._checked(verb, answer)

    def _checked(self, verb: str, answer: bytes) -> Mapping[str, Any]:
        try:
            tree = json.loads(answer)
            number = tree["id"]
        except (ValueError, KeyError, TypeError) as error:
            self._break()
            raise WireError(f"{self.host}:{self.port}: wanted an answer to {verb}, found {answer[:80]!r}") from error
        if number != self._number:
            self._break()
            raise WireError(f"{self.host}:{self.port}: wanted answer {self._number}, found {number}")
        if not tree.get("ok"):
            raise SettingRefused(f"{self.host}:{self.port} refused {verb}: {tree.get('error')}", safe=True)
        return dict(tree)

    def _break(self) -> None:
        if self._line is not None:
            self._line[1].transport.abort()
            self._line = None


def _number(answer: bytes) -> int | None:
    """Return the number of the question that an answer is to, None where it names none."""
    try:
        number = json.loads(answer)["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None


def _set_point(mode: Mode) -> dict[str, Any]:
    match mode:
        case driver.Rest():
            return {"mode": "rest"}
        case driver.Galvanostatic(current):
            return {"mode": "current", "value": current}
        case driver.Potentiostatic(voltage, most):
            return {"mode": "voltage", "value": voltage, "most": most}
        case driver.ConstantPower(power):
            return {"mode": "power", "value": power}
        case driver.ConstantLoad(resistance):
            return {"mode": "load", "value": resistance}
        case _:
            raise SettingRefused(f"a practice cell cannot run {type(mode).__name__}", safe=True)

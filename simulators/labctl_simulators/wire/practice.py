"""A practice instrument: cells in a process of their own that outlive the daemon, on a TCP line of JSON.

It is a *puppet*: one set-point a channel, no ends, no record; what is read is the instant of the question. It keeps a ledger
of what really happened (true charge, time with the output on, set-points received), against which a rig can hold the
journal of a daemon that was killed.

    -> {"id": 1, "verb": "set", "channel": "1", "mode": "current", "value": 0.001, "limits": [2.5, 4.3], "tag": 12}
    <- {"id": 1, "ok": true, "mode": "current", "value": 0.001, "time": 0.0}
"""

import argparse
import asyncio
import contextlib
import json
import math
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labctl_simulators.cell import (
    AtOpenCircuit,
    CellModel,
    CellState,
    Current,
    Drive,
    Load,
    Power,
    Segment,
    Stop,
    Voltage,
)
from labctl_simulators.models import load_model
from labctl_simulators.wire.fault import Switchboard
from labctl_simulators.wire.line import Server

LONGEST = 3.2e7  # s, a year: how far a set-point is solved ahead
LARGEST = 65536  # bytes of a request
ZERO_CELSIUS = 273.15


@dataclass(slots=True)
class ChannelLedger:
    """What really happened on a channel, SI: kept by the cell, told to nobody but who asks for it."""

    charging: float = 0.0
    discharging: float = 0.0
    on_seconds: float = 0.0
    set_points: list[tuple[float, str, float, int]] = field(default_factory=list)


class PracticeChannel:
    """One cell and its set-point. Times are those of the process's clock, s."""

    def __init__(self, cell: CellModel, state: CellState, now: float) -> None:
        """Leave a cell at open circuit."""
        self.cell = cell
        self.ledger = ChannelLedger()
        self.tripped = ""
        self.mode, self.value, self.tag = "off", 0.0, 0
        self._drive(state, AtOpenCircuit(), (), now)

    def set(self, now: float, request: Mapping[str, Any]) -> None:
        """Hold a set-point from now on, within voltage limits.

        Raises:
            ValueError: No such mode, or a value that is not finite.
        """
        mode, value = str(request.get("mode")), float(request.get("value") or 0.0)
        drive = _drive(mode, value, request.get("most"))
        low, high = request.get("limits") or (-math.inf, math.inf)
        stops = [Stop("voltage", above=True, value=float(high), number=1)] if math.isfinite(float(high)) else []
        stops += [Stop("voltage", above=False, value=float(low), number=2)] if math.isfinite(float(low)) else []
        state = self._settle(now)
        self.mode, self.value, self.tag, self.tripped = mode, value, int(request.get("tag") or 0), ""
        self.ledger.set_points.append((now, mode, value, self.tag))
        self._drive(state, drive, [] if mode == "rest" else stops, now)

    def off(self, now: float) -> None:
        """Go to open circuit."""
        state = self._settle(now)
        if self.mode != "off":
            self.ledger.set_points.append((now, "off", 0.0, self.tag))
        self.mode, self.value = "off", 0.0
        self._drive(state, AtOpenCircuit(), (), now)

    def read(self, now: float) -> tuple[float, float, float, float]:
        """Return seconds since the set-point, V, A and K."""
        self._watch(now)
        passed = min(now - self._begun, self._solved.end)
        rows = self._solved.rows(np.array([passed]))
        return now - self._begun, float(rows.voltage[0]), float(rows.current[0]), float(rows.temperature[0])

    def totals(self, now: float) -> dict[str, Any]:
        """Return the ledger as of now, as JSON values."""
        self._watch(now)
        rows = self._solved.rows(np.array([min(now - self._begun, self._solved.end)]))
        on = now - self._begun if self.mode not in {"off", "rest"} else 0.0
        return {
            "charging": self.ledger.charging + float(rows.charging[0]),
            "discharging": self.ledger.discharging + float(rows.discharging[0]),
            "on_seconds": self.ledger.on_seconds + on,
            "set_points": self.ledger.set_points,
        }

    def _drive(self, state: CellState, drive: Drive, stops: Sequence[Stop], now: float) -> None:
        self._begun = now
        self._solved: Segment = self.cell.segment(state, drive, LONGEST, list(stops))

    def _watch(self, now: float) -> None:
        """Go to open circuit where a limit was met, at the moment at which it was."""
        end = self._begun + self._solved.end
        if now <= end or self.mode == "off" or (self._solved.stop is None and self._solved.collapse is None):
            return
        words = self._solved.collapse or "the voltage limit was met"
        self.off(end)
        self.tripped = words

    def _settle(self, now: float) -> CellState:
        """Close the books of the set-point that ends now and return the cell."""
        self._watch(now)
        passed = min(max(0.0, now - self._begun), self._solved.end)
        rows = self._solved.rows(np.array([passed]))
        self.ledger.charging += float(rows.charging[0])
        self.ledger.discharging += float(rows.discharging[0])
        self.ledger.on_seconds += passed if self.mode not in {"off", "rest"} else 0.0
        return self._solved.state(passed)


class EmulatedPractice:
    """The instrument: channels named 1, 2, ..., and a lease after which it goes safe when nobody speaks."""

    def __init__(self, cells: Sequence[tuple[CellModel, CellState]], now: float, lease: float | None = None) -> None:
        """Put one cell on each channel."""
        self.channels = {
            str(number): PracticeChannel(cell, state, now) for number, (cell, state) in enumerate(cells, 1)
        }
        self.lease = lease
        self._heard = now
        self._pending = b""

    def greeting(self) -> bytes:
        """Say nothing."""
        self._pending = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole line."""
        if self.lease is not None and now - self._heard > self.lease:
            for channel in self.channels.values():
                channel.off(self._heard + self.lease)
        self._heard = now
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > LARGEST:
            self._pending = b""
        return [self._answer(line, now) for line in lines if line.strip()]

    def _answer(self, line: bytes, now: float) -> bytes:
        number: object = None
        try:
            request = json.loads(line)
            number = request.get("id")
            answer = self._obey(str(request.get("verb")), request, now)
            reply = {"id": number, "ok": True, **answer}
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            reply = {"id": number, "ok": False, "error": str(error)}
        return json.dumps(reply).encode() + b"\n"

    def _obey(self, verb: str, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        match verb:
            case "identify":
                return {"make": "labctl", "model": "practice", "serial": "practice-1", "channels": list(self.channels)}
            case "read":
                return self._read([str(name) for name in request["channels"]], now)
            case "ledger":
                return {"now": now, "channels": {name: item.totals(now) for name, item in self.channels.items()}}
            case "set" | "off" | "status":
                return self._one(verb, self._channel(str(request["channel"])), request, now)
            case _:
                raise ValueError(f"wanted identify, set, off, read, status or ledger, found {verb!r}")

    def _one(self, verb: str, channel: PracticeChannel, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        if verb == "set":
            channel.set(now, request)
        elif verb == "off":
            channel.off(now)
        time, voltage, current, _ = channel.read(now)
        return {
            "mode": channel.mode, "value": channel.value, "tag": channel.tag, "tripped": channel.tripped,
            "time": time, "voltage": voltage, "current": current,
        }  # fmt: skip

    def _read(self, names: Sequence[str], now: float) -> dict[str, Any]:
        rows = [self._channel(name).read(now) for name in names]
        return {
            "time": [row[0] for row in rows],
            "voltage": [row[1] for row in rows],
            "current": [row[2] for row in rows],
            "temperature": [row[3] - ZERO_CELSIUS for row in rows],
            "tripped": {name: self.channels[name].tripped for name in names if self.channels[name].tripped},
        }

    def _channel(self, name: str) -> PracticeChannel:
        if name not in self.channels:
            raise ValueError(f"wanted a channel of {', '.join(self.channels)}, found {name!r}")
        return self.channels[name]


def _drive(mode: str, value: float, most: object) -> Drive:
    if not math.isfinite(value):
        raise ValueError(f"wanted a finite set-point, found {value}")
    match mode:
        case "rest":
            return AtOpenCircuit()
        case "current":
            return Current(value)
        case "voltage":
            return Voltage(value, None if most is None else float(str(most)))
        case "power":
            return Power(value)
        case "load":
            return Load(value)
        case _:
            raise ValueError(f"wanted rest, current, voltage, power or load, found {mode!r}")


# --- the program ------------------------------------------------------------------------------------------------------

AREA = {"m2": 1.0, "cm2": 1e-4, "mm2": 1e-6}
MASS = {"kg": 1.0, "g": 1e-3, "mg": 1e-6, "ug": 1e-9, "µg": 1e-9}


def cell_of(text: str) -> tuple[CellModel, str]:
    """Return the cell that a cell file stands for, or of a model named in its place.

    Raises:
        ValueError: The file names no model, or there is none of that name.
    """
    if not text.endswith((".yaml", ".yml")):
        return load_model(text), text
    lines = Path(text).read_text(encoding="utf-8")
    named = re.search(r"^model:\s*([\w.-]+)", lines, re.MULTILINE)
    if named is None:
        raise ValueError(f"{text}: wanted a line `model: NAME`, found none")
    return load_model(named[1], area=_quantity(lines, "area", AREA), mass=_quantity(lines, "active_mass", MASS)), named[
        1
    ]


def _quantity(lines: str, key: str, units: Mapping[str, float]) -> float | None:
    match = re.search(rf"^{key}:\s*([\d.eE+-]+)\s*(\S+)", lines, re.MULTILINE)
    return None if match is None or match[2] not in units else float(match[1]) * units[match[2]]


def parser() -> argparse.ArgumentParser:
    """Return the words of `labctl emulate cell`."""
    made = argparse.ArgumentParser(
        prog="labctl emulate cell", description="cells in a process of their own, to practise on"
    )
    made.add_argument("--cell", required=True, help="a cell file with a `model`, or the name of a model")
    made.add_argument("--port", type=int, default=0, help="TCP port on loopback; 0 takes a free one and says which")
    made.add_argument("--channels", type=int, default=1, help="cells behind the port")
    made.add_argument("--speed", type=float, default=1.0, help="how many times faster than the wall their time runs")
    made.add_argument("--soc", type=float, default=None, help="state of charge to begin with, 0 to 1")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument(
        "--lease", type=float, default=None, help="seconds of its time after which it goes safe by itself"
    )
    made.add_argument("--fault", default="", help="faults of the line, as in silence=2,pieces")
    return made


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process; the first line of the output says where."""
    given = parser().parse_args(list(argv))
    try:
        cell, name = cell_of(given.cell)
        cells = [(cell, cell.initial(given.soc, given.seed + number)) for number in range(given.channels)]
    except (KeyError, ValueError, OSError) as error:
        sys.stderr.write(f"labctl emulate cell: {error}\n")
        return 1
    begin = time.monotonic()

    def clock() -> float:
        return (time.monotonic() - begin) * float(given.speed)

    faults = Switchboard()
    faults.set(given.fault)
    server = Server(EmulatedPractice(cells, 0.0, given.lease), clock, faults)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, given.port, lambda port: _say(f"{name} on 127.0.0.1:{port}")))
    return 0


async def _serve(server: Server, port: int, say: Callable[[int], None]) -> None:
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows: an interrupt ends the loop
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    say(await server.start(port))
    try:
        await stop.wait()
    finally:
        await server.stop()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

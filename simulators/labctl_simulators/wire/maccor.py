"""An emulated Maccor tester as MacNet shows it: JSON-RPC on a TCP port, a simulated cell behind each channel.

Direct mode is emulated, procedures only as far as somebody else's may run. The end of a request is found by balance, since clients
send no terminator. Facts: MacNet help as quoted by public clients.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from labctl_simulators.wire.clamped_cell import ClampedCell
from labctl_simulators.wire.program import Kind, parser, run
from labctl_simulators.wire.terminal import Terminal

KIND = Kind("maccor", port=57570)
LONGEST = 1 << 16  # bytes of a request
EPOCH = datetime(2026, 1, 5, 8)  # noqa: DTZ001 - the wall clock of the tester's PC
PACE = 0.1  # s
RANGES = (150e-6, 5e-3, 0.15, 5.0)  # A
MOST_VOLTAGE = 5.0
MOST_POWER = MOST_VOLTAGE * RANGES[-1]
AVAILABLE, ACTIVE, SUSPENDED, COMPLETED, PROBLEM = 0, 2, 3, 4, 5
IDLE, CHARGE, DISCHARGE, REST, SUSPEND, TROUBLE = 0, 1, 2, 4, 30, 29  # RF1
NORMAL, OPERATOR, UNSAFE_VOLTAGE = 193, 192, 197  # RF2
NOT_ACTIVE, TOO_FAST = "Channel not active", "Command sent too fast"  # results that are not OK: JSON has them as words
NOT_DIRECT, IN_USE = "Direct mode not active", "Channel in use"


@dataclass(slots=True)
class Safety:
    """What a channel's safety trips at."""

    high: float = 10.0
    low: float = -10.0


class MaccorChannel:
    """One channel and its cell. Times are those of the emulator's clock, s."""

    def __init__(self, terminal: Terminal, watchdog: float | None = None) -> None:
        """Leave it available; `watchdog` is MacNetDirectModeWD, None for none."""
        self.terminal = terminal
        self.cell = ClampedCell(terminal)
        self.watchdog = watchdog
        self.safety = Safety()
        self.stat, self.rf1, self.rf2 = AVAILABLE, IDLE, 0
        self.direct = False
        self.heard = self.begun = self.now = 0.0
        self.stood = 0.0  # test time of a test that is over

    def start(self, now: float, *, direct: bool) -> str:
        """Begin a test and return the result."""
        if self.stat != AVAILABLE:
            return IN_USE
        self.stat, self.direct, self.begun, self.heard, self.now = ACTIVE, direct, now, now, now
        self.rf1, self.rf2 = REST, 0
        return "OK"

    def output(self, values: Mapping[str, Any], now: float) -> str:
        """Take a set-point and return the result."""
        if self.stat != ACTIVE:
            return NOT_ACTIVE
        if not self.direct:
            return NOT_DIRECT
        self.heard = now
        mode, voltage, power = str(values["ChMode"]), float(values["Voltage"]), float(values["Power"])
        sign = 1.0 if mode == "C" else -1.0
        self.rf1 = {"C": CHARGE, "D": DISCHARGE}.get(mode, REST)
        if mode == "R":
            self.cell.rest(now)
        elif power < MOST_POWER:
            self.cell.give_power(sign * power, voltage, now)
        else:
            most = min(float(values["Current"]), RANGES[int(values["CurrentRange"]) - 1])
            self.cell.give(sign * most, voltage, now)
        return "OK"

    def end(self, stat: int, rf1: int, rf2: int, now: float) -> None:
        """Come to open circuit in another state."""
        self.stood = now - self.begun
        self.cell.rest(now)
        self.stat, self.rf1, self.rf2, self.direct = stat, rf1, rf2, False

    def reset(self) -> None:
        """Become available, whatever ran."""
        self.end(AVAILABLE, IDLE, OPERATOR if self.stat == ACTIVE else self.rf2, self.now)
        self.stood = 0.0

    def advance(self, now: float) -> None:
        """Let the cell live until `now`, within what the tester watches."""
        if self.stat == ACTIVE and self.direct and self.watchdog is not None and now >= self.heard + self.watchdog:
            self._watch(max(self.heard + self.watchdog, self.now))
        self._watch(now)

    def _watch(self, now: float) -> None:
        self.now = max(now, self.now)
        self.cell.advance(self.now)
        if self.stat != ACTIVE:
            return
        voltage, _ = self.cell.read(self.now)
        if not self.safety.low <= voltage <= self.safety.high:
            self.end(PROBLEM, TROUBLE, UNSAFE_VOLTAGE, self.now)
        elif self.direct and self.watchdog is not None and self.now >= self.heard + self.watchdog:
            self.end(SUSPENDED, SUSPEND, OPERATOR, self.now)

    def told(self, now: float) -> dict[str, Any]:
        """Return the values of a status, the current without a sign."""
        voltage, current, _ = self.terminal.read(now)
        ledger = self.terminal.ledger
        time = now - self.begun if self.stat == ACTIVE else self.stood
        return {
            "RF1": self.rf1, "RF2": self.rf2, "Stat": self.stat, "LastRecNum": 0, "Cycle": 0, "Step": 1,
            "TestTime": round(time, 2), "StepTime": round(time, 2),
            "Capacity": round((ledger.charging + ledger.discharging) / 3600.0, 9), "Energy": 0.0,
            "Current": float(f"{abs(current):.7g}"), "Voltage": float(f"{voltage:.7g}"),
            "TesterTime": (EPOCH + timedelta(seconds=int(now))).isoformat(),
        }  # fmt: skip


class EmulatedMaccor:
    """The tester: MacNet's JSON port."""

    def __init__(self, channels: Sequence[MaccorChannel], wall: Callable[[], float] | None = None) -> None:
        """Take the channels; `wall` is the clock by which set-points may come too fast, None where none can."""
        self.channels = list(channels)
        self.wall = wall
        self.now = 0.0
        self._buffer = b""
        self._paced: dict[int, float] = {}

    def greeting(self) -> bytes:
        """Say nothing."""
        self._buffer = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole request."""
        self.now = now
        self._buffer += data
        replies = []
        while (end := balanced(self._buffer)) > 0:
            request, self._buffer = self._buffer[:end], self._buffer[end:].lstrip()
            replies.append(json.dumps(self.answer(request), indent=4).encode() + b"\r\n")
        if len(self._buffer) > LONGEST:
            self._buffer = b""
        return replies

    def answer(self, raw: bytes) -> dict[str, Any]:
        """Return the reply to a request."""
        number = None
        try:
            request = json.loads(raw)
            number = request.get("id")
            params = request["params"]
            function = (params["FClass"], params["FNum"])
            names = {name: params[name] for name in ("FClass", "FNum", "Chan") if name in params}
            result = {**names, **self.obey(function, params)}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            return {"jsonrpc": "2.0", "error": {"code": -32602, "message": f"invalid params: {error}"}, "id": number}
        return {"jsonrpc": "2.0", "result": result, "id": number}

    def obey(self, function: tuple[int, int], params: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a message asks and return its result."""
        match function:
            case (1, 1):
                parts = {
                    f"MacTest32EXEversion{part}": value for part, value in (("Major", 3), ("Minor", 2), ("Build", 18))
                }
                return {"APIVersion": 1, **parts}
            case (1, 2):
                return {"SystemID": "EMULATED", "SystemType": 0, "ControllerBoards": 1,
                        "TestChannels": len(self.channels), "AuxBoards": 0, "AuxChannels": 0}  # fmt: skip
            case (4, 1):
                rows = [
                    self.channel(number).told(self.now)
                    for number in range(params["Chan"], params["Chan"] + params["Len"])
                ]
                return {
                    "Len": len(rows),
                    "Status": [{name: row[name] for name in ("RF1", "RF2", "Stat")} for row in rows],
                }
            case (4, 7):
                return self.channel(params["Chan"]).told(self.now)
            case (4, 4):
                return {"Len": 1, "AuxValues": [self.channel(params["Chan"]).terminal.read(self.now)[2] - 273.15]}
        return self.order(function, params["Chan"], params)

    def order(self, function: tuple[int, int], number: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """Do what changes a channel and return its result."""
        channel = self.channel(number)
        match function:
            case (6, 2):
                return {"Result": channel.start(self.now, direct=False)}
            case (6, 5):
                channel.reset()
                return {"Result": "OK"}
            case (6, 7):
                if (result := channel.start(self.now, direct=True)) == "OK":
                    channel.output(params, self.now)
                return {"Result": result}
            case (6, 8):
                return {"Result": TOO_FAST if self.too_fast(number) else channel.output(params, self.now)}
            case (6, 9):
                return {"Result": "OK"}
            case (6, 10):
                channel.safety = Safety(float(params["VSafeMax"]), float(params["VSafeMin"]))
                names = ("VSafeMax", "VSafeMin", "ISafeChg", "ISafeDis", "PBatSafeChg", "PBatSafeDis")
                return {name: float(params[name]) for name in names}
        raise ValueError(f"FClass or FNum: {function}")

    def too_fast(self, number: int) -> bool:
        """Tell whether a set-point follows the one before by less than it may."""
        if self.wall is None:
            return False
        before, self._paced[number] = self._paced.get(number, -math.inf), self.wall()
        return self._paced[number] - before < PACE

    def channel(self, number: int) -> MaccorChannel:
        """Return a channel as it is now."""
        if not 0 <= number < len(self.channels):
            raise IndexError(f"Chan {number}")
        channel = self.channels[number]
        channel.advance(self.now)
        return channel


def balanced(data: bytes) -> int:
    """Return where the first JSON object of some bytes ends, 0 where it does not yet."""
    depth, quoted, escaped = 0, False, False
    for at, byte in enumerate(data):
        if quoted:
            if escaped or byte == ord("\\"):
                escaped = not escaped
            elif byte == ord('"'):
                quoted = False
        elif byte == ord('"'):
            quoted = True
        elif byte in b"{[":
            depth += 1
        elif byte in b"}]":
            depth -= 1
            if depth <= 0:
                return at + 1
    return 0


def main(argv: Sequence[str]) -> int:
    """Serve a tester of some channels until a signal ends the process."""
    words = parser(KIND)
    words.add_argument("--channels", type=int, default=8, help="channels of the tester")
    words.add_argument("--watchdog", type=float, default=30.0, help="MacNetDirectModeWD, s of its time")

    def tester(given: Any) -> EmulatedMaccor:
        terminals = [Terminal(given.cell, given.state) for _ in range(given.channels)]
        return EmulatedMaccor([MaccorChannel(each, given.watchdog) for each in terminals], time.monotonic)

    return run(KIND, words, argv, tester)

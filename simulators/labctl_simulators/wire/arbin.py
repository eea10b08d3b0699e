"""An emulated Arbin cycler as MITS Pro's console interface (CTI) shows it, a simulated cell behind each channel.

It has the schedule of the page on Arbin, which takes its set-point from variables, and one of somebody else that only rests.
Facts: CTI protocol 1.1 as a public client has it.
"""

import struct
from collections.abc import Sequence
from typing import Any

from labctl_simulators.wire.clamped_cell import ClampedCell
from labctl_simulators.wire.program import Kind, parser, run
from labctl_simulators.wire.terminal import Terminal

KIND = Kind("arbin", port=9031)
MAGIC = 0x11DDDDDDDDDDDDDD
HEAD = struct.Struct("<QIII")
LOGIN, INFO, ASSIGN, START, STOP, SET = 0xEEAB0001, 0xEEAB0003, 0xBB210001, 0xBB320004, 0xBB310001, 0xBB150001
REPLIES = {
    LOGIN: 0xEEBA0001,
    INFO: 0xEEBA0003,
    ASSIGN: 0xBB120001,
    START: 0xBB230004,
    STOP: 0xBB130001,
    SET: 0xBB510001,
}
VARIABLES = {code: number for number, code in enumerate((52, 53, 54, 55, *range(105, 117)))}
IDLE, CHARGE, DISCHARGE, REST, UNSAFE, FINISHED, RUNNING = 0, 2, 3, 4, 8, 15, 22
SCHEDULE, OTHER = "labctl.sdx", "theirs.sdx"
CURRENT_MODE, POWER_MODE = 1.0, 2.0
NO_CHANNEL, NOT_FOUND, BUSY, RUNS, NO_SCHEDULE, NO_NAME, NOT_RUNNING, NO_VARIABLE = 16, 19, 20, 18, 21, 35, 17, 18


class ArbinChannel:
    """One channel and its cell. Times are those of the emulator's clock, s."""

    def __init__(self, terminal: Terminal) -> None:
        """Leave it idle."""
        self.terminal = terminal
        self.cell = ClampedCell(terminal)
        self.schedule = self.test = self.why = ""
        self.variables = [0.0] * 16
        self.status = IDLE
        self.begun = self.now = self.stood = 0.0

    @property
    def running(self) -> bool:
        """Whether a schedule runs."""
        return self.status not in {IDLE, UNSAFE, FINISHED}

    def assign(self, schedule: str, variables: Sequence[float]) -> int:
        """Take a schedule and return the result."""
        if schedule not in {SCHEDULE, OTHER}:
            return NOT_FOUND
        if self.running:
            return BUSY
        self.schedule, self.variables = schedule, list(variables)
        return 0

    def start(self, test: str, now: float) -> int:
        """Begin the schedule and return the result."""
        if self.running or self.status == UNSAFE:
            return RUNS
        if not self.schedule:
            return NO_SCHEDULE
        if not test:
            return NO_NAME
        self.test, self.begun, self.why = test, now, ""
        self.status = REST if self.schedule == SCHEDULE else RUNNING
        self._drive(now)
        return 0

    def set(self, number: int, value: float, now: float) -> int:
        """Set a variable, from 0, and return the result."""
        if not self.running:
            return NOT_RUNNING
        changed = self.variables[number] != value
        self.variables[number] = value
        if changed and number < 4:
            self._drive(now)
        return 0

    def end(self, status: int, why: str, now: float) -> None:
        """Come to open circuit."""
        self.stood = now - self.begun
        self.cell.rest(now)
        self.status, self.why = status, why

    def advance(self, now: float) -> None:
        """Let the cell live until `now`, and end the schedule where its time has run out."""
        until = self.begun + self.variables[4]
        if self.running and self.schedule == SCHEDULE and now > until:
            self.cell.advance(max(until, self.now))
            self.end(FINISHED, "MV_UD5", max(until, self.now))
        self.now = max(now, self.now)
        self.cell.advance(self.now)

    def _drive(self, now: float) -> None:
        """Do what the variables say."""
        if self.schedule != SCHEDULE:
            return
        mode, current, voltage, power = self.variables[:4]
        if mode == CURRENT_MODE:
            self.cell.give(current, voltage, now)
            self.status = CHARGE if current >= 0 else DISCHARGE
        elif mode == POWER_MODE:
            self.cell.give_power(power, voltage, now)
            self.status = CHARGE if power >= 0 else DISCHARGE
        else:
            self.cell.rest(now)
            self.status = REST

    def told(self, now: float) -> bytes:
        """Return the body of a channel's readings."""
        voltage, current = self.cell.read(now)
        ledger = self.terminal.ledger
        time = now - self.begun if self.running else self.stood
        head = struct.pack("<hB", self.status, 0) + wide(self.schedule, 400) + wide(self.test, 144)
        texts = self.why.encode()[:100].ljust(100, b"\0") + b"\0" * 64 + wide(self.test, 144) + b"\0" * 802
        charged, discharged = ledger.charging / 3600.0, ledger.discharging / 3600.0
        values = struct.pack(
            "<dd12f", time, time, voltage, current, voltage * current, charged, discharged, *(0.0,) * 7
        )
        return head + texts + values + b"\0" * 28


class EmulatedArbin:
    """MITS Pro's console interface."""

    def __init__(self, channels: Sequence[ArbinChannel], user: str = "admin", password: str = "000000") -> None:  # noqa: S107
        """Take the channels, and who may log in."""
        self.channels = list(channels)
        self.login = (user, password)
        self.now = 0.0
        self._buffer = b""

    def greeting(self) -> bytes:
        """Say nothing."""
        self._buffer = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole request; bytes that are none are thrown away."""
        self.now = now
        self._buffer += data
        replies = []
        while len(self._buffer) >= HEAD.size:
            magic, length, command, _ = HEAD.unpack_from(self._buffer)
            if magic != MAGIC or length > 4096:
                self._buffer = b""
                break
            if len(self._buffer) < length + 12:
                break
            packet, self._buffer = self._buffer[: length + 12], self._buffer[length + 12 :]
            if int.from_bytes(packet[-2:], "little") == sum(packet[:-2]) & 0xFFFF and command in REPLIES:
                replies.append(framed(REPLIES[command], self.answer(command, packet)))
        return replies

    def answer(self, command: int, packet: bytes) -> bytes:
        """Return the body of a reply."""
        if command == LOGIN:
            return self._login(packet)
        number = int.from_bytes(packet[168:170] if command == START else packet[20:22], "little")
        if number >= len(self.channels):
            return result(number, NO_CHANNEL)
        channel = self.channels[number]
        channel.advance(self.now)
        match command:
            case 0xEEAB0003:
                return struct.pack("<II", 1, number) + channel.told(self.now)
            case 0xBB210001:
                values = struct.unpack_from("<16f", packet, 573)
                return result(number, channel.assign(narrow(packet[25:425]), values))
            case 0xBB320004:
                return result(number, channel.start(narrow(packet[20:164]), self.now))
            case 0xBB310001:
                if channel.running:
                    channel.end(IDLE, "stopped", self.now)
                return result(number, 0)
        code, _, value = struct.unpack_from("<i16xif", packet, 28)
        if code not in VARIABLES:
            return result(number, NO_VARIABLE)
        return result(number, channel.set(VARIABLES[code], value, self.now))

    def _login(self, packet: bytes) -> bytes:
        given = tuple(part.split(b"\0")[0].decode("utf-8", "replace") for part in (packet[20:52], packet[52:84]))
        body = struct.pack("<I4s", 1 if given == self.login else 2, b"\x7f\0\0\1") + b"EMULATED".ljust(16, b"\0")
        rights = struct.pack("<II", 1, len(self.channels))
        return b"".join((body, b"\0" * (8660 - HEAD.size - len(body)), rights, b"\0" * 8))


def framed(command: int, body: bytes) -> bytes:
    """Return a reply, whose length is that of the whole packet."""
    packet = HEAD.pack(MAGIC, HEAD.size + len(body) + 2, command, 0) + body
    return packet + struct.pack("<H", sum(packet) & 0xFFFF)


def result(number: int, code: int) -> bytes:
    """Return the body of the reply to an order."""
    return struct.pack("<iB101x", number, code)


def wide(text: str, size: int) -> bytes:
    """Return a text of fixed length."""
    return text.encode("utf-16-le")[:size].ljust(size, b"\0")


def narrow(raw: bytes) -> str:
    """Return a text of fixed length as what it says."""
    return raw.decode("utf-16-le", "replace").split("\0")[0]


def main(argv: Sequence[str]) -> int:
    """Serve a cycler of some channels until a signal ends the process."""
    words = parser(KIND)
    words.add_argument("--channels", type=int, default=8, help="channels of the cycler")

    def cycler(given: Any) -> EmulatedArbin:
        return EmulatedArbin([ArbinChannel(Terminal(given.cell, given.state)) for _ in range(given.channels)])

    return run(KIND, words, argv, cycler)

"""A chamber by Modbus, RTU frames or those of Modbus TCP, with the registers of a Binder MK53.

Facts: the map of basil (BSD-3): numbers of 32 bits, the register with the lower bits first.
"""

import argparse
import struct
from collections.abc import Sequence

from labctl_simulators.wire.climate import Air
from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("modbus", port=8000, cell=False)
ACTUAL, WANTED, MANUAL, MODE = 0x11A9, 0x1077, 0x1581, 0x1A22
LED_BY_HAND, LED_BY_BASE = 0x0800, 0x1000
NO_FUNCTION, NO_REGISTER, NO_VALUE = 1, 2, 3
LONGEST = 260  # bytes of a frame


class EmulatedModbus:
    """One chamber, unit 1."""

    def __init__(self, *, tcp: bool = False, low: float = -40.0, high: float = 180.0) -> None:
        """Stand at room temperature; the limits are its own, degC."""
        self.air, self.tcp, self.low, self.high = Air(), tcp, low, high
        self.set_point, self.mode = 23.0, LED_BY_BASE
        self._pending = b""

    def greeting(self) -> bytes:
        """Say nothing."""
        self._pending = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole frame; noise is forgotten."""
        self._pending = (self._pending + data)[-LONGEST:]
        replies = []
        while (size := self._size()) and len(self._pending) >= size:
            frame, self._pending = self._pending[:size], self._pending[size:]
            if self.tcp:
                answer = self.answer(frame[7:], now)
                replies.append(frame[:4] + struct.pack(">HB", len(answer) + 1, frame[6]) + answer)
            elif struct.unpack("<H", frame[-2:])[0] == crc(frame[:-2]) and frame[0] == 1:
                answer = frame[:1] + self.answer(frame[1:-2], now)
                replies.append(answer + struct.pack("<H", crc(answer)))
            else:
                self._pending = b""
        return replies

    def _size(self) -> int:
        """Return the bytes of the frame that begins here, 0 where that cannot be told yet."""
        data = self._pending
        if self.tcp:
            return 6 + int.from_bytes(data[4:6], "big") if len(data) >= 6 else 0
        if len(data) < 7:
            return 0
        return 9 + data[6] if data[1] == 16 else 8

    def answer(self, request: bytes, now: float) -> bytes:
        """Return the reply to a request."""
        function, first, count = struct.unpack_from(">BHH", request)
        if function in {3, 4}:
            return self._told(function, first, count, now)
        if function != 16:
            return bytes((function | 0x80, NO_FUNCTION))
        values = list(struct.unpack_from(f">{count}H", request, 6))
        refused = self._take(first, values, now)
        return bytes((function | 0x80, refused)) if refused else request[:5]

    def _told(self, function: int, first: int, count: int, now: float) -> bytes:
        numbers = {ACTUAL: self.air.advance(now), WANTED: self.set_point, MANUAL: self.set_point}
        if first in numbers and count == 2:
            values = words(round(numbers[first], 2))
        elif first == MODE and count == 1:
            values = [self.mode]
        else:
            return bytes((function | 0x80, NO_REGISTER))
        return struct.pack(f">BB{count}H", function, 2 * count, *values)

    def _take(self, first: int, values: list[int], now: float) -> int:
        """Set registers; return why not, 0 where they are set."""
        if first == MODE and len(values) == 1:
            self.mode = values[0]
        elif first == MANUAL and len(values) == 2:
            celsius = struct.unpack(">f", struct.pack(">HH", values[1], values[0]))[0]
            if not self.low <= celsius <= self.high:
                return NO_VALUE
            self.set_point = celsius
        else:
            return NO_REGISTER
        self.air.go(self.set_point if self.mode == LED_BY_HAND else None, now)
        return 0


def words(value: float) -> list[int]:
    """Return a number of 32 bits as two registers, the lower one first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def crc(data: bytes) -> int:
    """Return the CRC-16 of an RTU frame."""
    left = 0xFFFF
    for byte in data:
        left ^= byte
        for _ in range(8):
            left = left >> 1 ^ (0xA001 * (left & 1))
    return left


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    spoken = parser(KIND)
    spoken.add_argument("--tcp", action="store_true", help="frames of Modbus TCP instead of RTU frames over the socket")

    def chamber(given: argparse.Namespace) -> EmulatedModbus:
        return EmulatedModbus(tcp=given.tcp)

    return run(KIND, spoken, argv, chamber)

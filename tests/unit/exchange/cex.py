"""Writes `.cex` files by the published facts of the format; none of them was ever opened by LandMon."""

import struct
from dataclasses import dataclass, replace

import numpy as np

REST, DISCHARGE, CHARGE = 0x70, 0x02, 0x03
STARTED = 1_784_175_647
RECIPE = ((REST, 0.0, 0x0100, 6, 180.0), (DISCHARGE, 4e-5, 0x0200, 0, 0.8), (CHARGE, 4e-5, 0x0200, 1, 1.8))
ROW = np.dtype([("t", "<u4"), ("v", "<u2"), ("i", "<i2"), ("q", "<f4"), ("e", "<f4")])


@dataclass(frozen=True)
class Test:
    """What a file shall hold: passes of rest, discharge and charge at a constant current, with a row a minute."""

    passes: int = 3
    rows: int = 12
    counts: int = 129  # of current
    started: int = STARTED
    channel: int = 11
    kind: int = 5
    scale: float = 1.0  # of what the tester counts, beside what the rows say
    modes: tuple[int, ...] = (REST, DISCHARGE, CHARGE)
    clock: tuple[int, ...] = ()  # s by which the tester's clock is off, step by step

    def bytes(self) -> bytes:
        data, time = header(self.started, self.channel), 7
        data += struct.pack("<4sB3x4BI", b"\xcc\xcc\xff\xff", 0x33, 1, 2, 0, 0, self.started)
        for at, (number, cycle) in enumerate(self.steps()):
            mode = self.modes[number - 1]
            off = self.clock[at] if at < len(self.clock) else 0
            first = number == 2
            data += struct.pack("<4sIIHH", b"\xcc\xcc\xff\xff", 0x44, first, number | 0x8000, max(cycle - first, 0))
            began = self.started + time // 100 + off
            flag = 0 if number == 1 else 0x81
            data += struct.pack(
                "<4sHHBBBBI", b"\xcd\xcc\xff\xff", 0x22, number | 0x8000, mode, self.kind, flag, 0, began
            )
            data += self.records(number, time).tobytes()
            time += 6000 * (self.rows - 1) + 8
        return data

    def steps(self):
        """Return number and cycle of each step."""
        return [(1, 0), *((number, cycle) for cycle in range(1, self.passes + 1) for number in (2, 3))]

    def records(self, number: int, time: int) -> np.ndarray:
        rows = np.zeros(self.rows, ROW)
        minutes = np.arange(self.rows)
        rows["t"] = time + 6000 * minutes
        rows["v"] = 8000 + (0, -300, 300)[number - 1] * minutes // 2
        rows["i"] = (0, -self.counts, self.counts)[number - 1]
        if number > 1:
            charge = self.counts * 0.31e-6 * minutes / 60.0
            rows["q"] = self.scale * charge
            volts = rows["v"] * 0.155e-3
            rows["e"][1:] = self.scale * np.cumsum(np.diff(charge) * (volts[1:] + volts[:-1]) / 2)
        return rows

    def but(self, **other) -> "Test":
        return replace(self, **other)


def word_sum(data: bytes) -> int:
    return sum(struct.unpack(f"<{len(data) // 2}H", data)) & 0xFFFFFFFF


def block(number: int, data: bytes) -> bytes:
    frame = struct.pack("<HH8x", number, len(data))
    return b"\xaa\xaa\xff\xff" + frame + data + b"\xbb\xbb\xff\xff" + frame


def header(started: int, channel: int) -> bytes:
    """Return all before the first event: file header, information, two blocks of zeros, recipe."""
    head = bytearray(0x40)
    head[:4], head[8], head[9] = b"\x10\x11\x09\x88", channel - 1, 1
    for at in (0x10, 0x30, 0x34):
        struct.pack_into("<I", head, at, started)
    struct.pack_into("<I", head, 0x3C, word_sum(head[:0x3C]))
    info = bytearray(64)
    struct.pack_into("<I", info, 8, started + 10_000)
    struct.pack_into("<I", info, 0x3C, word_sum(info[:0x3C]))
    return bytes(head) + block(0xAA, info) + block(0x55, bytes(16)) + block(0x78, bytes(384)) + block(0x13, recipe())


def recipe() -> bytes:
    body = bytearray(512)
    entries = [(0x02, 96 + 56 * at) for at in range(len(RECIPE))] + [(0x0C, 400), (0x13, 440), (0xFD, 0)]
    for at, (kind, offset) in enumerate(entries):
        struct.pack_into("<HBB", body, 8 * at, offset, kind, 0xFF)
    for at, (mode, current, what, side, value) in enumerate(RECIPE):
        struct.pack_into("<If", body, 96 + 56 * at, mode, current)
        struct.pack_into("<HHf", body, 96 + 56 * at + 40, what, side, value)
    head = bytearray(0x40)
    struct.pack_into("<I", head, 0x30, word_sum(body))
    return bytes(head) + bytes(body)

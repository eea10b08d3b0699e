"""A Bio-Logic potentiostat behind EClib: the far end of the shared library that `eclib.c` becomes.

    length u32 | function u8 | arguments          ->
    <-          length u32 | code i32 | what the function fills in

The instrument lives in this process: whoever uses the library may die and come again.
"""

import struct
import sys
import tempfile
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from labctl_simulators.wire.biologic_channel import (
    TECHNIQUES,
    TIMEBASES,
    PotentiostatChannel,
    RowBlock,
    bits,
)
from labctl_simulators.wire.biologic_techniques import LoadedTechnique
from labctl_simulators.wire.eclib import build
from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("biologic", air=True)
MODELS = {"vmp300": (12, True), "vsp300": (20, True), "sp300": (16, True), "vmp3": (5, False), "sp150": (14, False)}
"""Device code, and whether it is of the VMP-300 family."""


class LibraryCall(IntEnum):
    """Functions of the library that reach the instrument, as `eclib.c` numbers them."""

    CONNECT = 1
    TEST = 2
    FIRMWARE = 3
    PLUGGED = 4
    INFOS = 5
    BOARD = 6
    MESSAGE = 7
    LOAD = 8
    START = 9
    STOP = 10
    VALUES = 11
    DATA = 12
    OPTIONS = 13


PARAMETER = struct.Struct("<64siii")
KERNEL, EC_LAB = 5, 1  # firmware of a channel


class EmulatedBioLogic:
    """One instrument with channels from 0."""

    def __init__(self, channels: Sequence[PotentiostatChannel], model: str = "vmp300") -> None:
        """Power up; `model` is one of the keys of `MODELS`."""
        self.cells = list(channels)
        self.code, self.modern = MODELS[model]
        self._pending = b""

    def greeting(self) -> bytes:
        """Say nothing; what was half said on another connection is forgotten."""
        self._pending = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole call."""
        self._pending += data
        replies = []
        while len(self._pending) >= 4:
            (length,) = struct.unpack_from("<I", self._pending)
            if len(self._pending) < 4 + length:
                break
            call, self._pending = self._pending[4 : 4 + length], self._pending[4 + length :]
            code, filled = self._call(call[0], call[1:], now)
            replies.append(struct.pack("<Ii", 4 + len(filled), code) + filled)
        return replies

    def _call(self, function: int, arguments: bytes, now: float) -> tuple[int, bytes]:
        match function:
            case LibraryCall.CONNECT:
                return 0, struct.pack("<11i", self.code, 1 << 20, 1, len(self.cells), 16, 1134, 2024, 5, 6, 0, 1)
            case LibraryCall.TEST:
                return 0, b""
            case LibraryCall.PLUGGED:
                return 0, bytes(int(place < len(self.cells)) for place in range(arguments[0]))
            case LibraryCall.FIRMWARE:
                return 0, self._loaded(arguments)
        place = arguments[0]
        if place >= len(self.cells):
            return -3, b""
        return self._of_channel(function, self.cells[place], arguments, now)

    def _loaded(self, selected: bytes) -> bytes:
        """Put the library's firmware into the channels of which the flag is set; return a code for each flag."""
        codes = [0] * len(selected)
        for place in (place for place, chosen in enumerate(selected) if chosen):
            if place < len(self.cells):
                self.cells[place].firmware = KERNEL
            else:
                codes[place] = -3
        return struct.pack(f"<{len(codes)}i", *codes)

    def _of_channel(  # noqa: C901 - a table
        self, function: int, channel: PotentiostatChannel, arguments: bytes, now: float
    ) -> tuple[int, bytes]:
        channel.advance(now)
        if channel.firmware != KERNEL and function not in {LibraryCall.INFOS, LibraryCall.BOARD, LibraryCall.MESSAGE}:
            return -9 if channel.firmware == EC_LAB else -308, b""
        match function:
            case LibraryCall.INFOS:
                return 0, self._infos(channel, arguments[0])
            case LibraryCall.BOARD:
                return 0, struct.pack("<I", 2 if self.modern else 1)
            case LibraryCall.MESSAGE:
                text, channel.message = channel.message.encode(), ""
                return 0, text
            case LibraryCall.LOAD:
                return self._load(channel, arguments), b""
            case LibraryCall.START:
                return channel.start(now), b""
            case LibraryCall.STOP:
                channel.stop(now)
                return 0, b""
            case LibraryCall.VALUES:
                return 0, self._values(channel, now)
            case LibraryCall.DATA:
                return 0, self._data(channel, now)
            case LibraryCall.OPTIONS:
                return 0, struct.pack("<2i", 0, 0)
        return -4, b""

    def _infos(self, channel: PotentiostatChannel, place: int) -> bytes:
        state, filled = int(channel.running), 4 * channel.waiting
        return struct.pack(
            "<19i", place, 1, 1000 + place, channel.firmware, 1134, 395, 0, 0, 0, 1, 0, 0, 4 * channel.memory, filled,
            state, 10, 0, 9 if self.modern else 7, len(channel.techniques),
        )  # fmt: skip

    def _load(self, channel: PotentiostatChannel, arguments: bytes) -> int:
        first, stem = arguments[1], arguments[3]
        name = Path(arguments[4 : 4 + stem].decode("ascii", "replace")).name.lower().removesuffix(".ecc")
        if name.endswith("4") is not self.modern:
            return -401
        values: dict[str, dict[int, float]] = {}
        for raw, kind, value, index in PARAMETER.iter_unpack(arguments[4 + stem :]):
            number = struct.unpack("<f", struct.pack("<i", value))[0] if kind == 2 else value
            values.setdefault(raw.rstrip(b"\0").decode("ascii", "replace"), {})[index] = number
        return channel.load(LoadedTechnique(name.removesuffix("4"), values), first=bool(first))

    def _values(self, channel: PotentiostatChannel, now: float) -> bytes:
        voltage, current = channel.read(now)
        elapsed = now - channel.started if channel.techniques else 0.0
        technique = channel.blocks[0].technique if channel.blocks else 0
        base = TIMEBASES[channel.techniques[technique].name][self.modern] if channel.techniques else 0.0
        return struct.pack(
            "<iifffffffifiifffiii",
            int(channel.running), 4 * channel.waiting, base, voltage, -10.0, 10.0, 0.0, -10.0, 10.0, 0, current, 9, 0,
            elapsed, 0.0, 0.0, 0, 0, 0,
        )  # fmt: skip

    def _data(self, channel: PotentiostatChannel, now: float) -> bytes:
        block = channel.take() or RowBlock(0, 0, 0.0, 0, bits([]))
        rows = len(block.words) // block.columns if block.columns else 0
        identity = TECHNIQUES[channel.techniques[block.technique].name] if channel.techniques else 0
        infos = struct.pack(
            "<7idi", channel.skipped, rows, block.columns, block.technique, identity, block.process, 0, block.begin, 0
        )
        channel.skipped = 0
        values = bytearray(self._values(channel, now))
        if channel.techniques:
            base = TIMEBASES[channel.techniques[block.technique].name][self.modern]
            values[8:12] = struct.pack("<f", base)
        return infos + bytes(values) + block.words.tobytes()


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process; the first line of the output says where, and where the library is."""
    words = parser(KIND)
    words.add_argument("--kind", choices=sorted(MODELS), default="vmp300", help="which instrument")
    words.add_argument("--channels", type=int, default=1, help="channels with a cell each")
    words.add_argument("--library", default="", help="folder for the library; the temporary folder without")
    given = words.parse_args(list(argv))
    try:
        library = build(Path(given.library or tempfile.gettempdir()))
    except OSError as error:
        sys.stderr.write(f"labctl emulate biologic: {error}\n")
        return 1
    sys.stdout.write(f"library: {library}\n")
    return run(
        KIND,
        words,
        argv,
        lambda given: EmulatedBioLogic(
            [
                PotentiostatChannel(given.cell, MODELS[given.kind][1], given.state, air=given.air)
                for _ in range(given.channels)
            ],
            given.kind,
        ),
    )

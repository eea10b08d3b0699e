"""Rows that were taken out of a channel's memory, written down before they are given: a daemon that dies in between loses none."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from labctl.errors import InstrumentError
from labctl_drivers.biologic.library import DataBlock

HEAD: Final = struct.Struct("<IIIIddB")  # technique, process, columns, words, start, timebase, flags
SKIPPED, OVERLOAD = 1, 2


@dataclass(frozen=True, slots=True)
class Spool:
    """The file of one channel; it holds what was read of the technique that was started last."""

    path: Path

    def begin(self) -> None:
        """Forget what was before.

        Raises:
            OSError: The folder cannot be written.
        """
        self.path.write_bytes(b"")

    def add(self, block: DataBlock) -> None:
        """Add rows; the system has them when this returns, so that they outlive this process.

        Raises:
            InstrumentError: They cannot be written; they are out of the channel's memory and nowhere else.
        """
        flags = SKIPPED * block.skipped | OVERLOAD * block.overload
        head = HEAD.pack(
            block.technique, block.process, block.columns, len(block.words), block.start, block.timebase, flags
        )
        try:
            with self.path.open("ab") as file:
                file.write(head + block.words.tobytes())
        except OSError as error:
            raise InstrumentError(f"{self.path}: wanted to write down rows, found {error}") from error

    def blocks(self) -> Iterator[DataBlock]:
        """Give what was added, in order; a block that was cut short is the last one, and is left out."""
        data = self.path.read_bytes() if self.path.exists() else b""
        at = 0
        while at + HEAD.size <= len(data):
            technique, process, columns, count, start, timebase, flags = HEAD.unpack_from(data, at)
            at += HEAD.size
            if at + 4 * count > len(data):
                return
            words = np.frombuffer(data, dtype=np.uint32, count=count, offset=at).copy()
            at += 4 * count
            yield DataBlock(
                technique, process, columns, start, timebase, words, bool(flags & SKIPPED), bool(flags & OVERLOAD)
            )

    def last_time(self) -> float:
        """Return the time of the last row, s after the channel began; 0 before one."""
        last = 0.0
        for block in self.blocks():
            if block.process == 0 and len(block.words):
                high, low = (int(word) for word in block.words.reshape(-1, block.columns)[-1, :2])
                last = block.start + block.timebase * ((high << 32) + low)
        return last

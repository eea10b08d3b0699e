"""What a process asked of the disk, recorded by a preloaded shim (`shim.c`), and the disks that a power cut may leave of it."""

import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTOR = 512

# --- the record -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One request: its kind as `shim.c` has it, of which file, where, and the bytes written."""

    kind: str
    name: str
    offset: int
    data: bytes = b""


def operations(record: Path) -> list[Operation]:
    """Read a record."""
    text, at, found = record.read_bytes(), 0, []
    while at < len(text):
        kind, length, offset, size = struct.unpack_from("=cBqq", text, at)
        at += 18
        name = text[at : at + length].decode()
        at += length
        written = size if kind == b"W" else 0
        found.append(Operation(kind.decode(), name, offset, text[at : at + written]))
        at += written
    return found


def build(folder: Path) -> Path:
    """Build the shim."""
    shim = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return shim


def recorded(folder: Path, words: Sequence[object]) -> list[Operation]:
    """Let a Python process with these arguments work under the shim, and return all that it asked of the disk."""
    record = folder / "record"
    environment = {**os.environ, "LD_PRELOAD": str(build(folder)), "LABCTL_SHIM_LOG": str(record)}
    subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, env=environment, check=True)
    return operations(record)


# --- the disk ---------------------------------------------------------------------------------------------------------


@dataclass
class Disk:
    """What is on the platter for sure, and what the system still holds, in order."""

    safe: dict[str, bytearray] = field(default_factory=dict)
    loose: list[Operation] = field(default_factory=list)
    syncs: int = 0
    drawn: object = None  # what makes the disk that was given last the one that it is

    def take(self, operation: Operation) -> None:
        """Let an operation happen; a sync makes its file's writes durable, and the names and lengths of all."""
        if operation.kind not in {"S", "D"}:
            self.loose.append(operation)
            return
        kept, self.syncs = [], self.syncs + 1
        for each in self.loose:
            if each.kind == "W" and each.name != operation.name:
                kept.append(each)
            else:
                happen(self.safe, each)
        self.loose = kept

    def after(self, which: str, rng: random.Random) -> dict[str, bytearray]:
        """Return what is found after the power went: `nothing` of what was unsynced, `all` of it, or `some` sectors."""
        found = {name: bytearray(content) for name, content in self.safe.items()}
        taken: list[tuple[str, str, int, int]] = []
        self.drawn = self.syncs, taken
        if which == "nothing":
            return found

        def take(operation: Operation) -> None:
            happen(found, operation)
            taken.append((operation.kind, operation.name, operation.offset, hash(operation.data)))

        share = 1.0 if which == "all" else rng.random()
        names = [place for place, each in enumerate(self.loose) if each.kind != "W"]
        last_name = -1 if not names else names[-1] if which == "all" else rng.choice([-1, *names])  # names go in order
        for place, each in enumerate(self.loose):
            if each.kind != "W":
                if place <= last_name:
                    take(each)
            elif share == 1.0:
                take(each)
            else:
                for sector in sectors(each):
                    if rng.random() < share:
                        take(sector)
        return found


def happen(files: dict[str, bytearray], operation: Operation) -> None:
    match operation.kind:
        case "C":
            files[operation.name] = bytearray()
        case "U":
            files.pop(operation.name, None)
        case "T":
            content = files.setdefault(operation.name, bytearray())
            del content[operation.offset :]
            content.extend(bytes(operation.offset - len(content)))
        case "W" if operation.name in files:
            content = files[operation.name]
            content.extend(bytes(max(0, operation.offset - len(content))))
            content[operation.offset : operation.offset + len(operation.data)] = operation.data


def sectors(operation: Operation) -> Iterator[Operation]:
    """Cut a write where the sectors of a disk begin."""
    begin, end = operation.offset, operation.offset + len(operation.data)
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        yield Operation("W", operation.name, begin, operation.data[begin - operation.offset : stop - operation.offset])
        begin = stop

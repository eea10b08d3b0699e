"""What a guard did, as the daemon that is started after it reads it: one JSON object a line, added and synced, never changed.

A line says that a channel is off since a moment (`off`), by the guard's hand or the daemon's, or that the guard is still trying
(`trying`). From it follows how long an output may have been on while nobody was reading. The daemon drops old lines.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from labctl.clock import Machine

GUARD_RECORD = "guard.jsonl"  # in the data folder
GUARD_RELIEF = (
    "guard.relief"  # in the data folder: the process number of a guard whose instruments a new daemon has taken over
)
KEPT = 1000  # lines that are kept when a daemon starts
STOOD_STILL = "the daemon stood still"
DIED = "the daemon died"


@dataclass(frozen=True, slots=True)
class GuardEntry:
    """One line.

    Attributes:
        kind: `off`: the output is known to be off since that moment; `trying`: the instrument does not answer yet.
        instrument: In the station file.
        channel: Of the instrument.
        why: Why the guard acted: `DIED` or `STOOD_STILL`.
        by: Who switched off: the guard, or the daemon before it died.
        boot: Which boot of the machine `monotonic` belongs to.
        monotonic: Machine seconds since boot.
        unix: UTC, s.
        guard: Process number of the guard.
    """

    kind: Literal["off", "trying"]
    instrument: str
    channel: str
    why: str
    by: Literal["guard", "daemon"]
    boot: str
    monotonic: float
    unix: float
    guard: int


def write_entries(folder: Path, entries: Iterable[GuardEntry]) -> None:
    """Add lines and sync them; a full or failing disk is no reason not to go on switching off."""
    text = "".join(json.dumps(asdict(entry)) + "\n" for entry in entries)
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / GUARD_RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_entries(folder: Path) -> list[GuardEntry]:
    """Return every line in order; one that does not read back, as a cut off last one, is left out."""
    entries: list[GuardEntry] = []
    try:
        lines = (folder / GUARD_RECORD).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return entries
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            entries.append(GuardEntry(**json.loads(line)))
    return entries


def trim(folder: Path) -> None:
    """Keep the newest lines only; called by a daemon while no guard writes."""
    path = folder / GUARD_RECORD
    with contextlib.suppress(OSError):
        lines = path.read_bytes().splitlines(keepends=True)
        if len(lines) <= 2 * KEPT:
            return
        short = path.with_suffix(".new")
        with short.open("wb") as file:
            file.writelines(lines[-KEPT:])
            file.flush()
            os.fsync(file.fileno())
        short.replace(path)


def first_off(
    entries: Sequence[GuardEntry], place: tuple[str, str], boot: str, monotonic: float, unix: float
) -> GuardEntry | None:
    """Return the first line that says that a channel was off after a moment, or None.

    Args:
        entries: Of the record, in order.
        place: Instrument and channel.
        boot: The boot in which the moment lies.
        monotonic: The moment in machine seconds of that boot.
        unix: The same in UTC, for a line of another boot.
    """
    for entry in entries:
        if entry.kind != "off" or (entry.instrument, entry.channel) != place:
            continue
        later = entry.monotonic >= monotonic if boot and entry.boot == boot else entry.unix >= unix
        if later:
            return entry
    return None


def still_trying(entries: Sequence[GuardEntry], guard: int) -> dict[str, tuple[str, ...]]:
    """Return the channels by instrument that a guard has said that it cannot reach, less those that it reached since."""
    trying: dict[str, set[str]] = {}
    for entry in entries:
        if entry.guard != guard:
            continue
        channels = trying.setdefault(entry.instrument, set())
        (channels.add if entry.kind == "trying" else channels.discard)(entry.channel)
    return {name: tuple(sorted(channels)) for name, channels in trying.items() if channels}


@dataclass(frozen=True, slots=True)
class RecordWriter:
    """Writes the lines of one guard; `do` lets them be written, later and in order."""

    folder: Path
    machine: Machine
    do: Callable[[Callable[[], None]], None]

    def moment(self) -> tuple[float, float]:
        """Return machine seconds and UTC now."""
        return self.machine.monotonic(), self.machine.unix()

    def off(self, place: tuple[str, str], why: str, moment: tuple[float, float], *, by_guard: bool) -> None:
        """Say that a channel is off since a moment."""
        instrument, channel = place
        entry = self._entry("off", instrument, channel, why, "guard" if by_guard else "daemon", moment)
        self.do(lambda: write_entries(self.folder, [entry]))

    def trying(self, instrument: str, channels: Iterable[str], why: str) -> None:
        """Say that channels are not reached yet."""
        now = self.moment()
        entries = [self._entry("trying", instrument, channel, why, "guard", now) for channel in channels]
        self.do(lambda: write_entries(self.folder, entries))

    def _entry(
        self,
        kind: Literal["off", "trying"],
        instrument: str,
        channel: str,
        why: str,
        by: Literal["guard", "daemon"],
        moment: tuple[float, float],
    ) -> GuardEntry:
        return GuardEntry(kind, instrument, channel, why, by, self.machine.boot, *moment, os.getpid())

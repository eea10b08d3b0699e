"""What a guard did, as the daemon that is started after it reads it: one JSON object a line, added and synced, never changed.

A line says that a channel is off since a moment (`off`), by the guard's hand or the daemon's, that the guard is still trying
(`trying`), or that a guard began to watch (`begin`). From it follows how long an output may have been on while nobody was reading.
The daemon drops old lines.
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
        kind: `off`: the output is known to be off since that moment; `trying`: the instrument does not answer yet; `begin`: a
            guard began, and nothing above its line is of later than that, whatever clock stood there.
        instrument: In the station file.
        channel: Of the instrument.
        why: Why the guard acted: `DIED` or `STOOD_STILL`.
        by: Who switched off: the guard, or the daemon before it died.
        boot: Which boot of the machine `monotonic` belongs to.
        monotonic: Machine seconds since boot.
        unix: UTC, s.
        guard: Process number of the guard.
    """

    kind: Literal["off", "trying", "begin"]
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
        descriptor = os.open(folder / GUARD_RECORD, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if _is_cut_off(descriptor):  # as by a disk that was full: what follows must not be lost with it
                text = "\n" + text
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_cut_off(descriptor: int) -> bool:
    """Tell whether the last line of a file has no end."""
    if not os.lseek(descriptor, 0, os.SEEK_END):
        return False
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) != b"\n"


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

    Within a boot its seconds say what is later. A line of another boot is of later only where it stands below one of that boot:
    the wall clock may have been ahead as it was written, and may have been set right since.

    Args:
        entries: Of the record, in order.
        place: Instrument and channel.
        boot: The boot in which the moment lies.
        monotonic: The moment in machine seconds of that boot.
        unix: The same in UTC, for a line of another boot.
    """
    newest = max((at for at, entry in enumerate(entries) if boot and entry.boot == boot), default=-1)
    for at, entry in enumerate(entries):
        if entry.kind != "off" or (entry.instrument, entry.channel) != place:
            continue
        if boot and entry.boot == boot:
            later = entry.monotonic >= monotonic
        else:
            later = entry.unix >= unix and (not boot or at > newest >= 0)
        if later:
            return entry
    return None


def last_at_work(entries: Sequence[GuardEntry]) -> int | None:
    """Return the guard that said last what it did or could not do, None where none did."""
    return next((entry.guard for entry in reversed(entries) if entry.kind != "begin"), None)


def still_trying(entries: Sequence[GuardEntry], guard: int | None) -> dict[str, tuple[str, ...]]:
    """Return the channels by instrument that a guard has said that it cannot reach, less those that it reached since."""
    trying: dict[str, set[str]] = {}
    for entry in entries:
        if entry.guard != guard or entry.kind == "begin":
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

    def begin(self) -> None:
        """Say that a guard begins to watch."""
        entry = self._entry("begin", "", "", "", "guard", self.moment())
        self.do(lambda: write_entries(self.folder, [entry]))

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
        kind: Literal["off", "trying", "begin"],
        instrument: str,
        channel: str,
        why: str,
        by: Literal["guard", "daemon"],
        moment: tuple[float, float],
    ) -> GuardEntry:
        return GuardEntry(kind, instrument, channel, why, by, self.machine.boot, *moment, os.getpid())

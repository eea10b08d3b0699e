"""What the rigs have counted so far: a file each in `tests/crash/counted/`, kept in the repository and added to by seed.

A station is what one seed counted. It is added when it is over, once: a seed that was counted is not counted again, so that a later
run, on another machine, goes on with the next one. The page of promises is written from these files.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "counted"
ROOT = Path(__file__).parents[2]
Figures = Mapping[str, float]


@dataclass(slots=True)
class Finding:
    """Something that was wrong once. It stays until somebody says in words why it was no fault of ours, or what mended it."""

    words: str
    date: str
    commit: str
    ruled_out: str = ""


@dataclass(slots=True)
class Station:
    """What was counted on one day at one commit.

    Attributes:
        date: UTC.
        commit: Of the sources.
        seeds: Ranges, first and last.
        seconds: That it took together.
        sums: What was counted.
    """

    date: str
    commit: str
    seeds: list[list[int]] = field(default_factory=list)
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Counted:
    """All that a rig has counted.

    Attributes:
        sums: Figures that add up.
        worst: Figures of which the highest counts.
        findings: What was wrong.
        stations: Where the sums come from, one a day and commit.
    """

    sums: dict[str, float] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    stations: list[Station] = field(default_factory=list)

    @classmethod
    def read(cls, name: str, folder: Path | None = None) -> "Counted":
        """Return what a rig counted; nothing where it never did."""
        file = (folder or FOLDER) / f"{name}.json"
        if not file.exists():
            return cls()
        found = json.loads(file.read_text("utf-8"))
        found["findings"] = [Finding(**each) for each in found["findings"]]
        found["stations"] = [Station(**each) for each in found["stations"]]
        return cls(**found)

    def write(self, name: str, folder: Path | None = None) -> None:
        """Put it in its file, whole or not at all."""
        file = (folder or FOLDER) / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        fresh.replace(file)

    def has(self, seed: int) -> bool:
        """Tell whether a seed was counted."""
        return any(first <= seed <= last for station in self.stations for first, last in station.seeds)

    @property
    def next_seed(self) -> int:
        """Return the seed after the last one that was counted."""
        return max((last for station in self.stations for _, last in station.seeds), default=0) + 1

    @property
    def seeds(self) -> int:
        """Return how many were counted."""
        return sum(last - first + 1 for station in self.stations for first, last in station.seeds)

    @property
    def seconds(self) -> float:
        """Return how long all stations took together."""
        return sum(station.seconds for station in self.stations)

    @property
    def open_findings(self) -> list[Finding]:
        """Return what nobody has ruled out."""
        return [finding for finding in self.findings if not finding.ruled_out]

    def add(
        self, seed: int, sums: Figures, worst: Figures | None = None, wrong: Sequence[str] = (), seconds: float = 0.0
    ) -> None:
        """Add what one seed counted; nothing where it was counted before."""
        if self.has(seed):
            return
        date, commit = now_and_here()
        if not self.stations or (self.stations[-1].date, self.stations[-1].commit) != (date, commit):
            self.stations.append(Station(date, commit))
        station = self.stations[-1]
        if (before := next((span for span in station.seeds if span[1] == seed - 1), None)) is not None:
            before[1] = seed  # several runs of a rig at once go on from seeds of their own
        else:
            station.seeds.append([seed, seed])
        station.seconds = round(station.seconds + seconds, 1)
        for name, value in sums.items():
            station.sums[name] = _sum(station.sums.get(name, 0), value)
            self.sums[name] = _sum(self.sums.get(name, 0), value)
        for name, value in (worst or {}).items():
            self.worst[name] = max(self.worst.get(name, value), value)
        self.findings += [Finding(f"seed {seed}: {words}", date, commit) for words in wrong]


def _sum(one: float, two: float) -> float:
    return one + two if isinstance(two, int) else round(one + two, 6)


@contextmanager
def counting(name: str, keep: bool, folder: Path | None = None) -> "Iterator[Tally]":
    """Count for a rig; the first SIGINT or SIGTERM lets its station come to an early end, which counts, the second ends at once.

    Args:
        name: Of the rig's file.
        keep: Add to the file; else nothing is read and nothing is written.
        folder: Of the file.
    """
    tally = Tally(name, keep, folder)

    def asked(number: int, _: object) -> None:
        if tally.ended:
            raise KeyboardInterrupt
        sys.stderr.write(f"\n{signal.Signals(number).name}: what was counted is kept\n")
        tally.ended = True

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield tally
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if keep:
            from tests.crash.promises import write_counted  # noqa: PLC0415 - it reads what is written here

            write_counted()


class Tally:
    """One run of a rig: what it counts, and what the runs before it have counted.

    Attributes:
        now: Counted by this run.
        ended: Somebody has asked for its end.
    """

    def __init__(self, name: str, keep: bool, folder: Path | None = None) -> None:
        self.name, self.keep, self.folder = name, keep, folder
        self.now = Counted()
        self.ended = False

    @property
    def so_far(self) -> Counted:
        """Return all that is kept; what this run has counted where nothing is."""
        return Counted.read(self.name, self.folder) if self.keep else self.now

    def seeds(self, first: int | None = None) -> Iterator[int]:
        """Give seeds that were not counted until somebody asks for an end: from `first` on, or from the next one."""
        while not self.ended:
            known = self.so_far
            seed = known.next_seed if first is None else first
            while known.has(seed):
                seed += 1
            first = seed + 1
            yield seed

    def add(
        self, seed: int, sums: Figures, worst: Figures | None = None, wrong: Sequence[str] = (), seconds: float = 0.0
    ) -> None:
        """Add what one seed counted, here and in the file."""
        self.now.add(seed, sums, worst, wrong, seconds)
        if self.keep:
            with _alone((self.folder or FOLDER) / f"{self.name}.json"):
                known = Counted.read(self.name, self.folder)
                known.add(seed, sums, worst, wrong, seconds)
                known.write(self.name, self.folder)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep other runs of the rig from adding at the same time."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where the rigs do not run
    except ImportError:
        yield
        return
    file.parent.mkdir(exist_ok=True)
    place = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def now_and_here() -> tuple[str, str]:
    """Return the day, UTC, and the commit of the sources."""
    return time.strftime("%Y-%m-%d", time.gmtime()), _commit()


@cache
def _commit() -> str:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip() or "a copy"
    return "a copy"


Progress = Callable[[str], None]


def progress(words: str) -> None:
    """Show how far it is, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{words}")
        sys.stderr.flush()

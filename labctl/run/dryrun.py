"""`labctl simulate` on a terminal: progress with time left, the run's number, and what to do next."""

import getpass
import sys
import time
from collections.abc import Sequence
from typing import TextIO

import orjson

from labctl.errors import UsageError
from labctl.plan.estimate import estimate
from labctl.run.simulate import Progress, Simulated, Simulation, Wanted
from labctl.store.journal import Journal
from labctl.units import display

EVERY = 0.2  # s between two lines of progress


def dry_run(protocol: str, cell: str, url: str, *, seed: int, values: Sequence[str], as_json: bool) -> int:
    """Run a protocol on a simulated cell, tell how it goes, and return the exit code.

    Raises:
        LabctlError: A file is wrong, or the journal cannot be written.
    """
    simulation = Simulation(Wanted(protocol, cell, parameters(values), seed=seed, by=person()))
    found = estimate(simulation.plan)
    begin = time.perf_counter()
    with Journal.open(url) as journal:
        meter = Meter(sys.stderr, found.duration[0] or None)
        ended = simulation.run(journal, meter.show)
        meter.clear()
    took = time.perf_counter() - begin
    if as_json:
        sys.stdout.write(orjson.dumps(flat(ended, took)).decode() + "\n")
    else:
        sys.stdout.write(told(ended, took, url))
    return 0 if ended.reason == "done" else 1


def parameters(values: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping.

    Raises:
        UsageError: One has no `=`.
    """
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"wanted NAME=VALUE after --set, found {text!r}")
        found[name.strip()] = value.strip()
    return found


def flat(ended: Simulated, took: float) -> dict[str, object]:
    """Return how a dry run ended as a flat object."""
    return {
        "run_id": ended.run_id,
        "end_reason": ended.reason,
        "why": ended.why,
        "rows": ended.rows,
        "cycle_count": ended.cycles,
        "test_time_second": ended.test_time,
        "took_second": round(took, 3),
    }


def told(ended: Simulated, took: float, url: str) -> str:
    """Return the same in words, with the next command."""
    cycles = f", {ended.cycles} cycles" if ended.cycles else ""
    lines = [
        f"run {ended.run_id}: {ended.reason}{f', {ended.why}' if ended.reason != 'done' else ''}",
        f"{duration(ended.test_time)} of test in {took:.1f} s: {ended.rows} rows{cycles}, all in {url}",
        f"next: labctl show {ended.run_id} --db {url}",
    ]
    return "\n".join(lines) + "\n"


class Meter:
    """A line of progress with time left, on a terminal only."""

    def __init__(self, out: TextIO, likely: float | None) -> None:
        """Take the terminal and the likely run time in s."""
        self._out = out if out.isatty() else None
        self._likely = likely
        self._begin = self._shown = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Show how far it is, a few times a second."""
        now = time.monotonic()
        if self._out is None or now - self._shown < EVERY:
            return
        self._shown = now
        share = min(0.99, progress.test_time / self._likely) if self._likely else None
        left = "" if not share else f", about {duration((now - self._begin) * (1.0 / share - 1.0))} left"
        percent = "" if share is None else f"{share:4.0%}, "
        at = f"{duration(progress.test_time)} of test, {progress.rows} rows, cycle {progress.cycle}"
        self._out.write(f"\r\x1b[Krun {progress.run_id}: {percent}{at}{left}")
        self._out.flush()

    def clear(self) -> None:
        """Leave the line empty."""
        if self._out is not None:
            self._out.write("\r\x1b[K")
            self._out.flush()


def duration(seconds: float) -> str:
    """Return a duration for people: two units at most."""
    return " ".join(display(round(seconds), "duration").split()[:4])


def person() -> str:
    """Return who asks, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""

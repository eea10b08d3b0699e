"""`labctl simulate` on a terminal: progress with time left, the run's number, and what to do next."""

import contextlib
import getpass
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

import orjson

from labctl.inputs import assignments
from labctl.plan.description import drawn
from labctl.plan.estimate import estimate
from labctl.quantity.units import display
from labctl.run.simulate import DryRunRequest, DryRunResult, Progress, Simulation
from labctl.store.journal import Journal

EVERY = 0.2  # s between two lines of progress


def dry_run(
    protocol: str,
    cell: str,
    url: str,
    *,
    seed: int,
    values: Sequence[str],
    as_json: bool,
    ended: Callable[[Journal, int], None] = lambda _journal, _run: None,
) -> int:
    """Run a protocol on a simulated cell, tell how it goes, and return the exit code.

    `ended` is given the journal and the run when its last row is stored, for its analyses.

    Raises:
        LabctlError: A file is wrong, or the journal cannot be written.
    """
    simulation = Simulation(DryRunRequest(protocol, cell, assignments(values), seed=seed, by=person()))
    for warning in simulation.warnings:
        sys.stderr.write(f"{warning}\n\n")
    for sentence in drawn(simulation.plan.root):
        sys.stderr.write(f"{sentence}\n")
    estimated = estimate(simulation.plan)
    begin = time.perf_counter()
    with Journal.open(url) as journal:
        meter = ProgressLine(sys.stderr, estimated.duration[0] or None)
        with interruptions() as interrupted:
            done = simulation.run(journal, meter.show, interrupted)
        meter.clear()
        ended(journal, done.run_id)
    took = time.perf_counter() - begin
    if as_json:
        sys.stdout.write(orjson.dumps(flat(done, took)).decode() + "\n")
    else:
        sys.stdout.write(told(done, took, url))
    return 0 if done.reason == "done" else 1


@contextlib.contextmanager
def interruptions() -> Iterator[Callable[[], str]]:
    """Let Ctrl-C and SIGTERM be asked for between two steps of work, by name; the second one ends at once, as ever."""
    seen: list[str] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        del frame
        seen.append("the keyboard" if number == signal.SIGINT else signal.Signals(number).name)
        signal.signal(number, before[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: seen[0] if seen else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def flat(ended: DryRunResult, took: float) -> dict[str, object]:
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


def told(ended: DryRunResult, took: float, url: str) -> str:
    """Return the same in words, with the next command."""
    cycles = f", {ended.cycles} cycles" if ended.cycles else ""
    lines = [
        f"run {ended.run_id}: {ended.reason}{_why(ended)}",
        f"{duration(ended.test_time)} of test in {took:.1f} s: {ended.rows} rows{cycles}, all in {url}",
        f"next: labctl show {ended.run_id} --db {url}",
    ]
    return "\n".join(lines) + "\n"


def _why(ended: DryRunResult) -> str:
    """Return why a run ended, as far as that says more than that it did."""
    why = ended.why.removeprefix("the plan is done").removeprefix("; ") if ended.reason == "done" else ended.why
    return f", {why}" if why else ""


class ProgressLine:
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

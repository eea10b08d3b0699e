"""Rig G: the daemon of a source meter that drives a current is killed or stopped, and the guard has its output off.

    python -m tests.crash.guard --kills 60 --freezes 6

Each is a daemon, a guard and an emulated meter of its own, on a real socket; the moment at which the output went off is
told by the ledger of the cell behind the meter.
"""

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instruments import killed

WITHIN = 0.250  # s after a kill
FROZEN_WITHIN = 2.500  # s after a stop


def main(words: Sequence[str] | None = None) -> int:
    """Kill so many daemons, with progress and the time that is left; return the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.guard", description=__doc__)
    asked.add_argument("--kills", type=int, default=60)
    asked.add_argument("--freezes", type=int, default=6)
    given = asked.parse_args(words)
    late = tried(given.kills, signal.SIGKILL, WITHIN, "kills")
    return 1 if late + tried(given.freezes, signal.SIGSTOP, FROZEN_WITHIN, "freezes") else 0


def tried(times: int, how: signal.Signals, within: float, what: str) -> int:
    """Do it so many times, say when the output went off, and return how often that was late."""
    if not times:
        return 0
    off: list[float] = []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times):
            off.append(killed(Path(folder) / f"{what}{number}", how))
            left = (time.monotonic() - begin) / len(off) * (times - len(off))
            sys.stderr.write(f"\r{len(off)} of {times} {what}, worst {1e3 * max(off):.0f} ms, {left:.0f} s left ")
    late = sum(one > within for one in off)
    print(
        f"\n{times} {what}: output off after {1e3 * statistics.median(off):.0f} ms in the median, "
        f"{1e3 * max(off):.0f} ms at worst; {late} later than {1e3 * within:.0f} ms"
    )
    return late


if __name__ == "__main__":
    sys.exit(main())

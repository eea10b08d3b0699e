"""Rig G: the daemon of a source meter that drives a current is killed, and the guard has its output off.

    python -m tests.crash.guard --kills 60

Each kill is a daemon, a guard and an emulated meter of its own, on a real socket; the moment at which the output went off is
told by the ledger of the cell behind the meter.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instruments import killed

WITHIN = 0.250  # s


def main(words: Sequence[str] | None = None) -> int:
    """Kill so many daemons, with progress and the time that is left; return the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.guard", description=__doc__)
    asked.add_argument("--kills", type=int, default=60)
    kills = asked.parse_args(words).kills
    found: list[float] = []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(kills):
            found.append(killed(Path(folder) / f"kill{number}"))
            left = (time.monotonic() - begin) / len(found) * (kills - len(found))
            sys.stderr.write(f"\r{len(found)} of {kills} kills, worst {1e3 * max(found):.0f} ms, {left:.0f} s left ")
    late = sum(one > WITHIN for one in found)
    print(
        f"\n{kills} kills: output off after {1e3 * statistics.median(found):.0f} ms in the median, "
        f"{1e3 * max(found):.0f} ms at worst; {late} later than {1e3 * WITHIN:.0f} ms"
    )
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())

"""Rig G: the daemon of a source meter that drives a current is killed or stopped, and the guard has its output off.

    python -m tests.crash.guard --kills 60 --freezes 6 --write

Each is a daemon, a guard and an emulated meter of its own, on a real socket; the moment at which the output went off is
told by the ledger of the cell behind the meter.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instruments import killed
from tests.crash.counted import counting, progress
from tests.crash.promises import told

WITHIN = 0.250  # s after a kill
FROZEN_WITHIN = 2.500  # s after a stop


def main(words: Sequence[str] | None = None) -> int:
    """Kill so many daemons, with progress and the time that is left; return the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.guard", description=__doc__)
    asked.add_argument("--kills", type=int, default=60)
    asked.add_argument("--freezes", type=int, default=6)
    asked.add_argument("--write", action="store_true", help="add to tests/crash/counted/guard.json and to the page")
    given = asked.parse_args(words)
    with counting("guard", given.write) as tally, tempfile.TemporaryDirectory() as folder:
        plan = [("kills", signal.SIGKILL, WITHIN)] * given.kills + [
            ("freezes", signal.SIGSTOP, FROZEN_WITHIN)
        ] * given.freezes
        for seed, (what, how, within) in zip(tally.seeds(), plan, strict=False):
            begin = time.monotonic()
            off = killed(Path(folder) / f"{what}{seed}", how)
            wrong = [f"off {off:.3f} s after one of the {what}, wanted at most {within:g} s"] if off > within else []
            sums = {what: 1, f"seconds_{what}": off, "late": len(wrong)}
            tally.add(seed, sums, {f"slowest_{what}": round(off, 4)}, wrong, time.monotonic() - begin)
            progress(f"{tally.now.seeds} of {len(plan)}, {len(wrong)} late")
        print(told("guard", tally.now))
        return 1 if tally.now.findings else 0


if __name__ == "__main__":
    sys.exit(main())

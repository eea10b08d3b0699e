"""Run what failed beside others once more, alone: `make test` calls it when its one run of everything has failed.

A test that starts processes has moments that depend on how busy the machine is, and what it leaves behind may fail another
that runs after it. It fails for good where it fails alone, with the seed of the run. What passes alone, every time of `TIMES`, is
printed at the end by its name. See docs/decisions/0023-what-fails-only-beside-others.md.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

FAILED = Path(".pytest_cache/v/labctl/failed")  # written by tests/conftest.py at the end of every session
MANY = 5  # failures of one run; more of them are no accident
TIMES = 2


def main() -> int:
    """Return the exit code of `make test`: 0 only if each failure of the last run passes alone, `TIMES` times."""
    try:
        last = json.loads(FAILED.read_text())
    except OSError:  # it ended otherwise: by a skip that is refused, or before there were tests
        return 1
    failed: list[str] = last["tests"]
    if not 0 < len(failed) <= MANY:
        return 1
    environment = {**os.environ, "LABCTL_TEST_SEED": str(last["seed"])}
    print(f"\nAlone, {TIMES} times, what failed beside others:", *failed, sep="\n  ", flush=True)
    for _ in range(TIMES):
        if code := subprocess.call(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *failed], env=environment
        ):
            return code
    print("\nFAILED BESIDE OTHERS, PASSED ALONE (look for what they do not wait for):", *failed, sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run what failed beside others once more, alone: `make test` calls it when its one run of everything has failed.

A test that starts processes has moments that depend on how busy the machine is. It fails for good where it fails alone, or
where anything failed that starts none: the tests in `tests/unit` and `tests/property` have no such moments and get no second
word. What failed beside others and passes alone, every time of `TIMES`, is printed at the end by its name. See
docs/decisions/0023-what-fails-only-beside-others.md.
"""

import json
import subprocess
import sys
from pathlib import Path

FAILED = Path(".pytest_cache/v/labctl/failed")  # written by tests/conftest.py at the end of every session
BUSY = ("tests/system/", "tests/crash/", "tests/contract/")
MANY = 5  # failures of one run; more of them are no accident
TIMES = 2


def main() -> int:
    """Return the exit code of `make test`: 0 only if each failure of the last run passes alone, `TIMES` times."""
    try:
        failed: list[str] = json.loads(FAILED.read_text())
    except OSError:
        failed = []
    if not failed or len(failed) > MANY or not all(test.startswith(BUSY) for test in failed):
        return 1
    print(f"\nAlone, {TIMES} times, what failed beside others:", *failed, sep="\n  ", flush=True)
    for _ in range(TIMES):
        if code := subprocess.call([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *failed]):
            return code
    print("\nFAILED BESIDE OTHERS, PASSED ALONE (look for what they do not wait for):", *failed, sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

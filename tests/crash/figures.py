"""The long figures of `labctl bench reliability`, kept in the repository beside what the rigs count.

python -m tests.crash.figures --of verify --write
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from benchmarks.reliability import FIGURES
from benchmarks.store import folder
from tests.crash.counted import FOLDER, now_and_here
from tests.crash.promises import write

KEPT = FOLDER / "figures.json"


def known() -> dict[str, dict[str, object]]:
    """Return each figure as it was measured last, by its name."""
    return json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


def written() -> str:
    """Return the table for the page of promises."""
    lines = ["| figure | wanted | found | | measured | by |", "|---|---|---|---|---|---|"]
    for name, each in known().items():
        met = "met" if each["met"] else "**missed**" if each["met"] is False else "not measured"
        at = f"{each['date']} at {each['commit']}; {each['remark']}"
        lines.append(f"| {name} | {each['wanted']} | {each['found']} | {met} | {at} | `make rig-figures` |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print each figure as soon as it is known, and return the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.figures", description=__doc__)
    asked.add_argument("--of", choices=FIGURES, action="append", help="this case alone")
    asked.add_argument("--write", action="store_true", help="keep in tests/crash/counted/figures.json and in the page")
    given = asked.parse_args(words)
    missed = 0
    for case in given.of or FIGURES:
        with folder() as place:
            for figure in FIGURES[case](place):
                print(f"{figure.name}: wanted {figure.wanted}, found {figure.found}; {figure.remark}", flush=True)
                missed += figure.met is False
                if given.write:
                    date, commit = now_and_here()
                    load = f"{figure.remark}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
                    more = {"wanted": figure.wanted, "found": figure.found, "met": figure.met}
                    kept = {**known(), figure.name: {**more, "remark": load, "date": date, "commit": commit}}
                    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
                    write("figures", written())
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

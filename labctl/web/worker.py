"""What takes a core for seconds, in a process of its own beside the pages: reports, exports, comparisons, dry runs.

`python -m labctl.web.worker` reads one JSON object from its standard input, works in the folder that it names, says how far it is
as JSON lines, and ends with one that has `file` or `error`. What is asked of it stands on no command line: an address of a store
may hold a password.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from labctl.errors import LabctlError
from labctl.inputs import assignments
from labctl.plan.estimate import estimate
from labctl.run.simulate import DryRunRequest, Progress, Simulation
from labctl.store.entry import Source
from labctl.store.journal import Journal
from labctl.store.pyramid import Pyramid
from labctl.store.reader import Reader
from labctl.web import series
from labctl.web.as_json import as_json

EVERY: Final = 0.2  # s between two words of progress
SEEN: Final = 1600  # points a curve of a dry run


def main() -> int:
    """Do what is asked, and return the exit code."""
    asked = orjson.loads(sys.stdin.buffer.read())
    try:
        say({"file": _work(asked)})
    except LabctlError as error:
        say({"error": str(error)})
        return 1
    return 0


def say(word: Mapping[str, object]) -> None:
    """Say a line."""
    sys.stdout.buffer.write(orjson.dumps(word) + b"\n")
    sys.stdout.buffer.flush()


def _work(asked: Mapping[str, Any]) -> str:
    output = Path(str(asked["folder"])) / str(asked["output"])
    match asked["what"]:
        case "report":
            _report(asked, output)
        case "export":
            _export(asked, output)
        case "compare":
            _compare(asked, output)
        case "simulate":
            output.write_bytes(_simulated(asked, output.parent))
    return str(output)


def _report(asked: Mapping[str, Any], output: Path) -> None:
    from labctl.report.files import write_of_run  # noqa: PLC0415 - with Matplotlib, which a dry run does not need
    from labctl.report.plots.choose import Wish  # noqa: PLC0415

    with Reader(asked["where"]) as reader:
        write_of_run(output, reader, reader.find(str(asked["run"])), Wish())


def _export(asked: Mapping[str, Any], output: Path) -> None:
    from labctl.store.export import export  # noqa: PLC0415

    told = [0.0]

    with Reader(asked["where"]) as reader:
        run = reader.find(str(asked["run"]))

        def progress(rows: int) -> None:
            if time.monotonic() - told[0] >= EVERY:
                told[0] = time.monotonic()
                say({"part": rows / max(1, run.rows)})

        export(reader, run, output, asked["format"], progress)


def _compare(asked: Mapping[str, Any], output: Path) -> None:
    from labctl.report.compare import write_comparison  # noqa: PLC0415

    with Reader(asked["where"]) as reader:
        write_comparison(output, reader, [reader.find(str(run)) for run in asked["runs"]])


def _simulated(asked: Mapping[str, Any], folder: Path) -> bytes:
    """Return what a dry run looks like, as far as it came in the time that it has: curves, cycles, how it ended."""
    simulation = Simulation(
        DryRunRequest(
            Source("protocol.yaml", str(asked["protocol"])), Source("cell.yaml", str(asked["cell"])),
            assignments(str(asked["values"]).splitlines()), by=str(asked["by"]),
        )
    )  # fmt: skip
    begin, computed, within = time.monotonic(), time.process_time(), float(asked["within"])
    likely = estimate(simulation.plan).duration[0]
    told = [begin]

    def progress(so_far: Progress) -> None:
        if time.monotonic() - told[0] >= EVERY:
            told[0] = time.monotonic()
            part = min(0.99, so_far.test_time / likely) if likely > 0 else 0.0
            left = (told[0] - begin) * (1 / part - 1) if part else None
            say({"part": part, "left": left, "time": so_far.test_time, "rows": so_far.rows})

    cut = [False]

    def out_of_time() -> str:
        cut[0] = cut[0] or time.process_time() - computed > within
        return "the time that a page has" if cut[0] else ""

    with Journal.open(folder / "dry") as journal:
        done = simulation.run(journal, progress, out_of_time)
    with Reader(folder / "dry") as reader:
        run, pyramid = reader.run(done.run_id), Pyramid(None)
        series.prepared(reader, pyramid, run)
        seen = series.history(reader, pyramid, run, (0.0, float("inf")), SEEN)
        pyramid.close()
        cycles = series.cycles(reader, run)
    ended = "" if cut[0] else done.reason if done.reason == "done" else f"{done.reason}: {done.why}"
    told_all = {
        **seen,
        "cycles": cycles,
        "whole": not cut[0],
        "ended": ended,
        "took": time.monotonic() - begin,
        "likely": likely,
    }
    return as_json(told_all)


if __name__ == "__main__":
    raise SystemExit(main())

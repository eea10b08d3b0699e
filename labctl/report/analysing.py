"""The process that analyses a run for the daemon: `python -m labctl.report.analysing FOLDER RUN NOW [NAME...]` tells events."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

import orjson

from labctl.report.run_data import plan_of
from labctl.report.stored import news
from labctl.store.reader import Reader

NICE = 10  # what measures goes first


def main(words: Sequence[str]) -> int:
    """Print the events that store what is asked for; an empty list where nothing is new.

    With names that is these analyses, with `-` those that `labctl analyse RUN` tells, and without any those of the protocol alone.
    """
    where, run_id, now, *names = words
    if hasattr(os, "nice"):
        os.nice(NICE)
    with Reader(where) as reader:
        run = reader.run(int(run_id))
        asked = names or plan_of(reader, run).analyses
        events = news(reader, run, float(now), [name for name in names if name != "-"])[1] if asked else ()
    sys.stdout.buffer.write(orjson.dumps([asdict(event) for event in events]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

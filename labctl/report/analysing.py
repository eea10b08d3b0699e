"""The process that analyses a run for the daemon: `python -m labctl.report.analysing FOLDER RUN NOW` prints events as JSON."""

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
    """Print the events that store what the protocol of a run asks for under `analyse`; an empty list where nothing is new."""
    where, run_id, now = words
    if hasattr(os, "nice"):
        os.nice(NICE)
    with Reader(where) as reader:
        run = reader.run(int(run_id))
        events = news(reader, run, float(now))[1] if plan_of(reader, run).analyses else ()
    sys.stdout.buffer.write(orjson.dumps([asdict(event) for event in events]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

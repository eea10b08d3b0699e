"""A cycler of a thousand channels that is polled, and what one of its stored samples costs beside raw sqlite3.

To start them takes minutes, so that this is measured alone: `python -m benchmarks.many_cyclers`.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.emulated import CELL, PACE
from benchmarks.figure import Promised
from benchmarks.instruments import cyclers

CHANNELS = 1000


def figures() -> Iterator[Promised]:
    """Measure it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        (folder / "pace.yaml").write_text(PACE)
        yield from asyncio.run(cyclers(folder, CHANNELS))


if __name__ == "__main__":
    for figure in figures():
        print(figure)
